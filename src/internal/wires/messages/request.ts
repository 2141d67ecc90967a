/** Messages requests: from a call to the body that is sent. */
import {
  type FilePart,
  type ImagePart,
  type JsonObject,
  type Message,
  text,
  type TextPart,
  textsOf
} from "../../../Prompt.ts"
import type { Call, Lowered } from "../../call/driver.ts"
import { asObject, type Loose } from "../../json/values.ts"
import * as capabilities from "../../models/capabilities.ts"
import type { Codec } from "../../schema/codec.ts"
import { codec } from "../../schema/codec.ts"
import * as dialect from "../../schema/dialect.ts"
import { budgetOf, lowerThinking } from "../claudeThinking.ts"
import { furtherOptions } from "../furtherOptions.ts"
import { isOwn, metadataOf } from "../metadata.ts"
import * as parts from "../parts.ts"
import { answerTool, schemaInstruction } from "../structuredAnswer.ts"

export interface Quirks {
  /** A cache breakpoint after the system prompt, and how long it lasts. */
  readonly promptCaching: false | "5m" | "1h"
}

/** The wire's name: under it stands what the next turn needs. */
export const name = "messages"

const defaultMaxTokens = { single: 16_000, stream: 64_000 }

export const lower = (call: Call, quirks: Quirks): Lowered => {
  const { model, options } = call
  if (options.seed !== undefined) call.warn("dropped-parameter", "Anthropic takes no seed; it was not sent")
  if (options.webSearch === true && !capabilities.webSearch("anthropic", model)) call.unsupported("web search")
  const ceiling = capabilities.anthropicMaxTokens(model)
  const answer = call.stream ? defaultMaxTokens.stream : defaultMaxTokens.single
  // What is thought counts too: the default leaves room for a whole answer beside it.
  const wanted = call.stream ? answer : answer + budgetOf(call)
  const maxTokens = options.maxTokens ?? Math.min(wanted, ceiling ?? wanted)
  const reasoning = lowerThinking(call, call.model, maxTokens)
  const structured = lowerFormat(call, reasoning.thinks)
  const system = [
    ...call.system,
    ...call.messages.flatMap((message) =>
      message.role === "system" ? textsOf(message).filter((part) => part.text !== "") : []
    ),
    ...(structured.instruction === undefined ? [] : [text(structured.instruction)])
  ]
  const tools = [
    ...call.tools.map(({ description, name, schema, strict }) => ({
      name,
      ...(description === undefined ? {} : { description }),
      input_schema: schema,
      ...(strict === undefined ? {} : { strict })
    })),
    ...(options.webSearch === true ? [{ type: "web_search_20250305", name: "web_search" }] : []),
    ...(structured.tool === undefined ? [] : [structured.tool])
  ]
  const { output_config: outputConfig, ...thinking } = reasoning.fields
  const output = { ...asObject(outputConfig), ...structured.outputConfig }
  return {
    codec: structured.codec,
    ...(structured.tool === undefined ? {} : { answerTool }),
    body: {
      model,
      max_tokens: maxTokens,
      ...(system.length === 0 ? {} : { system: lowerSystem(system, breakpointOf(call, quirks)) }),
      messages: lowerMessages(call),
      ...lowerSampling(call, reasoning.thinks),
      ...furtherOptions(call, {
        ...(!reasoning.thinks && capabilities.sampling(call.provider, model) ? { topK: "top_k" } : {}),
        // Part of the choice of tools.
        ...(tools.length > 0 ? { parallelToolCalls: "tool_choice" } : {})
      }),
      stop_sequences: options.stop === undefined || options.stop.length === 0 ? undefined : options.stop,
      ...(tools.length === 0 ? {} : { tools }),
      tool_choice: oneAtATime(call, structured.toolChoice ?? lowerToolChoice(call, reasoning.thinks)),
      ...thinking,
      ...(Object.keys(output).length === 0 ? {} : { output_config: output }),
      ...(call.stream ? { stream: true } : {})
    }
  }
}

const lowerSystem = (system: ReadonlyArray<TextPart>, breakpoint: "5m" | "1h" | undefined): ReadonlyArray<Loose> =>
  system.map(({ cache, text }, i) => {
    const ttl = cache ?? (i === system.length - 1 ? breakpoint : undefined)
    return { type: "text", text, ...(ttl === undefined ? {} : cacheControl(ttl)) }
  })

/** The API takes four breakpoints, longer-lived ones first. */
const maxBreakpoints = 4

/** How long the system prompt is cached by itself, if it is. */
const breakpointOf = (call: Call, quirks: Quirks): "5m" | "1h" | undefined => {
  if (quirks.promptCaching === false) return undefined
  const own: Array<"5m" | "1h"> = call.system.flatMap((part) => part.cache ?? [])
  for (const { content } of call.messages) {
    if (typeof content === "string") continue
    for (const part of content) if ("cache" in part && part.cache !== undefined) own.push(part.cache)
  }
  if (own.length >= maxBreakpoints) return undefined
  return own.includes("1h") ? "1h" : quirks.promptCaching
}

const cacheControl = (ttl: "5m" | "1h"): Loose => ({
  cache_control: { type: "ephemeral", ...(ttl === "1h" ? { ttl } : {}) }
})

const lowerSampling = (call: Call, thinks: boolean): Loose => {
  const { temperature, topP } = call.options
  if (temperature === undefined && topP === undefined) return {}
  if (thinks || !capabilities.sampling(call.provider, call.model)) {
    call.warn(
      "dropped-parameter",
      `${call.model} takes no temperature or topP${thinks ? " while it thinks" : ""}; they were not sent`
    )
    return {}
  }
  return { temperature, top_p: topP }
}

interface Structured {
  readonly codec?: Codec | undefined
  readonly instruction?: string | undefined
  readonly tool?: Loose | undefined
  readonly toolChoice?: Loose | undefined
  readonly outputConfig?: Loose | undefined
}

const lowerFormat = (call: Call, thinks: boolean): Structured => {
  const { format, options } = call
  if (format.type === "text") return {}
  if (format.type === "json") return { instruction: schemaInstruction(undefined) }
  const plain = codec(format.schema, dialect.plain)
  const schema = plain?.schema ?? format.schema
  const constrained = codec(format.schema, dialect.anthropicConstrained)
  const native = call.structured === "native" || (
    call.structured === undefined && options.webSearch !== true && capabilities.anthropicStructured(call.model)
  )
  if (native && constrained !== undefined) {
    return { codec: constrained, outputConfig: { format: { type: "json_schema", schema: constrained.schema } } }
  }
  if (call.structured === "prompt" || call.structured === "json-mode") {
    return { codec: plain, instruction: schemaInstruction(schema) }
  }
  const alone = call.tools.length === 0 && options.webSearch !== true
  return {
    codec: plain,
    tool: { name: answerTool, description: format.description ?? "Gives the answer", input_schema: schema },
    // A thinking model may not be forced; it is asked.
    ...(thinks
      ? { instruction: `Give your answer by calling the tool ${answerTool}.` }
      : { toolChoice: alone ? { type: "tool", name: answerTool } : { type: "any" } })
  }
}

const lowerToolChoice = ({ options, tools, warn }: Call, thinks: boolean): Loose | undefined => {
  const choice = options.toolChoice
  if (choice === undefined || tools.length === 0) return undefined
  if (thinks && choice !== "auto" && choice !== "none") {
    warn("dropped-parameter", "a thinking Anthropic model may not be forced to call a tool; toolChoice became auto")
    return { type: "auto" }
  }
  if (typeof choice === "object") return { type: "tool", name: choice.tool }
  return { type: choice === "required" ? "any" : choice }
}

const oneAtATime = ({ options, tools }: Call, choice: Loose | undefined): Loose | undefined =>
  options.parallelToolCalls !== false || tools.length === 0 || choice?.["type"] === "none"
    ? choice
    : { ...(choice ?? { type: "auto" }), disable_parallel_tool_use: true }

/** Turns must alternate: tool results are the user's, and neighbours of one role are joined. */
const lowerMessages = (call: Call): ReadonlyArray<Loose> => {
  const turns: Array<{ readonly role: "user" | "assistant"; readonly content: Array<Loose> }> = []
  for (const message of call.messages) {
    if (message.role === "system") continue
    const role = message.role === "assistant" ? "assistant" : "user"
    const content = lowerContent(message, call)
    if (content.length === 0) continue
    const last = turns[turns.length - 1]
    if (last?.role === role) last.content.push(...content)
    else turns.push({ role, content: [...content] })
  }
  return turns
}

const lowerContent = (message: Exclude<Message, { role: "system" }>, call: Call): ReadonlyArray<Loose> => {
  if (typeof message.content === "string") {
    return message.content === "" ? [] : [{ type: "text", text: message.content }]
  }
  return message.content.flatMap((part): ReadonlyArray<Loose> => {
    const cached = "cache" in part && part.cache !== undefined ? cacheControl(part.cache) : {}
    switch (part.type) {
      case "text":
        return part.text === "" ? [] : [{ type: "text", text: part.text, ...citationsOf(part), ...cached }]
      case "image":
        return [{ ...lowerImage(part, call), ...cached }]
      case "file":
        return [{ ...lowerFile(part, call), ...cached }]
      case "reasoning":
        return lowerReasoningBlock(part.text, metadataOf(part, name))
      case "tool-call":
        return [{
          type: "tool_use",
          id: toolId(part.id),
          name: part.name,
          input: parts.writtenArguments(part),
          ...cached
        }]
      case "tool-result":
        return [{
          type: "tool_result",
          tool_use_id: toolId(part.id),
          content: part.media === undefined || part.media.length === 0
            ? parts.resultText(part)
            : [
              { type: "text", text: parts.resultText(part) },
              ...part.media.map((item) => item.type === "image" ? lowerImage(item, call) : lowerFile(item, call))
            ],
          ...(part.isError === true ? { is_error: true } : {}),
          ...cached
        }]
      case "provider":
        return isOwn(part, name, call.provider) ? [part.value] : []
    }
  })
}

/** What an answer of this wire has cited, as it came. */
const citationsOf = (part: TextPart): Loose => {
  const citations = metadataOf(part, name)?.["citations"]
  return Array.isArray(citations) ? { citations } : {}
}

// Ids that other providers made may have characters this wire rejects.
const toolId = (id: string): string => id.replace(/[^a-zA-Z0-9_-]/g, "_")

const lowerReasoningBlock = (text: string, own: JsonObject | undefined): ReadonlyArray<Loose> => {
  if (own?.["redacted"] !== undefined) return [{ type: "redacted_thinking", data: own["redacted"] }]
  return own?.["signature"] === undefined ? [] : [{ type: "thinking", thinking: text, signature: own["signature"] }]
}

const lowerImage = (part: ImagePart | FilePart, call: Call): Loose => ({
  type: "image",
  source: part.media.type === "url"
    ? { type: "url", url: part.media.url }
    : { type: "base64", media_type: parts.sentTypeOf(part, call), data: parts.toBase64(part.media) }
})

const lowerFile = (part: FilePart, call: Call): Loose => {
  const { media: source, mediaType } = part
  if (mediaType.startsWith("image/")) return lowerImage(part, call)
  const title = part.filename === undefined ? {} : { title: part.filename }
  if (source.type === "url") return { type: "document", source: { type: "url", url: source.url }, ...title }
  if (mediaType === "application/pdf") {
    const data = parts.toBase64(source)
    return { type: "document", source: { type: "base64", media_type: mediaType, data }, ...title }
  }
  if (mediaType.startsWith("text/")) {
    return {
      type: "document",
      source: { type: "text", media_type: "text/plain", data: parts.toText(source) },
      ...title
    }
  }
  return call.unsupported(`a file of type ${mediaType}`)
}
