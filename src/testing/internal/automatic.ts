/** What a fake provider answers by itself: the same to the same request. */
import { find } from "../../internal/json/find.ts"
import { asString, isObject } from "../../internal/json/values.ts"
import type { JsonValue } from "../../Prompt.ts"
import type { Asked } from "./dialect.ts"
import type { AnswerReply, ScriptedToolCall } from "./reply.ts"
import { instance } from "./sample.ts"

export const answer = (text: string, toolCalls: ReadonlyArray<ScriptedToolCall> = []): AnswerReply => ({
  _tag: "Answer",
  text,
  toolCalls,
  refusal: undefined,
  truncated: false
})

export const automatic = (asked: Asked, callTools: boolean): AnswerReply => {
  const tool = toolToCall(asked, callTools)
  if (tool !== undefined) return answer("", [{ name: tool.name, arguments: instance(tool.schema) }])
  const schema = asked.schema ?? schemaInPrompt(asked.system)
  const said = `You said: ${asked.lastUser}`
  return answer(schema !== undefined ? JSON.stringify(instance(schema)) : asked.json ? JSON.stringify({ said }) : said)
}

const toolToCall = ({ hasToolResult, toolChoice, tools }: Asked, callTools: boolean) => {
  if (toolChoice === "none") return undefined
  if (typeof toolChoice === "object") return tools.find((tool) => tool.name === toolChoice.tool)
  if (callTools && !hasToolResult) return tools[0]
  // The tool through which an answer is asked for stands last.
  return toolChoice === "required" ? tools.at(-1) : undefined
}

/** Where a wire has no field for a schema, programs put it into the instructions. */
const schemaInPrompt = (system: string): JsonValue | undefined => {
  const at = system.indexOf("JSON Schema")
  const found = at < 0 ? undefined : find(system.slice(at))
  const schema = found?._tag === "Found" ? found.value : undefined
  return isObject(schema) && (asString(schema["$ref"]) !== undefined || "type" in schema || "anyOf" in schema)
    ? schema
    : undefined
}
