/** Clocks that are put ahead or back while calls run. */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Either, Option } from "effect"
import { Limiter } from "../../../src/gateway/internal/limits/limiter.ts"
import type * as rules from "../../../src/gateway/internal/limits/rule.ts"
import * as stores from "../../../src/gateway/internal/limits/store.ts"
import { Refreshed } from "../../../src/gateway/internal/refreshed.ts"
import { facts } from "./facts.ts"

const hour = 3_600_000
const day = 24 * hour

/** Two clocks, neither of which goes by itself. */
class Clocks implements Clock.Clock {
  readonly [Clock.ClockTypeId]: Clock.ClockTypeId = Clock.ClockTypeId
  wall = 20_000 * day
  steady = 5000
  readonly unsafeCurrentTimeMillis = () => this.wall
  readonly unsafeCurrentTimeNanos = () => BigInt(this.steady) * 1_000_000n
  readonly currentTimeMillis = Effect.sync(this.unsafeCurrentTimeMillis)
  readonly currentTimeNanos = Effect.sync(this.unsafeCurrentTimeNanos)
  readonly sleep = () => Effect.never
  pass(ms: number): void {
    this.wall += ms
    this.steady += ms
  }
}

const ask = (limiter: Limiter, usd = 0n) => Effect.either(limiter.admit(facts, { tokens: 0n, usd }, () => {}))

const spend = (limiter: Limiter, usd: bigint) =>
  Effect.flatMap(ask(limiter, usd), (lease) =>
    Either.isRight(lease) && lease.right !== undefined
      ? Effect.as(lease.right.settle({ tokens: 1n, usd, isPartial: false }), true)
      : Effect.succeed(false))

const purse: rules.Rule = { name: "purse", budget: { usd: "0.000000001", per: "day" } }

const withClocks = <A, E, R>(use: (clocks: Clocks) => Effect.Effect<A, E, R>) =>
  Effect.suspend(() => {
    const clocks = new Clocks()
    return Effect.withClock(use(clocks), clocks)
  })

describe("a clock that is put", () => {
  it.scoped("back over midnight and comes to the same day again: what is left of its budget can be spent, and no more", () =>
    withClocks((clocks) =>
      Effect.gen(function*() {
        const limiter = yield* Limiter.make([purse], stores.memory())
        clocks.pass(50)
        assert.isTrue(yield* spend(limiter, 400n))
        clocks.wall -= 200
        assert.isTrue(yield* spend(limiter, 900n), "of the day before")
        assert.isFalse(yield* spend(limiter, 200n))
        clocks.pass(1000)
        assert.isTrue(yield* spend(limiter, 500n), "of the day that has come again")
        assert.isFalse(yield* spend(limiter, 200n))
      })
    ))

  it.scoped("ahead by an hour, and back, leaves what was spent in a day spent", () =>
    withClocks((clocks) =>
      Effect.gen(function*() {
        clocks.pass(23.5 * hour)
        const limiter = yield* Limiter.make([purse], stores.memory())
        assert.isTrue(yield* spend(limiter, 400n))
        clocks.wall += hour
        assert.isTrue(yield* spend(limiter, 900n), "of the next day")
        clocks.wall += hour
        yield* limiter.synchronize()
        clocks.wall -= 2 * hour
        assert.isFalse(yield* spend(limiter, 700n))
        assert.isTrue(yield* spend(limiter, 600n))
        clocks.pass(hour)
        assert.isFalse(yield* spend(limiter, 200n))
        assert.isTrue(yield* spend(limiter, 100n))
      })
    ))

  it.scoped("back by an hour while a store is away: it is asked again as soon as it was to be", () =>
    withClocks((clocks) =>
      Effect.gen(function*() {
        let isAway = true
        const memory = stores.memory()
        const limiter = yield* Limiter.make([{ ...purse, storeAway: "refuse" }], {
          ...memory,
          lifetime: 15_000,
          report: (asks, now) =>
            isAway ? Effect.fail(new stores.StoreError({ description: "away" })) : memory.report(asks, now)
        })
        assert.isFalse(yield* spend(limiter, 400n))
        isAway = false
        clocks.wall -= hour
        clocks.pass(11_000)
        assert.isTrue(yield* spend(limiter, 400n))
      })
    ))

  it.scoped("back by an hour: a grant is good for no longer, nor is what a process that died had", () =>
    withClocks((clocks) =>
      Effect.gen(function*() {
        clocks.pass(12 * hour)
        const ledgers = new stores.Ledgers()
        const lifetime = 5000
        let isSilent = false
        const shared = stores.memory({ ledgers, lifetime, share: 2n })
        const first = yield* Limiter.make([{ ...purse, storeAway: "refuse" }], {
          ...shared,
          report: (asks, now) =>
            isSilent ? Effect.fail(new stores.StoreError({ description: "away" })) : shared.report(asks, now)
        })
        const second = yield* Limiter.make([purse], shared)
        assert.isTrue(yield* spend(first, 100n))
        // It holds some 500 by now, and nobody hears of it again.
        isSilent = true
        clocks.wall -= hour
        assert.isFalse(yield* spend(second, 900n))
        clocks.pass(lifetime + 1)
        assert.isTrue(yield* spend(second, 900n))
        assert.isFalse(yield* spend(first, 100n))
      })
    ))

  it.scoped("back by an hour: a key that is revoked elsewhere is asked for again within five seconds", () =>
    withClocks((clocks) =>
      Effect.gen(function*() {
        let asked = 0
        const keys = yield* Refreshed.make<string, "away">({
          lookup: () => Effect.sync(() => ++asked === 1 ? Option.some("key") : Option.none()),
          tooSlow: () => "away"
        })
        assert.deepStrictEqual(yield* keys.get("a"), Option.some("key"))
        clocks.wall -= hour
        clocks.pass(5001)
        assert.deepStrictEqual(yield* keys.get("a"), Option.none())
      })
    ))
})
