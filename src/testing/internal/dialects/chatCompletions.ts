/** Chat Completions as a provider speaks it. Source: developers.openai.com/api/reference, recorded traffic, 2026-11. */
import { asArray, asObject, asString, type Loose } from "../../../internal/json/values.ts"
import { serve } from "../../../internal/wires/chat-completions/serve.ts"
import { type Asked, asSchema, type Dialect, textOf } from "../dialect.ts"
import { writing } from "./answered.ts"
import * as openai from "./openai.ts"

const ask = (body: Loose): Asked => {
  const messages = asArray(body["messages"]).map(asObject)
  const format = asObject(body["response_format"])
  const choice = body["tool_choice"]
  const text = (roles: ReadonlyArray<unknown>) =>
    messages.filter((message) => roles.includes(message["role"])).map((message) => textOf(message["content"]))
  return {
    stream: body["stream"] === true,
    model: asString(body["model"]) ?? "",
    system: text(["system", "developer"]).join("\n"),
    lastUser: text(["user"]).at(-1) ?? "",
    hasToolResult: messages.some((message) => message["role"] === "tool"),
    tools: asArray(body["tools"]).map((tool) => asObject(asObject(tool)["function"])).map((tool) => ({
      name: asString(tool["name"]) ?? "",
      schema: asSchema(tool["parameters"]) ?? {}
    })),
    toolChoice: openai.toolChoice(choice, asString(asObject(asObject(choice)["function"])["name"])),
    json: format["type"] === "json_object" || format["type"] === "json_schema",
    schema: asSchema(asObject(format["json_schema"])["schema"])
  }
}

export const chatCompletions: Dialect = {
  name: "chat-completions",
  callId: "call_",
  newline: "\n",
  headers: openai.headers,
  ask,
  ...writing({
    serve,
    id: (number) => `fake-${number}`,
    messages: openai.messages,
    parameters: openai.parameters
  })
}
