/** From what happened to a call to its row. */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Cost from "../../Cost.ts"
import { clip } from "../../internal/bytes/clip.ts"
import { kindOf } from "../../internal/call/logFailure.ts"
import type { Session } from "../../internal/call/session.ts"
import { type Billed, interrupted, triesOf } from "../../internal/call/unanswered.ts"
import { uuidv7 } from "../../internal/call/uuid.ts"
import * as LLMError from "../../LLMError.ts"
import type { Metadata } from "../../Metadata.ts"
import type * as Response from "../../Response.ts"
import * as Usage from "../../Usage.ts"
import type { Origin } from "../Logging.ts"
import type * as RequestLog from "../RequestLog.ts"

/** What is known of a call apart from how it ended. */
export interface Facts {
  readonly provider: string
  readonly model: string
  readonly streamed: boolean
  readonly metadata: Metadata
  readonly origin: Origin
  /** The calls of providers it came to, in order. */
  readonly sessions: ReadonlyArray<Session>
  /** ms since the epoch. */
  readonly timestamp: number
  /** Seconds until it ended. */
  readonly elapsed: number
  /** Seconds until the first part, where there was one. */
  readonly firstPart: number | undefined
}

const maxMessage = 4000

export const ofResponse = (
  facts: Facts,
  response: Response.Response<unknown>,
  status: RequestLog.Entry["status"]
): RequestLog.Entry => {
  const { usage } = response
  const cost = response.cost._tag === "Some" ? response.cost.value.exact : undefined
  const key = lastOf(facts.sessions, ({ requestId }) => requestId === response.requestId)?.key
  // Every call that goes well comes here: one literal, no spreading.
  return {
    requestId: response.requestId,
    kind: "call",
    provider: response.provider,
    model: response.model,
    requestedModel: response.requestedModel,
    timestamp: facts.timestamp,
    responseTime: Duration.toSeconds(response.duration),
    timeToFirstToken: response.timeToFirstToken._tag === "Some"
      ? Duration.toSeconds(response.timeToFirstToken.value)
      : undefined,
    inputTokens: usage.inputTokens,
    outputTokens: usage.outputTokens,
    cachedTokens: usage.cachedInputTokens,
    cacheCreationTokens: usage.cacheCreationTokens,
    reasoningTokens: usage.reasoningTokens,
    usagePartial: false,
    inputCost: cost === undefined ? undefined : Cost.amountToString(cost.input),
    outputCost: cost === undefined ? undefined : Cost.amountToString(cost.output),
    toolUseCost: cost === undefined ? undefined : Cost.amountToString(cost.tools),
    totalCost: cost === undefined ? undefined : Cost.amountToString(cost.total),
    status,
    finishReason: response.finishReason,
    streamed: facts.streamed,
    cached: response.cached === true,
    attempts: attemptsOf(response.attempts),
    apiKeyHash: key?.hash,
    apiKeyAlias: key?.alias,
    metadata: facts.metadata,
    majordomoApiKeyId: facts.origin.majordomoApiKeyId,
    requestPath: facts.origin.requestPath,
    requestMethod: facts.origin.requestMethod
  }
}

/** The row of a call without an answer; a fresh id, since nobody was told one. */
export const ofFailure = (
  facts: Facts,
  cause: Cause.Cause<LLMError.LLMError> | undefined,
  billed: Billed
): RequestLog.Entry => {
  const error = cause === undefined ? undefined : Option.getOrUndefined(Cause.failureOption(cause))
  const last = facts.sessions.at(-1)
  const cancelled = cause === undefined || (error === undefined && Cause.isInterruptedOnly(cause))
  return {
    requestId: uuidv7(facts.timestamp),
    kind: "call",
    provider: error?.provider ?? last?.call.provider ?? facts.provider,
    model: error?.model ?? last?.completion?.model ?? last?.call.model ?? facts.model,
    requestedModel: error?.model ?? last?.call.model ?? facts.model,
    timestamp: facts.timestamp,
    responseTime: facts.elapsed,
    timeToFirstToken: facts.firstPart,
    ...tokens(billed.usage),
    usagePartial: billed.partial,
    ...amounts(billed.cost),
    status: cancelled ? "cancelled" : "error",
    errorType: error === undefined ? cancelled ? undefined : "Defect" : LLMError.tagOf(error),
    errorMessage: error === undefined ? cancelled ? undefined : bug(cause) : clip(error.message, maxMessage),
    streamed: facts.streamed,
    cached: false,
    attempts: attemptsOf(error === undefined ? triesOf(facts.sessions) : error.attempts),
    ...keyOf(lastOf(facts.sessions, ({ call }) => call.provider === error?.provider)),
    metadata: facts.metadata,
    ...facts.origin
  }
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

const amounts = (cost: Cost.Cost | undefined) =>
  cost === undefined ? undefined : {
    inputCost: Cost.amountToString(cost.exact.input),
    outputCost: Cost.amountToString(cost.exact.output),
    toolUseCost: Cost.amountToString(cost.exact.tools),
    totalCost: Cost.amountToString(cost.exact.total)
  }

/** The last one of which it is true, else the last one. */
const lastOf = (sessions: ReadonlyArray<Session>, isIt: (session: Session) => boolean): Session | undefined => {
  for (let i = sessions.length - 1; i >= 0; i--) {
    const session = sessions[i]
    if (session !== undefined && isIt(session)) return session
  }
  return sessions.at(-1)
}

const keyOf = (session: Session | undefined) => ({
  apiKeyHash: session?.key?.hash,
  apiKeyAlias: session?.key?.alias
})

const attemptsOf = (attempts: ReadonlyArray<Response.Attempt>): ReadonlyArray<RequestLog.Attempt> =>
  attempts.map((attempt) => ({ ...attempt, duration: Duration.toSeconds(attempt.duration) }))

const bug = (cause: Cause.Cause<unknown> | undefined): string => {
  const [defect] = cause === undefined ? [] : Cause.defects(cause)
  return `a bug: ${kindOf(defect)}`
}
