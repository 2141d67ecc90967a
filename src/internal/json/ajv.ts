/** JSON Schema validation with Ajv, loaded on first use and compiled once per schema. */
import type { Issue } from "../../LLMError.ts"
import type { JsonObject } from "../../Prompt.ts"
import { unsound } from "../schema/sound.ts"

export type Validate = (value: unknown) => ReadonlyArray<Issue>

const compiled = new WeakMap<JsonObject, Promise<Validate>>()

/** Rejects with Ajv's message when the schema is no valid JSON Schema. */
export const validator = (schema: JsonObject): Promise<Validate> => {
  let validate = compiled.get(schema)
  if (validate === undefined) compiled.set(schema, validate = compile(schema))
  return validate
}

const compile = async (schema: JsonObject): Promise<Validate> => {
  const problem = unsound(schema)
  if (problem !== undefined) throw new Error(`the schema ${problem}`)
  const draft7 = typeof schema["$schema"] === "string" && schema["$schema"].includes("draft-07")
  const [{ Ajv }, { Ajv2020 }, formats] = await Promise.all([
    import("ajv"),
    import("ajv/dist/2020.js"),
    import("ajv-formats")
  ])
  const options = { allErrors: true, strict: false, logger: false } as const
  const ajv = draft7 ? new Ajv(options) : new Ajv2020(options)
  formats.default.default(ajv)
  const check = compiledBy(() => ajv.compile(schema))
  return (value) =>
    check(value) ? [] : (check.errors ?? []).map((error) => ({
      path: error.instancePath.split("/").slice(1).map((step) => {
        const name = step.replaceAll("~1", "/").replaceAll("~0", "~")
        return /^\d+$/.test(name) ? Number(name) : name
      }),
      message: error.message ?? error.keyword
    }))
}

/** Ajv writes a program for each schema. */
const compiledBy = <A>(compile: () => A): A => {
  try {
    return compile()
  } catch (error) {
    if (!(error instanceof EvalError)) throw error
    throw new Error(
      "raw JSON Schemas cannot be checked where code from strings is forbidden: ask for a Schema with LLM.generateObject",
      { cause: error }
    )
  }
}
