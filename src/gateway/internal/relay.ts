/**
 * One answer on its way from a provider to a client, at the level of sockets: each read of the one is one write of the
 * other, a client that reads slowly slows the provider, one that leaves ends it. The meter sees every byte, and where the
 * row must be on disk first the last bytes wait for it.
 */
import * as Effect from "effect/Effect"
import type { ServerResponse } from "node:http"
import type { Readable } from "node:stream"
import type { Dispatcher } from "undici"
import { EventFrames } from "./eventFrames.ts"
import { returned } from "./headers.ts"
import type { Meter } from "./meter.ts"

export type Ending =
  /** The whole body came. */
  | { readonly _tag: "Ended" }
  /** The provider broke off; before or after its first byte. */
  | { readonly _tag: "Broken"; readonly error: Error }
  /** The client went away. */
  | { readonly _tag: "Left" }

export interface Outgoing {
  readonly origin: string
  readonly path: string
  readonly method: string
  readonly headers: Array<string>
  readonly body: Buffer | Readable | undefined
}

type Headers = Readonly<Record<string, string | ReadonlyArray<string> | undefined>>

export interface Options {
  readonly response: ServerResponse
  readonly outgoing: Outgoing
  readonly dispatcher: Dispatcher
  readonly meterOf: (status: number, headers: Headers) => Meter
  /** Take out the event with the usage. */
  readonly withoutUsage: boolean
  /** The row is on disk before the last byte goes. */
  readonly holdsLast: boolean
  /** Bytes of the answer that are kept for the record. */
  readonly keepsBytes: number
  /** A client that takes nothing for so long is gone, ms. */
  readonly patience: number
  readonly now: () => number
  readonly headers: () => Readonly<Record<string, string>>
  /** The first byte of the client's request was lost with a connection that the provider had closed meanwhile. */
  readonly canRetry: boolean
}

/** An answer that is no stream and comes at once goes out in one piece, with what it cost in its headers. */
const maxGathered = 256 * 1024
/** It waits no longer than that for the rest of itself, ms. */
const gatherLimit = 10

const empty = Buffer.alloc(0)

export class Relay implements Dispatcher.DispatchHandler {
  meter: Meter | undefined = undefined
  status: number | undefined = undefined
  upstreamHeaders: Headers = {}
  bytesOut = 0
  firstByteAt: number | undefined = undefined
  firstContentAt: number | undefined = undefined
  /** The start of the answer's body, where it is kept. */
  readonly copy: Array<Buffer> = []

  private readonly options: Options
  private controller: Dispatcher.DispatchController | undefined
  private frames: EventFrames | undefined
  private gathered: Array<Buffer> | undefined
  private gatheredBytes = 0
  private gatherTimer: NodeJS.Timeout | undefined
  private held: Buffer = empty
  private isHolding = false
  private expected: number | undefined
  private isDraining = false
  private drainTimer: NodeJS.Timeout | undefined
  private isCorked = false
  private keptBytes = 0
  private wasSent = false
  private hasRetried = false
  private hasEnded = false
  private isGone = false
  private ending: Ending | undefined
  private resume: ((ending: Ending) => void) | undefined

  constructor(options: Options) {
    this.options = options
  }

  /** Ends when nothing of the answer is to come, or what is to come waits for `release`. Who interrupts it calls `stop`. */
  readonly run: Effect.Effect<Ending> = Effect.async((resume) => {
    this.resume = (ending) => resume(Effect.succeed(ending))
    this.options.response.on("close", this.onClose)
    this.dispatch()
  })

  stop(): void {
    this.controller?.abort(new Error("the gateway is stopping"))
    this.finishTimers()
    this.options.response.destroy()
  }

  private dispatch(): void {
    const { dispatcher, outgoing: { body, headers, method, origin, path } } = this.options
    try {
      dispatcher.dispatch({ origin, path, method, headers, body: body ?? null }, this)
    } catch (error) {
      this.end({ _tag: "Broken", error: error instanceof Error ? error : new Error(String(error)) })
    }
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.wasSent = true
    this.controller = controller
    if (this.isGone) controller.abort(new Error("the client has gone"))
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Headers
  ): void {
    if (status < 200) return
    const { meterOf, withoutUsage } = this.options
    this.status = status
    this.upstreamHeaders = headers
    this.firstByteAt = this.options.now()
    const meter = this.meter = meterOf(status, headers)
    const length = Number(headers["content-length"] ?? Number.NaN)
    this.expected = Number.isSafeInteger(length) ? length : undefined
    const isEvents = String(headers["content-type"] ?? "").toLowerCase().startsWith("text/event-stream")
    if (meter.isStream) {
      if (isEvents) this.frames = new EventFrames({ withoutUsage })
      this.writeHead({})
      // The client sees at once that an answer begins.
      this.cork()
      this.options.response.flushHeaders()
    } else if (meter.reads && (this.expected ?? 0) <= maxGathered) this.gathered = []
    else this.writeHead({})
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.isGone) return
    const { meter, options: { holdsLast, keepsBytes } } = this
    this.bytesOut += chunk.length
    if (meter !== undefined) {
      meter.push(chunk)
      if (this.firstContentAt === undefined && meter.hasContent) this.firstContentAt = this.options.now()
    }
    if (this.keptBytes < keepsBytes) {
      this.copy.push(chunk.subarray(0, keepsBytes - this.keptBytes))
      this.keptBytes += chunk.length
    }
    if (this.gathered !== undefined) return this.gather(chunk)
    const whole = this.frames === undefined ? chunk : this.frames.push(chunk)
    if (this.isHolding) this.held = Buffer.concat([this.held, whole])
    else if (holdsLast && this.isLast()) {
      this.held = whole
      this.isHolding = true
      controller.pause()
      this.settle({ _tag: "Ended" })
    } else this.write(whole)
  }

  /** Nothing behind these bytes makes the answer more complete for who reads it. */
  private isLast(): boolean {
    if (this.ending !== undefined) return false
    return this.meter?.isDone === true || (this.expected !== undefined && this.bytesOut >= this.expected)
  }

  onResponseEnd(): void {
    this.hasEnded = true
    this.meter?.end()
    if (this.gathered === undefined && this.status !== undefined) {
      const rest = this.frames?.flush() ?? empty
      if (rest.length > 0) {
        if (this.isHolding) this.held = Buffer.concat([this.held, rest])
        else this.write(rest)
      }
    }
    if (this.ending === undefined) this.settle({ _tag: "Ended" })
    else if (!this.isHolding) this.finish()
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (this.isGone) return
    // Nothing of the request had left: the connection was closed while it waited.
    if (!this.wasSent && !this.hasRetried && this.options.canRetry && isClosed(error)) {
      this.hasRetried = true
      this.dispatch()
      return
    }
    this.meter?.end()
    this.end({ _tag: "Broken", error })
  }

  private end(ending: Ending): void {
    if (this.ending === undefined) this.settle(ending)
    else {
      // The row is written; the client must see all the same that something is missing.
      this.isHolding = false
      this.cut()
    }
  }

  private settle(ending: Ending): void {
    this.ending = ending
    this.clearGather()
    this.resume?.(ending)
  }

  // ── to the client ─────────────────────────────────────────────────────────────────────────────────────────────────

  private writeHead(more: Readonly<Record<string, string>>): void {
    const { headers, response, withoutUsage } = this.options
    if (response.headersSent || this.status === undefined) return
    const kept = returned(this.upstreamHeaders, withoutUsage && this.frames !== undefined)
    response.writeHead(this.status, Object.assign(kept, headers(), more))
  }

  private gather(chunk: Buffer): void {
    const gathered = this.gathered ?? []
    gathered.push(chunk)
    this.gatheredBytes += chunk.length
    if (this.gatheredBytes > maxGathered) return this.passGathered()
    if (this.expected === this.gatheredBytes) return
    this.gatherTimer ??= setTimeout(() => this.passGathered(), gatherLimit)
  }

  /** It is longer, or slower, than what is sent in one piece. */
  private passGathered(): void {
    const gathered = this.gathered
    if (gathered === undefined || this.ending !== undefined) return
    this.clearGather()
    this.gathered = undefined
    this.writeHead({})
    this.write(Buffer.concat(gathered))
  }

  private clearGather(): void {
    if (this.gatherTimer === undefined) return
    clearTimeout(this.gatherTimer)
    this.gatherTimer = undefined
  }

  private write(bytes: Buffer): void {
    if (bytes.length === 0) return
    const { patience, response } = this.options
    this.cork()
    if (response.write(bytes) || this.isDraining) return
    this.isDraining = true
    this.controller?.pause()
    this.drainTimer = setTimeout(() => response.destroy(), patience)
    response.once("drain", this.onDrain)
  }

  /** What one read of the provider brought is one write. */
  private cork(): void {
    if (this.isCorked) return
    this.isCorked = true
    this.options.response.cork()
    process.nextTick(this.uncork)
  }

  private readonly uncork = (): void => {
    if (!this.isCorked) return
    this.isCorked = false
    this.options.response.uncork()
  }

  private readonly onDrain = (): void => {
    this.isDraining = false
    clearTimeout(this.drainTimer)
    if (!this.isHolding) this.controller?.resume()
  }

  private readonly onClose = (): void => {
    this.finishTimers()
    if (this.options.response.writableFinished) return
    this.isGone = true
    this.controller?.abort(new Error("the client has gone"))
    if (this.ending !== undefined) return
    this.meter?.end()
    this.settle({ _tag: "Left" })
  }

  private finishTimers(): void {
    this.clearGather()
    clearTimeout(this.drainTimer)
  }

  private finish(): void {
    this.options.response.end()
  }

  /** Sends what was held, with headers where none were sent yet. */
  release(headers: Readonly<Record<string, string>>): void {
    const { gathered, options: { response } } = this
    if (this.isGone || response.destroyed || response.writableFinished) return
    this.gathered = undefined
    this.isHolding = false
    if (gathered !== undefined || !response.headersSent) {
      const body = gathered === undefined ? empty : gathered.length === 1 ? gathered[0] : Buffer.concat(gathered)
      this.writeHead(headers)
      response.end(body)
    } else if (this.hasEnded) {
      if (this.held.length > 0) response.end(this.held)
      else this.finish()
    } else {
      this.write(this.held)
      this.held = empty
      if (!this.isDraining) this.controller?.resume()
    }
  }

  /** Ends the answer so that nobody takes it for whole, after a last event where there is one to send. */
  break(event: Uint8Array | undefined): void {
    const { response } = this.options
    if (this.isGone || response.destroyed) return
    if (event !== undefined) response.write(event)
    this.cut()
  }

  private cut(): void {
    const { response } = this.options
    if (this.isCorked) this.uncork()
    // What was written goes out, and then the connection, without the mark of an answer's end.
    if (response.socket === null) response.destroy()
    else response.socket.destroySoon()
  }
}

const isClosed = (error: Error): boolean =>
  "code" in error && (error.code === "UND_ERR_SOCKET" || error.code === "ECONNRESET" || error.code === "EPIPE")
