/** The tries of a call: each timed, recorded, and made again while the policy allows it. */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type * as Tracer from "effect/Tracer"
import type { Request } from "../../LLM.ts"
import * as LLMError from "../../LLMError.ts"
import type * as Response from "../../Response.ts"
import * as Retry from "../../Retry.ts"
import { movesOn, withCallId } from "./account.ts"
import type { Engine } from "./engine.ts"
import { type Session, timedOut } from "./session.ts"
import type { Telemetry } from "./telemetry.ts"
import * as tryEnd from "./tryEnd.ts"

/** Bounds all tries and the waits between them. */
export const limited = <A, R>(
  session: Session,
  tries: Effect.Effect<A, LLMError.LLMError, R>
): Effect.Effect<A, LLMError.LLMError, R> => {
  const { total } = session.timeouts
  return total === undefined ? tries : Effect.flatten(Effect.timeoutTo(tries, {
    duration: total,
    onSuccess: Effect.succeed,
    onTimeout: () => {
      const error = timedOut(session, "total", total)
      // The try that was running ends here; between two tries there is none.
      return Effect.zipRight(
        tryEnd.failed(session.ledger, error),
        Effect.suspend(() => Effect.fail(final(session, error)))
      )
    }
  }))
}

/** Tries, each in its span, until one answers or the policy has enough. */
export const retried = <A, R>(
  { settings, telemetry }: Pick<Engine<never>, "settings" | "telemetry">,
  session: Session,
  request: Request<unknown, unknown>,
  parent: Tracer.Span | undefined,
  attempt: (span: Tracer.Span | undefined) => Effect.Effect<A, LLMError.LLMError, R>
): Effect.Effect<A, LLMError.LLMError, R> => {
  const tried = (span: Tracer.Span | undefined) =>
    Effect.suspend(() => {
      tryEnd.begin(session)
      return Effect.tapError(attempt(span), (error) => {
        if (span !== undefined) telemetry.onError(span, error)
        return tryEnd.failed(session.ledger, error)
      })
    })
  const once = parent === undefined
    ? tried(undefined)
    : Effect.useSpan(telemetry.spanName, { parent, kind: "client", captureStackTrace: false }, tried)
  const again = (
    error: LLMError.LLMError,
    driver: Schedule.ScheduleDriver<unknown, LLMError.LLMError> | undefined
  ): Effect.Effect<A, LLMError.LLMError, R> => {
    const giveUp = Effect.suspend(() => Effect.fail(final(session, error)))
    if (!error.isRetryable) return giveUp
    if (driver === undefined) {
      return movesOn(request, error)
        ? giveUp
        : Effect.flatMap(Schedule.driver(settings.retry ?? Retry.standard), (driver) => again(error, driver))
    }
    return Effect.matchEffect(driver.next(error), {
      onFailure: () => giveUp,
      onSuccess: () => Effect.catchAll(once, (next) => again(next, driver))
    })
  }
  return Effect.catchAll(once, (error) => again(error, undefined))
}

/** The last failure, with every try, what all of them were billed, and the id of the call. */
export const final = <E extends LLMError.LLMError>(session: Session, error: E): E =>
  withCallId(session.ledger.final(error), session.requestId)

export const record = <A>(
  telemetry: Telemetry,
  span: Tracer.Span | undefined,
  exit: Exit.Exit<Response.Response<A>, LLMError.LLMError>
): Effect.Effect<void> =>
  Effect.suspend(() => {
    if (Exit.isSuccess(exit)) {
      if (span !== undefined) telemetry.onResponse(span, exit.value)
      return telemetry.record({ duration: exit.value.duration, response: exit.value })
    }
    const failure = Exit.causeOption(exit).pipe(Option.flatMap(Cause.failureOption))
    if (Option.isNone(failure)) return Effect.void
    if (span !== undefined) telemetry.onError(span, failure.value)
    const total = failure.value.attempts.reduce((sum, attempt) => sum + Duration.toMillis(attempt.duration), 0)
    return telemetry.record({ duration: Duration.millis(total), error: LLMError.tagOf(failure.value) })
  })

export const spanOptions = (telemetry: Telemetry, request: Request<unknown, unknown>, stream: boolean) => ({
  attributes: telemetry.requestAttributes(request, request.output.format.type, stream)
})
