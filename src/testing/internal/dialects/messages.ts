/** Anthropic's Messages API as the provider speaks it. Source: platform.claude.com/docs and recorded traffic, 2026-11. */
import { asArray, asObject, asString, type Loose } from "../../../internal/json/values.ts"
import type { JsonObject } from "../../../Prompt.ts"
import { type Answer, type Asked, asSchema, type Dialect, type Frame, pieces, textOf } from "../dialect.ts"
import type { ErrorKind } from "../reply.ts"

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

const stopOf = (answer: Answer): string =>
  answer.refusal !== undefined
    ? "refusal"
    : answer.truncated
    ? "max_tokens"
    : answer.toolCalls.length > 0
    ? "tool_use"
    : "end_turn"

const inputOf = ({ usage }: Answer): JsonObject =>
  usage === undefined ? {} : {
    input_tokens: usage.inputTokens - usage.cachedInputTokens - usage.cacheCreationTokens,
    cache_creation_input_tokens: usage.cacheCreationTokens,
    cache_read_input_tokens: usage.cachedInputTokens,
    cache_creation: { ephemeral_5m_input_tokens: usage.cacheCreationTokens, ephemeral_1h_input_tokens: 0 }
  }

const tier = { service_tier: "standard", inference_geo: "not_available" }

const signature = (answer: Answer) => `fake-signature-${answer.number}`

const envelope = (answer: Answer) => ({
  id: `msg_fake_${answer.number}`,
  type: "message",
  role: "assistant",
  model: answer.model
})

interface Block {
  readonly start: JsonObject
  readonly done: JsonObject
  readonly deltas: ReadonlyArray<JsonObject>
}

const blocks = (answer: Answer): ReadonlyArray<Block> => {
  const { reasoning } = answer
  const text = answer.refusal ?? answer.text
  const texts = answer.refusal === undefined ? answer.pieces : pieces(answer.refusal)
  return [
    ...(reasoning === undefined ? [] : [{
      start: { type: "thinking", thinking: "", signature: "" },
      done: { type: "thinking", thinking: reasoning, signature: signature(answer) },
      deltas: [
        ...pieces(reasoning).map((thinking) => ({ type: "thinking_delta", thinking })),
        { type: "signature_delta", signature: signature(answer) }
      ]
    }]),
    ...(text === "" ? [] : [{
      start: { type: "text", text: "" },
      done: { type: "text", text },
      deltas: texts.map((piece) => ({ type: "text_delta", text: piece }))
    }]),
    ...answer.toolCalls.map((call) => {
      const base = { type: "tool_use", id: call.id, name: call.name }
      return {
        start: { ...base, input: {} },
        done: { ...base, input: call.arguments },
        deltas: ["", ...call.pieces].map((partial_json) => ({ type: "input_json_delta", partial_json }))
      }
    })
  ]
}

const whole = (answer: Answer): JsonObject => ({
  ...envelope(answer),
  content: blocks(answer).map((block) => block.done),
  stop_reason: stopOf(answer),
  stop_sequence: null,
  ...(answer.usage === undefined
    ? {}
    : { usage: { ...inputOf(answer), output_tokens: answer.usage.outputTokens, ...tier } })
})

function* frames(answer: Answer): Generator<Frame> {
  const frame = (type: string, data: JsonObject, content = false): Frame => ({
    event: type,
    data: { type, ...data },
    content
  })
  yield frame("message_start", {
    message: {
      ...envelope(answer),
      content: [],
      stop_reason: null,
      stop_sequence: null,
      ...(answer.usage === undefined ? {} : { usage: { ...inputOf(answer), output_tokens: 1, ...tier } })
    }
  })
  for (const [index, block] of blocks(answer).entries()) {
    yield frame("content_block_start", { index, content_block: block.start })
    if (index === 0) yield frame("ping", {})
    for (const delta of block.deltas) {
      yield frame("content_block_delta", { index, delta }, delta["partial_json"] !== "" && !("signature" in delta))
    }
    yield frame("content_block_stop", { index })
  }
  yield frame("message_delta", {
    delta: { stop_reason: stopOf(answer), stop_sequence: null },
    ...(answer.usage === undefined ? {} : { usage: { ...inputOf(answer), output_tokens: answer.usage.outputTokens } })
  })
  yield frame("message_stop", {})
}

const rows: Readonly<Record<ErrorKind, readonly [type: string, message: string]>> = {
  invalid: ["invalid_request_error", "temperature: range: 0..1"],
  "context-length": ["invalid_request_error", "prompt is too long: 212345 tokens > 200000 maximum"],
  authentication: ["authentication_error", "invalid x-api-key"],
  quota: ["invalid_request_error", "Your credit balance is too low to access the Anthropic API."],
  permission: ["permission_error", "Your API key does not have permission to use the specified resource."],
  "not-found": ["not_found_error", "model: claude-unknown"],
  "rate-limited": ["rate_limit_error", "This request would exceed your organization's rate limit."],
  timeout: ["timeout_error", "Request timed out."],
  server: ["api_error", "Internal server error"],
  overloaded: ["overloaded_error", "Overloaded"]
}

const error: Dialect["error"] = (kind) => {
  const [type, message] = rows[kind]
  return { type: "error", error: { type, message }, request_id: "req_fake" }
}

export const messages: Dialect = {
  name: "messages",
  callId: "toolu_",
  newline: "\n",
  headers: (number) => ({ "request-id": `req_fake_${number}`, "anthropic-organization-id": "fake" }),
  ask,
  whole,
  frames,
  error,
  errorFrames: (kind) => [{ event: "error", data: error(kind) }]
}
