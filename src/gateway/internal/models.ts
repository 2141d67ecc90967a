/**
 * Names that a request may ask for: a provider's model, an alias, a cascade of the configuration; and the LLM that answers
 * to one, made of the providers' keys that the gate has chosen.
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as Cascade from "../../Cascade.ts"
import { suggestion } from "../../internal/models/closestNames.ts"
import { LLM, type Service } from "../../LLM.ts"
import { ConfigurationError } from "../../LLMError.ts"
import * as Models from "../../Models.ts"
import * as Anthropic from "../../providers/Anthropic.ts"
import * as Cohere from "../../providers/Cohere.ts"
import * as Gemini from "../../providers/Gemini.ts"
import * as OpenAICompatible from "../../providers/OpenAICompatible.ts"
import type { Options } from "../GatewayConfig.ts"
import type { Upstream } from "./upstreams.ts"

export interface Member {
  readonly upstream: Upstream
  readonly model: string
}

/** A member with its provider's key; none where the provider needs none. */
export interface Keyed extends Member {
  readonly secret: string | undefined
}

export type Route =
  | {
    readonly _tag: "Members"
    readonly name: string
    readonly members: readonly [Member, ...Array<Member>]
    readonly breaker: Cascade.BreakerOptions | undefined
  }
  /** An LLM of the program's own. */
  | { readonly _tag: "Own"; readonly llm: Service }

export interface Names {
  /** Who answers to this name; undefined: nobody here does. */
  readonly find: (name: string) => Route | undefined
  /** What can be asked for by a name of its own. */
  readonly list: ReadonlyArray<string>
  /** Every request is for one of these: there is nothing to pass on. */
  readonly isAll: boolean
  readonly service: (
    route: Extract<Route, { _tag: "Members" }>,
    members: readonly [Keyed, ...Array<Keyed>]
  ) => Effect.Effect<Service, ConfigurationError>
}

export const unknownName = (name: string, { list }: Names): string =>
  `there is no model ${JSON.stringify(name.slice(0, 200))} here${suggestion(name.slice(0, 200), list)}`

/** One LLM for every name. */
export const ofLlm = (llm: Service): Names => ({
  find: () => ({ _tag: "Own", llm }),
  list: [llm.model],
  isAll: true,
  service: () => Effect.succeed(llm)
})

// ── from a configuration ────────────────────────────────────────────────────────────────────────────────────────────

type Configured = NonNullable<Options["models"]>[string]

const wanted = (given: Configured): ReadonlyArray<string> => typeof given === "string" ? [given] : given.cascade

const breakerOf = (given: Configured): Cascade.BreakerOptions | undefined => {
  if (typeof given === "string" || given.breaker === undefined) return undefined
  const { cooldown = "30 seconds", failures = 5, window = "1 minute" } = given.breaker
  const time = (text: string) => Option.getOrElse(Duration.decodeUnknown(text), () => Duration.seconds(30))
  return { failures, window: time(window), cooldown: time(cooldown) }
}

const memberOf = (upstreams: ReadonlyMap<string, Upstream>, name: string): Member | undefined => {
  const slash = name.indexOf("/")
  const upstream = upstreams.get(name.slice(0, Math.max(0, slash)))
  const model = name.slice(slash + 1)
  return upstream === undefined || model === "" ? undefined : { upstream, model }
}

type Find = Names["find"]

/** Who answers to which name: of the library's aliases, the configuration's, and any `provider/model`. */
export const routes = (
  models: Options["models"],
  upstreams: ReadonlyMap<string, Upstream>
): Effect.Effect<Find, ConfigurationError> =>
  Effect.gen(function*() {
    const { aliases } = yield* Models.Registry
    const routes = new Map<string, Route>()
    for (const [name, listed] of Object.entries(aliases)) {
      const route = routeOf(name, listed.map((one) => memberOf(upstreams, one)), undefined)
      if (route !== undefined) routes.set(name, route)
    }
    for (const [name, given] of Object.entries(models ?? {})) {
      const names = wanted(given)
      const missing = names.find((one) => memberOf(upstreams, one) === undefined)
      const members = names.map((one) => memberOf(upstreams, one))
      const route = routeOf(name, members, breakerOf(given))
      if (route === undefined) {
        return yield* new ConfigurationError({
          description: missing === undefined
            ? `models.${name}: name a model`
            : `models.${name}: "${missing}" is no model of a provider of this gateway: write it as "provider/model"${
              suggestion(missing.split("/", 1)[0] ?? "", [...upstreams.keys()])
            }`
        })
      }
      routes.set(name, route)
    }
    return (name) => {
      const known = routes.get(name)
      if (known !== undefined) return known
      const member = memberOf(upstreams, name)
      return member === undefined ? undefined : routeOf(name, [member], undefined)
    }
  })

/** Budgets that are spent send to names that are there. */
export const checkDegrade = (rules: Options["limits"], find: Find): Effect.Effect<void, ConfigurationError> => {
  const wrong = rules?.find(({ degrade }) => degrade !== undefined && find(degrade)?._tag !== "Members")
  return wrong === undefined ? Effect.void : new ConfigurationError({
    description: `limits: the rule "${wrong.name}" degrades to "${wrong.degrade}", which is no name of models and no `
      + "\"provider/model\" of a provider of this gateway"
  })
}

export const make = (
  models: Options["models"],
  upstreams: ReadonlyMap<string, Upstream>,
  service: Names["service"]
): Effect.Effect<Names, ConfigurationError> =>
  Effect.map(routes(models, upstreams), (find): Names => ({
    find,
    list: Object.keys(models ?? {}),
    isAll: false,
    service
  }))

const routeOf = (
  name: string,
  members: ReadonlyArray<Member | undefined>,
  breaker: Cascade.BreakerOptions | undefined
): Route | undefined => {
  const found = members.filter((member) => member !== undefined)
  const [first, ...others] = found
  if (first === undefined || found.length < members.length) return undefined
  return { _tag: "Members", name, members: [first, ...others], breaker }
}

// ── services ────────────────────────────────────────────────────────────────────────────────────────────────────────

const maxServices = 500

/** Those that were asked for last are kept, so that a breaker knows what came before. */
export const services: Effect.Effect<Names["service"], never, HttpClient.HttpClient | Scope.Scope> = Effect.gen(
  function*() {
    const client = yield* Effect.context<HttpClient.HttpClient>()
    const scope = yield* Effect.scope
    const known = new Map<string, { readonly service: Service; readonly scope: Scope.CloseableScope }>()
    return (route, members) =>
      Effect.suspend(() => {
        const id = JSON.stringify([
          route.name,
          route.breaker,
          members.map(({ model, secret, upstream }) => [upstream.name, model, secret])
        ])
        const found = known.get(id)
        if (found !== undefined) {
          known.delete(id)
          known.set(id, found)
          return Effect.succeed(found.service)
        }
        return Effect.gen(function*() {
          const own = yield* Scope.fork(scope, ExecutionStrategy.sequential)
          const context = yield* Layer.buildWithScope(layerOf(route, members), own).pipe(
            Effect.provide(client),
            Effect.onError(() => Scope.close(own, Exit.void))
          )
          const service = Context.get(context, LLM)
          known.set(id, { service, scope: own })
          const [oldest] = known
          if (known.size > maxServices && oldest !== undefined) {
            known.delete(oldest[0])
            yield* Scope.close(oldest[1].scope, Exit.void)
          }
          return service
        })
      })
  }
)

const layerOf = (
  { breaker }: Extract<Route, { _tag: "Members" }>,
  [first, ...others]: readonly [Keyed, ...Array<Keyed>]
): Layer.Layer<LLM, ConfigurationError, HttpClient.HttpClient> =>
  others.length === 0
    ? providerLayer(first)
    : Cascade.layer([providerLayer(first), ...others.map(providerLayer)], { breaker })

const providerLayer = (
  { model, secret, upstream }: Keyed
): Layer.Layer<LLM, ConfigurationError, HttpClient.HttpClient> => {
  const options = {
    apiKey: secret === undefined ? undefined : Redacted.make(secret),
    baseUrl: upstream.isConfigured || isOwn(upstream) ? upstream.origin + upstream.prefix : undefined,
    region: upstream.region
  }
  if (!isOwn(upstream)) return Models.layer(upstream.name, model, options)
  const given = { model, apiKey: options.apiKey, baseUrl: upstream.origin + upstream.prefix }
  switch (upstream.family) {
    case "anthropic":
      return Anthropic.layer(given)
    case "gemini":
      return Gemini.layer(given)
    case "cohere":
      return Cohere.layer(given)
    case "bedrock":
      return Models.layer("bedrock", model, options)
    case "openai":
      return OpenAICompatible.layer({ ...given, provider: upstream.provider, prices: upstream.prices })
  }
}

/** A provider of the operator's, or a vendor's second endpoint: not one that `Models` knows by this name. */
const isOwn = ({ name }: Upstream): boolean => !Object.hasOwn(Models.defaults.providers, name)
