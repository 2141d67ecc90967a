/**
 * Cohere over its chat API, version 2. Source: docs.cohere.com, 2026-11.
 *
 * @since 0.1.0
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import type * as ConfigError from "effect/ConfigError"
import type * as Layer from "effect/Layer"
import type { ModelOf } from "../internal/models/modelNames.ts"
import * as cohere from "../internal/wires/cohere/answer.ts"
import type { LLM } from "../LLM.ts"
import type { ConfigurationError } from "../LLMError.ts"
import * as provider from "./internal/toDriver.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Options extends provider.Options {
  /** The model's name, as the provider has it; editors complete those that are known. */
  readonly model: ModelOf<"cohere">
  /** Provider name on answers, for another host of this API. Default `"cohere"`. */
  readonly provider?: string | undefined
}

const preset = (options: Options): provider.Preset<cohere.State> => ({
  provider: options.provider ?? "cohere",
  wire: cohere.wire,
  baseUrl: "https://api.cohere.com",
  prefix: "/v2",
  path: () => "/chat",
  keyVariables: ["CO_API_KEY", "COHERE_API_KEY"],
  keyOptional: options.provider !== undefined,
  auth: provider.bearer
})

/**
 * The key comes from `CO_API_KEY` or `COHERE_API_KEY` when it is not given. Text files go along as documents; the
 * citations of an answer are in its `message`, as metadata of the text.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Cohere, LLM } from "effect-majordomo"
 * import * as UndiciHttpClient from "effect-majordomo/UndiciHttpClient"
 * import { Effect, Layer } from "effect"
 *
 * const live = Cohere.layer({ model: "command-a-03-2025" }).pipe(Layer.provide(UndiciHttpClient.layer))
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
