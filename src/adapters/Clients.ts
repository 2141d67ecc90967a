/**
 * Official clients and frameworks through the gateway: constructor options with its address and the headers that say who
 * a call is for. The address is `MAJORDOMO_GATEWAY_URL`, default `http://localhost:7680`; the key is `MAJORDOMO_API_KEY`.
 * The key of the provider stays the client's own affair.
 *
 * @since 0.1.0
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type { LLM } from "../LLM.ts"
import { ConfigurationError } from "../LLMError.ts"
import * as Metadata from "../Metadata.ts"
import * as Models from "../Models.ts"

/**
 * Who a call is for.
 *
 * @since 0.1.0
 * @category models
 */
export interface Labels {
  /** What the call is for. */
  readonly feature?: string | undefined
  /** Which step of it. */
  readonly step?: string | undefined
  /** Who it is for. */
  readonly userId?: string | undefined
  /** The session it belongs to. */
  readonly sessionId?: string | undefined
  /** Any others; they win. */
  readonly extraHeaders?: Readonly<Record<string, string>> | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Options extends Labels {
  /** Default: `MAJORDOMO_GATEWAY_URL`, else `http://localhost:7680`. */
  readonly gatewayUrl?: string | undefined
  /** Default: `MAJORDOMO_API_KEY`. */
  readonly key?: Redacted.Redacted | string | undefined
}

// ── headers ─────────────────────────────────────────────────────────────────────────────────────────────────────────

const variable = "MAJORDOMO_API_KEY"

const keyOf = ({ key }: Options): Effect.Effect<Redacted.Redacted, ConfigurationError> =>
  key !== undefined
    ? Effect.succeed(typeof key === "string" ? Redacted.make(key) : key)
    : Config.redacted(Config.nonEmptyString(variable)).pipe(
      Effect.mapError(() =>
        new ConfigurationError({ variable, description: `${variable} environment variable is required` })
      )
    )

/**
 * The headers of a call through the gateway, in a program with Effect.
 *
 * @since 0.1.0
 * @category headers
 */
export const headers = (options: Options = {}): Effect.Effect<Record<string, string>, ConfigurationError> =>
  Effect.map(keyOf(options), (key) => {
    const { feature, sessionId, step, userId } = options
    return { ...Metadata.buildExtraHeaders({ feature, step, userId, sessionId }, { key }), ...options.extraHeaders }
  })

/** For programs without Effect: what fails is thrown. */
const now = <A>(effect: Effect.Effect<A, ConfigurationError>): A =>
  Either.getOrThrowWith(Effect.runSync(Effect.either(effect)), (error) => error)

/**
 * The headers of a call through the gateway: `X-Majordomo-Key` and the labels. Throws "MAJORDOMO_API_KEY environment
 * variable is required" without a key; in a program with Effect, `headers` fails with it.
 *
 * @since 0.1.0
 * @category headers
 * @example
 * ```ts
 * import * as Clients from "effect-majordomo/adapters/Clients"
 *
 * console.log(Clients.buildExtraHeaders({ key: "mdm_sk_…", feature: "search", userId: "42" }))
 * // { "X-Majordomo-Key": "mdm_sk_…", "X-Majordomo-Feature": "search", "X-Majordomo-User-Id": "42" }
 * ```
 */
export const buildExtraHeaders = (options: Options = {}): Record<string, string> => now(headers(options))

/**
 * The same for Gemini through its OpenAI-compatible endpoint, which the path of a call does not tell.
 *
 * @since 0.1.0
 * @category headers
 */
export const buildExtraHeadersGemini = (options: Options = {}): Record<string, string> => ({
  "X-Majordomo-Provider": "gemini-openai",
  ...buildExtraHeaders(options)
})

const addressOf = ({ gatewayUrl }: Options): Effect.Effect<string, ConfigurationError> =>
  (gatewayUrl === undefined
    ? Effect.mapError(
      Metadata.gatewayUrl,
      () => new ConfigurationError({ variable: "MAJORDOMO_GATEWAY_URL", description: "the gateway's address is wrong" })
    )
    : Effect.succeed(gatewayUrl)).pipe(Effect.map((url) => url.replace(/\/+$/, "")))

const address = (options: Options): string => now(addressOf(options))

// ── clients ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * For `new OpenAI(…)` of `openai`.
 *
 * @since 0.1.0
 * @category clients
 * @example
 * ```ts
 * import * as Clients from "effect-majordomo/adapters/Clients"
 * import OpenAI from "openai"
 *
 * const client = () => new OpenAI(Clients.openai({ feature: "search" }))
 * ```
 */
export const openai = (options: Options = {}): {
  readonly baseURL: string
  readonly defaultHeaders: Record<string, string>
} => ({ baseURL: `${address(options)}/v1`, defaultHeaders: buildExtraHeaders(options) })

/**
 * For `new Anthropic(…)` of `@anthropic-ai/sdk`, which adds `/v1` itself.
 *
 * @since 0.1.0
 * @category clients
 */
export const anthropic = (options: Options = {}): {
  readonly baseURL: string
  readonly defaultHeaders: Record<string, string>
} => ({ baseURL: address(options), defaultHeaders: buildExtraHeaders(options) })

/**
 * For `new GoogleGenAI(…)` of `@google/genai`.
 *
 * @since 0.1.0
 * @category clients
 */
export const google = (options: Options = {}): {
  readonly httpOptions: { readonly baseUrl: string; readonly headers: Record<string, string> }
} => ({ httpOptions: { baseUrl: address(options), headers: buildExtraHeaders(options) } })

/**
 * For `createOpenAI(…)` and `createAnthropic(…)` of the AI SDK; with `"google"`, for `createGoogleGenerativeAI(…)`.
 *
 * @since 0.1.0
 * @category clients
 */
export const vercel = (
  provider: "openai" | "anthropic" | "google",
  options: Options = {}
): { readonly baseURL: string; readonly headers: Record<string, string> } => ({
  baseURL: `${address(options)}/${provider === "google" ? "v1beta" : "v1"}`,
  headers: buildExtraHeaders(options)
})

/**
 * For `new ChatOpenAI(…)` and `new ChatAnthropic(…)` of LangChain.
 *
 * @since 0.1.0
 * @category clients
 */
export function langchain(provider: "openai", options?: Options): {
  readonly configuration: { readonly baseURL: string; readonly defaultHeaders: Record<string, string> }
}
export function langchain(provider: "anthropic", options?: Options): {
  readonly anthropicApiUrl: string
  readonly clientOptions: { readonly defaultHeaders: Record<string, string> }
}
export function langchain(provider: "openai" | "anthropic", options: Options = {}) {
  const { baseURL, defaultHeaders } = provider === "openai" ? openai(options) : anthropic(options)
  return provider === "openai"
    ? { configuration: { baseURL, defaultHeaders } }
    : { anthropicApiUrl: baseURL, clientOptions: { defaultHeaders } }
}

/**
 * The `model` of a Mastra agent. `VercelAi.model` is one too.
 *
 * @since 0.1.0
 * @category clients
 */
export const mastra = (
  model: `${string}/${string}`,
  options: Options = {}
): { readonly id: `${string}/${string}`; readonly url: string; readonly headers: Record<string, string> } => ({
  id: model,
  url: `${address(options)}/v1`,
  headers: buildExtraHeaders(options)
})

// ── models ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/** What the guide names. Each has been retired by its vendor: the answer says so, and which model took its place. */
const defaults = { anthropic: "claude-sonnet-4-20250514", openai: "gpt-4o", gemini: "gemini-2.0-flash" } as const

/**
 * A model through the gateway as an LLM layer. Without a name it is the framework guide's: `claude-sonnet-4-20250514`,
 * `gpt-4o`, `gemini-2.0-flash`; those are retired, and every answer has a warning. The key of the provider comes from its
 * own variable.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { LLM } from "effect-majordomo"
 * import * as Clients from "effect-majordomo/adapters/Clients"
 * import * as UndiciHttpClient from "effect-majordomo/UndiciHttpClient"
 * import { Effect, Layer } from "effect"
 *
 * const live = Clients.createModel("anthropic", "claude-sonnet-5").pipe(Layer.provide(UndiciHttpClient.layer))
 * const program = LLM.generateText({ prompt: "Hello" }).pipe(Effect.provide(live))
 * ```
 */
export const createModel = (
  provider: "anthropic" | "openai" | "gemini",
  name: string = defaults[provider],
  options: Options = {}
): Layer.Layer<LLM, ConfigurationError, HttpClient.HttpClient> =>
  Layer.unwrapEffect(Effect.map(
    Effect.zip(addressOf(options), headers(options)),
    ([baseUrl, defaultHeaders]) => Models.layer(provider, name, { baseUrl, defaultHeaders })
  ))
