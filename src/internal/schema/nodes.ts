/** Walking JSON Schema: references, `allOf`, types. */
import type { JsonObject, JsonValue } from "../../Prompt.ts"
import { asJsonObject, isObject } from "../json.ts"

export const isJsonObject = (value: JsonValue | undefined): value is JsonObject => isObject(value)

export const asList = (value: JsonValue | undefined): ReadonlyArray<JsonValue> => Array.isArray(value) ? value : []

export const isType = (type: JsonValue | undefined, name: string): boolean =>
  type === name || (Array.isArray(type) && type.includes(name))

export const typeOf = (value: JsonValue): string =>
  value === null ? "null" : Array.isArray(value) ? "array" : typeof value

/** The members of a union: `anyOf` and `oneOf`. */
export const membersOf = (schema: JsonObject): ReadonlyArray<JsonValue> => [
  ...asList(schema["anyOf"]),
  ...asList(schema["oneOf"])
]

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
    const name = decoded(step).replaceAll("~1", "/").replaceAll("~0", "~")
    const next: JsonValue | undefined = isJsonObject(node) && Object.hasOwn(node, name) ? node[name] : undefined
    node = next ?? {}
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

const maxHops = 32

/** The schema itself: references followed, `allOf` merged with what stands beside it. */
export const resolve = (root: JsonObject, schema: JsonObject): JsonObject => {
  let node = schema
  for (let hops = 0; typeof node["$ref"] === "string" && hops < maxHops; hops++) {
    const { $ref, ...beside } = node
    node = { ...lookup(root, String($ref)), ...beside }
  }
  return flatten(root, node)
}

/** `allOf` merged into the schema beside it, so that no dialect needs to know it. */
const flatten = (root: JsonObject, schema: JsonObject): JsonObject => {
  const { allOf, ...rest } = schema
  if (!Array.isArray(allOf)) return schema
  return allOf.reduce<JsonObject>((merged, member) => {
    const part = resolve(root, asJsonObject(member))
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

export const allowsNull = (root: JsonObject, schema: JsonObject): boolean => {
  const node = resolve(root, schema)
  if (node["const"] === null || isType(node["type"], "null") || asList(node["enum"]).includes(null)) return true
  return membersOf(node).some((member) => allowsNull(root, asJsonObject(member)))
}

/** Names that references in a schema use, directly. */
export const referencesOf = (node: JsonValue): ReadonlyArray<string> => {
  if (Array.isArray(node)) return node.flatMap(referencesOf)
  if (!isJsonObject(node)) return []
  const own = typeof node["$ref"] === "string" ? [node["$ref"]] : []
  return [...own, ...Object.entries(node).flatMap(([key, value]) => key === "$defs" ? [] : referencesOf(value))]
}
