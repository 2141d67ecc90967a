/** The LLM that answers to a name, made of the providers' keys that the gate has chosen. */
import type * as Persistence from "@effect/experimental/Persistence"
import * as HttpClient from "@effect/platform/HttpClient"
import type * as SqlClient from "@effect/sql/SqlClient"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import { Agent, Dispatcher } from "undici"
import * as Balance from "../../../Balance.ts"
import * as Cache from "../../../Cache.ts"
import * as Cascade from "../../../Cascade.ts"
import * as Hooks from "../../../Hooks.ts"
import { destroyed } from "../../../internal/http/undici.ts"
import { LLM, type Service } from "../../../LLM.ts"
import type { ConfigurationError } from "../../../LLMError.ts"
import * as Models from "../../../Models.ts"
import * as Anthropic from "../../../providers/Anthropic.ts"
import * as Bedrock from "../../../providers/Bedrock.ts"
import * as Cohere from "../../../providers/Cohere.ts"
import * as Gemini from "../../../providers/Gemini.ts"
import * as OpenAI from "../../../providers/OpenAI.ts"
import * as OpenAICompatible from "../../../providers/OpenAICompatible.ts"
import * as SqlPersistence from "../../../SqlPersistence.ts"
import * as UndiciHttpClient from "../../../UndiciHttpClient.ts"
import type { DispatcherOf, Limits } from "../dispatchers.ts"
import { hashOf } from "../token.ts"
import type { Upstream } from "../upstreams.ts"
import * as aliases from "./alias.ts"
import type { Keyed, Members, Names } from "./names.ts"

const maxServices = 500

type Needs = SqlClient.SqlClient

/**
 * Those that were asked for last are kept, so that a breaker knows what came before. Their calls use the connections that
 * requests are passed on by, and wait as long.
 */
export const make = (
  dispatcherOf: DispatcherOf,
  limits: Limits
): Effect.Effect<Names["service"], never, Needs | Scope.Scope> =>
  Effect.gen(function*() {
    const context = yield* Effect.context<Needs>()
    const elsewhere = yield* destroyed(() => new Agent())
    const providerLayer = (member: Keyed) =>
      Layer.provide(
        layerOfProvider(member, limits),
        Layer.succeed(
          HttpClient.HttpClient,
          UndiciHttpClient.make(new ByOrigin(member.upstream.origin, dispatcherOf(member.upstream), elsewhere))
        )
      )
    const scope = yield* Effect.scope
    const known = new Map<string, { readonly service: Service; readonly scope: Scope.CloseableScope }>()

    const kept = <E>(
      id: string,
      layer: () => Layer.Layer<LLM, E, Needs>
    ): Effect.Effect<Service, E> =>
      Effect.suspend(() => {
        const found = known.get(id)
        if (found !== undefined) {
          known.delete(id)
          known.set(id, found)
          return Effect.succeed(found.service)
        }
        return Effect.gen(function*() {
          const own = yield* Scope.fork(scope, ExecutionStrategy.sequential)
          const built = yield* Layer.buildWithScope(layer(), own).pipe(
            Effect.provide(context),
            Effect.onError(() => Scope.close(own, Exit.void))
          )
          const service = Context.get(built, LLM)
          known.set(id, { service, scope: own })
          const [oldest] = known
          if (known.size > maxServices && oldest !== undefined) {
            known.delete(oldest[0])
            yield* Scope.close(oldest[1].scope, Exit.void)
          }
          return service
        })
      })

    /** The database may be away when the first answer is to be remembered. */
    let store: Context.Context<Persistence.ResultPersistence> | undefined
    const opening = yield* Effect.makeSemaphore(1)
    const opened = opening.withPermits(1)(Effect.suspend(() =>
      store === undefined
        ? Layer.buildWithScope(SqlPersistence.layer, scope).pipe(
          Effect.provide(context),
          Effect.timeout("2 seconds"),
          Effect.tap((built) => {
            store = built
          })
        )
        : Effect.succeed(store)
    ))

    const remembering = (id: string, { alias, name }: Members, keyId: string | undefined, llm: Service) => {
      const cache = aliases.cacheOf(alias)
      if (cache === undefined) return Effect.succeed(llm)
      const owner = cache.isShared ? "" : keyId ?? ""
      // An alias that says something else is another one.
      const storeId = `${name} ${owner} ${hashOf(JSON.stringify(aliases.modelsOf(alias))).slice(0, 16)}`
      const { scope, timeToLive } = cache
      return opened.pipe(
        Effect.flatMap((store) =>
          kept(JSON.stringify(["cache", id, owner]), () =>
            Cache.layer({ timeToLive, scope, storeId }).pipe(
              Layer.provide(Layer.succeed(LLM, llm)),
              Layer.provide(Layer.succeedContext(store))
            ))
        ),
        Effect.catchAll((error) =>
          Effect.as(Effect.logWarning(`answers of ${name} cannot be remembered now`, error.message), llm)
        )
      )
    }

    return (route, members, keyId) =>
      Effect.gen(function*() {
        const { alias, name } = route
        const id = JSON.stringify([
          name,
          alias,
          members.map(({ model, secret, upstream }) => [upstream.name, model, secret])
        ])
        const asked = yield* kept(id, () => layerOf(route, members, providerLayer))
        if (typeof alias === "string") return asked
        const remembered = yield* remembering(id, route, keyId, asked)
        const hooks = aliases.hooksOf(alias)
        if (hooks.length === 0) return remembered
        return yield* kept(
          JSON.stringify(["hooks", id, remembered === asked ? undefined : keyId ?? ""]),
          () => Layer.provide(Hooks.layer(hooks, { onVerdicts: told }), Layer.succeed(LLM, remembered))
        )
      })
  })

/** What was blocked is told by its error, what was redacted is as it should be. */
const told = (verdicts: ReadonlyArray<Hooks.Verdict>, { model, provider }: Hooks.Call): Effect.Effect<void> =>
  Effect.forEach(verdicts, ({ hook, outcome, phase, reason }) =>
    outcome === "warn" || outcome === "error"
      ? Effect.logWarning(
        `the hook "${hook}" warns of ${phase === "before" ? "a prompt for" : "an answer of"} ${provider}/${model}`,
        reason
      )
      : Effect.void, { discard: true })

const layerOf = (
  { alias }: Members,
  [first, ...others]: readonly [Keyed, ...Array<Keyed>],
  providerLayer: (member: Keyed) => Layer.Layer<LLM, ConfigurationError>
): Layer.Layer<LLM, ConfigurationError> => {
  if (others.length === 0) return providerLayer(first)
  const layers = [providerLayer(first), ...others.map(providerLayer)] as const
  const options = aliases.cascadeOptionsOf(alias)
  const places = new Set([first, ...others].map(({ place }) => place))
  const prices = Object.fromEntries(
    [first, ...others].flatMap(({ upstream }) =>
      upstream.prices === undefined ? [] : [[upstream.provider, upstream.prices]]
    )
  )
  const strategy = aliases.strategyOf(alias, (place) => places.has(place), prices)
  return strategy === undefined ? Cascade.layer(layers, options) : Balance.layer(layers, { ...options, strategy })
}

/** A pool of connections is for one address; what a provider's layer asks elsewhere (for credentials) goes there. */
class ByOrigin extends Dispatcher {
  private readonly origin: string
  private readonly own: Dispatcher
  private readonly elsewhere: Dispatcher

  constructor(origin: string, own: Dispatcher, elsewhere: Dispatcher) {
    super()
    this.origin = origin
    this.own = own
    this.elsewhere = elsewhere
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    return String(options.origin) === this.origin
      ? this.own.dispatch(options, handler)
      : this.elsewhere.dispatch(options, handler)
  }
}

const layerOfProvider = (
  { model, secret, upstream }: Keyed,
  limits: Limits
): Layer.Layer<LLM, ConfigurationError, HttpClient.HttpClient> => {
  const timeouts = { firstToken: limits.answer, betweenTokens: limits.answerIdle }
  const options = {
    apiKey: secret === undefined ? undefined : Redacted.make(secret),
    baseUrl: upstream.isConfigured || isOwn(upstream) ? upstream.origin + upstream.prefix : undefined,
    region: upstream.region,
    timeouts
  }
  if (!isOwn(upstream)) return Models.layer(upstream.name, model, options)
  const { prices, provider } = upstream
  const given = {
    model,
    apiKey: options.apiKey,
    baseUrl: upstream.origin + upstream.prefix,
    timeouts,
    provider,
    prices
  }
  if (upstream.wire === "openai-responses") return OpenAI.layer(given)
  switch (upstream.family) {
    case "anthropic":
      return Anthropic.layer(given)
    case "gemini":
      return Gemini.layer(given)
    case "cohere":
      return Cohere.layer(given)
    case "bedrock":
      return Bedrock.layer({ ...given, region: upstream.region })
    case "openai":
      return OpenAICompatible.layer(given)
  }
}

/** A provider of the operator's, or a vendor's second endpoint: not one that `Models` knows by this name. */
const isOwn = ({ name }: Upstream): boolean => !Object.hasOwn(Models.defaults.providers, name)
