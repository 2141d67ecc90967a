/** Amazon Bedrock's Converse wire. Source: docs.aws.amazon.com/bedrock, Converse, recorded traffic, 2026-11. */
import { type JsonObject, text, type TextPart, textsOf } from "../../../Prompt.ts"
import type { Call, Lowered } from "../../call/driver.ts"
import { type Loose } from "../../json/values.ts"
import * as capabilities from "../../models/capabilities.ts"
import type { Codec } from "../../schema/codec.ts"
import { codec } from "../../schema/codec.ts"
import * as dialect from "../../schema/dialect.ts"
import { type Fields, furtherOptions } from "../furtherOptions.ts"
import { answerTool, schemaInstruction } from "../structuredAnswer.ts"
import { cachePoint, lowerMessages } from "./messages.ts"
import { lowerReasoning } from "./reasoning.ts"

export interface Quirks {
  /** A cache point after the system prompt, and how long it lasts. */
  readonly promptCaching: false | "5m" | "1h"
}

export const lower = (call: Call, quirks: Quirks): Lowered => {
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
      additionalModelRequestFields: withFields(
        reasoning.fields,
        furtherOptions(call, claudeFields(call, reasoning.thinks))
      )
    }
  }
}

/** Only Claude has a place for them, beside what Converse knows itself. */
const claudeFields = (call: Call, thinks: boolean): Fields => {
  const claude = capabilities.claudeName(call.model)
  return claude !== undefined && !thinks && capabilities.sampling(call.provider, claude) ? { topK: "top_k" } : {}
}

const withFields = (fields: Loose | undefined, more: Loose): Loose | undefined =>
  Object.keys(more).length === 0 ? fields : { ...fields, ...more }

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
  const claude = capabilities.claudeName(call.model)
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
  return !takesToolChoice(call.model) || (thinks && capabilities.claudeName(call.model) !== undefined)
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
  if (thinks && choice !== "auto" && capabilities.claudeName(model) !== undefined) {
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
