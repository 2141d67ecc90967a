/** The OpenAI Responses API as the provider speaks it. Source: its reference and recorded traffic, 2026-11. */
import { asArray, asObject, asString, isObject, type Loose } from "../../../internal/json/values.ts"
import { serve } from "../../../internal/wires/responses/serve.ts"
import { type Asked, asSchema, type Dialect, textOf } from "../dialect.ts"
import { writing } from "./answered.ts"
import * as openai from "./openai.ts"

const ask = (body: Loose): Asked => {
  const { input } = body
  const items = typeof input === "string" ? [{ role: "user", content: input }] : asArray(input).map(asObject)
  const format = asObject(asObject(body["text"])["format"])
  const choice = body["tool_choice"]
  const text = (roles: ReadonlyArray<unknown>) =>
    items.map(asObject).filter((item) => roles.includes(item["role"])).map((item) => textOf(item["content"]))
  return {
    stream: body["stream"] === true,
    model: asString(body["model"]) ?? "",
    system: [asString(body["instructions"]) ?? "", ...text(["system", "developer"])].join("\n"),
    lastUser: text(["user"]).at(-1) ?? "",
    hasToolResult: items.some((item) => asObject(item)["type"] === "function_call_output"),
    tools: asArray(body["tools"]).map(asObject).filter((tool) => tool["type"] === "function").map((tool) => ({
      name: asString(tool["name"]) ?? "",
      schema: asSchema(tool["parameters"]) ?? {}
    })),
    toolChoice: openai.toolChoice(choice, isObject(choice) ? asString(choice["name"]) : undefined),
    json: format["type"] === "json_object" || format["type"] === "json_schema",
    schema: asSchema(format["schema"])
  }
}

export const responses: Dialect = {
  name: "responses",
  callId: "call_",
  newline: "\n",
  headers: openai.headers,
  ask,
  ...writing({
    serve,
    id: (number) => `fake_${number}`,
    thought: (number) => ({ responses: { item: { encrypted_content: `fake-encrypted-${number}` } } }),
    messages: openai.messages,
    parameters: openai.parameters
  })
}
