/** From what happened to a call to its row. */
import * as Duration from "effect/Duration"
import * as Cost from "../../Cost.ts"
import { clip } from "../../internal/bytes/clip.ts"
import { interrupted } from "../../internal/call/tryEnd.ts"
import { uuidv7 } from "../../internal/call/uuid.ts"
import type { CallEnd } from "../../LLM.ts"
import * as LLMError from "../../LLMError.ts"
import type * as Response from "../../Response.ts"
import * as Usage from "../../Usage.ts"
import type { Origin } from "../Logging.ts"
import type * as RequestLog from "../RequestLog.ts"

const maxMessage = 4000

/** Every call that ends comes here: one literal, no spreading. */
export const ofEnd = (end: CallEnd, origin: Origin): RequestLog.Entry => {
  const { key, usage } = end
  const cost = end.cost._tag === "Some" ? end.cost.value.exact : undefined
  const response = end.response._tag === "Some" ? end.response.value : undefined
  const error = end.error._tag === "Some" ? end.error.value : undefined
  return {
    requestId: end.requestId,
    kind: "call",
    provider: end.provider,
    model: end.model,
    requestedModel: end.requestedModel,
    timestamp: end.startedAt,
    responseTime: Duration.toSeconds(end.duration),
    timeToFirstToken: end.timeToFirstToken._tag === "Some" ? Duration.toSeconds(end.timeToFirstToken.value) : undefined,
    inputTokens: usage.inputTokens,
    outputTokens: usage.outputTokens,
    cachedTokens: usage.cachedInputTokens,
    cacheCreationTokens: usage.cacheCreationTokens,
    reasoningTokens: usage.reasoningTokens,
    usagePartial: end.usagePartial,
    inputCost: cost === undefined ? undefined : Cost.amountToString(cost.input),
    outputCost: cost === undefined ? undefined : Cost.amountToString(cost.output),
    toolUseCost: cost === undefined ? undefined : Cost.amountToString(cost.tools),
    totalCost: cost === undefined ? undefined : Cost.amountToString(cost.total),
    status: end.outcome,
    errorType: error !== undefined ? LLMError.tagOf(error) : end.defect._tag === "Some" ? "Defect" : undefined,
    errorMessage: error !== undefined
      ? clip(error.message, maxMessage)
      : end.defect._tag === "Some"
      ? `a bug: ${end.defect.value}`
      : undefined,
    finishReason: response?.finishReason,
    streamed: end.streamed,
    cached: response?.cached === true,
    attempts: attemptsOf(end.attempts),
    apiKeyHash: key?.hash,
    apiKeyAlias: key?.alias,
    metadata: end.labels,
    majordomoApiKeyId: origin.majordomoApiKeyId,
    requestPath: origin.requestPath,
    requestMethod: origin.requestMethod,
    estimatedInputTokens: end.usagePartial && usage.inputTokens === 0 ? estimate(end.request) : undefined
  }
}

/** How many characters of a prompt are a token, about: English prose has four. */
const charactersPerToken = 4

/** By the texts alone: what a picture takes, its bytes do not say. */
const estimate = ({ prompt, system }: CallEnd["request"]): number => {
  let characters = system?.length ?? 0
  const add = (value: unknown) => {
    if (typeof value === "string") characters += value.length
  }
  if (typeof prompt === "string") add(prompt)
  else {
    for (const { content } of prompt) {
      if (typeof content === "string") add(content)
      else {
        for (const part of content) {
          if (part.type === "text" || part.type === "reasoning") add(part.text)
          else if (part.type === "tool-call") add(part.rawArguments)
          else if (part.type === "tool-result") add(part.result)
        }
      }
    }
  }
  return Math.ceil(characters / charactersPerToken)
}

/** One row for each try of a call. */
export const ofAttempts = (call: RequestLog.Entry): ReadonlyArray<RequestLog.Entry> => {
  let timestamp = call.timestamp
  return call.attempts.map((attempt): RequestLog.Entry => {
    const startedAt = timestamp
    timestamp += attempt.duration * 1000
    return {
      requestId: uuidv7(call.timestamp),
      kind: "attempt",
      parentId: call.requestId,
      provider: attempt.provider,
      model: attempt.model,
      requestedModel: attempt.model,
      timestamp: Math.round(startedAt),
      responseTime: attempt.duration,
      // Billed is the call: its row has the sum.
      ...tokens(Usage.empty),
      usagePartial: false,
      status: attempt.error === undefined ? "success" : attempt.error === interrupted ? "cancelled" : "error",
      errorType: attempt.error,
      streamed: call.streamed,
      cached: false,
      attempts: [],
      apiKeyHash: attempt.provider === call.provider ? call.apiKeyHash : undefined,
      apiKeyAlias: attempt.provider === call.provider ? call.apiKeyAlias : undefined,
      metadata: call.metadata,
      statusCode: attempt.status
    }
  })
}

const tokens = (usage: Usage.Usage) => ({
  inputTokens: usage.inputTokens,
  outputTokens: usage.outputTokens,
  cachedTokens: usage.cachedInputTokens,
  cacheCreationTokens: usage.cacheCreationTokens,
  reasoningTokens: usage.reasoningTokens
})

const attemptsOf = (attempts: ReadonlyArray<Response.Attempt>): ReadonlyArray<RequestLog.Attempt> =>
  attempts.map((attempt) => ({ ...attempt, duration: Duration.toSeconds(attempt.duration) }))
