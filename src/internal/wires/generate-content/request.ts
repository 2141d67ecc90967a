/** generateContent requests: from a call to the body that is sent. */
import { type JsonObject, type Message, text, textsOf } from "../../../Prompt.ts"
import type { Call, Lowered } from "../../call/driver.ts"
import { isObject, type Loose } from "../../json/values.ts"
import * as capabilities from "../../models/capabilities.ts"
import type { Codec } from "../../schema/codec.ts"
import { codec } from "../../schema/codec.ts"
import * as dialect from "../../schema/dialect.ts"
import { furtherOptions } from "../furtherOptions.ts"
import { isOwn, metadataOf } from "../metadata.ts"
import * as parts from "../parts.ts"
import { answerTool, schemaInstruction } from "../structuredAnswer.ts"

/** The wire's name: under it stands what the next turn needs. */
export const name = "generate-content"

const isThree = (model: string): boolean => /^gemini-3/.test(model)

export const lower = (call: Call): Lowered => {
  const { model, options } = call
  if (options.webSearch === true && !capabilities.webSearch("gemini", model)) call.unsupported("web search")
  if (options.webSearch === true && call.tools.length > 0 && !isThree(model)) {
    call.unsupported("web search together with tools")
  }
  const structured = lowerFormat(call)
  const system = [
    ...call.system,
    ...call.messages.flatMap((message) => message.role === "system" ? textsOf(message) : []),
    ...(structured.instruction === undefined ? [] : [text(structured.instruction)])
  ]
  const declarations = [
    ...call.tools.map(({ description, name, schema }) => ({
      name,
      ...(description === undefined ? {} : { description }),
      parametersJsonSchema: schema
    })),
    ...(structured.tool === undefined ? [] : [structured.tool])
  ]
  const tools = [
    ...(declarations.length === 0 ? [] : [{ functionDeclarations: declarations }]),
    ...(options.webSearch === true ? [{ googleSearch: {} }] : [])
  ]
  const generationConfig: Loose = {
    temperature: options.temperature,
    topP: options.topP,
    maxOutputTokens: options.maxTokens,
    stopSequences: options.stop === undefined || options.stop.length === 0 ? undefined : options.stop,
    seed: options.seed,
    ...furtherOptions(call, {
      topK: "topK",
      presencePenalty: "presencePenalty",
      frequencyPenalty: "frequencyPenalty"
    }),
    ...lowerReasoning(call),
    ...structured.config
  }
  const config = Object.entries(generationConfig).filter(([, value]) => value !== undefined)
  const functionCalling = structured.tool !== undefined
    ? { mode: "ANY", ...(call.tools.length === 0 ? { allowedFunctionNames: [answerTool] } : {}) }
    : lowerToolChoice(call)
  return {
    codec: structured.codec,
    ...(structured.tool === undefined ? {} : { answerTool }),
    body: {
      ...(system.length === 0 ? {} : { systemInstruction: { parts: system.map((part) => ({ text: part.text })) } }),
      contents: lowerMessages(call),
      ...(tools.length === 0 ? {} : { tools }),
      ...(functionCalling === undefined ? {} : { toolConfig: { functionCallingConfig: functionCalling } }),
      ...(config.length === 0 ? {} : { generationConfig: Object.fromEntries(config) })
    }
  }
}

/** Thinking tokens by effort for models that take a budget. */
const budgets: Readonly<Record<string, number>> = {
  none: 0,
  minimal: 512,
  low: 2048,
  medium: 8192,
  high: 16_384,
  xhigh: 24_576,
  max: 24_576
}

const levels: Readonly<Record<string, string>> = {
  minimal: "minimal",
  low: "low",
  medium: "medium",
  high: "high",
  xhigh: "high",
  max: "high"
}

const lowerReasoning = (call: Call): Loose => {
  const reasoning = call.options.reasoning
  if (reasoning === undefined || (reasoning.effort === undefined && reasoning.budgetTokens === undefined)) return {}
  const { budgetTokens, effort } = reasoning
  if (/^gemini-(1|2\.0)/.test(call.model)) {
    if (effort === "none") return {}
    call.unsupported("reasoning")
  }
  if (isThree(call.model)) {
    if (effort === "none" || budgetTokens === 0) {
      call.warn("dropped-parameter", `${call.model} cannot stop thinking; it was asked to think least`)
      return { thinkingConfig: { thinkingLevel: /pro/.test(call.model) ? "low" : "minimal" } }
    }
    return {
      thinkingConfig: {
        includeThoughts: true,
        ...(budgetTokens === undefined
          ? { thinkingLevel: effort === "minimal" && /pro/.test(call.model) ? "low" : levels[effort ?? "high"] }
          : { thinkingBudget: budgetTokens })
      }
    }
  }
  const budget = budgetTokens ?? budgets[effort ?? "medium"] ?? 8192
  if (budget === 0 && /pro/.test(call.model)) {
    call.warn("dropped-parameter", `${call.model} cannot stop thinking; it was asked to think least`)
    return { thinkingConfig: { thinkingBudget: 128 } }
  }
  return { thinkingConfig: { ...(budget === 0 ? {} : { includeThoughts: true }), thinkingBudget: budget } }
}

interface Structured {
  readonly codec?: Codec | undefined
  readonly config?: Loose | undefined
  readonly instruction?: string | undefined
  readonly tool?: Loose | undefined
}

const lowerFormat = (call: Call): Structured => {
  const { format, options } = call
  if (format.type === "text") return {}
  // Before Gemini 3, a JSON answer excludes tools and grounding.
  const busy = call.tools.length > 0 || options.webSearch === true
  const way = call.structured ?? (busy && !isThree(call.model) ? "prompt" : "native")
  if (format.type === "json") {
    return way === "prompt" || way === "tool"
      ? { instruction: schemaInstruction(undefined) }
      : { config: { responseMimeType: "application/json" } }
  }
  const plain = codec(format.schema, dialect.plain)
  const schema = plain?.schema ?? format.schema
  const own = way === "native" ? codec(format.schema, dialect.gemini) : undefined
  switch (way) {
    case "native":
    case "json-mode":
      return own === undefined
        // What the dialect cannot say is told in words.
        ? {
          codec: plain,
          config: { responseMimeType: "application/json" },
          instruction: schemaInstruction(schema)
        }
        : { codec: own, config: { responseMimeType: "application/json", responseJsonSchema: own.schema } }
    case "tool":
      return {
        codec: plain,
        tool: {
          name: answerTool,
          description: format.description ?? "Gives the answer",
          parametersJsonSchema: schema
        }
      }
    case "prompt":
      return { codec: plain, instruction: schemaInstruction(schema) }
  }
}

const lowerToolChoice = ({ options, tools }: Call): Loose | undefined => {
  const choice = options.toolChoice
  if (choice === undefined || tools.length === 0) return undefined
  if (typeof choice === "object") return { mode: "ANY", allowedFunctionNames: [choice.tool] }
  return { mode: choice === "required" ? "ANY" : choice === "none" ? "NONE" : "AUTO" }
}

const lowerMessages = (call: Call): ReadonlyArray<Loose> => {
  const turns: Array<{ readonly role: "user" | "model"; readonly parts: Array<Loose> }> = []
  const ids = ownIds(call)
  for (const message of call.messages) {
    if (message.role === "system") continue
    const role = message.role === "assistant" ? "model" : "user"
    const lowered = lowerParts(message, call, ids)
    if (lowered.length === 0) continue
    const last = turns[turns.length - 1]
    if (last?.role === role) last.parts.push(...lowered)
    else turns.push({ role, parts: [...lowered] })
  }
  return turns
}

/** Ids of calls that came from Gemini itself; those made here mean nothing to it. */
const ownIds = ({ messages }: Call): ReadonlySet<string> =>
  new Set(messages.flatMap(({ content }) =>
    typeof content === "string"
      ? []
      : content.flatMap((part) =>
        part.type === "tool-call" && metadataOf(part, name)?.["id"] !== undefined ? [part.id] : []
      )
  ))

const lowerParts = (message: Message, call: Call, ids: ReadonlySet<string>): ReadonlyArray<Loose> => {
  if (typeof message.content === "string") return message.content === "" ? [] : [{ text: message.content }]
  let calls = 0
  return message.content.flatMap((part): ReadonlyArray<Loose> => {
    switch (part.type) {
      case "text": {
        const signature = signatureOf(metadataOf(part, name))
        return part.text === "" && signature["thoughtSignature"] === undefined
          ? []
          : [{ text: part.text, ...signature }]
      }
      case "reasoning": {
        const own = metadataOf(part, name)
        return own === undefined ? [] : [{ text: part.text, thought: true, ...signatureOf(own) }]
      }
      case "image":
      case "file":
        return [lowerMedia(part, call)]
      case "tool-call": {
        const own = metadataOf(part, name)
        const first = calls++ === 0
        return [{
          functionCall: {
            ...(own?.["id"] === undefined ? {} : { id: own["id"] }),
            name: part.name,
            args: parts.writtenArguments(part)
          },
          ...signatureOf(own),
          // Gemini 3 rejects a call without its signature; this word stands for one that another model made.
          ...(own?.["thoughtSignature"] === undefined && first && isThree(call.model)
            ? { thoughtSignature: "skip_thought_signature_validator" }
            : {})
        }]
      }
      case "tool-result":
        return [
          {
            functionResponse: {
              ...(ids.has(part.id) ? { id: part.id } : {}),
              name: part.name,
              response: part.isError === true
                ? { error: part.result }
                : isObject(part.result)
                ? part.result
                : { result: part.result }
            }
          },
          ...(part.media ?? []).map((item) => lowerMedia(item, call))
        ]
      case "provider":
        return isOwn(part, name, call.provider) ? [part.value] : []
    }
  })
}

const signatureOf = (own: JsonObject | undefined): Loose =>
  own?.["thoughtSignature"] === undefined ? {} : { thoughtSignature: own["thoughtSignature"] }

const lowerMedia = (part: Parameters<typeof parts.mediaTypeOf>[0], call: Call): Loose => {
  const { media } = part
  if (media.type !== "url") {
    return { inlineData: { mimeType: parts.sentTypeOf(part, call), data: parts.toBase64(media) } }
  }
  const mediaType = parts.mediaTypeOf(part)
  // What nobody knows the provider finds out.
  const isKnown = mediaType !== undefined && mediaType !== "application/octet-stream"
  return { fileData: { ...(isKnown ? { mimeType: mediaType } : {}), fileUri: media.url } }
}
