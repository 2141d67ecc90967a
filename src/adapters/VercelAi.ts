/**
 * The AI SDK (`ai` 7, specification v4) and what builds on it: any LLM layer as one of its models, and any of its models
 * as an LLM layer.
 *
 * @since 0.1.0
 */
import type { LanguageModelV4, LanguageModelV4CallOptions, ProviderV4 } from "@ai-sdk/provider"
import { NoSuchModelError } from "@ai-sdk/provider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Stream from "effect/Stream"
import { fromFunctions, LLM, type Service, type Settings } from "../LLM.ts"
import type * as LLMError from "../LLMError.ts"
import * as edge from "./internal/edge/edge.ts"
import { toApiError } from "./internal/vercelAi/answer.ts"
import { functionsOf, providerOf } from "./internal/vercelAi/functions.ts"
import { generated } from "./internal/vercelAi/generated.ts"
import { toRequest } from "./internal/vercelAi/request.ts"
import { toParts } from "./internal/vercelAi/stream.ts"

/**
 * What a model can be made of. A layer is built by the first call and shared by all.
 *
 * @since 0.1.0
 * @category models
 */
export type Source = Layer.Layer<LLM, LLMError.ConfigurationError> | Service

/**
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** What `ai` calls the provider. Default `"majordomo"`. */
  readonly provider?: string | undefined
  /** What it calls the model. Default: the model of the service, else `"majordomo"`. */
  readonly modelId?: string | undefined
  /** Addresses that the provider fetches itself, by media type; the rest is downloaded by `ai`. Default none. */
  readonly supportedUrls?: Record<string, Array<RegExp>> | undefined
}

/**
 * A model for `ai`. `close` releases what its layer holds.
 *
 * @since 0.1.0
 * @category models
 */
export interface Model extends LanguageModelV4 {
  /** Releases what the layer holds. */
  readonly close: () => Promise<void>
}

/**
 * A layer or a service as a model of `ai`: calls, costs, cascades, hooks and logs stay those of the layer. Retries are the
 * layer's too: its errors say that they are not to be retried. What `ai` has no word for is in
 * `providerMetadata.majordomo` (cost in USD, request id, attempts) and taken from `providerOptions.majordomo`
 * (`metadata`, `webSearch`, `timeouts`, `repair`, `reasoning`, `parallelToolCalls`, `body`).
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Anthropic, Cascade, OpenAI } from "effect-majordomo"
 * import * as VercelAi from "effect-majordomo/adapters/VercelAi"
 * import * as UndiciHttpClient from "effect-majordomo/UndiciHttpClient"
 * import { generateText } from "ai"
 * import { Layer } from "effect"
 *
 * const model = VercelAi.model(
 *   Cascade.layer([Anthropic.layer({ model: "claude-sonnet-5" }), OpenAI.layer({ model: "gpt-4.1" })]).pipe(
 *     Layer.provide(UndiciHttpClient.layer)
 *   )
 * )
 *
 * const answer = async () => (await generateText({ model, prompt: "Why is the sky blue?" })).text
 * ```
 */
export const model = (source: Source, options: Options = {}): Model => {
  const isService = "generate" in source
  const runtime = ManagedRuntime.make(isService ? Layer.succeed(LLM, source) : source)
  return {
    ...onEdge(edge.managed(runtime), { modelId: isService ? source.model : undefined, ...options }),
    close: () => runtime.dispose()
  }
}

/**
 * The `LLM` of a program as a model of `ai`, with the labels and headers that hold where it is made.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options = {}): Effect.Effect<LanguageModelV4, never, LLM> =>
  Effect.map(
    Effect.zip(LLM, Effect.runtime<LLM>()),
    ([llm, runtime]) => onEdge(edge.within(runtime), { modelId: llm.model, ...options })
  )

/**
 * Models by name.
 *
 * @since 0.1.0
 * @category models
 */
export interface Provider extends ProviderV4 {
  (modelId: string): LanguageModelV4
  /** The model of this name. */
  readonly languageModel: (modelId: string) => LanguageModelV4
  /** Releases what the layers of all its models hold. */
  readonly close: () => Promise<void>
}

/**
 * A provider object for `ai`: `majordomo("fast")`. Each model is made on first use and kept.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import * as UndiciHttpClient from "effect-majordomo/UndiciHttpClient"
 * import { Models } from "effect-majordomo"
 * import * as VercelAi from "effect-majordomo/adapters/VercelAi"
 * import { streamText } from "ai"
 * import { Layer } from "effect"
 *
 * const majordomo = VercelAi.provider((name) => Models.layer(name).pipe(Layer.provide(UndiciHttpClient.layer)))
 *
 * const answer = () => streamText({ model: majordomo("anthropic/claude-sonnet-5"), prompt: "Hello" }).textStream
 * ```
 */
export const provider = (
  models: Readonly<Record<string, Source>> | ((modelId: string) => Source),
  options: Omit<Options, "modelId"> = {}
): Provider => {
  const made = new Map<string, Model>()
  const languageModel = (modelId: string): LanguageModelV4 => {
    const known = made.get(modelId)
    if (known !== undefined) return known
    const source = typeof models === "function"
      ? models(modelId)
      : Object.hasOwn(models, modelId)
      ? models[modelId]
      : undefined
    if (source === undefined) throw new NoSuchModelError({ modelId, modelType: "languageModel" })
    const fresh = model(source, { ...options, modelId })
    made.set(modelId, fresh)
    return fresh
  }
  return Object.assign((modelId: string) => languageModel(modelId), {
    specificationVersion: "v4" as const,
    languageModel,
    embeddingModel: (modelId: string): never => {
      throw new NoSuchModelError({ modelId, modelType: "embeddingModel" })
    },
    imageModel: (modelId: string): never => {
      throw new NoSuchModelError({ modelId, modelType: "imageModel" })
    },
    close: async () => {
      await Promise.all([...made.values()].map((model) => model.close()))
      made.clear()
    }
  })
}

/**
 * The other way: a model of `ai` as an LLM layer, with our prices, errors, cascades and logs. Its provider's name is ours
 * (`"google.generative-ai"` is `gemini`), so that prices are found; `provider` says another. Signatures and what only the
 * provider knows go back to it; `webSearch`, `parallelToolCalls` and a budget for thoughts have no place there and are
 * warnings.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { LLM } from "effect-majordomo"
 * import * as VercelAi from "effect-majordomo/adapters/VercelAi"
 * import { anthropic } from "@ai-sdk/anthropic"
 * import { Effect } from "effect"
 *
 * const live = VercelAi.layer(anthropic("claude-sonnet-5"))
 * const program = LLM.generateText({ prompt: "Hello" }).pipe(Effect.provide(live))
 * ```
 */
export const layer = (
  model: LanguageModelV4,
  settings: Settings & { readonly provider?: string | undefined } = {}
): Layer.Layer<LLM> => {
  const { provider = providerOf(model), ...rest } = settings
  return fromFunctions(functionsOf(model, provider), rest)
}

const onEdge = (at: edge.Edge<LLM, LLMError.ConfigurationError>, options: Options): LanguageModelV4 => {
  const { modelId = "majordomo", provider = "majordomo", supportedUrls = {} } = options
  const asked = (given: LanguageModelV4CallOptions) => toRequest(given, { provider, model: modelId })
  return {
    specificationVersion: "v4",
    provider,
    modelId,
    supportedUrls,
    doGenerate: (given) =>
      edge.promise(
        at,
        Effect.flatMap(asked(given), (asked) => Effect.flatMap(LLM, (llm) => generated(llm, asked))),
        toApiError,
        given.abortSignal
      ),
    doStream: async (given) => {
      const parts = Stream.unwrap(
        Effect.map(
          Effect.zip(LLM, asked(given)),
          ([llm, { isStructured, request, warnings }]) => toParts(llm.stream(request), isStructured, warnings)
        )
      )
      const pulling = edge.open(at, parts, toApiError, given.abortSignal)
      // What fails before anything is out is a failure of the call.
      const head = await pulling.next()
      return { stream: edge.readable(pulling, head) }
    }
  }
}
