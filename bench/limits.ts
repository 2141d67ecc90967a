/**
 * What limits cost a call: estimate, price, admission under three rules, settlement. Processor time in memory and with slices
 * from PostgreSQL, which is asked when one is used up and told every second.
 *
 *   npm run bench -- --only limits
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import * as Pricing from "effect-majordomo/Pricing"
import * as Usage from "effect-majordomo/Usage"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as database from "../src/gateway/internal/database.ts"
import { tokensOf } from "../src/gateway/internal/limits/estimate.ts"
import { Limiter } from "../src/gateway/internal/limits/limiter.ts"
import * as money from "../src/gateway/internal/limits/money.ts"
import type { Rule } from "../src/gateway/internal/limits/rule.ts"
import * as sqlStore from "../src/gateway/internal/limits/sqlStore.ts"
import * as stores from "../src/gateway/internal/limits/store.ts"
import * as postgres from "../test/logging/postgres.ts"

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

const one = (limiter: Limiter, pricing: Pricing.Service, at: number) =>
  Effect.gen(function*() {
    const { input, output } = tokensOf(body, body.length)
    const price = yield* pricing.cost({
      provider: "openai",
      model: "gpt-4.1",
      usage: { ...Usage.empty, inputTokens: input, outputTokens: output, totalTokens: input + output },
      at: new Date()
    })
    const usd = Option.match(price, { onNone: () => 0n, onSome: ({ exact }) => money.ofAmount(exact.total) })
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
      () => {}
    )
    if (lease !== undefined) yield* lease.settle({ tokens: 300n, usd, isPartial: false })
  })

/** µs of processor time a call. */
const cost = (store: stores.Store) =>
  Effect.gen(function*() {
    const limiter = yield* Limiter.make(rules, store)
    const pricing = yield* Pricing.Pricing
    const costs: Array<number> = []
    for (let round = 0; round <= rounds; round++) {
      const before = process.cpuUsage()
      for (let at = 0; at < calls; at++) {
        yield* one(limiter, pricing, at)
        // Others have their turn, as between requests.
        if (at % 64 === 0) yield* Effect.yieldNow()
      }
      const { system, user } = process.cpuUsage(before)
      if (round > 0) costs.push((system + user) / calls)
    }
    return median(costs)
  })

const program = Effect.gen(function*() {
  const memory = yield* cost(stores.memory())
  const { url } = yield* postgres.make
  const shared = yield* Effect.gen(function*() {
    yield* database.migrate
    return yield* cost(yield* sqlStore.make())
  }).pipe(Effect.provide(PgClient.layer({ url: Redacted.make(url) })))
  return { memory, shared }
}).pipe(Effect.scoped)

const found = await Effect.runPromise(program)
console.log(`
| limits | CPU a call | goal |
| --- | --- | --- |
| in memory | ${found.memory.toFixed(1)} µs | 15 µs |
| slices from PostgreSQL | ${found.shared.toFixed(1)} µs | 25 µs |`)
