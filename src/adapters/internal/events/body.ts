/** Server-sent events as a body: of a web `Response`, or of Effect's server. */
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { logFailure } from "../../../internal/call/logFailure.ts"
import * as edge from "../edge/edge.ts"

/** Writes a stream's parts as events. */
export interface Writer<P, E> {
  /** What stands before the first part. */
  readonly start: () => string
  readonly part: (part: P) => string
  /** A failure as the protocol says it; undefined is a bug, of which nothing is told. */
  readonly failure: (error: E | undefined) => string
  readonly end: () => string
}

export const event = (data: unknown, name?: string): string =>
  `${name === undefined ? "" : `event: ${name}\n`}data: ${JSON.stringify(data)}\n\n`

const encoder = new TextEncoder()

/** A failure is the last event: an answer that broke never looks like one that ended. */
export const bytes = <P, E, R>(stream: Stream.Stream<P, E, R>, make: () => Writer<P, E>): Stream.Stream<
  Uint8Array,
  never,
  R
> =>
  Stream.suspend(() => {
    const writer = make()
    const one = (text: () => string) => Stream.sync(() => encoder.encode(text()))
    const parts = Stream.mapChunks(stream, (parts) => {
      let text = ""
      for (const part of parts) text += writer.part(part)
      return text === "" ? Chunk.empty<Uint8Array>() : Chunk.of(encoder.encode(text))
    })
    return one(writer.start).pipe(
      Stream.concat(Stream.concat(parts, one(writer.end))),
      Stream.catchAllCause((cause) => {
        if (Cause.isInterruptedOnly(cause)) return Stream.failCause(Cause.stripFailures(cause))
        const failure = Cause.failureOption(cause)
        return failure._tag === "Some"
          ? one(() => writer.failure(failure.value))
          : Stream.unwrap(Effect.as(
            logFailure("an answer for a client ended by a bug", cause),
            one(() => writer.failure(undefined))
          ))
      })
    )
  })

export interface ResponseOptions {
  readonly status?: number | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** Ends the answer, and the calls behind it, early: the signal of the request. */
  readonly signal?: AbortSignal | undefined
}

const headersOf = (own: Readonly<Record<string, string>>, options: ResponseOptions) => ({
  "content-type": "text/event-stream",
  "cache-control": "no-cache, no-transform",
  "x-accel-buffering": "no",
  ...own,
  ...options.headers
})

export const toResponse = <R>(
  body: Stream.Stream<Uint8Array, never, R>,
  headers: Readonly<Record<string, string>>,
  options: ResponseOptions
): Effect.Effect<Response, never, R> =>
  Effect.map(Effect.runtime<R>(), (runtime) => {
    const pulling = edge.open(edge.within(runtime), body, (error: never) => error, options.signal)
    return new Response(edge.readable(pulling), { status: options.status ?? 200, headers: headersOf(headers, options) })
  })

export const toServerResponse = <R>(
  body: Stream.Stream<Uint8Array, never, R>,
  headers: Readonly<Record<string, string>>,
  options: Omit<ResponseOptions, "signal">
): Effect.Effect<HttpServerResponse.HttpServerResponse, never, R> =>
  Effect.map(Effect.context<R>(), (context) =>
    HttpServerResponse.stream(Stream.provideContext(body, context), {
      status: options.status ?? 200,
      contentType: "text/event-stream",
      headers: headersOf(headers, options)
    }))
