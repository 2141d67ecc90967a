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
import { isObject } from "../internal/json/values.ts"
import * as capabilities from "../internal/models/capabilities.ts"
import * as chatCompletions from "../internal/wires/chat-completions/answer.ts"
import { LLM, type Reasoning, type Settings } from "../LLM.ts"
import { ConfigurationError } from "../LLMError.ts"
import * as provider from "./internal/toDriver.ts"

/**
 * One host. Only what differs from OpenAI's own API needs saying.
 *
 * @since 0.1.0
 * @category models
 */
export interface Preset {
  /** Provider name on answers, in errors, logs and prices. */
  readonly name: string
  /** Address with or without a path; empty when every user has one of their own. */
  readonly baseUrl: string
  /** Environment variable of the address, for hosts that everybody runs themselves; `baseUrl` is the default. */
  readonly baseUrlVariable?: string | undefined
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
  /** Headers of every request. */
  readonly headers?: ((model: string) => Readonly<Record<string, string>>) | undefined
  /** How the host, or a model of it, takes a schema. Default `"native"`: `response_format` of type `json_schema`. */
  readonly structured?: Structured | ((model: string) => Structured) | undefined
  /** False when the host rejects `response_format` of type `json_object`. Default true. */
  readonly jsonObject?: boolean | undefined
  /** Name of the output cap. Default `max_tokens`. */
  readonly maxTokens?: "max_tokens" | "max_completion_tokens" | undefined
  /** Body fields that turn reasoning on or off. Default `reasoning_effort`. */
  readonly reasoning?: ((reasoning: Reasoning, model: string) => Readonly<Record<string, unknown>>) | undefined
  /** False for models that do not reason: asking them to is `Unsupported`. */
  readonly reasons?: ((model: string) => boolean) | undefined
  /** Body fields that turn web search on; without it, or when it gives none, web search is `Unsupported`. */
  readonly webSearch?: ((model: string) => Readonly<Record<string, unknown>> | undefined) | undefined
  /** False when the host rejects `stream_options`. Default true. */
  readonly streamUsage?: boolean | undefined
  /** False for models that reject temperature and topP. */
  readonly sampling?: ((model: string) => boolean) | undefined
  /** False for models that reject stop sequences. */
  readonly stop?: ((model: string) => boolean) | undefined
  /** Name of the provider whose list prices apply. Default: the host's own; most have none, and then no price is known. */
  readonly prices?: string | undefined
  /** Fields of the body that the host calls by another name: `{ seed: "random_seed" }`. */
  readonly rename?: Readonly<Record<string, string>> | undefined
}

/**
 * A way to ask for a value of a schema: `response_format` with the schema, `json_object` with the schema in the prompt,
 * a tool that must be called, or the prompt alone.
 *
 * @since 0.1.0
 * @category models
 */
export type Structured = "native" | "json-mode" | "tool" | "prompt"

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
    stop: row.stop ?? (() => true)
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

const spec = (row: Preset, model: string, baseUrl: string): provider.Spec<chatCompletions.State> => {
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
 * `reasoning_effort` for a host that knows only some efforts, given from the lowest to the highest: the nearest one that
 * is not below what is wanted, else the highest. `"none"` is never made up.
 *
 * @since 0.1.0
 * @category presets
 */
export const efforts =
  (...known: ReadonlyArray<Effort>) => (reasoning: Reasoning): Readonly<Record<string, unknown>> => {
    const { effort } = reasoning
    if (effort === undefined) return {}
    if (effort === "none") return known.includes("none") ? { reasoning_effort: "none" } : {}
    const wanted = allEfforts.indexOf(effort)
    const found = known.find((one) => one !== "none" && allEfforts.indexOf(one) >= wanted) ?? known[known.length - 1]
    return { reasoning_effort: found }
  }

/**
 * `efforts` for a host whose models think only when `thinking` says so, and stop at `"none"`.
 *
 * @since 0.1.0
 * @category presets
 */
export const thinking = (
  ...known: ReadonlyArray<Effort>
): (reasoning: Reasoning) => Readonly<Record<string, unknown>> => {
  const effort = efforts(...known)
  return (reasoning) =>
    reasoning.effort === "none"
      ? { thinking: { type: "disabled" } }
      : reasoning.effort === undefined
      ? {}
      : { thinking: { type: "enabled" }, ...effort(reasoning) }
}

type Effort = NonNullable<Reasoning["effort"]>

const allEfforts: ReadonlyArray<Effort> = ["none", "minimal", "low", "medium", "high", "xhigh", "max"]

/**
 * What `layerPreset` gives: the constructor of a host's layers.
 *
 * @since 0.1.0
 * @category models
 */
export type Constructor = (options: Options) => Layer.Layer<LLM, ConfigurationError, HttpClient.HttpClient>

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
    Effect.flatMap(findBaseUrl(row, options), (baseUrl) => provider.make(spec(row, options.model, baseUrl), options))
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
