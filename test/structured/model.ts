/** Answers as a model would whose words are held to a schema: what it writes fits the schema that was sent. */
import { definitionOf, isRecord, type Json, type JsonRecord, validatorOf } from "./checkers.ts"

const impossible = Symbol("impossible")
type Written = Json | typeof impossible

/**
 * What a model writes that means `value`: absent properties that must be there are null, and of a union the first
 * member is taken that can hold the value. Throws when the schema that was sent has no room for the value.
 */
export const makeModel = (sent: JsonRecord, wrapped: boolean): (value: Json) => Json => {
  const validate = validatorOf(sent)
  return (value) => {
    const written = write(sent, sent, wrapped ? { value } : value)
    if (written === impossible) throw new Error(`no room for ${JSON.stringify(value)} in ${JSON.stringify(sent)}`)
    if (!validate(written)) {
      throw new Error(`${JSON.stringify(written)} does not fit: ${JSON.stringify(validate.errors)}`)
    }
    return written
  }
}

const write = (root: JsonRecord, node: Json | undefined, value: Json): Written => {
  if (node === undefined || node === true) return value
  if (!isRecord(node)) return impossible
  if (node["$ref"] !== undefined) return write(root, definitionOf(root, node["$ref"]), value)
  for (const key of ["anyOf", "oneOf"] as const) {
    const members = node[key]
    if (!Array.isArray(members)) continue
    for (const member of members) {
      const written = write(root, member, value)
      if (written !== impossible) return written
    }
    return impossible
  }
  if (!admits(node, value)) return impossible
  if (Array.isArray(value)) return writeArray(root, node, value)
  return isRecord(value) ? writeObject(root, node, value) : value
}

const writeArray = (root: JsonRecord, node: JsonRecord, value: ReadonlyArray<Json>): Written => {
  const prefix = Array.isArray(node["prefixItems"]) ? node["prefixItems"] : []
  const items: Array<Json> = []
  for (const [i, item] of value.entries()) {
    const written = write(root, i < prefix.length ? prefix[i] : node["items"], item)
    if (written === impossible) return impossible
    items.push(written)
  }
  return items
}

const writeObject = (root: JsonRecord, node: JsonRecord, value: JsonRecord): Written => {
  const properties = isRecord(node["properties"]) ? node["properties"] : {}
  const required = Array.isArray(node["required"]) ? node["required"] : []
  const patterns = Object.entries(isRecord(node["patternProperties"]) ? node["patternProperties"] : {})
  const fields: Array<readonly [string, Json]> = []
  const put = (name: string, schema: Json | undefined, field: Json): boolean => {
    const written = write(root, schema, field)
    if (written === impossible) return false
    fields.push([name, written])
    return true
  }
  // In the order of the schema, as constrained models write.
  for (const [name, schema] of Object.entries(properties)) {
    const field = Object.hasOwn(value, name) ? value[name] : undefined
    if (field !== undefined ? !put(name, schema, field) : required.includes(name) && !put(name, schema, null)) {
      return impossible
    }
  }
  for (const [name, field] of Object.entries(value)) {
    if (Object.hasOwn(properties, name)) continue
    const pattern = patterns.find(([pattern]) => new RegExp(pattern, "u").test(name))
    if (!put(name, pattern === undefined ? node["additionalProperties"] : pattern[1], field)) return impossible
  }
  return Object.fromEntries(fields)
}

const typeOf = (value: Json): string => value === null ? "null" : Array.isArray(value) ? "array" : typeof value

const admits = (node: JsonRecord, value: Json): boolean => {
  const types = typeof node["type"] === "string" ? [node["type"]] : node["type"]
  if (Array.isArray(types)) {
    const fits = types.includes(typeOf(value)) || (types.includes("integer") && Number.isInteger(value))
    if (!fits) return false
  }
  const same = (other: Json) => JSON.stringify(other) === JSON.stringify(value)
  if (node["const"] !== undefined && !same(node["const"])) return false
  if (Array.isArray(node["enum"]) && !node["enum"].some(same)) return false
  return withinBounds(node, value)
}

const withinBounds = (node: JsonRecord, value: Json): boolean => {
  const size = typeof value === "string" ? [...value].length : Array.isArray(value) ? value.length : value
  const [least, most] = typeof value === "string"
    ? [node["minLength"], node["maxLength"]]
    : Array.isArray(value)
    ? [node["minItems"], node["maxItems"]]
    : [node["minimum"], node["maximum"]]
  if (typeof value === "string" && typeof node["pattern"] === "string") {
    if (!new RegExp(node["pattern"], "u").test(value)) return false
  }
  return typeof size !== "number" ||
    ((typeof least !== "number" || size >= least) && (typeof most !== "number" || size <= most))
}
