/** Amazon Bedrock's Converse wire. Source: docs.aws.amazon.com/bedrock, Converse, recorded traffic, 2026-11. */
import type { JsonObject, JsonValue } from "../../../Prompt.ts"
import type { FinishReason } from "../../../Response.ts"
import type { Completion, ErrorFacts } from "../../call/completion.ts"
import type { Wire } from "../../call/driver.ts"
import * as eventStream from "../../http/eventStream.ts"
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
import { name } from "./messages.ts"
import { lower, type Quirks } from "./request.ts"

/** A block that only this wire understands, while it grows. */
interface OpenBlock {
  readonly kind: "toolUse" | "toolResult"
  readonly start: JsonObject
  input: string
  readonly results: Array<JsonObject>
}

export interface State {
  readonly blocks: Map<number, OpenBlock>
  readonly citations: Map<number, Array<JsonObject>>
}

export const wire = (quirks: Quirks): Wire<State> => ({
  name,
  toolName: /^[a-zA-Z0-9_-]{1,64}$/,
  strictTools: dialect.anthropicConstrained,
  lower: (call) => lower(call, quirks),
  read: (body, completion) => read(body, completion),
  initial: () => ({ blocks: new Map(), citations: new Map() }),
  step: (state, event, completion) => step(state, event, completion),
  isComplete: (completion) => completion.done || completion.rawFinishReason !== undefined,
  readError: (body, headers) => readError(body, headers),
  framing: eventStream.make
})

const read = (body: Loose, completion: Completion): void => {
  const message = asObject(body["output"])["message"]
  if (!isObject(message)) return
  for (const [i, item] of asArray(message["content"]).entries()) {
    readBlock(i, asJsonObject(item), completion)
    completion.close(i)
  }
  readMetadata(body, completion)
  readStop(body, completion)
  completion.done = true
}

const step = (state: State, event: WireEvent, completion: Completion): void => {
  if (event.event.startsWith(eventStream.exceptionPrefix)) {
    completion.failure = {
      type: capitalised(event.event.slice(eventStream.exceptionPrefix.length)),
      message: messageOf(parse(event.data)) ?? (event.data || undefined)
    }
    return
  }
  const data = objectOf(event, completion)
  if (data === undefined) return
  const index = asNumber(data["contentBlockIndex"]) ?? 0
  switch (event.event) {
    case "contentBlockStart":
      return startBlock(state, index, asObject(data["start"]), completion)
    case "contentBlockDelta":
      return readDelta(state, index, asObject(data["delta"]), completion)
    case "contentBlockStop":
      return stopBlock(state, index, completion)
    case "messageStop":
      return readStop(data, completion)
    case "metadata":
      readMetadata(data, completion)
      completion.done = completion.rawFinishReason !== undefined
  }
}

const readBlock = (index: number, block: JsonObject, completion: Completion): void => {
  const { citationsContent, reasoningContent, text, toolUse } = block
  if (text !== undefined && text !== null) return completion.text(index, asText(text))
  if (isObject(reasoningContent)) return readReasoning(index, reasoningContent, completion)
  if (isObject(toolUse) && toolUse["type"] !== "server_tool_use") {
    return completion.toolCall(index, {
      id: asString(toolUse["toolUseId"]),
      name: asString(toolUse["name"]),
      input: toolUse["input"]
    })
  }
  if (isObject(citationsContent)) {
    for (const item of asArray(citationsContent["content"])) {
      completion.text(index, asText(asObject(item)["text"]))
    }
    readCitations(index, asArray(citationsContent["citations"]).map(asJsonObject), completion)
    return
  }
  // A hosted tool, a picture: only this wire knows what to do with it.
  if (Object.keys(block).length > 0) completion.provider(name, block)
}

/** As they came they go back on the next turn. A place in them is one in the document, not in the answer. */
const readCitations = (index: number, citations: ReadonlyArray<JsonObject>, completion: Completion): void => {
  if (citations.length === 0 || completion.textOf(index) === "") return
  const kept: { readonly [wire: string]: { readonly citations: JsonValue } } = { [name]: { citations } }
  completion.metadata(index, "text", kept)
  completion.cite(
    index,
    () =>
      citations.map(({ location, source, sourceContent, title }) => {
        const places = Object.values(asObject(location)).map(asObject)
        const document = places.map((place) => place["documentIndex"]).find((at) => at !== undefined)
        return citationOf({
          url: asObject(asObject(location)["web"])["url"],
          title,
          text: asArray(sourceContent).map((item) => asText(asObject(item)["text"])).join(""),
          source: source ?? (document === undefined ? undefined : String(document))
        })
      })
  )
}

const readReasoning = (index: number, content: Loose, completion: Completion): void => {
  // Whole blocks wrap what deltas have bare.
  const source = isObject(content["reasoningText"]) ? content["reasoningText"] : content
  const redacted = asString(content["redactedContent"])
  const signature = asString(source["signature"])
  if (redacted !== undefined) completion.metadata(index, "reasoning", { [name]: { redacted } })
  if (signature !== undefined && signature !== "") completion.metadata(index, "reasoning", { [name]: { signature } })
  const text = asString(source["text"])
  if (text !== undefined && text !== "") completion.reasoning(index, text)
}

const startBlock = (state: State, index: number, start: Loose, completion: Completion): void => {
  const { toolResult, toolUse } = start
  if (isObject(toolUse) && toolUse["type"] !== "server_tool_use") {
    return completion.toolCall(index, { id: asString(toolUse["toolUseId"]), name: asString(toolUse["name"]) })
  }
  if (isObject(toolUse)) {
    state.blocks.set(index, { kind: "toolUse", start: asJsonObject(toolUse), input: "", results: [] })
  } else if (isObject(toolResult)) {
    state.blocks.set(index, { kind: "toolResult", start: asJsonObject(toolResult), input: "", results: [] })
  }
}

const readDelta = (state: State, index: number, delta: Loose, completion: Completion): void => {
  const { citation, reasoningContent, text, toolResult, toolUse } = delta
  const block = state.blocks.get(index)
  if (isObject(citation)) {
    const known = state.citations.get(index)
    if (known === undefined) state.citations.set(index, [asJsonObject(citation)])
    else known.push(asJsonObject(citation))
  }
  if (text !== undefined && text !== null) completion.text(index, asText(text))
  else if (isObject(reasoningContent)) readReasoning(index, reasoningContent, completion)
  else if (isObject(toolUse)) {
    if (block === undefined) completion.toolArguments(index, toolUse["input"])
    else block.input += asString(toolUse["input"]) ?? ""
  } else if (block !== undefined) block.results.push(...asArray(toolResult).map(asJsonObject))
}

const stopBlock = (state: State, index: number, completion: Completion): void => {
  const block = state.blocks.get(index)
  state.blocks.delete(index)
  readCitations(index, state.citations.get(index) ?? [], completion)
  completion.close(index)
  if (block === undefined) return
  completion.provider(name, {
    [block.kind]: block.kind === "toolUse"
      ? { ...block.start, input: asJsonObject(parse(block.input)) }
      : { ...block.start, content: block.results }
  })
}

const readMetadata = (source: Loose, completion: Completion): void => {
  completion.serviceTier = asString(asObject(source["serviceTier"])["type"]) ?? completion.serviceTier
  const usage = asObject(source["usage"])
  const input = asCount(usage["inputTokens"])
  const output = asCount(usage["outputTokens"])
  const cached = asCount(usage["cacheReadInputTokens"])
  const cacheCreation = asCount(usage["cacheWriteInputTokens"])
  if (input === undefined && output === undefined) return
  const hourly = asArray(usage["cacheDetails"]).map(asObject).find((detail) => detail["ttl"] === "1h")
  completion.rawUsage = {
    input: (input ?? 0) + (cached ?? 0) + (cacheCreation ?? 0),
    output,
    cached,
    cacheCreation,
    cacheCreation1h: hourly === undefined ? undefined : asCount(hourly["inputTokens"])
  }
}

const finishReasons: Readonly<Record<string, FinishReason>> = {
  end_turn: "stop",
  stop_sequence: "stop",
  max_tokens: "length",
  model_context_window_exceeded: "length",
  tool_use: "tool-calls",
  guardrail_intervened: "content-filter",
  content_filtered: "content-filter"
}

const readStop = (source: Loose, completion: Completion): void => {
  const raw = asString(source["stopReason"])
  if (raw === undefined) return
  completion.rawFinishReason = raw
  completion.finishReason = finishReasons[raw] ?? "other"
  if (completion.finishReason === "content-filter") completion.filter = raw
}

/** The exception's name is in a header, behind it sometimes a namespace; in the body of older front ends. */
const readError = (body: unknown, headers: Readonly<Record<string, string>>): ErrorFacts | undefined => {
  const source = asObject(body)
  if (source["output"] !== undefined || source["stopReason"] !== undefined) return undefined
  const type = (headers["x-amzn-errortype"] ?? asString(source["__type"]))?.split(":", 1)[0]?.split("#").at(-1)
  const message = messageOf(body)
  return type === undefined && message === undefined ? undefined : { type, message }
}

const messageOf = (body: unknown): string | undefined =>
  asString(asObject(body)["message"]) ?? asString(asObject(body)["Message"])

const capitalised = (name: string): string => name.charAt(0).toUpperCase() + name.slice(1)
