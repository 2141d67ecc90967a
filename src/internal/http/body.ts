/**
 * The bytes of an answer as they come. Where the client's own body can be had (undici's, `node:http`'s, `fetch`'s) it is
 * read without a stream, a channel or a latch in between: one wake-up for what one read of the socket brought.
 */
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Channel from "effect/Channel"
import type * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { asOne } from "../bytes/joined.ts"
import { decoded } from "./contentEncoding.ts"
import type { HttpFailure } from "./failure.ts"

/** Why a body cannot be read. */
export type ReadError = HttpClientError.ResponseError | HttpFailure

/** How a body ended. */
export class End {
  /** Undefined when that was its end. */
  readonly error: ReadError | undefined

  constructor(error: ReadError | undefined) {
    this.error = error
  }
}

export class Body {
  private pieces: Array<Uint8Array> = []
  private end: End | undefined = undefined
  private wake: (() => void) | undefined = undefined
  /** Bytes that have come and are not taken yet. */
  private held = 0
  private isPaused = false

  /** Asks for more, where it does not come by itself. */
  protected ask(): void {}
  /** Nothing more is to come for now, where it comes by itself. */
  protected pause(): void {}
  protected resume(): void {}

  /** Nothing is still to come, and nothing is left to be released. */
  get isSpent(): boolean {
    return this.isOver
  }

  protected get isOver(): boolean {
    return this.end !== undefined
  }

  /** All that has come, or how it ended; undefined when that has to be waited for. */
  take(): Uint8Array | End | undefined {
    const { pieces } = this
    if (pieces.length === 0) return this.end
    this.pieces = []
    this.held = 0
    if (this.isPaused) {
      this.isPaused = false
      this.resume()
    }
    // One piece is decoded in a fraction of the time that many small ones take.
    return asOne(pieces)
  }

  /** Throws away what has come; whether that was the end. */
  isDrained(): boolean {
    let piece = this.take()
    while (piece instanceof Uint8Array) piece = this.take()
    return piece !== undefined
  }

  /** Goes on with `then` when there is something to take. */
  whenReady<A, E, R>(then: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.async((resume) => this.onReady(() => resume(then)))
  }

  /** Tells once, when there is something to take. */
  onReady(wake: () => void): void {
    this.wake = wake
    this.ask()
    if (this.pieces.length > 0 || this.end !== undefined) this.woken()
  }

  protected came(piece: Uint8Array): void {
    this.pieces.push(piece)
    this.held += piece.length
    this.woken()
    if (this.held <= maxHeld || this.isPaused) return
    this.isPaused = true
    this.pause()
  }

  protected ended(error: ReadError | undefined): void {
    this.end ??= new End(error)
    this.woken()
  }

  private woken(): void {
    const { wake } = this
    this.wake = undefined
    wake?.()
  }
}

/** More than this is not taken from the socket before it is asked for, bytes. */
const maxHeld = 65_536

/** Why the rest of a body does not come that nobody wants any more. */
export const connectionClosed = (): Error => new Error("the connection was closed")

/** Begins to read. What is not read to its end is released with the scope. */
export const open = (
  response: HttpClientResponse.HttpClientResponse,
  encoding: string | undefined,
  scope: Scope.Scope
): Effect.Effect<Body> =>
  Effect.suspend((): Effect.Effect<Body> => {
    const source = encoding === undefined ? sourceOf(response) : undefined
    const failed = (cause: unknown) =>
      new HttpClientError.ResponseError({ request: response.request, response, reason: "Decode", cause })
    if (isBody(source)) return Effect.succeed(source)
    if (isReadable(source)) return closing(new ReadableBody(source, failed), scope)
    if (isWebStream(source)) return closing(new WebBody(source.getReader(), failed), scope)
    if (source === null) return Effect.succeed(new NoBody())
    return Effect.map(
      Channel.toPullIn(Stream.toChannel(decoded(response.stream, encoding)), scope),
      (pull) => new StreamBody(pull)
    )
  })

/** Also where the client heeds no abort: its body ends, and whoever waits for it is woken. */
const closing = (body: ReadableBody | WebBody, scope: Scope.Scope): Effect.Effect<Body> =>
  Effect.as(Scope.addFinalizer(scope, Effect.sync(() => body.close())), body)

// ── of Node ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/** What is used of a stream of `node:stream`. */
interface Readable {
  readonly readable: boolean
  readonly on: (event: string, listener: (value: never) => void) => unknown
  readonly pause: () => unknown
  readonly resume: () => unknown
  readonly destroy: () => unknown
}

class ReadableBody extends Body {
  private readonly source: Readable
  private readonly failed: (cause: unknown) => ReadError

  constructor(source: Readable, failed: (cause: unknown) => ReadError) {
    super()
    this.source = source
    this.failed = failed
    source.on("data", (piece: Uint8Array) => this.came(piece))
    source.on("end", () => this.ended(undefined))
    source.on("error", (cause: unknown) => this.ended(failed(cause)))
    source.on("close", () => this.closed())
  }

  close(): void {
    if (this.isOver) return
    this.source.destroy()
    this.closed()
  }

  private closed(): void {
    if (!this.isOver) this.ended(this.failed(connectionClosed()))
  }

  protected override pause(): void {
    this.source.pause()
  }

  protected override resume(): void {
    this.source.resume()
  }
}

// ── of the web ──────────────────────────────────────────────────────────────────────────────────────────────────────

class WebBody extends Body {
  private isAsking = false
  private readonly reader: ReadableStreamDefaultReader<Uint8Array>
  private readonly failed: (cause: unknown) => ReadError

  constructor(reader: ReadableStreamDefaultReader<Uint8Array>, failed: (cause: unknown) => ReadError) {
    super()
    this.reader = reader
    this.failed = failed
  }

  close(): void {
    if (this.isOver) return
    // It may have failed by itself, and then has said so.
    this.reader.cancel().catch(() => {})
    this.ended(this.failed(connectionClosed()))
  }

  protected override ask(): void {
    if (this.isAsking || this.isOver) return
    this.isAsking = true
    this.reader.read().then(this.read, (cause: unknown) => this.ended(this.failed(cause)))
  }

  private readonly read = ({ done, value }: ReadableStreamReadResult<Uint8Array>): void => {
    this.isAsking = false
    if (done) this.ended(undefined)
    else this.came(value)
  }
}

class NoBody extends Body {
  constructor() {
    super()
    this.ended(undefined)
  }
}

// ── of any other client ─────────────────────────────────────────────────────────────────────────────────────────────

type Pull = Effect.Effect<Either.Either<Chunk.Chunk<Uint8Array>, unknown>, ReadError>

class StreamBody extends Body {
  private readonly pull: Pull

  constructor(pull: Pull) {
    super()
    this.pull = pull
  }

  /** Whoever made the stream releases it with the scope. */
  override get isSpent(): boolean {
    return false
  }

  override whenReady<A, E, R>(then: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.matchEffect(this.pull, {
      onFailure: (error) => {
        this.ended(isEmpty(error) ? undefined : error)
        return then
      },
      onSuccess: (pulled) => {
        if (Either.isLeft(pulled)) this.ended(undefined)
        else for (const piece of pulled.right) this.came(piece)
        return then
      }
    })
  }
}

/** An answer without any body is one with an empty body. */
const isEmpty = (error: ReadError): boolean => error._tag === "ResponseError" && error.reason === "EmptyBody"

// ── what a client keeps ─────────────────────────────────────────────────────────────────────────────────────────────

/** The body that lies under the client's answer, unless somebody has put another stream in its place. */
const sourceOf = (response: HttpClientResponse.HttpClientResponse): unknown => {
  if (!Object.hasOwn(response, "source") || Object.hasOwn(response, "stream")) return undefined
  const source: unknown = Reflect.get(response, "source")
  return isBody(source) || isReadable(source) || typeof source !== "object" || source === null
    ? source
    : Reflect.get(source, "body")
}

// Of another copy of this library, too: the entry without Effect carries one.
const isBody = (source: unknown): source is Body => has(source, "take", "whenReady", "isDrained")

const isReadable = (source: unknown): source is Readable =>
  has(source, "on", "pause", "resume", "destroy") && Reflect.get(source, "readable") === true

const isWebStream = (source: unknown): source is ReadableStream<Uint8Array> =>
  has(source, "getReader") && Reflect.get(source, "locked") === false

const has = (source: unknown, ...methods: ReadonlyArray<string>): source is object =>
  typeof source === "object" && source !== null &&
  methods.every((name) => typeof Reflect.get(source, name) === "function")
