/**
 * The settings that a gateway goes by: those of its file, under the last version that is stored. A stored one is taken within
 * seconds; one that this gateway cannot use is told of and not taken.
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { ConfigurationError } from "../../../LLMError.ts"
import type { Options, Settings } from "../../GatewayConfig.ts"
import * as changes from "../changes.ts"
import type { Limiter } from "../limits/limiter.ts"
import type { Rule } from "../limits/rule.ts"
import { rulesOf } from "../limits/rules.ts"
import * as models from "../models/names.ts"
import type { Upstream } from "../upstreams.ts"
import * as versions from "./versions.ts"

export interface Current {
  /** 0: the file's. */
  readonly version: number
  readonly settings: Settings
  readonly names: models.Names
}

export interface Live {
  /** What a request that comes now goes by, to its end. */
  readonly current: () => Current
  readonly file: Settings
  /** Whether they could be taken. */
  readonly check: (settings: Settings) => Effect.Effect<void, ConfigurationError>
  /** Whether the rules of a key could be. */
  readonly checkRules: (rules: ReadonlyArray<Rule>) => Effect.Effect<void, ConfigurationError>
  /** Looks for a new version now. */
  readonly refresh: Effect.Effect<void>
  readonly versions: versions.Versions
}

const every = "2 seconds"
const patience = "2 seconds"

export const make = (
  file: Options,
  upstreams: ReadonlyMap<string, Upstream>,
  limiter: Limiter,
  service: models.Names["service"]
): Effect.Effect<Live, ConfigurationError, SqlClient.SqlClient | Scope.Scope> =>
  Effect.gen(function*() {
    const stored = yield* versions.make
    const resolved = (settings: Settings) =>
      Effect.gen(function*() {
        const rules = yield* rulesOf(settings.limits ?? file.limits ?? [])
        const names = yield* models.make(settings.models ?? file.models, upstreams, service)
        yield* models.checkDegrade(rules, names.find)
        return { names, rules }
      })
    const { names } = yield* resolved({})
    let current: Current = { version: 0, settings: {}, names }
    /** One that cannot be used is told of once. */
    let refused = 0
    const lock = yield* Effect.makeSemaphore(1)
    const take = ({ settings, version }: versions.Version) =>
      Effect.matchEffect(resolved(settings), {
        onFailure: ({ message }) => {
          if (refused === version) return Effect.void
          refused = version
          return Effect.logError(
            `version ${version} of the settings cannot be used here, version ${current.version} goes on: ${message}`
          )
        },
        onSuccess: ({ names, rules }) => {
          limiter.replace(rules)
          current = { version, settings, names }
          return Effect.logInfo(`the gateway goes by version ${version} of its settings`)
        }
      })
    const look = Effect.gen(function*() {
      const last = yield* stored.last
      if (last === current.version) return
      const found = yield* stored.find(last)
      if (Option.isSome(found)) yield* take(found.value)
    }).pipe(
      Effect.disconnect,
      Effect.timeout(patience),
      // Away, or not to be read: what there is goes on.
      Effect.catchAllCause((cause) => Effect.logDebug("the settings cannot be looked at", cause))
    )
    const refresh = lock.withPermits(1)(look)
    yield* refresh
    yield* changes.heard("settings", refresh)
    yield* Effect.forkScoped(Effect.repeat(refresh, Schedule.spaced(every)))
    return {
      current: () => current,
      file: { models: file.models, limits: file.limits },
      check: (settings) => Effect.asVoid(resolved(settings)),
      checkRules: (rules) => Effect.zipRight(rulesOf(rules), models.checkDegrade(rules, current.names.find)),
      refresh,
      versions: stored
    }
  })
