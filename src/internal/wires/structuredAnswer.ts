/** Ways to ask for structured answers where a wire has no field for it. */
import type { JsonObject } from "../../Prompt.ts"

/** Name of the tool through which an answer is asked for. */
export const answerTool = "give_answer"

/** What the system prompt says when the schema cannot go anywhere else. */
export const schemaInstruction = (schema: JsonObject | undefined): string =>
  schema === undefined
    ? "Answer with a single JSON value and nothing else: no prose, no Markdown."
    : `Answer with a single JSON value that matches this JSON Schema, and nothing else: no prose, no Markdown.\n${
      JSON.stringify(schema)
    }`
