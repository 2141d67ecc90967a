/** An answer made of a status, headers and a stream of bytes. */
import * as Cookies from "@effect/platform/Cookies"
import type * as Headers from "@effect/platform/Headers"
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as HttpIncomingMessage from "@effect/platform/HttpIncomingMessage"
import * as UrlParams from "@effect/platform/UrlParams"
import * as Effect from "effect/Effect"
import * as Inspectable from "effect/Inspectable"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { joined } from "../../internal/bytes/joined.ts"

export interface Facts {
  readonly request: HttpClientRequest.HttpClientRequest
  readonly status: number
  readonly headers: Headers.Headers
  readonly cookies?: Cookies.Cookies | undefined
  readonly remoteAddress?: Option.Option<string> | undefined
  /** The body; it may fail with what `failure` of the answer makes. */
  readonly stream: (
    failure: (description: string) => HttpClientError.ResponseError
  ) => Stream.Stream<Uint8Array, HttpClientError.ResponseError>
}

export class Incoming extends Inspectable.Class implements HttpClientResponse.HttpClientResponse {
  readonly [HttpIncomingMessage.TypeId]: HttpIncomingMessage.TypeId = HttpIncomingMessage.TypeId
  readonly [HttpClientResponse.TypeId]: HttpClientResponse.TypeId = HttpClientResponse.TypeId
  readonly request: HttpClientRequest.HttpClientRequest
  readonly status: number
  readonly headers: Headers.Headers
  readonly cookies: Cookies.Cookies
  readonly remoteAddress: Option.Option<string>
  readonly stream: Stream.Stream<Uint8Array, HttpClientError.ResponseError>
  /** Read once: the body of a live answer does not come twice. */
  private readonly bytes: Effect.Effect<Uint8Array<ArrayBuffer>, HttpClientError.ResponseError>

  constructor(facts: Facts) {
    super()
    this.request = facts.request
    this.status = facts.status
    this.headers = facts.headers
    this.cookies = facts.cookies ?? Cookies.empty
    this.remoteAddress = facts.remoteAddress ?? Option.none()
    this.stream = facts.stream((description) => this.failure(description))
    this.bytes = Effect.runSync(Effect.cached(
      Effect.map(Stream.runCollect(this.stream), (chunks) => joined([...chunks]))
    ))
  }

  get arrayBuffer(): Effect.Effect<ArrayBuffer, HttpClientError.ResponseError> {
    return Effect.map(this.bytes, (bytes) => bytes.buffer)
  }

  get text(): Effect.Effect<string, HttpClientError.ResponseError> {
    return Effect.map(this.bytes, (bytes) => new TextDecoder().decode(bytes))
  }

  get json(): Effect.Effect<unknown, HttpClientError.ResponseError> {
    return Effect.tryMap(this.text, {
      try: (text): unknown => text === "" ? null : JSON.parse(text),
      catch: () => this.failure("the body is not JSON")
    })
  }

  get urlParamsBody(): Effect.Effect<UrlParams.UrlParams, HttpClientError.ResponseError> {
    return Effect.map(this.text, (text) => UrlParams.fromInput(new URLSearchParams(text)))
  }

  get formData(): Effect.Effect<FormData, HttpClientError.ResponseError> {
    return Effect.flatMap(this.bytes, (bytes) =>
      Effect.tryPromise({
        try: () => new globalThis.Response(bytes, { headers: this.headers }).formData(),
        catch: () => this.failure("the body is no form")
      }))
  }

  toJSON(): unknown {
    return { _id: "effect-majordomo/testing/Replay/Response", request: this.request.toJSON(), status: this.status }
  }

  private failure(description: string): HttpClientError.ResponseError {
    return new HttpClientError.ResponseError({ request: this.request, response: this, reason: "Decode", description })
  }
}
