/**
 * OpenAI over the Responses API: reasoning carried over turns, hosted web search, strict structured output. Reasoning
 * travels encrypted (`store: false`), so that nothing is kept at OpenAI. Source: developers.openai.com, 2026-11.
 *
 * @since 0.1.0
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import type * as ConfigError from "effect/ConfigError"
import type * as Layer from "effect/Layer"
import type { ModelOf } from "../internal/models/modelNames.ts"
import * as responses from "../internal/wires/responses/answer.ts"
import type { LLM } from "../LLM.ts"
import type { ConfigurationError } from "../LLMError.ts"
import * as provider from "./internal/toDriver.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Options extends provider.Options {
  /** The model's name, as the provider has it; editors complete those that are known. */
  readonly model: ModelOf<"openai">
  /** Let OpenAI keep the conversation. Default false. */
  readonly store?: boolean | undefined
  /** How much of the reasoning is shown, when reasoning is asked for. Default `"auto"`. */
  readonly reasoningSummary?: "auto" | "concise" | "detailed" | false | undefined
  /** Provider name on answers, for another host of this API. Default `"openai"`. */
  readonly provider?: string | undefined
  /** Header that carries the key. Default `authorization`, as a bearer token. */
  readonly keyHeader?: string | undefined
}

const preset = (options: Options): provider.Preset<responses.State> => {
  const { keyHeader } = options
  return {
    provider: options.provider ?? "openai",
    wire: responses.wire({ store: options.store ?? false, reasoningSummary: options.reasoningSummary ?? "auto" }),
    baseUrl: "https://api.openai.com",
    prefix: "/v1",
    path: () => "/responses",
    keyVariables: ["OPENAI_API_KEY"],
    keyOptional: options.provider !== undefined,
    auth: keyHeader === undefined ? provider.bearer : (key) => ({ [keyHeader]: key })
  }
}

/**
 * The key comes from `OPENAI_API_KEY` when it is not given.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { LLM, OpenAI } from "effect-majordomo"
 * import * as UndiciHttpClient from "effect-majordomo/UndiciHttpClient"
 * import { Effect, Layer } from "effect"
 *
 * const live = OpenAI.layer({ model: "gpt-5.4" }).pipe(Layer.provide(UndiciHttpClient.layer))
 * const program = LLM.generateText({ prompt: "Hello", reasoning: { effort: "low" } }).pipe(Effect.provide(live))
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
