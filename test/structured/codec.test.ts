import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, Schema } from "effect"
import { Anthropic, Gemini, LLM, OpenAI, OpenAIChat, Output, Retry } from "../../src/index.ts"
import { codec } from "../../src/internal/schema/codec.ts"
import * as dialect from "../../src/internal/schema/dialect.ts"
import { chatAnswer, jsonResponse, stub } from "../stub.ts"
import { checkers, type Json } from "./checkers.ts"
import { makeModel } from "./model.ts"
import { dialects, roundTrip } from "./roundTrip.ts"
import { entries } from "./schemas.ts"

describe("each schema, in each dialect, as a model would answer", () => {
  for (const entry of entries) {
    for (const into of dialects) it(`${entry.name}, ${into.name}`, () => void roundTrip(entry, into))
  }

  it("has enough values of each", () => {
    assert.deepStrictEqual(
      entries.filter(({ few, samples }) => !few && samples(25).length < 25).map(({ name }) => name),
      []
    )
  })
})

describe("through a provider", () => {
  const Answer = Schema.Struct({
    at: Schema.Date,
    kind: Schema.optional(Schema.Literal("a", "b")),
    list: Schema.Array(Schema.Struct({ n: Schema.optional(Schema.NumberFromString) }))
  })
  const encoded: Json = { at: "2026-01-02T03:04:05.000Z", list: [{ n: "1" }, {}] }
  const common = { apiKey: Redacted.make("k-123456"), retry: Retry.none }
  const ways = [
    [
      "chat",
      dialect.openAIStrict,
      OpenAIChat.layer({ ...common, model: "gpt-4.1" }),
      (text: string) => chatAnswer(text)
    ],
    ["responses", dialect.openAIStrict, OpenAI.layer({ ...common, model: "gpt-4.1" }), (text: string) => ({
      id: "r",
      model: "gpt-4.1",
      status: "completed",
      output: [{ type: "message", role: "assistant", content: [{ type: "output_text", text }] }]
    })],
    [
      "anthropic",
      dialect.anthropicConstrained,
      Anthropic.layer({ ...common, model: "claude-sonnet-4-5" }),
      (text: string) => ({
        id: "m",
        type: "message",
        role: "assistant",
        model: "claude-sonnet-4-5",
        content: [{ type: "text", text }],
        stop_reason: "end_turn",
        usage: { input_tokens: 1, output_tokens: 1 }
      })
    ],
    ["gemini", dialect.gemini, Gemini.layer({ ...common, model: "gemini-2.5-flash" }), (text: string) => ({
      candidates: [{ content: { role: "model", parts: [{ text }] }, finishReason: "STOP" }]
    })]
  ] as const
  for (const [name, into, layer, answer] of ways) {
    it.effect(name, () =>
      Effect.gen(function*() {
        const made = codec(Output.object(Answer).format.schema, into)
        if (made === undefined) return assert.fail("refused")
        const http = stub(() => jsonResponse(answer(JSON.stringify(makeModel(made.schema, false)(encoded)))))
        const { content } = yield* LLM.generateObject({ prompt: "x", schema: Answer }).pipe(
          Effect.provide(layer),
          Effect.provide(http.layer)
        )
        assert.deepStrictEqual(content, { at: new Date("2026-01-02T03:04:05.000Z"), list: [{ n: 1 }, {}] })
        assert.include(JSON.stringify(http.sent[0]?.body), JSON.stringify(made.schema))
      }))
  }
})

describe("what JSON Schema says and Effect does not", () => {
  it("a property named __proto__", () => {
    const schema = JSON.parse(
      "{\"type\":\"object\",\"properties\":{\"__proto__\":{\"type\":\"string\"},\"b\":{\"type\":\"integer\"}},\"required\":[\"b\"]}"
    )
    for (const into of dialects) {
      const made = codec(schema, into)
      assert.isDefined(made)
      if (made === undefined) continue
      const value = JSON.parse("{\"__proto__\":\"x\",\"b\":1}")
      assert.strictEqual(JSON.stringify(made.restore(value)), JSON.stringify(value))
      assert.strictEqual(
        JSON.stringify(made.restore(JSON.parse("{\"__proto__\":null,\"b\":1}"))),
        "{\"b\":1}"
      )
    }
    const strict = codec(schema, dialect.openAIStrict)
    assert.deepStrictEqual(checkers["openai-strict"](strict?.schema ?? {}), [])
  })
})

describe("what no model can be asked for", () => {
  const nested = <A, I>(field: Schema.Schema<A, I>) => () =>
    Output.object(Schema.Struct({ outer: Schema.Array(Schema.Struct({ "in ner": field })) })).format
  const formats: ReadonlyArray<readonly [string, () => Output.Format]> = [
    ["symbol", nested(Schema.SymbolFromSelf)],
    ["date", nested(Schema.DateFromSelf)],
    ["bigint", nested(Schema.BigIntFromSelf)],
    ["instance", nested(Schema.instanceOf(RegExp))],
    ["declaration", nested(Schema.declare((value): value is RegExp => value instanceof RegExp))],
    ["function", nested(Schema.declare((value): value is () => void => typeof value === "function"))],
    ["last after a rest", nested(Schema.Tuple([Schema.Int], Schema.String, Schema.Boolean))]
  ]
  for (const [name, format] of formats) {
    it(`${name}: says where`, () => {
      let failure: unknown
      try {
        const made = format()
        assert.fail(made.type === "schema" ? JSON.stringify(made.schema) : made.type)
      } catch (error) {
        failure = error
      }
      assert.instanceOf(failure, Output.SchemaFailure)
      assert.match(String(Object(failure).message), /\["outer"\].*\["in ner"\]/)
    })
  }
})
