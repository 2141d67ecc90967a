/** Streams: opened with as many tries as allowed, then handed over, watched and recorded, never tried again. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type * as Tracer from "effect/Tracer"
import type { Request } from "../../LLM.ts"
import type * as LLMError from "../../LLMError.ts"
import type * as Response from "../../Response.ts"
import { final } from "./ledger.ts"
import { type OpenedStream, toStream } from "./openedStream.ts"
import { Reader } from "./reader.ts"
import { withRunning } from "./runtime.ts"
import { type Host, open, type Session, timedOut } from "./session.ts"
import { disconnect } from "./silence.ts"
import { type Attempt, failedAttempt, limited, record, retried, send, spanOptions } from "./tries.ts"

/** Opens the stream, tries again until the first content is there, then hands over what follows. */
export const streamed = <S, A, R>(
  host: Host<S>,
  request: Request<A, R>
): Stream.Stream<Response.StreamPart<A>, LLMError.LLMError, R> => toStream((scope) => opened(host, request, scope))

const opened = <S, A, R>(
  host: Host<S>,
  request: Request<A, R>,
  scope: Scope.CloseableScope
): Effect.Effect<OpenedStream<A, R>, LLMError.LLMError, R> =>
  withRunning(({ traced }) => {
    const spanned = traced()
      ? Scope.extend(
        Effect.makeSpanScoped("LLM.stream", { ...spanOptions(host, request, true), captureStackTrace: false }),
        scope
      )
      : Effect.succeed(undefined)
    return Effect.flatMap(spanned, (span) => {
      const fail = (error: LLMError.LLMError) => record(host, span, Exit.fail(error))
      const opening = Effect.flatMap(open(host, request, true), (session) =>
        Effect.flatMap(
          limited(
            session,
            retried(host, session, span, (attempt) => firstParts(host, session, request, attempt, scope))
          ),
          (connection) => following(host, session, span, connection, scope)
        ))
      return Effect.tapError(opening, fail)
    })
  })

/** A stream whose first content is there. */
interface Connection<S, A, R> {
  readonly reader: Reader<S, A, R>
  /** Ends the connection. */
  readonly request: Scope.CloseableScope
  /** Ends the reading of the body. */
  readonly body: Scope.CloseableScope
  readonly first: ReadonlyArray<Response.StreamPart<A>>
  readonly startedAt: bigint
}

/** One try of a stream: up to its first content. A failure closes its connection. */
const firstParts = <S, A, R>(
  host: Host<S>,
  session: Session,
  request: Request<A, R>,
  attempt: Attempt,
  parent: Scope.Scope
): Effect.Effect<Connection<S, A, R>, LLMError.LLMError, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(Effect.zip(Scope.make(), Scope.make()), ([sending, reading]) => {
      const { silence } = attempt
      const sent = Effect.zipRight(
        silence.watch({ request: sending, body: reading }),
        Scope.extend(send(host, session, attempt), sending)
      )
      const opening = Effect.flatMap(sent, (response) =>
        Effect.flatMap(
          Reader.open(host, session, request, response, reading, attempt),
          (reader) =>
            Effect.map(reader.pull, (parts): Connection<S, A, R> => ({
              reader,
              request: sending,
              body: reading,
              first: parts ?? [],
              startedAt: attempt.startedAt
            }))
        ))
      const { firstToken } = session.timeouts
      const timed = firstToken === undefined ? opening : Effect.timeoutFail(opening, {
        duration: firstToken,
        onTimeout: () => timedOut(session, "firstToken", firstToken)
      })
      const close = (exit: Exit.Exit<unknown, unknown>) =>
        Effect.zipRight(Scope.close(reading, exit), Scope.close(sending, exit))
      return Effect.onExit(
        restore(timed),
        (exit) => {
          // From here on the limits of tokens hold.
          silence.stop()
          return Exit.isSuccess(exit) ? Scope.addFinalizerExit(parent, close) : close(exit)
        }
      )
    })
  )

/** What comes after the first content: watched, recorded, never tried again. */
const following = <S, A, R>(
  host: Host<S>,
  session: Session,
  span: Tracer.Span | undefined,
  connection: Connection<S, A, R>,
  scope: Scope.Scope
): Effect.Effect<OpenedStream<A, R>> => {
  const { first, reader, startedAt } = connection
  const finished = (parts: ReadonlyArray<Response.StreamPart<A>> | undefined) => {
    const last = parts?.[parts.length - 1]
    return last?._tag === "Finish" ? last.response : undefined
  }
  const pull = Effect.matchEffect(reader.pull, {
    onFailure: (error) => {
      failedAttempt(session, error, startedAt)
      const failure = final(session, error)
      return Effect.zipRight(record(host, span, Exit.fail(failure)), Effect.fail(failure))
    },
    onSuccess: (parts) => {
      const response = finished(parts)
      return response === undefined
        ? Effect.succeed(parts)
        : Effect.as(record(host, span, Exit.succeed(response)), parts)
    }
  })
  const response = finished(first)
  if (response !== undefined) return Effect.as(record(host, span, Exit.succeed(response)), { first, pull })
  let watched = false
  return Effect.succeed({
    first,
    // The first token does not wait for its watchdog.
    pull: Effect.suspend(() => {
      if (watched) return pull
      watched = true
      return Effect.zipRight(watch(session, connection, scope), pull)
    })
  })
}

/** Closes the connection of a stream that falls silent or takes too long; its reader then says which. */
const watch = <S, A, R>(
  session: Session,
  connection: Connection<S, A, R>,
  scope: Scope.Scope
): Effect.Effect<void> => {
  const { reader } = connection
  const { clock, timeouts } = session
  const between = timeouts.betweenTokens === undefined ? Infinity : Duration.toMillis(timeouts.betweenTokens)
  const total = timeouts.total === undefined ? Infinity : Duration.toMillis(timeouts.total)
  if (between === Infinity && total === Infinity) return Effect.void
  const spent = Number((clock.unsafeCurrentTimeNanos() - session.startedAt) / 1_000_000n)
  const end = clock.unsafeCurrentTimeMillis() + total - spent
  const check: Effect.Effect<void> = Effect.suspend(() => {
    const now = clock.unsafeCurrentTimeMillis()
    const silentUntil = (reader.waitingSince ?? now) + between
    const until = Math.min(silentUntil, end)
    if (now < until) return Effect.zipRight(Effect.sleep(until - now), check)
    reader.expired = end <= silentUntil ? "total" : "betweenTokens"
    return disconnect(connection)
  })
  return Effect.asVoid(Effect.forkIn(check, scope))
}

// ── tries ───────────────────────────────────────────────────────────────────────────────────────────────────────────
