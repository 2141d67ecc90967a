/** What other libraries have no word for, as JSON: cost, ids, tries. */
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import type { Cost } from "../../../Cost.ts"
import * as LLMError from "../../../LLMError.ts"
import type { JsonObject } from "../../../Prompt.ts"
import type * as Response from "../../../Response.ts"

const costOf = (cost: Cost): JsonObject => ({
  input: cost.input,
  output: cost.output,
  tools: cost.tools,
  total: cost.total
})

const attemptOf = ({ duration, error, model, provider, requestId, status }: Response.Attempt): JsonObject => ({
  provider,
  model,
  ...(error === undefined ? {} : { error }),
  ...(status === undefined ? {} : { status }),
  ...(requestId === undefined ? {} : { requestId }),
  durationMs: Duration.toMillis(duration)
})

/** Of an answer. */
export const ofAnswer = (answer: Response.Response<unknown>): JsonObject => ({
  requestId: answer.requestId,
  provider: answer.provider,
  model: answer.model,
  attempts: answer.attempts.map(attemptOf),
  warnings: answer.warnings.map(({ code, message }) => ({ code, message })),
  durationMs: Duration.toMillis(answer.duration),
  ...Option.match(answer.cost, { onNone: () => ({}), onSome: (cost) => ({ cost: costOf(cost) }) }),
  ...Option.match(answer.timeToFirstToken, {
    onNone: () => ({}),
    onSome: (time) => ({ timeToFirstTokenMs: Duration.toMillis(time) })
  }),
  ...Option.match(answer.routed, { onNone: () => ({}), onSome: (routed) => ({ routed }) }),
  ...(answer.cached === undefined ? {} : { cached: answer.cached })
})

/** Of a failure. */
export const ofError = (error: LLMError.LLMError): JsonObject => ({
  error: LLMError.tagOf(error),
  provider: error.provider,
  model: error.model,
  attempts: error.attempts.map(attemptOf),
  ...("cost" in error && error.cost !== undefined ? { cost: costOf(error.cost) } : {})
})
