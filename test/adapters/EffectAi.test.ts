import { AiError, Chat, LanguageModel, Tool as AiTool, Toolkit } from "@effect/ai"
import { assert, describe, it } from "@effect/vitest"
import { Chunk, Deferred, Effect, Fiber, Layer, Option, Schema, Stream } from "effect"
import * as EffectAi from "../../src/adapters/EffectAi.ts"
import { Cascade, LLM, LLMError } from "../../src/index.ts"
import { FakeProvider } from "../../src/testing/index.ts"
import { bodies, fake } from "./fake.ts"

const Add = AiTool.make("add", {
  description: "Adds",
  parameters: { a: Schema.Number, b: Schema.Number },
  success: Schema.Struct({ sum: Schema.Number })
})
const toolkit = Toolkit.make(Add)
const handlers = toolkit.toLayer({ add: ({ a, b }) => Effect.succeed({ sum: a + b }) })
const usage = { inputTokens: 10, outputTokens: 5 }

describe("EffectAi.layer", () => {
  it.scoped("text with failover, its facts, and objects that are decoded once", () =>
    Effect.gen(function*() {
      const provider = yield* fake(
        FakeProvider.status(503),
        FakeProvider.text("Hello.", { usage, reasoning: "hm" }),
        FakeProvider.text("```json\n{\"at\":\"2026-01-02T00:00:00.000Z\",\"note\":null}\n```", { usage })
      )
      const { anthropic, openai } = provider.layers
      const program = Effect.gen(function*() {
        const answer = yield* LanguageModel.generateText({ prompt: "Hi" })
        assert.strictEqual(answer.text, "Hello.")
        assert.strictEqual(answer.reasoningText, "hm")
        assert.strictEqual(answer.usage.inputTokens, 10)
        const finish = answer.content.find((part) => part.type === "finish")
        const facts = Object(finish?.metadata["majordomo"])
        assert.deepStrictEqual(facts.attempts.map(({ error }: { error?: string }) => error), ["Overloaded", undefined])
        assert.isNumber(facts.cost.total)
      })
      yield* Effect.provide(program, EffectAi.layer.pipe(Layer.provide(Cascade.layer([anthropic, openai]))))
      const schema = Schema.Struct({ at: Schema.Date, note: Schema.optional(Schema.String) })
      const { value } = yield* LanguageModel.generateObject({ prompt: "When?", schema }).pipe(
        Effect.provide(EffectAi.layer.pipe(Layer.provide(openai)))
      )
      assert.strictEqual(value.at.getUTCFullYear(), 2026)
      assert.isUndefined(value.note)
    }))

  it.scoped("streams text and calls", () =>
    Effect.gen(function*() {
      const provider = yield* fake(
        FakeProvider.text("one two", { usage, reasoning: "hm" }),
        FakeProvider.toolCalls([{ name: "add", arguments: { a: 2, b: 3 } }])
      )
      const live = Layer.merge(EffectAi.layer.pipe(Layer.provide(provider.layers.anthropic)), handlers)
      const program = Effect.gen(function*() {
        const text = yield* Stream.runCollect(LanguageModel.streamText({ prompt: "Hi" }))
        const types = Chunk.toReadonlyArray(text).map(({ type }) => type)
        assert.deepStrictEqual(types.filter((type, i) => type !== types[i - 1]), [
          "reasoning-start",
          "reasoning-delta",
          "reasoning-end",
          "text-start",
          "text-delta",
          "text-end",
          "response-metadata",
          "finish"
        ])
        assert.strictEqual(
          Chunk.toReadonlyArray(text).flatMap((part) => part.type === "text-delta" ? [part.delta] : []).join(""),
          "one two"
        )
        const called = yield* Stream.runCollect(LanguageModel.streamText({ prompt: "2 + 3", toolkit }))
        const result = Chunk.toReadonlyArray(called).find((part) => part.type === "tool-result")
        assert.deepStrictEqual(result?.type === "tool-result" && result.result, { sum: 5 })
      })
      yield* Effect.provide(program, live)
    }))

  it.scoped("a toolkit over two turns of a chat", () =>
    Effect.gen(function*() {
      const provider = yield* fake(
        FakeProvider.toolCalls([{ name: "add", arguments: { a: 2, b: 3 } }]),
        FakeProvider.text("It is 5.")
      )
      const program = Effect.gen(function*() {
        const chat = yield* Chat.fromPrompt("What is 2 + 3?")
        yield* chat.generateText({ prompt: [], toolkit })
        const answer = yield* chat.generateText({ prompt: [], toolkit })
        assert.strictEqual(answer.text, "It is 5.")
      })
      yield* Effect.provide(
        program,
        Layer.merge(EffectAi.layer.pipe(Layer.provide(provider.layers.anthropic)), handlers)
      )
      const [, second] = yield* bodies(provider)
      assert.include(JSON.stringify(second), "tool_result")
      assert.include(JSON.stringify(second), "sum")
    }))

  it.scoped("errors are its own, with ours as their cause, and no key", () =>
    Effect.gen(function*() {
      const provider = yield* fake(
        FakeProvider.status(429, { retryAfter: 7 }),
        FakeProvider.text("no idea"),
        FakeProvider.reset({ afterEvents: 1, reply: FakeProvider.text("one two three") })
      )
      const program = Effect.gen(function*() {
        const limited = yield* Effect.flip(LanguageModel.generateText({ prompt: "Hi" }))
        assert.isTrue(AiError.isAiError(limited))
        assert(limited._tag === "HttpResponseError")
        assert.deepStrictEqual([limited.response.status, limited.response.headers["retry-after"]], [429, "7"])
        const schema = Schema.Struct({ n: Schema.Int })
        const wrong = yield* Effect.flip(LanguageModel.generateObject({ prompt: "Hi", schema }))
        assert(wrong._tag === "MalformedOutput")
        assert.isTrue(LLMError.isLLMError(wrong.cause))
        const broken = yield* Effect.flip(Stream.runDrain(LanguageModel.streamText({ prompt: "Hi" })))
        assert(Object(broken)._tag === "UnknownError")
      })
      yield* Effect.provide(program, EffectAi.layer.pipe(Layer.provide(provider.layers.chat)))
    }))

  it.effect("an interruption reaches the call", () =>
    Effect.gen(function*() {
      const started = yield* Deferred.make<void>()
      const ended = yield* Deferred.make<void>()
      const endless = LLM.fromFunctions({
        provider: "local",
        model: "endless",
        generate: () =>
          Effect.zipRight(Deferred.succeed(started, undefined), Effect.never).pipe(
            Effect.onInterrupt(() => Deferred.succeed(ended, undefined))
          )
      })
      const fiber = yield* LanguageModel.generateText({ prompt: "Hi" }).pipe(
        Effect.provide(EffectAi.layer.pipe(Layer.provide(endless))),
        Effect.fork
      )
      yield* Deferred.await(started)
      yield* Fiber.interrupt(fiber)
      assert.isTrue(Option.isSome(yield* Deferred.poll(ended)))
    }))
})
