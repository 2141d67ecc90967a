/** Responses from the other side: what its clients expect of an answer. Source: OpenAI's reference, 2026-11. */
import type { AssistantPart, Citation, JsonObject, ProviderMetadata } from "../../../Prompt.ts"
import type { ContentPart } from "../../../Response.ts"
import type { Usage } from "../../../Usage.ts"
import { asObject } from "../../json/values.ts"
import { withFields } from "../../objects/withFields.ts"
import * as carried from "../carried.ts"
import * as openai from "../openaiErrors.ts"
import { extended } from "../serving.ts"
import type { Answer, End, Envelope, Frame, Frames, Problem, Serve, Writer } from "../serving.ts"
import { read } from "./asked.ts"
import { name as wireName } from "./request.ts"

const usageOf = (usage: Usage): JsonObject => ({
  input_tokens: usage.inputTokens,
  input_tokens_details: { cached_tokens: usage.cachedInputTokens, ...openai.cacheWritten(usage) },
  output_tokens: usage.outputTokens,
  output_tokens_details: { reasoning_tokens: usage.reasoningTokens },
  total_tokens: usage.totalTokens
})

type Status = "in_progress" | "completed" | "incomplete" | "failed"

const response = (
  { created, id, model }: Envelope,
  status: Status,
  output: ReadonlyArray<JsonObject>,
  more: JsonObject
): JsonObject => ({
  id: `resp_${id}`,
  object: "response",
  created_at: created,
  status,
  background: false,
  error: null,
  incomplete_details: null,
  instructions: null,
  max_output_tokens: null,
  model,
  output,
  parallel_tool_calls: true,
  previous_response_id: null,
  reasoning: { effort: null, summary: null },
  service_tier: status === "in_progress" ? "auto" : "default",
  store: false,
  temperature: 1,
  text: { format: { type: "text" }, verbosity: "medium" },
  tool_choice: "auto",
  tools: [],
  top_p: 1,
  truncation: "disabled",
  usage: null,
  user: null,
  metadata: {},
  ...more
})

/** The model's own words of refusal are content; what a filter withholds makes the answer incomplete. */
const isSaid = ({ refusal }: End): boolean => refusal !== undefined && refusal.category === "refusal"

const statusOf = (end: End): "completed" | "incomplete" =>
  end.finishReason === "length" || (end.finishReason === "content-filter" && !isSaid(end)) ? "incomplete" : "completed"

const finished = (envelope: Envelope, end: End, output: ReadonlyArray<JsonObject>): JsonObject => {
  const status = statusOf(end)
  return response(envelope, status, output, {
    incomplete_details: status === "completed"
      ? null
      : { reason: end.finishReason === "length" ? "max_output_tokens" : "content_filter" },
    usage: end.usage === undefined ? null : usageOf(end.usage),
    ...extended(end)
  })
}

// ── items ───────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Phases of a message have a field; what else belongs to it goes in ours. */
const messageFields = (metadata: ProviderMetadata | undefined): JsonObject => {
  const phase = carried.onlyOwn(metadata, wireName)?.["phase"]
  return phase === undefined ? carried.field(metadata) : { phase }
}

const annotationsOf = (citations: ReadonlyArray<Citation> | undefined, length: number): ReadonlyArray<JsonObject> =>
  (citations ?? []).flatMap(({ end = length, start = 0, title, url }) =>
    url === undefined ? [] : [{ type: "url_citation", url, title: title ?? "", start_index: start, end_index: end }]
  )

const textPart = (text: string, annotations: ReadonlyArray<JsonObject>): JsonObject => ({
  type: "output_text",
  annotations,
  logprobs: [],
  text
})

const messageItem = (id: string, status: Status, content: ReadonlyArray<JsonObject>, more: JsonObject): JsonObject => ({
  id,
  type: "message",
  role: "assistant",
  status,
  content,
  ...more
})

/** What comes back must say whose it is; an item of the provider itself does not, and needs not. */
const encryptedOf = (metadata: ProviderMetadata | undefined): JsonObject => {
  if (metadata === undefined) return {}
  const own = carried.onlyOwn(metadata, wireName)
  const encrypted = asObject(own?.["item"])["encrypted_content"]
  return typeof encrypted === "string" && own?.["provider"] === undefined
    ? { encrypted_content: encrypted }
    : { encrypted_content: carried.pack(metadata) }
}

const reasoningItem = (id: string, part: Extract<AssistantPart, { type: "reasoning" }>): JsonObject => ({
  id,
  type: "reasoning",
  summary: part.text === "" ? [] : [{ type: "summary_text", text: part.text }],
  ...encryptedOf(part.providerMetadata)
})

const callItem = (id: string, status: Status, part: Extract<AssistantPart, { type: "tool-call" }>): JsonObject => ({
  id,
  type: "function_call",
  status,
  call_id: part.id,
  name: part.name,
  arguments: part.rawArguments ?? JSON.stringify(part.arguments ?? {}),
  ...carried.field(part.providerMetadata)
})

const prefixes: Readonly<Record<AssistantPart["type"], string>> = {
  text: "msg",
  reasoning: "rs",
  "tool-call": "fc",
  provider: "item"
}

const idOf = ({ id }: Envelope, type: AssistantPart["type"], place: number): string =>
  `${prefixes[type]}_${id}_${place}`

/** A whole item; undefined for what only another wire's provider understands. */
const itemOf = (envelope: Envelope, part: AssistantPart, place: number, status: Status): JsonObject | undefined => {
  const id = idOf(envelope, part.type, place)
  switch (part.type) {
    case "text":
      return messageItem(
        id,
        status,
        [textPart(part.text, annotationsOf(part.citations, part.text.length))],
        messageFields(part.providerMetadata)
      )
    case "reasoning":
      return reasoningItem(id, part)
    case "tool-call":
      return callItem(id, status, part)
    case "provider":
      return part.wire.startsWith(`${wireName}:`) ? part.value : undefined
  }
}

const refusalItem = (envelope: Envelope, text: string, place: number): JsonObject =>
  messageItem(idOf(envelope, "text", place), "completed", [{ type: "refusal", refusal: text }], {})

const whole = (envelope: Envelope, { content, end }: Answer): JsonObject => {
  const status = statusOf(end)
  const output: Array<JsonObject> = []
  for (const part of content) {
    const item = itemOf(envelope, part, output.length, status)
    if (item !== undefined) output.push(item)
  }
  const said = end.refusal?.text ?? ""
  if (said !== "") output.push(refusalItem(envelope, said, output.length))
  return finished(envelope, end, output)
}

// ── events ──────────────────────────────────────────────────────────────────────────────────────────────────────────

interface Open {
  readonly type: "text" | "reasoning" | "tool-call"
  readonly place: number
  readonly id: string
  /** A part of it was announced. */
  isBegun: boolean
  isWritten: boolean
}

class ResponsesWriter implements Writer {
  private readonly envelope: Envelope
  private readonly open = new Map<number, Open>()
  private readonly output: Array<JsonObject> = []
  private count = 0
  private sequence = 0
  private hasText = false

  constructor(envelope: Envelope) {
    this.envelope = envelope
  }

  private frame(type: string, data: JsonObject, content = type.endsWith(".delta")): Frame {
    return { event: type, data: { type, ...data, sequence_number: this.sequence++ }, content }
  }

  start(): Frames {
    const begun = response(this.envelope, "in_progress", [], {})
    return [
      this.frame("response.created", { response: begun }),
      this.frame("response.in_progress", { response: begun })
    ]
  }

  part(part: ContentPart): Frames {
    switch (part._tag) {
      case "TextDelta":
        this.hasText = true
        return this.textDelta(part.index, part.delta)
      case "ReasoningDelta":
        return this.reasoningDelta(part.index, part.delta)
      case "ToolCallDelta":
        // A name that is still to come comes with the whole call.
        return part.name === "" ? [] : this.callDelta(part.index, part.id, part.name, part.delta)
      case "BlockEnd":
        return this.blockEnd(part.index, part.part)
      case "ToolCallPart":
      case "ObjectDelta":
        return []
    }
  }

  private opened(index: number, type: Open["type"], item: (id: string) => JsonObject): readonly [Open, Array<Frame>] {
    const known = this.open.get(index)
    if (known !== undefined) return [known, []]
    const place = this.count++
    const open: Open = { type, place, id: idOf(this.envelope, type, place), isBegun: false, isWritten: false }
    this.open.set(index, open)
    return [open, [this.frame("response.output_item.added", { output_index: place, item: item(open.id) })]]
  }

  private textDelta(index: number, delta: string): Frames {
    const [open, frames] = this.opened(index, "text", (id) => messageItem(id, "in_progress", [], {}))
    const at = { item_id: open.id, output_index: open.place, content_index: 0 }
    if (!open.isBegun) {
      open.isBegun = true
      frames.push(this.frame("response.content_part.added", withFields(at, { part: textPart("", []) })))
    }
    if (delta !== "") frames.push(this.frame("response.output_text.delta", withFields(at, { delta, logprobs: [] })))
    return frames
  }

  private reasoningDelta(index: number, delta: string): Frames {
    const [open, frames] = this.opened(index, "reasoning", (id) => ({ id, type: "reasoning", summary: [] }))
    const at = { item_id: open.id, output_index: open.place, summary_index: 0 }
    if (!open.isBegun) {
      open.isBegun = true
      const part = { type: "summary_text", text: "" }
      frames.push(this.frame("response.reasoning_summary_part.added", withFields(at, { part })))
    }
    frames.push(this.frame("response.reasoning_summary_text.delta", withFields(at, { delta })))
    return frames
  }

  private callDelta(index: number, call: string, name: string, delta: string): Frames {
    const [open, frames] = this.opened(
      index,
      "tool-call",
      (id) => callItem(id, "in_progress", { type: "tool-call", id: call, name, arguments: {}, rawArguments: "" })
    )
    if (delta !== "") {
      open.isWritten = true
      const at = { item_id: open.id, output_index: open.place }
      frames.push(this.frame("response.function_call_arguments.delta", withFields(at, { delta })))
    }
    return frames
  }

  private blockEnd(index: number, part: AssistantPart): Frames {
    switch (part.type) {
      case "text":
        return this.textEnd(index, part)
      case "reasoning":
        return this.reasoningEnd(index, part)
      case "tool-call":
        return this.callEnd(index, part)
      case "provider": {
        const item = itemOf(this.envelope, part, this.count, "completed")
        if (item === undefined) return []
        const place = this.count++
        return [
          this.frame("response.output_item.added", { output_index: place, item }),
          this.done(place, item)
        ]
      }
    }
  }

  /** The items that are done. */
  private get whole(): ReadonlyArray<JsonObject> {
    return this.output.filter((item) => item !== undefined)
  }

  private done(place: number, item: JsonObject): Frame {
    this.output[place] = item
    return this.frame("response.output_item.done", { output_index: place, item })
  }

  private textEnd(index: number, part: Extract<AssistantPart, { type: "text" }>): Frames {
    const begun = this.textDelta(index, "")
    const open = this.open.get(index)
    if (open === undefined) return begun
    const at = { item_id: open.id, output_index: open.place, content_index: 0 }
    const annotations = annotationsOf(part.citations, part.text.length)
    const text = textPart(part.text, annotations)
    const item = messageItem(open.id, "completed", [text], messageFields(part.providerMetadata))
    return [
      ...begun,
      ...annotations.map((annotation, annotation_index) =>
        this.frame("response.output_text.annotation.added", withFields(at, { annotation_index, annotation }))
      ),
      this.frame("response.output_text.done", withFields(at, { text: part.text, logprobs: [] })),
      this.frame("response.content_part.done", withFields(at, { part: text })),
      this.done(open.place, item)
    ]
  }

  private reasoningEnd(index: number, part: Extract<AssistantPart, { type: "reasoning" }>): Frames {
    const [open, frames] = this.opened(index, "reasoning", (id) => ({ id, type: "reasoning", summary: [] }))
    if (open.isBegun) {
      const at = { item_id: open.id, output_index: open.place, summary_index: 0 }
      frames.push(
        this.frame("response.reasoning_summary_text.done", withFields(at, { text: part.text })),
        this.frame(
          "response.reasoning_summary_part.done",
          withFields(at, { part: { type: "summary_text", text: part.text } })
        )
      )
    }
    frames.push(this.done(open.place, reasoningItem(open.id, part)))
    return frames
  }

  private callEnd(index: number, part: Extract<AssistantPart, { type: "tool-call" }>): Frames {
    const written = part.rawArguments ?? JSON.stringify(part.arguments ?? {})
    const begun = this.callDelta(index, part.id, part.name, this.open.get(index)?.isWritten === true ? "" : written)
    const open = this.open.get(index)
    if (open === undefined) return begun
    const at = { item_id: open.id, output_index: open.place }
    return [
      ...begun,
      this.frame("response.function_call_arguments.done", withFields(at, { name: part.name, arguments: written })),
      this.done(open.place, callItem(open.id, "completed", part))
    ]
  }

  private refused(text: string): Frames {
    const place = this.count++
    const item = refusalItem(this.envelope, text, place)
    const at = { item_id: idOf(this.envelope, "text", place), output_index: place, content_index: 0 }
    return [
      this.frame("response.output_item.added", {
        output_index: place,
        item: { ...item, status: "in_progress", content: [] }
      }),
      this.frame("response.content_part.added", withFields(at, { part: { type: "refusal", refusal: "" } })),
      this.frame("response.refusal.delta", withFields(at, { delta: text })),
      this.frame("response.refusal.done", withFields(at, { refusal: text })),
      this.frame("response.content_part.done", withFields(at, { part: { type: "refusal", refusal: text } })),
      this.done(place, item)
    ]
  }

  end(end: End): Frames {
    const said = this.hasText ? "" : end.refusal?.text ?? ""
    const frames = said === "" ? [] : this.refused(said)
    // Words of refusal that went out as text: what remains to say is that they are no answer.
    const told = isSaid(end) && this.hasText ? { ...end, refusal: { category: "content_filter", text: "" } } : end
    return [
      ...frames,
      this.frame(`response.${statusOf(told)}`, { response: finished(this.envelope, told, this.whole) })
    ]
  }

  fail(problem: Problem): Frames {
    const { message } = problem
    const code = openai.codeOf(problem)
    return [
      this.frame("error", { code, message, param: problem.parameter ?? null }),
      this.frame("response.failed", {
        response: response(this.envelope, "failed", this.whole, { error: { code, message }, ...extended(problem) })
      })
    ]
  }
}

export const serve: Serve = {
  read,
  whole,
  writer: (envelope) => new ResponsesWriter(envelope),
  error: openai.error,
  statusOf: openai.statusOf,
  ping: ": waiting\n\n"
}
