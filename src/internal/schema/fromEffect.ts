/** The JSON Schema of an Effect `Schema`, without the library's own marks for what JSON Schema has no word for. */
import * as JSONSchema from "effect/JSONSchema"
import type * as Schema from "effect/Schema"
import type { JsonObject, JsonValue } from "../../Prompt.ts"
import { asJsonObject } from "../json.ts"
import { isJsonObject } from "./nodes.ts"

/** Throws, with the path, for what no model can be asked for: functions, symbols, values without an encoding. */
export const fromEffect = <A, I, R>(schema: Schema.Schema<A, I, R>): JsonObject =>
  // Through text, so that it is plain JSON: what is undefined goes away.
  asJsonObject(clean(JSON.parse(JSON.stringify(JSONSchema.make(schema)))))

const clean = (node: JsonValue): JsonValue => {
  if (Array.isArray(node)) return node.map(clean)
  if (!isJsonObject(node)) return node
  const { $comment: _, $id, $schema: __, ...rest } = node
  const described = rest["description"] === undefined ? {} : { description: rest["description"] }
  switch ($id) {
    case "/schemas/%7B%7D":
      return { ...described, type: "object", properties: {}, additionalProperties: false }
    case "/schemas/unknown":
    case "/schemas/any":
    case "/schemas/void":
      return described
    default:
      return Object.fromEntries(
        Object.entries(rest).map(([key, value]) => [key, key === "properties" ? cleanFields(value) : clean(value)])
      )
  }
}

// A field that may never have a value is no field to ask for; and a field may be named like a keyword.
const cleanFields = (fields: JsonValue): JsonValue =>
  Object.fromEntries(
    Object.entries(asJsonObject(fields))
      .filter(([, field]) => asJsonObject(field)["$id"] !== "/schemas/never")
      .map(([name, field]) => [name, clean(field)])
  )
