/** The tries of a call: each sent, timed, recorded, and made again while the policy allows it. */
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpTraceContext from "@effect/platform/HttpTraceContext"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type * as Tracer from "effect/Tracer"
import type { Request } from "../../LLM.ts"
import * as LLMError from "../../LLMError.ts"
import type * as Response from "../../Response.ts"
import * as Retry from "../../Retry.ts"
import * as http from "../http/client.ts"
import * as json from "../json/values.ts"
import { charge, final } from "./ledger.ts"
import { CascadeOwnsRetries } from "./retryOwner.ts"
import { failed, type Host, httpFailed, type Session, timedOut } from "./session.ts"
import { Silence } from "./silence.ts"

/** One try. */
export interface Attempt {
  /** Undefined when nobody traces. */
  readonly span: Tracer.Span | undefined
  readonly startedAt: bigint
  readonly silence: Silence
}

// ── one answer ──────────────────────────────────────────────────────────────────────────────────────────────────────

const maxErrorBytes = 1_048_576

/** Sends the request; any status but a success is a failure. */
export const send = <S>(
  host: Host<S>,
  session: Session,
  attempt: Attempt
): Effect.Effect<http.Received, LLMError.LLMError, Scope.Scope> =>
  Effect.matchEffect(
    http.send(
      host.client,
      host.settings.propagateTrace === true && attempt.span !== undefined
        ? HttpClientRequest.setHeaders(session.httpRequest, HttpTraceContext.toHeaders(attempt.span))
        : session.httpRequest,
      attempt.silence
    ),
    {
      onFailure: (failure) => Effect.fail(httpFailed(session, failure)),
      onSuccess: (response) =>
        response.status >= 200 && response.status < 300
          ? Effect.succeed(response)
          // The status decides, also when the body breaks, falls silent or never ends.
          : Effect.flatMap(http.readStart(response, maxErrorBytes, attempt.silence), (text) => {
            const facts = host.driver.wire.readError(json.parse(text), response.headers) ??
              { message: text.trim() === "" ? "no message" : textOfHtml(text) }
            return Effect.fail(failed(session, response, facts, text))
          })
    }
  )

/** A proxy's error page without its tags. */
const textOfHtml = (text: string): string =>
  /<html|<!doctype/i.test(text)
    ? text.replace(/<(script|style)[\s\S]*?<\/\1>/gi, " ").replace(/<[^>]+>/g, " ").replace(/\s+/g, " ").trim()
    : text

export const readText = <S>(host: Host<S>, session: Session, response: http.Received, attempt: Attempt) =>
  Effect.mapError(
    http.readText(response, host.limits.maxResponseBytes, attempt.silence),
    (failure) => httpFailed(session, failure, response)
  )

// ── streams ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Bounds all tries and the waits between them. */
export const limited = <A, R>(
  session: Session,
  tries: Effect.Effect<A, LLMError.LLMError, R>
): Effect.Effect<A, LLMError.LLMError, R> => {
  const { total } = session.timeouts
  return total === undefined
    ? tries
    : Effect.timeoutFail(tries, {
      duration: total,
      onTimeout: () => {
        const error = timedOut(session, "total", total)
        // The try that was running ends here; between two tries there is none.
        if (session.tryingSince !== undefined) failedAttempt(session, error, session.tryingSince)
        return final(session, error)
      }
    })
}

/** Tries, each in its span, until one answers or the policy has enough. */
export const retried = <S, A, R>(
  host: Host<S>,
  session: Session,
  parent: Tracer.Span | undefined,
  attempt: (attempt: Attempt) => Effect.Effect<A, LLMError.LLMError, R>
): Effect.Effect<A, LLMError.LLMError, R> => {
  const tried = (span: Tracer.Span | undefined) =>
    Effect.suspend(() => {
      const startedAt = session.clock.unsafeCurrentTimeNanos()
      const silence = session.silence = new Silence(session.clock, session.timeouts, session.call.stream)
      session.tryingSince = startedAt
      return Effect.tapError(attempt({ span, startedAt, silence }), (error) =>
        Effect.sync(() => {
          if (span !== undefined) host.telemetry.onError(span, error)
          failedAttempt(session, error, startedAt)
        }))
    })
  const once = parent === undefined
    ? tried(undefined)
    : Effect.useSpan(host.telemetry.spanName, { parent, kind: "client", captureStackTrace: false }, tried)
  const again = (
    error: LLMError.LLMError,
    driver: Schedule.ScheduleDriver<unknown, LLMError.LLMError> | undefined
  ): Effect.Effect<A, LLMError.LLMError, R> => {
    const giveUp = Effect.suspend(() => Effect.fail(final(session, error)))
    if (!error.isRetryable) return giveUp
    if (driver === undefined) {
      return Effect.flatMap(CascadeOwnsRetries, (retriedByCascade) =>
        retriedByCascade
          ? giveUp
          : Effect.flatMap(Schedule.driver(host.settings.retry ?? Retry.standard), (driver) => again(error, driver)))
    }
    return Effect.matchEffect(driver.next(error), {
      onFailure: () => giveUp,
      onSuccess: () => Effect.catchAll(once, (next) => again(next, driver))
    })
  }
  return Effect.catchAll(once, (error) => again(error, undefined))
}

export const failedAttempt = (session: Session, error: LLMError.LLMError, startedAt: bigint): void => {
  session.tryingSince = undefined
  session.attempts.push({
    provider: session.call.provider,
    model: session.call.model,
    duration: Duration.nanos(session.clock.unsafeCurrentTimeNanos() - startedAt),
    error: LLMError.tagOf(error),
    status: error.status,
    requestId: error.requestId
  })
  charge(session, error)
  if ("usage" in error && error.usage !== undefined) session.completion = undefined
}

export const record = <S, A>(
  host: Host<S>,
  span: Tracer.Span | undefined,
  exit: Exit.Exit<Response.Response<A>, LLMError.LLMError>
): Effect.Effect<void> =>
  Effect.suspend(() => {
    if (Exit.isSuccess(exit)) {
      if (span !== undefined) host.telemetry.onResponse(span, exit.value)
      return host.telemetry.record({ duration: exit.value.duration, response: exit.value })
    }
    const failure = Exit.causeOption(exit).pipe(Option.flatMap(Cause.failureOption))
    if (Option.isNone(failure)) return Effect.void
    if (span !== undefined) host.telemetry.onError(span, failure.value)
    const total = failure.value.attempts.reduce((sum, attempt) => sum + Duration.toMillis(attempt.duration), 0)
    return host.telemetry.record({ duration: Duration.millis(total), error: LLMError.tagOf(failure.value) })
  })

export const spanOptions = <S>(host: Host<S>, request: Request<unknown, unknown>, stream: boolean) => ({
  attributes: host.telemetry.requestAttributes(request, request.output.format.type, stream)
})
