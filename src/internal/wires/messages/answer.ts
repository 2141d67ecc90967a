/**
 * Anthropic's Messages wire. Source: platform.claude.com/docs/en/api/messages, recorded traffic, 2026-11.
 */
import type { JsonObject, JsonValue } from "../../../Prompt.ts"
import type { FinishReason } from "../../../Response.ts"
import type { Completion } from "../../call/completion.ts"
import type { Wire } from "../../call/driver.ts"
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
  type Loose,
  parse
} from "../../json/values.ts"
import * as dialect from "../../schema/dialect.ts"
import { citationOf } from "../citation.ts"
import { objectOf } from "../events.ts"
import { lower, name, type Quirks } from "./request.ts"

export type { Quirks } from "./request.ts"

interface OpenBlock {
  readonly type: string
  readonly start: JsonObject
  input: string
  readonly citations: Array<JsonObject>
}

export interface State {
  readonly blocks: Map<number, OpenBlock>
  usage: Loose
}

export const wire = (quirks: Quirks): Wire<State> => ({
  name,
  toolName: /^[a-zA-Z0-9_-]{1,128}$/,
  strictTools: dialect.anthropicConstrained,
  lower: (call) => lower(call, quirks),
  read,
  initial: () => ({ blocks: new Map(), usage: {} }),
  step,
  isComplete: (completion) => completion.done || completion.rawFinishReason !== undefined,
  readError: (body) => isObject(body) && body["type"] === "message" ? undefined : readErrorBody(body)
})

const read = (body: Loose, completion: Completion): void => {
  readEnvelope(body, completion)
  for (const [i, item] of asArray(body["content"]).entries()) {
    const block = asJsonObject(item)
    readBlock(i, block, completion)
    readCitations(i, asArray(block["citations"]).map(asJsonObject), completion)
    completion.close(i)
  }
  readUsage(asObject(body["usage"]), completion)
  readStop(body, completion)
  if (body["type"] === "message" || completion.rawFinishReason !== undefined) completion.done = true
}

const step = (state: State, event: WireEvent, completion: Completion): void => {
  if (event.data.trim() === "[DONE]") return
  const data = objectOf(event, completion)
  if (data === undefined) return
  switch (asString(data["type"]) ?? event.event) {
    case "message_start": {
      const message = asObject(data["message"])
      readEnvelope(message, completion)
      for (const [i, block] of asArray(message["content"]).entries()) readBlock(i, asJsonObject(block), completion)
      mergeUsage(state, message["usage"], completion)
      return
    }
    case "content_block_start":
      return startBlock(state, data, completion)
    case "content_block_delta":
      return readDelta(state, data, completion)
    case "content_block_stop":
      return stopBlock(state, asNumber(data["index"]) ?? 0, completion)
    case "message_delta":
      readStop(asObject(data["delta"]), completion)
      mergeUsage(state, data["usage"], completion)
      return
    case "message_stop":
      completion.done = true
      return
    case "error":
      completion.failure = readErrorBody(data) ?? { message: "the provider sent an error event" }
      return
    default:
      if (data["error"] !== undefined) completion.failure = readErrorBody(data)
  }
}

const readEnvelope = (message: Loose, completion: Completion): void => {
  completion.id ??= asString(message["id"])
  completion.model = asString(message["model"]) ?? completion.model
}

/** A whole block, or the start of a streamed one. */
const readBlock = (index: number, block: JsonObject, completion: Completion): void => {
  switch (block["type"]) {
    case "text":
      return completion.text(index, asText(block["text"]))
    case "thinking":
      return completion.reasoning(
        index,
        asText(block["thinking"]),
        typeof block["signature"] === "string" && block["signature"] !== ""
          ? { [name]: { signature: block["signature"] } }
          : undefined
      )
    case "redacted_thinking":
      return completion.reasoning(index, "", { [name]: { redacted: block["data"] ?? "" } })
    case "tool_use":
      return completion.toolCall(index, {
        id: asString(block["id"]),
        name: asString(block["name"]),
        input: block["input"]
      })
    default:
      return completion.provider(name, block)
  }
}

const startBlock = (state: State, data: Loose, completion: Completion): void => {
  const index = asNumber(data["index"]) ?? 0
  const block = asJsonObject(data["content_block"])
  const type = asString(block["type"]) ?? ""
  state.blocks.set(index, { type, start: block, input: "", citations: asArray(block["citations"]).map(asJsonObject) })
  // A block of a kind we do not know is complete only when it stops.
  if (type === "text" || type === "thinking" || type === "redacted_thinking" || type === "tool_use") {
    readBlock(index, block, completion)
  }
}

const readDelta = (state: State, data: Loose, completion: Completion): void => {
  const index = asNumber(data["index"]) ?? 0
  const delta = asObject(data["delta"])
  const block = state.blocks.get(index)
  switch (delta["type"]) {
    case "text_delta":
      return completion.text(index, asText(delta["text"]))
    case "thinking_delta":
      return completion.reasoning(index, asText(delta["thinking"]))
    case "signature_delta":
      return completion.metadata(index, "reasoning", { [name]: { signature: asString(delta["signature"]) ?? "" } })
    case "citations_delta":
      block?.citations.push(asJsonObject(delta["citation"]))
      return
    case "input_json_delta": {
      const json = delta["partial_json"]
      if (block === undefined || block.type === "tool_use") completion.toolArguments(index, json)
      else block.input += asString(json) ?? ""
    }
  }
}

const stopBlock = (state: State, index: number, completion: Completion): void => {
  const block = state.blocks.get(index)
  state.blocks.delete(index)
  if (block !== undefined) readCitations(index, block.citations, completion)
  completion.close(index)
  if (block === undefined || ["text", "thinking", "redacted_thinking", "tool_use"].includes(block.type)) return
  const input = parse(block.input)
  completion.provider(name, isObject(input) ? { ...block.start, input: asJsonObject(input) } : block.start)
}

/** As they came they go back on the next turn. A place in them is one in the document, not in the answer. */
const readCitations = (index: number, citations: ReadonlyArray<JsonObject>, completion: Completion): void => {
  if (citations.length === 0 || completion.textOf(index) === "") return
  const kept: { readonly [wire: string]: { readonly citations: JsonValue } } = { [name]: { citations } }
  completion.metadata(index, "text", kept)
  completion.cite(
    index,
    () =>
      citations.map((item) => {
        const { cited_text: text, document_index: document, document_title: title, file_id: file, source, url } = item
        return citationOf({
          url,
          title: title ?? item["title"],
          text,
          source: file ?? source ?? (document === undefined ? undefined : String(document))
        })
      })
  )
}

/** The input side comes at the start, the output side at the end; later counts replace earlier ones. */
const mergeUsage = (state: State, usage: unknown, completion: Completion): void => {
  if (!isObject(usage)) return
  const reported = Object.fromEntries(Object.entries(usage).filter(([, value]) => value !== null))
  state.usage = { ...state.usage, ...reported }
  readUsage(state.usage, completion)
}

const readUsage = (usage: Loose, completion: Completion): void => {
  const input = asCount(usage["input_tokens"])
  const cached = asCount(usage["cache_read_input_tokens"])
  const cacheCreation = asCount(usage["cache_creation_input_tokens"])
  const output = asCount(usage["output_tokens"])
  completion.serviceTier = asString(usage["service_tier"]) ?? completion.serviceTier
  completion.webSearches = asNumber(asObject(usage["server_tool_use"])["web_search_requests"]) ?? 0
  const cost = asNumber(usage["cost"])
  if (cost !== undefined) completion.providerCost = { total: cost }
  if (input === undefined && output === undefined) return
  completion.rawUsage = {
    input: (input ?? 0) + (cached ?? 0) + (cacheCreation ?? 0),
    output,
    cached,
    cacheCreation,
    cacheCreation1h: asCount(asObject(usage["cache_creation"])["ephemeral_1h_input_tokens"]),
    reasoning: asCount(asObject(usage["output_tokens_details"])["thinking_tokens"])
  }
}

const finishReasons: Readonly<Record<string, FinishReason>> = {
  end_turn: "stop",
  stop_sequence: "stop",
  max_tokens: "length",
  model_context_window_exceeded: "length",
  tool_use: "tool-calls",
  refusal: "content-filter"
}

const readStop = (source: Loose, completion: Completion): void => {
  const raw = asString(source["stop_reason"])
  if (raw === undefined) return
  completion.rawFinishReason = raw
  completion.finishReason = finishReasons[raw] ?? "other"
  if (raw === "refusal") completion.filter = asString(asObject(source["stop_details"])["category"]) ?? "refusal"
}
