/** A JSON Schema in a dialect, and the way back from the answer. Made once per schema and dialect. */
import type { JsonObject, JsonValue } from "../../Prompt.ts"
import { asJsonObject, isObject } from "../json/values.ts"
import type { Dialect, Limits } from "./dialect.ts"
import {
  allowsNull,
  asList,
  childrenOf,
  isJsonObject,
  isType,
  itemsOf,
  lookup,
  mapChildren,
  membersOf,
  resolve,
  typeOf
} from "./nodes.ts"
import { fits, restore, restoreGrowing } from "./restore.ts"

export interface Codec {
  readonly schema: JsonObject
  /**
   * From what the model answers to what the user's schema expects. Only nulls make work, so a caller that knows the
   * text says whether there can be any.
   */
  readonly restore: (value: JsonValue, hasNulls?: boolean) => JsonValue
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
    const definitions = dialect.references === "optional"
      ? openCycles(lowering.definitions())
      : lowering.definitions()
    const schema = Object.keys(definitions).length === 0 ? body : { ...body, $defs: definitions }
    if (dialect.limits !== undefined && exceeds(schema, dialect.limits)) return undefined
    // In any dialect: models like to write null for what is absent.
    const back = (value: JsonValue, hasNulls = true) => hasNulls ? restore(original, original, value) : value
    const growing = (value: JsonValue) => restoreGrowing(original, original, value)
    return wrapped
      ? {
        schema,
        restore: (value, hasNulls) => back(isWrapper(original, value) ? value["value"] ?? null : value, hasNulls),
        partial: (value) =>
          isJsonObject(value) && Object.hasOwn(value, "value") ? growing(value["value"] ?? null) : undefined
      }
      : { schema, restore: back, partial: growing }
  } catch (error) {
    if (error instanceof Unsayable) return undefined
    throw error
  }
}

/** A model that leaves the wrapper out is understood too, also where its answer has a field of that name. */
const isWrapper = (original: JsonObject, value: JsonValue): value is JsonObject =>
  isJsonObject(value) && Object.hasOwn(value, "value") &&
  (Object.keys(value).length === 1 || !fits(original, original, value))

export const isPlainObject = (schema: JsonObject): boolean =>
  schema["type"] === "object" && membersOf(schema).length === 0

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

/** Those of them that hold a schema. */
const inner: ReadonlyArray<string> = ["propertyNames", "not", "contentSchema"]

/** Where references are written out, a schema of few lines may become one that nobody takes. */
const mostSteps = 100_000

class Lowering {
  private readonly root: JsonObject
  private readonly dialect: Dialect
  /** Definitions in use: name in the document → what is sent. */
  private readonly used = new Map<string, { readonly name: string; schema: JsonValue }>()
  private readonly open = new Set<string>()
  private steps = 0

  constructor(root: JsonObject, dialect: Dialect) {
    this.root = root
    this.dialect = dialect
  }

  definitions(): JsonObject {
    return Object.fromEntries([...this.used.values()].map(({ name, schema }) => [name, schema]))
  }

  lower(node: JsonValue): JsonValue {
    if (++this.steps > mostSteps) throw new Unsayable()
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
    if (cyclic && (references === "acyclic" || references === "none")) throw new Unsayable()
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
      if (sent) out[key] = isJsonObject(value) && inner.includes(key) ? this.lower(value) : value
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
    const patterns = Object.entries(asJsonObject(schema["patternProperties"]))
    const isOpen = (extra !== undefined && extra !== false) || patterns.length > 0 ||
      (names.length === 0 && extra === undefined)
    const { closed, keywords, requiresOne } = this.dialect
    if (closed && isOpen) throw new Unsayable()
    if (requiresOne && names.length === 0) throw new Unsayable()
    const all = closed || (requiresOne && required.size === 0)
    out["properties"] = Object.fromEntries(names.map((name) => {
      const lowered = this.lower(properties[name] ?? {})
      return [name, all && !required.has(name) ? this.nullable(properties[name] ?? {}, asJsonObject(lowered)) : lowered]
    }))
    if (all) out["required"] = names
    else if (required.size > 0) out["required"] = names.filter((name) => required.has(name))
    if (closed) {
      out["additionalProperties"] = false
      return
    }
    const byPattern = patterns.map(([pattern, value]) => [pattern, this.lower(value)] as const)
    const others = isJsonObject(extra) ? this.lower(extra) : extra
    if (keywords.has("patternProperties")) {
      if (byPattern.length > 0) out["patternProperties"] = Object.fromEntries(byPattern)
      if (others !== undefined) out["additionalProperties"] = others
    } else if (byPattern.length > 0) {
      // Whatever the name is, the value is of one of these.
      const any = distinct([...byPattern.map(([, value]) => value), ...(isJsonObject(others) ? [others] : [])])
      out["additionalProperties"] = others === true || any.length === 0 ? true : oneOf(any)
    } else if (others !== undefined) out["additionalProperties"] = others
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
    out["items"] = oneOf(distinct([...members, ...others]))
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

const distinct = (schemas: ReadonlyArray<JsonValue>): ReadonlyArray<JsonValue> => {
  const texts = schemas.map((schema) => JSON.stringify(schema))
  return schemas.filter((_, i) => texts.indexOf(texts[i] ?? "") === i)
}

const oneOf = (schemas: ReadonlyArray<JsonValue>): JsonValue =>
  schemas.length === 1 ? schemas[0] ?? {} : { anyOf: schemas }

/** Every way from a definition back to itself gets a property that may be left out; decoding still asks for it. */
const openCycles = (definitions: JsonObject): JsonObject => {
  const open = { ...definitions }
  const next = (name: string) => requiredReferences(asJsonObject(open[name]))
  const reaches = (from: ReadonlyArray<string>, name: string, seen: Set<string>): boolean =>
    from.some((other) => other === name || (!seen.has(other) && reaches(next(other), name, seen.add(other))))
  const relax = (node: JsonValue, name: string): JsonValue => {
    if (!isJsonObject(node)) return node
    const { required, ...rest } = mapChildren(node, (child) => relax(child, name))
    const properties = asJsonObject(rest["properties"])
    const kept = asList(required).filter((field) =>
      !reaches(requiredReferences(asJsonObject(properties[String(field)])), name, new Set())
    )
    return kept.length === 0 ? rest : { ...rest, required: kept }
  }
  const isCyclic = (name: string) => reaches(next(name), name, new Set())
  for (const name of Object.keys(open)) if (isCyclic(name)) open[name] = relax(open[name] ?? {}, name)
  if (Object.keys(open).some(isCyclic)) throw new Unsayable()
  return open
}

/** The definitions that a value of this schema cannot do without. */
const requiredReferences = (schema: JsonObject): ReadonlyArray<string> => {
  const required = asList(schema["required"])
  const fields = Object.entries(asJsonObject(schema["properties"])).filter(([name]) => required.includes(name))
  const own = typeof schema["$ref"] === "string" ? [schema["$ref"].slice("#/$defs/".length)] : []
  return [...own, ...childrenOf({ ...schema, properties: Object.fromEntries(fields) }).flatMap(requiredReferences)]
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
  const definitions = asJsonObject(schema["$defs"])
  const texts = Object.keys(definitions)
  let properties = 0
  let unions = 0
  let enumValues = 0
  let largeEnum = 0
  const textOf = (value: JsonValue) => typeof value === "string" ? value : JSON.stringify(value)
  const count = (node: JsonObject): void => {
    const names = Object.keys(asJsonObject(node["properties"]))
    const options = asList(node["enum"]).map(textOf)
    properties += names.length
    enumValues += options.length
    if (membersOf(node).length > 0 || Array.isArray(node["type"])) unions++
    if (options.length > 250) largeEnum = Math.max(largeEnum, options.join("").length)
    texts.push(...names, ...options, ...(node["const"] === undefined ? [] : [textOf(node["const"])]))
    childrenOf(node).forEach(count)
  }
  for (const node of [schema, ...Object.values(definitions).map(asJsonObject)]) count(node)
  // A definition counts where it is referred to; one that refers to itself counts once.
  const depths = new Map<string, number>()
  const depthOf = (node: JsonObject): number => {
    const ref = node["$ref"]
    if (typeof ref === "string") {
      if (!depths.has(ref)) {
        depths.set(ref, 0)
        depths.set(ref, depthOf(lookup(schema, ref)))
      }
      return depths.get(ref) ?? 0
    }
    const own = isType(node["type"], "object") || isType(node["type"], "array") ? 1 : 0
    return own + Math.max(0, ...childrenOf(node).map(depthOf))
  }
  const over = (size: number, limit: number | undefined) => limit !== undefined && size > limit
  return over(properties, limits.properties) || over(unions, limits.unions) || over(enumValues, limits.enumValues) ||
    over(largeEnum, limits.largeEnumCharacters) || over(texts.join("").length, limits.characters) ||
    over(depthOf(schema), limits.depth)
}
