import { assert, describe, it } from "@effect/vitest"
import { Either, Schema } from "effect"
import { codec as makeCodec } from "../../../src/internal/schema/codec.ts"
import * as dialect from "../../../src/internal/schema/dialect.ts"
import * as Output from "../../../src/Output.ts"
import type { JsonValue } from "../../../src/Prompt.ts"

const codec = <A, I>(schema: Schema.Schema<A, I>, into: dialect.Dialect) =>
  makeCodec(Output.object(schema).format.schema, into)

const strict = <A, I>(schema: Schema.Schema<A, I>) => codec(schema, dialect.openAIStrict)

/** What the program gets when the model answers this. */
const answer = <A, I>(schema: Schema.Schema<A, I>, into: dialect.Dialect, value: JsonValue) =>
  Either.getOrThrow(Schema.decodeUnknownEither(schema)(codec(schema, into)?.restore(value)))

interface Tree {
  readonly value: string
  readonly children?: ReadonlyArray<Tree> | undefined
}
const Tree: Schema.Schema<Tree> = Schema.Struct({
  value: Schema.String,
  children: Schema.optional(Schema.Array(Schema.suspend((): Schema.Schema<Tree> => Tree)))
}).annotations({ identifier: "Tree" })

describe("strict", () => {
  it("closes every object, requires every property, and makes optional ones nullable", () => {
    const schema = Schema.Struct({
      a: Schema.String,
      b: Schema.optional(Schema.Struct({ c: Schema.optional(Schema.Number) }))
    })
    assert.deepStrictEqual(strict(schema)?.schema, {
      type: "object",
      properties: {
        a: { type: "string" },
        b: {
          anyOf: [
            {
              type: "object",
              properties: { c: { anyOf: [{ type: "number" }, { type: "null" }] } },
              required: ["c"],
              additionalProperties: false
            },
            { type: "null" }
          ]
        }
      },
      required: ["a", "b"],
      additionalProperties: false
    })
    assert.deepStrictEqual(answer(schema, dialect.openAIStrict, { a: "x", b: null }), { a: "x" })
    assert.deepStrictEqual(answer(schema, dialect.openAIStrict, { a: "x", b: { c: null } }), { a: "x", b: {} })
  })

  it("keeps a null that the schema means", () => {
    const schema = Schema.Struct({ a: Schema.NullOr(Schema.String), b: Schema.optional(Schema.NullOr(Schema.String)) })
    assert.deepStrictEqual(answer(schema, dialect.openAIStrict, { a: null, b: null }), { a: null, b: null })
  })

  it("takes nulls out of the member of a union that the answer is of", () => {
    const schema = Schema.Struct({
      shape: Schema.Union(
        Schema.Struct({ kind: Schema.Literal("circle"), radius: Schema.Number, label: Schema.optional(Schema.String) }),
        Schema.Struct({ kind: Schema.Literal("note"), label: Schema.NullOr(Schema.String) })
      )
    })
    const circle = answer(schema, dialect.openAIStrict, { shape: { kind: "circle", radius: 1, label: null } })
    assert.deepStrictEqual(circle, { shape: { kind: "circle", radius: 1 } })
    const note = answer(schema, dialect.openAIStrict, { shape: { kind: "note", label: null } })
    assert.deepStrictEqual(note, { shape: { kind: "note", label: null } })
  })

  it("wraps a root that is no object, and unwraps the answer", () => {
    const union = Schema.Union(Schema.Struct({ a: Schema.String }), Schema.Struct({ b: Schema.String }))
    for (
      const [made, value] of [
        [strict(Schema.Array(Schema.String)), ["a"]],
        [strict(Schema.Literal("yes", "no")), "yes"],
        [strict(union), { b: "x" }]
      ] as const
    ) {
      assert.deepStrictEqual(made?.schema["required"], ["value"])
      assert.deepStrictEqual(made?.restore({ value }), value)
      // A model that leaves the wrapper out is understood too.
      assert.deepStrictEqual(made?.restore(value), value)
    }
  })

  it("refers to itself where the dialect can, and says no where it cannot", () => {
    const made = strict(Tree)
    assert.deepStrictEqual(Object.keys(Object(made?.schema["$defs"])), ["Tree"])
    const value = { value: "a", children: [{ value: "b", children: null }] }
    assert.deepStrictEqual(answer(Tree, dialect.openAIStrict, value), { value: "a", children: [{ value: "b" }] })
    assert.isUndefined(codec(Tree, dialect.anthropicConstrained))
    assert.isDefined(codec(Tree, dialect.gemini))
  })

  it("says no to what it cannot say: records and anything", () => {
    assert.isUndefined(strict(Schema.Record({ key: Schema.String, value: Schema.Number })))
    assert.isUndefined(strict(Schema.Struct({ a: Schema.Unknown })))
  })

  it("sends no format it would reject", () => {
    const made = makeCodec(
      { type: "object", properties: { a: { type: "string", format: "uri", minLength: 1 } }, required: ["a"] },
      dialect.openAIStrict
    )
    // What cannot be sent is told.
    assert.deepStrictEqual(Object(made?.schema["properties"]).a, {
      type: "string",
      description: "(format: uri, minLength: 1)"
    })
  })
})

describe("every dialect", () => {
  it("keeps what stands beside a reference", () => {
    const schema = Schema.Struct({
      born: Schema.Int.pipe(Schema.between(1800, 1900)).annotations({ description: "Year" })
    })
    for (const into of [dialect.openAIStrict, dialect.plain, dialect.gemini]) {
      const born = Object(codec(schema, into)?.schema["properties"]).born
      assert.strictEqual(born.minimum, 1800, into.name)
      assert.strictEqual(born.maximum, 1900, into.name)
      assert.strictEqual(born.description, "Year", into.name)
      assert.strictEqual(born.type, "integer", into.name)
    }
    const constrained = Object(codec(schema, dialect.anthropicConstrained)?.schema["properties"]).born
    assert.strictEqual(constrained.type, "integer")
    assert.notProperty(constrained, "minimum")
  })

  it("does not loop on a described reference to itself", () => {
    interface Node {
      readonly next?: Node | undefined
    }
    const Node: Schema.Schema<Node> = Schema.Struct({
      next: Schema.optional(
        Schema.suspend((): Schema.Schema<Node> => Node).annotations({ description: "the next one" })
      )
    }).annotations({ identifier: "Node" })
    for (const into of [dialect.openAIStrict, dialect.plain, dialect.gemini]) {
      assert.isDefined(codec(Node, into), into.name)
    }
  })

  it("keeps any property name", () => {
    const schema = Schema.Struct({ "a b/ü\"": Schema.String, __proto__: Schema.String })
    const value = JSON.parse("{\"a b/ü\\\"\":\"1\",\"__proto__\":\"2\"}")
    assert.strictEqual(JSON.stringify(codec(schema, dialect.openAIStrict)?.restore(value)), JSON.stringify(value))
  })

  it("is made once per schema", () => {
    const { schema } = Output.object(Tree).format
    assert.strictEqual(makeCodec(schema, dialect.gemini), makeCodec(schema, dialect.gemini))
    assert.strictEqual(Output.object(Tree), Output.object(Tree))
  })
})
