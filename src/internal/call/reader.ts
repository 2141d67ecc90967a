/** A streamed body, from bytes to parts: pulls, frames, lets the wire read, and knows when the answer is complete. */
import * as Effect from "effect/Effect"
import type { Request } from "../../LLM.ts"
import type * as LLMError from "../../LLMError.ts"
import type * as Response from "../../Response.ts"
import type { Body, End } from "../http/body.ts"
import * as http from "../http/client.ts"
import { HttpFailure } from "../http/failure.ts"
import { type Framing, FramingError, type WireEvent } from "../http/framing.ts"
import * as sse from "../http/sse.ts"
import * as json from "../json/values.ts"
import type { Completion } from "./completion.ts"
import type { Ending } from "./engine.ts"
import { GrowingValue } from "./growingValue.ts"
import { liveClock } from "./runtime.ts"
import { failed, httpFailed, type HttpSession, malformed, newCompletion, timedOut, type Upstream } from "./session.ts"
import { settle } from "./settle.ts"

type Pull<A, R> = Effect.Effect<ReadonlyArray<Response.StreamPart<A>> | undefined, LLMError.LLMError, R>

/** How long a finished stream may take to end its body, so that the connection can be used again. */
const drainLimit = "100 millis"

export class Reader<S, A, R> {
  /** Since when the program has been waiting for the next part, ms; undefined while it is not. */
  waitingSince: number | undefined = undefined
  /** Set by the watchdog before it closes the connection. */
  expired: "total" | "betweenTokens" | undefined = undefined

  private readonly upstream: Upstream<S>
  private readonly session: HttpSession
  private readonly request: Request<A, R>
  private readonly response: http.Received
  private readonly body: Body
  private readonly completion: Completion
  private readonly state: S
  private readonly framing: Framing
  private readonly value: GrowingValue | undefined
  private bytes = 0
  private format: "unknown" | "events" | "json" = "unknown"
  private text = ""
  private readonly decoder = new TextDecoder()
  private phase: "reading" | "complete" | "finished" | "ended" = "reading"
  private ending: Ending | undefined = undefined
  /** Begins to look after the silences of the stream. */
  private watch: Effect.Effect<void> | undefined = undefined
  /** Comes after the parts that arrived before it. */
  private failure: LLMError.LLMError | undefined = undefined

  constructor(
    upstream: Upstream<S>,
    session: HttpSession,
    request: Request<A, R>,
    response: http.Received,
    body: Body
  ) {
    const { wire } = upstream.driver
    this.upstream = upstream
    this.session = session
    this.request = request
    this.response = response
    this.body = body
    this.completion = newCompletion(session, true)
    this.state = wire.initial()
    this.framing = (wire.framing ?? sse.make)(upstream.limits)
    this.value = request.output.format.type === "text" ? undefined : new GrowingValue(session.codec)
  }

  /** Nothing of the answer is still to come, and nothing has to be released. */
  get isSpent(): boolean {
    return this.body.isSpent
  }

  /** The text that has arrived. */
  get partialText(): string {
    return this.completion.visibleText
  }

  /** The next parts, at least one; undefined at the end. The first parts have content, or are the end. */
  readonly pull: Pull<A, R> = Effect.suspend(() => {
    this.waitingSince = this.session.clock.unsafeCurrentTimeMillis()
    const { watch } = this
    if (watch === undefined) return this.next()
    this.watch = undefined
    return Effect.zipRight(watch, this.goOn)
  })

  /** What comes after the first parts. The first token does not wait for its watchdog. */
  follow(ending: Ending, watch: Effect.Effect<void>): Pull<A, R> {
    this.ending = ending
    this.watch = watch
    return this.pull
  }

  private next(): Pull<A, R> {
    if (this.failure !== undefined) return this.over(this.failure)
    switch (this.phase) {
      case "reading":
        return this.read()
      case "complete":
        return this.finish([])
      case "finished":
        return this.drain()
      case "ended":
        return Effect.succeed(undefined)
    }
  }

  /** Reads all that has come; waits as long as there is nothing to show. */
  private read(): Pull<A, R> {
    try {
      for (let piece = this.body.take(); piece !== undefined; piece = this.body.take()) {
        if (this.expired !== undefined) return this.cutOff(this.timeout(this.expired))
        const over = piece instanceof Uint8Array ? this.bytesCame(piece) : this.bodyEnded(piece)
        if (over !== undefined) return over
      }
    } catch (error) {
      if (!(error instanceof FramingError)) throw error
      return this.fail(malformed(this.session, this.response, error.message, undefined, this.partialText))
    }
    const parts = this.takeParts()
    return parts.length === 0 ? this.body.whenReady(this.goOn) : this.emit(parts)
  }

  private readonly goOn: Pull<A, R> = Effect.suspend(() => this.next())

  private over(failure: LLMError.LLMError): Pull<A, R> {
    return this.ending === undefined ? Effect.fail(failure) : this.ending.failed(failure)
  }

  private bodyEnded({ error }: End): Pull<A, R> {
    return error === undefined
      ? this.endOfBody()
      : this.cutOff(httpFailed(this.session, http.broken(error), this.response, this.partialText))
  }

  /** The body ends here; an answer that had said how it finished and what it cost is complete all the same. */
  private cutOff(failure: LLMError.LLMError): Pull<A, R> {
    const { completion } = this
    if (completion.usage === undefined || !this.upstream.driver.wire.isComplete(completion)) return this.fail(failure)
    this.phase = "complete"
    return this.finish(this.takeParts())
  }

  /** However the bytes were cut, the reader sees what came before the failure, and then the failure. */
  private fail(failure: LLMError.LLMError): Pull<A, R> {
    const parts = this.takeParts()
    if (parts.length === 0) return this.over(failure)
    this.failure = failure
    return this.emit(parts)
  }

  /** Undefined as long as the answer goes on. */
  private bytesCame(bytes: Uint8Array): Pull<A, R> | undefined {
    this.session.silence.bytesCame()
    this.bytes += bytes.length
    const { maxResponseBytes } = this.upstream.limits
    if (this.bytes > maxResponseBytes) {
      return this.fail(httpFailed(this.session, http.tooLarge(maxResponseBytes), this.response, this.partialText))
    }
    if (this.format === "unknown") this.format = formatOf(bytes)
    if (this.format === "json") this.text += this.decoder.decode(bytes, { stream: true })
    if (this.format !== "events") return undefined
    const failure = this.step(this.framing.push(bytes))
    if (failure !== undefined) return this.fail(failure)
    return this.completion.done ? this.finish(this.takeParts()) : undefined
  }

  private endOfBody(): Pull<A, R> {
    if (this.format === "json") return this.wholeBody()
    const failure = this.step(this.framing.end())
    // What the end cuts in two is no malformed event but a broken connection.
    const cut = this.completion.malformed !== undefined
    if (failure !== undefined && !cut) return this.fail(failure)
    if (!cut && (this.completion.done || this.upstream.driver.wire.isComplete(this.completion))) {
      this.phase = "complete"
      return this.finish(this.takeParts())
    }
    return this.fail(
      httpFailed(
        this.session,
        new HttpFailure("transport", "the stream ended before the answer was complete"),
        this.response,
        this.partialText
      )
    )
  }

  /** An error, or an answer that ignores that a stream was asked for: JSON whatever its label says. */
  private wholeBody(): Pull<A, R> {
    this.text += this.decoder.decode()
    const { wire } = this.upstream.driver
    const body = json.parse(this.text)
    const facts = body === undefined ? undefined : wire.readError(body, this.response.headers)
    if (facts !== undefined) return this.over(failed(this.session, this.response, facts, this.text))
    if (Array.isArray(body)) {
      const failure = this.step(body.map((item) => ({ event: "", data: JSON.stringify(item) })))
      if (failure !== undefined) return this.fail(failure)
    } else if (json.isObject(body)) wire.read(body, this.completion, this.session.call)
    const { failure } = this.completion
    if (failure !== undefined) return this.over(failed(this.session, this.response, failure, this.text))
    if (!wire.isComplete(this.completion)) {
      return this.over(
        malformed(this.session, this.response, `the answer is neither a stream nor a ${wire.name} answer`, this.text)
      )
    }
    this.phase = "complete"
    return this.finish(this.takeParts())
  }

  private step(events: ReadonlyArray<WireEvent>): LLMError.LLMError | undefined {
    const { completion, session, state } = this
    const { wire } = this.upstream.driver
    for (const event of events) {
      wire.step(state, event, completion, session.call)
      if (completion.failure !== undefined) {
        return failed(session, this.response, completion.failure, event.data, this.partialText)
      }
      if (completion.malformed !== undefined) {
        return malformed(session, this.response, completion.malformed, event.data, this.partialText)
      }
      // What follows the terminal event ([DONE] after message_stop) says nothing more.
      if (completion.done) return undefined
    }
    return undefined
  }

  private takeParts(): ReadonlyArray<Response.ContentPart> {
    return this.withValue(this.completion.takeParts())
  }

  private withValue(parts: ReadonlyArray<Response.ContentPart>): ReadonlyArray<Response.ContentPart> {
    return this.value === undefined ? parts : this.value.after(parts)
  }

  private emit(parts: ReadonlyArray<Response.StreamPart<A>>): Pull<A, R> {
    this.waitingSince = undefined
    this.session.firstTokenAt ??= this.session.clock.unsafeCurrentTimeNanos()
    return Effect.succeed(parts)
  }

  private finish(parts: ReadonlyArray<Response.ContentPart>): Pull<A, R> {
    const bodyEnded = this.phase === "complete"
    if (this.completion.isSilent) {
      return this.over(malformed(this.session, this.response, "the stream ended without an answer", undefined))
    }
    this.completion.closeAll()
    const last = [...parts, ...this.withValue(this.completion.takeRest())]
    if (last.some((part) => part._tag !== "BlockEnd")) {
      this.session.firstTokenAt ??= this.session.clock.unsafeCurrentTimeNanos()
    }
    return Effect.matchEffect(
      settle(this.session, this.request, this.completion, this.response),
      {
        onFailure: (failure) => {
          if (last.length === 0) return this.over(failure)
          this.failure = failure
          return this.emit(last)
        },
        onSuccess: (response) => {
          this.phase = bodyEnded ? "ended" : "finished"
          this.waitingSince = undefined
          const parts = [...last, { _tag: "Finish" as const, response }]
          return this.ending === undefined ? Effect.succeed(parts) : Effect.as(this.ending.answered(response), parts)
        }
      }
    )
  }

  private drain(): Pull<A, R> {
    this.phase = "ended"
    const rest: Effect.Effect<void> = Effect.suspend(() =>
      this.body.isDrained() ? Effect.void : this.body.whenReady(rest)
    )
    if (this.body.isDrained()) return Effect.succeed(undefined)
    // On the real clock: this waits for a socket, not for the program's time.
    return Effect.as(Effect.withClock(Effect.timeoutOption(rest, drainLimit), liveClock), undefined)
  }

  timeout(phase: "total" | "betweenTokens"): LLMError.ProviderError {
    return timedOut(this.session, phase, this.session.timeouts[phase], this.partialText)
  }
}

/** A stream of events, unless the first thing in it opens a JSON value. */
const formatOf = (bytes: Uint8Array): "unknown" | "events" | "json" => {
  for (const byte of bytes) {
    if (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) continue
    return byte === 0x7b || byte === 0x5b ? "json" : "events"
  }
  return "unknown"
}
