/** What breaks the types is a typed error. */
import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { Cascade, LLM, OpenAIChat, Output, type Prompt } from "../src/index.ts"

const member = OpenAIChat.layer({ apiKey: Redacted.make("k"), baseUrl: "http://127.0.0.1:1", model: "gpt-4.1" })
const live = Layer.provide(member, NodeHttpClient.layerUndici)
const layers = [
  ["a provider", live],
  ["a cascade", Layer.provide(Cascade.layer([member, member]), NodeHttpClient.layerUndici)]
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
