/** A scripted answer played as a call: the same parts, decoding and errors as a provider's, without HTTP. */
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Cost from "../../Cost.ts"
import { Completion } from "../../internal/call/completion.ts"
import type { Session } from "../../internal/call/session.ts"
import { settle } from "../../internal/call/settle.ts"
import { uuidv7 } from "../../internal/call/uuid.ts"
import { PartialJson } from "../../internal/json/partialJson.ts"
import type { Request } from "../../LLM.ts"
import * as LLMError from "../../LLMError.ts"
import { toMessages } from "../../Prompt.ts"
import type * as Response from "../../Response.ts"
import * as Usage from "../../Usage.ts"

export interface Script {
  readonly parts: ReadonlyArray<Response.ContentPart>
  readonly usage: Usage.Usage
  readonly cost: Cost.Cost | undefined
  readonly finishReason: Response.FinishReason
  readonly refusal: string | undefined
  /** What the stream fails with after its parts. */
  readonly failure: LLMError.LLMError | undefined
}

export interface Place {
  readonly provider: string
  readonly model: string
  readonly clock: Clock.Clock
  readonly startedAt: bigint
}

/** The parts a reader of the stream sees before the end: a structured output grows as partial values. */
export const partsOf = (script: Script, request: Request<unknown, unknown>): ReadonlyArray<Response.ContentPart> => {
  if (request.output.format.type === "text" || script.parts.some((part) => part._tag === "ObjectDelta")) {
    return script.parts
  }
  const partial = new PartialJson()
  return script.parts.flatMap((part): ReadonlyArray<Response.ContentPart> => {
    if (part._tag !== "TextDelta") return [part]
    partial.push(part.delta)
    const snapshot = partial.snapshot()
    return snapshot === undefined ? [part] : [part, { _tag: "ObjectDelta", partial: snapshot }]
  })
}

/** The end of the call: the answer, decoded as the real service does it. */
export const finish = <A, R>(
  script: Script,
  request: Request<A, R>,
  place: Place,
  streamed: boolean
): Effect.Effect<Response.Response<A>, LLMError.LLMError, R> =>
  Effect.suspend(() => {
    if (script.failure !== undefined) return Effect.fail(tried(script.failure, place))
    const session = sessionOf(script, request, place, streamed)
    return Effect.mapError(
      settle(session, request, completionOf(script), { status: 200, headers: {} }, place.startedAt),
      (error) => tried(error, place)
    )
  })

/** The failure as a provider gives it: with the try that failed. */
export const tried = <E extends LLMError.LLMError>(error: E, { clock, model, provider, startedAt }: Place): E =>
  error.attempts.length > 0 ? error : LLMError.withAttempts(error, [{
    provider,
    model,
    duration: Duration.nanos(clock.unsafeCurrentTimeNanos() - startedAt),
    error: LLMError.tagOf(error)
  }])

const completionOf = (script: Script): Completion => {
  const completion = new Completion({ callIdPrefix: "call_test_", emitting: false, owner: "test" })
  // Text after something else is a block of its own, as on the wires.
  let block = 0
  let last: string | undefined
  for (const part of script.parts) {
    if (part._tag !== last) block++
    last = part._tag
    switch (part._tag) {
      case "TextDelta":
        completion.text(block, part.delta)
        break
      case "ReasoningDelta":
        completion.reasoning(block, part.delta)
        break
      case "ToolCallPart":
        completion.toolCall(part.call.id, {
          id: part.call.id,
          name: part.call.name,
          metadata: part.call.providerMetadata
        })
        completion.setToolArguments(part.call.id, part.call.rawArguments ?? JSON.stringify(part.call.arguments))
        break
      case "ToolCallDelta":
      case "ObjectDelta":
    }
  }
  completion.closeAll()
  completion.refusal = script.refusal
  completion.finishReason = script.finishReason
  completion.rawFinishReason = script.finishReason
  completion.rawUsage = {
    input: script.usage.inputTokens,
    output: script.usage.outputTokens,
    cached: script.usage.cachedInputTokens,
    cacheCreation: script.usage.cacheCreationTokens,
    reasoning: script.usage.reasoningTokens
  }
  return completion
}

const sessionOf = (
  script: Script,
  request: Request<unknown, unknown>,
  { clock, model, provider, startedAt }: Place,
  streamed: boolean
): Session => ({
  call: {
    provider,
    model,
    stream: streamed,
    options: request,
    messages: toMessages(request.prompt),
    system: [],
    tools: [],
    format: request.output.format,
    structured: undefined,
    // A scripted answer has no price and no dropped parameters to tell of.
    warn: () => {},
    unsupported: (feature) => {
      throw new Error(`unsupported: ${feature}`)
    },
    invalid: (_, description) => {
      throw new Error(`invalid: ${description}`)
    }
  },
  lowered: { body: {} },
  httpRequest: HttpClientRequest.post(""),
  requestId: uuidv7(clock.unsafeCurrentTimeMillis()),
  clock,
  pricing: { cost: () => Effect.succeed(Option.fromNullable(script.cost)), preload: () => {} },
  startedAt,
  warnings: [],
  attempts: [],
  timeouts: {},
  scrub: (text) => text,
  usage: Usage.empty,
  cost: Cost.zeroUSD,
  tryingSince: undefined,
  firstTokenAt: streamed ? clock.unsafeCurrentTimeNanos() : undefined
})
