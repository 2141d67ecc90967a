/** Cohere's chat API, version 2, as the provider speaks it. Source: docs.cohere.com and recorded traffic, 2026-11. */
import { asArray, asObject, asString, type Loose } from "../../../internal/json/values.ts"
import type { JsonObject } from "../../../Prompt.ts"
import { type Answer, type Asked, asSchema, type Dialect, type Frame, pieces, textOf } from "../dialect.ts"
import type { ErrorKind } from "../reply.ts"

const ask = (body: Loose): Asked => {
  const messages = asArray(body["messages"]).map(asObject)
  const texts = (role: string) =>
    messages.filter((message) => message["role"] === role).map((message) => textOf(message["content"]))
  const format = asObject(body["response_format"])
  const choice = body["tool_choice"]
  return {
    stream: body["stream"] === true,
    model: asString(body["model"]) ?? "",
    system: texts("system").join("\n"),
    lastUser: texts("user").at(-1) ?? "",
    hasToolResult: messages.some((message) => message["role"] === "tool"),
    tools: asArray(body["tools"]).map((tool) => asObject(asObject(tool)["function"])).map((tool) => ({
      name: asString(tool["name"]) ?? "",
      schema: asSchema(tool["parameters"]) ?? {}
    })),
    toolChoice: choice === "REQUIRED" ? "required" : choice === "NONE" ? "none" : "auto",
    json: format["type"] === "json_object",
    schema: asSchema(format["json_schema"])
  }
}

const finishOf = (answer: Answer): string =>
  answer.refusal !== undefined
    ? "ERROR_TOXIC"
    : answer.truncated
    ? "MAX_TOKENS"
    : answer.toolCalls.length > 0
    ? "TOOL_CALL"
    : "COMPLETE"

const usageOf = ({ usage }: Answer): JsonObject => {
  if (usage === undefined) return {}
  const tokens = { input_tokens: usage.inputTokens, output_tokens: usage.outputTokens }
  // What is processed includes instructions of the provider's own; they are not billed.
  const processed = { ...tokens, input_tokens: usage.inputTokens + 496 }
  return { usage: { billed_units: tokens, tokens: processed, cached_tokens: usage.cachedInputTokens } }
}

interface Block {
  readonly type: "thinking" | "text"
  readonly text: string
  readonly pieces: ReadonlyArray<string>
}

const blocks = ({ pieces: cut, reasoning, refusal, text }: Answer): ReadonlyArray<Block> => [
  ...(reasoning === undefined ? [] : [{ type: "thinking" as const, text: reasoning, pieces: pieces(reasoning) }]),
  ...(refusal !== undefined
    ? [{ type: "text" as const, text: refusal, pieces: pieces(refusal) }]
    : text === ""
    ? []
    : [{ type: "text" as const, text, pieces: cut }])
]

const idOf = (answer: Answer): string => `fake-${answer.number}`

const whole = (answer: Answer): JsonObject => ({
  id: idOf(answer),
  finish_reason: finishOf(answer),
  message: {
    role: "assistant",
    content: blocks(answer).map(({ text, type }) => ({ type, [type]: text })),
    ...(answer.toolCalls.length === 0 ? {} : {
      tool_calls: answer.toolCalls.map(({ id, name, raw }) => ({
        id,
        type: "function",
        function: { name, arguments: raw }
      }))
    })
  },
  ...usageOf(answer)
})

function* frames(answer: Answer): Generator<Frame> {
  const frame = (type: string, data: JsonObject, content = false): Frame => ({
    event: type,
    data: { type, ...data },
    content
  })
  const message = (message: JsonObject) => ({ delta: { message } })
  yield frame("message-start", {
    id: idOf(answer),
    ...message({ role: "assistant", content: [], tool_plan: "", tool_calls: [], citations: [] })
  })
  for (const [index, { pieces, type }] of blocks(answer).entries()) {
    yield frame("content-start", { index, ...message({ content: { type, [type]: "" } }) })
    for (const piece of pieces) {
      yield frame("content-delta", { index, ...message({ content: { [type]: piece } }) }, true)
    }
    yield frame("content-end", { index })
  }
  for (const [index, { id, name, pieces }] of answer.toolCalls.entries()) {
    const start = { id, type: "function", function: { name, arguments: "" } }
    yield frame("tool-call-start", { index, ...message({ tool_calls: start }) })
    for (const piece of pieces) {
      yield frame("tool-call-delta", { index, ...message({ tool_calls: { function: { arguments: piece } } }) }, true)
    }
    yield frame("tool-call-end", { index })
  }
  yield frame("message-end", { delta: { finish_reason: finishOf(answer), ...usageOf(answer) } })
}

const messages: Readonly<Record<ErrorKind, string>> = {
  invalid: "invalid request: temperature must be between 0 and 1.",
  "context-length":
    "too many tokens: total number of tokens in the prompt cannot exceed 256000 - received 300000. Try using a shorter prompt.",
  authentication: "invalid api token",
  quota: "Your account is out of credits.",
  permission: "this API key may not use this endpoint",
  "not-found": "model 'command-unknown' not found, make sure the correct model ID was used",
  "rate-limited": "You are using a Trial key, which is limited: rate limit exceeded.",
  timeout: "request timed out",
  server: "internal server error",
  overloaded: "the model is overloaded, please try again later"
}

const error: Dialect["error"] = (kind) => ({ id: "fake", message: messages[kind] })

export const cohere: Dialect = {
  name: "cohere",
  callId: "",
  newline: "\n",
  headers: (number) => ({ "x-debug-trace-id": `fake-${number}` }),
  ask,
  whole,
  frames,
  error,
  errorFrames: (kind) => [{ data: error(kind) }]
}
