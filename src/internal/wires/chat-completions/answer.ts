/**
 * The Chat Completions wire, as OpenAI defined it and many hosts speak it.
 * Source: developers.openai.com/api/reference, hosts' own pages, recorded traffic, 2026-11.
 */
import type { JsonObject } from "../../../Prompt.ts"
import type { FinishReason } from "../../../Response.ts"
import type { Completion, ErrorFacts, RawUsage } from "../../call/completion.ts"
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
import * as providerNames from "../../models/providerNames.ts"
import { withFields } from "../../objects/withFields.ts"
import * as dialect from "../../schema/dialect.ts"
import { citationOf, Citations } from "../citation.ts"
import { objectOf } from "../events.ts"
import * as gatewayExtension from "../gatewayExtension.ts"
import { dollarsOfTicks } from "../xaiTicks.ts"
import { lower, name, type Quirks } from "./request.ts"
import * as toolCalls from "./toolCalls.ts"

export { type Quirks, reasoningEffort } from "./request.ts"

export interface State extends toolCalls.ToolCalls {
  readonly citations: Citations
}

export const wire = (quirks: Quirks): Wire<State> => ({
  name,
  toolName: /^[a-zA-Z0-9_-]{1,64}$/,
  strictTools: dialect.openAIStrict,
  lower: (call) => lower(call, quirks),
  read,
  initial: () => withFields(toolCalls.make(), { citations: new Citations() }),
  step,
  isComplete: (completion) => completion.done || completion.rawFinishReason !== undefined,
  readError: (body) =>
    isObject(body) && Array.isArray(body["choices"]) && !isObject(body["error"]) ? undefined : readError(body)
})

const readError = (body: unknown): ErrorFacts | undefined => {
  const facts = readErrorBody(body)
  const gateway = gatewayExtension.read(asObject(body)["majordomo"])
  return facts === undefined || gateway === undefined ? facts : { ...facts, gateway }
}

const read = (body: Loose, completion: Completion, call: Call): void => {
  readEnvelope(body, completion, call)
  const choice = asObject(asArray(body["choices"])[0])
  const message = choice["message"]
  if (isObject(message)) {
    readDelta(message, completion, call)
    readCitations(new Citations(), message, body, completion)
    toolCalls.readWhole(toolItems(message), completion)
    readPlaces(message, completion, call)
    readFinish(choice, completion)
    completion.done = true
  } else if (choice["finish_reason"] === "content_filter") {
    // Azure withholds the message itself.
    readFinish(choice, completion)
    completion.done = true
  }
}

const step = (state: State, event: WireEvent, completion: Completion, call: Call): void => {
  if (event.data.trim() === "[DONE]") {
    toolCalls.flush(state, completion)
    completion.done = true
    return
  }
  const chunk = objectOf(event, completion)
  if (chunk === undefined) return
  readEnvelope(chunk, completion, call)
  for (const item of asArray(chunk["choices"])) {
    const choice = asObject(item)
    // Other candidates than the first are not asked for; a host that sends them anyway is not mixed in.
    if ((asNumber(choice["index"]) ?? 0) !== 0) continue
    const delta = choice["delta"] ?? choice["message"]
    if (isObject(delta)) {
      readDelta(delta, completion, call)
      readCitations(state.citations, delta, chunk, completion)
      toolCalls.readPieces(state, toolItems(delta), completion, call)
      readPlaces(delta, completion, call)
    }
    readFinish(choice, completion)
    if (completion.rawFinishReason !== undefined) toolCalls.flush(state, completion)
  }
  if (isObject(chunk["error"]) || typeof chunk["error"] === "string" || event.event === "error") {
    completion.failure = readError(chunk) ?? { message: "the provider sent an error event" }
  }
}

const readEnvelope = (body: Loose, completion: Completion, call: Call): void => {
  completion.id ??= asString(body["id"]) || undefined
  completion.model = asString(body["model"]) || completion.model
  completion.serviceTier = asString(body["service_tier"]) ?? completion.serviceTier
  const usage = isObject(body["usage"]) ? body["usage"] : asObject(body["x_groq"])["usage"]
  if (isObject(usage)) {
    const counts = readUsage(usage)
    if (counts.input !== undefined || counts.output !== undefined) completion.rawUsage = counts
    completion.serviceTier = asString(usage["service_tier"]) ?? completion.serviceTier
    completion.webSearches = asNumber(asObject(usage["server_tool_use_details"])["web_search_requests"]) ??
      completion.webSearches
    readCost(usage, completion)
  }
  const cost = asNumber(asObject(body["cost"])["usd"])
  if (cost !== undefined) completion.providerCost = { total: cost }
  if (call.provider === providerNames.gateway && body["majordomo"] !== undefined) {
    readGateway(body["majordomo"], completion)
  }
}

const readGateway = (extension: unknown, completion: Completion): void => {
  const told = gatewayExtension.read(extension)
  if (told === undefined) return
  completion.gateway = told
  completion.cost = told.cost
}

/** The counts of a `usage` object, whichever of the hosts' names they come under. */
export const readUsage = (usage: Loose): RawUsage => {
  const prompt = asObject(usage["prompt_tokens_details"])
  const details = asObject(usage["completion_tokens_details"])
  const input = asCount(usage["prompt_tokens"])
  const output = asCount(usage["completion_tokens"])
  const reasoning = asCount(details["reasoning_tokens"]) ?? asCount(usage["reasoning_tokens"])
  const total = asCount(usage["total_tokens"])
  // xAI counts reasoning beside the output; the total tells.
  const beside = reasoning !== undefined && reasoning > 0 && total === (input ?? 0) + (output ?? 0) + reasoning
  return {
    input,
    output: beside ? (output ?? 0) + reasoning : output,
    cached: asCount(prompt["cached_tokens"]) ?? asCount(usage["prompt_cache_hit_tokens"]) ??
      asCount(usage["cached_tokens"]) ?? asCount(usage["num_cached_tokens"]),
    cacheCreation: asCount(prompt["cache_write_tokens"]) ?? asCount(usage["cache_creation_input_tokens"]),
    reasoning,
    inputAudio: asCount(prompt["audio_tokens"]),
    outputAudio: asCount(details["audio_tokens"])
  }
}

const readCost = (usage: Loose, completion: Completion): void => {
  const cost = usage["cost"]
  const ticks = dollarsOfTicks(usage)
  if (isObject(cost)) {
    // Perplexity: the parts, with a fee per request.
    const total = asNumber(cost["total_cost"])
    if (total !== undefined) {
      completion.providerCost = {
        total,
        input: asNumber(cost["input_tokens_cost"]),
        output: asNumber(cost["output_tokens_cost"])
      }
    }
  } else if (asNumber(cost) !== undefined) {
    const details = asObject(usage["cost_details"])
    completion.providerCost = {
      total: asNumber(cost) ?? 0,
      input: asNumber(details["upstream_inference_prompt_cost"]),
      output: asNumber(details["upstream_inference_completions_cost"])
    }
  } else if (ticks !== undefined) completion.providerCost = { total: ticks }
}

/** `function_call` is how calls came before there could be several. */
const toolItems = (message: Loose): ReadonlyArray<unknown> =>
  isObject(message["function_call"])
    ? [...asArray(message["tool_calls"]), { index: 0, function: message["function_call"] }]
    : asArray(message["tool_calls"])

const readDelta = (delta: Loose, completion: Completion, call: Call): void => {
  readReasoning(delta, completion, call)
  const content = delta["content"]
  if (Array.isArray(content)) readContentList(content, completion, call)
  else if (content !== undefined && content !== null) {
    const text = asText(content)
    if (text !== "") thoughtEnds(completion)
    completion.text("text", text)
  }
  if (toolItems(delta).length > 0) thoughtEnds(completion)
  const refusal = asString(delta["refusal"])
  if (refusal !== undefined && refusal !== "") completion.refusal = (completion.refusal ?? "") + refusal
}

/** Where a gateway's parts stood and what belongs to them, kept with one that is there: the next turn gives it back. */
const readPlaces = (message: Loose, completion: Completion, call: Call): void => {
  const places = asArray(asObject(message["majordomo"])["content"])
  if (call.provider !== providerNames.gateway || places.length === 0) return
  const key = ["text", "tool-0", "reasoning"].find((key) => completion.has(key))
  if (key === undefined) return
  const metadata = {
    [name]: {
      ...completion.metadataOf(key)?.[name],
      ...ofHost(call, { places: places.map(asJsonObject) })[name]
    }
  }
  if (key === "tool-0") completion.toolCall(key, { metadata })
  else completion.metadata(key, key === "text" ? "text" : "reasoning", metadata)
}

/** OpenAI and OpenRouter annotate the message; Perplexity and xAI list pages beside it, with every chunk. */
const readCitations = (known: Citations, message: Loose, body: Loose, completion: Completion): void => {
  const annotations = asArray(message["annotations"]).map((item) => asObject(asObject(item)["url_citation"]))
  const results = asArray(body["search_results"])
  const pages = annotations.length > 0 ? annotations : results.length > 0 ? results : asArray(body["citations"])
  for (const page of pages) {
    const { content, end_index: end, start_index: start, title, url } = isObject(page) ? page : { url: page }
    known.add(citationOf({ url, title, text: content, start, end }))
  }
  if (pages.length > 0) completion.cite("text", () => known.all)
}

/** Mistral: text and thinking as a list of pieces. */
const readContentList = (content: ReadonlyArray<unknown>, completion: Completion, call: Call): void => {
  for (const item of content) {
    const piece = typeof item === "string" ? { text: item } : asObject(item)
    if (piece["type"] === "thinking") {
      for (const thought of asArray(piece["thinking"])) {
        completion.reasoning("reasoning", asText(asObject(thought)["text"]), ofHost(call, {}))
      }
    } else {
      const text = asText(piece["text"])
      if (text !== "") thoughtEnds(completion)
      completion.text("text", text)
    }
  }
}

/** Nobody says so: it has ended when something else begins. Details (signatures) may still come, also beside a text. */
const thoughtEnds = (completion: Completion): void => {
  if (completion.metadataOf("reasoning")?.[name]?.["details"] === undefined) completion.close("reasoning")
}

const ofHost = (call: Call, more: JsonObject) => ({ [name]: { provider: call.provider, ...more } })

const readReasoning = (delta: Loose, completion: Completion, call: Call): void => {
  const field = typeof delta["reasoning_content"] === "string" && delta["reasoning_content"] !== ""
    ? "reasoning_content"
    : typeof delta["reasoning"] === "string" && delta["reasoning"] !== ""
    ? "reasoning"
    : undefined
  const details = asArray(delta["reasoning_details"]).map(asJsonObject)
  if (details.length > 0) {
    const known = completion.metadataOf("reasoning")?.[name]?.["details"]
    completion.metadata(
      "reasoning",
      "reasoning",
      ofHost(call, {
        details: mergeDetails(Array.isArray(known) ? known.map(asJsonObject) : [], details)
      })
    )
  }
  if (field !== undefined) {
    const text = asString(delta[field]) ?? ""
    // OpenRouter wants its details back and nothing else.
    if (completion.metadataOf("reasoning")?.[name]?.["details"] !== undefined) completion.reasoning("reasoning", text)
    else completion.reasoning("reasoning", text, ofHost(call, { field }))
  } else {
    for (const detail of details) {
      const text = asString(detail["text"]) ?? asString(detail["summary"])
      if (text !== undefined && text !== "") completion.reasoning("reasoning", text)
    }
  }
}

/** Pieces of one detail come with the same type and index; they are joined as they were meant. */
const mergeDetails = (
  known: ReadonlyArray<JsonObject>,
  more: ReadonlyArray<JsonObject>
): ReadonlyArray<JsonObject> => {
  const merged = [...known]
  for (const detail of more) {
    const last = merged[merged.length - 1]
    if (last === undefined || last["type"] !== detail["type"] || last["index"] !== detail["index"]) {
      merged.push(detail)
      continue
    }
    const joined: Record<string, JsonObject[string]> = { ...last, ...detail }
    for (const field of ["text", "summary", "data", "signature"]) {
      const before = last[field]
      const after = detail[field]
      if (typeof before === "string" && typeof after === "string") joined[field] = before + after
      else if (typeof before === "string") joined[field] = before
    }
    merged[merged.length - 1] = joined
  }
  return merged
}

const finishReasons: Readonly<Record<string, FinishReason>> = {
  stop: "stop",
  eos: "stop",
  end_turn: "stop",
  length: "length",
  model_length: "length",
  max_tokens: "length",
  tool_calls: "tool-calls",
  function_call: "tool-calls",
  content_filter: "content-filter"
}

const readFinish = (choice: Loose, completion: Completion): void => {
  // OpenRouter: an upstream that failed, beside what it had said.
  if (isObject(choice["error"])) completion.failure = readErrorBody(choice)
  const raw = asString(choice["finish_reason"])
  if (raw === undefined || raw === "") return
  completion.rawFinishReason = raw
  completion.finishReason = finishReasons[raw] ?? "other"
  if (raw === "content_filter") completion.filter = "content_filter"
}
