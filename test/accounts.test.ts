/** What was billed is told, whatever became of the call. */
import { assert, describe, it } from "@effect/vitest"
import { Chunk, Deferred, Effect, Fiber, Layer, Option, Redacted, Schema, Stream, TestClock } from "effect"
import { Anthropic, Cascade, LLM, LLMError, OpenAIChat, OpenAICompatible, Pricing, Retry } from "../src/index.ts"
import { TestLLM } from "../src/testing/index.ts"
import { chatAnswer, controlled, jsonResponse, stub } from "./stub.ts"

const apiKey = Redacted.make("k-123456")
const retry = Retry.make({ tries: 2, base: "1 millis" })

const claude = (http: { readonly layer: Layer.Layer<import("@effect/platform").HttpClient.HttpClient> }) =>
  Anthropic.layer({ model: "claude-sonnet-4-5", apiKey, retry }).pipe(Layer.provide(http.layer))
const gpt = (http: { readonly layer: Layer.Layer<import("@effect/platform").HttpClient.HttpClient> }) =>
  OpenAIChat.layer({ model: "gpt-4.1-mini", apiKey, retry }).pipe(Layer.provide(http.layer))

const event = (type: string, data: object) => `event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`
const started = event("message_start", {
  message: { id: "1", model: "claude-sonnet-4-5", usage: { input_tokens: 50_000, output_tokens: 1 } }
})
const overloaded = event("error", { error: { type: "overloaded_error", message: "busy" } })
const answered = [
  event("message_start", { message: { id: "2", model: "claude-sonnet-4-5", usage: { input_tokens: 10 } } }),
  event("content_block_start", { index: 0, content_block: { type: "text", text: "" } }),
  event("content_block_delta", { index: 0, delta: { type: "text_delta", text: "Hi" } }),
  event("content_block_stop", { index: 0 }),
  event("message_delta", { delta: { stop_reason: "end_turn" }, usage: { output_tokens: 2 } }),
  event("message_stop", {})
].join("")

/** The ends of all calls of a layer. */
const watched = <E, R>(layer: Layer.Layer<LLM.LLM, E, R>) => {
  const ends: Array<LLM.CallEnd> = []
  const told = LLM.onEnd((end) => Effect.sync(() => void ends.push(end)))
  return { ends, layer: Layer.provide(told, layer) }
}

const stream = Stream.runCollect(LLM.streamText({ prompt: "Hello" }))

describe("a try that broke after it had announced its tokens", () => {
  it.live("counts when it is tried again", () =>
    Effect.gen(function*() {
      const http = stub(() => new Response(started + overloaded), () => new Response(answered))
      const { ends, layer } = watched(claude(http))
      const answer = yield* LLM.collect(LLM.streamText({ prompt: "Hello" })).pipe(Effect.provide(layer))
      assert.deepStrictEqual([answer.usage.inputTokens, answer.usage.outputTokens], [50_010, 3])
      assert.isAbove(Option.getOrThrow(answer.cost).total, 0.15)
      assert.deepStrictEqual(answer.warnings.map(({ code }) => code), ["cost-incomplete"])
      assert.deepStrictEqual(ends.map(({ outcome, usagePartial }) => [outcome, usagePartial]), [["success", true]])
    }))

  it.live("counts when all fail, and in the last failure of a cascade", () =>
    Effect.gen(function*() {
      const down = () => stub(() => new Response(started + overloaded))
      const alone = yield* Effect.flip(stream.pipe(Effect.provide(claude(down()))))
      assert.strictEqual("usage" in alone ? alone.usage?.inputTokens : 0, 100_000)
      const both = Cascade.layer([claude(down()), claude(down())])
      const error = yield* Effect.flip(stream.pipe(Effect.provide(both)))
      assert.strictEqual(error._tag === "ProviderError" && error.usage?.inputTokens, 150_000)
      assert.isTrue(error._tag === "ProviderError" && error.usagePartial)
      assert.lengthOf(error._tag === "ProviderError" ? error.attempts : [], 3)
    }))

  it.live("counts when the reader leaves", () =>
    Effect.gen(function*() {
      const { ends, layer } = watched(claude(stub((signal) => {
        const upstream = controlled(signal)
        upstream.push(started)
        upstream.push(event("content_block_delta", { index: 0, delta: { type: "text_delta", text: "Once" } }))
        return upstream.response
      })))
      yield* Stream.runCollect(Stream.take(LLM.streamText({ prompt: "Hello" }), 1)).pipe(Effect.provide(layer))
      const [end] = ends
      assert.deepInclude(end, { outcome: "cancelled", provider: "anthropic", usagePartial: true })
      assert.strictEqual(end?.usage.inputTokens, 50_000)
      assert.deepStrictEqual(end?.partialText, Option.some("Once"))
      assert.isTrue(Option.isSome(end?.cost ?? Option.none()))
    }))
})

describe("every way a reader can stop", () => {
  const reasons: ReadonlyArray<readonly [string, unknown]> = [
    ["a text", "closed"],
    ["null", null],
    ["an error", new Error("socket closed")],
    ["a tagged error", { _tag: "Closed" }]
  ]
  for (const [name, reason] of reasons) {
    it.effect(`fails with ${name}: one end, cancelled`, () =>
      Effect.gen(function*() {
        const { ends, layer } = watched(TestLLM.layer(["Hello there, you"]))
        const failed = yield* Stream.runDrain(Stream.tap(LLM.streamText({ prompt: "Hi" }), () => Effect.fail(reason)))
          .pipe(Effect.provide(layer), Effect.flip)
        assert.strictEqual(failed, reason)
        assert.deepStrictEqual(ends.map(({ outcome }) => outcome), ["cancelled"])
      }))
  }
})

describe("sums", () => {
  const priced = stub(() => jsonResponse(chatAnswer("not json")))
  const Person = Schema.Struct({ name: Schema.String })

  it.live("unknown plus known is unknown, and the warning has the known part", () =>
    Effect.gen(function*() {
      const strange = stub(() => jsonResponse(chatAnswer("not json", { model: "unheard-of" })))
      const unknown = OpenAICompatible.layer({ provider: "acme", model: "unheard-of", baseUrl: "http://a.test" })
      const live = Cascade.layer([
        unknown.pipe(Layer.provide(strange.layer)),
        gpt(stub(() => jsonResponse(chatAnswer("{\"name\":\"Ada\"}"))))
      ])
      const answer = yield* LLM.generateObject({ prompt: "Who?", schema: Person }).pipe(Effect.provide(live))
      assert.deepStrictEqual(answer.cost, Option.none())
      assert.strictEqual(answer.usage.inputTokens, 20)
      const warning = answer.warnings.find(({ code, cost }) => code === "unknown-price" && cost !== undefined)
      assert.isAbove(warning?.cost?.total ?? 0, 0)
    }))

  it.scoped("a repair that runs into the limit of the call counts all that was billed", () =>
    Effect.gen(function*() {
      const usage = { prompt_tokens: 100, completion_tokens: 50, total_tokens: 150 }
      const http = stub(
        () => jsonResponse(chatAnswer("not json")),
        () => jsonResponse(chatAnswer("still not", { usage })),
        () => Effect.never
      )
      const call = LLM.generateObject({ prompt: "Who?", schema: Person, repair: 3, timeouts: { total: "5 seconds" } })
      const fiber = yield* Effect.fork(Effect.flip(call.pipe(Effect.provide(gpt(http)))))
      yield* TestClock.adjust("10 seconds")
      const error = yield* Fiber.join(fiber)
      assert.isTrue(error._tag === "ProviderError" && error.reason._tag === "Timeout")
      if (error._tag !== "ProviderError") return
      assert.deepStrictEqual([error.usage?.inputTokens, error.usage?.outputTokens], [110, 55])
      assert.strictEqual(error.usagePartial, true)
      assert.lengthOf(error.attempts, 3)
    }))

  for (
    const [name, usage] of Object.entries({
      "below zero": { prompt_tokens: -5, completion_tokens: 10 },
      "without end": { prompt_tokens: 10, completion_tokens: 1e300 },
      "in fractions": { prompt_tokens: 10.4, completion_tokens: 10 },
      "in words": { prompt_tokens: "many", completion_tokens: 10 }
    })
  ) {
    it.live(`counts ${name} cost nothing they cannot, and are not taken for known`, () =>
      Effect.gen(function*() {
        const { ends, layer } = watched(gpt(stub(() => jsonResponse(chatAnswer("Hi", { usage })))))
        const answer = yield* LLM.generateText({ prompt: "Hello" }).pipe(Effect.provide(layer))
        assert.isTrue(Number.isSafeInteger(answer.usage.inputTokens) && answer.usage.inputTokens >= 0)
        assert.isTrue(Number.isSafeInteger(answer.usage.outputTokens) && answer.usage.outputTokens >= 0)
        const { total } = Option.getOrThrow(answer.cost)
        assert.isTrue(total >= 0 && total < 0.01)
        assert.deepStrictEqual(answer.warnings.map(({ code }) => code), ["usage-implausible"])
        assert.deepStrictEqual(ends.map(({ usagePartial }) => usagePartial), [true])
      }))
  }

  it.live("a bill below zero is none", () =>
    Effect.gen(function*() {
      const usage = { prompt_tokens: 10, completion_tokens: 5, cost: -3 }
      const answer = yield* LLM.generateText({ prompt: "Hello" }).pipe(
        Effect.provide(gpt(stub(() => jsonResponse(chatAnswer("Hi", { usage })))))
      )
      assert.deepInclude(Option.getOrThrow(answer.cost), { source: "prices" })
    }))

  it.live("a host of one's own has no list price but the one it names", () =>
    Effect.gen(function*() {
      const costOf = (options: { readonly provider?: string; readonly prices?: string }) =>
        LLM.generateText({ prompt: "Hello" }).pipe(
          Effect.provide(
            OpenAICompatible.layer({ model: "gpt-4.1-mini", baseUrl: "http://own.test", ...options }).pipe(
              Layer.provide(priced.layer)
            )
          ),
          Effect.map(({ cost }) => Option.isSome(cost))
        )
      assert.deepStrictEqual(
        [
          yield* costOf({}),
          yield* costOf({ provider: "not-openai" }),
          yield* costOf({ provider: "openai" }),
          yield* costOf({ provider: "mine", prices: "openai" })
        ],
        [false, false, true, true]
      )
      const quoted = yield* Pricing.quote("not-anthropic", "claude-sonnet-4-5", { inputTokens: 1 })
      assert.isTrue(Option.isNone(quoted))
    }))
})

describe("whose call it is", () => {
  it.scoped("a hedge's winner, when its reader leaves", () =>
    Effect.gen(function*() {
      const never = yield* Deferred.make<never>()
      const slow = LLM.fromFunctions({
        provider: "slow",
        model: "s",
        stream: () => Stream.fromEffect(Deferred.await(never))
      })
      const quick = LLM.fromFunctions({
        provider: "quick",
        model: "q",
        stream: () => Stream.concat(Stream.make("one", "two", "three"), Stream.fromEffect(Deferred.await(never)))
      })
      const { ends, layer } = watched(Cascade.layer([slow, quick], { hedge: { after: "1 second" } }))
      const reading = Stream.runCollect(Stream.take(LLM.streamText({ prompt: "Hello" }), 1)).pipe(Effect.provide(layer))
      const fiber = yield* Effect.fork(reading)
      yield* TestClock.adjust("2 seconds")
      assert.lengthOf(Chunk.toReadonlyArray(yield* Fiber.join(fiber)), 1)
      assert.deepStrictEqual(ends.map(({ outcome, provider }) => [outcome, provider]), [["cancelled", "quick"]])
    }))

  it.effect("a call made on the way is a call of its own", () =>
    Effect.gen(function*() {
      const judge = watched(TestLLM.layer(["fine"], { provider: "judge", repeat: true }))
      const asking = LLM.generateText({ prompt: "Is it fine?" }).pipe(Effect.provide(judge.layer))
      const judged = LLM.decorate((llm) =>
        Effect.succeed({
          ...llm,
          generate: (request) => Effect.zipRight(asking, llm.generate(request))
        })
      )
      const { ends, layer } = watched(
        judged.pipe(Layer.provide(LLM.fromFunctions({
          provider: "main",
          model: "m",
          generate: () => Effect.interrupt
        })))
      )
      yield* Effect.exit(LLM.generateText({ prompt: "Hello" }).pipe(Effect.provide(layer)))
      assert.deepStrictEqual(judge.ends.map(({ outcome, provider }) => [outcome, provider]), [["success", "judge"]])
      assert.deepStrictEqual(ends.map(({ outcome, provider }) => [outcome, provider]), [["cancelled", "main"]])
      assert.deepStrictEqual(ends[0]?.attempts.map(({ provider }) => provider), ["main"])
      assert.notStrictEqual(ends[0]?.requestId, judge.ends[0]?.requestId)
    }))

  it.effect("one call has one id, however many watch it, also when it fails or is left", () =>
    Effect.gen(function*() {
      const down = new LLMError.ProviderError({ provider: "p", model: "m", reason: new LLMError.Overloaded() })
      for (const entry of ["fine", down, TestLLM.delay("1 hour", "late")] as const) {
        const inner = watched(TestLLM.layer([entry]))
        const outer = watched(inner.layer)
        const call = LLM.generateText({ prompt: "Hello" }).pipe(Effect.provide(outer.layer))
        const fiber = yield* Effect.fork(call)
        yield* TestClock.adjust("1 second")
        yield* Fiber.interrupt(fiber)
        assert.lengthOf(inner.ends, 1)
        assert.deepStrictEqual(
          outer.ends.map(({ requestId }) => requestId),
          inner.ends.map(({ requestId }) => requestId)
        )
      }
    }))
})
