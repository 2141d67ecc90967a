import { assert, describe, it } from "@effect/vitest"
import { Chunk, Data, Deferred, Effect, Exit, Fiber, Option, Schema, Stream } from "effect"
import { LLM, Output, Prompt, Tool } from "../src/index.ts"
import { FakeProvider } from "../src/testing/index.ts"
import { bodies, fake } from "./adapters/fake.ts"

class Storm extends Data.TaggedError("Storm")<{ readonly city: string }> {}

const weather = Tool.make({
  name: "weather",
  parameters: Schema.Struct({ city: Schema.String }),
  handler: ({ city }) => city === "Oslo" ? Effect.fail(new Storm({ city })) : Effect.succeed({ city, celsius: 21 })
})
const usage = { inputTokens: 10, outputTokens: 5 }
const call = (...cities: ReadonlyArray<string>) =>
  FakeProvider.toolCalls(cities.map((city) => ({ name: "weather", arguments: { city } })), { text: "Looking.", usage })

describe("streamTools", () => {
  it.scoped("gives deltas, calls, results, the end of each step, and one Finish with the sums", () =>
    Effect.gen(function*() {
      const provider = yield* fake(
        call("Rome", "Nice"),
        FakeProvider.text("Mild.", { usage }),
        call("Rome", "Nice"),
        FakeProvider.text("Mild.", { usage })
      )
      const options = { prompt: "Weather?", tools: [weather] }
      const parts = yield* LLM.streamTools(options).pipe(
        Stream.runCollect,
        Effect.map(Chunk.toReadonlyArray),
        Effect.provide(provider.layers.anthropic)
      )
      const tags = parts.map((part) => part._tag).filter((tag, i, all) => tag !== all[i - 1])
      assert.deepStrictEqual(tags.filter((tag) => tag !== "ToolCallDelta" && tag !== "ToolCallPart"), [
        "TextDelta",
        "BlockEnd",
        "BlockEnd",
        "BlockEnd",
        "StepEnd",
        "ToolResult",
        "TextDelta",
        "BlockEnd",
        "StepEnd",
        "Finish"
      ])
      const last = parts.at(-1)
      assert(last?._tag === "Finish")
      const whole = yield* LLM.runTools(options).pipe(Effect.provide(provider.layers.anthropic))
      assert.strictEqual(last.response.content, "Mild.")
      assert.deepStrictEqual(last.response.usage, whole.usage)
      assert.deepStrictEqual(last.response.cost, whole.cost)
      assert.isTrue(Option.isSome(last.response.cost))
      assert.lengthOf(last.response.steps, 2)
      assert.deepStrictEqual(last.response.messages.map(({ role }) => role), ["user", "assistant", "tool", "assistant"])
    }))

  it.scoped("tells a result when its tool ends, and the model in the order of the calls", () =>
    Effect.gen(function*() {
      const gate = yield* Deferred.make<void>()
      const slow = Tool.make({
        name: "weather",
        parameters: Schema.Struct({ city: Schema.String }),
        handler: ({ city }) => city === "Rome" ? Effect.as(Deferred.await(gate), city) : Effect.succeed(city)
      })
      const provider = yield* fake(call("Rome", "Nice"), FakeProvider.text("Mild."))
      const seen = yield* LLM.streamTools({ prompt: "Weather?", tools: [slow] }).pipe(
        Stream.filterMap((part) => part._tag === "ToolResult" ? Option.some(part.part.result) : Option.none()),
        Stream.tap((city) => city === "Nice" ? Deferred.succeed(gate, undefined) : Effect.void),
        Stream.runCollect,
        Effect.provide(provider.layers.chat)
      )
      assert.deepStrictEqual(Chunk.toReadonlyArray(seen), ["Nice", "Rome"])
      const [, second] = yield* bodies(provider)
      assert.deepStrictEqual(Object(second).messages.slice(2).map(({ content }: { content: string }) => content), [
        "Rome",
        "Nice"
      ])
    }))

  it.scoped("runs anew each time it is run", () =>
    Effect.gen(function*() {
      const provider = yield* fake(
        FakeProvider.text("a"),
        FakeProvider.text("b"),
        FakeProvider.text("c"),
        FakeProvider.text("d")
      )
      const stream = LLM.streamTools({ prompt: "Hi", tools: [weather] }).pipe(LLM.textOf, Stream.mkString)
      const effect = LLM.runTools({ prompt: "Hi", tools: [weather] })
      const program = Effect.gen(function*() {
        assert.deepStrictEqual([yield* stream, yield* stream], ["a", "b"])
        assert.deepStrictEqual([(yield* effect).steps.length, (yield* effect).steps.length], [1, 1])
      })
      yield* Effect.provide(program, provider.layers.chat)
    }))

  it.scoped("a handler's error is told to the model, or fails the stream", () =>
    Effect.gen(function*() {
      const provider = yield* fake(call("Oslo"), FakeProvider.text("Sorry."), call("Oslo"))
      const told = yield* LLM.streamTools({ prompt: "Weather?", tools: [weather] }).pipe(
        Stream.filter((part) => part._tag === "ToolResult"),
        Stream.runHead,
        Effect.provide(provider.layers.chat)
      )
      const part = Option.getOrThrow(told)
      assert(part._tag === "ToolResult")
      assert.isTrue(part.part.isError)
      yield* provider.reset
      yield* provider.script(call("Oslo"))
      const error = yield* LLM.streamTools({ prompt: "Weather?", tools: [weather], onToolError: "fail" }).pipe(
        Stream.runDrain,
        Effect.flip,
        Effect.provide(provider.layers.chat)
      )
      assert.strictEqual(error._tag, "Storm")
    }))

  it.scoped("stops after maxSteps, decodes the last answer only, and shows an object growing", () =>
    Effect.gen(function*() {
      const provider = yield* fake(call("Rome"), call("Rome"), call("Rome"), FakeProvider.json({ warm: true }))
      const error = yield* LLM.streamTools({ prompt: "Weather?", tools: [weather], maxSteps: 2 }).pipe(
        Stream.runDrain,
        Effect.flip,
        Effect.provide(provider.layers.chat)
      )
      assert.strictEqual(error._tag, "ToolStepsExceededError")
      const last = yield* LLM.streamTools({
        prompt: "Weather?",
        tools: [weather],
        output: Output.object(Schema.Struct({ warm: Schema.Boolean }))
      }).pipe(Stream.runLast, Effect.provide(provider.layers.openai))
      const finish = Option.getOrThrow(last)
      assert(finish._tag === "Finish")
      assert.isTrue(finish.response.content.warm)
    }))

  it.scoped("a reader that leaves interrupts the tools that run", () =>
    Effect.gen(function*() {
      const started = yield* Deferred.make<void>()
      const ended = yield* Deferred.make<Exit.Exit<unknown, unknown>>()
      const endless = Tool.make({
        name: "weather",
        parameters: Schema.Struct({ city: Schema.String }),
        handler: () =>
          Effect.zipRight(Deferred.succeed(started, undefined), Effect.never).pipe(
            Effect.onExit((exit) => Deferred.succeed(ended, exit))
          )
      })
      const provider = yield* fake(call("Rome"))
      const fiber = yield* LLM.streamTools({ prompt: "Weather?", tools: [endless] }).pipe(
        Stream.runDrain,
        Effect.provide(provider.layers.chat),
        Effect.fork
      )
      yield* Deferred.await(started)
      yield* Fiber.interrupt(fiber)
      assert.isTrue(Exit.isInterrupted(yield* Deferred.await(ended)))
    }))

  it.scoped("a handler shows pictures, and errors of its own, on every wire", () =>
    Effect.gen(function*() {
      const png = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="
      const look = Tool.fromJsonSchema({
        name: "look",
        parameters: { type: "object" },
        handler: () => Effect.succeed(Tool.result({ seen: "a dot" }, { media: [Prompt.image(png)], isError: false }))
      })
      const provider = yield* fake()
      for (const layer of Object.values(provider.layers)) {
        yield* provider.reset
        yield* provider.script(FakeProvider.toolCalls([{ name: "look", arguments: {} }]), FakeProvider.text("A dot."))
        yield* LLM.runTools({ prompt: "Look", tools: [look] }).pipe(Effect.provide(layer))
        const [, second] = yield* bodies(provider)
        const sent = JSON.stringify(second)
        assert.include(sent, png)
        assert.include(sent, "a dot")
      }
    }))
})
