/** The limits of a configuration, over the gateway's store. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { ConfigurationError } from "../../../LLMError.ts"
import type { Options } from "../../GatewayConfig.ts"
import * as metrics from "../metrics.ts"
import * as alerts from "./alerts.ts"
import { type Hooks, Limiter } from "./limiter.ts"
import { LimitStore } from "./limitStore.ts"
import * as redisConnection from "./redisConnection.ts"
import { rulesOf } from "./rules.ts"
import * as stores from "./store.ts"

const passedOf = ({ webhook }: Options): Effect.Effect<Hooks["passed"], ConfigurationError> =>
  webhook === undefined ? Effect.succeed(undefined) : alerts.make(webhook)

export const check = (options: Options): Effect.Effect<void, ConfigurationError> =>
  Effect.all([
    rulesOf(options.limits ?? []),
    passedOf(options),
    options.redis === undefined ? Effect.void : redisConnection.check(options.redis)
  ], { discard: true })

export const open = (
  options: Options
): Effect.Effect<Limiter, ConfigurationError, LimitStore | Scope.Scope> =>
  Effect.gen(function*() {
    const rules = yield* rulesOf(options.limits ?? [])
    const passed = yield* passedOf(options)
    return yield* Limiter.make(rules, yield* LimitStore, { passed, exceeded: metrics.countLimited })
  })

/** Where nothing is kept, nothing is limited. */
export const none: Effect.Effect<Limiter, never, Scope.Scope> = Limiter.make([], stores.memory())
