/**
 * OpenAI's Responses wire. Source: developers.openai.com/api/reference/responses, recorded traffic, 2026-11.
 */
import type { JsonObject } from "../../../Prompt.ts"
import type { Completion, ErrorFacts } from "../../call/completion.ts"
import type { Call, Wire } from "../../call/driver.ts"
import { readErrorBody } from "../../http/errors.ts"
import type { WireEvent } from "../../http/framing.ts"
import {
  asArray,
  asCount,
  asJsonObject,
  asNumber,
  asObject,
  asString,
  asText,
  isObject,
  type Loose
} from "../../json/values.ts"
import * as dialect from "../../schema/dialect.ts"
import { citationOf, Citations } from "../citation.ts"
import { objectOf } from "../events.ts"
import { dollarsOfTicks } from "../xaiTicks.ts"
import * as items from "./items.ts"
import { lower, name, type Quirks } from "./request.ts"

export type { Quirks } from "./request.ts"

export interface State extends items.Items {
  /** By the key of their text. */
  readonly citations: Map<string, Citations>
}

export const wire = (quirks: Quirks): Wire<State> => ({
  name,
  toolName: /^[a-zA-Z0-9_-]{1,64}$/,
  strictTools: dialect.openAIStrict,
  lower: (call) => lower(call, quirks),
  read,
  initial,
  step,
  isComplete: (completion) => completion.done,
  readError
})

const initial = (): State => ({ ...items.make(), citations: new Map() })

const readError = (body: unknown): ErrorFacts | undefined => {
  if (isObject(body) && Array.isArray(body["output"]) && !isObject(body["error"])) return undefined
  return isObject(body) || Array.isArray(body) ? readErrorBody(body) : undefined
}

const read = (body: Loose, completion: Completion, call: Call): void => {
  for (const [i, item] of asArray(body["output"]).entries()) {
    readItem(initial(), String(i), asJsonObject(item), completion, call)
  }
  readResponse(body, completion)
  if (Array.isArray(body["output"])) completion.done = true
}

/** A whole output item; of one whose deltas were seen, only what they lack. */
const readItem = (
  state: State,
  output: string,
  item: JsonObject,
  completion: Completion,
  call: Call
): void => {
  switch (item["type"]) {
    case "message": {
      const phase = asString(item["phase"])
      const { key, streamed } = items.take(state, "text", output)
      for (const content of streamed ? [] : asArray(item["content"])) {
        const part = asObject(content)
        if (part["type"] === "refusal") {
          completion.refusal = (completion.refusal ?? "") + (asString(part["refusal"]) ?? "")
        } else completion.text(key, asText(part["text"]))
      }
      let before = 0
      for (const content of asArray(item["content"])) {
        const { annotations, text } = asObject(content)
        for (const annotation of asArray(annotations)) cite(state, key, asObject(annotation), before, completion)
        before += asText(text).length
      }
      if (phase !== undefined) completion.metadata(key, "text", { [name]: { phase } })
      return completion.close(key)
    }
    case "reasoning": {
      const { key, streamed } = items.take(state, "reasoning", output)
      if (!streamed) {
        const shown = asArray(item["summary"]).length > 0 ? asArray(item["summary"]) : asArray(item["content"])
        for (const part of shown) completion.reasoning(key, asText(asObject(part)["text"]))
      }
      completion.metadata(key, "reasoning", { [name]: { provider: call.provider, item: carried(item) } })
      return completion.close(key)
    }
    case "function_call":
    case "custom_tool_call": {
      const { key } = items.take(state, "call", output)
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

/** The parts of a message are one text: places in a later one begin where the earlier ones end. */
const cite = (state: State, key: string, annotation: Loose, before: number, completion: Completion): void => {
  const { end_index: end, file_id: file, filename, start_index: start, title, url } = annotation
  let citations = state.citations.get(key)
  if (citations === undefined) {
    const found = citations = new Citations()
    state.citations.set(key, found)
    completion.cite(key, () => found.all)
  }
  citations.add(citationOf({
    url,
    title: title ?? filename,
    source: file,
    start: asNumber(start) === undefined ? undefined : Number(start) + before,
    end: asNumber(end) === undefined ? undefined : Number(end) + before
  }))
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

const step = (state: State, event: WireEvent, completion: Completion, call: Call): void => {
  if (event.data.trim() === "[DONE]") return
  const data = objectOf(event, completion)
  if (data === undefined) return
  const type = asString(data["type"]) ?? event.event
  const output = items.outputOf(state, data)
  const delta = asText(data["delta"])
  switch (type) {
    case "response.output_text.delta":
      return completion.text(items.open(state, "text", output), delta)
    case "response.output_text.annotation.added":
      // The whole item repeats it, and says where its text begins.
      if ((asNumber(data["content_index"]) ?? 0) > 0) return
      return cite(state, items.open(state, "text", output), asObject(data["annotation"]), 0, completion)
    case "response.reasoning_summary_text.delta":
    case "response.reasoning_text.delta":
      return completion.reasoning(items.open(state, "reasoning", output), delta)
    case "response.refusal.delta": {
      items.open(state, "text", output)
      completion.refusal = (completion.refusal ?? "") + delta
      return
    }
    case "response.function_call_arguments.delta":
    case "response.custom_tool_call_input.delta":
      return completion.toolArguments(items.open(state, "call", output), data["delta"])
    case "response.output_item.added": {
      const item = asJsonObject(data["item"])
      if (item["type"] === "function_call" || item["type"] === "custom_tool_call") {
        announce(items.open(state, "call", output), item, completion)
      }
      return
    }
    case "response.output_item.done": {
      items.close(state, output, data)
      return readItem(state, output, asJsonObject(data["item"]), completion, call)
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
        const whole = asJsonObject(item)
        const output = items.missing(state, i, whole)
        if (output !== undefined) readItem(state, output, whole, completion, call)
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
  const inputTokens = asCount(usage["input_tokens"])
  const outputTokens = asCount(usage["output_tokens"])
  const reasoning = asCount(asObject(usage["output_tokens_details"])["reasoning_tokens"])
  const total = asCount(usage["total_tokens"])
  const beside = reasoning !== undefined && reasoning > 0 &&
    total === (inputTokens ?? 0) + (outputTokens ?? 0) + reasoning
  completion.rawUsage = {
    input: inputTokens,
    output: beside ? (outputTokens ?? 0) + reasoning : outputTokens,
    cached: asCount(input["cached_tokens"]),
    cacheCreation: asCount(input["cache_write_tokens"]),
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
