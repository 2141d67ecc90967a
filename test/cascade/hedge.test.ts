import { assert, describe, it } from "@effect/vitest"
import {
  BigDecimal,
  Duration,
  Effect,
  FastCheck as fc,
  Fiber,
  Layer,
  Option,
  Redacted,
  Stream,
  TestClock,
  TestContext
} from "effect"
import { Anthropic, Cascade, Cost, LLM, LLMError, OpenAI } from "../../src/index.ts"
import { FakeProvider, TestLLM } from "../../src/testing/index.ts"
import * as UndiciHttpClient from "../../src/UndiciHttpClient.ts"

const overloaded = new LLMError.ProviderError({ provider: "p", model: "m", reason: new LLMError.Overloaded() })

/** Members that answer with their own name after a while; records when each was asked and interrupted. */
const setup = (
  hedge: Cascade.HedgeOptions,
  ...entries: ReadonlyArray<(index: number) => readonly [wait: Duration.DurationInput, entry: TestLLM.Entry]>
) =>
  Effect.gen(function*() {
    const log: Array<string> = []
    const member = (name: string, entry: (index: number) => readonly [Duration.DurationInput, TestLLM.Entry]) =>
      LLM.decorate((llm) =>
        Effect.succeed({
          ...llm,
          generate: (request) => noted(name, log, llm.generate(request)),
          stream: (request) =>
            Stream.unwrap(
              Effect.as(note(log, `${name} asked`), Stream.ensuring(llm.stream(request), note(log, `${name} closed`)))
            )
        })
      ).pipe(
        Layer.provide(TestLLM.layer((_, index) => TestLLM.delay(...entry(index)), { provider: name, repeat: true }))
      )
    const [first, ...others] = entries.map((entry, index) => member("abc".charAt(index), entry))
    if (first === undefined) return yield* Effect.dieMessage("no members")
    const context = yield* Layer.build(Cascade.layer([first, ...others], { hedge }))
    return {
      log,
      call: Effect.provide(LLM.generateText({ prompt: "Hello" }), context),
      stream: Stream.provideContext(LLM.streamText({ prompt: "Hello" }), context)
    }
  })

const note = (log: Array<string>, what: string) =>
  Effect.clockWith((clock) => Effect.sync(() => log.push(`${clock.unsafeCurrentTimeMillis()} ${what}`)))

const noted = <A, E, R>(name: string, log: Array<string>, call: Effect.Effect<A, E, R>) =>
  Effect.zipRight(
    note(log, `${name} asked`),
    Effect.onExit(call, (exit) =>
      note(
        log,
        `${name} ${exit._tag === "Success" ? "answered" : exit.cause._tag === "Fail" ? "failed" : "interrupted"}`
      ))
  )

const after = (wait: Duration.DurationInput, entry: TestLLM.Entry) => () => [wait, entry] as const

const run = <A, E>(call: Effect.Effect<A, E>, time: Duration.DurationInput) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.fork(call)
    yield* TestClock.adjust(time)
    return yield* Fiber.join(fiber)
  })

describe("hedging", () => {
  it.scoped("asks the next member when the first is slow; the first answer wins and the other is interrupted", () =>
    Effect.gen(function*() {
      const { call, log } = yield* setup(
        { after: "1 second" },
        after("5 seconds", "slow"),
        after("2 seconds", "quick"),
        after(0, "never asked")
      )
      const answer = yield* run(call, "1 minute")
      assert.strictEqual(answer.text, "quick")
      assert.deepStrictEqual(log, ["0 a asked", "1000 b asked", "3000 b answered", "3000 a interrupted"])
      assert.deepStrictEqual(
        answer.attempts.map(({ duration, error, provider }) => [provider, error, Duration.toMillis(duration)]),
        [["a", "Interrupted", 3000], ["b", undefined, 2000]]
      )
      assert.deepStrictEqual(answer.warnings.map(({ code }) => code), ["cost-incomplete"])
      assert.include(answer.warnings[0]?.message, "a/test-model")
      assert.strictEqual(Duration.toMillis(answer.duration), 3000)
    }))

  it.scoped("leaves a quick member alone", () =>
    Effect.gen(function*() {
      const { call, log } = yield* setup({ after: "1 second" }, after("999 millis", "quick"), after(0, "b"))
      const answer = yield* run(call, "1 minute")
      assert.deepStrictEqual(log, ["0 a asked", "999 a answered"])
      assert.deepStrictEqual(answer.warnings, [])
    }))

  it.scoped("max: so many beside the first one at the same time", () =>
    Effect.gen(function*() {
      const slow = after("1 minute", "slow")
      const { call, log } = yield* setup({ after: "1 second", max: 2 }, slow, slow, slow, after(0, "d"))
      yield* run(call, "2 minutes")
      assert.deepStrictEqual(log.slice(0, 3), ["0 a asked", "1000 b asked", "2000 c asked"])
      assert.isFalse(log.some((line) => line.includes("d asked")))
    }))

  it.scoped("a failure with nobody else at work goes on at once", () =>
    Effect.gen(function*() {
      const failing = yield* setup({ after: "1 minute" }, after("2 seconds", overloaded), after("1 second", "b"))
      assert.strictEqual((yield* run(failing.call, "1 hour")).text, "b")
      assert.deepStrictEqual(failing.log, ["0 a asked", "2000 a failed", "2000 b asked", "3000 b answered"])
    }))

  it.scoped("a failure with somebody at work is no reason to wait for the next delay", () =>
    Effect.gen(function*() {
      const overtaken = yield* setup(
        { after: "1 second" },
        after("2 seconds", overloaded),
        after("10 seconds", "b"),
        after("1 second", "c")
      )
      const answer = yield* run(overtaken.call, "1 hour")
      assert.deepStrictEqual(overtaken.log.slice(0, 4), ["0 a asked", "1000 b asked", "2000 a failed", "2000 c asked"])
      assert.strictEqual(answer.text, "c")
      assert.deepStrictEqual(answer.attempts.map(({ error }) => error), ["Overloaded", "Interrupted", undefined])
    }))

  it.scoped("an error that no member could mend surfaces at once and ends the others", () =>
    Effect.gen(function*() {
      const invalid = new LLMError.InvalidRequestError({
        provider: "b",
        model: "m",
        reason: "Rejected",
        description: "no"
      })
      const { call, log } = yield* setup({ after: "1 second" }, after("1 minute", "a"), after("1 second", invalid))
      const error = yield* Effect.flip(run(call, "1 hour"))
      assert.strictEqual(error._tag, "InvalidRequestError")
      assert.deepStrictEqual(log.slice(-2), ["2000 b failed", "2000 a interrupted"])
    }))

  it.scoped("a percentile of what was seen, once there is enough of it", () =>
    Effect.gen(function*() {
      // 1 to 20 ms, then a call that is slower than any.
      const { call, log } = yield* setup(
        { after: { percentile: 90, initially: "10 seconds" } },
        (index) => index < 20 ? [20 - index, "a"] : ["1 minute", "a"],
        after(0, "b")
      )
      for (let i = 0; i < 20; i++) yield* run(call, "1 second")
      assert.isFalse(log.some((line) => line.includes("b asked")))
      log.length = 0
      yield* run(call, "1 hour")
      const [start, hedged] = log.map((line) => Number(line.split(" ")[0]))
      assert.strictEqual(Number(hedged) - Number(start), 18)
    }))

  it.scoped("an answer that came in the same moment is billed too", () =>
    Effect.gen(function*() {
      const cost = Cost.make({ total: BigDecimal.make(25n, 2), source: "prices" })
      const usage = { inputTokens: 10, outputTokens: 5 }
      const { call } = yield* setup(
        { after: "1 second" },
        after("2 seconds", TestLLM.text("a", { usage, cost })),
        after("1 second", TestLLM.text("b", { usage, cost }))
      )
      const answer = yield* run(call, "1 minute")
      const both = answer.attempts.filter(({ error }) => error === undefined).length
      assert.strictEqual(answer.usage.inputTokens, 10 * both)
      assert.strictEqual(answer.warnings.length, 2 - both)
    }))

  it.scoped("the loser of a stream is closed before the winner's text is read, also when the reader stops", () =>
    Effect.gen(function*() {
      const { log, stream } = yield* setup(
        { after: "1 second" },
        after("5 seconds", "slow"),
        after("1 second", "quick one")
      )
      const read = Stream.runCollect(
        Stream.tap(stream, (part) => part._tag === "TextDelta" ? note(log, part.delta) : Effect.void)
      )
      yield* run(read, "1 minute")
      assert.deepStrictEqual(log, [
        "0 a asked",
        "1000 b asked",
        "2000 a closed",
        "2000 quick",
        "2000  one",
        "2000 b closed"
      ])
      log.length = 0
      yield* run(Stream.runDrain(Stream.take(stream, 1)), "1 minute")
      assert.deepStrictEqual(log.slice(-1), ["62000 b closed"])
    }))

  it.scoped("a loser that cannot be interrupted any more and answers is closed and billed before the winner is read", () =>
    Effect.gen(function*() {
      const log: Array<string> = []
      const cost = Cost.make({ total: BigDecimal.make(25n, 2), source: "prices" })
      const member = (name: string, wait: Duration.DurationInput) =>
        LLM.decorate((llm) =>
          Effect.succeed({
            ...llm,
            generate: (request) => Effect.uninterruptible(Effect.delay(llm.generate(request), wait)),
            stream: (request) =>
              Stream.ensuring(
                Stream.mapEffect(llm.stream(request), (part) =>
                  Effect.uninterruptible(Effect.delay(Effect.succeed(part), wait))),
                note(log, `${name} closed`)
              )
          })
        ).pipe(
          Layer.provide(
            TestLLM.layer(() =>
              TestLLM.text(name, { usage: { inputTokens: 10 }, cost }), {
              provider: name,
              repeat: true
            })
          )
        )
      const context = yield* Layer.build(
        Cascade.layer([member("slow", "2001 millis"), member("quick", "1 second")], { hedge: { after: "1 second" } })
      )
      const answer = yield* run(Effect.provide(LLM.generateText({ prompt: "Hello" }), context), "1 minute")
      assert.strictEqual(answer.text, "quick")
      assert.strictEqual(answer.usage.inputTokens, 20)
      assert.deepStrictEqual(answer.attempts.map(({ error, provider }) => [provider, error]), [
        ["slow", undefined],
        ["quick", undefined]
      ])
      const stream = Stream.provideContext(LLM.streamText({ prompt: "Hello" }), context)
      const text = Stream.tap(stream, (part) => part._tag === "TextDelta" ? note(log, part.delta) : Effect.void)
      yield* run(Stream.runDrain(text), "1 minute")
      assert.deepStrictEqual(log.map((line) => line.replace(/^\d+ /, "")), ["slow closed", "quick", "quick closed"])
    }))

  it.scopedLive("over the wire: what the loser told of its bill by then is in the sum, with all of its tries", () =>
    Effect.gen(function*() {
      const slow = yield* FakeProvider.make()
      const quick = yield* FakeProvider.make()
      // Anthropic tells the prompt's tokens before the first text.
      yield* slow.script(
        FakeProvider.stall({ afterEvents: 0, reply: FakeProvider.text("late", { usage: { inputTokens: 1000 } }) })
      )
      yield* quick.script(FakeProvider.text("quick", { usage: { inputTokens: 100, outputTokens: 10 } }))
      const apiKey = Redacted.make("k")
      const live = Cascade.layer([
        Anthropic.layer({ model: "claude-sonnet-4-5", baseUrl: slow.url, apiKey }),
        OpenAI.layer({ model: "gpt-4.1", baseUrl: quick.url, apiKey })
      ], { hedge: { after: "150 millis" } }).pipe(Layer.provide(UndiciHttpClient.layer))
      const answer = yield* LLM.collect(LLM.streamText({ prompt: "Hello" })).pipe(Effect.provide(live))
      assert.strictEqual(answer.text, "quick")
      assert.strictEqual(answer.usage.inputTokens, 1100)
      assert.deepStrictEqual(answer.attempts.map(({ error, provider }) => [provider, error]), [
        ["anthropic", "Interrupted"],
        ["openai", undefined]
      ])
      // 1000 tokens at $3 a million; 100 and 10 at $2 and $8. The one output token announced costs $15 a million.
      const input = Option.map(answer.cost, (cost) => cost.input)
      assert.deepStrictEqual(input, Option.some(0.003 + 0.0002))
    }))

  it.effect("never two providers' text in one stream", () =>
    Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(
          fc.array(fc.integer({ min: 0, max: 3_000 }), { minLength: 2, maxLength: 4 }),
          fc.integer({ min: 1, max: 3 }),
          (waits, max) =>
            Effect.runPromise(
              Effect.gen(function*() {
                const texts = waits.map((_, index) => `${index} `.repeat(5))
                const entries = waits.map((wait, index) => after(wait, TestLLM.text(texts[index] ?? "")))
                const { stream } = yield* setup({ after: "500 millis", max }, ...entries)
                const text = yield* run(Stream.runFold(LLM.textOf(stream), "", (all, delta) => all + delta), "1 hour")
                assert.include(texts, text)
              }).pipe(Effect.scoped, Effect.provide(TestContext.TestContext))
            )
        ),
        { numRuns: 50 }
      )
    ))

  it.scoped("interrupting the call interrupts everybody", () =>
    Effect.gen(function*() {
      const { call, log } = yield* setup({ after: "1 second" }, after("1 minute", "a"), after("1 minute", "b"))
      const fiber = yield* Effect.fork(call)
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(log.slice(2).sort(), ["2000 a interrupted", "2000 b interrupted"])
    }))
})
