/** From what a closed dialect makes a model answer to what the user's schema expects: nulls for absent fields go. */
import type { JsonObject, JsonValue } from "../../Prompt.ts"
import { asJsonObject } from "../json.ts"
import { allowsNull, asList, isJsonObject, isType, itemsOf, membersOf, resolve, typeOf } from "./nodes.ts"

export const restore = (root: JsonObject, node: JsonObject, value: JsonValue): JsonValue => {
  if (value === null || typeof value !== "object") return value
  const schema = resolve(root, node)
  const members = membersOf(schema)
  if (members.length > 0) {
    const member = members.find((member) => fits(root, asJsonObject(member), value))
    return member === undefined ? value : restore(root, asJsonObject(member), value)
  }
  if (Array.isArray(value)) {
    const { prefix = [], rest } = itemsOf(schema)
    return value.map((item, i) => restore(root, asJsonObject(prefix[i] ?? rest), item))
  }
  const properties = asJsonObject(schema["properties"])
  const required = asList(schema["required"])
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, field]) => {
      if (!Object.hasOwn(properties, name)) return [[name, field]]
      const property = asJsonObject(properties[name])
      if (field === null && !required.includes(name) && !allowsNull(root, property)) return []
      return [[name, restore(root, property, field)]]
    })
  )
}

/** Whether a value could be of this schema, told by types, constants and the fields that must be there. */
const fits = (root: JsonObject, node: JsonObject, value: JsonValue): boolean => {
  const schema = resolve(root, node)
  const members = membersOf(schema)
  if (members.length > 0) return members.some((member) => fits(root, asJsonObject(member), value))
  if (schema["const"] !== undefined) return schema["const"] === value
  const options = schema["enum"]
  if (Array.isArray(options)) return options.includes(value)
  const type = schema["type"]
  const name = typeOf(value)
  if (type !== undefined && !isType(type, name) && !(isType(type, "integer") && Number.isInteger(value))) return false
  if (Array.isArray(value)) return fitsItems(root, schema, value)
  if (!isJsonObject(value)) return true
  const properties = asJsonObject(schema["properties"])
  const required = asList(schema["required"])
  if (required.some((name) => typeof name === "string" && !Object.hasOwn(value, name))) return false
  return Object.entries(value).every(([name, field]) => {
    if (!Object.hasOwn(properties, name)) return schema["additionalProperties"] !== false
    return (field === null && !required.includes(name)) || fits(root, asJsonObject(properties[name]), field)
  })
}

const fitsItems = (root: JsonObject, schema: JsonObject, value: ReadonlyArray<JsonValue>): boolean => {
  const { prefix = [], rest } = itemsOf(schema)
  const least = schema["minItems"]
  if (typeof least === "number" && value.length < least) return false
  return value.every((item, i) => {
    const node = prefix[i] ?? rest
    return isJsonObject(node) ? fits(root, node, item) : node !== false
  })
}
