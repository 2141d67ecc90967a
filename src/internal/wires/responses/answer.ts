/**
 * OpenAI's Responses wire. Source: developers.openai.com/api/reference/responses, recorded traffic, 2026-11.
 */
import type { JsonObject } from "../../../Prompt.ts"
import type { Completion, ErrorFacts } from "../../call/completion.ts"
import type { Call, Wire } from "../../call/driver.ts"
import { readErrorBody } from "../../http/errors.ts"
import type { WireEvent } from "../../http/framing.ts"
import { asArray, asJsonObject, asNumber, asObject, asString, isObject, type Loose, parse } from "../../json/values.ts"
import * as dialect from "../../schema/dialect.ts"
import { dollarsOfTicks } from "../xaiTicks.ts"
import { lower, name, type Quirks } from "./request.ts"

export type { Quirks } from "./request.ts"

export interface State {
  /** Output items whose content came as deltas already. */
  readonly streamed: Set<string>
}

export const wire = (quirks: Quirks): Wire<State> => ({
  name,
  toolName: /^[a-zA-Z0-9_-]{1,64}$/,
  strictTools: dialect.openAIStrict,
  lower: (call) => lower(call, quirks),
  read,
  initial: () => ({ streamed: new Set() }),
  step,
  isComplete: (completion) => completion.done,
  readError
})

const readError = (body: unknown): ErrorFacts | undefined => {
  if (isObject(body) && Array.isArray(body["output"]) && !isObject(body["error"])) return undefined
  return isObject(body) || Array.isArray(body) ? readErrorBody(body) : undefined
}

const read = (body: Loose, completion: Completion, call: Call): void => {
  for (const [i, item] of asArray(body["output"]).entries()) {
    readItem(new Set(), String(i), asJsonObject(item), completion, call)
  }
  readResponse(body, completion)
  if (Array.isArray(body["output"])) completion.done = true
}

/** A whole output item; of one whose deltas were seen, only what they lack. */
const readItem = (
  streamed: ReadonlySet<string>,
  index: string,
  item: JsonObject,
  completion: Completion,
  call: Call
): void => {
  switch (item["type"]) {
    case "message": {
      const phase = asString(item["phase"])
      const key = textKey(index)
      for (const content of streamed.has(key) ? [] : asArray(item["content"])) {
        const part = asObject(content)
        if (part["type"] === "refusal") {
          completion.refusal = (completion.refusal ?? "") + (asString(part["refusal"]) ?? "")
        } else completion.text(key, asString(part["text"]) ?? "")
      }
      if (phase !== undefined) completion.metadata(key, "text", { [name]: { phase } })
      return completion.close(key)
    }
    case "reasoning": {
      const key = reasoningKey(index)
      if (!streamed.has(key)) {
        const shown = asArray(item["summary"]).length > 0 ? asArray(item["summary"]) : asArray(item["content"])
        for (const part of shown) completion.reasoning(key, asString(asObject(part)["text"]) ?? "")
      }
      completion.metadata(key, "reasoning", { [name]: { provider: call.provider, item: carried(item) } })
      return completion.close(key)
    }
    case "function_call":
    case "custom_tool_call": {
      const key = callKey(index)
      const custom = item["type"] === "custom_tool_call"
      announce(key, item, completion)
      completion.setToolArguments(key, custom ? item["input"] : item["arguments"])
      return completion.close(key)
    }
    default:
      if (item["type"] === "web_search_call" && isSearch(item)) {
        completion.webSearches++
      }
      if (typeof item["type"] === "string") completion.provider(name, item)
  }
}

/** Opening a page or looking in one is not billed. */
const isSearch = (item: JsonObject): boolean => (asString(asObject(item["action"])["type"]) ?? "search") === "search"

/** What goes back on the next turn: the status of reasoning belongs to the answer only. */
const carried = (item: JsonObject): JsonObject => {
  const { status: _, ...rest } = item
  return rest
}

const announce = (key: string, item: JsonObject, completion: Completion): void =>
  completion.toolCall(key, {
    id: asString(item["call_id"]) ?? asString(item["id"]),
    name: asString(item["name"]),
    ...(item["type"] === "custom_tool_call" ? { plain: true, metadata: { [name]: { custom: true } } } : {})
  })

const textKey = (output: string) => `text-${output}`
const reasoningKey = (output: string) => `reasoning-${output}`
const callKey = (output: string) => `call-${output}`

/** Which output item an event is about: its number, or its id where a host leaves the number out. */
const outputOf = (data: Loose): string =>
  String(asNumber(data["output_index"]) ?? asString(data["item_id"]) ?? asString(asObject(data["item"])["id"]) ?? 0)

const step = (state: State, event: WireEvent, completion: Completion, call: Call): void => {
  if (event.data.trim() === "[DONE]") return
  const data = parse(event.data)
  if (!isObject(data)) {
    completion.malformed = "an event of the stream is not a JSON object"
    return
  }
  const type = asString(data["type"]) ?? event.event
  const output = outputOf(data)
  const delta = asString(data["delta"]) ?? ""
  switch (type) {
    case "response.output_text.delta": {
      const key = textKey(output)
      state.streamed.add(key)
      return completion.text(key, delta)
    }
    case "response.reasoning_summary_text.delta":
    case "response.reasoning_text.delta": {
      const key = reasoningKey(output)
      state.streamed.add(key)
      return completion.reasoning(key, delta)
    }
    case "response.refusal.delta": {
      state.streamed.add(textKey(output))
      completion.refusal = (completion.refusal ?? "") + delta
      return
    }
    case "response.function_call_arguments.delta":
    case "response.custom_tool_call_input.delta":
      return completion.toolArguments(callKey(output), data["delta"])
    case "response.output_item.added": {
      const item = asJsonObject(data["item"])
      if (item["type"] === "function_call" || item["type"] === "custom_tool_call") {
        announce(callKey(output), item, completion)
      }
      return
    }
    case "response.output_item.done": {
      state.streamed.add(`item-${output}`)
      return readItem(state.streamed, output, asJsonObject(data["item"]), completion, call)
    }
    case "response.created":
    case "response.in_progress":
    case "response.queued":
      return readEnvelope(asObject(data["response"]), completion)
    case "response.completed":
    case "response.incomplete":
    case "response.failed": {
      const response = asObject(data["response"])
      // Some hosts leave the item events out.
      for (const [i, item] of asArray(response["output"]).entries()) {
        const { id } = asObject(item)
        if (state.streamed.has(`item-${i}`) || state.streamed.has(`item-${String(id)}`)) continue
        readItem(state.streamed, String(i), asJsonObject(item), completion, call)
      }
      readResponse(response, completion)
      if (type === "response.failed") completion.failure ??= { message: "the provider says the response failed" }
      completion.done = true
      return
    }
    case "error":
      completion.failure = readErrorBody(isObject(data["error"]) ? data : { error: data }) ??
        { message: "the provider sent an error event" }
      return
    default:
      if (isObject(data["error"])) completion.failure = readErrorBody(data)
  }
}

const readEnvelope = (response: Loose, completion: Completion): void => {
  completion.id ??= asString(response["id"])
  completion.model = asString(response["model"]) ?? completion.model
  completion.serviceTier = asString(response["service_tier"]) ?? completion.serviceTier
}

/** What the response object says beside its output. */
const readResponse = (response: Loose, completion: Completion): void => {
  readEnvelope(response, completion)
  if (isObject(response["usage"])) readUsage(response["usage"], completion)
  if (isObject(response["error"])) completion.failure = readErrorBody({ error: response["error"] })
  const status = asString(response["status"])
  const reason = asString(asObject(response["incomplete_details"])["reason"])
  completion.rawFinishReason = reason ?? status
  if (reason === "max_output_tokens" || reason === "max_tokens") completion.finishReason = "length"
  else if (reason === "content_filter") {
    completion.finishReason = "content-filter"
    completion.filter = reason
  } else if (status === "failed") completion.failure ??= { message: "the provider says the response failed" }
  else completion.finishReason = status === "completed" || status === "complete" ? "stop" : "other"
}

const readUsage = (usage: Loose, completion: Completion): void => {
  const input = asObject(usage["input_tokens_details"])
  const inputTokens = asNumber(usage["input_tokens"])
  const outputTokens = asNumber(usage["output_tokens"])
  const reasoning = asNumber(asObject(usage["output_tokens_details"])["reasoning_tokens"])
  const total = asNumber(usage["total_tokens"])
  const beside = reasoning !== undefined && reasoning > 0 &&
    total === (inputTokens ?? 0) + (outputTokens ?? 0) + reasoning
  completion.rawUsage = {
    input: inputTokens,
    output: beside ? (outputTokens ?? 0) + reasoning : outputTokens,
    cached: asNumber(input["cached_tokens"]),
    cacheCreation: asNumber(input["cache_write_tokens"]),
    reasoning
  }
  const cost = asNumber(usage["cost"])
  const ticks = dollarsOfTicks(usage)
  const searches = asNumber(asObject(usage["server_side_tool_usage_details"])["web_search_calls"])
  if (searches !== undefined) completion.webSearches = searches
  if (cost !== undefined) {
    const details = asObject(usage["cost_details"])
    completion.providerCost = {
      total: cost,
      input: asNumber(details["upstream_inference_input_cost"]),
      output: asNumber(details["upstream_inference_output_cost"])
    }
  } else if (ticks !== undefined) completion.providerCost = { total: ticks }
}
