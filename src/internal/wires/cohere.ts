/** Cohere's chat wire, version 2. Source: docs.cohere.com/reference/chat, recorded traffic, 2026-11. */
import { type JsonObject, type JsonValue, type Message, type ToolResultPart } from "../../Prompt.ts"
import type { FinishReason } from "../../Response.ts"
import type { Completion } from "../completion.ts"
import type { Call, Lowered, LoweredTool, Wire } from "../driver.ts"
import { readErrorBody } from "../errors.ts"
import type { WireEvent } from "../framing.ts"
import { asArray, asJsonObject, asNumber, asObject, asString, isObject, type Loose, parse } from "../json.ts"
import * as parts from "../parts.ts"
import type { Codec } from "../schema/codec.ts"
import { codec } from "../schema/codec.ts"
import * as dialect from "../schema/dialect.ts"
import { answerTool, schemaInstruction } from "../structured.ts"

export interface State {
  /** What the model says about the tools it is going to call. */
  plan: string
  /** By the index of the text they belong to. */
  readonly citations: Map<number, Array<JsonValue>>
}

const name = "cohere"

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

// ── request ─────────────────────────────────────────────────────────────────────────────────────────────────────────

const lower = (call: Call): Lowered => {
  const { model, options } = call
  if (options.webSearch === true) call.unsupported("web search")
  const chosen = lowerTools(call)
  const documents = lowerDocuments(call)
  const structured = lowerFormat(call, chosen.tools.length > 0 || documents.length > 0)
  const system = [
    ...call.system.map((part) => part.text),
    ...(structured.instruction === undefined ? [] : [structured.instruction])
  ]
  const tools = [...chosen.tools.map(lowerTool), ...(structured.tool === undefined ? [] : [structured.tool])]
  return {
    codec: structured.codec,
    ...(structured.tool === undefined ? {} : { answerTool }),
    body: {
      model,
      messages: [
        ...(system.length === 0 ? [] : [{ role: "system", content: system.join("\n\n") }]),
        ...call.messages.flatMap((message) => lowerMessage(message, call))
      ],
      ...(documents.length === 0 ? {} : { documents }),
      temperature: options.temperature,
      p: options.topP,
      max_tokens: options.maxTokens,
      stop_sequences: options.stop === undefined || options.stop.length === 0 ? undefined : options.stop,
      seed: options.seed,
      ...(tools.length === 0 ? {} : { tools }),
      tool_choice: structured.tool === undefined ? chosen.choice : "REQUIRED",
      ...(chosen.tools.length > 0 && chosen.tools.every((tool) => tool.strict === true) ? { strict_tools: true } : {}),
      response_format: structured.responseFormat,
      ...lowerReasoning(call),
      ...(call.stream ? { stream: true } : {})
    }
  }
}

const lowerTool = ({ description, name, schema }: LoweredTool): Loose => ({
  type: "function",
  function: { name, ...(description === undefined ? {} : { description }), parameters: schema }
})

/** A certain tool cannot be named: it is the only one that is sent. */
const lowerTools = (
  { options, tools }: Call
): { readonly tools: ReadonlyArray<LoweredTool>; readonly choice?: "REQUIRED" | "NONE" } => {
  const choice = options.toolChoice
  if (choice === undefined || choice === "auto" || tools.length === 0) return { tools }
  if (typeof choice === "object") return { tools: tools.filter(({ name }) => name === choice.tool), choice: "REQUIRED" }
  return { tools, choice: choice === "required" ? "REQUIRED" : "NONE" }
}

/** The model is one that thinks; an unknown one may. Source: docs.cohere.com/docs/reasoning, 2026-11. */
const reasons = (model: string): boolean => /reasoning|command-a-plus/.test(model) || !/^(command|c4ai)/.test(model)

/** Tokens to think for, by effort; the highest is without a limit. */
const budgets: Readonly<Record<string, number>> = { minimal: 512, low: 2048, medium: 8192, high: 16_384, xhigh: 24_576 }

const lowerReasoning = (call: Call): Loose => {
  const { budgetTokens, effort } = call.options.reasoning ?? {}
  if (effort === undefined && budgetTokens === undefined) return {}
  const off = effort === "none" || budgetTokens === 0
  if (!reasons(call.model)) return off ? {} : call.unsupported("reasoning")
  if (off) return { thinking: { type: "disabled" } }
  const budget = budgetTokens ?? budgets[effort ?? "medium"]
  return { thinking: { type: "enabled", ...(budget === undefined ? {} : { token_budget: budget }) } }
}

interface Structured {
  readonly codec?: Codec | undefined
  readonly responseFormat?: Loose | undefined
  readonly instruction?: string | undefined
  readonly tool?: Loose | undefined
}

/** `busy`: with tools or documents, the API takes no `response_format`. */
const lowerFormat = (call: Call, busy: boolean): Structured => {
  const { format } = call
  if (format.type === "text") return {}
  const way = call.structured ?? (busy ? "prompt" : "native")
  const jsonMode = { type: "json_object" }
  if (format.type === "json") {
    const instruction = schemaInstruction(undefined)
    return way === "prompt" || way === "tool" ? { instruction } : { instruction, responseFormat: jsonMode }
  }
  const plain = codec(format.schema, dialect.plain)
  const schema = plain?.schema ?? format.schema
  const own = way === "native" ? codec(format.schema, dialect.cohere) : undefined
  if (own !== undefined) return { codec: own, responseFormat: { ...jsonMode, json_schema: own.schema } }
  if (way === "tool") {
    const description = format.description ?? "Gives the answer"
    return {
      codec: plain,
      tool: { type: "function", function: { name: answerTool, description, parameters: schema } }
    }
  }
  const instruction = schemaInstruction(schema)
  return way === "prompt" ? { codec: plain, instruction } : { codec: plain, instruction, responseFormat: jsonMode }
}

/** Text files are documents beside the messages. */
const lowerDocuments = (call: Call): ReadonlyArray<Loose> => {
  const documents: Array<Loose> = []
  for (const message of call.messages) {
    if (message.role !== "user" || typeof message.content === "string") continue
    for (const part of message.content) {
      if (part.type !== "file" || part.mediaType.startsWith("image/")) continue
      if (part.media.type === "url") call.unsupported(`a file by URL (${part.mediaType})`)
      else if (!part.mediaType.startsWith("text/")) call.unsupported(`a file of type ${part.mediaType}`)
      else {
        const title = part.filename === undefined ? {} : { title: part.filename }
        documents.push({ id: `doc:${documents.length}`, data: { ...title, text: parts.toText(part.media) } })
      }
    }
  }
  return documents
}

const lowerMessage = (message: Message, call: Call): ReadonlyArray<Loose> => {
  switch (message.role) {
    case "system":
      return [{ role: "system", content: parts.systemText(message) }]
    case "user":
      return [{
        role: "user",
        content: typeof message.content === "string" ? message.content : message.content.flatMap(lowerUserPart)
      }]
    case "assistant":
      return [lowerAssistant(message, call)]
    case "tool":
      return [
        ...message.content.map((part) => ({ role: "tool", tool_call_id: part.id, content: parts.resultText(part) })),
        ...lowerToolMedia(message.content, call)
      ]
  }
}

// A tool message holds text only: pictures follow as a user's.
const lowerToolMedia = (results: ReadonlyArray<ToolResultPart>, call: Call): ReadonlyArray<Loose> => {
  const shown = results.flatMap((result) => result.media ?? []).map((part) =>
    part.type === "image" || part.mediaType.startsWith("image/")
      ? lowerImage(part)
      : call.unsupported(`a tool result with a file of type ${part.mediaType}`)
  )
  return shown.length === 0 ? [] : [{ role: "user", content: shown }]
}

type UserPart = Exclude<Extract<Message, { role: "user" }>["content"], string>[number]

const lowerUserPart = (part: UserPart): ReadonlyArray<Loose> => {
  if (part.type === "text") return part.text === "" ? [] : [{ type: "text", text: part.text }]
  return part.type === "image" || part.mediaType.startsWith("image/") ? [lowerImage(part)] : []
}

const lowerImage = (part: Exclude<UserPart, { type: "text" }>): Loose => ({
  type: "image_url",
  image_url: {
    url: parts.toUrl(part.media, part.mediaType ?? "image/png"),
    ...("detail" in part && part.detail !== undefined ? { detail: part.detail } : {})
  }
})

const lowerAssistant = (message: Extract<Message, { role: "assistant" }>, call: Call): Loose => {
  if (typeof message.content === "string") return { role: "assistant", content: message.content }
  const content: Array<Loose> = []
  const calls: Array<Loose> = []
  let plan: Loose = {}
  for (const part of message.content) {
    switch (part.type) {
      case "text":
        if (part.text !== "") content.push({ type: "text", text: part.text })
        break
      case "reasoning":
        if (part.providerMetadata?.[name] !== undefined) content.push({ type: "thinking", thinking: part.text })
        break
      case "tool-call":
        calls.push({
          id: part.id,
          type: "function",
          function: { name: part.name, arguments: part.rawArguments || JSON.stringify(part.arguments ?? {}) }
        })
        break
      case "provider":
        if (part.wire === `${name}:${call.provider}`) plan = part.value
    }
  }
  if (calls.length === 0) return { role: "assistant", content: content.length === 0 ? "" : content }
  return { role: "assistant", ...plan, ...(content.length === 0 ? {} : { content }), tool_calls: calls }
}

// ── answer ──────────────────────────────────────────────────────────────────────────────────────────────────────────

const read = (body: Loose, completion: Completion): void => {
  completion.id ??= asString(body["id"])
  const { message } = body
  if (!isObject(message)) return
  readPlan(asString(message["tool_plan"]) ?? "", completion)
  const content = message["content"]
  if (typeof content === "string") completion.text(0, content)
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
  const data = parse(event.data)
  if (!isObject(data)) {
    completion.malformed = "an event of the stream is not a JSON object"
    return
  }
  const index = asNumber(data["index"]) ?? 0
  const delta = asObject(data["delta"])
  const message = asObject(delta["message"])
  switch (data["type"]) {
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
      return completion.toolArguments(`tool-${index}`, asString(fn["arguments"]) ?? "")
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
    case "message-end":
      givePlan(state, completion)
      for (const [i, citations] of state.citations) readCitations(i, citations, completion)
      readEnd(delta, completion)
      completion.done = true
      return
    default:
      // Errors have no type; `content-end`, `citation-end` and events we do not know say nothing.
      if (data["type"] === undefined || data["type"] === "error") {
        completion.failure = readErrorBody(data) ?? { message: "the provider sent an error event" }
      }
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
  const text = asString(block["text"])
  if (thinking !== undefined && (thinking !== "" || completion.has(index))) {
    completion.reasoning(index, thinking, { [name]: {} })
  }
  if (text !== undefined) completion.text(index, text)
}

const indexOf = (citation: unknown): number => asNumber(asObject(citation)["content_index"]) ?? 0

const readCitations = (index: number, citations: ReadonlyArray<JsonValue>, completion: Completion): void => {
  const metadata: { readonly [wire: string]: JsonObject } = { [name]: { citations } }
  if (citations.length > 0 && completion.textOf(index) !== "") completion.metadata(index, "text", metadata)
}

const readToolCall = (key: string, call: Loose, completion: Completion): void => {
  const fn = asObject(call["function"])
  completion.toolCall(key, { id: asString(call["id"]), name: asString(fn["name"]) })
  completion.toolArguments(key, asString(fn["arguments"]) ?? "")
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
  const input = asNumber(billed["input_tokens"]) ?? asNumber(tokens["input_tokens"])
  const output = asNumber(billed["output_tokens"]) ?? asNumber(tokens["output_tokens"])
  if (input === undefined && output === undefined) return
  completion.rawUsage = { input, output, cached: Math.min(asNumber(usage["cached_tokens"]) ?? 0, input ?? 0) }
}
