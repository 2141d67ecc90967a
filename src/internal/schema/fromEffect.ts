/** The JSON Schema of an Effect `Schema`, without the library's own marks for what JSON Schema has no word for. */
import * as JSONSchema from "effect/JSONSchema"
import type * as Schema from "effect/Schema"
import type { JsonObject, JsonValue } from "../../Prompt.ts"
import { asJsonObject } from "../json/values.ts"
import { isJsonObject, mapChildren } from "./nodes.ts"

/** Throws, with the path, for what no model can be asked for: functions, symbols, values without an encoding. */
export const fromEffect = <A, I, R>(schema: Schema.Schema<A, I, R>): JsonObject => {
  const $defs: Record<string, JSONSchema.JsonSchema7> = {}
  // Not `make`: of JSON in text at the root it gives the schema of the JSON, but the decoder takes the text.
  const root = JSONSchema.fromAST(schema.ast, { definitions: $defs })
  // Through text, so that it is plain JSON: what is undefined goes away.
  return asJsonObject(
    clean(JSON.parse(JSON.stringify({ ...root, ...(Object.keys($defs).length > 0 ? { $defs } : {}) })))
  )
}

const clean = (node: JsonValue): JsonValue => {
  if (!isJsonObject(node)) return node
  const { $comment: _, $id, ...rest } = node
  const described = rest["description"] === undefined ? {} : { description: rest["description"] }
  switch ($id) {
    case "/schemas/%7B%7D":
      return { ...described, type: "object", properties: {}, additionalProperties: false }
    case "/schemas/unknown":
    case "/schemas/any":
    case "/schemas/void":
      return described
    default:
      return mapChildren(withoutNever(rest), clean)
  }
}

// A field that may never have a value is no field to ask for.
const withoutNever = (node: JsonObject): JsonObject =>
  isJsonObject(node["properties"])
    ? {
      ...node,
      properties: Object.fromEntries(
        Object.entries(node["properties"]).filter(([, field]) => asJsonObject(field)["$id"] !== "/schemas/never")
      )
    }
    : node
