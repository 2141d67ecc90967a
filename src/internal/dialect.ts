/**
 * JSON Schema in the dialect a provider takes, and the way back. What a dialect cannot say is left out of what is sent
 * and enforced when the answer is decoded; what it forces on the answer (a wrapper, nulls for absent fields) is undone.
 */
import type { JsonObject, JsonValue } from "../Prompt.ts"
import { asArray, asJsonObject, isObject } from "./json.ts"

export interface Dialect {
  readonly name: string
  /** Keywords that may be sent. Structure (`type`, `properties`, `items` …) is always sent. */
  readonly keywords: ReadonlySet<string>
  /** Every object is closed and all of its properties are required: optional ones become nullable. */
  readonly closed: boolean
  /** The root must be a plain object. */
  readonly rootObject: boolean
  /** Schemas that refer to themselves may be sent. */
  readonly recursion: boolean
  /** `const` may be sent; else it becomes a one-value `enum`. */
  readonly constants: boolean
  /** Tuples may be sent as `prefixItems`; else as `items` of any of the members. */
  readonly tuples: boolean
}

export interface Codec {
  readonly schema: JsonObject
  /** From what the model answers to what the user's schema expects. */
  readonly restore: (value: JsonValue) => JsonValue
  /** The same for a value that is still growing; undefined while there is nothing to show. */
  readonly partial: (value: JsonValue) => JsonValue | undefined
}

const set = (...keywords: ReadonlyArray<string>): ReadonlySet<string> => new Set(keywords)

/** Source: developers.openai.com, structured outputs, supported schemas, 2026-11. */
export const openAIStrict: Dialect = {
  name: "openai-strict",
  keywords: set(
    "description",
    "title",
    "pattern",
    "format",
    "multipleOf",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "minItems",
    "maxItems"
  ),
  closed: true,
  rootObject: true,
  recursion: true,
  constants: true,
  tuples: false
}

/** Source: platform.claude.com, structured outputs, JSON Schema limitations, 2026-11. */
export const anthropicConstrained: Dialect = {
  name: "anthropic-constrained",
  keywords: set("description", "title"),
  closed: true,
  rootObject: true,
  recursion: false,
  constants: true,
  tuples: false
}

/** Source: ai.google.dev, structured output, JSON Schema support, 2026-11. */
export const gemini: Dialect = {
  name: "gemini",
  keywords: set("description", "title", "format", "minimum", "maximum", "minItems", "maxItems"),
  closed: false,
  rootObject: false,
  recursion: true,
  constants: false,
  tuples: true
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
    "multipleOf",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
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
  rootObject: true,
  recursion: true,
  constants: true,
  tuples: true
}

// OpenAI rejects any other format in strict mode.
const strictFormats = set("date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid")

const cache = new WeakMap<JsonObject, Map<string, Codec | undefined>>()

/** The codec of a schema in a dialect, made once; undefined when the dialect cannot say the schema at all. */
export const codec = (schema: JsonObject, dialect: Dialect): Codec | undefined => {
  let known = cache.get(schema)
  if (known === undefined) cache.set(schema, known = new Map())
  if (!known.has(dialect.name)) known.set(dialect.name, make(schema, dialect))
  return known.get(dialect.name)
}

class Unsayable extends Error {}

const make = (original: JsonObject, dialect: Dialect): Codec | undefined => {
  const definitions = { ...asJsonObject(original["definitions"]), ...asJsonObject(original["$defs"]) }
  const root = resolve(original, original)
  const wrapped = dialect.rootObject && !isPlainObjectSchema(root)
  try {
    const lower = lowering(original, dialect)
    const used: Record<string, JsonValue> = {}
    for (const [name, definition] of Object.entries(definitions)) used[name] = lower(definition)
    if (!dialect.recursion && isRecursive(original, definitions)) return undefined
    const { $defs: _, $schema: __, definitions: ___, ...body } = dialect.rootObject && !wrapped ? root : original
    const lowered = lower(body)
    const schema: JsonObject = {
      ...(wrapped
        ? { type: "object", properties: { value: lowered }, required: ["value"], additionalProperties: false }
        : asJsonObject(lowered)),
      ...(Object.keys(used).length === 0 ? {} : { $defs: used })
    }
    const restore = dialect.closed ? (value: JsonValue) => restoreValue(original, original, value) : identity
    return {
      schema,
      restore: wrapped
        ? (value) => restore(isObject(value) && Object.hasOwn(value, "value") ? (value["value"] ?? null) : value)
        : restore,
      partial: wrapped ? (value) => isObject(value) ? value["value"] : undefined : identity
    }
  } catch (error) {
    if (error instanceof Unsayable) return undefined
    throw error
  }
}

const identity = (value: JsonValue): JsonValue => value

const isPlainObjectSchema = (schema: JsonObject) =>
  schema["type"] === "object" && schema["anyOf"] === undefined && schema["oneOf"] === undefined &&
  schema["allOf"] === undefined

const isRecursive = (root: JsonObject, definitions: JsonObject): boolean => {
  const visiting = new Set<string>()
  const done = new Set<string>()
  const visit = (node: JsonValue): boolean => {
    if (Array.isArray(node)) return node.some(visit)
    if (!isJsonObject(node)) return false
    const ref = node["$ref"]
    if (typeof ref === "string") {
      if (visiting.has(ref) || ref === "#") return true
      if (done.has(ref)) return false
      visiting.add(ref)
      const found = visit(lookup(root, ref))
      visiting.delete(ref)
      done.add(ref)
      if (found) return true
    }
    return Object.entries(node).some(([key, value]) => key !== "$ref" && key !== "$defs" && visit(value))
  }
  return visit(root) || Object.values(definitions).some(visit)
}

const isJsonObject = (value: JsonValue | undefined): value is JsonObject => isObject(value)

const lookup = (root: JsonObject, ref: string): JsonObject => {
  let node: JsonValue = root
  for (const step of ref.replace(/^#\/?/, "").split("/").filter((step) => step !== "")) {
    node = asJsonObject(node)[decodeURIComponent(step).replaceAll("~1", "/").replaceAll("~0", "~")] ?? {}
  }
  return asJsonObject(node)
}

const resolve = (root: JsonObject, schema: JsonObject): JsonObject => {
  let node = schema
  for (let hops = 0; typeof node["$ref"] === "string" && hops < 32; hops++) node = lookup(root, node["$ref"])
  return node
}

const lowering = (root: JsonObject, dialect: Dialect) => {
  const inlining = new Set<string>()

  const lower = (node: JsonValue): JsonValue => {
    if (node === true) return anything()
    if (!isJsonObject(node)) throw new Unsayable()
    const { $ref, ...beside } = node
    if (typeof $ref === "string") {
      const bare = { $ref: $ref.replace("#/definitions/", "#/$defs/") }
      // Dialects differ on what may stand beside a reference, so what refines it is merged with what it refers to.
      if (Object.keys(beside).length === 0 || inlining.has($ref)) return bare
      inlining.add($ref)
      const inlined = lower({ ...lookup(root, $ref), ...beside })
      inlining.delete($ref)
      return inlined
    }
    const schema = flatten(root, node)
    const out: Record<string, JsonValue> = {}
    for (const [key, value] of Object.entries(schema)) {
      if (!dialect.keywords.has(key)) continue
      if (key === "format" && dialect.closed && !strictFormats.has(String(value))) continue
      out[key] = value
    }
    const members = schema["anyOf"] ?? schema["oneOf"]
    if (Array.isArray(members)) {
      out["anyOf"] = members.map(lower)
      return out
    }
    if (schema["const"] !== undefined) {
      if (dialect.constants) out["const"] = schema["const"]
      else out["enum"] = [schema["const"]]
    }
    if (schema["enum"] !== undefined) out["enum"] = schema["enum"]
    if (schema["type"] !== undefined) out["type"] = schema["type"]
    else if (isObject(schema["properties"])) out["type"] = "object"
    else if (out["enum"] !== undefined || out["const"] !== undefined) {
      const types = typesOf(asArray(out["enum"] ?? [out["const"]]))
      if (types !== undefined) out["type"] = types
    }
    if (isType(out["type"], "object")) lowerObject(schema, out)
    if (isType(out["type"], "array")) lowerArray(schema, out)
    if (out["type"] === undefined && out["enum"] === undefined && out["const"] === undefined) return anything(out)
    return out
  }

  const anything = (annotations: JsonObject = {}): JsonValue => {
    if (dialect.closed) throw new Unsayable()
    return annotations
  }

  const lowerObject = (schema: JsonObject, out: Record<string, JsonValue>) => {
    const properties = asJsonObject(schema["properties"])
    const required = new Set(asArray(schema["required"]))
    const extra = schema["additionalProperties"]
    const names = Object.keys(properties)
    const open = extra !== undefined && extra !== false || schema["patternProperties"] !== undefined
    if (dialect.closed) {
      if (open || (names.length === 0 && extra === undefined)) throw new Unsayable()
      out["properties"] = Object.fromEntries(
        names.map((name) => {
          const lowered = lower(properties[name] ?? {})
          return [name, required.has(name) ? lowered : nullable(root, asJsonObject(lowered))]
        })
      )
      out["required"] = names
      out["additionalProperties"] = false
      return
    }
    out["properties"] = Object.fromEntries(names.map((name) => [name, lower(properties[name] ?? {})]))
    if (required.size > 0) out["required"] = names.filter((name) => required.has(name))
    if (extra !== undefined) out["additionalProperties"] = isObject(extra) ? lower(extra) : extra
  }

  const lowerArray = (schema: JsonObject, out: Record<string, JsonValue>) => {
    const prefix = schema["prefixItems"] ?? (Array.isArray(schema["items"]) ? schema["items"] : undefined)
    const rest = Array.isArray(schema["items"]) ? schema["additionalItems"] : schema["items"]
    if (Array.isArray(prefix)) {
      const members = prefix.map(lower)
      const others = isJsonObject(rest) ? lower(rest) : undefined
      if (dialect.tuples) {
        out["prefixItems"] = members
        if (others !== undefined) out["items"] = others
        else if (rest === false) out["items"] = false
      } else {
        const any = others === undefined ? members : [...members, others]
        out["items"] = any.length === 1 ? (any[0] ?? {}) : { anyOf: any }
      }
      return
    }
    if (isJsonObject(rest)) out["items"] = lower(rest)
    else if (rest === undefined || rest === true) {
      if (dialect.closed) throw new Unsayable()
      out["items"] = {}
    } else if (dialect.closed) throw new Unsayable()
  }
  return lower
}

const isType = (type: JsonValue | undefined, name: string) =>
  type === name || (Array.isArray(type) && type.includes(name))

const typesOf = (values: ReadonlyArray<unknown>): JsonValue | undefined => {
  const types = [
    ...new Set(
      values.map((value) =>
        value === null ? "null" : Array.isArray(value) ? "array" : typeof value === "object" ? "object" : typeof value
      )
    )
  ]
  return types.length === 0 ? undefined : types.length === 1 ? types[0] : types
}

const nullable = (root: JsonObject, schema: JsonObject): JsonObject => {
  if (allowsNull(root, schema)) return schema
  const { description, ...rest } = schema
  const members = rest["anyOf"]
  const any = Array.isArray(members) && Object.keys(rest).length === 1 ? members : [rest]
  return { ...(description === undefined ? {} : { description }), anyOf: [...any, { type: "null" }] }
}

const allowsNull = (root: JsonObject, schema: JsonObject): boolean => {
  const node = resolve(root, schema)
  if (node["const"] === null || isType(node["type"], "null")) return true
  if (asArray(node["enum"]).includes(null)) return true
  return [...asArray(node["anyOf"]), ...asArray(node["oneOf"])].some((member) => allowsNull(root, asJsonObject(member)))
}

/** `allOf` merged into the schema beside it, so that no dialect needs to know it. */
const flatten = (root: JsonObject, schema: JsonObject): JsonObject => {
  const all = schema["allOf"]
  if (!Array.isArray(all)) return schema
  const { allOf: _, ...rest } = schema
  let merged: Record<string, JsonValue> = { ...rest }
  for (const member of all) {
    const part = flatten(root, resolve(root, asJsonObject(member)))
    merged = {
      ...merged,
      ...part,
      ...(isObject(part["properties"]) || isObject(merged["properties"])
        ? { properties: { ...asJsonObject(merged["properties"]), ...asJsonObject(part["properties"]) } }
        : {}),
      ...(part["required"] === undefined && merged["required"] === undefined
        ? {}
        : { required: [...new Set([...array(merged["required"]), ...array(part["required"])])] })
    }
  }
  return merged
}

const array = (value: JsonValue | undefined): ReadonlyArray<JsonValue> => Array.isArray(value) ? value : []

/** Takes out the nulls that stand for absent fields. */
const restoreValue = (root: JsonObject, node: JsonObject, value: JsonValue): JsonValue => {
  if (value === null || typeof value !== "object") return value
  const schema = flatten(root, resolve(root, node))
  const members = [...array(schema["anyOf"]), ...array(schema["oneOf"])]
  if (members.length > 0) {
    const member = members.find((member) => fits(root, asJsonObject(member), value))
    return member === undefined ? value : restoreValue(root, asJsonObject(member), value)
  }
  if (Array.isArray(value)) {
    const prefix = array(schema["prefixItems"] ?? (Array.isArray(schema["items"]) ? schema["items"] : undefined))
    const rest = asJsonObject(Array.isArray(schema["items"]) ? schema["additionalItems"] : schema["items"])
    return value.map((item, i) => restoreValue(root, asJsonObject(prefix[i] ?? rest), item))
  }
  const properties = asJsonObject(schema["properties"])
  const required = array(schema["required"])
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, field]) => {
      const property = Object.hasOwn(properties, name) ? asJsonObject(properties[name]) : undefined
      if (property === undefined) return [[name, field]]
      if (field === null && !required.includes(name) && !allowsNull(root, property)) return []
      return [[name, restoreValue(root, property, field)]]
    })
  )
}

/** Whether a value could be of this schema, told by types, constants and the fields that must be there. */
const fits = (root: JsonObject, node: JsonObject, value: JsonValue): boolean => {
  const schema = flatten(root, resolve(root, node))
  const members = [...array(schema["anyOf"]), ...array(schema["oneOf"])]
  if (members.length > 0) return members.some((member) => fits(root, asJsonObject(member), value))
  if (schema["const"] !== undefined) return schema["const"] === value
  const options = schema["enum"]
  if (Array.isArray(options)) return options.includes(value)
  const type = schema["type"]
  const name = value === null ? "null" : Array.isArray(value) ? "array" : typeof value
  if (type !== undefined && !isType(type, name) && !(name === "number" && isType(type, "integer"))) return false
  if (Array.isArray(value)) {
    const items = schema["items"]
    return !isJsonObject(items) || value.every((item) => fits(root, items, item))
  }
  if (!isJsonObject(value)) return true
  const properties = asJsonObject(schema["properties"])
  const required = array(schema["required"])
  if (required.some((name) => typeof name === "string" && !Object.hasOwn(value, name))) return false
  return Object.entries(value).every(([name, field]) => {
    if (!Object.hasOwn(properties, name)) return schema["additionalProperties"] !== false
    return (field === null && !required.includes(name)) || fits(root, asJsonObject(properties[name]), field)
  })
}
