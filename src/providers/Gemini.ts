/**
 * Google's Gemini over generateContent. The key goes into a header, never into the URL. Thought signatures are carried
 * over turns. Source: ai.google.dev, 2026-11.
 *
 * @since 0.1.0
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import type * as ConfigError from "effect/ConfigError"
import type * as Layer from "effect/Layer"
import type { ModelOf } from "../internal/models/modelNames.ts"
import * as generateContent from "../internal/wires/generate-content/answer.ts"
import type { LLM } from "../LLM.ts"
import type { ConfigurationError } from "../LLMError.ts"
import * as provider from "./internal/toDriver.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Options extends provider.Options {
  /** The model's name, as the provider has it; editors complete those that are known. */
  readonly model: ModelOf<"gemini">
  /** Provider name on answers, for another host of this API. Default `"gemini"`. */
  readonly provider?: string | undefined
}

const preset = (options: Options): provider.Preset<generateContent.State> => ({
  provider: options.provider ?? "gemini",
  wire: generateContent.wire,
  baseUrl: "https://generativelanguage.googleapis.com",
  prefix: "/v1beta",
  path: (model, stream) =>
    `/models/${encodeURIComponent(model.replace(/^models\//, ""))}:${
      stream ? "streamGenerateContent?alt=sse" : "generateContent"
    }`,
  keyVariables: ["GEMINI_API_KEY", "GOOGLE_API_KEY"],
  keyOptional: options.provider !== undefined,
  auth: (key) => ({ "x-goog-api-key": key })
})

/**
 * The key comes from `GEMINI_API_KEY` or `GOOGLE_API_KEY` when it is not given.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Gemini, LLM } from "effect-majordomo"
 * import * as UndiciHttpClient from "effect-majordomo/UndiciHttpClient"
 * import { Effect, Layer } from "effect"
 *
 * const live = Gemini.layer({ model: "gemini-2.5-flash" }).pipe(Layer.provide(UndiciHttpClient.layer))
 * const program = LLM.generateText({ prompt: "Hello" }).pipe(Effect.provide(live))
 * ```
 */
export const layer = (options: Options): Layer.Layer<LLM, ConfigurationError, HttpClient.HttpClient> =>
  provider.layer(preset(options), options)

/**
 * The same with options from the configuration.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (
  options: provider.Configurable<Options>
): Layer.Layer<LLM, ConfigurationError | ConfigError.ConfigError, HttpClient.HttpClient> =>
  provider.layerConfig(layer, options)
