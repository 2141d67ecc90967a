/**
 * Any host that speaks Chat Completions: Ollama, vLLM, LM Studio, a gateway, or a host we do not know. A host is a row
 * of data; `preset` fills in what it does not say.
 *
 * @since 0.1.0
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import type * as ConfigError from "effect/ConfigError"
import type * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import * as capabilities from "../internal/capabilities.ts"
import type { Call } from "../internal/driver.ts"
import type { Loose } from "../internal/json.ts"
import * as provider from "../internal/provider.ts"
import * as chatCompletions from "../internal/wires/chatCompletions.ts"
import type { LLM, Reasoning, Settings } from "../LLM.ts"
import type { ConfigurationError } from "../LLMError.ts"

/**
 * One host. Only what differs from OpenAI's own API needs saying.
 *
 * @since 0.1.0
 * @category models
 */
export interface Preset {
  /** Provider name on answers, in errors, logs and prices. */
  readonly name: string
  /** Address with or without a path. */
  readonly baseUrl: string
  /** Path used when a `baseUrl` has none. Default `/v1`. */
  readonly prefix?: string | undefined
  /** Path of the endpoint under the base. Default `/chat/completions`. */
  readonly path?: string | ((model: string) => string) | undefined
  /** Environment variable of the key; none when the host needs no key. */
  readonly keyVariable?: string | undefined
  /** The key may be missing. Default true when there is no `keyVariable`. */
  readonly keyOptional?: boolean | undefined
  /** Header that carries the key. Default `authorization`, as a bearer token. */
  readonly keyHeader?: string | undefined
  /** How the host takes a schema. Default `"native"`: `response_format` of type `json_schema`. */
  readonly structured?: "native" | "json-mode" | "tool" | "prompt" | undefined
  /** Name of the output cap. Default `max_tokens`. */
  readonly maxTokens?: "max_tokens" | "max_completion_tokens" | undefined
  /** Body fields that turn reasoning on or off. Default `reasoning_effort`. */
  readonly reasoning?: ((reasoning: Reasoning, model: string) => Readonly<Record<string, unknown>>) | undefined
  /** False for models that do not reason: asking them to is `Unsupported`. */
  readonly reasons?: ((model: string) => boolean) | undefined
  /** Body fields that turn web search on; without it, web search is `Unsupported`. */
  readonly webSearch?: ((model: string) => Readonly<Record<string, unknown>>) | undefined
  /** False when the host rejects `stream_options`. Default true. */
  readonly streamUsage?: boolean | undefined
  /** False for models that reject temperature and topP. */
  readonly sampling?: ((model: string) => boolean) | undefined
  /** False for models that reject stop sequences. */
  readonly stop?: ((model: string) => boolean) | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Options extends Settings {
  readonly model: string
  /** Default: from the preset's environment variable, if it has one. */
  readonly apiKey?: Redacted.Redacted | undefined
  /** A name for the key in logs. */
  readonly apiKeyAlias?: string | undefined
  readonly baseUrl?: string | undefined
}

/**
 * Options of `layer`: those of a preset, with the address required.
 *
 * @since 0.1.0
 * @category models
 */
export interface CompatibleOptions extends Options, Partial<Omit<Preset, "name" | "baseUrl" | "structured">> {
  /** Where the host is. */
  readonly baseUrl: string
  /** Provider name on answers. Default `"openai-compatible"`. */
  readonly provider?: string | undefined
}

/**
 * Describes a host. Ten lines make a provider:
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { OpenAICompatible } from "effect-majordomo"
 *
 * const acme = OpenAICompatible.preset({
 *   name: "acme",
 *   baseUrl: "https://llm.acme.example/v1",
 *   keyVariable: "ACME_API_KEY",
 *   structured: "json-mode"
 * })
 * const live = OpenAICompatible.layerPreset(acme)({ model: "acme-large" })
 * ```
 */
export const preset = (row: Preset): Preset => row

const quirks = (row: Preset): chatCompletions.Quirks => {
  const { reasoning, webSearch } = row
  return {
    structured: row.structured ?? "native",
    maxTokens: row.maxTokens ?? "max_tokens",
    reasoning: reasoning === undefined
      ? chatCompletions.reasoningEffort
      : (wanted, call: Call): Loose => reasoning(wanted, call.model),
    streamUsage: row.streamUsage ?? true,
    webSearch: webSearch === undefined ? undefined : (call: Call): Loose => webSearch(call.model),
    sampling: row.sampling ?? ((model) => capabilities.sampling(row.name, model)),
    reasons: row.reasons ?? (() => true),
    stop: row.stop ?? (() => true)
  }
}

const spec = (row: Preset): provider.Spec<chatCompletions.State> => {
  const { keyHeader, path = "/chat/completions" } = row
  return {
    provider: row.name,
    wire: chatCompletions.wire(quirks(row)),
    baseUrl: row.baseUrl,
    prefix: row.prefix ?? "/v1",
    path: (model) => typeof path === "string" ? path : path(model),
    keyVariables: row.keyVariable === undefined ? [] : [row.keyVariable],
    keyOptional: row.keyOptional ?? row.keyVariable === undefined,
    auth: keyHeader === undefined ? provider.bearer : (key) => ({ [keyHeader]: key })
  }
}

/**
 * The layer of a preset.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerPreset =
  (row: Preset) => (options: Options): Layer.Layer<LLM, ConfigurationError, HttpClient.HttpClient> =>
    provider.layer(spec(row), options)

/**
 * A host given by its address alone.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { OpenAICompatible } from "effect-majordomo"
 *
 * const ollama = OpenAICompatible.layer({ baseUrl: "http://localhost:11434", model: "llama3.2" })
 * ```
 */
export const layer = (options: CompatibleOptions): Layer.Layer<LLM, ConfigurationError, HttpClient.HttpClient> => {
  const { provider: name = "openai-compatible", structured, ...rest } = options
  return layerPreset({ ...rest, name, structured: undefined })({ ...rest, structured })
}

/**
 * The same with options from the configuration.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (
  options: provider.Configurable<CompatibleOptions>
): Layer.Layer<LLM, ConfigurationError | ConfigError.ConfigError, HttpClient.HttpClient> =>
  provider.layerConfig(layer, options)
