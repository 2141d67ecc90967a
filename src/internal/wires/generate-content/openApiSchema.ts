/** Schemas in the words of OpenAPI 3.0, as Google's clients write them, as JSON Schemas. Source: ai.google.dev/api/caching#Schema, 2026-11. */
import type { JsonObject, JsonValue } from "../../../Prompt.ts"
import { asJsonObject, isObject } from "../../json/values.ts"

const counts: ReadonlySet<string> = new Set([
  "minItems",
  "maxItems",
  "minProperties",
  "maxProperties",
  "minLength",
  "maxLength"
])

/** A JSON Schema stays what it is. */
export const jsonSchemaOf = (schema: JsonObject): JsonObject => {
  const converted: Record<string, JsonValue> = {}
  for (const [name, value] of Object.entries(schema)) {
    if (name === "nullable" || name === "propertyOrdering" || name === "example") continue
    if (name === "type") converted["type"] = typeof value === "string" ? value.toLowerCase() : value
    else if (name === "properties" && isObject(value)) {
      converted["properties"] = Object.fromEntries(
        Object.entries(asJsonObject(value)).map(([name, one]) => [name, jsonSchemaOf(asJsonObject(one))])
      )
    } else if (name === "items" && isObject(value)) converted["items"] = jsonSchemaOf(asJsonObject(value))
    else if (name === "anyOf" && Array.isArray(value)) {
      converted["anyOf"] = value.map((one: JsonValue) => jsonSchemaOf(asJsonObject(one)))
    } else if (counts.has(name) && typeof value === "string") converted[name] = Number(value)
    else converted[name] = value
  }
  if (schema["nullable"] !== true) return converted
  const { enum: listed, type } = converted
  return {
    ...converted,
    ...(typeof type === "string" ? { type: [type, "null"] } : {}),
    ...(Array.isArray(listed) ? { enum: [...listed, null] } : {})
  }
}
