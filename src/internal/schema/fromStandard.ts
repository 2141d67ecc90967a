/** The JSON Schema that a schema of another library says of itself. */
import type { StandardSchema } from "../../Output.ts"
import type { JsonObject } from "../../Prompt.ts"
import { toJson } from "../json/toJson.ts"
import { asJsonObject, asObject, isObject } from "../json/values.ts"

/** What to add where a library leaves it to another package. */
const packages: Readonly<Record<string, string>> = { valibot: "@valibot/to-json-schema", zod: "zod 4" }

const method = (value: unknown, name: string): ((options: unknown) => unknown) | undefined => {
  const found: unknown = Object(value)[name]
  return typeof found === "function" ? (options) => Reflect.apply(found, value, [options]) : undefined
}

/**
 * What the model has to write, before the schema changes it (Standard JSON Schema, then the libraries' own methods). Throws
 * where there is none, or where it cannot be said.
 */
export const fromStandard = <A>(schema: StandardSchema<A>): JsonObject => {
  const standard = asObject(schema["~standard"])
  const target = "draft-2020-12"
  const convert = method(standard["jsonSchema"], "input") ?? method(schema, "toJSONSchema") ??
    method(schema, "toJsonSchema")
  if (convert === undefined) {
    const vendor = schema["~standard"].vendor
    const found = packages[vendor]
    throw new Error(
      `this ${vendor} schema does not say its JSON Schema; ${
        found === undefined ? "" : `install ${found} and `
      }give it beside: Output.standard(schema, { jsonSchema })`
    )
  }
  const json = toJson(convert({ target, io: "input" }))
  if (!isObject(json)) throw new Error("its JSON Schema is not an object")
  const { $schema: _, ...rest } = asJsonObject(json)
  return rest
}

/** The same of a list of them. The element moves into the definitions: what it says of itself by reference stays true. */
export const listFromStandard = <A>(element: StandardSchema<A>): JsonObject => {
  const own = fromStandard(element)
  let name = "element"
  while (name in asJsonObject(own["$defs"])) name += "_"
  const moved: JsonObject = JSON.parse(
    JSON.stringify(
      own,
      (key, value: unknown) =>
        key === "$ref" && typeof value === "string" && /^#(?!\/(\$defs|definitions)\/)/.test(value)
          ? `#/$defs/${name}${value.slice(1)}`
          : value
    )
  )
  const { $defs, definitions, ...item } = moved
  return {
    type: "array",
    items: { $ref: `#/$defs/${name}` },
    $defs: { ...asJsonObject($defs), [name]: item },
    ...(definitions === undefined ? {} : { definitions })
  }
}
