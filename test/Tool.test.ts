import { assert, describe, it } from "@effect/vitest"
import { Context, Data, Effect, Layer, Option, Redacted, Schema } from "effect"
import { LLM, LLMError, OpenAIChat, Output, Retry, Tool } from "../src/index.ts"
import { chatAnswer, jsonResponse, type Stub, stub } from "./stub.ts"

const calls = (...list: ReadonlyArray<readonly [name: string, args: string]>) => () =>
  jsonResponse(chatAnswer("", {
    choices: [{
      index: 0,
      message: {
        role: "assistant",
        content: null,
        tool_calls: list.map(([name, args], i) => ({
          id: `c${i}`,
          type: "function",
          function: { name, arguments: args }
        }))
      },
      finish_reason: "tool_calls"
    }]
  }))

const says = (text: string) => () => jsonResponse(chatAnswer(text))

const live = (http: Stub) =>
  OpenAIChat.layer({ model: "gpt-4.1-mini", apiKey: Redacted.make("k"), retry: Retry.none }).pipe(
    Layer.provide(http.layer)
  )

const messages = (http: Stub, i: number): ReadonlyArray<Record<string, unknown>> => Object(http.sent[i]?.body).messages

class Weather extends Context.Tag("test/Weather")<Weather, { readonly celsius: (city: string) => number }>() {}
class Storm extends Data.TaggedError("Storm")<{ readonly city: string }> {
  override get message() {
    return `storm over ${this.city}`
  }
}

const weather = Tool.make({
  name: "weather",
  description: "The weather in a city",
  parameters: Schema.Struct({ city: Schema.String }),
  handler: ({ city }) =>
    Effect.flatMap(
      Weather,
      ({ celsius }) =>
        city === "Oslo" ? Effect.fail(new Storm({ city })) : Effect.succeed({ city, celsius: celsius(city) })
    )
})

const services = Layer.succeed(Weather, { celsius: (city) => city.length })

describe("runTools", () => {
  it.effect("runs what is called, tells the model, and adds up usage and cost", () =>
    Effect.gen(function*() {
      const http = stub(calls(["weather", "{\"city\":\"Rome\"}"], ["weather", "{\"city\":\"Nice!\"}"]), says("Mild."))
      const answer = yield* LLM.runTools({ prompt: "Weather?", tools: [weather] }).pipe(
        Effect.provide([live(http), services])
      )
      assert.strictEqual(answer.content, "Mild.")
      assert.strictEqual(answer.usage.totalTokens, 30)
      assert.strictEqual(Option.getOrThrow(answer.cost).total, 0.000024)
      assert.lengthOf(answer.steps, 2)
      assert.deepStrictEqual(answer.messages.map(({ role }) => role), ["user", "assistant", "tool", "assistant"])
      assert.deepStrictEqual(messages(http, 1).slice(2), [
        { role: "tool", tool_call_id: "c0", content: "{\"city\":\"Rome\",\"celsius\":4}" },
        { role: "tool", tool_call_id: "c1", content: "{\"city\":\"Nice!\",\"celsius\":5}" }
      ])
    }))

  it.effect("runs handlers side by side and keeps the order of the calls", () =>
    Effect.gen(function*() {
      const order: Array<string> = []
      const slow = Tool.make({
        name: "slow",
        parameters: Schema.Struct({ turns: Schema.Int }),
        handler: ({ turns }) =>
          Effect.gen(function*() {
            for (let i = 0; i < turns; i++) yield* Effect.yieldNow()
            order.push(`after ${turns}`)
            return turns
          })
      })
      const http = stub(calls(["slow", "{\"turns\":50}"], ["slow", "{\"turns\":1}"]), says("ok"))
      yield* LLM.runTools({ prompt: "Go", tools: [slow] }).pipe(Effect.provide(live(http)))
      assert.deepStrictEqual(order, ["after 1", "after 50"])
      assert.deepStrictEqual(messages(http, 1).slice(2).map(({ content }) => content), ["50", "1"])
    }))

  it.effect("a failing handler is told to the model", () =>
    Effect.gen(function*() {
      const http = stub(calls(["weather", "{\"city\":\"Oslo\"}"]), says("Stormy."))
      const answer = yield* LLM.runTools({ prompt: "Weather?", tools: [weather] }).pipe(
        Effect.provide([live(http), services])
      )
      assert.strictEqual(answer.content, "Stormy.")
      assert.strictEqual(messages(http, 1).at(-1)?.["content"], "Error: storm over Oslo")
    }))

  it.effect("or fails the call with its own error, if the caller says so", () =>
    Effect.gen(function*() {
      const http = stub(calls(["weather", "{\"city\":\"Oslo\"}"]))
      const city = yield* LLM.runTools({ prompt: "Weather?", tools: [weather], onToolError: "fail" }).pipe(
        Effect.provide([live(http), services]),
        Effect.catchTag("Storm", (storm) => Effect.succeed(storm.city))
      )
      assert.strictEqual(city, "Oslo")
    }))

  it.effect("a defect of a handler is not swallowed", () =>
    Effect.gen(function*() {
      const broken = Tool.make({
        name: "broken",
        parameters: Schema.Struct({}),
        handler: () => Effect.dieMessage("bug")
      })
      const http = stub(calls(["broken", ""]))
      const exit = yield* Effect.exit(LLM.runTools({ prompt: "Go", tools: [broken] }).pipe(Effect.provide(live(http))))
      assert.include(String(exit), "bug")
    }))

  it.effect("wrong arguments, broken JSON and unknown tools are told to the model", () =>
    Effect.gen(function*() {
      const http = stub(
        calls(["weather", "{\"town\":1}"], ["weather", "{\"city\": \"Ro"], ["nothing", "{}"]),
        says("Sorry.")
      )
      yield* LLM.runTools({ prompt: "Weather?", tools: [weather], onToolError: "fail" }).pipe(
        Effect.provide([live(http), services])
      )
      const told = messages(http, 1).slice(2).map(({ content }) => String(content))
      assert.match(told[0] ?? "", /city.*missing/)
      assert.match(told[1] ?? "", /not valid JSON/)
      assert.match(told[2] ?? "", /no tool named nothing; there are weather/)
    }))

  it.effect("no arguments come as nothing, null or {}", () =>
    Effect.gen(function*() {
      let ran = 0
      const ping = Tool.make({
        name: "ping",
        parameters: Schema.Struct({}),
        handler: () => Effect.sync(() => void ran++)
      })
      const http = stub(calls(["ping", ""], ["ping", "null"], ["ping", "{}"]), says("pong"))
      yield* LLM.runTools({ prompt: "Go", tools: [ping] }).pipe(Effect.provide(live(http)))
      assert.strictEqual(ran, 3)
    }))

  it.effect("stops after maxSteps with the conversation so far", () =>
    Effect.gen(function*() {
      const http = stub(calls(["weather", "{\"city\":\"Rome\"}"]))
      const error = yield* Effect.flip(LLM.runTools({ prompt: "Weather?", tools: [weather], maxSteps: 3 })).pipe(
        Effect.provide([live(http), services])
      )
      assert.strictEqual(error._tag, "ToolStepsExceededError")
      assert.lengthOf(http.sent, 3)
      if (error._tag === "ToolStepsExceededError") {
        assert.lengthOf(error.messages, 6)
        assert.strictEqual(error.usage?.totalTokens, 45)
      }
    }))

  it.effect("forces a call only once", () =>
    Effect.gen(function*() {
      const http = stub(calls(["weather", "{\"city\":\"Rome\"}"]), says("Mild."))
      yield* LLM.runTools({ prompt: "Weather?", tools: [weather], toolChoice: "required" }).pipe(
        Effect.provide([live(http), services])
      )
      assert.deepStrictEqual(http.sent.map(({ body }) => Object(body).tool_choice), ["required", "auto"])
    }))

  it.effect("decodes the last answer only", () =>
    Effect.gen(function*() {
      const http = stub(calls(["weather", "{\"city\":\"Rome\"}"]), says("{\"warm\":true}"))
      const answer = yield* LLM.runTools({
        prompt: "Weather?",
        tools: [weather],
        output: Output.object(Schema.Struct({ warm: Schema.Boolean }))
      }).pipe(Effect.provide([live(http), services]))
      assert.isTrue(answer.content.warm)
    }))

  it.effect("a failed call surfaces as it is", () =>
    Effect.gen(function*() {
      const http = stub(() => jsonResponse({ error: { message: "no" } }, { status: 401 }))
      const error = yield* Effect.flip(LLM.runTools({ prompt: "Go", tools: [weather] })).pipe(
        Effect.provide([live(http), services])
      )
      assert.isTrue(LLMError.isLLMError(error))
    }))
})
