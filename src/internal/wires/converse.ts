/** Amazon Bedrock's Converse wire. Source: docs.aws.amazon.com/bedrock, Converse, recorded traffic, 2026-11. */
import { type JsonObject, text, type TextPart, textsOf } from "../../Prompt.ts"
import type { FinishReason } from "../../Response.ts"
import * as aws from "../aws.ts"
import * as capabilities from "../capabilities.ts"
import type { Completion, ErrorFacts } from "../completion.ts"
import type { Call, Lowered, Wire } from "../driver.ts"
import * as eventStream from "../eventStream.ts"
import type { WireEvent } from "../framing.ts"
import { asArray, asJsonObject, asNumber, asObject, asString, isObject, type Loose, parse } from "../json.ts"
import type { Codec } from "../schema/codec.ts"
import { codec } from "../schema/codec.ts"
import * as dialect from "../schema/dialect.ts"
import { answerTool, schemaInstruction } from "../structured.ts"
import { cachePoint, lowerMessages, name } from "./converseMessages.ts"
import { lowerReasoning } from "./converseReasoning.ts"

export interface Quirks {
  /** A cache point after the system prompt, and how long it lasts. */
  readonly promptCaching: false | "5m" | "1h"
}

/** A block that only this wire understands, while it grows. */
interface OpenBlock {
  readonly kind: "toolUse" | "toolResult"
  readonly start: JsonObject
  input: string
  readonly results: Array<JsonObject>
}

export type State = Map<number, OpenBlock>

export const wire = (quirks: Quirks): Wire<State> => ({
  name,
  toolName: /^[a-zA-Z0-9_-]{1,64}$/,
  strictTools: dialect.anthropicConstrained,
  lower: (call) => lower(call, quirks),
  read: (body, completion) => read(body, completion),
  initial: () => new Map(),
  step: (state, event, completion) => step(state, event, completion),
  isComplete: (completion) => completion.done || completion.rawFinishReason !== undefined,
  readError: (body, headers) => readError(body, headers),
  framing: eventStream.make
})

// ── request ─────────────────────────────────────────────────────────────────────────────────────────────────────────

const lower = (call: Call, quirks: Quirks): Lowered => {
  const { options } = call
  if (options.webSearch === true) call.unsupported("web search")
  if (options.seed !== undefined) call.warn("dropped-parameter", "Converse takes no seed; it was not sent")
  const maxTokens = lowerMaxTokens(call)
  const reasoning = lowerReasoning(call, maxTokens)
  const structured = lowerFormat(call, reasoning.thinks)
  const system = [
    ...call.system,
    ...call.messages.flatMap((message) => message.role === "system" ? textsOf(message) : []),
    ...(structured.instruction === undefined ? [] : [text(structured.instruction)])
  ].filter((part) => part.text.trim() !== "")
  const inferenceConfig = reasoning.excludesInference
    ? {}
    : present({
      maxTokens,
      ...lowerSampling(call, reasoning.thinks),
      stopSequences: options.stop === undefined || options.stop.length === 0 ? undefined : options.stop
    })
  return {
    codec: structured.codec,
    ...(structured.tool === undefined ? {} : { answerTool }),
    ...(call.stream ? { headers: { accept: "application/vnd.amazon.eventstream" } } : {}),
    body: {
      messages: lowerMessages(call),
      ...(system.length === 0 ? {} : { system: lowerSystem(system, quirks) }),
      ...(Object.keys(inferenceConfig).length === 0 ? {} : { inferenceConfig }),
      toolConfig: lowerTools(call, structured, reasoning.thinks),
      outputConfig: structured.outputConfig,
      additionalModelRequestFields: reasoning.fields
    }
  }
}

const present = (fields: Loose): Loose =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))

const lowerSystem = (system: ReadonlyArray<TextPart>, quirks: Quirks): ReadonlyArray<Loose> =>
  system.flatMap(({ cache, text }, i) => {
    const ttl = cache ?? (i === system.length - 1 && quirks.promptCaching !== false ? quirks.promptCaching : undefined)
    return ttl === undefined ? [{ text }] : [{ text }, cachePoint(ttl)]
  })

const lowerMaxTokens = ({ model, options, warn }: Call): number | undefined => {
  const ceiling = capabilities.bedrockMaxTokens(model)
  if (options.maxTokens === undefined || ceiling === undefined || options.maxTokens <= ceiling) return options.maxTokens
  warn("dropped-parameter", `${model} writes at most ${ceiling} tokens; maxTokens was lowered to that`)
  return ceiling
}

const lowerSampling = (call: Call, thinks: boolean): Loose => {
  const { temperature, topP } = call.options
  if (temperature === undefined && topP === undefined) return {}
  const claude = aws.claudeName(call.model)
  if ((claude !== undefined && thinks) || !capabilities.sampling(call.provider, claude ?? call.model)) {
    call.warn(
      "dropped-parameter",
      `${call.model} takes no temperature or topP${thinks ? " while it thinks" : ""}; they were not sent`
    )
    return {}
  }
  return { temperature, topP }
}

interface Structured {
  readonly codec?: Codec | undefined
  readonly instruction?: string | undefined
  readonly tool?: Loose | undefined
  readonly toolChoice?: Loose | undefined
  readonly outputConfig?: Loose | undefined
}

const lowerFormat = (call: Call, thinks: boolean): Structured => {
  const { format } = call
  if (format.type === "text") return {}
  if (format.type === "json") return { instruction: schemaInstruction(undefined) }
  const constrained = call.structured === "native" ? codec(format.schema, dialect.anthropicConstrained) : undefined
  if (constrained !== undefined) {
    const jsonSchema = present({
      name: format.name,
      description: format.description,
      schema: JSON.stringify(constrained.schema)
    })
    return { codec: constrained, outputConfig: { textFormat: { type: "json_schema", structure: { jsonSchema } } } }
  }
  const plain = codec(format.schema, dialect.plain)
  const schema = plain?.schema ?? format.schema
  if (call.structured === "prompt" || call.structured === "json-mode") {
    return { codec: plain, instruction: schemaInstruction(schema) }
  }
  const tool = toolSpec(answerTool, format.description ?? "Gives the answer", schema)
  // A thinking Claude may not be forced, and Llama takes no choice at all; they are asked.
  return !takesToolChoice(call.model) || (thinks && aws.claudeName(call.model) !== undefined)
    ? { codec: plain, tool, instruction: `Give your answer by calling the tool ${answerTool}.` }
    : { codec: plain, tool, toolChoice: call.tools.length === 0 ? { tool: { name: answerTool } } : { any: {} } }
}

const takesToolChoice = (model: string): boolean => !/meta\.llama/.test(model)

const toolSpec = (name: string, description: string | undefined, schema: JsonObject, strict?: boolean): Loose => ({
  toolSpec: {
    name,
    ...(description === undefined ? {} : { description }),
    inputSchema: { json: schema },
    ...(strict === true ? { strict } : {})
  }
})

const lowerTools = (call: Call, structured: Structured, thinks: boolean): Loose | undefined => {
  const { toolChoice } = call.options
  const own = toolChoice === "none"
    ? []
    : call.tools.map(({ description, name, schema, strict }) => toolSpec(name, description, schema, strict))
  const tools = structured.tool === undefined ? own : [...own, structured.tool]
  if (tools.length > 0) return present({ tools, toolChoice: structured.toolChoice ?? lowerToolChoice(call, thinks) })
  // A conversation with calls in it needs the tools that were called.
  const past = pastTools(call)
  return past.length === 0 ? undefined : { tools: past }
}

const lowerToolChoice = ({ model, options, tools, warn }: Call, thinks: boolean): Loose | undefined => {
  const choice = options.toolChoice
  if (choice === undefined || choice === "none" || tools.length === 0) return undefined
  if (!takesToolChoice(model)) {
    if (choice !== "auto") warn("dropped-parameter", `${model} takes no toolChoice; it was not sent`)
    return undefined
  }
  if (thinks && choice !== "auto" && aws.claudeName(model) !== undefined) {
    warn("dropped-parameter", "a thinking Anthropic model may not be forced to call a tool; toolChoice became auto")
    return { auto: {} }
  }
  if (typeof choice === "object") return { tool: { name: choice.tool } }
  return choice === "required" ? { any: {} } : { auto: {} }
}

const pastTools = (call: Call): ReadonlyArray<Loose> => {
  const known = new Map<string, Loose>()
  for (const { content } of call.messages) {
    if (typeof content === "string") continue
    for (const part of content) {
      if (part.type !== "tool-call" && part.type !== "tool-result") continue
      const tool = call.tools.find(({ name }) => name === part.name)
      known.set(part.name, toolSpec(part.name, tool?.description, tool?.schema ?? { type: "object" }))
    }
  }
  return [...known.values()]
}

// ── answer ──────────────────────────────────────────────────────────────────────────────────────────────────────────

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
  const data = parse(event.data)
  if (event.event.startsWith(eventStream.exceptionPrefix)) {
    completion.failure = {
      type: capitalised(event.event.slice(eventStream.exceptionPrefix.length)),
      message: messageOf(data) ?? (event.data || undefined)
    }
    return
  }
  if (!isObject(data)) {
    completion.malformed = "an event of the stream is not a JSON object"
    return
  }
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
  if (typeof text === "string") return completion.text(index, text)
  if (isObject(reasoningContent)) return readReasoning(index, reasoningContent, completion)
  if (isObject(toolUse) && toolUse["type"] !== "server_tool_use") {
    return completion.toolCall(index, {
      id: asString(toolUse["toolUseId"]),
      name: asString(toolUse["name"]),
      parsed: asJsonObject(toolUse["input"])
    })
  }
  if (isObject(citationsContent)) {
    for (const item of asArray(citationsContent["content"])) {
      completion.text(index, asString(asObject(item)["text"]) ?? "")
    }
    return
  }
  // A hosted tool, a picture: only this wire knows what to do with it.
  if (Object.keys(block).length > 0) completion.provider(name, block)
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
    state.set(index, { kind: "toolUse", start: asJsonObject(toolUse), input: "", results: [] })
  } else if (isObject(toolResult)) {
    state.set(index, { kind: "toolResult", start: asJsonObject(toolResult), input: "", results: [] })
  }
}

const readDelta = (state: State, index: number, delta: Loose, completion: Completion): void => {
  const { reasoningContent, text, toolResult, toolUse } = delta
  const block = state.get(index)
  if (typeof text === "string") completion.text(index, text)
  else if (isObject(reasoningContent)) readReasoning(index, reasoningContent, completion)
  else if (isObject(toolUse)) {
    const input = asString(toolUse["input"]) ?? ""
    if (block === undefined) completion.toolArguments(index, input)
    else block.input += input
  } else if (block !== undefined) block.results.push(...asArray(toolResult).map(asJsonObject))
}

const stopBlock = (state: State, index: number, completion: Completion): void => {
  const block = state.get(index)
  state.delete(index)
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
  const input = asNumber(usage["inputTokens"])
  const output = asNumber(usage["outputTokens"])
  const cached = asNumber(usage["cacheReadInputTokens"])
  const cacheCreation = asNumber(usage["cacheWriteInputTokens"])
  if (input === undefined && output === undefined) return
  const hourly = asArray(usage["cacheDetails"]).map(asObject).find((detail) => detail["ttl"] === "1h")
  completion.rawUsage = {
    input: (input ?? 0) + (cached ?? 0) + (cacheCreation ?? 0),
    output,
    cached,
    cacheCreation,
    cacheCreation1h: hourly === undefined ? undefined : asNumber(hourly["inputTokens"])
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

// ── errors ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/** The exception's name is in a header, behind it sometimes a namespace; in the body of older front ends. */
const readError = (body: unknown, headers: Readonly<Record<string, string>>): ErrorFacts | undefined => {
  const source = asObject(body)
  if (source["output"] !== undefined || source["stopReason"] !== undefined) return undefined
  const type = (headers["x-amzn-errortype"] ?? asString(source["__type"]))?.replace(/:.*$/, "").replace(/^.*#/, "")
  const message = messageOf(body)
  return type === undefined && message === undefined ? undefined : { type, message }
}

const messageOf = (body: unknown): string | undefined =>
  asString(asObject(body)["message"]) ?? asString(asObject(body)["Message"])

const capitalised = (name: string): string => name.charAt(0).toUpperCase() + name.slice(1)
