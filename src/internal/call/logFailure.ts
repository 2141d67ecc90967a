/** What went wrong beside a call and did not break it. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as LLMError from "../../LLMError.ts"

/** Says it in the log, by the name of the error alone: messages may quote the prompt. Interruption goes on. */
export const logFailure = (what: string, cause: Cause.Cause<unknown>): Effect.Effect<void> =>
  Cause.isInterruptedOnly(cause)
    ? Effect.failCause(Cause.stripFailures(cause))
    : Effect.logWarning(what, nameOf(Cause.squash(cause)))

export const nameOf = (error: unknown): string => {
  if (LLMError.isLLMError(error)) return LLMError.tagOf(error)
  if (typeof error !== "object" || error === null) return typeof error
  if ("_tag" in error && typeof error._tag === "string") return error._tag
  return kindOf(error)
}

/** Of a bug only this is told: its message may hold anything, prompts and keys too. */
export const kindOf = (thrown: unknown): string => thrown instanceof Error ? thrown.name : typeof thrown
