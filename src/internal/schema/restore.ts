/** From what a closed dialect makes a model answer to what the user's schema expects: nulls for absent fields go. */
import type { JsonObject, JsonValue } from "../../Prompt.ts"
import { asJsonObject, mapFields, mapItems } from "../json/values.ts"
import { allowsNull, asList, isJsonObject, isType, itemsOf, membersOf, resolve, typeOf } from "./nodes.ts"

/** The same value where nothing has to go. */
export const restore = (root: JsonObject, node: JsonObject, value: JsonValue): JsonValue => {
  if (value === null || typeof value !== "object") return value
  const schema = resolve(root, node)
  const members = membersOf(schema).map(asJsonObject)
  if (members.length > 0) {
    const member = members.find((member) => fits(root, member, value)) ??
      members.find((member) => fits(root, member, value, false))
    return member === undefined ? value : restore(root, member, value)
  }
  if (Array.isArray(value)) {
    const { prefix = [], rest } = itemsOf(schema)
    return mapItems(value, (item, at) => restore(root, asJsonObject(prefix[at] ?? rest), item))
  }
  return mapFields(asJsonObject(value), (field, name) => {
    const { named, schema: property } = propertyOf(schema, name)
    if (!isJsonObject(property)) return field
    if (field !== null) return restore(root, property, field)
    return named && !asList(schema["required"]).includes(name) && !allowsNull(root, property) ? undefined : null
  })
}

/** The schema of a property, and whether it is one that has a name in the schema. */
export const propertyOf = (
  schema: JsonObject,
  name: string
): { readonly named: boolean; readonly schema: JsonValue | undefined } => {
  const properties = asJsonObject(schema["properties"])
  if (Object.hasOwn(properties, name)) return { named: true, schema: properties[name] }
  const matching = Object.entries(asJsonObject(schema["patternProperties"])).find(([pattern]) => matches(pattern, name))
  return { named: false, schema: matching === undefined ? schema["additionalProperties"] : matching[1] }
}

/**
 * Whether a value could be of this schema; `exact` looks at the bounds and patterns of scalars too. A null for a field
 * that may be absent is no reason against.
 */
export const fits = (root: JsonObject, node: JsonObject, value: JsonValue, exact = true): boolean => {
  const schema = resolve(root, node)
  const members = membersOf(schema)
  if (members.length > 0) return members.some((member) => fits(root, asJsonObject(member), value, exact))
  if (schema["const"] !== undefined) return schema["const"] === value
  const options = schema["enum"]
  if (Array.isArray(options)) return options.includes(value)
  const type = schema["type"]
  const name = typeOf(value)
  if (type !== undefined && !isType(type, name) && !(isType(type, "integer") && Number.isInteger(value))) return false
  if (typeof value === "string") return !exact || fitsText(schema, value)
  if (typeof value === "number") return !exact || fitsNumber(schema, value)
  if (Array.isArray(value)) return fitsItems(root, schema, value, exact)
  if (!isJsonObject(value)) return true
  const required = asList(schema["required"])
  if (required.some((name) => typeof name === "string" && !Object.hasOwn(value, name))) return false
  return Object.entries(value).every(([name, field]) => {
    const { named, schema: property } = propertyOf(schema, name)
    if (!isJsonObject(property)) return property !== false
    return (field === null && named && !required.includes(name)) || fits(root, property, field, exact)
  })
}

const fitsItems = (
  root: JsonObject,
  schema: JsonObject,
  value: ReadonlyArray<JsonValue>,
  exact: boolean
): boolean => {
  const { prefix = [], rest } = itemsOf(schema)
  const { maxItems, minItems } = schema
  if (typeof minItems === "number" && value.length < minItems) return false
  if (typeof maxItems === "number" && value.length > maxItems) return false
  return value.every((item, i) => {
    const node = prefix[i] ?? rest
    return isJsonObject(node) ? fits(root, node, item, exact) : node !== false
  })
}

const fitsText = ({ maxLength, minLength, pattern }: JsonObject, value: string): boolean =>
  !(typeof minLength === "number" && value.length < minLength) &&
  !(typeof maxLength === "number" && value.length > maxLength) &&
  !(typeof pattern === "string" && !matches(pattern, value))

const fitsNumber = (
  { exclusiveMaximum, exclusiveMinimum, maximum, minimum }: JsonObject,
  value: number
): boolean =>
  !(typeof minimum === "number" && value < minimum) &&
  !(typeof maximum === "number" && value > maximum) &&
  !(typeof exclusiveMinimum === "number" && value <= exclusiveMinimum) &&
  !(typeof exclusiveMaximum === "number" && value >= exclusiveMaximum)

/** A pattern that is no regular expression here excludes nothing. */
const matches = (pattern: string, text: string): boolean => {
  try {
    return new RegExp(pattern, "u").test(text)
  } catch {
    return true
  }
}

/**
 * The same for a value that is still growing. Which member of a union it will be is not known yet, so a null is held
 * back while any of them could take it for an absent field: what is shown never goes away again.
 */
export const restoreGrowing = (root: JsonObject, node: JsonObject, value: JsonValue): JsonValue => {
  if (value === null || typeof value !== "object") return value
  const nodes = flatMembers(root, node)
  if (Array.isArray(value)) {
    return value.map((item, i) => {
      const items = nodes.map(itemsOf).flatMap(({ prefix = [], rest }) => prefix[i] ?? rest ?? [])
      return restoreGrowing(root, unionOf(items), item)
    })
  }
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, field]) => {
      const known = nodes.flatMap((schema) => {
        const properties = asJsonObject(schema["properties"])
        return Object.hasOwn(properties, name)
          ? [{ property: asJsonObject(properties[name]), required: asList(schema["required"]).includes(name) }]
          : []
      })
      const absent = field === null &&
        known.some(({ property, required }) => !required && !allowsNull(root, property))
      return absent ? [] : [[name, restoreGrowing(root, unionOf(known.map(({ property }) => property)), field)]]
    })
  )
}

const unionOf = (nodes: ReadonlyArray<JsonValue>): JsonObject =>
  nodes.length === 1 ? asJsonObject(nodes[0]) : nodes.length === 0 ? {} : { anyOf: nodes }

/** All that a value of this schema may be. */
export const flatMembers = (root: JsonObject, node: JsonObject): ReadonlyArray<JsonObject> => {
  const schema = resolve(root, node)
  const members = membersOf(schema)
  return members.length === 0 ? [schema] : members.flatMap((member) => flatMembers(root, asJsonObject(member)))
}
