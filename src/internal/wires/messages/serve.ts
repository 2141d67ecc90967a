/** Messages from the other side: what its clients expect of an answer. Source: platform.claude.com/docs, 2026-11. */
import type { AssistantPart, Citation, JsonObject, JsonValue, ProviderMetadata } from "../../../Prompt.ts"
import type { ContentPart } from "../../../Response.ts"
import type { Usage } from "../../../Usage.ts"
import { asJsonObject, isObject, parse } from "../../json/values.ts"
import * as carried from "../carried.ts"
import { extended } from "../serving.ts"
import type { Answer, End, Envelope, Frame, Frames, Problem, ProblemKind, Serve, Writer } from "../serving.ts"
import { read } from "./asked.ts"
import { name as wireName } from "./request.ts"

const around = ({ id, model }: Envelope): JsonObject => ({
  id: `msg_${id}`,
  type: "message",
  role: "assistant",
  model
})

const tier = { service_tier: "standard", inference_geo: "not_available" }

/** What was read from a cache, or written to one, is counted beside the rest. */
const inputOf = (usage: Usage): JsonObject => ({
  input_tokens: usage.inputTokens - usage.cachedInputTokens - usage.cacheCreationTokens,
  cache_creation_input_tokens: usage.cacheCreationTokens,
  cache_read_input_tokens: usage.cachedInputTokens,
  cache_creation: { ephemeral_5m_input_tokens: usage.cacheCreationTokens, ephemeral_1h_input_tokens: 0 }
})

const outputOf = (usage: Usage): JsonObject => ({
  output_tokens: usage.outputTokens,
  ...(usage.reasoningTokens === 0 ? {} : { output_tokens_details: { thinking_tokens: usage.reasoningTokens } })
})

const stopOf = (end: End, calls: boolean): string => {
  if (end.refusal !== undefined) return "refusal"
  switch (end.finishReason) {
    case "length":
      return "max_tokens"
    case "content-filter":
      return "refusal"
    case "tool-calls":
    case "stop":
    case "other":
      return calls ? "tool_use" : "end_turn"
  }
}

const stopFields = (end: End, calls: boolean): JsonObject => ({
  stop_reason: stopOf(end, calls),
  stop_sequence: null,
  ...(end.refusal === undefined || end.refusal.category === "refusal" ? {} : {
    stop_details: { type: "refusal", category: end.refusal.category, explanation: null }
  })
})

/** A signature of the wire's own goes as it came; anything else is packed into one. */
const signatureOf = (metadata: ProviderMetadata | undefined): string => {
  if (metadata === undefined || Object.keys(metadata).length === 0) return ""
  const own = carried.onlyOwn(metadata, wireName)?.["signature"]
  return typeof own === "string" ? own : carried.pack(metadata)
}

const citationsOf = (citations: ReadonlyArray<Citation>): ReadonlyArray<JsonObject> =>
  citations.flatMap(({ text, title, url }) =>
    url === undefined ? [] : [{
      type: "web_search_result_location",
      url,
      title: title ?? null,
      cited_text: text ?? "",
      encrypted_index: ""
    }]
  )

const citedIn = (part: Extract<AssistantPart, { type: "text" }>): ReadonlyArray<JsonValue> => {
  const own = carried.onlyOwn(part.providerMetadata, wireName)?.["citations"]
  return Array.isArray(own) ? own : citationsOf(part.citations ?? [])
}

/** What a block has no place for follows it, as thoughts that the client keeps unread. */
const followerOf = (part: AssistantPart): JsonObject | undefined => {
  if ((part.type !== "text" && part.type !== "tool-call") || part.providerMetadata === undefined) return undefined
  if (carried.onlyOwn(part.providerMetadata, wireName)?.["citations"] !== undefined) return undefined
  return { type: "redacted_thinking", data: carried.pack(part.providerMetadata, { isOfPrevious: true }) }
}

/** A block as a whole answer has it; undefined for what only another wire's provider understands. */
const blockOf = (part: AssistantPart): JsonObject | undefined => {
  switch (part.type) {
    case "text": {
      const citations = citedIn(part)
      return { type: "text", text: part.text, ...(citations.length === 0 ? {} : { citations }) }
    }
    case "reasoning": {
      const redacted = carried.onlyOwn(part.providerMetadata, wireName)?.["redacted"]
      if (redacted !== undefined) return { type: "redacted_thinking", data: redacted }
      return { type: "thinking", thinking: part.text, signature: signatureOf(part.providerMetadata) }
    }
    case "tool-call": {
      const written = part.rawArguments === undefined ? undefined : parse(part.rawArguments)
      return {
        type: "tool_use",
        id: part.id,
        name: part.name,
        input: isObject(written) ? asJsonObject(written) : asJsonObject(part.arguments)
      }
    }
    case "provider":
      return part.wire.startsWith(`${wireName}:`) ? part.value : undefined
  }
}

const whole = (envelope: Envelope, { content, end }: Answer): JsonObject => {
  const refused = end.refusal?.text ?? ""
  const blocks = content.flatMap((part) => [blockOf(part), followerOf(part)].filter((block) => block !== undefined))
  return {
    ...around(envelope),
    content: refused === "" ? blocks : [...blocks, { type: "text", text: refused }],
    ...stopFields(end, content.some((part) => part.type === "tool-call")),
    ...(end.usage === undefined
      ? {}
      : { usage: { ...inputOf(end.usage), ...outputOf(end.usage), ...tier } }),
    ...extended(end)
  }
}

class MessagesWriter implements Writer {
  private readonly envelope: Envelope
  /** Places of blocks at the client, by their place in the answer. */
  private readonly places = new Map<number, number>()
  private count = 0
  private readonly written = new Set<number>()
  private hasCalls = false
  private hasText = false

  constructor(envelope: Envelope) {
    this.envelope = envelope
  }

  private frame(type: string, data: JsonObject, content = false): Frame {
    return { event: type, data: { type, ...data }, content }
  }

  start(): Frames {
    const { hasUsage, usage } = this.envelope
    const known = usage === undefined ? { input_tokens: 0, output_tokens: 0 } : { ...inputOf(usage), output_tokens: 1 }
    return [this.frame("message_start", {
      message: {
        ...around(this.envelope),
        content: [],
        stop_reason: null,
        stop_sequence: null,
        ...(hasUsage ? { usage: { ...known, ...tier } } : {})
      }
    })]
  }

  private open(index: number, block: JsonObject): Frames {
    if (this.places.has(index)) return []
    const place = this.count++
    this.places.set(index, place)
    return [this.frame("content_block_start", { index: place, content_block: block })]
  }

  private delta(index: number, delta: JsonObject, content = true): Frame {
    return this.frame("content_block_delta", { index: this.places.get(index) ?? 0, delta }, content)
  }

  part(part: ContentPart): Frames {
    switch (part._tag) {
      case "TextDelta":
        this.hasText = true
        return [
          ...this.open(part.index, { type: "text", text: "" }),
          this.delta(part.index, { type: "text_delta", text: part.delta })
        ]
      case "ReasoningDelta":
        return [
          ...this.open(part.index, { type: "thinking", thinking: "", signature: "" }),
          this.delta(part.index, { type: "thinking_delta", thinking: part.delta })
        ]
      case "ToolCallDelta": {
        // A name that is still to come comes with the whole call.
        if (part.name === "") return []
        const begun = this.openCall(part.index, part.id, part.name)
        if (part.delta === "") return begun
        this.written.add(part.index)
        return [...begun, this.delta(part.index, { type: "input_json_delta", partial_json: part.delta })]
      }
      case "ToolCallPart":
        return []
      case "BlockEnd":
        return this.blockEnd(part.index, part.part)
      case "ObjectDelta":
        return []
    }
  }

  private openCall(index: number, id: string, name: string): Frames {
    if (this.places.has(index)) return []
    this.hasCalls = true
    return [
      ...this.open(index, { type: "tool_use", id, name, input: {} }),
      this.delta(index, { type: "input_json_delta", partial_json: "" }, false)
    ]
  }

  private blockEnd(index: number, part: AssistantPart): Frames {
    const block = blockOf(part)
    if (block === undefined) return []
    const stop = () => this.frame("content_block_stop", { index: this.places.get(index) ?? 0 })
    const follower = followerOf(part)
    const followed = () => {
      if (follower === undefined) return []
      const place = this.count++
      return [
        this.frame("content_block_start", { index: place, content_block: follower }),
        this.frame("content_block_stop", { index: place })
      ]
    }
    switch (part.type) {
      case "text": {
        return [
          ...this.open(index, { type: "text", text: "" }),
          ...citedIn(part).map((citation) => this.delta(index, { type: "citations_delta", citation }, false)),
          stop(),
          ...followed()
        ]
      }
      case "reasoning": {
        if (block["type"] === "redacted_thinking") return [...this.open(index, block), stop()]
        const { signature } = block
        return [
          ...this.open(index, { type: "thinking", thinking: "", signature: "" }),
          ...(signature === "" || signature === undefined
            ? []
            : [this.delta(index, { type: "signature_delta", signature }, false)]),
          stop()
        ]
      }
      case "tool-call": {
        const opened = this.openCall(index, part.id, part.name)
        const raw = part.rawArguments ?? JSON.stringify(part.arguments ?? {})
        return [
          ...opened,
          ...(this.written.has(index) || raw === "{}"
            ? []
            : [this.delta(index, { type: "input_json_delta", partial_json: raw })]),
          stop(),
          ...followed()
        ]
      }
      case "provider":
        return [...this.open(index, block), stop()]
    }
  }

  end(end: End): Frames {
    const refused = this.hasText ? "" : end.refusal?.text ?? ""
    const { usage } = end
    return [
      ...(refused === "" ? [] : [
        ...this.open(-1, { type: "text", text: "" }),
        this.delta(-1, { type: "text_delta", text: refused }),
        this.frame("content_block_stop", { index: this.places.get(-1) ?? 0 })
      ]),
      this.frame("message_delta", {
        delta: stopFields(end, this.hasCalls),
        ...(this.envelope.hasUsage
          ? { usage: usage === undefined ? { output_tokens: 0 } : { ...inputOf(usage), ...outputOf(usage) } }
          : {}),
        ...extended(end)
      }),
      this.frame("message_stop", {})
    ]
  }

  fail(problem: Problem): Frames {
    return [{ event: "error", data: error(problem) }]
  }
}

const rows: Readonly<Record<ProblemKind, readonly [status: number, type: string]>> = {
  invalid: [400, "invalid_request_error"],
  "context-length": [400, "invalid_request_error"],
  authentication: [401, "authentication_error"],
  quota: [402, "billing_error"],
  permission: [403, "permission_error"],
  "not-found": [404, "not_found_error"],
  "rate-limited": [429, "rate_limit_error"],
  timeout: [504, "timeout_error"],
  server: [502, "api_error"],
  overloaded: [529, "overloaded_error"]
}

const error = (problem: Problem): JsonObject => ({
  type: "error",
  error: { type: rows[problem.kind][1], message: problem.message },
  ...(problem.requestId === undefined ? {} : { request_id: problem.requestId }),
  ...extended(problem)
})

export const serve: Serve = {
  read,
  whole,
  writer: (envelope) => new MessagesWriter(envelope),
  error,
  statusOf: ({ kind }) => rows[kind][0],
  ping: "event: ping\ndata: {\"type\": \"ping\"}\n\n"
}
