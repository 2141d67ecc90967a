/** Anthropic's Messages API as the provider speaks it. Source: platform.claude.com/docs and recorded traffic, 2026-11. */
import { asArray, asObject, asString, type Loose } from "../../../internal/json/values.ts"
import { serve } from "../../../internal/wires/messages/serve.ts"
import { type Answer, type Asked, asSchema, type Dialect, type Frame, textOf } from "../dialect.ts"
import type { ErrorKind } from "../reply.ts"
import { writing } from "./answered.ts"

const ask = (body: Loose): Asked => {
  const messages = asArray(body["messages"]).map(asObject)
  const users = messages.filter((message) => message["role"] === "user")
  const format = asObject(asObject(body["output_config"])["format"] ?? body["output_format"])
  const choice = asObject(body["tool_choice"])
  return {
    stream: body["stream"] === true,
    model: asString(body["model"]) ?? "",
    system: textOf(body["system"]),
    lastUser: users.map((message) => textOf(message["content"])).filter((text) => text !== "").at(-1) ?? "",
    hasToolResult: users.some((message) =>
      asArray(message["content"]).some((part) => asObject(part)["type"] === "tool_result")
    ),
    tools: asArray(body["tools"]).map(asObject).filter((tool) => tool["input_schema"] !== undefined).map((tool) => ({
      name: asString(tool["name"]) ?? "",
      schema: asSchema(tool["input_schema"]) ?? {}
    })),
    toolChoice: choice["type"] === "tool"
      ? { tool: asString(choice["name"]) ?? "" }
      : choice["type"] === "any"
      ? "required"
      : choice["type"] === "none"
      ? "none"
      : "auto",
    json: format["type"] === "json_schema",
    schema: asSchema(format["schema"])
  }
}

const texts: Readonly<Record<ErrorKind, string>> = {
  invalid: "temperature: range: 0..1",
  "context-length": "prompt is too long: 212345 tokens > 200000 maximum",
  authentication: "invalid x-api-key",
  quota: "Your credit balance is too low to access the Anthropic API.",
  permission: "Your API key does not have permission to use the specified resource.",
  "not-found": "model: claude-unknown",
  "rate-limited": "This request would exceed your organization's rate limit.",
  timeout: "Request timed out.",
  server: "Internal server error",
  overloaded: "Overloaded"
}

const written = writing({
  serve,
  id: (number) => `fake_${number}`,
  thought: (number) => ({ messages: { signature: `fake-signature-${number}` } }),
  messages: texts
})

/** The provider says between its blocks that it is there. */
function* frames(answer: Answer, body: Loose): Generator<Frame> {
  let isSaid = false
  for (const frame of written.frames(answer, body)) {
    yield frame
    if (isSaid || frame.event !== "content_block_start") continue
    isSaid = true
    yield { event: "ping", data: { type: "ping" } }
  }
}

export const messages: Dialect = {
  name: "messages",
  callId: "toolu_",
  newline: "\n",
  headers: (number) => ({ "request-id": `req_fake_${number}`, "anthropic-organization-id": "fake" }),
  ask,
  ...written,
  frames
}
