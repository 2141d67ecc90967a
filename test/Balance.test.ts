import { assert, describe, it } from "@effect/vitest"
import type { Duration } from "effect"
import { Effect, FastCheck as fc, Fiber, Layer, TestClock } from "effect"
import { Balance, Cascade, LLM, LLMError } from "../src/index.ts"
import { TestLLM } from "../src/testing/index.ts"

const overloaded = new LLMError.ProviderError({ provider: "p", model: "m", reason: new LLMError.Overloaded() })

/** Members named by letters; gives who was asked, in order. */
const setup = (
  options: Balance.Options,
  members: Readonly<Record<string, TestLLM.Entry | ((index: number) => TestLLM.Entry)>>
) =>
  Effect.gen(function*() {
    let asked = ""
    const layers = Object.entries(members).map(([name, entry]) => {
      const [provider = "", model = name] = name.split("/")
      return TestLLM.layer((_, index) => {
        asked += model
        return typeof entry === "function" ? entry(index) : entry
      }, { provider, model })
    })
    const [first, ...others] = layers
    if (first === undefined) return yield* Effect.dieMessage("no members")
    const context = yield* Layer.build(Balance.layer([first, ...others], options))
    return {
      call: (options: Partial<LLM.Options> = {}) =>
        Effect.provide(LLM.generateText({ prompt: "Hello", ...options }), context),
      asked: Effect.sync(() => {
        const all = asked
        asked = ""
        return all
      })
    }
  })

const times = <A, E>(count: number, call: Effect.Effect<A, E>) => Effect.replicateEffect(call, count)

describe("Balance", () => {
  it.scoped("in turn, and the next one when one fails", () =>
    Effect.gen(function*() {
      const { asked, call } = yield* setup({}, { a: "a", b: overloaded, c: "c" })
      yield* times(6, call())
      assert.strictEqual(yield* asked, "abccabcc")
      const answers = yield* times(3, call())
      assert.deepStrictEqual(answers.map(({ text }) => text), ["a", "c", "c"])
      assert.deepStrictEqual(answers.map(({ attempts }) => attempts.length), [1, 2, 1])
    }))

  it.scoped("by weight, evenly mixed; 0 only stands in", () =>
    Effect.gen(function*() {
      const even = yield* setup({ strategy: Balance.weighted([3, 1]) }, { a: "a", b: "b" })
      yield* times(12, even.call())
      const asked = yield* even.asked
      assert.strictEqual([...asked].filter((who) => who === "b").length, 3)
      assert.notInclude(asked, "bb")
      assert.notInclude(asked, "aaaa")

      const spare = yield* setup({ strategy: Balance.weighted([0, 1]) }, {
        a: "a",
        b: (index) => index === 2 ? overloaded : "b"
      })
      yield* times(4, spare.call())
      assert.strictEqual(yield* spare.asked, "bbbab")
    }))

  it.effect("any weights: every member gets its share of a round", () =>
    Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(
          fc.array(fc.integer({ min: 0, max: 6 }), { minLength: 1, maxLength: 5 }).filter((all) =>
            all.some((w) => w > 0)
          ),
          (weights) =>
            Effect.runPromise(
              Effect.gen(function*() {
                const names = weights.map((_, index) => "abcde".charAt(index))
                const { asked, call } = yield* setup(
                  { strategy: Balance.weighted(weights) },
                  Object.fromEntries(names.map((name) => [name, name]))
                )
                yield* times(weights.reduce((sum, weight) => sum + weight, 0), call())
                const all = yield* asked
                assert.deepStrictEqual(names.map((name) => [...all].filter((who) => who === name).length), weights)
              }).pipe(Effect.scoped)
            )
        ),
        { numRuns: 100 }
      )
    ))

  it.effect("weights that cannot be: a typed error that says what is wrong", () =>
    Effect.gen(function*() {
      for (const weights of [[1], [1, -1], [0, 0], [1, Number.NaN], [1, 1, 1]]) {
        const error = yield* Effect.flip(
          Effect.scoped(setup({ strategy: Balance.weighted(weights) }, { a: "a", b: "b" }))
        )
        assert.strictEqual(error._tag, "ConfigurationError")
        assert.include(error.message, `[${weights.join(", ")}]`)
      }
    }))

  it.scoped("the fastest lately; the unknown one once; the slow one again after a while", () =>
    Effect.gen(function*() {
      const after = (wait: Duration.DurationInput) => TestLLM.delay(wait, "ok")
      const { asked, call } = yield* setup(
        { strategy: Balance.leastLatency({ forget: "1 minute" }) },
        { a: after("3 seconds"), b: after("1 second") }
      )
      const timed = (count: number) =>
        Effect.gen(function*() {
          const fiber = yield* Effect.fork(times(count, call()))
          yield* TestClock.adjust("20 seconds")
          yield* Fiber.join(fiber)
        })
      yield* timed(6)
      assert.strictEqual(yield* asked, "abbbbb")
      yield* TestClock.adjust("1 minute")
      yield* timed(3)
      assert.strictEqual(yield* asked, "abb")

      // Five at once: the fast one is left alone when the queue before it is long.
      const many = yield* Effect.fork(Effect.all(Array.from({ length: 5 }, () => call()), { concurrency: 5 }))
      yield* TestClock.adjust("20 seconds")
      yield* Fiber.join(many)
      assert.strictEqual([...(yield* asked)].filter((who) => who === "a").length, 1)
    }))

  it.scoped("the cheapest for the call by the price list; unknown prices last", () =>
    Effect.gen(function*() {
      const { asked, call } = yield* setup({ strategy: Balance.cheapest() }, {
        "nobody/x": "x",
        "anthropic/claude-opus-4-1": overloaded,
        "openai/gpt-4.1-nano": overloaded,
        "openai/gpt-4.1": overloaded
      })
      assert.strictEqual((yield* call()).text, "x")
      assert.strictEqual(yield* asked, "gpt-4.1-nanogpt-4.1claude-opus-4-1x")
    }))

  it.scoped("the same label, the same member, by any spelling; one that fails hands its users on", () =>
    Effect.gen(function*() {
      const { asked, call } = yield* setup({ strategy: Balance.sticky("user-id") }, { a: "a", b: "b", c: "c" })
      const users = Array.from({ length: 300 }, (_, index) => `user ${index}`)
      const first = yield* Effect.forEach(
        users,
        (userId) => Effect.map(call({ metadata: { userId } }), ({ text }) => text)
      )
      yield* asked
      const again = yield* Effect.forEach(
        users,
        (user) => Effect.map(call().pipe(LLM.withMetadata({ "User-Id": user })), ({ text }) => text)
      )
      assert.deepStrictEqual(again, first)
      for (const name of "abc") {
        // A third each: 100, with five standard deviations (8.2) of room.
        assert.approximately(first.filter((who) => who === name).length, 100, 41)
      }

      const fewer = yield* setup({ strategy: Balance.sticky("user-id") }, { a: "a", b: "b" })
      const moved = yield* Effect.forEach(
        users,
        (userId) => Effect.map(fewer.call({ metadata: { userId } }), ({ text }) => text)
      )
      const stayed = users.every((_, index) => first[index] === "c" || first[index] === moved[index])
      assert.isTrue(stayed, "only the users of the member that left move")
    }))

  it.scoped("without the label they take turns", () =>
    Effect.gen(function*() {
      const { asked, call } = yield* setup({ strategy: Balance.sticky("user-id") }, { a: "a", b: "b" })
      yield* times(4, call())
      assert.strictEqual(yield* asked, "abab")
    }))

  it.scoped("inside a cascade, with a breaker: a member that fails is left out of the turns", () =>
    Effect.gen(function*() {
      const down = TestLLM.layer(() => overloaded, { provider: "down" })
      const up = TestLLM.layer(["up"], { provider: "up", repeat: true })
      const balanced = Balance.layer([down, up], {
        breaker: { failures: 1, window: "1 minute", cooldown: "1 minute" }
      })
      const context = yield* Layer.build(Cascade.layer([balanced, TestLLM.layer(["spare"])]))
      const answers = yield* times(4, Effect.provide(LLM.generateText({ prompt: "Hello" }), context))
      assert.deepStrictEqual(answers.map(({ attempts }) => attempts.length), [2, 1, 1, 1])
    }))
})
