/** One request to undici, and its answer as the socket brings it: no promise, signal or stream of Node in between. */
import * as Cookies from "@effect/platform/Cookies"
import * as Headers from "@effect/platform/Headers"
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as HttpIncomingMessage from "@effect/platform/HttpIncomingMessage"
import * as Effect from "effect/Effect"
import * as Inspectable from "effect/Inspectable"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { Readable } from "node:stream"
import type { Dispatcher } from "undici"
import { Body, connectionClosed } from "./body.ts"

/** A dispatcher that ends with its scope. */
export const destroyed = (acquire: () => Dispatcher): Effect.Effect<Dispatcher, never, Scope.Scope> =>
  Effect.acquireRelease(Effect.sync(acquire), (dispatcher) => Effect.promise(() => dispatcher.destroy()))

/** Where a request goes. */
export interface Place {
  readonly origin: string
  readonly path: string
}

/** What it carries. */
export interface Carried {
  readonly body: Uint8Array | string | Readable | null
  /** In place of the type that the request names. */
  readonly type?: string | undefined
}

type Answer = Effect.Effect<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError>
type AnswerHeaders = Readonly<Record<string, string | ReadonlyArray<string> | undefined>>

export class Exchange extends Body implements Dispatcher.DispatchHandler {
  private readonly request: HttpClientRequest.HttpClientRequest
  private controller: Dispatcher.DispatchController | undefined
  private response: UndiciResponse | undefined
  private answered: ((answer: Answer) => void) | undefined
  private isClosed = false

  constructor(request: HttpClientRequest.HttpClientRequest) {
    super()
    this.request = request
  }

  /** Ends with the head of the answer. */
  send(dispatcher: Dispatcher, { origin, path }: Place, { body, type }: Carried): Answer {
    return Effect.async((resume) => {
      this.answered = resume
      // Its scope was closed before it began.
      if (this.isClosed) return resume(unsent(this.request, connectionClosed()))
      const { headers: named, method } = this.request
      const headers = type === undefined ? named : { ...named, "content-type": type }
      try {
        // Who asks keeps the time.
        dispatcher.dispatch({ origin, path, method, headers, body, headersTimeout: 0, bodyTimeout: 0 }, this)
      } catch (error) {
        this.failed(error)
      }
    })
  }

  /** Gives the connection up, unless all has come. */
  readonly close = (): void => {
    if (this.isOver) return
    this.isClosed = true
    this.controller?.abort(connectionClosed())
    this.failed(connectionClosed())
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.controller = controller
    if (this.isClosed) controller.abort(connectionClosed())
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: AnswerHeaders): void {
    if (status < 200 || this.isClosed) return
    this.response = new UndiciResponse(this.request, this, status, headers)
    this.answered?.(Effect.succeed(this.response))
  }

  onResponseData(_controller: Dispatcher.DispatchController, piece: Uint8Array): void {
    if (this.isClosed) return
    this.came(piece)
  }

  onResponseEnd(): void {
    this.ended(undefined)
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.failed(error)
  }

  protected override pause(): void {
    this.controller?.pause()
  }

  protected override resume(): void {
    this.controller?.resume()
  }

  private failed(cause: unknown): void {
    if (this.isOver) return
    const { request, response } = this
    if (response === undefined) {
      this.answered?.(unsent(request, cause))
      this.ended(undefined)
    } else this.ended(new HttpClientError.ResponseError({ request, response, reason: "Decode", cause }))
  }
}

const unsent = (request: HttpClientRequest.HttpClientRequest, cause: unknown): Answer =>
  Effect.fail(new HttpClientError.RequestError({ request, reason: "Transport", cause }))

/** What `HttpClient` promises of an answer; providers read `source` themselves. */
class UndiciResponse extends Inspectable.Class implements HttpClientResponse.HttpClientResponse {
  readonly [HttpIncomingMessage.TypeId]: HttpIncomingMessage.TypeId = HttpIncomingMessage.TypeId
  readonly [HttpClientResponse.TypeId]: HttpClientResponse.TypeId = HttpClientResponse.TypeId
  readonly request: HttpClientRequest.HttpClientRequest
  readonly status: number
  readonly headers: Headers.Headers
  readonly source: Exchange
  private readonly setCookie: string | ReadonlyArray<string> | undefined
  private web: HttpClientResponse.HttpClientResponse | undefined

  constructor(
    request: HttpClientRequest.HttpClientRequest,
    source: Exchange,
    status: number,
    headers: AnswerHeaders
  ) {
    super()
    this.request = request
    this.source = source
    this.status = status
    this.headers = Headers.fromInput(headers)
    this.setCookie = headers["set-cookie"]
  }

  get remoteAddress() {
    return Option.none()
  }

  get cookies() {
    return Cookies.fromSetCookie(this.setCookie ?? [])
  }

  get stream() {
    return this.whole.stream
  }

  get text() {
    return this.whole.text
  }

  get json() {
    return this.whole.json
  }

  get urlParamsBody() {
    return this.whole.urlParamsBody
  }

  get formData() {
    return this.whole.formData
  }

  get arrayBuffer() {
    return this.whole.arrayBuffer
  }

  /** To print an answer neither reads its body nor shows a key. */
  toJSON(): unknown {
    const { request: { method, url }, status } = this
    return { _id: "@effect/platform/HttpClientResponse", request: { method, url: url.split("?")[0] }, status }
  }

  /** The web's own answer knows every way to read a body. */
  private get whole(): HttpClientResponse.HttpClientResponse {
    const contentType = this.headers["content-type"]
    return this.web ??= HttpClientResponse.fromWeb(
      this.request,
      new Response(
        webStream(this.source),
        contentType === undefined ? {} : { headers: { "content-type": contentType } }
      )
    )
  }
}

const webStream = (exchange: Exchange): ReadableStream<Uint8Array> =>
  new ReadableStream({
    pull: (controller) =>
      new Promise((resolve) =>
        exchange.onReady(() => {
          const piece = exchange.take()
          if (piece instanceof Uint8Array) controller.enqueue(piece)
          else if (piece?.error !== undefined) controller.error(piece.error)
          else controller.close()
          resolve()
        })
      ),
    cancel: exchange.close
  }, { highWaterMark: 0 })
