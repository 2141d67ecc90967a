import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Fiber, Layer, Metric, Option, Stream, TestClock } from "effect"
import { Cascade, LLM, LLMError } from "../../src/index.ts"
import { TestLLM } from "../../src/testing/index.ts"

const breaker = { failures: 3, window: "10 seconds", cooldown: "30 seconds" } as const

const overloaded = new LLMError.ProviderError({ provider: "p", model: "m", reason: new LLMError.Overloaded() })
const refused = new LLMError.ContentFilteredError({ provider: "p", model: "m", category: "refusal", text: "No" })

type Health = "up" | "down" | "refuses" | "breaks" | "slow" | "slowly down"

/** Two members, of which the first does what it is told; counts the calls of both. */
const setup = (options: Partial<Cascade.BreakerOptions> = {}, alone = false) =>
  Effect.gen(function*() {
    const asked: Array<"first" | "second"> = []
    let now: Health = "up"
    const first = TestLLM.layer(() => {
      asked.push("first")
      switch (now) {
        case "up":
          return "first"
        case "down":
          return overloaded
        case "refuses":
          return refused
        case "breaks":
          return TestLLM.text("half an answer", { failure: overloaded })
        case "slow":
          return TestLLM.delay("5 seconds", "first")
        case "slowly down":
          return TestLLM.delay("5 seconds", overloaded)
      }
    }, { provider: "first", repeat: true })
    const second = TestLLM.layer(() => {
      asked.push("second")
      return "second"
    }, { provider: "second" })
    const live = Cascade.layer(alone ? [first] : [first, second], { breaker: { ...breaker, ...options } })
    const context = yield* Layer.build(live)
    const call = Effect.suspend(() => Effect.provide(LLM.generateText({ prompt: "Hello" }), context))
    return {
      call,
      stream: Effect.suspend(() => Effect.provide(LLM.collect(LLM.streamText({ prompt: "Hello" })), context)),
      become: (next: Health) => Effect.sync(() => void (now = next)),
      /** Who was asked since the last time. */
      asked: Effect.sync(() => asked.splice(0)),
      context
    }
  })

const stateOf = (provider: string) =>
  Effect.map(
    Metric.snapshot,
    (pairs) =>
      pairs.flatMap(({ metricKey, metricState }) =>
        metricKey.name === "llm_cascade_breaker" && "value" in metricState &&
          metricKey.tags.some(({ key, value }) => key === "provider" && value === provider)
          ? [metricState.value]
          : []
      )
  )

describe("a circuit breaker", () => {
  it.scoped("skips a member that keeps failing, probes it with one call, and takes it back", () =>
    Effect.gen(function*() {
      const { asked, become, call } = yield* setup()
      yield* become("down")
      for (let i = 0; i < 3; i++) yield* call
      assert.deepStrictEqual(yield* asked, ["first", "second", "first", "second", "first", "second"])
      assert.deepStrictEqual(yield* stateOf("first"), [2])

      yield* call
      yield* TestClock.adjust("29999 millis")
      yield* call
      assert.deepStrictEqual(yield* asked, ["second", "second"], "it is skipped for the whole cooldown")

      yield* TestClock.adjust("1 millis")
      yield* call
      assert.deepStrictEqual(yield* asked, ["first", "second"], "a probe that fails")
      yield* call
      assert.deepStrictEqual(yield* asked, ["second"], "opens it again at once")

      yield* become("up")
      yield* TestClock.adjust("30 seconds")
      for (let i = 0; i < 2; i++) yield* call
      assert.deepStrictEqual(yield* asked, ["first", "first"])
      assert.deepStrictEqual(yield* stateOf("first"), [0])
    }))

  it.scoped("counts failures in a row, within the window, and only those of the provider", () =>
    Effect.gen(function*() {
      const { asked, become, call } = yield* setup()
      yield* become("down")
      for (let i = 0; i < 2; i++) yield* call
      yield* become("up")
      yield* call
      yield* become("down")
      for (let i = 0; i < 2; i++) yield* call
      yield* TestClock.adjust("10 seconds")
      for (let i = 0; i < 2; i++) yield* call
      yield* become("refuses")
      yield* Effect.flip(call)
      yield* become("down")
      yield* asked
      for (let i = 0; i < 3; i++) yield* call
      assert.deepStrictEqual(yield* asked, ["first", "second", "first", "second", "first", "second"])
      yield* call
      assert.deepStrictEqual(yield* asked, ["second"])
    }))

  it.scoped("lets one probe through at a time, and the next one when it is interrupted", () =>
    Effect.gen(function*() {
      const { asked, become, call } = yield* setup()
      yield* become("down")
      for (let i = 0; i < 3; i++) yield* call
      yield* TestClock.adjust("30 seconds")
      yield* become("slow")
      yield* asked
      const probe = yield* Effect.fork(call)
      yield* TestClock.adjust(0)
      yield* Effect.all([call, call], { concurrency: 2 })
      assert.deepStrictEqual(yield* asked, ["first", "second", "second"])

      yield* Fiber.interrupt(probe)
      const again = yield* Effect.fork(call)
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(yield* asked, ["first"])
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual((yield* Fiber.join(again)).text, "first")
    }))

  it.scoped("halfOpen: as many probes at once as allowed", () =>
    Effect.gen(function*() {
      const { asked, become, call } = yield* setup({ halfOpen: 2 })
      yield* become("down")
      for (let i = 0; i < 3; i++) yield* call
      yield* TestClock.adjust("30 seconds")
      yield* become("slow")
      yield* asked
      const probes = yield* Effect.fork(Effect.all([call, call, call], { concurrency: 3 }))
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(yield* asked, ["first", "first", "second"])
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.join(probes)
    }))

  it.scoped("a stream that breaks off counts, one that is no longer read does not", () =>
    Effect.gen(function*() {
      const { asked, become, context, stream } = yield* setup()
      yield* become("breaks")
      const abandoned = LLM.streamText({ prompt: "Hello" }).pipe(
        Stream.take(1),
        Stream.runDrain,
        Effect.provide(context)
      )
      for (let i = 0; i < 5; i++) yield* abandoned
      yield* asked
      for (let i = 0; i < 3; i++) yield* Effect.flip(stream)
      assert.deepStrictEqual(yield* asked, ["first", "first", "first"])
      assert.strictEqual((yield* stream).text, "second")
    }))

  it.scoped("nobody left: CircuitOpen, until when, and nothing is sent", () =>
    Effect.gen(function*() {
      const { asked, become, call } = yield* setup({}, true)
      yield* become("down")
      for (let i = 0; i < 3; i++) yield* Effect.flip(call)
      const now = yield* Clock.currentTimeMillis
      yield* asked
      const error = yield* Effect.flip(call)
      assert.isTrue(error._tag === "ProviderError" && error.reason._tag === "CircuitOpen")
      const until = error._tag === "ProviderError" && error.reason._tag === "CircuitOpen" ? error.reason.until : 0
      assert.strictEqual(until, now + 30_000)
      assert.include(error.message, "first/test-model: CircuitOpen")
      assert.deepStrictEqual([yield* asked, error.attempts], [[], []])
    }))

  it.scoped("calls at once see one state: after the last of the failures nobody goes there", () =>
    Effect.gen(function*() {
      const { asked, become, call } = yield* setup()
      yield* become("down")
      yield* Effect.all(Array.from({ length: 64 }, () => call), { concurrency: 64 })
      const during = yield* asked
      assert.isAtLeast(during.filter((who) => who === "first").length, 3)
      yield* Effect.all(Array.from({ length: 64 }, () => call), { concurrency: 64 })
      assert.deepStrictEqual(new Set(yield* asked), new Set(["second"]))
    }))

  it.scoped("calls from before it opened neither close it nor keep it open for longer", () =>
    Effect.gen(function*() {
      const { asked, become, call } = yield* setup()
      for (const late of ["slow", "slowly down"] as const) {
        yield* become(late)
        const running = yield* Effect.fork(call)
        yield* TestClock.adjust(0)
        yield* become("down")
        for (let i = 0; i < 3; i++) yield* call
        yield* TestClock.adjust("5 seconds")
        yield* Fiber.join(running)
        yield* asked
        yield* call
        assert.deepStrictEqual(yield* asked, ["second"], `${late}: still open`)
        yield* become("up")
        yield* TestClock.adjust("25 seconds")
        yield* call
        assert.deepStrictEqual(yield* asked, ["first"], `${late}: closed in time`)
      }
    }))

  it.scoped("belongs to the layer: two of them do not know of each other", () =>
    Effect.gen(function*() {
      const one = yield* setup()
      const other = yield* setup()
      yield* one.become("down")
      for (let i = 0; i < 4; i++) yield* one.call
      yield* other.call
      assert.deepStrictEqual(yield* other.asked, ["first"])
    }))

  it.scoped("a member that is held back is no reason to leave another one untried", () =>
    Effect.gen(function*() {
      const down = (provider: string) => TestLLM.layer(() => overloaded, { provider })
      const context = yield* Layer.build(
        Cascade.layer([down("a"), down("b")], { breaker: { ...breaker, failures: 1 } })
      )
      const call = Effect.flip(Effect.provide(LLM.generateText({ prompt: "Hello" }), context))
      assert.strictEqual(LLMError.tagOf(yield* call), "Overloaded")
      const error = yield* call
      assert.strictEqual(LLMError.tagOf(error), "CircuitOpen")
      assert.isTrue(Option.isNone(LLMError.retryAfterOf(error)))
    }))
})
