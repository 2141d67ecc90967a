/**
 * OpenAI's models on Azure, and others served beside them. `model` is the name of the deployment. Source:
 * learn.microsoft.com/azure/ai-foundry/openai, 2026-11.
 *
 * @since 0.1.0
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import type * as ConfigError from "effect/ConfigError"
import type * as Layer from "effect/Layer"
import { hosts } from "../internal/hosts/rows.ts"
import { lowerCased } from "../internal/http/headers.ts"
import type { LLM } from "../LLM.ts"
import type { ConfigurationError } from "../LLMError.ts"
import * as provider from "./internal/toDriver.ts"
import * as OpenAICompatible from "./OpenAICompatible.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Options extends OpenAICompatible.Options {
  /**
   * A dated version such as `"2024-10-21"`: calls go to `/openai/deployments/{model}` with it as `api-version`. Without
   * it they go to the v1 API, which has no versions.
   */
  readonly apiVersion?: string | undefined
}

/**
 * @since 0.1.0
 * @category presets
 */
export const preset: OpenAICompatible.Preset = hosts.azure

/**
 * The preset of a dated version of the API.
 *
 * @since 0.1.0
 * @category presets
 */
export const versioned = (apiVersion: string): OpenAICompatible.Preset =>
  OpenAICompatible.preset({
    ...preset,
    prefix: "/openai",
    path: (model) =>
      `/deployments/${encodeURIComponent(model)}/chat/completions?api-version=${encodeURIComponent(apiVersion)}`
  })

/**
 * The key comes from `AZURE_OPENAI_API_KEY` when it is not given, the address of the resource from
 * `AZURE_OPENAI_ENDPOINT`. A token of Entra ID goes into `defaultHeaders` as `authorization`.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { AzureOpenAI } from "effect-majordomo"
 *
 * const live = AzureOpenAI.layer({ model: "gpt-4.1-mini", baseUrl: "https://acme.openai.azure.com" })
 * const dated = AzureOpenAI.layer({ model: "my-deployment", apiVersion: "2024-10-21" })
 * ```
 */
export const layer = (options: Options): Layer.Layer<LLM, ConfigurationError, HttpClient.HttpClient> => {
  const row = options.apiVersion === undefined ? preset : versioned(options.apiVersion)
  const keyOptional = options.defaultHeaders !== undefined &&
    lowerCased(options.defaultHeaders)["authorization"] !== undefined
  return OpenAICompatible.layerPreset({ ...row, keyOptional })(options)
}

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
