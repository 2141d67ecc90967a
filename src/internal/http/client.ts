/** Sending a request and reading what comes, with limits: the one place that touches the HTTP client. */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as Headers from "@effect/platform/Headers"
import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { decoded } from "./contentEncoding.ts"
import { HttpFailure } from "./failure.ts"
import { secretHeaderName } from "./secrets.ts"

/** Headers whose values are secrets wherever they are printed or stored. */
export const secretHeaders: ReadonlyArray<string> = [
  "authorization",
  "proxy-authorization",
  "x-api-key",
  "x-goog-api-key",
  "api-key",
  "x-majordomo-key",
  "cookie",
  "set-cookie",
  "x-amz-security-token"
]

/**
 * The client as providers use it. Its own span records key headers and queries in clear and its `traceparent` would go
 * to the provider, so both are off; `fetch` follows redirects to anywhere, so it is told not to.
 */
export const prepare = (
  client: HttpClient.HttpClient,
  options: { readonly spans: boolean; readonly secretHeaders: ReadonlyArray<string> }
): HttpClient.HttpClient =>
  HttpClient.transformResponse(client, (effect) => {
    const direct = Effect.mapInputContext(effect, manualRedirects)
    return options.spans
      ? Effect.locallyWith(
        Effect.locally(direct, HttpClient.currentTracerPropagation, false),
        Headers.currentRedactedNames,
        (names) => [...names, ...secretHeaders, ...options.secretHeaders, secretHeaderName]
      )
      // Without a span there is no `traceparent` either.
      : Effect.locally(direct, HttpClient.currentTracerDisabledWhen, always)
  })

const always = () => true

const manualRedirects = (context: Context.Context<never>): Context.Context<never> => {
  const own = Context.getOption(context, FetchHttpClient.RequestInit)
  // The tag is optional for the client, so adding it changes no type.
  return Context.add(context, FetchHttpClient.RequestInit, {
    ...Option.getOrElse(own, () => ({})),
    redirect: "manual"
  }) as Context.Context<never>
}

/** Why a body cannot be read. */
export type ReadError = HttpClientError.ResponseError | HttpFailure

/** An answer with its headers read once: the client's own response reads them anew for every look. */
export class Received {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  private readonly response: HttpClientResponse.HttpClientResponse

  constructor(response: HttpClientResponse.HttpClientResponse) {
    this.status = response.status
    this.headers = response.headers
    this.response = response
  }

  get text(): Effect.Effect<string, HttpClientError.ResponseError> {
    return this.response.text
  }

  get stream(): Stream.Stream<Uint8Array, ReadError> {
    return decoded(this.response.stream, this.headers["content-encoding"])
  }
}

const maxRedirects = 3
const maxRedirectBytes = 65_536

/** Told of every sign of life. */
export interface Listener {
  readonly headersCame: () => void
  readonly bytesCame: () => void
}

/** Sends; follows a 307 or 308 within the same origin only. */
export const send = <R>(
  client: HttpClient.HttpClient.With<HttpClientError.HttpClientError, R>,
  request: HttpClientRequest.HttpClientRequest,
  listener: Listener,
  hops = 0
): Effect.Effect<Received, HttpFailure, R> =>
  Effect.matchEffect(client.execute(request), {
    onFailure: (error) => Effect.fail(new HttpFailure("transport", describe(error), !isUnsent(error))),
    onSuccess: (answer) => {
      const response = new Received(answer)
      listener.headersCame()
      if (response.status < 300 || response.status >= 400) return Effect.succeed(response)
      const target = Option.getOrUndefined(parseUrl(response.headers["location"], request.url))
      const origin = Option.getOrUndefined(parseUrl(request.url))?.origin
      const next = (response.status === 307 || response.status === 308) && target !== undefined &&
        target.origin === origin && hops < maxRedirects
      return Effect.zipRight(
        // An unread body would keep its connection.
        readStart(response, maxRedirectBytes, listener),
        next
          ? send(client, HttpClientRequest.setUrl(request, target.toString()), listener, hops + 1)
          : Effect.fail(
            new HttpFailure(
              "redirect",
              `redirected (HTTP ${response.status})${
                target === undefined || target.origin === origin ? "" : ` to ${target.origin}`
              }, which is not followed; set baseUrl to the final address`
            )
          )
      )
    }
  })

const parseUrl = (url: string | undefined, base?: string): Option.Option<URL> =>
  url === undefined ? Option.none() : Either.getRight(Either.try(() => new URL(url, base)))

// So much arrives at once or not at all.
const maxUnwatchedBytes = 65_536

/** The body as text; fails when it is larger than the limit. Memory stays within the limit. */
export const readText = (
  response: Received,
  maxBytes: number,
  listener: Listener
): Effect.Effect<string, HttpFailure> => {
  const length = response.headers["content-length"]
  // A small plain body of known length needs no counting; a compressed one may grow.
  if (
    length !== undefined && response.headers["content-encoding"] === undefined &&
    Number(length) <= Math.min(maxBytes, maxUnwatchedBytes)
  ) {
    return Effect.mapError(response.text, broken)
  }
  return Effect.suspend(() => {
    const body = new Body(maxBytes, listener)
    return Effect.map(body.readFrom(response), () => body.text)
  })
}

/** What fails before a connection is there. */
const unsent = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "UND_ERR_CONNECT_TIMEOUT"])

const isUnsent = (error: HttpClientError.HttpClientError): boolean =>
  causesOf(error).some(({ code }) => code !== undefined && unsent.has(code)) ||
  (error._tag === "RequestError" && error.reason !== "Transport")

interface Reason {
  readonly code: string | undefined
  readonly message: string
}

/** What lies under an error, as deep as clients wrap it. */
const causesOf = ({ cause: first }: HttpClientError.HttpClientError): ReadonlyArray<Reason> => {
  const causes: Array<Reason> = []
  let cause: unknown = first
  for (let depth = 0; depth < 4 && cause instanceof Error; depth++) {
    const code = "code" in cause && typeof cause.code === "string" ? cause.code : undefined
    causes.push({ code, message: cause.message })
    cause = cause.cause
  }
  return causes
}

/** What comes of a body, as text: up to the limit, or to where it breaks. */
export const readStart = (response: Received, maxBytes: number, listener: Listener): Effect.Effect<string> =>
  Effect.suspend(() => {
    const body = new Body(maxBytes, listener)
    return Effect.match(body.readFrom(response), {
      onFailure: ({ description, kind }) => kind === "encoding" ? description : body.text,
      onSuccess: () => body.text
    })
  })

class Body {
  private readonly decoder = new TextDecoder()
  private readonly maxBytes: number
  private readonly listener: Listener
  private bytes = 0
  private decoded = ""

  constructor(maxBytes: number, listener: Listener) {
    this.maxBytes = maxBytes
    this.listener = listener
  }

  get text(): string {
    return this.decoded + this.decoder.decode()
  }

  readFrom(response: Received): Effect.Effect<void, HttpFailure> {
    const read = Stream.runForEachChunk(response.stream, (chunk) => {
      this.listener.bytesCame()
      for (const part of chunk) {
        this.bytes += part.length
        if (this.bytes > this.maxBytes) return Effect.fail(tooLarge(this.maxBytes))
        this.decoded += this.decoder.decode(part, { stream: true })
      }
      return Effect.void
    })
    return Effect.catchAll(read, (error) => isEmpty(error) ? Effect.void : Effect.fail(broken(error)))
  }
}

/** An answer without any body is one with an empty body. */
export const isEmpty = (error: ReadError): boolean => error._tag === "ResponseError" && error.reason === "EmptyBody"

export const tooLarge = (maxBytes: number) =>
  new HttpFailure("too-large", `the answer is larger than ${maxBytes} bytes`)

/** A connection that broke while the body was read, unless it is said what else did. */
export const broken = (error: ReadError): HttpFailure =>
  error._tag === "HttpFailure"
    ? error
    : new HttpFailure("transport", `the connection broke while the answer was read: ${describe(error)}`)

// Only codes and messages of the underlying causes: the error itself prints the request with its headers.
const describe = (error: HttpClientError.HttpClientError): string => {
  const said = causesOf(error).map(({ code, message }) => [code, message].filter(Boolean).join(" "))
  const seen = [...new Set(said)].filter((text) => text !== "")
  return seen.length === 0 ? error.description ?? error.reason : seen.join(": ")
}

const encoder = new TextEncoder()

/** A JSON request body. */
export const jsonBody = (body: unknown): HttpBody.HttpBody =>
  HttpBody.uint8Array(encoder.encode(JSON.stringify(body)), "application/json")
