/** Names that a request may ask for: a provider's model, or an alias of the library's or the configuration's. */
import * as Effect from "effect/Effect"
import { suggestion } from "../../../internal/models/closestNames.ts"
import type { Service } from "../../../LLM.ts"
import { ConfigurationError } from "../../../LLMError.ts"
import * as Models from "../../../Models.ts"
import type { Options } from "../../GatewayConfig.ts"
import type { Upstream } from "../upstreams.ts"
import { type Alias, modelsOf } from "./alias.ts"

export interface Member {
  readonly upstream: Upstream
  readonly model: string
  /** Among the models of its name. */
  readonly place: number
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
    readonly alias: Alias
  }
  /** An LLM of the program's own. */
  | { readonly _tag: "Own"; readonly llm: Service }

export type Members = Extract<Route, { _tag: "Members" }>

export interface Names {
  /** Who answers to this name; undefined: nobody here does. */
  readonly find: (name: string) => Route | undefined
  /** What can be asked for by a name of its own. */
  readonly list: ReadonlyArray<string>
  /** Every request is for one of these: there is nothing to pass on. */
  readonly isAll: boolean
  readonly service: (
    route: Members,
    members: readonly [Keyed, ...Array<Keyed>],
    /** Of the gateway; undefined: the request came without one. */
    keyId: string | undefined
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

const memberOf = (upstreams: ReadonlyMap<string, Upstream>, name: string, place: number): Member | undefined => {
  const slash = name.indexOf("/")
  const upstream = upstreams.get(name.slice(0, Math.max(0, slash)))
  const model = name.slice(slash + 1)
  return upstream === undefined || model === "" ? undefined : { upstream, model, place }
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
    for (const [name, [first, ...others]] of Object.entries(aliases)) {
      const route = first === undefined ? undefined : routeOf(name, { cascade: [first, ...others] }, upstreams)
      if (route !== undefined) routes.set(name, route)
    }
    for (const [name, alias] of Object.entries(models ?? {})) {
      const route = routeOf(name, alias, upstreams)
      if (route === undefined) {
        const missing = modelsOf(alias).find((one) => memberOf(upstreams, one, 0) === undefined) ?? ""
        return yield* new ConfigurationError({
          description: `models.${name}: "${missing}" is no model of a provider of this gateway: write it as `
            + `"provider/model"${suggestion(missing.split("/", 1)[0] ?? "", [...upstreams.keys()])}`
        })
      }
      routes.set(name, route)
    }
    return (name) => routes.get(name) ?? routeOf(name, name, upstreams)
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
    list: [...new Set([...Object.keys(models ?? {}), ...Object.values(models ?? {}).flatMap(modelsOf)])],
    isAll: false,
    service
  }))

const routeOf = (name: string, alias: Alias, upstreams: ReadonlyMap<string, Upstream>): Members | undefined => {
  const found: Array<Member> = []
  for (const [place, one] of modelsOf(alias).entries()) {
    const member = memberOf(upstreams, one, place)
    if (member === undefined) return undefined
    found.push(member)
  }
  const [first, ...others] = found
  return first === undefined ? undefined : { _tag: "Members", name, members: [first, ...others], alias }
}
