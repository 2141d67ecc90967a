import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc, Schema } from "effect"
import { runs } from "../runs.ts"
import { dialects, roundTrip } from "./roundTrip.ts"
import { entry } from "./schemas.ts"

/** A schema as plain data, so that fast-check can shrink it. */
type Shape =
  | { readonly type: "leaf"; readonly leaf: number }
  | { readonly type: "literals"; readonly values: ReadonlyArray<string | number | boolean> }
  | { readonly type: "array"; readonly item: Shape; readonly least: number }
  | { readonly type: "tuple"; readonly items: ReadonlyArray<Shape>; readonly optional: boolean }
  | { readonly type: "record"; readonly value: Shape }
  | { readonly type: "nullable"; readonly inner: Shape }
  | { readonly type: "struct"; readonly fields: ReadonlyArray<Field>; readonly named: boolean }
  | { readonly type: "union"; readonly members: ReadonlyArray<ReadonlyArray<Field>> }
  | { readonly type: "recursive"; readonly fields: ReadonlyArray<Field>; readonly by: "optional" | "list" | "null" }

interface Field {
  readonly name: string
  readonly shape: Shape
  readonly optional: boolean
  readonly described: boolean
}

const leaves = [
  Schema.String,
  Schema.Int,
  Schema.Boolean,
  Schema.Null,
  Schema.Date,
  Schema.NumberFromString,
  Schema.NonEmptyString,
  Schema.Int.pipe(Schema.between(-3, 3)),
  Schema.String.pipe(Schema.maxLength(4)),
  Schema.String.pipe(Schema.pattern(/^[a-c]+$/)),
  Schema.BigDecimal,
  Schema.Number.pipe(Schema.nonNegative()),
  Schema.Option(Schema.Int)
] as const

const names = ["a", "b", "value", "type", "properties", "$ref", "", "x/y~z", "items", "required"]

const leaf = fc.record({ type: fc.constant("leaf" as const), leaf: fc.nat(leaves.length - 1) })

const fieldsOf = (shape: fc.Arbitrary<Shape>): fc.Arbitrary<ReadonlyArray<Field>> =>
  fc.uniqueArray(
    fc.record({ name: fc.constantFrom(...names), shape, optional: fc.boolean(), described: fc.boolean() }),
    { minLength: 1, maxLength: 4, selector: ({ name }) => name }
  )

const { shape: shapes } = fc.letrec<{ readonly shape: Shape; readonly fields: ReadonlyArray<Field> }>((tie) => ({
  fields: fieldsOf(tie("shape")),
  shape: fc.oneof(
    { maxDepth: 2, withCrossShrink: true },
    leaf,
    fc.record({
      type: fc.constant("literals" as const),
      values: fc.uniqueArray(fc.constantFrom("x", "y z", 1, -2, true, false), { minLength: 1, maxLength: 4 })
    }),
    fc.record({ type: fc.constant("array" as const), item: tie("shape"), least: fc.nat(2) }),
    fc.record({
      type: fc.constant("tuple" as const),
      items: fc.array(tie("shape"), { minLength: 1, maxLength: 3 }),
      optional: fc.boolean()
    }),
    fc.record({ type: fc.constant("record" as const), value: tie("shape") }),
    fc.record({ type: fc.constant("nullable" as const), inner: tie("shape") }),
    fc.record({ type: fc.constant("struct" as const), fields: tie("fields"), named: fc.boolean() }),
    fc.record({
      type: fc.constant("union" as const),
      members: fc.array(tie("fields"), { minLength: 2, maxLength: 3 })
    }),
    fc.record({
      type: fc.constant("recursive" as const),
      // Recursion inside recursion has values without end.
      fields: fieldsOf(leaf),
      by: fc.constantFrom("optional" as const, "list" as const, "null" as const)
    })
  )
}))

type Erased = Schema.Schema<unknown>

// What a random schema decodes to is known to nobody; each value is only ever used with the schema that made it.
const erased = (schema: unknown): Erased => schema as Erased

const acceptsNull = (schema: Erased) => Schema.is(Schema.encodedSchema(schema))(null)

const build = (shape: Shape): Erased => {
  let identifiers = 0
  const fresh = () => `Type ${++identifiers}/<x>`
  const fieldSchemas = (fields: ReadonlyArray<Field>): Record<string, Erased> =>
    Object.fromEntries(fields.map(({ described, name, optional, shape }) => {
      const made = go(shape)
      const field = described ? erased(made.annotations({ description: `about ${name}` })) : made
      // Where absent and null are both possible, a dialect without absence cannot tell them apart.
      return [name, optional && !acceptsNull(field) ? erased(Schema.optional(field)) : field]
    }))
  const go = (shape: Shape): Erased => {
    switch (shape.type) {
      case "leaf":
        return erased(leaves[shape.leaf])
      case "literals":
        return erased(Schema.Literal(...shape.values))
      case "array":
        return erased(
          shape.least === 0 ? Schema.Array(go(shape.item))
            : Schema.Array(go(shape.item)).pipe(Schema.minItems(shape.least))
        )
      case "tuple": {
        const items = shape.items.map(go)
        const last = items.at(-1)
        return erased(
          shape.optional && last !== undefined
            ? Schema.Tuple(...items.slice(0, -1), Schema.optionalElement(last))
            : Schema.Tuple(...items)
        )
      }
      case "record":
        return erased(Schema.Record({ key: Schema.String, value: go(shape.value) }))
      case "nullable":
        return erased(Schema.NullOr(go(shape.inner)))
      case "struct": {
        const struct = Schema.Struct(fieldSchemas(shape.fields))
        return erased(shape.named ? struct.annotations({ identifier: fresh() }) : struct)
      }
      case "union":
        return erased(
          Schema.Union(
            ...shape.members.map((fields, i) =>
              Schema.Struct({ ...fieldSchemas(fields), _tag: Schema.Literal(`member${i}`) })
            )
          )
        )
      case "recursive": {
        const self = Schema.suspend(() => made)
        const next = { optional: Schema.optional(self), list: Schema.Array(self), null: Schema.NullOr(self) }[shape.by]
        const made: Erased = erased(
          Schema.Struct({ ...fieldSchemas(shape.fields), next: erased(next) }).annotations({ identifier: fresh() })
        )
        return made
      }
    }
  }
  return go(shape)
}

describe("random schemas", () => {
  it("fit the provider's rules, and their values come back, in every dialect", () => {
    let values = 0
    fc.assert(
      fc.property(shapes, fc.nat(1000), (shape, seed) => {
        const made = entry("random", build(shape))
        for (const into of dialects) values += roundTrip(made, into, 2, seed)
      }),
      { numRuns: runs(40, 200), seed: 2026 }
    )
    assert.isAbove(values, 4 * runs(40, 200))
  }, 60_000)
})
