/** Chat Completions as a provider speaks it. Source: developers.openai.com/api/reference, recorded traffic, 2026-11. */
import { asArray, asObject, asString, type Loose } from "../../../internal/json/values.ts"
import type { JsonObject } from "../../../Prompt.ts"
import { type Answer, type Asked, asSchema, type Dialect, type Frame, pieces, textOf } from "../dialect.ts"
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

const envelope = (answer: Answer, object: string) => ({
  id: `chatcmpl-fake-${answer.number}`,
  object,
  created: answer.created,
  model: answer.model,
  service_tier: "default",
  system_fingerprint: "fp_fake"
})

const usageOf = ({ usage }: Answer): JsonObject | null =>
  usage === undefined ? null : {
    prompt_tokens: usage.inputTokens,
    completion_tokens: usage.outputTokens,
    total_tokens: usage.totalTokens,
    prompt_tokens_details: { cached_tokens: usage.cachedInputTokens, audio_tokens: 0 },
    completion_tokens_details: {
      reasoning_tokens: usage.reasoningTokens,
      audio_tokens: 0,
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0
    }
  }

const finishOf = (answer: Answer): string =>
  answer.truncated ? "length" : answer.toolCalls.length > 0 ? "tool_calls" : "stop"

const whole = (answer: Answer): JsonObject => {
  const usage = usageOf(answer)
  return {
    ...envelope(answer, "chat.completion"),
    choices: [{
      index: 0,
      message: {
        role: "assistant",
        content: answer.refusal !== undefined || (answer.text === "" && answer.toolCalls.length > 0) ? null
          : answer.text,
        refusal: answer.refusal ?? null,
        annotations: [],
        ...(answer.reasoning === undefined ? {} : { reasoning_content: answer.reasoning }),
        ...(answer.toolCalls.length === 0 ? {} : {
          tool_calls: answer.toolCalls.map((call) => ({
            id: call.id,
            type: "function",
            function: { name: call.name, arguments: call.raw }
          }))
        })
      },
      logprobs: null,
      finish_reason: finishOf(answer)
    }],
    ...(usage === null ? {} : { usage })
  }
}

function* frames(answer: Answer, body: Loose): Generator<Frame> {
  const wantsUsage = asObject(body["stream_options"])["include_usage"] === true && answer.usage !== undefined
  const chunk = (delta: JsonObject, finish: string | null = null): JsonObject => ({
    ...envelope(answer, "chat.completion.chunk"),
    choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
    ...(wantsUsage ? { usage: null } : {})
  })
  yield { data: chunk({ role: "assistant", content: answer.toolCalls.length > 0 ? null : "", refusal: null }) }
  for (const delta of pieces(answer.reasoning ?? "")) yield { content: true, data: chunk({ reasoning_content: delta }) }
  for (const delta of pieces(answer.refusal ?? "")) yield { content: true, data: chunk({ refusal: delta }) }
  for (const delta of answer.pieces) yield { content: true, data: chunk({ content: delta }) }
  for (const [index, call] of answer.toolCalls.entries()) {
    const announced = { index, id: call.id, type: "function", function: { name: call.name, arguments: "" } }
    yield { data: chunk({ tool_calls: [announced] }) }
    for (const delta of call.pieces) {
      yield { content: true, data: chunk({ tool_calls: [{ index, function: { arguments: delta } }] }) }
    }
  }
  yield { data: chunk({}, finishOf(answer)) }
  if (wantsUsage) {
    yield { data: { ...envelope(answer, "chat.completion.chunk"), choices: [], usage: usageOf(answer) } }
  }
  yield { data: "[DONE]" }
}

export const chatCompletions: Dialect = {
  name: "chat-completions",
  callId: "call_",
  newline: "\n",
  headers: openai.headers,
  ask,
  whole,
  frames,
  error: openai.error,
  errorFrames: (kind) => [{ data: openai.error(kind) }]
}
