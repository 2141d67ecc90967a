/** Schemas that programs ask for, hardest first, each with the way to make values and to tell whether one came back. */
import { Arbitrary, Context, Effect, Either, FastCheck, Schema } from "effect"
import * as Output from "../../src/Output.ts"
import { isRecord, type Json, type JsonRecord } from "./checkers.ts"

/** What an effectful schema of the table needs. */
export class Factor extends Context.Tag("test/structured/Factor")<Factor, number>() {}

const given = <A, E>(effect: Effect.Effect<A, E, Factor>): Effect.Effect<A, E> =>
  Effect.provideService(effect, Factor, 2)

export interface Sample {
  /** What the user's schema encodes the value to, as JSON. */
  readonly encoded: Json
  /** Why this is not the value, or undefined when it is. */
  readonly differs: (answer: Json) => string | undefined
  readonly decoded: unknown
}

export interface Entry {
  readonly name: string
  readonly asked: JsonRecord
  /** Its values were chosen by hand. */
  readonly few: boolean
  readonly samples: (count: number, seed?: number) => ReadonlyArray<Sample>
}

interface Options<A> {
  readonly values?: ReadonlyArray<A>
  /** Absent and null mean the same to the program: dialects that know no absence cannot tell them apart. */
  readonly nullish?: boolean
}

/** JSON has no NaN, infinities and -0, and text on the wire no lone surrogates. */
const carries = (value: unknown): boolean => {
  if (typeof value === "number") return Number.isFinite(value) && !Object.is(value, -0)
  if (typeof value === "string") return !/\p{Surrogate}/u.test(value)
  if (Array.isArray(value)) return value.every(carries)
  if (typeof value !== "object" || value === null) return value === null || typeof value === "boolean"
  return Object.entries(value).every(([name, field]) =>
    name !== "__proto__" && carries(name) && (field === undefined || carries(field))
  )
}

const withoutNulls = (value: Json): Json =>
  Array.isArray(value)
    ? value.map(withoutNulls)
    : isRecord(value)
    ? Object.fromEntries(
      Object.entries(value).flatMap(([name, field]) => field === null ? [] : [[name, withoutNulls(field)]])
    )
    : value

export const entry = <A, I, R extends Factor = never>(
  name: string,
  schema: Schema.Schema<A, I, R>,
  options: Options<A> = {}
): Entry => {
  const same = Schema.equivalence(schema)
  const { decode, format } = Output.object(schema)
  const attempt = <B, E>(effect: Effect.Effect<B, E, R>): Either.Either<B, E> =>
    // R is at most Factor, which `given` provides.
    Effect.runSync(Effect.either(given(effect as Effect.Effect<B, E, Factor>)))
  const encode = (value: A): Either.Either<I, unknown> => attempt(Schema.encode(schema)(value))
  const json = (value: A): Json => JSON.parse(JSON.stringify(Either.getOrThrow(encode(value))))
  // A field that is undefined comes back absent.
  const alike = (left: A, right: A) => same(left, right) || JSON.stringify(json(left)) === JSON.stringify(json(right))
  const differs = (value: A) => (answer: Json): string | undefined => {
    const decoded = attempt(decode(answer))
    if (Either.isLeft(decoded)) return `${JSON.stringify(answer)}: ${JSON.stringify(Object(decoded.left).issues)}`
    if (alike(decoded.right, value)) return undefined
    const [now, then] = [json(decoded.right), json(value)]
    if (options.nullish === true && JSON.stringify(withoutNulls(now)) === JSON.stringify(withoutNulls(then))) {
      return undefined
    }
    return `${JSON.stringify(now)} is not ${JSON.stringify(then)}`
  }
  const made = new Map<string, ReadonlyArray<Sample>>()
  const make = (count: number, seed: number): ReadonlyArray<Sample> => {
    const values = options.values ??
      FastCheck.sample(Arbitrary.make(schema), { numRuns: count * 2, seed })
    return values.flatMap((value): ReadonlyArray<Sample> => {
      const encoded = encode(value)
      if (Either.isLeft(encoded) || !carries(encoded.right)) return []
      // A schema that does not get its own value back through JSON is not for us to mend.
      const plain = json(value)
      const back = attempt(Schema.decodeUnknown(schema)(plain))
      if (Either.isLeft(back) || !alike(back.right, value)) return []
      return [{ encoded: plain, decoded: value, differs: differs(value) }]
    }).slice(0, options.values === undefined ? count : undefined)
  }
  return {
    name,
    few: options.values !== undefined,
    get asked() {
      return format.schema
    },
    samples: (count, seed = 1) => {
      const key = `${count} ${seed}`
      const samples = made.get(key) ?? make(count, seed)
      made.set(key, samples)
      return samples
    }
  }
}

// Recursion ----------------------------------------------------------------------------------------------------------

interface Tree {
  readonly value: string
  readonly children: ReadonlyArray<Tree>
}
const Tree: Schema.Schema<Tree> = Schema.Struct({
  value: Schema.String,
  children: Schema.Array(Schema.suspend((): Schema.Schema<Tree> => Tree))
}).annotations({ identifier: "Tree" })

interface List {
  readonly head: number
  readonly tail?: List | undefined
}
const List: Schema.Schema<List> = Schema.Struct({
  head: Schema.Int,
  tail: Schema.optional(Schema.suspend((): Schema.Schema<List> => List))
}).annotations({ identifier: "List" })

interface NullList {
  readonly head: string
  readonly tail: NullList | null
}
const NullList: Schema.Schema<NullList> = Schema.Struct({
  head: Schema.String,
  tail: Schema.NullOr(Schema.suspend((): Schema.Schema<NullList> => NullList))
}).annotations({ identifier: "NullList" })

interface Sum {
  readonly type: "sum"
  readonly terms: readonly [Expression, Expression]
}
type Expression = number | Sum
const Expression: Schema.Schema<Expression> = Schema.Union(
  Schema.Int,
  Schema.suspend((): Schema.Schema<Sum> => Sum)
).annotations({ identifier: "Expression", arbitrary: () => (fc) => expressions(fc) })
const Sum: Schema.Schema<Sum> = Schema.Struct({
  type: Schema.Literal("sum"),
  terms: Schema.Tuple(
    Schema.suspend((): Schema.Schema<Expression> => Expression),
    Schema.suspend((): Schema.Schema<Expression> => Expression)
  )
}).annotations({ identifier: "Sum" })

// The derived one makes trees of thousands of nodes.
const expressions = (fc: typeof FastCheck): FastCheck.Arbitrary<Expression> =>
  fc.letrec<{ readonly expression: Expression; readonly sum: Sum }>((tie) => ({
    expression: fc.oneof({ maxDepth: 3 }, fc.integer(), tie("sum")),
    sum: fc.record({ type: fc.constant("sum"), terms: fc.tuple(tie("expression"), tie("expression")) })
  })).expression

type Nested = string | ReadonlyArray<Nested>
const Nested: Schema.Schema<Nested> = Schema.Union(
  Schema.String,
  Schema.Array(Schema.suspend((): Schema.Schema<Nested> => Nested))
).annotations({ identifier: "Nested" })

interface Wrap {
  readonly value?: Wrap | undefined
}
const Wrap: Schema.Schema<Wrap> = Schema.Struct({
  value: Schema.optional(Schema.suspend((): Schema.Schema<Wrap> => Wrap))
}).annotations({ identifier: "value" })

type Wrapping = string | { readonly value: Wrapping }
const Wrapping: Schema.Schema<Wrapping> = Schema.Union(
  Schema.String,
  Schema.Struct({ value: Schema.suspend((): Schema.Schema<Wrapping> => Wrapping) })
).annotations({ identifier: "Wrapping" })

interface Dated {
  readonly at: Date
  readonly next?: Dated | undefined
}
interface DatedEncoded {
  readonly at: string
  readonly next?: DatedEncoded | undefined
}
const Dated: Schema.Schema<Dated, DatedEncoded> = Schema.Struct({
  at: Schema.ValidDateFromSelf.pipe((self) =>
    Schema.transform(Schema.String, self, {
      decode: (text) => new Date(text),
      encode: (date) => date.toISOString()
    })
  ),
  next: Schema.optional(Schema.suspend((): Schema.Schema<Dated, DatedEncoded> => Dated))
}).annotations({ identifier: "Dated" })

// Classes and what is shared -----------------------------------------------------------------------------------------

class Address extends Schema.Class<Address>("Address<home>/v1")({
  street: Schema.NonEmptyString,
  zip: Schema.optional(Schema.String.pipe(Schema.pattern(/^[0-9]{5}$/)))
}) {
  label(): string {
    return `${this.street} ${this.zip ?? ""}`
  }
}

class Person extends Schema.Class<Person>("Person")({
  name: Schema.String,
  home: Address,
  work: Schema.NullOr(Address)
}) {}

class Circle extends Schema.TaggedClass<Circle>()("Circle", { radius: Schema.Int }) {}
class Square
  extends Schema.TaggedClass<Square>()("Square", { side: Schema.Int, note: Schema.optional(Schema.String) })
{}

const Shared = Schema.Struct({ n: Schema.Int, s: Schema.optional(Schema.String) }).annotations({
  identifier: "100% a/b~c"
})

const Fruits = { Apple: 0, Banana: 1, Cherry: "cherry" } as const

interface Level {
  readonly note?: string | undefined
  readonly inner?: Level | undefined
}
const deep = (levels: number): Schema.Schema<Level> =>
  levels === 0
    ? Schema.Struct({ note: Schema.optional(Schema.String) })
    : Schema.Struct({ note: Schema.optional(Schema.String), inner: Schema.optional(deep(levels - 1)) })

const Scaled = Schema.transformOrFail(Schema.Int, Schema.Int, {
  strict: true,
  decode: (n) => Effect.map(Factor, (factor) => n * factor),
  encode: (n) => Effect.map(Factor, (factor) => n / factor)
})

const many = (count: number, field: Schema.Schema<number> = Schema.Int) =>
  Schema.Struct(Object.fromEntries(Array.from({ length: count }, (_, i) => [`field${i}`, Schema.optional(field)])))

const words = (count: number, length: number) =>
  Array.from({ length: count }, (_, i) => String(i).padStart(length, "w"))

export const entries: ReadonlyArray<Entry> = [
  // What is absent
  entry(
    "optional",
    Schema.Struct({
      a: Schema.String,
      b: Schema.optional(Schema.Int),
      c: Schema.optional(Schema.Struct({ d: Schema.optional(Schema.Boolean) }))
    })
  ),
  entry(
    "exact optional",
    Schema.Struct({
      a: Schema.optionalWith(Schema.Int, { exact: true }),
      b: Schema.optionalWith(Schema.String, { exact: true })
    })
  ),
  entry(
    "defaults",
    Schema.Struct({
      a: Schema.optionalWith(Schema.Int, { default: () => 7 }),
      b: Schema.optionalWith(Schema.Array(Schema.String), { default: () => [] })
    })
  ),
  entry(
    "nullable default",
    Schema.Struct({ a: Schema.optionalWith(Schema.Int, { default: () => 7, nullable: true }) })
  ),
  entry(
    "nullable",
    Schema.Struct({
      a: Schema.NullOr(Schema.String),
      b: Schema.NullOr(Schema.Struct({ c: Schema.NullOr(Schema.Int) }))
    })
  ),
  entry(
    "nullish",
    Schema.Struct({
      a: Schema.optional(Schema.NullOr(Schema.String)),
      b: Schema.NullishOr(Schema.Int),
      c: Schema.String
    }),
    { nullish: true }
  ),
  entry("undefined or", Schema.Struct({ a: Schema.UndefinedOr(Schema.Int), b: Schema.String })),
  entry(
    "optional as Option",
    Schema.Struct({
      a: Schema.optionalWith(Schema.Int, { as: "Option" }),
      b: Schema.optionalWith(Schema.String, { as: "Option", nullable: true })
    })
  ),
  entry("Option as field", Schema.Struct({ a: Schema.Option(Schema.Int) })),
  entry("Option of Option", Schema.Struct({ a: Schema.Option(Schema.Option(Schema.String)) })),
  entry(
    "Option from null",
    Schema.Struct({
      a: Schema.OptionFromNullOr(Schema.Int),
      b: Schema.OptionFromNullOr(Schema.Struct({ c: Schema.OptionFromNullOr(Schema.String) }))
    })
  ),
  entry("Option from undefined", Schema.Struct({ a: Schema.OptionFromUndefinedOr(Schema.Int) })),
  entry(
    "Option from nullish",
    Schema.Struct({ a: Schema.OptionFromNullishOr(Schema.Int, null), b: Schema.OptionFromNonEmptyTrimmedString })
  ),
  entry(
    "all optional",
    Schema.Struct({ a: Schema.optional(Schema.String), b: Schema.optional(Schema.Array(Schema.Int)) })
  ),
  entry(
    "optional in lists",
    Schema.Array(
      Schema.Struct({
        a: Schema.optional(Schema.Int),
        b: Schema.Array(Schema.Struct({ c: Schema.optional(Schema.Int) }))
      })
    )
  ),
  entry("never optional", Schema.Struct({ a: Schema.optional(Schema.Never), b: Schema.Int })),
  entry("empty struct", Schema.Struct({}), { values: [{}] }),
  entry("empty struct in a struct", Schema.Struct({ a: Schema.Struct({}), b: Schema.Int }), {
    values: [{ a: {}, b: 1 }]
  }),

  // Choices
  entry(
    "literals",
    Schema.Struct({ a: Schema.Literal("x", "y"), b: Schema.Literal(1, 2), c: Schema.Literal(true), d: Schema.Null })
  ),
  entry("mixed literals", Schema.Struct({ a: Schema.Literal("x", 1, true, null) })),
  entry("a large enum", Schema.Struct({ a: Schema.Literal(...words(240, 20)) })),
  entry("an enum too large", Schema.Struct({ a: Schema.Literal(...words(260, 80)) })),
  entry("too many enum values", Schema.Struct({ a: Schema.Literal(...words(1100, 5)) })),
  entry("enums", Schema.Struct({ a: Schema.Enums(Fruits), b: Schema.optional(Schema.Enums(Fruits)) })),
  entry(
    "template literal",
    Schema.Struct({
      a: Schema.TemplateLiteral("id-", Schema.Number),
      b: Schema.optional(Schema.TemplateLiteral(Schema.Literal("a", "b"), "/", Schema.String))
    })
  ),
  entry("template literal parser", Schema.TemplateLiteralParser("v", Schema.NumberFromString)),
  entry(
    "tagged union",
    Schema.Struct({
      shape: Schema.Union(
        Schema.Struct({ kind: Schema.Literal("circle"), radius: Schema.Number, label: Schema.optional(Schema.String) }),
        Schema.Struct({ kind: Schema.Literal("note"), label: Schema.NullOr(Schema.String) })
      )
    })
  ),
  entry(
    "untagged union",
    Schema.Union(
      Schema.Struct({ radius: Schema.Int, label: Schema.optional(Schema.String) }),
      Schema.Struct({ side: Schema.Int, label: Schema.NullOr(Schema.String) }),
      Schema.String
    )
  ),
  entry(
    "overlapping union",
    Schema.Union(
      Schema.Struct({ a: Schema.Int, b: Schema.String, c: Schema.optional(Schema.Int) }),
      Schema.Struct({ a: Schema.Int, c: Schema.optional(Schema.Int) })
    )
  ),
  entry(
    "union told apart by bounds",
    Schema.Array(
      Schema.Union(
        Schema.Struct({ n: Schema.Int.pipe(Schema.lessThan(0)), note: Schema.optional(Schema.String) }),
        Schema.Struct({ n: Schema.Int.pipe(Schema.greaterThanOrEqualTo(0)), note: Schema.NullOr(Schema.String) })
      )
    )
  ),
  entry(
    "union told apart by a pattern",
    Schema.Array(
      Schema.Union(
        Schema.Struct({ id: Schema.TemplateLiteral("u", Schema.String), x: Schema.optional(Schema.Int) }),
        Schema.Struct({ id: Schema.TemplateLiteral("g", Schema.String), x: Schema.NullOr(Schema.Int) })
      )
    )
  ),
  entry(
    "union told apart by tuple length",
    Schema.Array(
      Schema.Union(
        Schema.Tuple(Schema.Struct({ a: Schema.optional(Schema.Int) })),
        Schema.Tuple(Schema.Struct({ a: Schema.NullOr(Schema.Int) }), Schema.Int)
      )
    )
  ),
  entry(
    "nested unions",
    Schema.Union(
      Schema.Int,
      Schema.NullOr(Schema.Union(Schema.Boolean, Schema.Struct({ a: Schema.Union(Schema.Int, Schema.String) })))
    )
  ),
  entry(
    "optional union",
    Schema.Struct({
      a: Schema.optional(Schema.Union(Schema.Int, Schema.String)),
      b: Schema.optional(Schema.NullOr(Schema.Int))
    }),
    { nullish: true }
  ),
  entry(
    "union of lists",
    Schema.Union(Schema.Array(Schema.Int), Schema.Array(Schema.Struct({ a: Schema.optional(Schema.Int) })))
  ),

  // Lists
  entry("arrays", Schema.Struct({ a: Schema.Array(Schema.String), b: Schema.Array(Schema.Array(Schema.Int)) })),
  entry(
    "non-empty arrays",
    Schema.Struct({
      a: Schema.NonEmptyArray(Schema.String),
      b: Schema.optional(Schema.Array(Schema.Int).pipe(Schema.minItems(2), Schema.maxItems(3)))
    })
  ),
  entry(
    "tuple",
    Schema.Struct({
      a: Schema.Tuple(Schema.Int, Schema.String),
      b: Schema.Tuple(Schema.Struct({ x: Schema.optional(Schema.Int) }), Schema.NullOr(Schema.Int))
    })
  ),
  entry(
    "tuple with optional elements",
    Schema.Tuple(Schema.Int, Schema.optionalElement(Schema.String), Schema.optionalElement(Schema.Boolean))
  ),
  entry(
    "tuple with a rest",
    Schema.Tuple([Schema.Int, Schema.optionalElement(Schema.Struct({ a: Schema.optional(Schema.Int) }))], Schema.String)
  ),
  entry(
    "chunks and sets",
    Schema.Struct({
      a: Schema.Chunk(Schema.Int),
      b: Schema.HashSet(Schema.String),
      c: Schema.Set(Schema.Int),
      d: Schema.NonEmptyChunk(Schema.String)
    })
  ),
  entry(
    "maps",
    Schema.Struct({
      a: Schema.Map({ key: Schema.String, value: Schema.Int }),
      b: Schema.HashMap({ key: Schema.Int, value: Schema.Struct({ x: Schema.optional(Schema.String) }) })
    })
  ),

  // Records
  entry("record", Schema.Record({ key: Schema.String, value: Schema.Int })),
  entry(
    "record of structs",
    Schema.Struct({
      id: Schema.String,
      byName: Schema.Record({
        key: Schema.String,
        value: Schema.Struct({ a: Schema.optional(Schema.Int), b: Schema.optional(Schema.Int) })
      })
    })
  ),
  entry(
    "record of classes by pattern",
    Schema.Struct({ r: Schema.Record({ key: Schema.String.pipe(Schema.pattern(/^k[0-9]+$/)), value: Address }) })
  ),
  entry(
    "record by template",
    Schema.Record({ key: Schema.TemplateLiteral("x-", Schema.String), value: Schema.NullOr(Schema.String) })
  ),
  entry("record by literals", Schema.Record({ key: Schema.Literal("red", "green"), value: Schema.Int })),
  entry("record by refined keys", Schema.Record({ key: Schema.NonEmptyString, value: Schema.Array(Schema.Int) })),
  entry("record, partial", Schema.partial(Schema.Record({ key: Schema.Literal("red", "green"), value: Schema.Int }))),
  entry(
    "index signature",
    Schema.Struct(
      { id: Schema.Int },
      Schema.Record({
        key: Schema.String,
        value: Schema.Union(Schema.Int, Schema.Struct({ a: Schema.optional(Schema.Int) }))
      })
    )
  ),
  entry(
    "ReadonlyMap from record",
    Schema.Struct({ a: Schema.ReadonlyMapFromRecord({ key: Schema.String, value: Schema.Int }) })
  ),

  // Depth and size
  entry("8 levels", deep(8)),
  entry("12 levels", deep(12)),
  entry("20 optional fields", many(20)),
  entry(
    "unions in every field",
    Schema.Struct(
      Object.fromEntries(
        Array.from({ length: 12 }, (_, i) => [`f${i}`, Schema.optional(Schema.Union(Schema.Int, Schema.String))])
      )
    )
  ),

  // Classes
  entry("class", Address),
  entry("class in class", Person),
  entry("tagged classes", Schema.Array(Schema.Union(Circle, Square))),
  entry("type of a class", Schema.typeSchema(Schema.Struct({ a: Schema.Int }))),
  entry(
    "shared definitions",
    Schema.Struct({
      a: Shared,
      b: Schema.optional(Shared),
      c: Schema.Array(Shared),
      d: Shared.annotations({ description: "the last" })
    })
  ),
  entry(
    "two definitions of one name",
    Schema.Struct({
      a: Schema.Int.annotations({ identifier: "a b" }),
      b: Schema.String.annotations({ identifier: "a/b" }),
      c: Schema.Boolean.annotations({ identifier: "a_b" })
    })
  ),
  entry(
    "definitions named like keywords",
    Schema.Struct({
      a: Schema.Struct({ x: Schema.Int }).annotations({ identifier: "$id" }),
      b: Schema.Struct({ x: Schema.String }).annotations({ identifier: "properties" }),
      c: Schema.Struct({ y: Schema.Int }).annotations({ identifier: "$comment" }),
      d: Schema.Int.annotations({ identifier: "__proto" })
    })
  ),

  // Recursion
  entry("tree", Tree),
  entry("list", List),
  entry("list by null", NullList),
  entry("mutual recursion", Schema.Struct({ e: Expression })),
  entry("recursive union at the root", Expression),
  entry("recursive lists", Nested),
  entry("a recursive property named value", Wrap),
  entry("a recursive union with a property named value", Wrapping),
  entry("recursion through a transformation", Dated),
  entry(
    "a tree of trees",
    Schema.Struct({ left: Tree, right: Schema.optional(Tree.annotations({ description: "the other" })) })
  ),

  // Refinements
  entry(
    "numbers",
    Schema.Struct({
      a: Schema.Int,
      b: Schema.Number.pipe(Schema.between(-1.5, 2.5)),
      c: Schema.Int.pipe(Schema.multipleOf(5)),
      d: Schema.Positive,
      e: Schema.Number.pipe(Schema.lessThan(0))
    })
  ),
  entry(
    "strings",
    Schema.Struct({
      a: Schema.String.pipe(Schema.minLength(2), Schema.maxLength(5)),
      b: Schema.NonEmptyString,
      c: Schema.String.pipe(Schema.length(3)),
      d: Schema.String.pipe(Schema.pattern(/^[a-z]{2}\d$/)),
      e: Schema.UUID,
      f: Schema.Lowercased,
      g: Schema.Char
    })
  ),
  entry(
    "brands",
    Schema.Struct({
      id: Schema.String.pipe(Schema.brand("Id")),
      n: Schema.Int.pipe(Schema.positive(), Schema.brand("Count"))
    })
  ),
  entry(
    "a custom filter",
    Schema.Struct({ a: Schema.Int.pipe(Schema.filter((n) => n % 2 === 0)) }).pipe(Schema.filter(({ a }) => a !== 4))
  ),
  entry(
    "formats",
    Schema.Struct({
      a: Schema.String.annotations({ jsonSchema: { format: "email" } }),
      b: Schema.String.annotations({ jsonSchema: { format: "uri-reference" } })
    })
  ),
  entry(
    "own JSON Schema",
    Schema.Struct({ a: Schema.String.annotations({ jsonSchema: { type: "string", maxLength: 1000, default: "x" } }) })
  ),

  // Transformations
  entry("dates", Schema.Struct({ a: Schema.Date, b: Schema.DateTimeUtc, c: Schema.optional(Schema.Date) })),
  entry(
    "numbers from text",
    Schema.Struct({
      a: Schema.NumberFromString,
      b: Schema.BigDecimal,
      c: Schema.BigInt,
      d: Schema.optional(Schema.NumberFromString)
    })
  ),
  entry(
    "text",
    Schema.Struct({ a: Schema.Trim, b: Schema.split(","), c: Schema.Lowercase, d: Schema.BooleanFromString })
  ),
  entry("JSON in text", Schema.Struct({ a: Schema.parseJson(Schema.Struct({ n: Schema.Int })) })),
  entry(
    "JSON in text at the root",
    Schema.parseJson(Schema.Struct({ n: Schema.Int, at: Schema.optional(Schema.Date) }))
  ),
  entry(
    "durations and bytes",
    Schema.Struct({
      a: Schema.Duration,
      b: Schema.Uint8ArrayFromBase64,
      c: Schema.DurationFromMillis,
      d: Schema.Uint8ArrayFromHex
    })
  ),
  entry("URL", Schema.Struct({ a: Schema.URL, b: Schema.optional(Schema.URL) })),
  entry(
    "renamed",
    Schema.Struct({
      a: Schema.propertySignature(Schema.String).pipe(Schema.fromKey("b")),
      c: Schema.optional(Schema.Int).pipe(Schema.fromKey("d"))
    })
  ),
  entry(
    "attached",
    Schema.Array(
      Schema.Union(
        Schema.Struct({ radius: Schema.Int }).pipe(Schema.attachPropertySignature("kind", "circle")),
        Schema.Struct({ side: Schema.Int }).pipe(Schema.attachPropertySignature("kind", "square"))
      )
    )
  ),
  entry(
    "Either and Exit",
    Schema.Struct({ a: Schema.Either({ left: Schema.String, right: Schema.Int }), b: Schema.Redacted(Schema.String) })
  ),
  entry(
    "transformed root",
    Schema.transform(Schema.Struct({ a: Schema.Int, b: Schema.optional(Schema.Int) }), Schema.Int, {
      strict: true,
      decode: ({ a }) => a,
      encode: (a) => ({ a })
    })
  ),
  entry("effectful, with requirements", Schema.Struct({ a: Scaled, b: Schema.optional(Schema.Array(Scaled)) }), {
    values: [1, 2, 3, 100].map((n) => ({ a: n * 2, b: n % 2 === 0 ? [n * 4] : undefined }))
  }),

  // Annotations
  entry(
    "descriptions, titles and examples",
    Schema.Struct({
      a: Schema.String.annotations({ description: "A \"name\"\n<b>", title: "T", examples: ["x", "y"] }),
      b: Schema.optional(Schema.Int.annotations({ description: "Zahl", examples: [1] })),
      c: Schema.optional(Schema.NullOr(Schema.Int).annotations({ description: "maybe" }))
    }).annotations({ identifier: "Doc", title: "Doc", description: "All", examples: [{ a: "$id" }] }),
    { nullish: true }
  ),
  entry(
    "examples that look like schemas",
    Schema.Struct({
      a: Schema.Struct({ type: Schema.String, $id: Schema.String }).annotations({
        examples: [{ type: "object", $id: "/schemas/never" }]
      })
    })
  ),

  // Roots that are no objects
  entry("string root", Schema.String),
  entry("number root", Schema.Int),
  entry("boolean root", Schema.Boolean),
  entry("array root", Schema.Array(Schema.Struct({ a: Schema.optional(Schema.Int) }))),
  entry("literal root", Schema.Literal("yes", "no")),
  entry("null-or root", Schema.NullOr(Schema.Struct({ value: Schema.optional(Schema.Int) }))),
  entry(
    "union root with a property named value",
    Schema.Union(
      Schema.Struct({ value: Schema.Int, kind: Schema.optional(Schema.String) }),
      Schema.Struct({ other: Schema.Int })
    )
  ),
  entry("Option root", Schema.Option(Schema.Struct({ a: Schema.optional(Schema.Int) }))),
  entry("Date root", Schema.Date),

  // Names
  entry(
    "odd property names",
    Schema.Struct({
      "": Schema.Int,
      "a b/ü\"": Schema.optional(Schema.Int),
      constructor: Schema.String,
      toString: Schema.optional(Schema.Int),
      $ref: Schema.String,
      "~1%20": Schema.Int,
      "😀": Schema.optional(Schema.Int)
    })
  ),
  entry(
    "properties named like keywords",
    Schema.Struct({
      type: Schema.String,
      properties: Schema.Struct({ $id: Schema.Int, items: Schema.optional(Schema.Int) }),
      required: Schema.Boolean,
      $defs: Schema.Struct({ anyOf: Schema.Array(Schema.Int) }),
      anyOf: Schema.Int,
      enum: Schema.optional(Schema.Array(Schema.String)),
      description: Schema.String,
      additionalProperties: Schema.optional(Schema.Boolean)
    })
  ),
  entry(
    "recursion below a property named $defs",
    Schema.Struct({ $defs: Tree, $schema: Schema.Int, $comment: Schema.String })
  ),

  // Anything
  entry("unknown field", Schema.Struct({ a: Schema.Unknown, b: Schema.Int }), {
    values: [{ a: { x: [1, null], value: "y" }, b: 1 }, { a: null, b: 2 }, { a: "s", b: 3 }]
  }),
  entry("any root", Schema.Any, { values: [{ a: 1 }, [1], "x", 0, null, true, { value: 1 }] }),
  entry("optional unknown", Schema.Struct({ a: Schema.optional(Schema.Unknown), b: Schema.Int }), {
    values: [{ a: null, b: 1 }, { b: 2 }, { a: [null], b: 3 }]
  }),
  entry("object field", Schema.Struct({ a: Schema.Object }), { values: [{ a: { x: 1 } }, { a: [1] }] })
]
