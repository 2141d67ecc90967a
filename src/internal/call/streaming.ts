/** Streams: opened with as many tries as allowed, then handed over, watched and recorded, never tried again. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type * as Tracer from "effect/Tracer"
import type { Request } from "../../LLM.ts"
import type * as LLMError from "../../LLMError.ts"
import type * as Response from "../../Response.ts"
import type { Connection, Ending, Engine } from "./engine.ts"
import { answerIn, type OpenedStream, toStream } from "./openedStream.ts"
import { withRunning } from "./runtime.ts"
import type { Session } from "./session.ts"
import type { Telemetry } from "./telemetry.ts"
import { final, limited, record, retried, spanOptions } from "./tries.ts"
import * as tryEnd from "./tryEnd.ts"

/** Opens the stream, tries again until the first content is there, then hands over what follows. */
export const streamed = <S extends Session, A, R>(
  engine: Engine<S>,
  request: Request<A, R>
): Stream.Stream<Response.StreamPart<A>, LLMError.LLMError, R> => toStream((scope) => opened(engine, request, scope))

const opened = <S extends Session, A, R>(
  engine: Engine<S>,
  request: Request<A, R>,
  scope: Scope.CloseableScope
): Effect.Effect<OpenedStream<A, R>, LLMError.LLMError, R> =>
  withRunning(({ traced }) => {
    const { telemetry } = engine
    const spanned = traced()
      ? Scope.extend(
        Effect.makeSpanScoped("LLM.stream", { ...spanOptions(telemetry, request, true), captureStackTrace: false }),
        scope
      )
      : Effect.succeed(undefined)
    return Effect.flatMap(spanned, (span) => {
      const opening = Effect.flatMap(engine.open(request, true), (session) =>
        Effect.flatMap(
          limited(
            session,
            retried(engine, session, request, span, (span) => engine.connect(session, request, span, scope))
          ),
          (connection) => following(telemetry, session, span, connection, scope)
        ))
      return Effect.tapError(opening, (error) => record(telemetry, span, Exit.fail(error)))
    })
  })

/** What comes after the first content: watched, recorded, never tried again. */
const following = <A, R>(
  telemetry: Telemetry,
  session: Session,
  span: Tracer.Span | undefined,
  { first, follow }: Connection<A, R>,
  scope: Scope.Scope
): Effect.Effect<OpenedStream<A, R>> => {
  const ending: Ending = {
    answered: (response) => record(telemetry, span, Exit.succeed(response)),
    failed: (error) =>
      Effect.zipRight(
        tryEnd.failed(session.ledger, error),
        Effect.suspend(() => {
          const failure = final(session, error)
          return Effect.zipRight(record(telemetry, span, Exit.fail(failure)), Effect.fail(failure))
        })
      )
  }
  const opened = { first, pull: follow(ending, scope) }
  const response = answerIn(first)
  return response === undefined ? Effect.succeed(opened) : Effect.as(ending.answered(response), opened)
}
