/** Cohere's chat wire, version 2. Source: docs.cohere.com/reference/chat, recorded traffic, 2026-11. */
import { type Message, type ToolResultPart } from "../../../Prompt.ts"
import type { Call, Lowered, LoweredTool } from "../../call/driver.ts"
import { type Loose } from "../../json/values.ts"
import type { Codec } from "../../schema/codec.ts"
import { codec } from "../../schema/codec.ts"
import * as dialect from "../../schema/dialect.ts"
import { furtherOptions } from "../furtherOptions.ts"
import { isOwn, metadataOf } from "../metadata.ts"
import * as parts from "../parts.ts"
import { answerTool, schemaInstruction } from "../structuredAnswer.ts"

export const name = "cohere"

export const lower = (call: Call): Lowered => {
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
      ...furtherOptions(call, {
        topK: "k",
        presencePenalty: "presence_penalty",
        frequencyPenalty: "frequency_penalty"
      }),
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
        content: typeof message.content === "string" ? message.content : message.content.flatMap((part) =>
          lowerUserPart(part, call)
        )
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
      ? lowerImage(part, call)
      : call.unsupported(`a tool result with a file of type ${part.mediaType}`)
  )
  return shown.length === 0 ? [] : [{ role: "user", content: shown }]
}

type UserPart = Exclude<Extract<Message, { role: "user" }>["content"], string>[number]

const lowerUserPart = (part: UserPart, call: Call): ReadonlyArray<Loose> => {
  if (part.type === "text") return part.text === "" ? [] : [{ type: "text", text: part.text }]
  return part.type === "image" || part.mediaType.startsWith("image/") ? [lowerImage(part, call)] : []
}

const lowerImage = (part: Exclude<UserPart, { type: "text" }>, call: Call): Loose => ({
  type: "image_url",
  image_url: {
    url: parts.pictureUrl(part, call),
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
        if (metadataOf(part, name) !== undefined) content.push({ type: "thinking", thinking: part.text })
        break
      case "tool-call":
        calls.push({
          id: part.id,
          type: "function",
          function: { name: part.name, arguments: part.rawArguments || JSON.stringify(part.arguments ?? {}) }
        })
        break
      case "provider":
        if (isOwn(part, name, call.provider)) plan = part.value
    }
  }
  if (calls.length === 0) return { role: "assistant", content: content.length === 0 ? "" : content }
  return { role: "assistant", ...plan, ...(content.length === 0 ? {} : { content }), tool_calls: calls }
}
