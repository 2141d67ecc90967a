/**
 * Any host that speaks Chat Completions: Ollama, vLLM, LM Studio, a gateway, or a host we do not know. A host is a row
 * of data; `preset` fills in what it does not say.
 *
 * @since 0.1.0
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import type { Call, Lowered, Wire } from "../internal/call/driver.ts"
import type { Preset } from "../internal/hosts/preset.ts"
import { isObject } from "../internal/json/values.ts"
import * as capabilities from "../internal/models/capabilities.ts"
import * as chatCompletions from "../internal/wires/chat-completions/answer.ts"
import { LLM, type Settings } from "../LLM.ts"
import { ConfigurationError } from "../LLMError.ts"
import * as provider from "./internal/toDriver.ts"

export type {
  /**
   * What differs from host to host: a row.
   *
   * @since 0.1.0
   * @category presets
   */
  Preset,
  /**
   * How a host takes a schema.
   *
   * @since 0.1.0
   * @category models
   */
  Structured
} from "../internal/hosts/preset.ts"

export {
  /**
   * Reasoning by the efforts a host knows: one that it does not know becomes the next higher.
   *
   * @since 0.1.0
   * @category presets
   */
  efforts,
  /**
   * `efforts` for a host whose models think only when `thinking` says so, and stop at `"none"`.
   *
   * @since 0.1.0
   * @category presets
   */
  thinking
} from "../internal/hosts/efforts.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Options extends Settings {
  /** The model's name, as its host has it. */
  readonly model: string
  /** Default: from the preset's environment variable, if it has one. */
  readonly apiKey?: Redacted.Redacted | undefined
  /** A name for the key in logs. */
  readonly apiKeyAlias?: string | undefined
  /** Where to send instead of the host's own address, and nowhere else. */
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

const quirks = (row: Preset, model: string): chatCompletions.Quirks => {
  const { reasoning, structured = "native", webSearch } = row
  return {
    structured: typeof structured === "function" ? structured(model) : structured,
    maxTokens: row.maxTokens ?? "max_tokens",
    reasoning: reasoning === undefined
      ? chatCompletions.reasoningEffort
      : (wanted, call) => {
        const body = reasoning(wanted, call.model)
        if (Object.keys(body).length === 0 && (wanted.effort ?? wanted.budgetTokens) !== undefined) {
          call.warn(
            "dropped-parameter",
            wanted.effort === undefined
              ? `${call.provider} takes no reasoning budget; use reasoning.effort`
              : `${call.model} takes no reasoning effort ${wanted.effort}; it was not sent`
          )
        }
        return body
      },
    streamUsage: row.streamUsage ?? true,
    webSearch: webSearch === undefined ? undefined : (call) => webSearch(call.model) ?? call.unsupported("web search"),
    sampling: row.sampling ?? ((model) => capabilities.sampling(row.name, model)),
    reasons: row.reasons ?? (() => true),
    topK: row.topK ?? true,
    stop: row.stop ?? (() => true),
    cacheControl: row.cacheControl ?? false
  }
}

const wire = (row: Preset, model: string): Wire<chatCompletions.State> => {
  const own = chatCompletions.wire(quirks(row, model))
  const { jsonObject = true, rename } = row
  if (jsonObject && rename === undefined) return own
  return {
    ...own,
    lower: (call: Call): Lowered => {
      const lowered = own.lower(call)
      const body = Object.entries(lowered.body).filter(([name, value]) =>
        jsonObject || name !== "response_format" || !isObject(value) || value["type"] !== "json_object"
      )
      return { ...lowered, body: Object.fromEntries(body.map(([name, value]) => [rename?.[name] ?? name, value])) }
    }
  }
}

const presetOf = (row: Preset, model: string, baseUrl: string): provider.Preset<chatCompletions.State> => {
  const { keyHeader, path = "/chat/completions" } = row
  return {
    provider: row.name,
    wire: wire(row, model),
    baseUrl,
    prefix: row.prefix ?? "/v1",
    path: (model) => typeof path === "string" ? path : path(model),
    keyVariables: row.keyVariable === undefined ? [] : [row.keyVariable],
    keyOptional: row.keyOptional ?? row.keyVariable === undefined,
    auth: keyHeader === undefined ? provider.bearer : (key) => ({ [keyHeader]: key }),
    headers: row.headers?.(model),
    prices: row.prices
  }
}

const findBaseUrl = (row: Preset, options: Options): Effect.Effect<string, ConfigurationError> =>
  Effect.gen(function*() {
    if (options.baseUrl !== undefined) return options.baseUrl
    const { baseUrlVariable: variable } = row
    const found = variable === undefined ? "" : yield* Effect.orElseSucceed(Config.string(variable), () => "")
    if (found.trim() !== "") return found.trim()
    if (row.baseUrl !== "") return row.baseUrl
    return yield* new ConfigurationError({
      provider: row.name,
      variable,
      description: `no address: ${variable === undefined ? "" : `set ${variable}, or `}give options.baseUrl`
    })
  })

/**
 * What `layerPreset` gives: the constructor of a host's layers. `Model` has the names that editors complete.
 *
 * @since 0.1.0
 * @category models
 */
export type Constructor<Model extends string = string> = (
  options: Options & { readonly model: Model }
) => Layer.Layer<LLM, ConfigurationError, HttpClient.HttpClient>

/**
 * The same with options from the configuration.
 *
 * @since 0.1.0
 * @category models
 */
export type ConfigConstructor = (
  options: provider.Configurable<Options>
) => Layer.Layer<LLM, ConfigurationError | ConfigError.ConfigError, HttpClient.HttpClient>

/**
 * The layer of a preset.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerPreset = (row: Preset): Constructor => (options) =>
  Layer.effect(
    LLM,
    Effect.flatMap(
      findBaseUrl(row, options),
      (baseUrl) => provider.make(presetOf(row, options.model, baseUrl), options)
    )
  )

/**
 * The layer of a preset, with options from the configuration.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfigPreset = (row: Preset): ConfigConstructor => (options) =>
  provider.layerConfig(layerPreset(row), options)

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
