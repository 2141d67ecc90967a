/** Walking JSON Schema: references, `allOf`, types. */
import type { JsonObject, JsonValue } from "../../Prompt.ts"
import { asJsonObject, isObject } from "../json/values.ts"

export const isJsonObject = (value: JsonValue | undefined): value is JsonObject => isObject(value)

const nothing: ReadonlyArray<JsonValue> = []

export const asList = (value: JsonValue | undefined): ReadonlyArray<JsonValue> => Array.isArray(value) ? value : nothing

export const isType = (type: JsonValue | undefined, name: string): boolean =>
  type === name || (Array.isArray(type) && type.includes(name))

export const typeOf = (value: JsonValue): string =>
  value === null ? "null" : Array.isArray(value) ? "array" : typeof value

/** The members of a union: `anyOf` and `oneOf`. */
export const membersOf = ({ anyOf, oneOf }: JsonObject): ReadonlyArray<JsonValue> =>
  oneOf === undefined ? asList(anyOf) : [...asList(anyOf), ...asList(oneOf)]

/** Leading items and the rest of an array schema, in draft 7's and 2020-12's way of saying it. */
export const itemsOf = (
  schema: JsonObject
): { readonly prefix: ReadonlyArray<JsonValue> | undefined; readonly rest: JsonValue | undefined } => {
  const { items, prefixItems } = schema
  if (Array.isArray(prefixItems)) return { prefix: prefixItems, rest: items }
  return Array.isArray(items) ? { prefix: items, rest: schema["additionalItems"] } : { prefix: undefined, rest: items }
}

/** The schema a reference within the document points to; an empty one when it points nowhere. */
export const lookup = (root: JsonObject, ref: string): JsonObject => {
  let node: JsonValue = root
  for (const step of ref.replace(/^#\/?/, "").split("/").filter((step) => step !== "")) {
    // Some writers encode for a URI, others do not: a name is taken as it is written first.
    const names = [step, decoded(step)].map((name) => name.replaceAll("~1", "/").replaceAll("~0", "~"))
    const container: JsonObject = asJsonObject(node)
    const name = names.find((name) => Object.hasOwn(container, name))
    node = name === undefined ? {} : container[name] ?? {}
  }
  return asJsonObject(node)
}

const decoded = (step: string): string => {
  try {
    return decodeURIComponent(step)
  } catch {
    return step
  }
}

/** The schema itself: references followed, `allOf` merged with what stands beside it. What is within itself adds nothing. */
export const resolve = (root: JsonObject, schema: JsonObject, within: ReadonlyArray<string> = []): JsonObject => {
  let node = schema
  let open = within
  while (typeof node["$ref"] === "string") {
    const { $ref, ...beside } = node
    const ref = String($ref)
    if (open.includes(ref)) return beside
    open = [...open, ref]
    node = { ...lookup(root, ref), ...beside }
  }
  return flatten(root, node, open)
}

/** `allOf` merged into the schema beside it, so that no dialect needs to know it. */
const flatten = (root: JsonObject, schema: JsonObject, within: ReadonlyArray<string>): JsonObject => {
  if (!Array.isArray(schema["allOf"])) return schema
  const { allOf, ...rest } = schema
  return asList(allOf).reduce<JsonObject>((merged, member) => {
    const part = resolve(root, asJsonObject(member), within)
    const properties = { ...asJsonObject(part["properties"]), ...asJsonObject(merged["properties"]) }
    const required = [...new Set([...asList(merged["required"]), ...asList(part["required"])])]
    return {
      ...part,
      ...merged,
      ...(Object.keys(properties).length === 0 ? {} : { properties }),
      ...(required.length === 0 ? {} : { required })
    }
  }, rest)
}

const constrains = ["type", "enum", "const", "not"]

export const allowsNull = (root: JsonObject, schema: JsonObject, within: ReadonlyArray<string> = []): boolean => {
  const ref = schema["$ref"]
  if (typeof ref === "string" && within.includes(ref)) return false
  const open = typeof ref === "string" ? [...within, ref] : within
  const node = resolve(root, schema)
  if (node["const"] === null || isType(node["type"], "null") || asList(node["enum"]).includes(null)) return true
  const members = membersOf(node)
  if (members.length === 0) return !constrains.some((key) => node[key] !== undefined)
  return members.some((member) => allowsNull(root, asJsonObject(member), open))
}

/** Keywords that hold a schema, a list of schemas, and schemas by name. What is in any other is a value. */
const schemaKeywords = ["items", "additionalItems", "additionalProperties", "propertyNames", "not", "contentSchema"]
const listKeywords = ["anyOf", "oneOf", "allOf", "prefixItems", "items"]
const mapKeywords = ["properties", "patternProperties"]

/** The schemas directly inside a schema. */
export const childrenOf = (schema: JsonObject): ReadonlyArray<JsonObject> =>
  [
    ...schemaKeywords.map((key) => schema[key]),
    ...listKeywords.flatMap((key) => asList(schema[key])),
    ...mapKeywords.flatMap((key) => Object.values(asJsonObject(schema[key])))
  ].filter(isJsonObject)

/** The same schema with each schema inside it replaced. */
export const mapChildren = (schema: JsonObject, f: (child: JsonValue) => JsonValue): JsonObject =>
  Object.fromEntries(
    Object.entries(schema).map(([key, value]) => {
      if (Array.isArray(value) && listKeywords.includes(key)) return [key, value.map(f)]
      if (isJsonObject(value) && (mapKeywords.includes(key) || key === "$defs" || key === "definitions")) {
        return [key, Object.fromEntries(Object.entries(value).map(([name, child]) => [name, f(child)]))]
      }
      return [key, isJsonObject(value) && schemaKeywords.includes(key) ? f(value) : value]
    })
  )
