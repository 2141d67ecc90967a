/** The end of a try that gave no answer: it is listed, and what it was known to bill is booked. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as LLMError from "../../LLMError.ts"
import type { Attempt } from "../../Response.ts"
import type { Completion, Gateway } from "./completion.ts"
import type { Ledger } from "./ledger.ts"
import { priceOf } from "./price.ts"
import type { Session } from "./session.ts"

/** The error of a try that was given up. */
export const interrupted = "Interrupted"

/** A try under way. */
export interface Running {
  readonly session: Session
  readonly startedAt: bigint
  /** The request may have reached the provider. */
  sent: boolean
  /** The provider has accepted it: from here on it may be billed. */
  accepted: boolean
  /** What has come of its answer. */
  completion: Completion | undefined
  /** What a gateway says of the tries behind a failure of its own. */
  gateway: Gateway | undefined
}

export const begin = (session: Session): Running => {
  const running: Running = {
    session,
    startedAt: session.clock.unsafeCurrentTimeNanos(),
    sent: true,
    accepted: false,
    completion: undefined,
    gateway: undefined
  }
  session.ledger.running = running
  return running
}

/** The try that was running failed. */
export const failed = (ledger: Ledger, error: LLMError.LLMError): Effect.Effect<void> => {
  const { running } = ledger
  if (running === undefined) return Effect.void
  ledger.running = undefined
  const told = running.gateway ?? running.completion?.gateway
  // Those of a gateway are what this one was made of.
  if (told !== undefined && told.attempts.length > 0) ledger.attempts.push(...told.attempts)
  else ledger.attempts.push(attemptOf(running, LLMError.tagOf(error), error))
  // What was read to its end says itself what it cost.
  if (error.usage !== undefined) {
    return Effect.sync(() => ledger.add(error))
  }
  if (told !== undefined) {
    const { cost, usage, usagePartial } = told
    return Effect.sync(() => ledger.add({ usage, cost: Option.getOrUndefined(cost), usagePartial }))
  }
  return mayBeBilled(running, error) ? charge(running, ledger) : Effect.void
}

/** Books a try that is still running as if it ended now; the try itself goes on. */
export const chargeRunning = ({ running }: Ledger, into: Ledger): Effect.Effect<void> => {
  if (running === undefined) return Effect.void
  into.attempts.push(attemptOf(running, interrupted))
  return running.sent ? charge(running, into) : Effect.void
}

const attemptOf = (
  { session: { clock, model, provider }, startedAt }: Running,
  error: string,
  facts?: { readonly status?: number | undefined; readonly requestId?: string | undefined }
): Attempt => ({
  provider,
  model,
  duration: Duration.nanos(clock.unsafeCurrentTimeNanos() - startedAt),
  error,
  status: facts?.status,
  requestId: facts?.requestId
})

const mayBeBilled = ({ accepted, sent }: Running, error: LLMError.LLMError): boolean => {
  if (accepted) return true
  // An answer with an error status is not billed; of a connection that broke, nobody knows.
  return sent && error.status === undefined && error._tag === "ProviderError" &&
    (error.reason._tag === "Timeout" || error.reason._tag === "Transport")
}

const charge = ({ completion, session }: Running, ledger: Ledger): Effect.Effect<void> => {
  const usage = completion?.usage
  if (completion === undefined || usage === undefined) return Effect.sync(() => ledger.add({ usagePartial: true }))
  return Effect.map(
    priceOf(session, completion),
    (cost) => ledger.add({ usage, cost: Option.getOrUndefined(cost), usagePartial: true })
  )
}
