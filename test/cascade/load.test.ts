import { assert, describe, it } from "@effect/vitest"
import { Effect, Either, Layer, Random, Redacted, Schedule, Stream, Supervisor } from "effect"
import { Anthropic, Cascade, LLM, OpenAI, Retry } from "../../src/index.ts"
import { FakeProvider } from "../../src/testing/index.ts"
import * as UndiciHttpClient from "../../src/UndiciHttpClient.ts"
import { runs } from "../runs.ts"

const callers = 64

const faults: ReadonlyArray<(reply: FakeProvider.AnswerReply) => FakeProvider.Reply> = [
  () => FakeProvider.status(503),
  () => FakeProvider.status(429, { retryAfter: 1 }),
  () => FakeProvider.status(401),
  () => FakeProvider.inBandError(),
  (reply) => FakeProvider.cut({ reply }),
  (reply) => FakeProvider.badJson({ reply }),
  () => FakeProvider.html(),
  () => FakeProvider.reset({ before: "headers" }),
  () => FakeProvider.stall({ before: "headers" }),
  () => FakeProvider.stall({ before: "events" }),
  (reply) => FakeProvider.reset({ afterEvents: 3, reply }),
  (reply) => FakeProvider.stall({ afterEvents: 3, reply })
]

const questionOf = (request: FakeProvider.RecordedRequest): string =>
  /question (\w+)/.exec(JSON.stringify(request.body))?.[1] ?? "none"

const answerTo = (question: string): string => Array.from({ length: 20 }, (_, word) => `${question}-${word}`).join(" ")

/** Wrong half of the time, in any way. */
const unreliable = (request: FakeProvider.RecordedRequest): FakeProvider.Reply => {
  const reply = FakeProvider.text(answerTo(questionOf(request)))
  const fault = Math.random() < 0.5 ? undefined : faults[Math.floor(Math.random() * faults.length)]
  return fault === undefined ? reply : fault(reply)
}

const settings = {
  apiKey: Redacted.make("k-123456"),
  retry: Retry.make({ tries: 3, base: "5 millis" }),
  timeouts: { firstToken: "2 seconds", betweenTokens: "2 seconds", total: "20 seconds" }
} as const

interface Outcome {
  readonly question: string
  /** What was shown, of a stream. */
  readonly shown: string | undefined
  readonly result: Either.Either<
    { readonly text: string; readonly attempts: ReadonlyArray<unknown> },
    { readonly attempts: ReadonlyArray<unknown>; readonly partial?: string | undefined }
  >
}

const ask = (question: string): Effect.Effect<Outcome, never, LLM.LLM> =>
  Effect.gen(function*() {
    const options = { prompt: `question ${question}` }
    if (yield* Random.nextBoolean) {
      return { question, shown: undefined, result: yield* Effect.either(LLM.generateText(options)) }
    }
    let shown = ""
    const stream = Stream.tap(LLM.streamText(options), (part) =>
      Effect.sync(() => {
        if (part._tag === "TextDelta") shown += part.delta
      }))
    const result = yield* Effect.either(LLM.collect(stream))
    return { question, shown, result }
  })

const load = (options: Cascade.Options, questions: number) =>
  Effect.gen(function*() {
    const primary = yield* FakeProvider.make({ respond: unreliable })
    const backup = yield* FakeProvider.make({ respond: unreliable })
    const live = Cascade.layer([
      Anthropic.layer({ model: "claude-sonnet-4-5", baseUrl: primary.url, ...settings }),
      OpenAI.layer({ model: "gpt-4.1", baseUrl: backup.url, ...settings })
    ], options).pipe(Layer.provide(UndiciHttpClient.layer))
    const supervisor = yield* Supervisor.track
    const outcomes: Array<Outcome> = []
    const caller = (name: number) =>
      Effect.gen(function*() {
        for (let i = 0; i < questions; i++) {
          outcomes.push(yield* ask(`q${name}x${i}`))
          yield* Effect.sleep("50 millis")
        }
      })
    yield* Effect.forEach(Array.from({ length: callers }, (_, name) => name), caller, {
      concurrency: "unbounded",
      discard: true
    }).pipe(Effect.provide(live), Effect.supervised(supervisor))

    const answers = outcomes.flatMap(({ result }) => Either.isRight(result) ? [result.right] : [])
    const requests = new Map<string, number>()
    for (const { requests: all } of [primary, backup]) {
      for (const request of yield* all) {
        const question = questionOf(request)
        requests.set(question, (requests.get(question) ?? 0) + 1)
      }
    }
    for (const { question, result, shown } of outcomes) {
      const expected = answerTo(question)
      if (Either.isRight(result)) {
        assert.strictEqual(result.right.text, expected)
        if (shown !== undefined) assert.strictEqual(shown, expected)
      } else {
        assert.isTrue(expected.startsWith(shown ?? ""), "text is neither lost, doubled nor another's")
        if (shown !== undefined && shown !== "") assert.strictEqual(result.left.partial, shown)
      }
      // A try whose time was up may not have reached the server.
      const { attempts } = Either.merge(result)
      assert.isAtLeast(attempts.length, requests.get(question) ?? 0, "every request is an attempt")
      // One try of the first member and three of the last; where a breaker leaves only one member, three of that.
      assert.isAtMost(attempts.length, options.breaker === undefined ? 4 : 6)
    }
    assert.lengthOf(outcomes, callers * questions)
    assert.isNotEmpty(answers)

    const sockets = Effect.zipWith(primary.openSockets, backup.openSockets, (a, b) => a + b)
    yield* Effect.repeat(sockets, { until: (open) => open === 0, schedule: Schedule.spaced("10 millis") }).pipe(
      Effect.timeout("5 seconds")
    )
    assert.deepStrictEqual((yield* supervisor.value).map((fiber) => fiber.id()), [], "a fiber is left")
  })

describe("64 callers, two members that fail at random", () => {
  it.scopedLive("every call is answered or says all it tried", () => load({}, runs(4, 100)), 300_000)

  it.scopedLive(
    "with a breaker and hedging: whole answers of one member, nothing left open",
    () =>
      load({
        hedge: { after: { percentile: 90, initially: "50 millis" } },
        breaker: { failures: 5, window: "1 second", cooldown: "100 millis" }
      }, runs(4, 40)),
    300_000
  )
})
