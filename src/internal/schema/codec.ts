/** A JSON Schema in a dialect, and the way back from the answer. Made once per schema and dialect. */
import type { JsonObject, JsonValue } from "../../Prompt.ts"
import { asJsonObject, isObject } from "../json.ts"
import type { Dialect, Limits } from "./dialect.ts"
import {
  allowsNull,
  asList,
  isJsonObject,
  isType,
  itemsOf,
  lookup,
  membersOf,
  referencesOf,
  resolve,
  typeOf
} from "./nodes.ts"
import { restore } from "./restore.ts"

export interface Codec {
  readonly schema: JsonObject
  /** From what the model answers to what the user's schema expects. */
  readonly restore: (value: JsonValue) => JsonValue
  /** The same for a value that is still growing; undefined while there is nothing to show. */
  readonly partial: (value: JsonValue) => JsonValue | undefined
}

const cache = new WeakMap<JsonObject, Map<string, Codec | undefined>>()

/** The codec of a schema in a dialect; undefined when the dialect cannot say the schema at all. */
export const codec = (schema: JsonObject, dialect: Dialect): Codec | undefined => {
  let known = cache.get(schema)
  if (known === undefined) cache.set(schema, known = new Map())
  if (!known.has(dialect.name)) known.set(dialect.name, make(schema, dialect))
  return known.get(dialect.name)
}

class Unsayable extends Error {}

const make = (original: JsonObject, dialect: Dialect): Codec | undefined => {
  try {
    const lowering = new Lowering(original, dialect)
    const root = resolve(original, original)
    const wrapped = dialect.rootObject && !isPlainObject(root)
    const lowered = lowering.lower(root)
    const body: JsonObject = wrapped
      ? { type: "object", properties: { value: lowered }, required: ["value"], additionalProperties: false }
      : asJsonObject(lowered)
    const definitions = lowering.definitions()
    const schema = Object.keys(definitions).length === 0 ? body : { ...body, $defs: definitions }
    if (dialect.limits !== undefined && exceeds(schema, dialect.limits)) return undefined
    // In any dialect: models like to write null for what is absent.
    const back = (value: JsonValue) => restore(original, original, value)
    return wrapped
      ? {
        schema,
        restore: (value) => back(isJsonObject(value) && Object.hasOwn(value, "value") ? value["value"] ?? null : value),
        partial: (value) => isJsonObject(value) ? value["value"] : undefined
      }
      : { schema, restore: back, partial: (value) => value }
  } catch (error) {
    if (error instanceof Unsayable) return undefined
    throw error
  }
}

const isPlainObject = (schema: JsonObject): boolean => schema["type"] === "object" && membersOf(schema).length === 0

/** Keywords whose meaning is told in the description where they cannot be sent. */
const telling: ReadonlyArray<string> = [
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
  "examples"
]

class Lowering {
  private readonly root: JsonObject
  private readonly dialect: Dialect
  /** Definitions in use: name in the document → what is sent. */
  private readonly used = new Map<string, { readonly name: string; schema: JsonValue }>()
  private readonly open = new Set<string>()

  constructor(root: JsonObject, dialect: Dialect) {
    this.root = root
    this.dialect = dialect
  }

  definitions(): JsonObject {
    return Object.fromEntries([...this.used.values()].map(({ name, schema }) => [name, schema]))
  }

  lower(node: JsonValue): JsonValue {
    if (node === true) return this.anything({})
    if (!isJsonObject(node)) throw new Unsayable()
    const { $ref, ...beside } = node
    if (typeof $ref === "string") return this.reference($ref, beside)
    const schema = resolve(this.root, node)
    const out = this.annotations(schema)
    const members = membersOf(schema)
    if (members.length > 0) {
      out["anyOf"] = members.map((member) => this.lower(withShared(schema, member)))
      return out
    }
    this.values(schema, out)
    if (isType(out["type"], "object")) this.object(schema, out)
    if (isType(out["type"], "array")) this.array(schema, out)
    return out["type"] === undefined && out["enum"] === undefined && out["const"] === undefined
      ? this.anything(out)
      : out
  }

  private reference(ref: string, beside: JsonObject): JsonValue {
    const { references } = this.dialect
    const cyclic = this.open.has(ref)
    if (cyclic && references !== "recursive") throw new Unsayable()
    // Dialects differ on what may stand beside a reference, so what refines it is merged with what it refers to.
    if (references === "none" || (Object.keys(beside).length > 0 && !cyclic)) {
      this.open.add(ref)
      const inlined = this.lower({ ...lookup(this.root, ref), ...beside })
      this.open.delete(ref)
      return inlined
    }
    let definition = this.used.get(ref)
    if (definition === undefined) {
      definition = { name: this.nameOf(ref), schema: {} }
      this.used.set(ref, definition)
      this.open.add(ref)
      definition.schema = this.lower(lookup(this.root, ref))
      this.open.delete(ref)
    }
    return { $ref: `#/$defs/${definition.name}` }
  }

  /** Letters, digits, `_` and `-` only: providers choke on anything else. */
  private nameOf(ref: string): string {
    const base = (ref === "#" ? "Root" : ref.split("/").at(-1) ?? "").replace(/[^a-zA-Z0-9_-]+/g, "_") || "Type"
    const taken = new Set([...this.used.values()].map(({ name }) => name))
    let name = base
    for (let n = 2; taken.has(name); n++) name = `${base}_${n}`
    return name
  }

  private annotations(schema: JsonObject): Record<string, JsonValue> {
    const { formats, keywords } = this.dialect
    const out: Record<string, JsonValue> = {}
    const told: Array<string> = []
    for (const [key, value] of Object.entries(schema)) {
      const sent = keywords.has(key) && (key !== "format" || formats === undefined || formats.has(String(value)))
      if (sent) out[key] = value
      else if (telling.includes(key)) {
        told.push(`${key}: ${typeof value === "string" ? value : JSON.stringify(value)}`)
      }
    }
    if (told.length > 0) {
      const described = schema["description"]
      out["description"] = `${typeof described === "string" ? `${described} ` : ""}(${told.join(", ")})`
    }
    return out
  }

  /** `type`, `const` and `enum`. */
  private values(schema: JsonObject, out: Record<string, JsonValue>): void {
    const { constants, enums } = this.dialect
    const constant = schema["const"]
    const options = Array.isArray(schema["enum"]) ? schema["enum"] : constant === undefined ? undefined : [constant]
    const types = options === undefined ? undefined : [...new Set(options.map(typeOf))]
    const type = schema["type"] ?? (isObject(schema["properties"]) ? "object" : undefined) ??
      (types?.length === 1 ? types[0] : types)
    if (type !== undefined) out["type"] = type
    if (options === undefined || types === undefined || !types.every((type) => enums.has(type))) return
    if (constant !== undefined && constants) out["const"] = constant
    else out["enum"] = options
  }

  private object(schema: JsonObject, out: Record<string, JsonValue>): void {
    const properties = asJsonObject(schema["properties"])
    const names = Object.keys(properties)
    const required = new Set(asList(schema["required"]).filter((name) => names.includes(String(name))))
    const extra = schema["additionalProperties"]
    const isOpen = (extra !== undefined && extra !== false) || schema["patternProperties"] !== undefined ||
      (names.length === 0 && extra === undefined)
    const { closed, requiresOne } = this.dialect
    if (closed && isOpen) throw new Unsayable()
    if (requiresOne && names.length === 0) throw new Unsayable()
    const all = closed || (requiresOne && required.size === 0)
    out["properties"] = Object.fromEntries(names.map((name) => {
      const lowered = this.lower(properties[name] ?? {})
      return [name, all && !required.has(name) ? this.nullable(properties[name] ?? {}, asJsonObject(lowered)) : lowered]
    }))
    if (all) out["required"] = names
    else if (required.size > 0) out["required"] = names.filter((name) => required.has(name))
    if (closed) out["additionalProperties"] = false
    else if (extra !== undefined) out["additionalProperties"] = isJsonObject(extra) ? this.lower(extra) : extra
  }

  private array(schema: JsonObject, out: Record<string, JsonValue>): void {
    const { prefix, rest } = itemsOf(schema)
    if (prefix === undefined) {
      out["items"] = isJsonObject(rest) ? this.lower(rest) : this.anything({})
      return
    }
    const members = prefix.map((member) => this.lower(member))
    const others = isJsonObject(rest) ? [this.lower(rest)] : []
    if (this.dialect.tuples) {
      out["prefixItems"] = members
      if (others[0] !== undefined) out["items"] = others[0]
      else if (rest === false) out["items"] = false
      return
    }
    const any = [...members, ...others].filter((member, i, all) =>
      all.findIndex((other) => JSON.stringify(other) === JSON.stringify(member)) === i
    )
    out["items"] = any.length === 1 ? any[0] ?? {} : { anyOf: any }
    if (rest === false && this.dialect.keywords.has("maxItems")) out["maxItems"] = prefix.length
  }

  private anything(annotations: JsonObject): JsonValue {
    if (this.dialect.closed) throw new Unsayable()
    return annotations
  }

  private nullable(node: JsonValue, lowered: JsonObject): JsonObject {
    if (allowsNull(this.root, asJsonObject(node))) return lowered
    const { description, ...rest } = lowered
    const any = Array.isArray(rest["anyOf"]) && Object.keys(rest).length === 1 ? rest["anyOf"] : [rest]
    return { ...(description === undefined ? {} : { description }), anyOf: [...any, { type: "null" }] }
  }
}

/** A member of a union also has what stands beside the union: `properties` next to `anyOf`. */
const withShared = (schema: JsonObject, member: JsonValue): JsonValue => {
  const shared = schema["properties"]
  if (!isJsonObject(shared) || !isJsonObject(member)) return member
  return {
    ...member,
    type: member["type"] ?? schema["type"] ?? "object",
    properties: { ...shared, ...asJsonObject(member["properties"]) },
    required: [...new Set([...asList(schema["required"]), ...asList(member["required"])])],
    ...(member["additionalProperties"] === undefined && schema["additionalProperties"] !== undefined
      ? { additionalProperties: schema["additionalProperties"] }
      : {})
  }
}

const exceeds = (schema: JsonObject, limits: Limits): boolean => {
  let properties = 0
  let enumValues = 0
  let characters = 0
  let large = false
  const length = (value: JsonValue) => typeof value === "string" ? value.length : JSON.stringify(value).length
  const walk = (node: JsonValue, depth: number): number => {
    if (Array.isArray(node)) return Math.max(depth, ...node.map((item) => walk(item, depth)))
    if (!isJsonObject(node)) return depth
    const options = node["enum"]
    if (Array.isArray(options)) {
      const size = options.reduce<number>((sum, option) => sum + length(option), 0)
      enumValues += options.length
      characters += size
      if (options.length > 250 && size > limits.largeEnumCharacters) large = true
    }
    if (node["const"] !== undefined) characters += length(node["const"])
    const fields = asJsonObject(node["properties"])
    for (const name of Object.keys(fields)) {
      properties++
      characters += name.length
    }
    const inner = isType(node["type"], "object") || isType(node["type"], "array") ? depth + 1 : depth
    const below = [...Object.values(fields), node["items"] ?? null, ...membersOf(node)]
    return Math.max(inner, ...below.map((child) => walk(child, inner)))
  }
  const definitions = asJsonObject(schema["$defs"])
  characters += Object.keys(definitions).reduce((sum, name) => sum + name.length, 0)
  const depths = new Map(Object.entries(definitions).map(([name, node]) => [`#/$defs/${name}`, walk(node, 0)]))
  // A definition counts where it is referred to; one that refers to itself counts once.
  const reach = (node: JsonValue, seen: ReadonlySet<string>): number =>
    Math.max(
      0,
      ...referencesOf(node).filter((ref) => !seen.has(ref)).map((ref) =>
        (depths.get(ref) ?? 0) + reach(lookup(schema, ref), new Set([...seen, ref]))
      )
    )
  const depth = walk(schema, 0) + reach(schema, new Set())
  return depth > limits.depth || properties > limits.properties || enumValues > limits.enumValues ||
    characters > limits.characters || large
}
