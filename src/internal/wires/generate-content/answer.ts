/**
 * Google's generateContent wire, as Gemini and Vertex speak it. Source: ai.google.dev/api/generate-content, recorded
 * traffic, 2026-11.
 */
import type { Citation, JsonObject } from "../../../Prompt.ts"
import type { FinishReason } from "../../../Response.ts"
import type { Completion, ErrorFacts } from "../../call/completion.ts"
import type { Wire } from "../../call/driver.ts"
import { readErrorBody, retryInfoOf } from "../../http/errors.ts"
import type { WireEvent } from "../../http/framing.ts"
import { asArray, asCount, asJsonObject, asObject, asString, asText, isObject, type Loose } from "../../json/values.ts"
import { citationOf } from "../citation.ts"
import { objectOf } from "../events.ts"
import { lower, name } from "./request.ts"

export interface State {
  /** Text and reasoning alternate; each run of one kind is a block. */
  block: number
  kind: "text" | "reasoning" | "other"
  /** The last block of text. */
  answer: number | undefined
  /** What was said of its sources; later words replace earlier ones. */
  grounding: Loose
  sources: Loose
}

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

const initial = (): State => ({ block: 0, kind: "other", answer: undefined, grounding: {}, sources: {} })

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
  const chunk = objectOf(event, completion)
  if (chunk === undefined) return
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
  readCitations(state, candidate, completion)
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
      input: call["args"],
      ...(metadata === undefined && id === undefined
        ? {}
        : { metadata: { [name]: { ...metadata?.[name], ...(id === undefined ? {} : { id }) } } })
    })
    completion.close(key)
    return
  }
  if (part["text"] !== undefined && part["text"] !== null) {
    const written = asText(part["text"])
    const kind = part["thought"] === true ? "reasoning" : "text"
    if (state.kind !== kind) {
      state.kind = kind
      state.block++
    }
    if (kind === "reasoning") completion.reasoning(state.block, written, { [name]: { ...metadata?.[name] } })
    else {
      state.answer = state.block
      completion.text(state.block, written, metadata)
    }
    return
  }
  // Code, its result, a picture: only this wire knows what to do with them.
  state.kind = "other"
  if (Object.keys(part).length > 0) completion.provider(name, part)
}

/** They come with the last of the text. */
const readCitations = (state: State, candidate: Loose, completion: Completion): void => {
  const { citationMetadata, groundingMetadata } = candidate
  if (!isObject(citationMetadata) && !isObject(groundingMetadata)) return
  state.grounding = { ...state.grounding, ...asObject(groundingMetadata) }
  state.sources = { ...state.sources, ...asObject(citationMetadata) }
  if (state.answer !== undefined) completion.cite(state.answer, (text) => citationsOf(state, text))
}

/** Places are counted in bytes; one that is not where its words are is left out. */
const citationsOf = ({ grounding, sources }: State, answer: string): ReadonlyArray<Citation> => {
  const bytes = new TextEncoder().encode(answer)
  const words = new TextDecoder()
  const at = characterAt(bytes)
  const chunks = asArray(grounding["groundingChunks"]).map((chunk) => {
    const { retrievedContext, web } = asObject(chunk)
    return { ...asObject(retrievedContext), ...asObject(web) } as Loose
  })
  const citations: Array<Citation> = []
  for (const support of asArray(grounding["groundingSupports"])) {
    const { groundingChunkIndices, segment } = asObject(support)
    const { endIndex: end, startIndex, text } = asObject(segment)
    const start = startIndex ?? 0
    const isThere = typeof start === "number" && typeof end === "number" &&
      words.decode(bytes.subarray(start, end)) === text
    for (const index of asArray(groundingChunkIndices)) {
      const { text, title, uri: url } = asObject(chunks[asCount(index) ?? -1])
      citations.push(citationOf({ url, title, text, ...(isThere ? { start: at(start), end: at(end) } : {}) }))
    }
  }
  if (citations.length === 0) {
    citations.push(...chunks.map(({ text, title, uri }) => citationOf({ url: uri, title, text })))
  }
  const { citationSources, citations: listed } = sources
  for (const item of asArray(listed ?? citationSources)) {
    const { endIndex, startIndex, title, uri } = asObject(item)
    const [start, end] = [asCount(startIndex ?? 0), asCount(endIndex)]
    citations.push(citationOf({ url: uri, title, start: start && at(start), end: end && at(end) }))
  }
  return citations
}

/** From a place in UTF-8 to one in the text. */
const characterAt = (bytes: Uint8Array) => {
  const places = new Uint32Array(bytes.length + 1)
  let characters = 0
  for (const [i, byte] of bytes.entries()) {
    places[i] = characters
    // A character begins; those of four bytes are two units of the text.
    if ((byte & 0xc0) !== 0x80) characters += byte >= 0xf0 ? 2 : 1
  }
  places[bytes.length] = characters
  return (place: number): number | undefined => places[place]
}

const readUsage = (usage: Loose, completion: Completion): void => {
  const prompt = asCount(usage["promptTokenCount"])
  const toolUse = asCount(usage["toolUsePromptTokenCount"])
  const candidates = asCount(usage["candidatesTokenCount"])
  const thoughts = asCount(usage["thoughtsTokenCount"])
  completion.serviceTier = asString(usage["serviceTier"]) ?? completion.serviceTier
  if (prompt === undefined && candidates === undefined && thoughts === undefined) return
  completion.rawUsage = {
    input: (prompt ?? 0) + (toolUse ?? 0),
    output: (candidates ?? 0) + (thoughts ?? 0),
    cached: asCount(usage["cachedContentTokenCount"]),
    reasoning: thoughts,
    inputAudio: audioOf(usage["promptTokensDetails"]),
    outputAudio: audioOf(usage["candidatesTokensDetails"])
  }
}

const audioOf = (details: unknown): number | undefined => {
  const audio = asArray(details).map(asObject).find((detail) => detail["modality"] === "AUDIO")
  return audio === undefined ? undefined : asCount(audio["tokenCount"])
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
