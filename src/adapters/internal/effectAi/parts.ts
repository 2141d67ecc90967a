/** Answers of ours as parts of `@effect/ai`. */
import type * as AiResponse from "@effect/ai/Response"
import * as Option from "effect/Option"
import type * as Prompt from "../../../Prompt.ts"
import type { Response, StreamPart } from "../../../Response.ts"
import * as facts from "../facts/facts.ts"
import { metadataOf } from "../vercelAi/metadata.ts"
import * as sources from "../vercelAi/sources.ts"

type Answer = Response<Option.Option<Prompt.JsonValue>>

const partsOf = (answer: Answer): ReadonlyArray<Prompt.AssistantPart> =>
  typeof answer.message.content === "string" ? [{ type: "text", text: answer.message.content }] : answer.message.content

const kept = (part: Prompt.AssistantPart) => {
  const { providerMetadata } = metadataOf(part)
  return providerMetadata === undefined ? {} : { metadata: providerMetadata }
}

/** A value is written as it will be decoded, not as the model dresses it. */
export const ofAnswer = (answer: Answer, isStructured: boolean): Array<AiResponse.PartEncoded> => {
  const parts = partsOf(answer)
  const value = isStructured && Option.isSome(answer.content) ? JSON.stringify(answer.content.value) : undefined
  return [
    ...parts.flatMap((part): ReadonlyArray<AiResponse.PartEncoded> => {
      switch (part.type) {
        case "text":
          return value === undefined ? [{ type: "text", text: part.text, ...kept(part) }] : []
        case "reasoning":
          return [{ type: "reasoning", text: part.text, ...kept(part) }]
        case "tool-call":
          return [toCall(part)]
        // Its parts have no place for what only one provider knows.
        case "provider":
          return []
      }
    }),
    ...(value === undefined ? [] : [{ type: "text" as const, text: value }]),
    ...sources.of(parts).map(toSource),
    metadata(answer),
    finish(answer)
  ]
}

const toCall = (part: Prompt.ToolCallPart) => ({
  type: "tool-call" as const,
  id: part.id,
  name: part.name,
  params: part.arguments,
  ...kept(part)
})

const toSource = (source: ReturnType<typeof sources.of>[number]) =>
  source.sourceType === "url"
    ? { type: "source", sourceType: "url", id: source.id, url: source.url, title: source.title ?? source.url } as const
    : {
      type: "source",
      sourceType: "document",
      id: source.id,
      mediaType: source.mediaType,
      title: source.title
    } as const

const metadata = (answer: Answer) => ({
  type: "response-metadata" as const,
  modelId: answer.model,
  ...Option.match(answer.id, { onNone: () => ({}), onSome: (id) => ({ id }) })
})

/** Counts nobody reported are not known to be zero. */
const finish = (answer: Answer) => {
  const { cachedInputTokens, inputTokens, outputTokens, reasoningTokens, totalTokens } = answer.usage
  return {
    type: "finish" as const,
    reason: answer.finishReason,
    usage: totalTokens === 0
      ? { inputTokens: undefined, outputTokens: undefined, totalTokens: undefined }
      : { inputTokens, outputTokens, totalTokens, reasoningTokens, cachedInputTokens },
    metadata: { majordomo: facts.ofAnswer(answer) }
  }
}

type Block = "text" | "reasoning" | "tool-params"

/** Reads a stream of ours. */
export class Writer {
  private readonly open = new Map<number, Block>()
  private readonly cited = new Set<string>()

  write(part: StreamPart<Option.Option<Prompt.JsonValue>>): ReadonlyArray<AiResponse.StreamPartEncoded> {
    switch (part._tag) {
      case "TextDelta":
        return [...this.begin(part.index, "text"), { type: "text-delta", id: String(part.index), delta: part.delta }]
      case "ReasoningDelta":
        return [
          ...this.begin(part.index, "reasoning"),
          { type: "reasoning-delta", id: String(part.index), delta: part.delta }
        ]
      case "ToolCallDelta": {
        const start = this.open.has(part.index)
          ? []
          : [{ type: "tool-params-start" as const, id: part.id, name: part.name }]
        this.open.set(part.index, "tool-params")
        return part.delta === "" ? start : [...start, { type: "tool-params-delta", id: part.id, delta: part.delta }]
      }
      case "BlockEnd":
        return this.end(part.index, part.part)
      case "Finish":
        return [metadata(part.response), finish(part.response)]
      case "ToolCallPart":
      case "ObjectDelta":
      case "Seam":
        return []
    }
  }

  private begin(index: number, block: "text" | "reasoning"): ReadonlyArray<AiResponse.StreamPartEncoded> {
    if (this.open.has(index)) return []
    this.open.set(index, block)
    return [{ type: `${block}-start`, id: String(index) }]
  }

  private end(index: number, part: Prompt.AssistantPart): ReadonlyArray<AiResponse.StreamPartEncoded> {
    switch (part.type) {
      case "text":
      case "reasoning":
        return [
          ...this.begin(index, part.type),
          { type: `${part.type}-end`, id: String(index), ...kept(part) },
          ...sources.of([part], this.cited).map(toSource)
        ]
      case "tool-call":
        return [{ type: "tool-params-end", id: part.id }, toCall(part)]
      case "provider":
        return sources.of([part], this.cited).map(toSource)
    }
  }
}
