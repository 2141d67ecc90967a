/** A scripted answer in this library's words, so that the writer of each wire writes it. */
import { asObject, type Loose } from "../../../internal/json/values.ts"
import type { End, Envelope, Frame as Written, ProblemKind, Serve } from "../../../internal/wires/serving.ts"
import type { AssistantPart, JsonObject, ProviderMetadata } from "../../../Prompt.ts"
import type { ContentPart } from "../../../Response.ts"
import { type Answer, type Dialect, type Frame, pieces } from "../dialect.ts"

/** What differs from wire to wire. */
export interface Ways {
  readonly serve: Serve
  readonly id: (number: number) => string
  /** What the provider wants to see of its thoughts again. */
  readonly thought?: ((number: number) => ProviderMetadata) | undefined
  /** The same of a call; `first` of a turn that thought. */
  readonly call?: ((number: number, first: boolean) => ProviderMetadata) | undefined
  readonly messages: Readonly<Record<ProblemKind, string>>
  readonly parameters?: Partial<Record<ProblemKind, string>> | undefined
}

const contentOf = (answer: Answer, { call, thought }: Ways): ReadonlyArray<AssistantPart> => {
  const { number, reasoning, refusal, text, toolCalls } = answer
  const hasText = refusal === undefined && (text !== "" || toolCalls.length === 0)
  return [
    ...(reasoning === undefined ? [] : [{
      type: "reasoning" as const,
      text: reasoning,
      ...(thought === undefined ? {} : { providerMetadata: thought(number) })
    }]),
    ...(hasText ? [{ type: "text" as const, text }] : []),
    ...toolCalls.map((one, i) => ({
      type: "tool-call" as const,
      id: one.id,
      name: one.name,
      arguments: one.arguments,
      rawArguments: one.raw,
      ...(call === undefined ? {} : { providerMetadata: call(number, i === 0 && reasoning !== undefined) })
    }))
  ]
}

const endOf = (answer: Answer): End => ({
  finishReason: answer.refusal !== undefined
    ? "content-filter"
    : answer.truncated
    ? "length"
    : answer.toolCalls.length > 0
    ? "tool-calls"
    : "stop",
  usage: answer.usage,
  refusal: answer.refusal === undefined ? undefined : { category: "refusal", text: answer.refusal }
})

const envelopeOf = (answer: Answer, body: Loose, { id }: Ways): Envelope => ({
  id: id(answer.number),
  created: answer.created,
  model: answer.model,
  usage: answer.usage,
  hasUsage: answer.usage !== undefined,
  includeUsage: asObject(body["stream_options"])["include_usage"] === true
})

function* partsOf(answer: Answer, content: ReadonlyArray<AssistantPart>): Generator<ContentPart> {
  let calls = 0
  for (const [index, part] of content.entries()) {
    switch (part.type) {
      case "text":
        for (const delta of answer.pieces) yield { _tag: "TextDelta", index, delta }
        break
      case "reasoning":
        for (const delta of pieces(part.text)) yield { _tag: "ReasoningDelta", index, delta }
        break
      case "tool-call":
        for (const delta of ["", ...answer.toolCalls[calls++]?.pieces ?? []]) {
          yield { _tag: "ToolCallDelta", index, id: part.id, name: part.name, delta }
        }
        yield { _tag: "ToolCallPart", index, call: part }
        break
      case "provider":
        break
    }
    yield { _tag: "BlockEnd", index, part }
  }
}

const written = ({ content, data, event }: Written): Frame => ({ content, data, event })

/** The writing half of a dialect. */
export const writing = (ways: Ways): Pick<Dialect, "whole" | "frames" | "error" | "errorFrames"> => {
  const { messages, parameters, serve } = ways
  const problem = (kind: ProblemKind) => ({ kind, message: messages[kind], parameter: parameters?.[kind] })
  return {
    whole: (answer): JsonObject =>
      serve.whole(envelopeOf(answer, {}, ways), { content: contentOf(answer, ways), end: endOf(answer) }),
    *frames(answer, body) {
      const writer = serve.writer(envelopeOf(answer, body, ways))
      yield* writer.start().map(written)
      for (const part of partsOf(answer, contentOf(answer, ways))) yield* writer.part(part).map(written)
      yield* writer.end(endOf(answer)).map(written)
    },
    error: (kind, facts) =>
      serve.error({ ...problem(kind), status: facts?.status, retryAfter: facts?.retryAfter, requestId: "req_fake" }),
    errorFrames: (kind) =>
      serve.writer({ id: ways.id(0), created: 0, model: "", hasUsage: false, includeUsage: false })
        .fail(problem(kind)).map(written)
  }
}
