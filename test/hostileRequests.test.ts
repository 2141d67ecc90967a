/** What breaks the types is a typed error. */
import { Persistence } from "@effect/experimental"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import * as Cache from "../src/Cache.ts"
import { Balance, Cascade, Hooks, LLM, OpenAIChat, Output, type Prompt } from "../src/index.ts"
import { TestLLM } from "../src/testing/index.ts"
import * as UndiciHttpClient from "../src/UndiciHttpClient.ts"

const member = OpenAIChat.layer({ apiKey: Redacted.make("k"), baseUrl: "http://127.0.0.1:1", model: "gpt-4.1" })
const live = Layer.provide(member, UndiciHttpClient.layer)
const judge = Hooks.judge({ llm: TestLLM.layer([]), criteria: "be kind", on: "before" })
const layers = [
  ["a provider", live],
  ["a cascade", Layer.provide(Cascade.layer([member, member]), UndiciHttpClient.layer)],
  ["a hedge", Layer.provide(Cascade.layer([member, member], { hedge: { after: 1 } }), UndiciHttpClient.layer)],
  [
    "the cheapest of some",
    Layer.provide(Balance.layer([member, member], { strategy: Balance.cheapest() }), UndiciHttpClient.layer)
  ],
  ["a script", TestLLM.layer([])],
  ["a cache", Cache.layer().pipe(Layer.provide(live), Layer.provide(Persistence.layerResultMemory))],
  [
    "a pattern",
    Layer.provide(Hooks.layer([Hooks.regex({ name: "n", pattern: /crime/, action: "redact", on: "both" })]), live)
  ],
  ["a judge", Layer.provide(Hooks.layer([judge]), live)]
] as const

// What a program without types passes.
const untyped = (options: object) => options as LLM.Options

const schema = { type: "object", properties: { a: { type: "string" } } }

describe.each(layers)("requests that break the types, to %s", (_name, layer) => {
  it.effect.each<readonly [string, LLM.Options]>([
    ["no prompt", untyped({ prompt: undefined })],
    ["a prompt of null", untyped({ prompt: null })],
    ["a number as prompt", untyped({ prompt: 5 })],
    ["a message of null", untyped({ prompt: [null] })],
    ["a message without content", untyped({ prompt: [{ role: "user" }] })],
    ["a message of nobody", untyped({ prompt: [{ role: "nobody", content: "Hello" }] })],
    ["a text that is none", untyped({ prompt: [{ role: "user", content: [{ type: "text" }] }] })],
    ["a picture without media", untyped({ prompt: [{ role: "user", content: [{ type: "image" }] }] })],
    ["a result without its call", untyped({ prompt: [{ role: "tool", content: [{ type: "tool-result" }] }] })],
    ["a number as system", untyped({ prompt: "Hello", system: 5 })],
    ["tools of undefined", untyped({ prompt: "Hello", tools: [undefined] })],
    ["a tool without a name", untyped({ prompt: "Hello", tools: [{}] })],
    ["an object as tools", untyped({ prompt: "Hello", tools: {} })],
    ["a stop of null", untyped({ prompt: "Hello", stop: [null] })],
    ["a number as stop", untyped({ prompt: "Hello", stop: 5 })],
    ["a number as timeouts", untyped({ prompt: "Hello", timeouts: 5 })],
    ["a part of null", untyped({ prompt: [{ role: "user", content: [null] }] })],
    ["an unreadable total", untyped({ prompt: "Hello", timeouts: { total: "soon" } })],
    ["an unreadable firstToken", untyped({ prompt: "Hello", timeouts: { firstToken: "soon" } })],
    ["an unreadable betweenTokens", untyped({ prompt: "Hello", timeouts: { betweenTokens: {} } })]
  ])("%s", ([, request]) =>
    Effect.gen(function*() {
      for (const call of [LLM.generateText(request), LLM.collect(LLM.streamText(request))]) {
        const error = yield* Effect.flip(call)
        assert.strictEqual(error._tag, "InvalidRequestError")
      }
    }).pipe(Effect.provide(layer)))

  it.effect.each<readonly [string, Prompt.JsonObject]>([
    ["$async", { ...schema, $async: true }]
  ])("a schema with %s", ([, schema]) =>
    Effect.gen(function*() {
      const request = { prompt: "Hello", output: Output.jsonSchema(schema) }
      const error = yield* Effect.flip(Effect.flatMap(LLM.LLM, (llm) => llm.generate(request)))
      assert.strictEqual(error._tag, "InvalidRequestError")
    }).pipe(Effect.provide(layer)))
})
