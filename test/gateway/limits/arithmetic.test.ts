import { assert, describe, it } from "@effect/vitest"
import { Cause, Clock, Effect, Either, Exit, FastCheck as fc, Scope } from "effect"
import type { Lease } from "../../../src/gateway/internal/limits/charge.ts"
import { Limiter } from "../../../src/gateway/internal/limits/limiter.ts"
import type * as rules from "../../../src/gateway/internal/limits/rule.ts"
import { type Store, StoreError } from "../../../src/gateway/internal/limits/store.ts"
import type { Booking } from "../../../src/logging/RequestLog.ts"
import { runs } from "../../runs.ts"
import { facts } from "./facts.ts"
import * as redis from "./redis.ts"
import * as stores from "./stores.ts"

/** What happens: money in millionths of a millionth of a dollar. */
type Step =
  | { readonly _tag: "Call"; readonly replica: number; readonly estimate: bigint; readonly takes: bigint }
  | {
    readonly _tag: "End"
    readonly at: number
    readonly how: "known" | "partial" | "unknown" | "unsent"
  }
  | { readonly _tag: "Time"; readonly ms: number }
  /** The clock of the wall is put ahead, or back. */
  | { readonly _tag: "Jump"; readonly ms: number }
  | { readonly _tag: "Crash"; readonly replica: number }
  /** Some rows come to the database, which may have come before. */
  | { readonly _tag: "Rows"; readonly from: number; readonly count: number }

const replicas = 3
const amounts = fc.bigInt({ min: 0n, max: 300n })
const steps: fc.Arbitrary<ReadonlyArray<Step>> = fc.array(
  fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        _tag: fc.constant("Call" as const),
        replica: fc.nat(replicas - 1),
        estimate: amounts,
        takes: amounts
      })
    },
    {
      weight: 4,
      arbitrary: fc.record({
        _tag: fc.constant("End" as const),
        at: fc.nat(20),
        how: fc.constantFrom("known" as const, "partial" as const, "unknown" as const, "unsent" as const)
      })
    },
    {
      weight: 3,
      arbitrary: fc.record({ _tag: fc.constant("Time" as const), ms: fc.constantFrom(10, 300, 1000, 7000) })
    },
    {
      weight: 1,
      arbitrary: fc.record({ _tag: fc.constant("Jump" as const), ms: fc.constantFrom(-3_600_000, -300, 3_600_000) })
    },
    { weight: 1, arbitrary: fc.record({ _tag: fc.constant("Crash" as const), replica: fc.nat(replicas - 1) }) },
    { weight: 2, arbitrary: fc.record({ _tag: fc.constant("Rows" as const), from: fc.nat(20), count: fc.nat(5) }) }
  ),
  { maxLength: 80 }
)

interface Call {
  readonly replica: object
  readonly lease: Lease
  readonly estimate: bigint
  readonly takes: bigint
  booked: bigint
  isHeard: boolean
}

const budget = 1000n
const usd = "0.000000001"

const rule: rules.Rule = { name: "all", budget: { usd, per: "total" } }

/** Nobody sleeps: time is moved, and what is done by the second is called. */
class Time implements Clock.Clock {
  readonly [Clock.ClockTypeId]: Clock.ClockTypeId = Clock.ClockTypeId
  now = 1_000_000_000
  ahead = 0
  readonly unsafeCurrentTimeMillis = () => this.now + this.ahead
  readonly unsafeCurrentTimeNanos = () => BigInt(this.now) * 1_000_000n
  readonly currentTimeMillis = Effect.sync(this.unsafeCurrentTimeMillis)
  readonly currentTimeNanos = Effect.sync(this.unsafeCurrentTimeNanos)
  readonly sleep = () => Effect.never
}

/** A process: when it crashes, nobody hears from it again. */
const replicaOf = (shared: stores.Shared, calls: Array<Call>) =>
  Effect.gen(function*() {
    const store = yield* shared
    const self = { isAlive: true }
    const wrapped: Store = {
      ...store,
      report: (asks, now) => {
        if (!self.isAlive) return Effect.fail(new StoreError({ description: "crashed" }))
        const ended = calls.filter((call) => call.replica === self && call.booked >= 0n)
        return Effect.tap(store.report(asks, now), () => {
          for (const call of ended) call.isHeard = true
        })
      }
    }
    const scope = yield* Scope.make()
    const limiter = yield* Scope.extend(Limiter.make([rule], wrapped), scope)
    return { self, limiter, scope }
  })

const simulate = (
  make: Effect.Effect<stores.Shared, never, Scope.Scope>,
  history: ReadonlyArray<Step>
): Effect.Effect<void> => {
  const time = new Time()
  return Effect.gen(function*() {
    const shared = yield* make
    const calls: Array<Call> = []
    const open: Array<Call> = []
    /** What is in the spools, of those that died too. */
    const rows: Array<ReadonlyArray<Booking>> = []
    const alive = yield* Effect.all(Array.from({ length: replicas }, () => replicaOf(shared, calls)))
    const everyone = [...alive]
    const pass = (ms: number) =>
      Effect.gen(function*() {
        for (let rest = ms; rest > 0; rest -= 1000) {
          time.now += Math.min(rest, 1000)
          if (rest >= 1000) yield* Effect.forEach(everyone, ({ limiter }) => limiter.synchronize())
        }
      })
    /** What nobody foresaw of calls that ran, or were not heard of, when the last one was admitted. */
    let unforeseen = 0n
    for (const step of history) {
      switch (step._tag) {
        case "Time":
          yield* pass(step.ms)
          break
        case "Jump":
          time.ahead += step.ms
          break
        case "Crash": {
          const gone = alive[step.replica]
          if (gone === undefined) break
          gone.self.isAlive = false
          for (const call of open.filter(({ replica }) => replica === gone.self)) open.splice(open.indexOf(call), 1)
          const next = yield* replicaOf(shared, calls)
          alive[step.replica] = next
          everyone.push(next)
          break
        }
        case "Rows":
          yield* (yield* shared).book(
            rows.slice(step.from, step.from + step.count).flat(),
            time.unsafeCurrentTimeMillis()
          )
          break
        case "End": {
          const call = open[step.at % Math.max(1, open.length)]
          if (call === undefined) break
          open.splice(open.indexOf(call), 1)
          const real = step.how === "unsent" ? undefined : {
            tokens: 0n,
            usd: step.how === "unknown" ? undefined : call.takes,
            isPartial: step.how === "partial" || step.how === "unknown"
          }
          call.booked = real === undefined
            ? 0n
            : real.usd === undefined || (real.isPartial && call.estimate > real.usd)
            ? call.estimate
            : real.usd
          rows.push(yield* call.lease.settle(real))
          assert.deepStrictEqual(yield* call.lease.settle(real), [])
          break
        }
        case "Call": {
          const at = alive[step.replica]
          if (at === undefined) break
          const { limiter, self } = at
          const admitted = yield* Effect.either(
            limiter.admit(facts, { tokens: 0n, usd: step.estimate }, () => {})
          )
          if (Either.isLeft(admitted) || admitted.right === undefined) break
          const call = {
            replica: self,
            lease: admitted.right,
            estimate: step.estimate,
            takes: step.takes,
            booked: -1n,
            isHeard: false
          }
          calls.push(call)
          open.push(call)
          unforeseen = calls.filter(({ booked, isHeard }) => booked < 0n || !isHeard)
            .reduce((sum, { estimate, takes }) => takes > estimate ? sum + takes - estimate : sum, 0n)
          break
        }
      }
    }
    const spent = calls.reduce((sum, { booked }) => booked > 0n ? sum + booked : sum, 0n)
    const held = open.reduce((sum, { estimate }) => sum + estimate, 0n)
    assert.isTrue(spent + held <= budget + unforeseen, `${spent} and ${held} of ${budget}, and ${unforeseen} more`)
    // All end; those that crashed are forgotten when their grants end.
    for (const { lease } of open) yield* lease.settle(undefined)
    yield* pass(2 * stores.lifetime)
    const store = yield* shared
    const usedNow = Effect.map(
      store.usage("all/usd/all/", time.unsafeCurrentTimeMillis()),
      ([used]) => used?.used ?? 0n
    )
    const heard = calls.reduce((sum, { booked, isHeard }) => isHeard && booked > 0n ? sum + booked : sum, 0n)
    const before = yield* usedNow
    assert.isTrue(
      heard <= before && before <= spent,
      "what is booked is what calls took, but for what died with a process"
    )
    // Every row comes at last, in whatever order, and twice.
    for (const some of [rows.slice(-3), rows, rows]) yield* store.book(some.flat(), time.unsafeCurrentTimeMillis())
    assert.strictEqual(yield* usedNow, spent, "to the last bit, with the rows that it left")
    const fresh = yield* replicaOf(shared, calls)
    const ask = (amount: bigint) => fresh.limiter.admit(facts, { tokens: 0n, usd: amount }, () => {})
    const left = budget - spent
    assert.isTrue(Either.isLeft(yield* Effect.either(ask(left > 0n ? left + 1n : 0n))), "not a bit more than is left")
    if (left > 0n) {
      const first = yield* Effect.either(ask(left))
      // A grant of one that crashed before a clock was put back ends when it has been seen for as long as one is good.
      if (Either.isLeft(first)) yield* pass(2 * stores.lifetime)
      assert.isTrue(Either.isRight(first) || Either.isRight(yield* Effect.either(ask(left))), "all that is left")
    }
    for (const { scope } of [...everyone, fresh]) yield* Scope.close(scope, Exit.void)
  }).pipe(Effect.scoped, Effect.orDie, Effect.withClock(time))
}

const holds = (make: Effect.Effect<stores.Shared, never, Scope.Scope>, numRuns: number) =>
  Effect.promise(() =>
    fc.assert(
      fc.asyncProperty(steps, async (history) => {
        const exit = await Effect.runPromiseExit(simulate(make, history))
        if (Exit.isFailure(exit)) throw new Error(Cause.pretty(exit.cause))
      }),
      { numRuns }
    )
  )

describe("a budget is never exceeded by more than what was in flight, and nothing leaks", () => {
  it.effect("in memory", () => holds(stores.memory, runs(300, 10_000)), 120_000)
  it.effect("in SQLite", () => holds(stores.sqlite, runs(20, 500)), 120_000)
  it.effect("in PostgreSQL", () => holds(stores.postgres, runs(5, 100)), 60_000)

  if (redis.isHere) {
    it.scopedLive(
      "in Redis",
      () => Effect.flatMap(redis.any, ({ url }) => holds(stores.redisAt(url), runs(20, 500))),
      60_000
    )
  }
})
