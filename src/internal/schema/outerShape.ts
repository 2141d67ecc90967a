/** Whether a value could be meant as an answer to a schema, told from its outside alone. */
import type { JsonObject, JsonValue } from "../../Prompt.ts"
import { asArray, isObject } from "../json/values.ts"
import { resolve } from "./nodes.ts"

/** An object with the fields that must be there, an array, or anything where the schema leaves it open. */
export const outerShape = (schema: JsonObject): (value: JsonValue) => boolean => {
  const outer = resolve(schema, schema)
  const required = asArray(outer["required"])
  switch (outer["type"]) {
    case "object":
      return (value) =>
        isObject(value) && required.every((name) => typeof name !== "string" || Object.hasOwn(value, name))
    case "array":
      return (value) => Array.isArray(value)
    default:
      return () => true
  }
}
