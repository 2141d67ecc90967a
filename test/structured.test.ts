import { assert, describe, it } from "@effect/vitest"
import { Chunk, Context, Effect, Exit, Layer, Option, Redacted, Schema, Stream } from "effect"
import { z } from "zod"
import {
  Anthropic,
  Gemini,
  LLM,
  type LLMError,
  OpenAI,
  OpenAIChat,
  OpenAICompatible,
  Output,
  Retry,
  Tool
} from "../src/index.ts"
import { FakeProvider } from "../src/testing/index.ts"
import * as UndiciHttpClient from "../src/UndiciHttpClient.ts"
import { chatAnswer, jsonResponse, stub } from "./stub.ts"

const common = { apiKey: Redacted.make("k-123456"), retry: Retry.none }

const ways = [
  ["openai responses, strict", (baseUrl: string) => OpenAI.layer({ ...common, baseUrl, model: "gpt-4.1" })],
  ["openai chat, strict", (baseUrl: string) => OpenAIChat.layer({ ...common, baseUrl, model: "gpt-4.1" })],
  [
    "a chat host, JSON mode",
    (baseUrl: string) => OpenAICompatible.layer({ ...common, baseUrl, model: "m", structured: "json-mode" })
  ],
  [
    "a chat host, prompt",
    (baseUrl: string) => OpenAICompatible.layer({ ...common, baseUrl, model: "m", structured: "prompt" })
  ],
  ["anthropic, constrained", (baseUrl: string) => Anthropic.layer({ ...common, baseUrl, model: "claude-sonnet-4-5" })],
  [
    "anthropic, prompt",
    (baseUrl: string) => Anthropic.layer({ ...common, baseUrl, model: "claude-sonnet-4-5", structured: "prompt" })
  ],
  ["gemini", (baseUrl: string) => Gemini.layer({ ...common, baseUrl, model: "gemini-2.5-flash" })]
] as const

const Person = Schema.Struct({
  name: Schema.NonEmptyString,
  age: Schema.Int.pipe(Schema.between(0, 150)),
  nick: Schema.optional(Schema.String)
})

const right = { name: "Ada", age: 36 }
const json = JSON.stringify(right)

type Expected = { readonly value: unknown } | { readonly error: string; readonly paths?: ReadonlyArray<string> }

const answers: ReadonlyArray<readonly [name: string, reply: FakeProvider.Reply, expected: Expected]> = [
  ["as it is", FakeProvider.text(json), { value: right }],
  ["with white space around", FakeProvider.text(`\n\n  ${json}\n`), { value: right }],
  ["in a fence", FakeProvider.text(`\`\`\`json\n${json}\n\`\`\``), { value: right }],
  ["with prose around", FakeProvider.text(`Here is the person: ${json}. Anything else?`), { value: right }],
  ["two objects", FakeProvider.text(`{"name":"Bob","age":1}\n${json}`), { value: right }],
  ["an object of another shape after it", FakeProvider.text(`${json}\n{"name":"Bob"}`), { value: right }],
  ["a null for an absent field", FakeProvider.text("{\"name\":\"Ada\",\"age\":36,\"nick\":null}"), { value: right }],
  ["brackets inside a string", FakeProvider.text("{\"name\":\"A } ] ```json { da\",\"age\":36}"), {
    value: { name: "A } ] ```json { da", age: 36 }
  }],
  ["a trailing comma", FakeProvider.text("{\"name\":\"Ada\",\"age\":36,}"), { error: "NotJson" }],
  ["no JSON", FakeProvider.text("I do not know any Ada."), { error: "NotJson" }],
  ["a wrong type", FakeProvider.text("{\"name\":\"Ada\",\"age\":\"36\"}"), { error: "Mismatch", paths: ["age"] }],
  ["out of bounds", FakeProvider.text("{\"name\":\"Ada\",\"age\":360}"), { error: "Mismatch", paths: ["age"] }],
  ["a missing field", FakeProvider.text("{\"name\":\"Ada\"}"), { error: "Mismatch", paths: ["age"] }],
  ["several things wrong", FakeProvider.text("{\"name\":\"\",\"age\":-1}"), {
    error: "Mismatch",
    paths: ["name", "age"]
  }],
  ["an empty object", FakeProvider.text("{}"), { error: "Empty" }],
  ["nothing but nulls", FakeProvider.text("{\"name\":null,\"age\":null,\"nick\":null}"), { error: "Empty" }],
  ["nothing", FakeProvider.text(""), { error: "Empty" }],
  ["a cut-off object", FakeProvider.truncated("{\"name\":\"Ada\",\"ag"), { error: "ResponseTruncatedError" }],
  ["a refusal", FakeProvider.refusal("No."), { error: "ContentFilteredError" }]
]

const outcome = (exit: Exit.Exit<{ readonly content: unknown }, LLMError.LLMError>): Expected => {
  if (Exit.isSuccess(exit)) return { value: exit.value.content }
  const error = exit.cause._tag === "Fail" ? exit.cause.error : undefined
  if (error?._tag !== "ResponseParsingError") return { error: error?._tag ?? String(exit) }
  return { error: error.reason, paths: error.issues.map(({ path }) => path.join(".")) }
}

describe("answers of every kind, on every way of asking, single and streamed", () => {
  for (const [way, layerOf] of ways) {
    it.scopedLive(way, () =>
      Effect.gen(function*() {
        const fake = yield* FakeProvider.make()
        const context = yield* Layer.build(layerOf(fake.url).pipe(Layer.provide(UndiciHttpClient.layer)))
        for (const [name, reply, expected] of answers) {
          yield* fake.script(reply, reply)
          const request = { prompt: "Who is Ada?", schema: Person }
          for (const ask of [LLM.generateObject(request), LLM.collect(LLM.streamObject(request))]) {
            const seen = outcome(yield* Effect.exit(ask).pipe(Effect.provide(context)))
            if ("error" in expected && expected.paths === undefined) {
              assert.strictEqual("error" in seen ? seen.error : JSON.stringify(seen), expected.error, name)
            } else assert.deepStrictEqual(seen, expected, name)
          }
        }
      }))
  }
})

describe("repair", () => {
  const live = (...texts: ReadonlyArray<string>) => {
    const http = stub(...texts.map((text) => () => jsonResponse(chatAnswer(text))))
    return { http, layer: OpenAIChat.layer({ ...common, model: "gpt-4.1-mini" }).pipe(Layer.provide(http.layer)) }
  }
  const ask = (repair: number) => LLM.generateObject({ prompt: "Who is Ada?", schema: Person, repair })

  it.effect("asks again with what is wrong, and adds up what all of it cost", () =>
    Effect.gen(function*() {
      const { http, layer } = live("{\"name\":\"\",\"age\":360}", "Sorry, I mean Ada.", json)
      const answer = yield* ask(2).pipe(Effect.provide(layer))
      assert.deepStrictEqual(answer.content, right)
      assert.strictEqual(answer.usage.totalTokens, 45)
      assert.strictEqual(Option.getOrThrow(answer.cost).total, 0.000036)
      assert.deepStrictEqual(answer.attempts.map(({ error }) => error), [
        "ResponseParsingError",
        "ResponseParsingError",
        undefined
      ])
      const messages: ReadonlyArray<{ readonly role: string; readonly content: string }> =
        Object(http.sent[2]?.body).messages
      assert.deepStrictEqual(messages.map(({ role }) => role), ["user", "assistant", "user", "assistant", "user"])
      assert.strictEqual(messages[1]?.content, "{\"name\":\"\",\"age\":360}")
      assert.match(messages[2]?.content ?? "", /- name: .*\n- age: .*150/)
      assert.match(messages[4]?.content ?? "", /JSON/)
    }))

  it.effect("gives up after as many tries as were allowed, with all of them listed", () =>
    Effect.gen(function*() {
      const { http, layer } = live("{\"name\":1}")
      const error = yield* Effect.flip(ask(2)).pipe(Effect.provide(layer))
      assert.lengthOf(http.sent, 3)
      assert.strictEqual(error._tag, "ResponseParsingError")
      assert.lengthOf(error.attempts, 3)
    }))

  it.effect("does not send back what was cut off or refused", () =>
    Effect.gen(function*() {
      const cut = stub(() =>
        jsonResponse(chatAnswer("", {
          choices: [{ index: 0, message: { content: "{\"name\":\"A" }, finish_reason: "length" }]
        }))
      )
      const layer = OpenAIChat.layer({ ...common, model: "gpt-4.1-mini" }).pipe(Layer.provide(cut.layer))
      const error = yield* Effect.flip(ask(3)).pipe(Effect.provide(layer))
      assert.strictEqual(error._tag, "ResponseTruncatedError")
      assert.lengthOf(cut.sent, 1)
    }))
})

describe("raw JSON Schema", () => {
  const answering = (text: string) => {
    const http = stub(() => jsonResponse(chatAnswer(text)))
    return { http, layer: OpenAIChat.layer({ ...common, model: "gpt-4.1-mini" }).pipe(Layer.provide(http.layer)) }
  }

  it.effect("validates drafts 7 and 2020-12 with formats, and sorts keys", () =>
    Effect.gen(function*() {
      const { layer } = answering("{\"z\":1,\"at\":\"2026-01-01\",\"pair\":[1,\"a\"]}")
      for (
        const pair of [
          { $schema: "http://json-schema.org/draft-07/schema#", items: [{ type: "number" }, { type: "string" }] },
          {
            $schema: "https://json-schema.org/draft/2020-12/schema",
            prefixItems: [{ type: "number" }, { type: "string" }]
          }
        ]
      ) {
        const { $schema, ...tuple } = pair
        const { content } = yield* LLM.generateJsonSchema({
          prompt: "x",
          jsonSchema: {
            $schema,
            type: "object",
            properties: {
              at: { type: "string", format: "date" },
              pair: { type: "array", ...tuple },
              z: { type: "integer" }
            },
            required: ["at"]
          }
        }).pipe(Effect.provide(layer))
        assert.strictEqual(JSON.stringify(content), "{\"at\":\"2026-01-01\",\"pair\":[1,\"a\"],\"z\":1}")
      }
    }))

  it.effect("says where an answer is wrong", () =>
    Effect.gen(function*() {
      const { layer } = answering("{\"a\":[{\"b/c\":1}]}")
      const error = yield* Effect.flip(
        LLM.generateJsonSchema({
          prompt: "x",
          jsonSchema: {
            type: "object",
            properties: { a: { type: "array", items: { type: "object", properties: { "b/c": { type: "string" } } } } }
          }
        })
      ).pipe(Effect.provide(layer))
      assert.deepStrictEqual(error._tag === "ResponseParsingError" && error.issues, [
        { path: ["a", 0, "b/c"], message: "must be string" }
      ])
    }))

  it.effect("a broken schema is refused before anything is sent", () =>
    Effect.gen(function*() {
      const { http, layer } = answering("{}")
      const error = yield* Effect.flip(LLM.generateJsonSchema({ prompt: "x", jsonSchema: { type: "objekt" } })).pipe(
        Effect.provide(layer)
      )
      assert.strictEqual(error._tag === "InvalidRequestError" && error.reason, "InvalidSchema")
      assert.include(error.message, "type")
      assert.lengthOf(http.sent, 0)
    }))

  it.effect("so is a Schema that no model can be asked for, with the path", () =>
    Effect.gen(function*() {
      const { http, layer } = answering("{}")
      for (const field of [Schema.SymbolFromSelf, Schema.DateFromSelf, Schema.BigIntFromSelf]) {
        const schema = Schema.Struct({ outer: Schema.Struct({ inner: field }) })
        const error = yield* Effect.flip(LLM.generateObject({ prompt: "x", schema })).pipe(Effect.provide(layer))
        assert.strictEqual(error._tag === "InvalidRequestError" && error.reason, "InvalidSchema")
        assert.match(error.message, /\["outer"\]\["inner"\]/)
      }
      assert.lengthOf(http.sent, 0)
    }))
})

describe("Standard Schema", () => {
  const schema = z.object({ name: z.string(), born: z.string().transform((text) => Number(text)) })
  const output = Output.standard(schema, {
    jsonSchema: {
      type: "object",
      properties: { name: { type: "string" }, born: { type: "string" } },
      required: ["name", "born"],
      additionalProperties: false
    }
  })
  const run = (text: string) => {
    const http = stub(() => jsonResponse(chatAnswer(text)))
    return LLM.generate({ prompt: "Who?", output }).pipe(
      Effect.provide(OpenAIChat.layer({ ...common, model: "gpt-4.1-mini" }).pipe(Layer.provide(http.layer)))
    )
  }

  it.effect("decodes with the other library, and reports its issues", () =>
    Effect.gen(function*() {
      const { content } = yield* run("{\"name\":\"Ada\",\"born\":\"1815\"}")
      assert.deepStrictEqual(content, { name: "Ada", born: 1815 })
      const error = yield* Effect.flip(run("{\"name\":1,\"born\":\"x\"}"))
      assert.deepStrictEqual(error._tag === "ResponseParsingError" && error.issues.map(({ path }) => path), [["name"]])
    }))
})

describe("streamArray", () => {
  it.scopedLive("gives each element once it is complete, decoded, and says which one is wrong", () =>
    Effect.gen(function*() {
      const fake = yield* FakeProvider.make()
      const Item = Schema.Struct({ at: Schema.Date, tags: Schema.Array(Schema.String) })
      const list = (items: ReadonlyArray<unknown>) =>
        FakeProvider.text(JSON.stringify({ value: items }), { chunks: 40 })
      const items = [1, 2, 3].map((n) => ({ at: `2026-01-0${n}T00:00:00.000Z`, tags: ["a", "b".repeat(n)] }))
      yield* fake.script(list(items), list([items[0], { at: "soon", tags: [] }, items[2]]), list([]))
      const context = yield* Layer.build(
        OpenAI.layer({ ...common, baseUrl: fake.url, model: "gpt-4.1" }).pipe(Layer.provide(UndiciHttpClient.layer))
      )
      const elements = LLM.streamArray({ prompt: "List", schema: Item })
      const all = yield* Stream.runCollect(elements).pipe(Effect.provide(context))
      assert.deepStrictEqual(Chunk.toReadonlyArray(all).map(({ at, tags }) => [at.getUTCDate(), tags[1]]), [
        [1, "b"],
        [2, "bb"],
        [3, "bbb"]
      ])
      const seen: Array<number> = []
      const error = yield* elements.pipe(
        Stream.runForEach(({ at }) => Effect.sync(() => seen.push(at.getUTCDate()))),
        Effect.flip,
        Effect.provide(context)
      )
      assert.deepStrictEqual(seen, [1])
      assert.deepStrictEqual(error._tag === "ResponseParsingError" && error.issues.map(({ path }) => path), [[1, "at"]])
      assert.strictEqual(Chunk.size(yield* Stream.runCollect(elements).pipe(Effect.provide(context))), 0)
    }))
})

describe("requirements", () => {
  class Factor extends Context.Tag("test/Factor")<Factor, number>() {}

  it.effect("of an effectful schema are met when the answer is decoded", () =>
    Effect.gen(function*() {
      const Scaled = Schema.transformOrFail(Schema.Number, Schema.Number, {
        decode: (n) => Effect.map(Factor, (factor) => n * factor),
        encode: (n) => Effect.succeed(n)
      })
      const http = stub(() => jsonResponse(chatAnswer("{\"value\":21}")))
      const { content } = yield* LLM.generateObject({ prompt: "x", schema: Scaled }).pipe(
        Effect.provide(OpenAIChat.layer({ ...common, model: "gpt-4.1-mini" }).pipe(Layer.provide(http.layer))),
        Effect.provideService(Factor, 2)
      )
      assert.strictEqual(content, 42)
    }))
})

describe("tools", () => {
  it.effect("of any schema: unions are wrapped and unwrapped, strict nulls go away, the model sees its own words again", () =>
    Effect.gen(function*() {
      const seen: Array<unknown> = []
      const shape = Tool.make({
        name: "shape",
        parameters: Schema.Union(Schema.Struct({ radius: Schema.Number }), Schema.Struct({ side: Schema.Number })),
        handler: (value) => Effect.sync(() => void seen.push(value))
      })
      const strict = Tool.make({
        name: "strict",
        strict: true,
        parameters: Schema.Struct({ a: Schema.String, b: Schema.optional(Schema.Number) }),
        handler: (value) => Effect.sync(() => void seen.push(value))
      })
      const call = (name: string, args: string) => ({ id: name, type: "function", function: { name, arguments: args } })
      const http = stub(
        () =>
          jsonResponse(chatAnswer("", {
            choices: [{
              index: 0,
              message: {
                content: null,
                tool_calls: [call("shape", "{\"value\":{\"side\":2}}"), call("strict", "{\"a\":\"x\",\"b\":null}")]
              },
              finish_reason: "tool_calls"
            }]
          })),
        () => jsonResponse(chatAnswer("done"))
      )
      yield* LLM.runTools({ prompt: "Go", tools: [shape, strict] }).pipe(
        Effect.provide(OpenAIChat.layer({ ...common, model: "gpt-4.1-mini" }).pipe(Layer.provide(http.layer)))
      )
      assert.deepStrictEqual(seen, [{ side: 2 }, { a: "x" }])
      const [tools, again] = [Object(http.sent[0]?.body).tools, Object(http.sent[1]?.body).messages[1].tool_calls]
      assert.strictEqual(tools[0].function.parameters.type, "object")
      assert.deepStrictEqual(tools[1].function.parameters.required, ["a", "b"])
      assert.strictEqual(again[0].function.arguments, "{\"value\":{\"side\":2}}")
    }))
})
