/** The library's own Chat Completions client against the fake provider: both read the wire alike. */
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as LLM from "../../src/LLM.ts"
import * as Output from "../../src/Output.ts"
import * as OpenAICompatible from "../../src/providers/OpenAICompatible.ts"
import * as FakeProvider from "../../src/testing/FakeProvider.ts"
import * as Tool from "../../src/Tool.ts"
import * as UndiciHttpClient from "../../src/UndiciHttpClient.ts"

const live = (options?: FakeProvider.Options) => {
  const model = Layer.unwrapEffect(
    Effect.map(
      FakeProvider.FakeProvider,
      ({ url }) => OpenAICompatible.layer({ baseUrl: url, model: "any", retry: Schedule.stop, maxEventBytes: 100_000 })
    )
  )
  return Layer.provideMerge(model, Layer.merge(FakeProvider.layer(options), UndiciHttpClient.layer))
}

const Person = Schema.Struct({ name: Schema.String, age: Schema.Number.pipe(Schema.between(7, 9)) })

const weather = Tool.make({
  name: "get_weather",
  description: "Weather",
  parameters: Schema.Struct({ city: Schema.String }),
  handler: ({ city }) => Effect.succeed({ city, celsius: 21 })
})

/** What a call fails with, generated and streamed. */
const failures = (reply: FakeProvider.Reply) =>
  Effect.gen(function*() {
    const { script } = yield* FakeProvider.FakeProvider
    yield* script(reply, reply)
    const single = yield* Effect.flip(LLM.generateText({ prompt: "Hi" }))
    const streamed = yield* Effect.flip(LLM.collect(LLM.streamText({ prompt: "Hi" })))
    return [single, streamed].map((error) => error._tag === "ProviderError" ? error.reason._tag : error._tag)
  })

describe("OpenAICompatible over FakeProvider", () => {
  it.live("generates and streams text with usage", () =>
    Effect.gen(function*() {
      const { script } = yield* FakeProvider.FakeProvider
      const plain = yield* LLM.generateText({ prompt: "Hello" })
      assert.strictEqual(plain.text, "You said: Hello")
      assert.isAbove(plain.usage.inputTokens, 5)
      const reply = FakeProvider.text("one two 👋", {
        reasoning: "hm",
        usage: { inputTokens: 100, cachedInputTokens: 40, outputTokens: 9, reasoningTokens: 3 }
      })
      yield* script(reply, reply)
      const single = yield* LLM.generateText({ prompt: "Hello" })
      const streamed = yield* LLM.collect(LLM.streamText({ prompt: "Hello" }))
      for (const answer of [single, streamed]) {
        assert.strictEqual(answer.text, "one two 👋")
        assert.deepEqual(answer.reasoning, Option.some("hm"))
        assert.deepEqual(answer.usage, {
          inputTokens: 100,
          outputTokens: 9,
          cachedInputTokens: 40,
          cacheCreationTokens: 0,
          reasoningTokens: 3,
          totalTokens: 109
        })
      }
      yield* script(FakeProvider.truncated("half"), FakeProvider.text("x", { usage: null }))
      assert.strictEqual((yield* LLM.generateText({ prompt: "Hello" })).finishReason, "length")
      const uncounted = yield* LLM.collect(LLM.streamText({ prompt: "Hello" }))
      assert.deepEqual(uncounted.warnings.map((warning) => warning.code), ["usage-missing"])
    }).pipe(Effect.provide(live())))

  it.live("gives objects and runs tools", () =>
    Effect.gen(function*() {
      const { requests } = yield* FakeProvider.FakeProvider
      assert.deepEqual((yield* LLM.generateObject({ prompt: "?", schema: Person })).content, { name: "name", age: 7 })
      const parts = yield* Stream.runCollect(LLM.streamObject({ prompt: "?", schema: Person }))
      assert.deepEqual([...parts].at(-1)?._tag, "Finish")
      const answer = yield* LLM.runTools({ prompt: "Weather?", tools: [weather], output: Output.object(Person) })
      assert.deepEqual(answer.content, { name: "name", age: 7 })
      assert.lengthOf(answer.steps, 2)
      assert.strictEqual((yield* requests).at(-1)?.wire, "chat-completions")
    }).pipe(Effect.provide(live())))

  it.live("finds the schema in the prompt where the host takes none, and answers through a forced tool", () =>
    Effect.gen(function*() {
      const { url } = yield* FakeProvider.FakeProvider
      for (const structured of ["json-mode", "prompt", "tool"] as const) {
        const answer = yield* LLM.generateObject({ prompt: "?", schema: Person }).pipe(
          Effect.provide(OpenAICompatible.layer({ baseUrl: url, model: "any", structured }))
        )
        assert.deepEqual(answer.content, { name: "name", age: 7 })
      }
    }).pipe(Effect.provide(live())))

  it.live("fails as the wire does", () =>
    Effect.gen(function*() {
      const table: ReadonlyArray<readonly [FakeProvider.Reply, ReadonlyArray<string>]> = [
        [FakeProvider.status(429, { retryAfter: 1 }), ["RateLimited", "RateLimited"]],
        [FakeProvider.status(429, { kind: "quota" }), ["QuotaExceeded", "QuotaExceeded"]],
        [FakeProvider.status(401), ["Authentication", "Authentication"]],
        [FakeProvider.status(403), ["PermissionDenied", "PermissionDenied"]],
        [FakeProvider.status(404), ["ModelNotFound", "ModelNotFound"]],
        [FakeProvider.status(503), ["Overloaded", "Overloaded"]],
        [FakeProvider.status(500), ["ServerError", "ServerError"]],
        [FakeProvider.status(504), ["Timeout", "Timeout"]],
        [FakeProvider.status(400), ["InvalidRequestError", "InvalidRequestError"]],
        [FakeProvider.status(400, { kind: "context-length" }), ["InvalidRequestError", "InvalidRequestError"]],
        [FakeProvider.html(502), ["ServerError", "ServerError"]],
        [FakeProvider.inBandError({ kind: "overloaded", afterEvents: 1 }), ["Overloaded", "Overloaded"]],
        [FakeProvider.inBandError({ kind: "rate-limited" }), ["RateLimited", "RateLimited"]],
        [FakeProvider.reset({ before: "headers" }), ["Transport", "Transport"]],
        [FakeProvider.reset({ afterEvents: 1 }), ["Transport", "Transport"]],
        [FakeProvider.cut({ afterEvents: 1 }), ["MalformedResponse", "Transport"]],
        [FakeProvider.badJson({ afterEvents: 1 }), ["MalformedResponse", "MalformedResponse"]],
        [FakeProvider.redirect("http://elsewhere.example/"), ["MalformedResponse", "MalformedResponse"]],
        [FakeProvider.refusal("No."), ["ContentFilteredError", "ContentFilteredError"]]
      ]
      for (const [reply, expected] of table) {
        assert.deepEqual(yield* failures(reply), expected, JSON.stringify(reply))
      }
    }).pipe(Effect.provide(live())))

  it.live("reads slow bodies, wrong labels, and refuses an event that is too large", () =>
    Effect.gen(function*() {
      const { script } = yield* FakeProvider.FakeProvider
      const reply = FakeProvider.text("Grüße 👋")
      for (
        const odd of [FakeProvider.slow(reply, { bytes: 1, delay: 0 }), FakeProvider.wrongLabel(reply, "text/plain")]
      ) {
        yield* script(odd, odd)
        assert.strictEqual((yield* LLM.generateText({ prompt: "Hi" })).text, "Grüße 👋")
        assert.strictEqual((yield* LLM.collect(LLM.streamText({ prompt: "Hi" }))).text, "Grüße 👋")
      }
      yield* script(FakeProvider.oversized(200_000))
      const error = yield* Effect.flip(LLM.collect(LLM.streamText({ prompt: "Hi" })))
      assert.deepEqual(error._tag === "ProviderError" && error.reason._tag, "MalformedResponse")
    }).pipe(Effect.provide(live())))

  it.live("times out on silence and leaves no connection when it is interrupted", () =>
    Effect.gen(function*() {
      const { requests, script } = yield* FakeProvider.FakeProvider
      yield* script(
        FakeProvider.stall({ before: "headers" }),
        FakeProvider.stall({ afterEvents: 1 }),
        FakeProvider.stall()
      )
      const total = yield* Effect.flip(LLM.generateText({ prompt: "Hi", timeouts: { total: "50 millis" } }))
      assert.strictEqual(total._tag === "ProviderError" && total.reason._tag, "Timeout")
      for (const events of [1, 0]) {
        const seen: Array<string> = []
        const fiber = yield* LLM.streamText({ prompt: "Hi" }).pipe(
          Stream.runForEach((part) => Effect.sync(() => seen.push(part._tag))),
          Effect.fork
        )
        yield* Effect.sleep(Duration.millis(80))
        assert.lengthOf(seen, events)
        yield* Fiber.interrupt(fiber)
      }
      yield* Effect.sleep(Duration.millis(30))
      assert.deepEqual((yield* requests).map((request) => request.aborted), [true, true, true])
    }).pipe(Effect.provide(live())))
})
