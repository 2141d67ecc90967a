/** The row of a host. */
import type { Reasoning } from "../../LLM.ts"

/**
 * One host. Only what differs from OpenAI's own API needs saying.
 *
 * @since 0.1.0
 * @category models
 */
export interface Preset {
  /** The public module of its layer, where it has one of its own. */
  readonly module?: string | undefined
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
  /** False when the host rejects `top_k`, as OpenAI itself does. Default true. */
  readonly topK?: boolean | undefined
  /** False for models that reject stop sequences. */
  readonly stop?: ((model: string) => boolean) | undefined
  /** The host reads marks of a cache (`cache_control`) on the parts of a prompt, as Anthropic writes them. Default false. */
  readonly cacheControl?: boolean | undefined
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
