/** generateContent from the other side: what its clients expect of an answer. Source: ai.google.dev/api, 2026-11. */
import type { AssistantPart, JsonObject, ProviderMetadata } from "../../../Prompt.ts"
import type { ContentPart } from "../../../Response.ts"
import type { Usage } from "../../../Usage.ts"
import { asJsonObject, isObject, parse } from "../../json/values.ts"
import * as carried from "../carried.ts"
import { extended } from "../serving.ts"
import type { Answer, End, Envelope, Frame, Frames, Problem, ProblemKind, Serve, Writer } from "../serving.ts"
import { read } from "./asked.ts"
import { name as wireName } from "./request.ts"

/** Thoughts are counted beside what is answered. */
const usageOf = (usage: Usage | undefined): JsonObject =>
  usage === undefined ? {} : {
    usageMetadata: {
      promptTokenCount: usage.inputTokens,
      candidatesTokenCount: usage.outputTokens - usage.reasoningTokens,
      totalTokenCount: usage.totalTokens,
      ...(usage.cachedInputTokens === 0 ? {} : { cachedContentTokenCount: usage.cachedInputTokens }),
      promptTokensDetails: [{ modality: "TEXT", tokenCount: usage.inputTokens }],
      ...(usage.reasoningTokens === 0 ? {} : { thoughtsTokenCount: usage.reasoningTokens })
    }
  }

const around = ({ id, model }: Envelope, usage: Usage | undefined): JsonObject => ({
  ...usageOf(usage),
  modelVersion: model,
  responseId: id
})

/** Its own words for what is withheld. */
const blocks = /^(SAFETY|RECITATION|BLOCKLIST|PROHIBITED_CONTENT|SPII|LANGUAGE|IMAGE_SAFETY)$/

const finishOf = (end: End): string => {
  if (end.refusal !== undefined) return blocks.test(end.refusal.category) ? end.refusal.category : "SAFETY"
  switch (end.finishReason) {
    case "length":
      return "MAX_TOKENS"
    case "content-filter":
      return "SAFETY"
    case "tool-calls":
    case "stop":
      return "STOP"
    case "other":
      return "OTHER"
  }
}

const ending = (end: End, calls: boolean): JsonObject => {
  const said = end.refusal?.text ?? ""
  return {
    finishReason: finishOf(end),
    ...(said === "" ? {} : { finishMessage: said }),
    ...(end.refusal === undefined ? {} : {
      safetyRatings: [{ category: "HARM_CATEGORY_DANGEROUS_CONTENT", probability: "HIGH", blocked: true }]
    }),
    ...(calls ? { finishMessage: "Model generated function call(s)." } : {})
  }
}

/** A signature of the wire's own goes as it came; anything else is packed into one. */
const signatureOf = (metadata: ProviderMetadata | undefined): JsonObject => {
  if (metadata === undefined || Object.keys(metadata).length === 0) return {}
  const own = carried.onlyOwn(metadata, wireName)
  if (own === undefined) return { thoughtSignature: carried.pack(metadata) }
  return own["thoughtSignature"] === undefined ? {} : { thoughtSignature: own["thoughtSignature"] }
}

const callOf = (part: Extract<AssistantPart, { type: "tool-call" }>): JsonObject => {
  const written = part.rawArguments === undefined ? undefined : parse(part.rawArguments)
  const own = carried.onlyOwn(part.providerMetadata, wireName)
  return {
    functionCall: {
      // Google itself gives some calls none; who has one gets it back.
      ...(own !== undefined && own["id"] === undefined ? {} : { id: part.id }),
      name: part.name,
      args: isObject(written) ? asJsonObject(written) : asJsonObject(part.arguments)
    },
    ...signatureOf(part.providerMetadata)
  }
}

/** A part as a whole answer has it; undefined for what only another wire's provider understands. */
const partOf = (part: AssistantPart): JsonObject | undefined => {
  switch (part.type) {
    case "text":
      return { text: part.text, ...signatureOf(part.providerMetadata) }
    case "reasoning":
      return { text: part.text, thought: true, ...signatureOf(part.providerMetadata) }
    case "tool-call":
      return callOf(part)
    case "provider":
      return part.wire.startsWith(`${wireName}:`) ? part.value : undefined
  }
}

/** Places are counted in bytes here. */
const groundingOf = (content: ReadonlyArray<AssistantPart>): JsonObject => {
  const chunks: Array<JsonObject> = []
  const supports: Array<JsonObject> = []
  const encoder = new TextEncoder()
  const bytes = (text: string) => encoder.encode(text).length
  let before = 0
  for (const part of content) {
    if (part.type !== "text") continue
    for (const { end = part.text.length, start = 0, title, url } of part.citations ?? []) {
      if (url === undefined) continue
      chunks.push({ web: { uri: url, ...(title === undefined ? {} : { title }) } })
      supports.push({
        groundingChunkIndices: [chunks.length - 1],
        segment: {
          startIndex: before + bytes(part.text.slice(0, start)),
          endIndex: before + bytes(part.text.slice(0, end)),
          text: part.text.slice(start, end)
        }
      })
    }
    before += bytes(part.text)
  }
  return chunks.length === 0 ? {} : { groundingMetadata: { groundingChunks: chunks, groundingSupports: supports } }
}

const whole = (envelope: Envelope, { content, end }: Answer): JsonObject => {
  const refused = end.refusal?.text ?? ""
  const parts = [...content.flatMap((part) => partOf(part) ?? []), ...(refused === "" ? [] : [{ text: refused }])]
  return {
    candidates: [{
      ...(parts.length === 0 ? {} : { content: { parts, role: "model" } }),
      ...ending(end, content.some((part) => part.type === "tool-call")),
      ...groundingOf(content),
      index: 0
    }],
    ...around(envelope, end.usage),
    ...extended(end)
  }
}

class GenerateContentWriter implements Writer {
  private readonly envelope: Envelope
  private readonly content: Array<AssistantPart> = []
  /** Blocks of which something was written. */
  private readonly written = new Set<number>()
  private hasCalls = false
  private hasText = false

  constructor(envelope: Envelope) {
    this.envelope = envelope
  }

  private chunk(part: JsonObject, content: boolean): Frame {
    return {
      content,
      data: {
        candidates: [{ content: { parts: [part], role: "model" }, index: 0 }],
        ...around(this.envelope, this.envelope.usage)
      }
    }
  }

  start(): Frames {
    return []
  }

  part(part: ContentPart): Frames {
    switch (part._tag) {
      case "TextDelta":
        this.hasText = true
        this.written.add(part.index)
        return [this.chunk({ text: part.delta }, true)]
      case "ReasoningDelta":
        this.written.add(part.index)
        return [this.chunk({ text: part.delta, thought: true }, true)]
      case "BlockEnd":
        return this.blockEnd(part.index, part.part)
      case "ToolCallDelta":
      case "ToolCallPart":
      case "ObjectDelta":
        return []
    }
  }

  /** Calls come whole here, and a signature after what it signs. */
  private blockEnd(index: number, part: AssistantPart): Frames {
    this.content.push(part)
    const written = partOf(part)
    if (written === undefined) return []
    if (part.type === "tool-call") this.hasCalls = true
    if (!this.written.has(index)) {
      return part.type === "text" && part.text === "" && written["thoughtSignature"] === undefined
        ? []
        : [this.chunk(written, part.type !== "reasoning" || part.text !== "")]
    }
    const { thoughtSignature } = written
    if (thoughtSignature === undefined) return []
    return [this.chunk({ text: "", ...(part.type === "reasoning" ? { thought: true } : {}), thoughtSignature }, false)]
  }

  end(end: End): Frames {
    // Words that were streamed as text are not said twice.
    const refused = this.hasText ? "" : end.refusal?.text ?? ""
    const last = end.refusal === undefined || refused !== ""
      ? { content: { parts: [{ text: refused }], role: "model" } }
      : {}
    return [{
      data: {
        candidates: [{ ...last, ...ending(end, this.hasCalls), ...groundingOf(this.content), index: 0 }],
        ...around(this.envelope, end.usage),
        ...extended(end)
      }
    }]
  }

  fail(problem: Problem): Frames {
    return [{ data: error(problem) }]
  }
}

const rows: Readonly<Record<ProblemKind, readonly [code: number, status: string]>> = {
  invalid: [400, "INVALID_ARGUMENT"],
  "context-length": [400, "INVALID_ARGUMENT"],
  authentication: [401, "UNAUTHENTICATED"],
  quota: [402, "FAILED_PRECONDITION"],
  permission: [403, "PERMISSION_DENIED"],
  "not-found": [404, "NOT_FOUND"],
  "rate-limited": [429, "RESOURCE_EXHAUSTED"],
  timeout: [504, "DEADLINE_EXCEEDED"],
  server: [502, "INTERNAL"],
  overloaded: [503, "UNAVAILABLE"]
}

const statusOf = ({ kind }: Problem): number => rows[kind][0]

const error = (problem: Problem): JsonObject => {
  const details = problem.retryAfter === undefined
    ? []
    : [{ "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: `${problem.retryAfter}s` }]
  return {
    error: {
      code: problem.status ?? statusOf(problem),
      message: problem.message,
      status: rows[problem.kind][1],
      ...(details.length === 0 ? {} : { details })
    },
    ...extended(problem)
  }
}

export const serve: Serve = {
  read,
  whole,
  writer: (envelope) => new GenerateContentWriter(envelope),
  error,
  statusOf,
  // Its clients take every line for an event.
  ping: undefined
}
