import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as JSONSchema from "effect/JSONSchema"
import * as Schema from "effect/Schema"
import type { JsonValue } from "../../src/Prompt.ts"
import { instance } from "../../src/testing/internal/sample.ts"

interface Category {
  readonly name: string
  readonly parent: Category | null
  readonly children: ReadonlyArray<Category>
}
const Category = Schema.Struct({
  name: Schema.String,
  parent: Schema.NullOr(Schema.suspend((): Schema.Schema<Category> => Category)),
  children: Schema.Array(Schema.suspend((): Schema.Schema<Category> => Category))
}).annotations({ identifier: "Category" })

const schemas: Record<string, Schema.Schema.AnyNoContext> = {
  scalars: Schema.Struct({
    text: Schema.NonEmptyString,
    long: Schema.String.pipe(Schema.minLength(30), Schema.maxLength(40)),
    short: Schema.String.pipe(Schema.maxLength(2)),
    code: Schema.String.pipe(Schema.pattern(/^[A-Z]{3}$/)),
    uuid: Schema.UUID,
    date: Schema.Date,
    instant: Schema.DateTimeUtc,
    number: Schema.NumberFromString,
    big: Schema.BigInt,
    flag: Schema.Boolean,
    nothing: Schema.Null
  }),
  numbers: Schema.Struct({
    between: Schema.Number.pipe(Schema.between(5.5, 6)),
    negative: Schema.Number.pipe(Schema.lessThan(-3)),
    open: Schema.Number.pipe(Schema.greaterThan(0), Schema.lessThan(0.5)),
    int: Schema.Int.pipe(Schema.greaterThan(7)),
    multiple: Schema.Int.pipe(Schema.multipleOf(5), Schema.greaterThanOrEqualTo(11)),
    positive: Schema.Positive
  }),
  composed: Schema.Struct({
    union: Schema.Union(Schema.Struct({ kind: Schema.Literal("a"), a: Schema.Int }), Schema.String),
    nullable: Schema.NullOr(Schema.Literal("x", "y")),
    optional: Schema.optional(Schema.String),
    tuple: Schema.Tuple(Schema.String, Schema.Number),
    some: Schema.Array(Schema.Int).pipe(Schema.minItems(3), Schema.maxItems(4)),
    record: Schema.Record({ key: Schema.String, value: Schema.Boolean }),
    option: Schema.Option(Schema.String)
  }),
  recursive: Category,
  root: Schema.Array(Schema.Literal("only"))
}

describe("instance", () => {
  for (const [name, schema] of Object.entries(schemas)) {
    it.effect(`is what the schema decodes: ${name}`, () =>
      Effect.gen(function*() {
        const json: JsonValue = JSON.parse(JSON.stringify(JSONSchema.make(schema)))
        const value = instance(json)
        yield* Schema.decodeUnknown(schema)(value)
        assert.deepEqual(instance(json), value)
      }))
  }

  it("takes an enum's first value, a branch that is not null, and stops a recursion", () => {
    assert.strictEqual(instance({ enum: [null, "b", "a"] }), "b")
    assert.strictEqual(instance({ anyOf: [{ type: "null" }, { type: "integer", maximum: 0 }] }), 0)
    const list: JsonValue = {
      $ref: "#/$defs/List",
      $defs: {
        List: {
          type: "object",
          properties: { next: { anyOf: [{ $ref: "#/$defs/List" }, { type: "null" }] } },
          required: ["next"]
        }
      }
    }
    assert.deepEqual(instance(list), { next: { next: null } })
    assert.deepEqual(instance({ type: "OBJECT", properties: { n: { type: "STRING", nullable: true } } }), { n: "n" })
    assert.deepEqual(
      instance({ allOf: [{ type: "object", properties: { a: { const: 1 } } }, { properties: { b: { const: 2 } } }] }),
      { a: 1, b: 2 }
    )
  })
})
