/**
 * Anthropic over the Messages API. The system prompt is cached, thinking is carried over turns with its signatures.
 * Source: platform.claude.com, 2026-11.
 *
 * @since 0.1.0
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import type * as ConfigError from "effect/ConfigError"
import type * as Layer from "effect/Layer"
import type { ModelOf } from "../internal/models/modelNames.ts"
import * as messages from "../internal/wires/messages/answer.ts"
import type { LLM } from "../LLM.ts"
import type { ConfigurationError } from "../LLMError.ts"
import * as provider from "./internal/toDriver.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Options extends provider.Options {
  /** The model's name, as the provider has it; editors complete those that are known. */
  readonly model: ModelOf<"anthropic">
  /** A cache breakpoint after the system prompt: false for none, or how long it lasts. Default true, 5 minutes. */
  readonly promptCaching?: boolean | "5m" | "1h" | undefined
  /** Provider name on answers, for another host of this API. Default `"anthropic"`. */
  readonly provider?: string | undefined
}

const preset = (options: Options): provider.Preset<messages.State> => {
  const caching = options.promptCaching ?? true
  return {
    provider: options.provider ?? "anthropic",
    wire: messages.wire({ promptCaching: caching === true ? "5m" : caching }),
    baseUrl: "https://api.anthropic.com",
    prefix: "/v1",
    path: () => "/messages",
    keyVariables: ["ANTHROPIC_API_KEY"],
    keyOptional: options.provider !== undefined,
    auth: (key) => ({ "x-api-key": key }),
    headers: { "anthropic-version": "2023-06-01" }
  }
}

/**
 * The key comes from `ANTHROPIC_API_KEY` when it is not given. Without `maxTokens`, an answer may have 16,000 tokens
 * and a stream 64,000, less where the model's ceiling is lower.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Anthropic, LLM } from "effect-majordomo"
 * import * as UndiciHttpClient from "effect-majordomo/UndiciHttpClient"
 * import { Effect, Layer } from "effect"
 *
 * const live = Anthropic.layer({ model: "claude-sonnet-5" }).pipe(Layer.provide(UndiciHttpClient.layer))
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
