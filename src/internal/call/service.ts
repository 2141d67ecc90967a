/**
 * What every provider has in common: retries, time limits, spans and metrics around the tries of a call. An engine knows
 * how to ask once; this makes a service of it.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Tracer from "effect/Tracer"
import type { Request, Service } from "../../LLM.ts"
import type * as LLMError from "../../LLMError.ts"
import type * as Response from "../../Response.ts"
import { addProvider } from "../models/providerNames.ts"
import type { Engine } from "./engine.ts"
import { repairPrompt } from "./repair.ts"
import type { Session } from "./session.ts"
import { streamed } from "./streaming.ts"
import * as telemetry from "./telemetry.ts"
import { limited, record, retried, spanOptions } from "./tries.ts"

export const make = <S extends Session>(engine: Engine<S>): Service => {
  addProvider(engine.provider)
  return {
    provider: engine.provider,
    model: engine.model,
    generate: (request) =>
      telemetry.withSpan("LLM.generate", () => spanOptions(engine.telemetry, request, false), (span) => {
        const recorded = (exit: Exit.Exit<Response.Response<unknown>, LLMError.LLMError>) =>
          record(engine.telemetry, span, exit)
        return Effect.matchEffect(
          Effect.flatMap(
            engine.open(request, false),
            (session) => limited(session, answered(engine, session, request, span))
          ),
          {
            onFailure: (error) => Effect.zipRight(recorded(Exit.fail(error)), Effect.fail(error)),
            onSuccess: (response) => Effect.as(recorded(Exit.succeed(response)), response)
          }
        )
      }),
    stream: (request) => streamed(engine, request)
  }
}

/** The tries of an answer; one that does not match is asked again with what is wrong, as often as the caller says. */
const answered = <S extends Session, A, R>(
  engine: Engine<S>,
  session: S,
  request: Request<A, R>,
  span: Tracer.Span | undefined
): Effect.Effect<Response.Response<A>, LLMError.LLMError, R> => {
  const tries = retried(engine, session, request, span, (span) => engine.ask(session, request, span))
  const { repair = 0 } = request
  if (repair === 0) return tries
  return Effect.catchTag(tries, "ResponseParsingError", (error) => {
    if (error.reason !== "Mismatch" && error.reason !== "NotJson") return Effect.fail(error)
    const mended = { ...request, repair: repair - 1, prompt: repairPrompt(request.prompt, error) }
    return Effect.flatMap(
      engine.open(mended, false, session),
      (next) => answered(engine, next, mended, span)
    )
  })
}
