/** Cohere's chat wire, version 2. Source: docs.cohere.com/reference/chat, recorded traffic, 2026-11. */
import type { Citation, JsonObject, JsonValue } from "../../../Prompt.ts"
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
  type Loose
} from "../../json/values.ts"
import * as dialect from "../../schema/dialect.ts"
import { citationOf } from "../citation.ts"
import { objectOf } from "../events.ts"
import { lower, name } from "./request.ts"

export interface State {
  /** What the model says about the tools it is going to call. */
  plan: string
  /** By the index of the text they belong to. */
  readonly citations: Map<number, Array<JsonValue>>
}

export const wire: Wire<State> = {
  name,
  toolName: /^[a-zA-Z0-9_-]{1,64}$/,
  strictTools: dialect.cohere,
  lower: (call) => lower(call),
  read: (body, completion) => read(body, completion),
  initial: () => ({ plan: "", citations: new Map() }),
  step: (state, event, completion) => step(state, event, completion),
  isComplete: (completion) => completion.done || completion.rawFinishReason !== undefined,
  // An answer's `message` is an object, an error's is text.
  readError: (body) => isObject(body) && isObject(body["message"]) ? undefined : readErrorBody(body)
}

const read = (body: Loose, completion: Completion): void => {
  completion.id ??= asString(body["id"])
  const { message } = body
  if (!isObject(message)) return
  readPlan(asString(message["tool_plan"]) ?? "", completion)
  const content = message["content"]
  if (content !== undefined && content !== null && !Array.isArray(content)) completion.text(0, asText(content))
  const citations = asArray(message["citations"])
  for (const [i, item] of asArray(content).entries()) {
    readContent(i, asObject(item), completion)
    readCitations(i, citations.filter((citation) => indexOf(citation) === i).map(asJsonObject), completion)
  }
  for (const [i, item] of asArray(message["tool_calls"]).entries()) {
    const key = `tool-${i}`
    readToolCall(key, asObject(item), completion)
    completion.close(key)
  }
  readEnd(body, completion)
  completion.done = true
}

const step = (state: State, event: WireEvent, completion: Completion): void => {
  if (event.data.trim() === "[DONE]") return
  const data = objectOf(event, completion)
  if (data === undefined) return
  const index = asNumber(data["index"]) ?? 0
  const delta = asObject(data["delta"])
  const message = asObject(delta["message"])
  switch (asString(data["type"]) ?? event.event) {
    case "message-start":
      completion.id ??= asString(data["id"])
      return
    case "content-start":
    case "content-delta":
      return readContent(index, asObject(message["content"]), completion)
    case "tool-plan-delta":
      state.plan += asString(message["tool_plan"]) ?? ""
      return
    case "tool-call-start":
      givePlan(state, completion)
      return readToolCall(`tool-${index}`, asObject(message["tool_calls"]), completion)
    case "tool-call-delta": {
      const fn = asObject(asObject(message["tool_calls"])["function"])
      return completion.toolArguments(`tool-${index}`, fn["arguments"])
    }
    case "tool-call-end":
      return completion.close(`tool-${index}`)
    case "citation-start": {
      const citation = asJsonObject(message["citations"])
      const known = state.citations.get(indexOf(citation))
      if (known === undefined) state.citations.set(indexOf(citation), [citation])
      else known.push(citation)
      return
    }
    case "error":
      completion.failure = readErrorBody(data) ?? { message: "the provider sent an error event" }
      return
    case "message-end":
      givePlan(state, completion)
      for (const [i, citations] of state.citations) readCitations(i, citations, completion)
      readEnd(delta, completion)
      completion.done = true
      return
    default:
      // Errors have no type; `content-end`, `citation-end` and events we do not know say nothing.
      if (data["type"] === undefined) completion.failure = readErrorBody(data)
  }
}

const givePlan = (state: State, completion: Completion): void => {
  readPlan(state.plan, completion)
  state.plan = ""
}

/** Neither answer nor reasoning; the model wants it back beside its calls. */
const readPlan = (plan: string, completion: Completion): void => {
  if (plan !== "") completion.provider(name, { tool_plan: plan })
}

/** A whole block, the start of one or more of it. */
const readContent = (index: number, block: Loose, completion: Completion): void => {
  const thinking = asString(block["thinking"])
  const { text } = block
  if (thinking !== undefined && (thinking !== "" || completion.has(index))) {
    completion.reasoning(index, thinking, { [name]: {} })
  }
  if (text !== undefined && text !== null) completion.text(index, asText(text))
}

const indexOf = (citation: unknown): number => asNumber(asObject(citation)["content_index"]) ?? 0

const readCitations = (index: number, citations: ReadonlyArray<JsonValue>, completion: Completion): void => {
  const metadata: { readonly [wire: string]: JsonObject } = { [name]: { citations } }
  if (citations.length === 0 || completion.textOf(index) === "") return
  completion.metadata(index, "text", metadata)
  completion.cite(index, () => citations.flatMap(citationsOf))
}

/** One for each source of the passage. */
const citationsOf = (item: JsonValue): ReadonlyArray<Citation> => {
  const { end, sources, start } = asObject(item)
  const found = asArray(sources).map((source) => {
    const { document, id } = asObject(source)
    const { snippet, text, title, url } = asObject(document)
    return citationOf({ url, title, text: snippet ?? text, source: id, start, end })
  })
  return found.length > 0 ? found : [citationOf({ start, end })]
}

const readToolCall = (key: string, call: Loose, completion: Completion): void => {
  const fn = asObject(call["function"])
  completion.toolCall(key, { id: asString(call["id"]), name: asString(fn["name"]) })
  completion.toolArguments(key, fn["arguments"])
}

const finishReasons: Readonly<Record<string, FinishReason>> = {
  COMPLETE: "stop",
  STOP_SEQUENCE: "stop",
  MAX_TOKENS: "length",
  TOOL_CALL: "tool-calls",
  ERROR_TOXIC: "content-filter"
}

const readEnd = (source: Loose, completion: Completion): void => {
  readUsage(asObject(source["usage"]), completion)
  const raw = asString(source["finish_reason"])
  if (raw === undefined) return
  completion.rawFinishReason = raw
  completion.finishReason = finishReasons[raw] ?? "other"
  if (raw === "ERROR_TOXIC") completion.filter = raw
  if (raw === "ERROR" || raw === "TIMEOUT") {
    completion.failure = {
      type: raw === "TIMEOUT" ? "timeout" : "server_error",
      message: asString(source["error"]) ?? `the answer ended with ${raw}`
    }
  }
}

/**
 * What is billed, not what was processed: `tokens` counts a preamble the caller never sent. `cached_tokens` is a part
 * of those, so it may exceed what is billed.
 */
const readUsage = (usage: Loose, completion: Completion): void => {
  const billed = asObject(usage["billed_units"])
  const tokens = asObject(usage["tokens"])
  const input = asCount(billed["input_tokens"]) ?? asCount(tokens["input_tokens"])
  const output = asCount(billed["output_tokens"]) ?? asCount(tokens["output_tokens"])
  if (input === undefined && output === undefined) return
  completion.rawUsage = { input, output, cached: Math.min(asCount(usage["cached_tokens"]) ?? 0, input ?? 0) }
}
