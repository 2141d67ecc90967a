/** Chat Completions from the other side: what its clients expect of an answer. Source: OpenAI's reference, 2026-11. */
import type { AssistantPart, JsonObject, ProviderMetadata, ToolCallPart } from "../../../Prompt.ts"
import type { ContentPart } from "../../../Response.ts"
import type { Usage } from "../../../Usage.ts"
import { withFields } from "../../objects/withFields.ts"
import * as carried from "../carried.ts"
import * as openai from "../openaiErrors.ts"
import { extended } from "../serving.ts"
import type { Answer, End, Envelope, Frame, Frames, Problem, Serve, Writer } from "../serving.ts"
import { read } from "./asked.ts"
import { name as wireName } from "./request.ts"

const around = ({ created, id, model }: Envelope, object: string): JsonObject => ({
  id: `chatcmpl-${id}`,
  object,
  created,
  model,
  service_tier: "default",
  system_fingerprint: "fp_majordomo"
})

const usageOf = (usage: Usage): JsonObject => ({
  prompt_tokens: usage.inputTokens,
  completion_tokens: usage.outputTokens,
  total_tokens: usage.totalTokens,
  prompt_tokens_details: { cached_tokens: usage.cachedInputTokens, audio_tokens: 0, ...openai.cacheWritten(usage) },
  completion_tokens_details: {
    reasoning_tokens: usage.reasoningTokens,
    audio_tokens: 0,
    accepted_prediction_tokens: 0,
    rejected_prediction_tokens: 0
  }
})

/** The model's own words of refusal have a field; what a filter withholds is a reason to finish. */
const isSaid = ({ refusal }: End): boolean => refusal !== undefined && refusal.category === "refusal"

const finishOf = (end: End, calls: number): string => {
  if (end.refusal !== undefined && !isSaid(end)) return "content_filter"
  switch (end.finishReason) {
    case "length":
      return "length"
    case "content-filter":
      return isSaid(end) ? "stop" : "content_filter"
    case "tool-calls":
    case "stop":
    case "other":
      return calls > 0 ? "tool_calls" : "stop"
  }
}

/** What this wire has a field for of its own needs none of ours. */
const callField = (metadata: ProviderMetadata | undefined): JsonObject => {
  const extra = carried.onlyOwn(metadata, wireName)?.["extra_content"]
  return extra === undefined ? carried.field(metadata) : { extra_content: extra }
}

const toolCall = ({ arguments: value, id, name, providerMetadata, rawArguments }: ToolCallPart): JsonObject => ({
  id,
  type: "function",
  function: { name, arguments: rawArguments ?? JSON.stringify(value ?? {}) },
  ...callField(providerMetadata)
})

const order: Readonly<Record<AssistantPart["type"], number>> = { reasoning: 0, text: 1, "tool-call": 2, provider: 3 }

/** One thought, one text, and calls, in this order and with nothing beside them: that is what a message says by itself. */
const isPlain = (content: ReadonlyArray<AssistantPart>): boolean =>
  content.every((part, i) => {
    const before = content[i - 1]
    const rank = order[part.type]
    if (before !== undefined && (order[before.type] > rank || (before.type === part.type && rank < 2))) return false
    return part.type === "tool-call" || (part.type !== "provider" && part.providerMetadata === undefined)
  })

/** Where the parts of an answer stand, and what belongs to them. */
const placesOf = (content: ReadonlyArray<AssistantPart>): ReadonlyArray<JsonObject> => {
  if (isPlain(content)) return []
  return content.map((part): JsonObject => {
    switch (part.type) {
      case "provider":
        return { type: part.type, wire: part.wire, value: part.value }
      case "tool-call":
        return { type: part.type }
      case "text":
        return { type: part.type, length: part.text.length, ...carried.field(part.providerMetadata) }
      case "reasoning":
        // OpenAI's own client keeps only the last piece of a thought that it does not know.
        return { type: part.type, text: part.text, ...carried.field(part.providerMetadata) }
    }
  })
}

const extensionOf = (content: ReadonlyArray<AssistantPart>): JsonObject => {
  const places = placesOf(content)
  return places.length === 0 ? {} : { majordomo: { content: places } }
}

const annotationsOf = (content: ReadonlyArray<AssistantPart>): ReadonlyArray<JsonObject> => {
  let before = 0
  return content.flatMap((part) => {
    if (part.type !== "text") return []
    const start = before
    before += part.text.length
    return (part.citations ?? []).flatMap((citation) =>
      citation.url === undefined ? [] : [{
        type: "url_citation",
        url_citation: {
          url: citation.url,
          title: citation.title ?? "",
          start_index: start + (citation.start ?? 0),
          end_index: start + (citation.end ?? part.text.length)
        }
      }]
    )
  })
}

const joined = (content: ReadonlyArray<AssistantPart>, type: "text" | "reasoning"): string => {
  let text = ""
  for (const part of content) if (part.type === type) text += part.text
  return text
}

const whole = (envelope: Envelope, { content, end }: Answer): JsonObject => {
  const calls = content.filter((part) => part.type === "tool-call")
  const refused = end.refusal?.text ?? ""
  // What a filter let through, or says, is content; only the model's own refusal has a field.
  const text = joined(content, "text") || (isSaid(end) ? "" : refused)
  const reasoning = joined(content, "reasoning")
  const refusal = isSaid(end) ? refused : null
  return withFields(around(envelope, "chat.completion"), {
    choices: [{
      index: 0,
      message: {
        role: "assistant",
        content: text === "" && (calls.length > 0 || end.refusal !== undefined) ? null : text,
        refusal,
        annotations: annotationsOf(content),
        ...(reasoning === "" ? {} : { reasoning_content: reasoning }),
        ...(calls.length === 0 ? {} : { tool_calls: calls.map(toolCall) }),
        ...extensionOf(content)
      },
      logprobs: null,
      finish_reason: finishOf(end, calls.length)
    }],
    ...(end.usage === undefined ? {} : { usage: usageOf(end.usage) }),
    ...extended(end)
  })
}

class ChatWriter implements Writer {
  private readonly envelope: Envelope
  private readonly content: Array<AssistantPart> = []
  /** Places of calls among the calls, by their place in the answer. */
  private readonly calls = new Map<number, number>()
  private readonly written = new Set<number>()
  private hasText = false

  constructor(envelope: Envelope) {
    this.envelope = envelope
  }

  private chunk(delta: JsonObject, finish: string | null = null, more: JsonObject = {}): JsonObject {
    return withFields(around(this.envelope, "chat.completion.chunk"), {
      choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
      ...(this.envelope.includeUsage ? { usage: null } : {}),
      ...more
    })
  }

  private said(delta: JsonObject, content = true): Frame {
    return { content, data: this.chunk(delta) }
  }

  start(): Frames {
    return [{ data: this.chunk({ role: "assistant", content: "", refusal: null }) }]
  }

  part(part: ContentPart): Frames {
    switch (part._tag) {
      case "TextDelta":
        this.hasText = true
        return [this.said({ content: part.delta })]
      case "ReasoningDelta":
        return [this.said({ reasoning_content: part.delta })]
      case "ToolCallDelta": {
        // A name that is still to come comes with the whole call.
        if (part.name === "") return []
        this.written.add(part.index)
        return this.callPiece(part.index, part.id, part.name, part.delta)
      }
      case "ToolCallPart": {
        const { call, index } = part
        const frames = this.written.has(index)
          ? []
          : this.callPiece(index, call.id, call.name, call.rawArguments ?? JSON.stringify(call.arguments ?? {}))
        const field = callField(call.providerMetadata)
        return Object.keys(field).length === 0
          ? frames
          : [...frames, this.said({ tool_calls: [{ index: this.calls.get(index) ?? 0, ...field }] }, false)]
      }
      case "BlockEnd":
        this.content.push(part.part)
        return []
      case "ObjectDelta":
        return []
    }
  }

  private callPiece(index: number, id: string, name: string, delta: string): Frames {
    const known = this.calls.get(index)
    if (known !== undefined) {
      return delta === "" ? [] : [this.said({ tool_calls: [{ index: known, function: { arguments: delta } }] })]
    }
    const place = this.calls.size
    this.calls.set(index, place)
    return [
      this.said({ tool_calls: [{ index: place, id, type: "function", function: { name, arguments: "" } }] }, false),
      ...(delta === "" ? [] : this.callPiece(index, id, name, delta))
    ]
  }

  end(end: End): Frames {
    const { includeUsage } = this.envelope
    const annotations = annotationsOf(this.content)
    const extension = extensionOf(this.content)
    const refusal = end.refusal?.text ?? ""
    // Words that were streamed as text are not said twice.
    const refuses = isSaid(end) && !this.hasText && refusal !== ""
    const withheld = !isSaid(end) && !this.hasText && refusal !== ""
    const last = { ...(annotations.length === 0 ? {} : { annotations }), ...extension }
    const reports = includeUsage && end.usage !== undefined
    return [
      ...(refuses ? [this.said({ refusal })] : withheld ? [this.said({ content: refusal })] : []),
      ...(Object.keys(last).length === 0 ? [] : [this.said(last, false)]),
      {
        data: this.chunk(
          {},
          isSaid(end) && this.hasText ? "content_filter" : finishOf(end, this.calls.size),
          reports ? {} : extended(end)
        )
      },
      ...(reports && end.usage !== undefined
        ? [{
          data: {
            ...around(this.envelope, "chat.completion.chunk"),
            choices: [],
            usage: usageOf(end.usage),
            ...extended(end)
          }
        }]
        : []),
      { data: "[DONE]" }
    ]
  }

  fail(problem: Problem): Frames {
    return [{ data: openai.error(problem) }]
  }
}

export const serve: Serve = {
  read,
  whole,
  writer: (envelope) => new ChatWriter(envelope),
  error: openai.error,
  statusOf: openai.statusOf,
  ping: ": waiting\n\n"
}
