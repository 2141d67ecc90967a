/**
 * What limits cost a call: estimate, price, admission under three rules, settlement. Processor time in memory and with slices
 * from PostgreSQL, and from Redis where `redis-server` is installed, which are asked when one is used up and told every second.
 *
 *   npm run bench -- --only limits
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import type * as Pricings from "effect-majordomo/Pricing"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type { Limiter } from "../src/gateway/internal/limits/limiter.ts"
import type { Rule } from "../src/gateway/internal/limits/rule.ts"
import type { Store } from "../src/gateway/internal/limits/store.ts"
import * as redis from "../test/gateway/limits/redis.ts"
import * as postgres from "../test/logging/postgres.ts"

/** What the package has, as it is built: no part of it that a test's loader would slow down. */
const built = (path: string) => import(new URL(`../dist/${path}.js`, import.meta.url).href)
const database: typeof import("../src/gateway/internal/database.ts") = await built("gateway/internal/database")
const { tokensOf }: typeof import("../src/gateway/internal/limits/estimate.ts") = await built(
  "gateway/internal/limits/estimate"
)
const limiters: typeof import("../src/gateway/internal/limits/limiter.ts") = await built(
  "gateway/internal/limits/limiter"
)
const money: typeof import("../src/gateway/internal/limits/money.ts") = await built("gateway/internal/limits/money")
const redisStore: typeof import("../src/gateway/internal/limits/redisStore.ts") = await built(
  "gateway/internal/limits/redisStore"
)
const sqlStore: typeof import("../src/gateway/internal/limits/sqlStore.ts") = await built(
  "gateway/internal/limits/sqlStore"
)
const stores: typeof import("../src/gateway/internal/limits/store.ts") = await built("gateway/internal/limits/store")

const Pricing: typeof Pricings = await built("Pricing")
const Usage: typeof import("../src/Usage.ts") = await built("Usage")

const rules: ReadonlyArray<Rule> = [
  { name: "users", by: "user", requestsPerMinute: 1_000_000_000, tokensPerMinute: 1_000_000_000_000 },
  { name: "slots", concurrent: 10_000 },
  { name: "month", budget: { usd: "1000000", per: "month", timeZone: "Europe/Berlin" } }
]

const body = Buffer.from(JSON.stringify({
  model: "gpt-4.1",
  max_tokens: 100,
  messages: [{ role: "user", content: "word ".repeat(200) }]
}))

const calls = 20_000
const rounds = 7
const users = 50

const median = (values: ReadonlyArray<number>): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN

const held = () => {}

const one = (limiter: Limiter, pricing: Pricings.Service, at: number) =>
  Effect.gen(function*() {
    const { input, output } = tokensOf(body, body.length)
    const price = yield* pricing.cost({
      provider: "openai",
      model: "gpt-4.1",
      usage: { ...Usage.empty, inputTokens: input, outputTokens: output, totalTokens: input + output },
      at: new Date()
    })
    const usd = Option.isSome(price) ? money.ofAmount(price.value.exact.total) : 0n
    const lease = yield* limiter.admit(
      {
        key: "key",
        owner: undefined,
        provider: "openai",
        model: "gpt-4.1",
        labels: { "User-Id": `user-${at % users}` },
        isPaid: true
      },
      { tokens: BigInt(input + output), usd },
      held
    )
    if (lease !== undefined) yield* lease.settle({ tokens: 300n, usd, isPartial: false })
  })

/** µs of processor time a call, of one round. */
const round = (limiter: Limiter, pricing: Pricings.Service) =>
  Effect.gen(function*() {
    const before = process.cpuUsage()
    for (let at = 0; at < calls; at++) {
      yield* one(limiter, pricing, at)
      // Others have their turn, as between requests.
      if (at % 64 === 0) yield* Effect.yieldNow()
    }
    const { system, user } = process.cpuUsage(before)
    return (system + user) / calls
  })

/** In turns, so that each runs as warm as the others. */
const measured = (stores: ReadonlyArray<Store>) =>
  Effect.gen(function*() {
    const pricing = yield* Pricing.Pricing
    const limited = yield* Effect.forEach(stores, (store) => limiters.Limiter.make(rules, store))
    const costs = limited.map((): Array<number> => [])
    for (let n = -2; n < rounds; n++) {
      for (const [at, limiter] of limited.entries()) {
        const cost = yield* round(limiter, pricing)
        if (n >= 0) costs[at]?.push(cost)
      }
    }
    return costs.map(median)
  })

const program = Effect.gen(function*() {
  const { url } = yield* postgres.make
  return yield* Effect.gen(function*() {
    yield* database.migrate
    const shared = yield* sqlStore.make()
    if (!redis.isStartable) return yield* measured([stores.memory(), shared])
    const { url } = yield* redis.server()
    return yield* measured([stores.memory(), shared, yield* redisStore.make({ url: Redacted.make(url) })])
  }).pipe(Effect.provide(PgClient.layer({ url: Redacted.make(url) })))
}).pipe(Effect.scoped)

const [memory = Number.NaN, shared = Number.NaN, remote] = await Effect.runPromise(program)
console.log(`
| limits | CPU a call | goal |
| --- | --- | --- |
| in memory | ${memory.toFixed(1)} µs | 15 µs |
| slices from PostgreSQL | ${shared.toFixed(1)} µs | 25 µs |${
  remote === undefined ? "" : `\n| slices from Redis | ${remote.toFixed(1)} µs | 25 µs |`
}`)
