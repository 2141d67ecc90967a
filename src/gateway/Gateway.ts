/**
 * The gateway: every provider behind one address, unchanged, metered and recorded. Clients point their base URL at it and
 * add a key of its own; bytes go through as they are, and each request leaves one row that says who, what, and how much.
 *
 * @since 0.1.0
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as DefaultServices from "effect/DefaultServices"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"
import type { ServerResponse } from "node:http"
import { LLM } from "../LLM.ts"
import { ConfigurationError } from "../LLMError.ts"
import * as Logging from "../logging/Logging.ts"
import type * as LogReader from "../logging/LogReader.ts"
import * as Pricing from "../Pricing.ts"
import * as AdminTokens from "./AdminTokens.ts"
import * as ApiKeys from "./ApiKeys.ts"
import type { Options } from "./GatewayConfig.ts"
import * as admins from "./internal/admin/serve.ts"
import * as signing from "./internal/awsSigning.ts"
import * as cors from "./internal/cors.ts"
import * as dispatchers from "./internal/dispatchers.ts"
import * as exchanges from "./internal/exchange.ts"
import * as keyring from "./internal/keyring.ts"
import * as labels from "./internal/labels.ts"
import * as limiting from "./internal/limits/gate.ts"
import type { Limiter } from "./internal/limits/limiter.ts"
import * as limits from "./internal/limits/open.ts"
import * as models from "./internal/models/names.ts"
import * as services from "./internal/models/services.ts"
import * as readiness from "./internal/readiness.ts"
import { networksOf, remoteOf } from "./internal/remote.ts"
import * as server from "./internal/server.ts"
import * as settings from "./internal/settings/live.ts"
import * as storage from "./internal/storage.ts"
import * as unstored from "./internal/unstored.ts"
import * as upstreams from "./internal/upstreams.ts"
import * as ProviderKeys from "./ProviderKeys.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /** Where clients send to: `http://127.0.0.1:7680`. */
  readonly url: string
  /** Where administrators do. */
  readonly adminUrl: string
}

/**
 * @since 0.1.0
 * @category services
 */
export class Gateway extends Context.Tag("effect-majordomo/gateway/Gateway")<Gateway, Service>() {}

/**
 * What a gateway gives the program it runs in: its keys, its log.
 *
 * @since 0.1.0
 * @category models
 */
export type Provided =
  | Gateway
  | ApiKeys.ApiKeys
  | ProviderKeys.ProviderKeys
  | AdminTokens.AdminTokens
  | Logging.Logging
  | LogReader.LogReader
  | SqlClient.SqlClient

const millis = (given: string | undefined, otherwise: number): number =>
  given === undefined
    ? otherwise
    : Option.match(Duration.decodeUnknown(given), { onNone: () => otherwise, onSome: Duration.toMillis })

const minute = 60_000
const mebibyte = 1024 * 1024

const ringOf = (
  given: Redacted.Redacted | undefined
): Effect.Effect<Option.Option<keyring.Keyring>, ConfigurationError> =>
  Effect.gen(function*() {
    const found = given === undefined
      ? yield* Effect.orElseSucceed(Config.option(Config.redacted("MAJORDOMO_ENCRYPTION_KEY")), Option.none)
      : Option.some(given)
    if (Option.isNone(found)) return Option.none()
    const ring = keyring.parse(found.value)
    if (Either.isRight(ring)) return Option.some(ring.right)
    return yield* new ConfigurationError({
      variable: "MAJORDOMO_ENCRYPTION_KEY",
      description: `MAJORDOMO_ENCRYPTION_KEY: ${ring.left}`
    })
  })

const keysOf = (options: Options) =>
  Layer.unwrapEffect(Effect.map(
    ringOf(options.encryptionKey),
    (ring) => Layer.mergeAll(ApiKeys.layer, ProviderKeys.layer(ring), AdminTokens.layer)
  ))

const json = (response: ServerResponse, status: number, value: object) => {
  response.writeHead(status, { "content-type": "application/json" })
  response.end(JSON.stringify(value))
}

/** What can be wrong in a configuration is found before anything is opened. */
const checked = (options: Options) =>
  Effect.gen(function*() {
    const trusted = networksOf(options.trustedProxies ?? [])
    if (trusted === undefined) {
      return yield* new ConfigurationError({
        description: "trustedProxies: a network is an address and its bits, such as 10.0.0.0/8"
      })
    }
    yield* ringOf(options.encryptionKey)
    yield* limits.check(options)
    yield* storage.check(options)
    yield* labels.make(options)
    const known = yield* upstreams.make(options)
    yield* models.checkDegrade(options.limits, yield* models.routes(options.models, known))
    return { trusted, known }
  })

/**
 * Whether a configuration can be used: addresses, networks, and the environment variables that it names.
 *
 * @since 0.1.0
 * @category constructors
 */
export const check = (options: Options): Effect.Effect<void, ConfigurationError> => Effect.asVoid(checked(options))

const sharedOf = ({ timeouts, tls }: Options) => ({
  headersTimeout: millis(timeouts?.requestHeaders, 30_000),
  drain: millis(timeouts?.drain, 30_000),
  tls
})

/** What the public address needs of what is kept. */
interface Kept {
  readonly apiKeys: Pick<ApiKeys.Service, "verify">
  readonly providerKeys: Pick<ProviderKeys.Service, "get">
  readonly limiter: Limiter
  readonly logging: Pick<Logging.Service, "record">
  readonly isReady: (draining: boolean) => Effect.Effect<object & { readonly ready: boolean }>
  readonly names: () => models.Names
  readonly dispatcherOf: dispatchers.DispatcherOf
}

const upstreamLimits = ({ timeouts }: Options): dispatchers.Limits => ({
  connect: millis(timeouts?.connect, 10_000),
  answer: millis(timeouts?.answer, 10 * minute),
  answerIdle: millis(timeouts?.answerIdle, 5 * minute)
})

const opened = (
  options: Options,
  { known, trusted }: Effect.Effect.Success<ReturnType<typeof checked>>,
  kept: Kept
): Effect.Effect<server.Server, ConfigurationError, Scope.Scope> =>
  Effect.gen(function*() {
    const { timeouts } = options
    const pricing = yield* Pricing.Pricing
    pricing.preload()
    const patience = millis(timeouts?.requestIdle, 5 * minute)
    const pages = cors.of(options.cors?.origins ?? [])
    const exchange = exchanges.make({
      admission: {
        upstreams: known,
        apiKeys: kept.apiKeys,
        providerKeys: kept.providerKeys,
        isKeyRequired: options.auth !== "optional",
        includesUsage: options.meter?.includeUsage !== false,
        forwardsTraces: options.traceparent === "forward",
        maxBodyBytes: options.maxBodyBytes ?? 32 * mebibyte,
        bodyIdle: patience,
        sign: yield* signing.make
      },
      names: kept.names,
      limits: limiting.make(kept.limiter, pricing),
      logging: kept.logging,
      pricing,
      dispatcherOf: kept.dispatcherOf,
      isDurable: options.log?.durability !== "buffered",
      bodies: storage.keepsBodies(options) ? options.log?.bodies ?? "none" : undefined,
      labelsOf: (yield* labels.make(options)).of,
      patience,
      headersOf: pages.headersOf,
      accessLog: options.accessLog,
      remoteOf: remoteOf(trusted),
      clock: yield* Effect.clock,
      // The tracer that every program has keeps nothing.
      isTraced: (yield* Effect.tracer) !== Context.get(DefaultServices.liveServices, Tracer.Tracer)
    })
    return yield* server.listen(
      { host: options.host ?? "127.0.0.1", port: options.port ?? 7680, ...sharedOf(options) },
      ({ isDraining }) => (request, response) => {
        switch (request.url) {
          case "/health":
            return Effect.sync(() => json(response, 200, { status: "ok" }))
          case "/readyz":
            return Effect.map(
              kept.isReady(isDraining()),
              (state) => json(response, state.ready ? 200 : 503, state)
            )
        }
        if (pages.isPreflight(request)) return Effect.sync(() => pages.answer(request, response))
        return exchange(request, response)
      }
    )
  })

const make = (options: Options) =>
  Effect.gen(function*() {
    const found = yield* checked(options)
    const limiter = yield* limits.open(options)
    const dispatcherOf = yield* dispatchers.make(upstreamLimits(options))
    const service = yield* services.make(dispatcherOf, upstreamLimits(options))
    const live = yield* settings.make(options, found.known, limiter, service)
    const administer = yield* admins.make(limiter, live, (yield* labels.make(options)).stored)
    const admin = yield* server.listen({
      host: options.admin?.host ?? "127.0.0.1",
      port: options.admin?.port ?? 7681,
      ...sharedOf(options),
      drain: 1000
    }, () => administer)
    const open = yield* opened(options, found, {
      apiKeys: yield* ApiKeys.ApiKeys,
      providerKeys: yield* ProviderKeys.ProviderKeys,
      limiter,
      logging: yield* Logging.Logging,
      isReady: yield* readiness.make,
      names: () => live.current().names,
      dispatcherOf
    })
    return Gateway.of({ url: open.url, adminUrl: admin.url })
  })

/**
 * Runs the gateway as long as the layer lives: the public address, the administrators' one, the log. When the layer ends,
 * it stops listening, lets running requests come to their end (`timeouts.drain`, default 30 seconds), and writes what is
 * left of the log.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import * as Gateway from "effect-majordomo/gateway/Gateway"
 * import { Effect, Layer } from "effect"
 *
 * const main = Effect.gen(function*() {
 *   const { url } = yield* Gateway.Gateway
 *   yield* Effect.log(`clients send to ${url}/v1`)
 *   yield* Effect.never
 * }).pipe(Effect.provide(Gateway.layer({ database: "majordomo.db" })))
 * ```
 */
export const layer = (options: Options = {}): Layer.Layer<Provided, ConfigurationError> =>
  Layer.scoped(Gateway, make(options)).pipe(
    Layer.provideMerge(keysOf(options)),
    Layer.provideMerge(storage.layer(options))
  )

/**
 * What `Gateway.serve` takes.
 *
 * @since 0.1.0
 * @category models
 */
export interface ServeOptions
  extends Pick<Options, "host" | "port" | "tls" | "maxBodyBytes" | "timeouts" | "trustedProxies" | "cors" | "accessLog">
{
  /**
   * Who may ask: each request has one of them in `X-Majordomo-Key`, or as its client's API key where it begins with
   * `mdm_`. Default: everybody who reaches the port.
   */
  readonly keys?: ReadonlyArray<Redacted.Redacted> | undefined
}

/**
 * Serves an LLM, a cascade with hooks, cache and log for example, to programs in any language: OpenAI's Chat Completions
 * and Responses, Anthropic's Messages and Gemini's generateContent, streamed or not, with the vendors' own clients. The
 * model that a client names is of no matter. Nothing is kept here: rows are those of the LLM's own `Logging`, with the key
 * and the path in them, and `X-Majordomo-*` headers as labels.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import * as UndiciHttpClient from "effect-majordomo/UndiciHttpClient"
 * import { Anthropic, Cascade, OpenAI } from "effect-majordomo"
 * import * as Gateway from "effect-majordomo/gateway/Gateway"
 * import { Layer } from "effect"
 *
 * const served = Gateway.serve(
 *   Cascade.layer([Anthropic.layer({ model: "claude-sonnet-5" }), OpenAI.layer({ model: "gpt-4.1" })]),
 *   { port: 8080 }
 * ).pipe(Layer.provide(UndiciHttpClient.layer))
 * ```
 */
export const serve = <E, R>(
  layer: Layer.Layer<LLM, E, R>,
  options: ServeOptions = {}
): Layer.Layer<Gateway, E | ConfigurationError, R> => {
  const { keys = [], ...rest } = options
  const own: Options = { ...rest, auth: keys.length === 0 ? "optional" : "required" }
  const made = Effect.gen(function*() {
    const llm = yield* LLM
    const names = models.ofLlm(llm)
    const { url } = yield* opened(own, yield* checked(own), {
      apiKeys: { verify: unstored.verifyOf(keys) },
      providerKeys: { get: unstored.providerKey },
      limiter: yield* limits.none,
      logging: { record: unstored.record },
      isReady: (draining) => Effect.succeed({ ready: !draining, draining }),
      names: () => names,
      dispatcherOf: yield* dispatchers.make(upstreamLimits(own))
    })
    return Gateway.of({ url, adminUrl: url })
  })
  return Layer.provide(Layer.scoped(Gateway, made), layer)
}

/**
 * The keys of a gateway without its server: for programs that administer it.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerKeys = (
  options: Pick<Options, "database" | "encryptionKey"> = {}
): Layer.Layer<ApiKeys.ApiKeys | ProviderKeys.ProviderKeys | AdminTokens.AdminTokens, ConfigurationError> =>
  Layer.provide(keysOf(options), storage.layerDatabase(options))
