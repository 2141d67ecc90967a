/** Schemas that refer to themselves without end, or nest without reason: a typed error or a right answer, soon. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { Anthropic, Bedrock, Cohere, Gemini, LLM, OpenAI, OpenAIChat, type Prompt } from "../../../src/index.ts"
import { FakeProvider } from "../../../src/testing/index.ts"
import * as UndiciHttpClient from "../../../src/UndiciHttpClient.ts"

const properties = { a: { type: "string" }, next: { $ref: "#" } }
const wide = (keyword: string): Prompt.JsonObject => ({
  type: "object",
  properties: { a: { $ref: "#/$defs/d0" } },
  $defs: Object.fromEntries(
    Array.from({ length: 40 }, (_, i) => {
      const inner = i < 39 ? { $ref: `#/$defs/d${i + 1}` } : { type: "string" }
      return [`d${i}`, { [keyword]: [inner, inner] }]
    })
  )
})

const schemas: ReadonlyArray<readonly [string, Prompt.JsonObject]> = [
  ["itself", { $ref: "#" }],
  ["allOf itself", { type: "object", properties, allOf: [{ $ref: "#" }] }],
  ["anyOf itself", { anyOf: [{ $ref: "#" }, { type: "object", properties }] }],
  ["only anyOf itself", { anyOf: [{ $ref: "#" }] }],
  ["oneOf itself", { oneOf: [{ type: "object", properties }, { $ref: "#" }] }],
  ["two in a ring", {
    $ref: "#/$defs/a",
    $defs: { a: { allOf: [{ $ref: "#/$defs/b" }] }, b: { anyOf: [{ $ref: "#/$defs/a" }] } }
  }],
  ["a field that is anyOf itself", {
    type: "object",
    properties: { a: { $ref: "#/$defs/loop" } },
    $defs: { loop: { anyOf: [{ $ref: "#/$defs/loop" }, { type: "string" }, { type: "null" }] } }
  }],
  ["a field that is allOf itself", {
    type: "object",
    properties: { a: { $ref: "#/$defs/loop" } },
    $defs: { loop: { type: "string", allOf: [{ $ref: "#/$defs/loop" }] } }
  }],
  ["not itself", { type: "object", properties, not: { $ref: "#" } }],
  ["nested $async", { type: "object", properties: { a: { $async: true, type: "string" } } }],
  ["$async in a definition", {
    type: "object",
    properties: { a: { $ref: "#/$defs/a" } },
    $defs: { a: { $async: true, type: "string" } }
  }],
  ["2^40 paths of anyOf", wide("anyOf")],
  ["2^40 paths of allOf", wide("allOf")]
]

const wires = {
  anthropic: Anthropic.layer,
  openai: OpenAI.layer,
  "openai-chat": OpenAIChat.layer,
  gemini: Gemini.layer,
  cohere: Cohere.layer,
  bedrock: (options: Parameters<typeof Anthropic.layer>[0]) => Bedrock.layer({ ...options, region: "us-east-1" })
}

describe.each(Object.entries(wires))("schemas to %s", (name, layer) => {
  it.scopedLive.each(schemas)("%s", ([, jsonSchema]) =>
    Effect.gen(function*() {
      const fake = yield* FakeProvider.make({ respond: () => FakeProvider.text("{\"a\":\"b\",\"next\":null}") })
      const model = name === "anthropic" ? "claude-sonnet-5" : name === "gemini" ? "gemini-2.5-flash" : "gpt-4.1"
      const live = Layer.provide(
        layer({ model, apiKey: Redacted.make("k-123456"), baseUrl: fake.url }),
        UndiciHttpClient.layer
      )
      const tools = [{ name: "look", parameters: jsonSchema }]
      const output = LLM.generateJsonSchema({ prompt: "Hello", jsonSchema })
      const calls = [output, LLM.generateText({ prompt: "Hello", tools })]
      for (const call of calls) {
        const outcome = yield* Effect.either(Effect.provide(call, live))
        if (outcome._tag === "Left") {
          assert.include(["InvalidRequestError", "ResponseParsingError"], outcome.left._tag, outcome.left.message)
        }
      }
    }), 10_000)
})
