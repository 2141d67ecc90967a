/**
 * Google's generateContent wire, as Gemini and Vertex speak it. Source: ai.google.dev/api/generate-content, recorded
 * traffic, 2026-11.
 */
import { type JsonObject, type Message, text, textsOf } from "../../Prompt.ts"
import type { FinishReason } from "../../Response.ts"
import * as capabilities from "../capabilities.ts"
import type { Completion, ErrorFacts } from "../completion.ts"
import type { Call, Lowered, Wire } from "../driver.ts"
import { readErrorBody, retryInfoOf } from "../errors.ts"
import type { WireEvent } from "../framing.ts"
import { asArray, asJsonObject, asNumber, asObject, asString, isObject, type Loose, parse } from "../json.ts"
import * as parts from "../parts.ts"
import type { Codec } from "../schema/codec.ts"
import { codec } from "../schema/codec.ts"
import * as dialect from "../schema/dialect.ts"
import { answerTool, schemaInstruction } from "../structured.ts"

export interface State {
  /** Text and reasoning alternate; each run of one kind is a block. */
  block: number
  kind: "text" | "reasoning" | "other"
}

const name = "gemini"

export const wire: Wire<State> = {
  name,
  toolName: /^[a-zA-Z_][a-zA-Z0-9_.-]{0,63}$/,
  strictTools: undefined,
  lower: (call) => lower(call),
  read: (body, completion) => {
    readChunk(initial(), body, completion)
    completion.done = completion.rawFinishReason !== undefined || completion.filter !== undefined ||
      asArray(body["candidates"]).length > 0
  },
  initial: () => initial(),
  step: (state, event, completion) => step(state, event, completion),
  // A stream may go on after a finish reason, so only its end says that it is complete.
  isComplete: (completion) =>
    completion.done || completion.rawFinishReason !== undefined || completion.filter !== undefined,
  readError: (body) => readError(body)
}

const initial = (): State => ({ block: 0, kind: "other" })

// ── request ─────────────────────────────────────────────────────────────────────────────────────────────────────────

const isThree = (model: string): boolean => /^gemini-3/.test(model)

const lower = (call: Call): Lowered => {
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
        part.type === "tool-call" && part.providerMetadata?.[name]?.["id"] !== undefined ? [part.id] : []
      )
  ))

const lowerParts = (message: Message, call: Call, ids: ReadonlySet<string>): ReadonlyArray<Loose> => {
  if (typeof message.content === "string") return message.content === "" ? [] : [{ text: message.content }]
  let calls = 0
  return message.content.flatMap((part): ReadonlyArray<Loose> => {
    switch (part.type) {
      case "text": {
        const signature = signatureOf(part.providerMetadata?.[name])
        return part.text === "" && signature["thoughtSignature"] === undefined
          ? []
          : [{ text: part.text, ...signature }]
      }
      case "reasoning": {
        const own = part.providerMetadata?.[name]
        return own === undefined ? [] : [{ text: part.text, thought: true, ...signatureOf(own) }]
      }
      case "image":
        return [lowerMedia(part.media, part.mediaType ?? "image/png")]
      case "file":
        return [lowerMedia(part.media, part.mediaType)]
      case "tool-call": {
        const own = part.providerMetadata?.[name]
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
          ...(part.media ?? []).map((item) => lowerMedia(item.media, item.mediaType ?? "image/png"))
        ]
      case "provider":
        return part.wire === `${name}:${call.provider}` ? [part.value] : []
    }
  })
}

const signatureOf = (own: JsonObject | undefined): Loose =>
  own?.["thoughtSignature"] === undefined ? {} : { thoughtSignature: own["thoughtSignature"] }

const lowerMedia = (source: Parameters<typeof parts.toUrl>[0], mediaType: string): Loose =>
  source.type === "url"
    ? { fileData: { mimeType: mediaType, fileUri: source.url } }
    : { inlineData: { mimeType: mediaType, data: parts.toBase64(source) } }

// ── answer ──────────────────────────────────────────────────────────────────────────────────────────────────────────

const readError = (body: unknown): ErrorFacts | undefined => {
  const first: unknown = Array.isArray(body) ? body[0] : body
  if (!isObject(first)) return undefined
  if (isObject(first["error"])) {
    const error = first["error"]
    const facts = readErrorBody(first)
    return { ...facts, type: asString(error["status"]), retryAfter: retryInfoOf(error) }
  }
  return first["candidates"] === undefined && first["promptFeedback"] === undefined &&
      first["usageMetadata"] === undefined
    ? readErrorBody(first)
    : undefined
}

const step = (state: State, event: WireEvent, completion: Completion): void => {
  if (event.data.trim() === "[DONE]") return
  const chunk = parse(event.data)
  if (!isObject(chunk)) {
    completion.malformed = "an event of the stream is not a JSON object"
    return
  }
  const error = readError(chunk)
  if (error !== undefined) completion.failure = error
  else readChunk(state, chunk, completion)
}

const blocked = /SAFETY|RECITATION|BLOCKLIST|PROHIBITED_CONTENT|SPII/

const readChunk = (state: State, chunk: Loose, completion: Completion): void => {
  completion.id ??= asString(chunk["responseId"])
  completion.model = asString(chunk["modelVersion"]) ?? completion.model
  const reason = asString(asObject(chunk["promptFeedback"])["blockReason"])
  if (reason !== undefined && reason !== "BLOCK_REASON_UNSPECIFIED") completion.filter = reason
  if (isObject(chunk["usageMetadata"])) readUsage(chunk["usageMetadata"], completion)
  const candidate = asObject(asArray(chunk["candidates"])[0])
  for (const part of asArray(asObject(candidate["content"])["parts"])) readPart(state, asJsonObject(part), completion)
  const grounding = asObject(candidate["groundingMetadata"])
  if (asArray(grounding["webSearchQueries"]).length > 0 || asArray(grounding["groundingChunks"]).length > 0) {
    completion.webSearches = 1
  }
  readFinish(candidate, completion)
}

const readPart = (state: State, part: JsonObject, completion: Completion): void => {
  const signature = asString(part["thoughtSignature"])
  const metadata = signature === undefined ? undefined : { [name]: { thoughtSignature: signature } }
  if (isObject(part["functionCall"])) {
    const call = part["functionCall"]
    const id = asString(call["id"])
    state.kind = "other"
    const key = `call-${state.block++}`
    completion.toolCall(key, {
      id,
      name: asString(call["name"]),
      parsed: asJsonObject(call["args"]),
      ...(metadata === undefined && id === undefined
        ? {}
        : { metadata: { [name]: { ...metadata?.[name], ...(id === undefined ? {} : { id }) } } })
    })
    completion.close(key)
    return
  }
  const written = part["text"]
  if (typeof written === "string") {
    const kind = part["thought"] === true ? "reasoning" : "text"
    if (state.kind !== kind) {
      state.kind = kind
      state.block++
    }
    if (kind === "reasoning") completion.reasoning(state.block, written, { [name]: { ...metadata?.[name] } })
    else completion.text(state.block, written, metadata)
    return
  }
  // Code, its result, a picture: only this wire knows what to do with them.
  state.kind = "other"
  if (Object.keys(part).length > 0) completion.provider(name, part)
}

const readUsage = (usage: Loose, completion: Completion): void => {
  const prompt = asNumber(usage["promptTokenCount"])
  const toolUse = asNumber(usage["toolUsePromptTokenCount"])
  const candidates = asNumber(usage["candidatesTokenCount"])
  const thoughts = asNumber(usage["thoughtsTokenCount"])
  completion.serviceTier = asString(usage["serviceTier"]) ?? completion.serviceTier
  if (prompt === undefined && candidates === undefined && thoughts === undefined) return
  completion.rawUsage = {
    input: (prompt ?? 0) + (toolUse ?? 0),
    output: (candidates ?? 0) + (thoughts ?? 0),
    cached: asNumber(usage["cachedContentTokenCount"]),
    reasoning: thoughts,
    inputAudio: audioOf(usage["promptTokensDetails"]),
    outputAudio: audioOf(usage["candidatesTokensDetails"])
  }
}

const audioOf = (details: unknown): number | undefined => {
  const audio = asArray(details).map(asObject).find((detail) => detail["modality"] === "AUDIO")
  return audio === undefined ? undefined : asNumber(audio["tokenCount"])
}

const readFinish = (candidate: Loose, completion: Completion): void => {
  const raw = asString(candidate["finishReason"])
  if (raw === undefined || raw === "FINISH_REASON_UNSPECIFIED") return
  completion.rawFinishReason = raw
  completion.finishReason = finishReasonOf(raw)
  if (completion.finishReason === "content-filter") completion.filter = raw
  const message = asString(candidate["finishMessage"])
  if (raw.startsWith("MALFORMED_") && !completion.hasText && completion.toolCalls.length === 0) {
    completion.malformed = `the model stopped with ${raw}${message === undefined ? "" : `: ${message}`}`
  }
  if (completion.finishReason === "other") {
    completion.warn("other", `the model stopped with ${raw}${message === undefined ? "" : `: ${message}`}`)
  }
}

const finishReasonOf = (raw: string): FinishReason =>
  raw === "STOP" ? "stop" : raw === "MAX_TOKENS" ? "length" : blocked.test(raw) ? "content-filter" : "other"
