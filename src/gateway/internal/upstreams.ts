/** Where requests may go: every provider that is known by name or configured, each with its one address. */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type { Preset } from "../../internal/hosts/preset.ts"
import { hosts } from "../../internal/hosts/rows.ts"
import { ConfigurationError } from "../../LLMError.ts"
import { parseBase } from "../../providers/internal/endpoint.ts"
import type { Options, ProviderOptions } from "../GatewayConfig.ts"

/** Which API a provider has: it decides what a path means. */
export type Family = "openai" | "anthropic" | "gemini" | "cohere" | "bedrock"

/** How a provider takes its key. */
export type Credential = "bearer" | "x-api-key" | "x-goog-api-key" | "api-key"

export interface Upstream {
  /** What a client calls it. */
  readonly name: string
  /** What rows and keys call it. */
  readonly provider: string
  /** Name of the provider whose list prices apply. */
  readonly prices: string | undefined
  readonly family: Family
  /** What the operator says that a provider of their own speaks. */
  readonly wire: ProviderOptions["wire"]
  /** `https://api.openai.com`: scheme, host and port, and nothing that a request could change. */
  readonly origin: string
  /** What stands before a path that the client gives without it, or under `/v1`. */
  readonly prefix: string
  /** Beginnings of paths that are the provider's own and stay as they are. */
  readonly native: ReadonlyArray<string>
  readonly credential: Credential
  /** A key of the configuration, for clients that bring none. */
  readonly key: Redacted.Redacted | undefined
  /** The operator's own: the gateway knows no provider of this name. */
  readonly isCustom: boolean
  /** It may be asked without a key. */
  readonly isKeyless: boolean
  /** It takes `stream_options`. */
  readonly takesStreamOptions: boolean
  /** The operator has named its address: it may be in a network of their own. */
  readonly isConfigured: boolean
  readonly connections: number
  /** AWS region of requests that are signed. */
  readonly region: string | undefined
}

interface Known {
  readonly provider: string
  readonly prices?: string | undefined
  readonly family: Family
  readonly baseUrl: string
  readonly prefix: string
  readonly native: ReadonlyArray<string>
  readonly credential: Credential
  readonly isKeyless?: boolean | undefined
  readonly takesStreamOptions?: boolean | undefined
}

const bedrockUrl = (region: string): string => `https://bedrock-runtime.${region}.amazonaws.com`

const google = "https://generativelanguage.googleapis.com"

const vendors = (region: string): Readonly<Record<string, Known>> => ({
  openai: {
    provider: "openai",
    family: "openai",
    baseUrl: "https://api.openai.com",
    prefix: "/v1",
    native: [],
    credential: "bearer"
  },
  anthropic: {
    provider: "anthropic",
    family: "anthropic",
    baseUrl: "https://api.anthropic.com",
    prefix: "/v1",
    native: ["/api"],
    credential: "x-api-key"
  },
  // The vendors' endpoints that speak OpenAI's API.
  "anthropic-openai": {
    provider: "anthropic",
    family: "openai",
    baseUrl: "https://api.anthropic.com",
    prefix: "/v1",
    native: [],
    credential: "bearer"
  },
  gemini: {
    provider: "gemini",
    family: "gemini",
    baseUrl: google,
    prefix: "/v1beta",
    native: ["/v1", "/v1alpha", "/upload", "/download"],
    credential: "x-goog-api-key"
  },
  "gemini-openai": {
    provider: "gemini",
    family: "openai",
    baseUrl: google,
    prefix: "/v1beta/openai",
    native: [],
    credential: "bearer"
  },
  cohere: {
    provider: "cohere",
    family: "cohere",
    baseUrl: "https://api.cohere.com",
    prefix: "/v2",
    native: ["/v1", "/compatibility"],
    credential: "bearer"
  },
  bedrock: {
    provider: "bedrock",
    family: "bedrock",
    baseUrl: bedrockUrl(region),
    prefix: "",
    native: [],
    credential: "bearer"
  },
  "bedrock-mantle": {
    provider: "bedrock-mantle",
    family: "anthropic",
    baseUrl: `https://bedrock-mantle.${region}.api.aws`,
    prefix: "/anthropic/v1",
    native: [],
    credential: "x-api-key"
  }
})

const known = (region: string): Readonly<Record<string, Known>> => ({
  ...vendors(region),
  ...Object.fromEntries(
    Object.entries<Preset>(hosts).filter(([name]) => name !== "majordomo").map((
      [name, row]
    ): [string, Known] => [name, {
      provider: row.name,
      prices: row.prices,
      family: "openai",
      baseUrl: row.baseUrl,
      prefix: row.prefix ?? "/v1",
      native: [],
      credential: row.keyHeader === "api-key" ? "api-key" : "bearer",
      isKeyless: row.keyOptional,
      takesStreamOptions: row.streamUsage
    }])
  )
})

const families = {
  "openai-chat": "openai",
  "openai-responses": "openai",
  anthropic: "anthropic",
  gemini: "gemini",
  cohere: "cohere",
  bedrock: "bedrock"
} as const

/** The providers of a configuration, by the names that clients use. */
export const make = (
  { providers = {} }: Options
): Effect.Effect<ReadonlyMap<string, Upstream>, ConfigurationError> =>
  Effect.gen(function*() {
    const region = yield* Effect.orElseSucceed(
      Config.nonEmptyString("AWS_REGION").pipe(Config.orElse(() => Config.nonEmptyString("AWS_DEFAULT_REGION"))),
      () => "us-east-1"
    )
    const found = new Map<string, Upstream>()
    const names = known(region)
    for (const [name, one] of Object.entries(names)) {
      // Gemini's and Anthropic's second endpoints are at the address, and have the key, of the first.
      const options = providers[name] ?? (isSecond(name, one) ? providers[one.provider] : undefined)
      const upstream = yield* upstreamOf(name, one, options ?? {}, region)
      if (upstream !== undefined) found.set(name, upstream)
    }
    for (const [name, options] of Object.entries(providers)) {
      if (Object.hasOwn(names, name)) continue
      const custom = yield* customOf(name, options, region)
      found.set(name, custom)
    }
    return found
  })

const isSecond = (name: string, { provider }: Known): boolean => name === `${provider}-openai`

const upstreamOf = (
  name: string,
  one: Known,
  options: ProviderOptions,
  region: string
): Effect.Effect<Upstream | undefined, ConfigurationError> =>
  Effect.gen(function*() {
    if (options.wire !== undefined) {
      return yield* new ConfigurationError({
        description: `providers.${name}.wire: what ${name} speaks is known; leave it out, or choose another name`
      })
    }
    const isConfigured = options.baseUrl !== undefined
    const own = options.region === undefined || name !== "bedrock" ? one.baseUrl : bedrockUrl(options.region)
    const address = options.baseUrl ?? own
    // Everybody has an address of their own there, or none that a stranger's request should reach.
    if (address === "" || (!isConfigured && isLocal(address))) return undefined
    const base = parseBase(address, "")
    if (base._tag === "Invalid") {
      return yield* new ConfigurationError({ description: `providers.${name}.baseUrl: ${base.message}` })
    }
    const path = base.url.pathname === "/" ? "" : base.url.pathname
    return {
      name,
      provider: one.provider,
      prices: options.prices ?? one.prices,
      family: one.family,
      wire: undefined,
      origin: base.url.origin,
      prefix: path === "" ? one.prefix : isSecond(name, one) ? path + one.prefix : path,
      native: path === "" ? one.native : [],
      credential: one.credential,
      key: yield* keyOf(name, options),
      isCustom: false,
      isKeyless: one.isKeyless ?? false,
      takesStreamOptions: one.takesStreamOptions ?? true,
      isConfigured,
      connections: options.connections ?? defaultConnections,
      region: options.region ?? region
    }
  })

const credentials: Readonly<Record<Family, Credential>> = {
  openai: "bearer",
  anthropic: "x-api-key",
  gemini: "x-goog-api-key",
  cohere: "bearer",
  bedrock: "bearer"
}
const prefixes: Readonly<Record<Family, string>> = {
  openai: "/v1",
  anthropic: "/v1",
  gemini: "/v1beta",
  cohere: "/v2",
  bedrock: ""
}

const customOf = (
  name: string,
  options: ProviderOptions,
  region: string
): Effect.Effect<Upstream, ConfigurationError> =>
  Effect.gen(function*() {
    const { baseUrl, wire } = options
    const fail = (description: string) => new ConfigurationError({ description: `providers.${name}: ${description}` })
    if (!/^[a-z0-9][a-z0-9._-]*$/i.test(name)) return yield* fail("a name is letters, digits, dots, hyphens")
    if (reserved.has(name)) return yield* fail("this name begins paths of the gateway itself; choose another")
    if (wire === undefined) return yield* fail(`say what it speaks: wire, one of ${Object.keys(families).join(", ")}`)
    if (baseUrl === undefined) return yield* fail("say where it is: baseUrl")
    const family = families[wire]
    const base = parseBase(baseUrl, prefixes[family])
    if (base._tag === "Invalid") return yield* fail(`baseUrl: ${base.message}`)
    return {
      name,
      provider: name,
      prices: options.prices,
      family,
      wire,
      origin: base.url.origin,
      prefix: base.url.pathname === "/" ? "" : base.url.pathname,
      native: [],
      credential: credentials[family],
      key: yield* keyOf(name, options),
      isCustom: true,
      isKeyless: true,
      takesStreamOptions: true,
      isConfigured: true,
      connections: options.connections ?? defaultConnections,
      region: options.region ?? region
    }
  })

const defaultConnections = 1024

/** First segments of paths that mean something else than a provider. */
const reserved: ReadonlySet<string> = new Set([
  "v1",
  "v1alpha",
  "v1beta",
  "v2",
  "model",
  "models",
  "chat",
  "health",
  "readyz",
  "metrics",
  "majordomo"
])

const isLocal = (address: string): boolean => /^https?:\/\/(localhost|127\.|\[::1\])/.test(address)

const keyOf = (
  name: string,
  { key }: ProviderOptions
): Effect.Effect<Redacted.Redacted | undefined, ConfigurationError> =>
  Effect.gen(function*() {
    if (key === undefined || Redacted.isRedacted(key)) return key
    const found = yield* Effect.either(Config.option(Config.redacted(key.env)))
    const value = Either.isRight(found) ? Option.getOrUndefined(found.right) : undefined
    if (value !== undefined && Redacted.value(value).trim() !== "") return Redacted.make(Redacted.value(value).trim())
    return yield* new ConfigurationError({
      variable: key.env,
      description: `providers.${name}.key: the environment variable ${key.env} is not set`
    })
  })
