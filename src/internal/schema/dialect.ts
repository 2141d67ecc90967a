/** The dialects of JSON Schema that providers take, as data. What one cannot say is enforced when decoding. */

export interface Dialect {
  readonly name: string
  /** Keywords that may be sent. Structure (`type`, `properties`, `items`, `anyOf` …) is always sent. */
  readonly keywords: ReadonlySet<string>
  /** String formats that may be sent; undefined for any, where `format` is a keyword. */
  readonly formats?: ReadonlySet<string> | undefined
  /** Every object is closed and all of its properties are required: optional ones become nullable. */
  readonly closed: boolean
  /** Every object needs a required property. */
  readonly requiresOne: boolean
  /** The root must be a plain object; anything else is wrapped in one. */
  readonly rootObject: boolean
  /**
   * Whether `$ref` may be sent, and whether a schema may refer to itself; `optional`: through a property that may be
   * left out, so such a property is not required.
   */
  readonly references: "recursive" | "optional" | "acyclic" | "none"
  /** `const` may be sent; else it becomes a one-value `enum`. */
  readonly constants: boolean
  /** Types of values an `enum` may hold. */
  readonly enums: ReadonlySet<string>
  /** Tuples may be sent as `prefixItems`; else as `items` of any of the members. */
  readonly tuples: boolean
  readonly limits?: Limits | undefined
}

/** Sizes beyond which a provider rejects a schema. */
export interface Limits {
  readonly depth?: number
  readonly properties?: number
  /** Schemas that are unions: `anyOf`, or more than one type. */
  readonly unions?: number
  readonly enumValues?: number
  /** Characters of all names and enum values together. */
  readonly characters?: number
  /** Characters of an enum with more than 250 values. */
  readonly largeEnumCharacters?: number
}

const set = (...keywords: ReadonlyArray<string>): ReadonlySet<string> => new Set(keywords)

const numbers = ["multipleOf", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"] as const
const anyValue = set("string", "number", "boolean", "null", "object", "array")
const scalar = set("string", "number", "boolean", "null")

/** Source: developers.openai.com, structured outputs, supported schemas, 2026-11. */
export const openAIStrict: Dialect = {
  name: "openai-strict",
  keywords: set("description", "title", "pattern", "format", ...numbers, "minItems", "maxItems"),
  formats: set("date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"),
  closed: true,
  requiresOne: false,
  rootObject: true,
  references: "recursive",
  constants: true,
  enums: scalar,
  tuples: false,
  limits: { depth: 10, properties: 5000, enumValues: 1000, characters: 120_000, largeEnumCharacters: 15_000 }
}

/** Source: platform.claude.com, structured outputs, JSON Schema limitations and complexity limits, 2026-11. */
export const anthropicConstrained: Dialect = {
  name: "anthropic-constrained",
  keywords: set("description", "title"),
  closed: true,
  requiresOne: false,
  rootObject: true,
  references: "acyclic",
  constants: true,
  enums: scalar,
  tuples: false,
  limits: { unions: 16 }
}

/** Source: ai.google.dev, structured output, and the reference of `responseJsonSchema`, 2026-11. */
export const gemini: Dialect = {
  name: "gemini",
  keywords: set("description", "title", "format", "minimum", "maximum", "minItems", "maxItems"),
  formats: set("date-time", "date", "time"),
  closed: false,
  requiresOne: false,
  rootObject: false,
  references: "optional",
  constants: false,
  enums: set("string", "number"),
  tuples: true
}

/** Source: docs.cohere.com, structured outputs, unsupported schema features, 2026-11. */
export const cohere: Dialect = {
  name: "cohere",
  keywords: set("description", "title"),
  closed: false,
  requiresOne: true,
  rootObject: true,
  references: "none",
  constants: false,
  enums: scalar,
  tuples: false
}

/** A schema as it is, for tools and prompts; only the root is made an object. */
export const plain: Dialect = {
  name: "plain",
  keywords: set(
    "description",
    "title",
    "examples",
    "default",
    "pattern",
    "format",
    ...numbers,
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
    "propertyNames",
    "patternProperties",
    "not",
    "contentEncoding",
    "contentMediaType",
    "contentSchema"
  ),
  closed: false,
  requiresOne: false,
  rootObject: true,
  references: "recursive",
  constants: true,
  enums: anyValue,
  tuples: true
}
