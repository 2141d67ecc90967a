/** From a provider's options to its layer: the key, the address, the driver. */
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { sha256 } from "../../internal/bytes/sha256.ts"
import type { KeyFacts, Wire } from "../../internal/call/driver.ts"
import { lowerCased } from "../../internal/http/headers.ts"
import * as LLM from "../../LLM.ts"
import { ConfigurationError } from "../../LLMError.ts"
import * as endpoint from "./endpoint.ts"

/** What every provider's options have. */
export interface Options extends LLM.Settings {
  /** The model's name, as the provider has it. */
  readonly model: string
  /** Default: from the provider's environment variable. */
  readonly apiKey?: Redacted.Redacted | undefined
  /** A name for the key in logs. */
  readonly apiKeyAlias?: string | undefined
  /** Where to send instead of the provider's own address, and nowhere else. */
  readonly baseUrl?: string | undefined
  /** Name of the provider whose list prices apply, for another host of its models. Default: the provider itself. */
  readonly prices?: string | undefined
}

/** Every option may come from the configuration. */
export type Configurable<O> = {
  readonly [K in keyof O]: O[K] | Config.Config<Exclude<O[K], undefined>>
}

/** What a host is: its address, key and wire. With a model of it, it is a driver. */
export interface Preset<S> {
  readonly provider: string
  readonly wire: Wire<S>
  readonly baseUrl: string
  /** Path under which the provider's API lives. */
  readonly prefix: string
  readonly path: (model: string, stream: boolean) => string
  /** Environment variables of the key, the first one preferred; none when a key is not needed. */
  readonly keyVariables: ReadonlyArray<string>
  readonly keyOptional?: boolean | undefined
  readonly auth: (key: string) => Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly gatewayHeaders?: Readonly<Record<string, string>> | undefined
  /** Name of the provider whose list prices apply. Default: `provider`. */
  readonly prices?: string | undefined
}

export const bearer = (key: string): Readonly<Record<string, string>> => ({ authorization: `Bearer ${key}` })

export const make = <S>(
  preset: Preset<S>,
  options: Options
): Effect.Effect<LLM.Service, ConfigurationError, HttpClient.HttpClient> =>
  Effect.gen(function*() {
    const fail = (description: string, variable?: string) =>
      new ConfigurationError({ provider: preset.provider, description, variable })
    if (options.model.trim() === "") return yield* fail("no model is named; give options.model")
    const base = endpoint.parseBase(options.baseUrl ?? preset.baseUrl, preset.prefix)
    if (base._tag === "Invalid") return yield* fail(base.message)
    const key = yield* findKey(preset, options)
    const auth = Option.match(key, {
      onNone: () => ({}),
      onSome: (value) =>
        Object.fromEntries(
          Object.entries(preset.auth(Redacted.value(value))).map(([name, header]) => [name, Redacted.make(header)])
        )
    })
    return yield* LLM.make(
      {
        provider: preset.provider,
        model: options.model,
        wire: preset.wire,
        url: (stream) => endpoint.join(base.url, preset.path(options.model, stream)),
        auth,
        key: yield* keyFacts(key, options.apiKeyAlias),
        prices: options.prices ?? preset.prices,
        headers: preset.headers ?? {},
        gatewayHeaders: preset.gatewayHeaders
      },
      options
    )
  })

/** Hashed once: a row needs it for every call. */
const keyFacts = (key: Option.Option<Redacted.Redacted>, alias: string | undefined): Effect.Effect<KeyFacts> =>
  Option.match(key, {
    onNone: () => Effect.succeed({ hash: undefined, alias }),
    onSome: (value) =>
      Effect.tryPromise(() => sha256(Redacted.value(value), 8)).pipe(
        Effect.match({ onFailure: () => ({ hash: undefined, alias }), onSuccess: (hash) => ({ hash, alias }) })
      )
  })

const findKey = <S>(
  preset: Preset<S>,
  options: Options
): Effect.Effect<Option.Option<Redacted.Redacted>, ConfigurationError> =>
  Effect.gen(function*() {
    if (options.apiKey !== undefined) {
      if (Redacted.value(options.apiKey).trim() === "") {
        return yield* new ConfigurationError({ provider: preset.provider, description: "the API key is empty" })
      }
      return Option.some(Redacted.make(Redacted.value(options.apiKey).trim()))
    }
    for (const variable of preset.keyVariables) {
      const found = yield* Effect.either(Config.redacted(variable))
      if (Either.isRight(found) && Redacted.value(found.right).trim() !== "") {
        return Option.some(Redacted.make(Redacted.value(found.right).trim()))
      }
    }
    // A gateway may hold the provider's key itself.
    const viaGateway = options.defaultHeaders !== undefined &&
      lowerCased(options.defaultHeaders)["x-majordomo-key"] !== undefined
    const [variable] = preset.keyVariables
    if (preset.keyOptional === true || variable === undefined || viaGateway) return Option.none()
    return yield* new ConfigurationError({
      provider: preset.provider,
      variable,
      description: `no API key: set ${preset.keyVariables.join(" or ")}, or give options.apiKey`
    })
  })

export const layer = <S>(
  preset: Preset<S>,
  options: Options
): Layer.Layer<LLM.LLM, ConfigurationError, HttpClient.HttpClient> => Layer.effect(LLM.LLM, make(preset, options))

/** The options with everything that is a `Config` read. */
export const readConfig = <O extends object>(options: Configurable<O>): Effect.Effect<O, ConfigError.ConfigError> =>
  Effect.map(
    Effect.forEach(Object.entries(options), ([name, value]) =>
      Config.isConfig(value)
        ? Effect.map(value, (read) => [name, read] as const)
        : Effect.succeed([name, value] as const)),
    // The keys are those of O, and each value is the one given or what its Config holds.
    (entries) => Object.fromEntries(entries) as O
  )

export const layerConfig = <O extends Options>(
  make: (options: O) => Layer.Layer<LLM.LLM, ConfigurationError, HttpClient.HttpClient>,
  options: Configurable<O>
): Layer.Layer<LLM.LLM, ConfigurationError | ConfigError.ConfigError, HttpClient.HttpClient> =>
  Layer.unwrapEffect(Effect.map(readConfig(options), make))
