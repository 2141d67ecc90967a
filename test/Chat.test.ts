import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Schema, Stream } from "effect"
import { Chat, LLM, Prompt, Tool } from "../src/index.ts"
import { FakeProvider } from "../src/testing/index.ts"
import { bodies, fake } from "./adapters/fake.ts"

const add = Tool.make({
  name: "add",
  parameters: Schema.Struct({ a: Schema.Number, b: Schema.Number }),
  handler: ({ a, b }) => Effect.succeed(a + b)
})
const call = FakeProvider.toolCalls([{ name: "add", arguments: { a: 2, b: 3 } }], { reasoning: "Sum." })

describe("Chat", () => {
  it.scoped("keeps what was said, tools and signatures included, also over a store", () =>
    Effect.gen(function*() {
      const provider = yield* fake(call, FakeProvider.text("5"), FakeProvider.text("You asked for a sum."))
      const program = Effect.gen(function*() {
        const chat = yield* Chat.make({ system: "Terse.", tools: [add] })
        assert.strictEqual((yield* chat.send("2 + 3?")).content, "5")
        const stored = yield* chat.toJson
        const again = yield* Chat.make({ system: "Terse.", tools: [add], history: yield* Chat.fromJson(stored) })
        const text = yield* again.stream([Prompt.text("What did I ask?")]).pipe(LLM.textOf, Stream.mkString)
        assert.strictEqual(text, "You asked for a sum.")
        assert.deepStrictEqual((yield* again.history).map(({ role }) => role), [
          "user",
          "assistant",
          "tool",
          "assistant",
          "user",
          "assistant"
        ])
      })
      yield* Effect.provide(program, provider.layers.anthropic)
      const [, , third] = yield* bodies(provider)
      assert.include(JSON.stringify(third), "fake-signature-1")
    }))

  it.scoped("nothing was said when a question fails, or its reader leaves", () =>
    Effect.gen(function*() {
      const provider = yield* fake(FakeProvider.status(503), FakeProvider.text("one two"), FakeProvider.text("ok"))
      const program = Effect.gen(function*() {
        const chat = yield* Chat.make()
        yield* Effect.flip(chat.send("Hi"))
        yield* Stream.runDrain(Stream.take(chat.stream("Count"), 1))
        assert.deepStrictEqual(yield* chat.history, [])
        assert.strictEqual((yield* chat.send("Hi")).content, "ok")
      })
      yield* Effect.provide(program, provider.layers.chat)
    }))

  it.scoped("a second question waits for the first answer", () =>
    Effect.gen(function*() {
      const provider = yield* fake(FakeProvider.text("a"), FakeProvider.text("b"))
      const program = Effect.gen(function*() {
        const chat = yield* Chat.make()
        yield* Effect.all([chat.send("1"), chat.send("2")], { concurrency: 2 })
        assert.lengthOf(yield* chat.history, 4)
      })
      yield* Effect.provide(program, provider.layers.chat)
    }))

  it.scoped("a call waits until it is allowed; the model is told why it is not", () =>
    Effect.gen(function*() {
      const asked = yield* Deferred.make<unknown>()
      const decision = yield* Deferred.make<true | string>()
      const careful = Tool.withApproval(add, (call) =>
        Effect.zipRight(Deferred.succeed(asked, call.arguments), Deferred.await(decision)))
      const provider = yield* fake(call, FakeProvider.text("I may not."), call, FakeProvider.text("5"))
      const program = Effect.gen(function*() {
        const chat = yield* Chat.make({ tools: [careful] })
        const fiber = yield* Effect.fork(chat.send("2 + 3?"))
        assert.deepStrictEqual(yield* Deferred.await(asked), { a: 2, b: 3 })
        yield* Deferred.succeed(decision, "not today")
        const { messages } = yield* Fiber.join(fiber)
        const told = messages[2]
        assert(told?.role === "tool")
        assert.deepStrictEqual([told.content[0]?.isError, told.content[0]?.result], [
          true,
          "the call was not allowed: not today"
        ])
        const allowed = yield* LLM.runTools({
          prompt: "2 + 3?",
          tools: [Tool.withApproval(add, () =>
            Effect.succeed(true))]
        })
        assert.strictEqual(allowed.content, "5")
      })
      yield* Effect.provide(program, provider.layers.anthropic)
      const [first] = yield* bodies(provider)
      assert.deepStrictEqual(Object(first).tools[0].name, "add")
    }))
})
