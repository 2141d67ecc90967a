import { assert, describe, it } from "@effect/vitest"
import * as BigDecimal from "effect/BigDecimal"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as Cost from "../../src/Cost.ts"
import * as LLM from "../../src/LLM.ts"
import { Overloaded, ProviderError } from "../../src/LLMError.ts"
import * as TestLLM from "../../src/testing/TestLLM.ts"
import * as Tool from "../../src/Tool.ts"

const Person = Schema.Struct({ name: Schema.String, born: Schema.Date })
const overloaded = new ProviderError({ provider: "p", model: "m", reason: new Overloaded({}) })

describe("TestLLM", () => {
  it.effect("gives each entry to one call, generated or streamed", () =>
    Effect.gen(function*() {
      const first = yield* LLM.generateText({ prompt: "a" })
      assert.strictEqual(first.content, "Hello there, you")
      assert.strictEqual(first.provider, "test")
      assert.deepEqual(first.cost, Option.none())
      assert.deepEqual(first.warnings, [])
      assert.strictEqual(first.usage.totalTokens, 0)
      const parts = [...yield* Stream.runCollect(LLM.streamText({ prompt: "b" }))]
      assert.deepEqual(parts.slice(0, -1).map((part) => part._tag === "TextDelta" ? part.delta : part._tag), [
        "Hello",
        " there,",
        " you",
        "BlockEnd"
      ])
      const last = parts.at(-1)
      assert.strictEqual(last?._tag === "Finish" && last.response.text, "Hello there, you")
    }).pipe(Effect.provide(TestLLM.layer(["Hello there, you", "Hello there, you"]))))

  it.effect("decodes objects, whole and growing, and tells a mismatch", () =>
    Effect.gen(function*() {
      const { content } = yield* LLM.generateObject({ prompt: "?", schema: Person })
      assert.deepEqual(content, { name: "Ada", born: new Date("1815-12-10T00:00:00.000Z") })
      const parts = [...yield* Stream.runCollect(LLM.streamObject({ prompt: "?", schema: Person }))]
      assert.isAbove(parts.filter((part) => part._tag === "ObjectDelta").length, 1)
      const last = parts.at(-1)
      assert.deepEqual(last?._tag === "Finish" && last.response.content, content)
      const mismatch = yield* Effect.flip(LLM.generateObject({ prompt: "?", schema: Person }))
      assert.strictEqual(mismatch._tag, "ResponseParsingError")
      assert.deepEqual(mismatch._tag === "ResponseParsingError" && mismatch.issues.map((issue) => issue.path), [[
        "born"
      ]])
      const prose = yield* Effect.flip(LLM.generateJson({ prompt: "?" }))
      assert.strictEqual(prose._tag === "ResponseParsingError" && prose.reason, "NotJson")
      const cut = yield* Effect.flip(LLM.generateJson({ prompt: "?" }))
      assert.strictEqual(cut._tag, "ResponseTruncatedError")
      const refused = yield* Effect.flip(LLM.generateText({ prompt: "?" }))
      assert.strictEqual(refused._tag, "ContentFilteredError")
    }).pipe(Effect.provide(TestLLM.layer([
      TestLLM.object({ name: "Ada", born: "1815-12-10T00:00:00.000Z" }),
      TestLLM.object({ name: "Ada", born: "1815-12-10T00:00:00.000Z" }),
      TestLLM.json({ name: "Ada" }),
      "no idea",
      TestLLM.text("{\"a\":", { finishReason: "length" }),
      TestLLM.text("", { refusal: "I will not" })
    ]))))

  it.effect("calls tools, with ids of their own, and counts what it is told to", () =>
    Effect.gen(function*() {
      const add = Tool.make({
        name: "add",
        parameters: Schema.Struct({ a: Schema.Number, b: Schema.Number }),
        handler: ({ a, b }) => Effect.succeed(a + b)
      })
      const answer = yield* LLM.runTools({ prompt: "?", tools: [add] })
      assert.strictEqual(answer.content, "6")
      assert.strictEqual(answer.usage.totalTokens, 8)
      assert.deepEqual(answer.steps.flatMap((step) => step.toolCalls.map((call) => [call.id, call.arguments])), [
        ["call_1_1", { a: 1, b: 2 }],
        ["call_2_1", { a: 3, b: 3 }]
      ])
      assert.deepEqual(answer.steps.map((step) => step.finishReason), ["tool-calls", "tool-calls", "stop"])
      assert.deepEqual(Option.map(answer.cost, (cost) => cost.total), Option.none())
    }).pipe(Effect.provide(TestLLM.layer([
      TestLLM.toolCalls([{ name: "add", arguments: { a: 1, b: 2 } }], { usage: { inputTokens: 5, outputTokens: 3 } }),
      TestLLM.toolCalls([{ name: "add", arguments: { a: 3, b: 3 } }]),
      "6"
    ]))))

  it.effect("plays parts as they are, and fails where it is told to", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const error = yield* LLM.streamText({ prompt: "?" }).pipe(
        Stream.runForEach((part) => Effect.sync(() => seen.push(part._tag))),
        Effect.flip
      )
      assert.strictEqual(error.message, overloaded.message)
      assert.deepEqual(seen, ["ReasoningDelta", "BlockEnd", "TextDelta"])
      const again = yield* Effect.flip(LLM.generateText({ prompt: "?" }))
      assert.strictEqual(again.message, overloaded.message)
      // As a provider's failure would, both name the try.
      const tries = [error, again].map(({ attempts }) => attempts.map(({ error, provider }) => [provider, error]))
      assert.deepStrictEqual(tries, [[["test", "Overloaded"]], [["test", "Overloaded"]]])
      const priced = yield* LLM.generateText({ prompt: "?" })
      assert.deepEqual(priced.reasoning, Option.some("hm"))
      assert.deepEqual(Option.map(priced.cost, (cost) => cost.total), Option.some(0.25))
    }).pipe(Effect.provide(TestLLM.layer([
      TestLLM.parts([{ _tag: "ReasoningDelta", delta: "hm" }, { _tag: "TextDelta", delta: "so" }], {
        failure: overloaded
      }),
      overloaded,
      TestLLM.text("x", {
        reasoning: "hm",
        cost: Cost.make({ input: BigDecimal.unsafeFromString("0.25"), source: "prices" })
      })
    ]))))

  it.effect("keeps the order of text and tool calls in the message", () =>
    Effect.gen(function*() {
      const { message, text } = yield* LLM.generateText({ prompt: "?" })
      assert.strictEqual(text, "ab")
      assert.deepEqual(
        typeof message.content === "string" ? [] : message.content.map((part) => part.type),
        ["text", "tool-call", "text"]
      )
    }).pipe(Effect.provide(TestLLM.layer([
      TestLLM.parts([
        { _tag: "TextDelta", delta: "a" },
        { _tag: "ToolCallPart", call: { type: "tool-call", id: "1", name: "t", arguments: {} } },
        { _tag: "TextDelta", delta: "b" }
      ])
    ]))))

  it.effect("waits on the clock", () =>
    Effect.gen(function*() {
      const fiber = yield* Effect.fork(LLM.collect(LLM.streamText({ prompt: "?" })))
      yield* TestClock.adjust("9 seconds")
      assert.isTrue(Option.isNone(yield* Fiber.poll(fiber)))
      yield* TestClock.adjust("1 seconds")
      const answer = yield* Fiber.join(fiber)
      assert.strictEqual(answer.text, "late")
    }).pipe(Effect.provide(TestLLM.layer([TestLLM.delay("10 seconds", "late")]))))

  it.effect("records what was asked, with labels and headers", () =>
    Effect.gen(function*() {
      yield* LLM.generateText({ prompt: "first", metadata: { user: "1" } }).pipe(
        LLM.withMetadata({ feature: "f", user: "0" }),
        LLM.withHeaders({ "X-Request-Id": "r" })
      )
      yield* Stream.runDrain(LLM.streamText({ prompt: "second", temperature: 1 }))
      const [first, second] = yield* TestLLM.requests
      assert.deepEqual(first?.metadata, { feature: "f", user: "1" })
      assert.deepEqual(first?.headers, { "x-request-id": "r" })
      assert.deepEqual([first?.method, second?.method], ["generate", "stream"])
      assert.strictEqual(second?.request.temperature, 1)
    }).pipe(Effect.provide(TestLLM.layer((request, index) => `${index}: ${String(request.prompt)}`))))

  it.effect("says which call found no entry", () =>
    Effect.gen(function*() {
      yield* LLM.generateText({ prompt: "one" })
      const exit = yield* Effect.exit(LLM.generateText({ prompt: "two" }))
      const defect = Exit.isFailure(exit) ? Option.getOrUndefined(Cause.dieOption(exit.cause)) : undefined
      assert.match(String(defect), /the script has 1 entry and call 2 \("two"\) found none/)
    }).pipe(Effect.provide(TestLLM.layer(["only"]))))

  it.effect("repeats its last entry when it may", () =>
    Effect.gen(function*() {
      const texts = yield* Effect.forEach([1, 2, 3], () => LLM.generateText({ prompt: "?" }))
      assert.deepEqual(texts.map((answer) => answer.text), ["a", "b", "b"])
    }).pipe(Effect.provide(TestLLM.layer(["a", "b"], { repeat: true }))))
})
