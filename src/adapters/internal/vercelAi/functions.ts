/** A model of `ai` as the functions of an LLM. */
import type { LanguageModelV4, LanguageModelV4StreamPart } from "@ai-sdk/provider"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { FunctionCall, FunctionPart, Functions } from "../../../LLM.ts"
import * as LLMError from "../../../LLMError.ts"
import { toCallOptions } from "./call.ts"
import { toLLMError } from "./failure.ts"
import { Reading, toAnswer } from "./reply.ts"

/** The providers of `ai` whose names differ from ours, in front of the part that says which of its models they are. */
const names: Readonly<Record<string, string>> = {
  google: "gemini",
  amazonBedrock: "bedrock",
  "amazon-bedrock": "bedrock"
}

export const providerOf = (model: LanguageModelV4): string => {
  const [name = ""] = model.provider.split(".")
  return names[name] ?? name
}

/** A rejection of a promise of theirs. */
class Thrown {
  readonly error: unknown
  constructor(error: unknown) {
    this.error = error
  }
}

export const functionsOf = (model: LanguageModelV4, provider: string): Functions => {
  const where = { provider, model: model.modelId }
  const failed = ({ error }: Thrown): Effect.Effect<never, LLMError.LLMError> =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => Effect.fail(toLLMError(error, where, now)))
  return {
    ...where,
    generate: (call) =>
      Effect.tryPromise({
        try: (signal) => model.doGenerate(toCallOptions(call, signal)),
        catch: (error) => new Thrown(error)
      }).pipe(Effect.map(toAnswer), Effect.catchAll(failed)),
    stream: (call) =>
      Stream.catchAll(
        streamed(model, call, where),
        (error) => error instanceof Thrown ? Stream.fromEffect(failed(error)) : Stream.fail(error)
      )
  }
}

const streamed = (
  model: LanguageModelV4,
  call: FunctionCall,
  where: { readonly provider: string; readonly model: string }
): Stream.Stream<FunctionPart, Thrown | LLMError.LLMError> =>
  Stream.unwrapScoped(Effect.gen(function*() {
    const left = yield* Effect.acquireRelease(
      Effect.sync(() => new AbortController()),
      (left) => Effect.sync(() => left.abort())
    )
    const { stream } = yield* Effect.tryPromise({
      // A promise that is no longer waited for is aborted too.
      try: (signal) => model.doStream(toCallOptions(call, AbortSignal.any([signal, left.signal]))),
      catch: (error) => new Thrown(error)
    })
    const reading = new Reading()
    return Stream.fromReadableStream({
      evaluate: (): ReadableStream<LanguageModelV4StreamPart> => stream,
      onError: (error) => new Thrown(error)
    }).pipe(
      Stream.mapConcatEffect((part) => {
        const parts = reading.read(part)
        return reading.failure === undefined ? Effect.succeed(parts) : Effect.fail(new Thrown(reading.failure.error))
      }),
      Stream.concat(Stream.suspend(() =>
        reading.isComplete ? Stream.empty : Stream.fail(
          new LLMError.ProviderError({
            ...where,
            reason: new LLMError.Transport(),
            description: "the stream ended before its finish part"
          })
        )
      ))
    )
  }))
