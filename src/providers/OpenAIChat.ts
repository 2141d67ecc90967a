/**
 * OpenAI over Chat Completions. `OpenAI` (the Responses API) is the better choice for new programs: it carries reasoning
 * over turns and searches the web. Source: developers.openai.com, 2026-11.
 *
 * @since 0.1.0
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import type * as ConfigError from "effect/ConfigError"
import type * as Layer from "effect/Layer"
import { hosts } from "../internal/hosts/rows.ts"
import type { ModelOf } from "../internal/models/modelNames.ts"
import type { LLM } from "../LLM.ts"
import type { ConfigurationError } from "../LLMError.ts"
import * as provider from "./internal/toDriver.ts"
import * as OpenAICompatible from "./OpenAICompatible.ts"

/**
 * Options of `layer`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options extends OpenAICompatible.Options {
  /** The model's name, as the provider has it; editors complete those that are known. */
  readonly model: ModelOf<"openai-chat">
}

/**
 * @since 0.1.0
 * @category presets
 */
export const preset: OpenAICompatible.Preset = hosts["openai-chat"]

/**
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { OpenAIChat } from "effect-majordomo"
 *
 * const live = OpenAIChat.layer({ model: "gpt-4.1-mini" })
 * ```
 */
export const layer: (options: Options) => Layer.Layer<LLM, ConfigurationError, HttpClient.HttpClient> = OpenAICompatible
  .layerPreset(preset)

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
