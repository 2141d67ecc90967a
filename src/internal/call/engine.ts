/** How one kind of provider is asked, over HTTP or not. `service.ts` makes calls of it: tries, limits, spans. */
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Tracer from "effect/Tracer"
import type { Request, Settings } from "../../LLM.ts"
import type { LLMError } from "../../LLMError.ts"
import type * as Response from "../../Response.ts"
import type { Session } from "./session.ts"
import type { Telemetry } from "./telemetry.ts"

export interface Engine<S extends Session> {
  readonly provider: string
  readonly model: string
  readonly settings: Settings
  readonly telemetry: Telemetry
  /** Checks a request. `previous` is the same call so far, asked again in other words. */
  readonly open: (
    request: Request<unknown, unknown>,
    stream: boolean,
    previous?: Session | undefined
  ) => Effect.Effect<S, LLMError>
  /** One try of an answer. */
  readonly ask: <A, R>(
    session: S,
    request: Request<A, R>,
    span: Tracer.Span | undefined
  ) => Effect.Effect<Response.Response<A>, LLMError, R>
  /** One try of a stream, up to its first content. A failure leaves nothing open. */
  readonly connect: <A, R>(
    session: S,
    request: Request<A, R>,
    span: Tracer.Span | undefined,
    scope: Scope.Scope
  ) => Effect.Effect<Connection<A, R>, LLMError, R>
}

/** A stream whose first content is there. */
export interface Connection<A, R> {
  readonly first: ReadonlyArray<Response.StreamPart<A>>
  /** What comes next; undefined at the end. Its silences are looked after as long as the scope is open. */
  readonly follow: (
    ending: Ending,
    scope: Scope.Scope
  ) => Effect.Effect<ReadonlyArray<Response.StreamPart<A>> | undefined, LLMError, R>
}

/** Told how a stream ends, once, before its reader is. */
export interface Ending {
  /** Gives the failure that the reader sees. */
  readonly failed: (error: LLMError) => Effect.Effect<never, LLMError>
  readonly answered: (response: Response.Response<unknown>) => Effect.Effect<void>
}
