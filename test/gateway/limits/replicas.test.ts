import { assert, describe, it } from "@effect/vitest"
import { Effect, Either, Fiber, TestClock } from "effect"
import { inject } from "vitest"
import { Limiter } from "../../../src/gateway/internal/limits/limiter.ts"
import type * as rules from "../../../src/gateway/internal/limits/rule.ts"
import * as stores from "../../../src/gateway/internal/limits/store.ts"
import { queryAt } from "../../logging/postgres.ts"
import { chatAnswer, question, run, send, upstream } from "../running.ts"
import { facts } from "./facts.ts"

describe("replicas of the gateway", () => {
  it.scopedLive("spend one budget and one rate over a database", () =>
    Effect.gen(function*() {
      const url = new URL(inject("postgresUrl"))
      const name = `replicas_${process.pid}`
      yield* queryAt(url.href, `CREATE DATABASE ${name}`)
      url.pathname = `/${name}`
      const provider = yield* upstream((_, response) => {
        response.writeHead(200, { "content-type": "application/json" })
        response.end(chatAnswer)
      })
      const start = run({
        auth: "optional",
        database: url.href,
        providers: { openai: { baseUrl: provider.url } },
        limits: [{ name: "both", by: "feature", requestsPerMinute: 12 }, {
          name: "purse",
          budget: { usd: "0.00063", per: "total" }
        }]
      })
      const gateways = [yield* start, yield* start]
      const ask = (at: number) =>
        Effect.map(
          send(`${gateways[at % 2]?.url}/v1/chat/completions`, {
            body: question(),
            headers: { authorization: "Bearer sk-test", "x-majordomo-feature": `f${at % 3}` }
          }),
          ({ status }) => status
        )
      const statuses = yield* Effect.forEach(Array.from({ length: 30 }, (_, at) => at), ask, { concurrency: 4 })
      // Each costs 60 millionths and holds 34: ten fit for sure, and of those in flight none costs more than 26 more.
      const passed = statuses.filter((status) => status === 200).length
      assert.isAtLeast(passed, 8)
      assert.isAtMost(passed, 12)
      assert.isTrue(statuses.every((status) => status === 200 || status === 402))
    }), 60_000)
})

describe("while the store of limits is away", () => {
  const broken: stores.Store = {
    ...stores.memory(),
    lifetime: 1000,
    report: () => Effect.fail(new stores.StoreError({ description: "away" }))
  }
  const passed = (policy: rules.Rule["storeAway"]) =>
    Effect.gen(function*() {
      const limiter = yield* Limiter.make([{ name: "slots", concurrent: 2, storeAway: policy }], broken)
      const tried = yield* Effect.all(
        Array.from({ length: 4 }, () => Effect.either(limiter.admit(facts, { tokens: 0n, usd: 0n }, () => {})))
      )
      return tried.map((one) => Either.isRight(one) ? "passed" : one.left.reason)
    })

  it.scoped("and says nothing, not even that it ends, the first call waits two seconds and the next ones not at all", () =>
    Effect.gen(function*() {
      let isSilent = true
      const memory = stores.memory({ lifetime: 60_000 })
      const limiter = yield* Limiter.make([{ name: "slots", concurrent: 3 }], {
        ...memory,
        report: (asks, now) => isSilent ? Effect.uninterruptible(Effect.never) : memory.report(asks, now)
      })
      const ask = Effect.either(limiter.admit(facts, { tokens: 0n, usd: 0n }, () => {}))
      const first = yield* Effect.fork(ask)
      yield* TestClock.adjust("2 seconds")
      assert.isTrue(Either.isRight(yield* Fiber.join(first)))
      assert.isTrue(Either.isRight(yield* ask))
      // What is told every second finds out that it speaks again.
      isSilent = false
      yield* TestClock.adjust("4 seconds")
      assert.isTrue(Either.isRight(yield* ask))
      assert.isTrue(Either.isLeft(yield* ask))
      const other = yield* Limiter.make([{ name: "slots", concurrent: 3 }], memory)
      const refused = yield* Effect.flip(other.admit(facts, { tokens: 0n, usd: 0n }, () => {}))
      assert.strictEqual(refused.reason, "spent")
    }))

  it.scoped("who refuses every call meanwhile finds out by the second that it is back", () =>
    Effect.gen(function*() {
      let isAway = true
      const memory = stores.memory({ lifetime: 60_000 })
      const limiter = yield* Limiter.make([{ name: "slots", concurrent: 1, storeAway: "refuse" }], {
        ...memory,
        report: (asks, now) =>
          isAway ? Effect.fail(new stores.StoreError({ description: "away" })) : memory.report(asks, now)
      })
      const ask = Effect.either(limiter.admit(facts, { tokens: 0n, usd: 0n }, () => {}))
      assert.isTrue(Either.isLeft(yield* ask))
      yield* TestClock.adjust("2 seconds")
      assert.isTrue(Either.isLeft(yield* ask))
      isAway = false
      yield* TestClock.adjust("1 second")
      assert.isTrue(Either.isRight(yield* ask))
    }))

  it.scoped("a rule counts what this process knows, or refuses, or lets pass, as it says", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* passed("count"), ["passed", "passed", "spent", "spent"])
      assert.deepStrictEqual(yield* passed("refuse"), ["storeAway", "storeAway", "storeAway", "storeAway"])
      assert.deepStrictEqual(yield* passed("allow"), ["passed", "passed", "passed", "passed"])
    }))
})
