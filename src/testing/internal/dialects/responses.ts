/** The OpenAI Responses API as the provider speaks it. Source: its reference and recorded traffic, 2026-11. */
import { asArray, asObject, asString, isObject, type Loose } from "../../../internal/json/values.ts"
import type { JsonObject, JsonValue } from "../../../Prompt.ts"
import { type Answer, type Asked, asSchema, type Dialect, type Frame, pieces, textOf } from "../dialect.ts"
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

const usageOf = ({ usage }: Answer): JsonObject | null =>
  usage === undefined ? null : {
    input_tokens: usage.inputTokens,
    input_tokens_details: { cached_tokens: usage.cachedInputTokens },
    output_tokens: usage.outputTokens,
    output_tokens_details: { reasoning_tokens: usage.reasoningTokens },
    total_tokens: usage.totalTokens
  }

const response = (answer: Answer, status: string, output: ReadonlyArray<JsonObject>): JsonObject => ({
  id: `resp_fake_${answer.number}`,
  object: "response",
  created_at: answer.created,
  status,
  background: false,
  error: null,
  incomplete_details: status === "incomplete" ? { reason: "max_output_tokens" } : null,
  instructions: null,
  max_output_tokens: null,
  model: answer.model,
  output,
  parallel_tool_calls: true,
  previous_response_id: null,
  reasoning: { effort: null, summary: null },
  service_tier: status === "in_progress" ? "auto" : "default",
  store: false,
  temperature: 1,
  text: { format: { type: "text" }, verbosity: "medium" },
  tool_choice: "auto",
  tools: [],
  top_p: 1,
  truncation: "disabled",
  usage: status === "in_progress" ? null : usageOf(answer),
  user: null,
  metadata: {}
})

const statusOf = (answer: Answer): string => answer.truncated ? "incomplete" : "completed"

/** An item of the output when it is announced, its deltas, and when it is done. */
interface Item {
  readonly added: JsonObject
  readonly done: JsonObject
  readonly parts: (place: { readonly item_id: string; readonly output_index: number }) => Iterable<Event>
}

type Event = JsonObject & { readonly type: string }

const items = (answer: Answer): ReadonlyArray<Item> => [
  ...(answer.reasoning === undefined ? [] : [reasoningItem(answer, answer.reasoning)]),
  ...(answer.refusal !== undefined || answer.text !== "" || answer.toolCalls.length === 0 ? [messageItem(answer)] : []),
  ...answer.toolCalls.map((call, index) => callItem(answer, call, index))
]

const reasoningItem = (answer: Answer, text: string): Item => {
  const base = {
    id: `rs_fake_${answer.number}`,
    type: "reasoning",
    encrypted_content: `fake-encrypted-${answer.number}`
  }
  const part = { type: "summary_text", text }
  return {
    added: { ...base, summary: [] },
    done: { ...base, summary: [part] },
    *parts(place) {
      const at = { ...place, summary_index: 0 }
      yield { type: "response.reasoning_summary_part.added", ...at, part: { ...part, text: "" } }
      for (const delta of pieces(text)) yield { type: "response.reasoning_summary_text.delta", ...at, delta }
      yield { type: "response.reasoning_summary_text.done", ...at, text }
      yield { type: "response.reasoning_summary_part.done", ...at, part }
    }
  }
}

const messageItem = (answer: Answer): Item => {
  const base = { id: `msg_fake_${answer.number}`, type: "message", role: "assistant" }
  const { refusal, text } = answer
  const part = (value: string): JsonObject =>
    refusal === undefined
      ? { type: "output_text", annotations: [], logprobs: [], text: value }
      : { type: "refusal", refusal: value }
  const kind = refusal === undefined ? "output_text" : "refusal"
  return {
    added: { ...base, status: "in_progress", content: [] },
    done: { ...base, status: statusOf(answer), content: [part(refusal ?? text)] },
    *parts(place) {
      const at = { ...place, content_index: 0 }
      yield { type: "response.content_part.added", ...at, part: part("") }
      for (const delta of refusal === undefined ? answer.pieces : pieces(refusal)) {
        yield { type: `response.${kind}.delta`, ...at, delta, ...(refusal === undefined ? { logprobs: [] } : {}) }
      }
      yield {
        type: `response.${kind}.done`,
        ...at,
        ...(refusal === undefined ? { text, logprobs: [] } : { refusal })
      }
      yield { type: "response.content_part.done", ...at, part: part(refusal ?? text) }
    }
  }
}

const callItem = (answer: Answer, call: Answer["toolCalls"][number], index: number): Item => {
  const base = { id: `fc_fake_${answer.number}_${index + 1}`, type: "function_call", call_id: call.id, name: call.name }
  return {
    added: { ...base, status: "in_progress", arguments: "" },
    done: { ...base, status: statusOf(answer), arguments: call.raw },
    *parts(place) {
      for (const delta of call.pieces) yield { type: "response.function_call_arguments.delta", ...place, delta }
      yield { type: "response.function_call_arguments.done", ...place, arguments: call.raw }
    }
  }
}

const whole = (answer: Answer): JsonObject => response(answer, statusOf(answer), items(answer).map((item) => item.done))

function* frames(answer: Answer): Generator<Frame> {
  let sequence = 0
  const frame = (type: string, data: Readonly<Record<string, JsonValue>>): Frame => ({
    event: type,
    data: { type, ...data, sequence_number: sequence++ },
    content: type.endsWith(".delta")
  })
  yield frame("response.created", { response: response(answer, "in_progress", []) })
  yield frame("response.in_progress", { response: response(answer, "in_progress", []) })
  const output = items(answer)
  for (const [index, item] of output.entries()) {
    const place = { item_id: String(item.done["id"]), output_index: index }
    yield frame("response.output_item.added", { output_index: index, item: item.added })
    for (const { type, ...event } of item.parts(place)) yield frame(type, event)
    yield frame("response.output_item.done", { output_index: index, item: item.done })
  }
  const status = statusOf(answer)
  yield frame(`response.${status}`, { response: response(answer, status, output.map((item) => item.done)) })
}

export const responses: Dialect = {
  name: "responses",
  callId: "call_",
  newline: "\n",
  headers: openai.headers,
  ask,
  whole,
  frames,
  error: openai.error,
  errorFrames: (kind) => {
    const { code, message } = openai.errorParts(kind)
    return [
      { event: "error", data: { type: "error", code, message, param: null, sequence_number: 90 } },
      {
        event: "response.failed",
        data: {
          type: "response.failed",
          sequence_number: 91,
          response: { id: "resp_fake", object: "response", status: "failed", error: { code, message }, output: [] }
        }
      }
    ]
  }
}
