import { SqliteClient } from "@effect/sql-sqlite-node"
import { assert, describe, it } from "@effect/vitest"
import { BigDecimal, Deferred, Effect, Either, Fiber, Layer, Stream, TestClock } from "effect"
import { Cost, LLM, type LLMError, Pricing } from "effect-majordomo"
import * as Limits from "effect-majordomo/gateway/Limits"
import { TestLLM } from "effect-majordomo/testing"
import { join } from "node:path"
import { temporary } from "../running.ts"

const answers = (text: string) =>
  TestLLM.layer([TestLLM.text(text, { cost: Cost.make({ total: BigDecimal.make(3n, 0), source: "prices" }) })], {
    repeat: true
  })

const prices = Pricing.layer({ base: "none", overrides: { "test-model": { input: 1_000_000, output: 1_000_000 } } })

const reasonOf = (error: LLMError.LLMError | LLMError.ConfigurationError): string =>
  error._tag === "ProviderError" ? error.reason._tag : error._tag

const ask = (more: Partial<LLM.Options> = {}) => LLM.generateText({ prompt: "Hi", ...more })

describe("limits of a program", () => {
  it.effect("a rate fails with RateLimited and when to come back, for those who use it up", () =>
    Effect.gen(function*() {
      const by = (user: string) => Effect.either(LLM.withMetadata({ userId: user })(ask()))
      assert.isTrue(Either.isRight(yield* by("ada")))
      const second = yield* Effect.flatMap(by("ada"), Either.flip)
      assert.strictEqual(reasonOf(second), "RateLimited")
      assert.isTrue(second._tag === "ProviderError" && second.retryAfter !== undefined && second.isRetryable)
      assert.isTrue(Either.isRight(yield* by("bob")))
      yield* TestClock.adjust("1 minute")
      assert.isTrue(Either.isRight(yield* by("ada")))
    }).pipe(Effect.provide(Layer.provide(
      Limits.layer([{ name: "users", by: "user", requestsPerMinute: 1 }]),
      answers("Hello")
    ))))

  it.effect("a budget is booked with what calls and streams cost, those that are left too, and fails with QuotaExceeded", () =>
    Effect.gen(function*() {
      // Each costs 3 dollars, or may have: a token of a prompt, two of an answer.
      const maxTokens = 2
      yield* ask({ maxTokens })
      yield* Stream.runDrain(LLM.streamText({ prompt: "Hi", maxTokens }))
      yield* Stream.runDrain(Stream.take(LLM.streamText({ prompt: "Hi", maxTokens }), 1))
      const error = yield* Effect.flip(ask())
      assert.strictEqual(reasonOf(error), "QuotaExceeded")
      assert.include(error.message, "\"purse\"")
      yield* TestClock.adjust("1 day")
      yield* ask()
    }).pipe(
      Effect.provide(
        Layer.provide(Limits.layer([{ name: "purse", budget: { usd: "9", per: "day" } }]), answers("Hello"))
      ),
      Effect.provide(prices)
    ))

  it.effect("slots come back from calls that fail, are interrupted, or never began", () =>
    Effect.gen(function*() {
      const started = yield* Deferred.make<void>()
      let isHanging = true
      const hanging = LLM.decorate((llm) =>
        Effect.succeed({
          ...llm,
          generate: (request) =>
            isHanging ? Effect.zipRight(Deferred.succeed(started, undefined), Effect.never) : llm.generate(request),
          stream: llm.stream
        })
      )
      const live = Layer.provide(
        Limits.layer([{ name: "one", concurrent: 1 }]),
        Layer.provide(hanging, answers("Hello"))
      )
      yield* Effect.gen(function*() {
        const first = yield* Effect.fork(ask())
        yield* Deferred.await(started)
        assert.strictEqual(reasonOf(yield* Effect.flip(ask())), "RateLimited")
        yield* Fiber.interrupt(first)
        isHanging = false
        yield* ask()
        yield* Effect.either(ask({ temperature: 100 }))
        yield* ask()
      }).pipe(Effect.provide(live))
    }))

  it.scopedLive("processes share them over a database", () =>
    Effect.gen(function*() {
      const filename = join(yield* temporary, "limits.db")
      const process = Layer.provide(
        Limits.layerSql([{ name: "both", budget: { usd: "6", per: "total" } }]),
        Layer.merge(answers("Hello"), SqliteClient.layer({ filename }))
      )
      const asked = Effect.provide(Effect.either(ask()), Layer.fresh(process))
      const [first, second, third] = [yield* asked, yield* asked, yield* asked]
      assert.deepStrictEqual([first, second, third].map(Either.isRight), [true, true, false])
    }))

  it.effect("a rule that is none is told before anything is asked", () =>
    Effect.gen(function*() {
      const live = Layer.provide(Limits.layer([{ name: "nothing" }]), answers("Hello"))
      assert.strictEqual((yield* Effect.flip(Effect.provide(ask(), live)))._tag, "ConfigurationError")
    }))
})
