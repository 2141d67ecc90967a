/** What calls that ended without an answer came to. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Cost from "../../Cost.ts"
import type * as LLMError from "../../LLMError.ts"
import type { Attempt } from "../../Response.ts"
import * as Usage from "../../Usage.ts"
import type { Session } from "./session.ts"
import { costOf } from "./settle.ts"

/** What a call that ended without an answer was billed, as far as it is known. */
export interface Billed {
  readonly usage: Usage.Usage
  readonly cost: Cost.Cost | undefined
  readonly partial: boolean
}

/** What was billed by the time a call ended, and whether more may have been. */
export const billedOf = (
  sessions: ReadonlyArray<Session>,
  error?: LLMError.LLMError | undefined
): Effect.Effect<Billed> => {
  const told = error !== undefined && "usage" in error ? error.usage : undefined
  const usage = told ?? Usage.sum(sessions.map((session) => session.usage))
  const cost = told !== undefined && error !== undefined && "cost" in error
    ? error.cost
    : Cost.sum(sessions.map((session) => session.cost))
  // Nothing known is not nothing billed.
  const known = { usage, cost: cost === Cost.zeroUSD ? undefined : cost, partial: false }
  const last = sessions.at(-1)
  const open = last?.completion?.usage
  if (last?.completion === undefined || open === undefined) return Effect.succeed(known)
  return Effect.map(
    costOf(last, last.completion, open, undefined, last.completion.model ?? last.call.model),
    (price): Billed => ({
      usage: Usage.add(usage, open),
      cost: Option.getOrUndefined(Option.map(price, (own) => Cost.add(cost ?? Cost.zeroUSD, own))),
      partial: true
    })
  )
}

/** The error of a try that was given up. */
export const interrupted = "Interrupted"

/** The tries so far, and the one that was running. */
export const triesOf = (sessions: ReadonlyArray<Session>): ReadonlyArray<Attempt> =>
  sessions.flatMap((session) => {
    const { attempts, call, clock, tryingSince } = session
    return tryingSince === undefined ? attempts : [...attempts, {
      provider: call.provider,
      model: call.model,
      duration: Duration.nanos(clock.unsafeCurrentTimeNanos() - tryingSince),
      error: interrupted
    }]
  })
