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
import * as Scope from "effect/Scope"
import { asOne } from "../bytes/joined.ts"
import { confined } from "../call/runtime.ts"
import { type Body, open, type ReadError } from "./body.ts"
import { directOf, type Execute } from "./direct.ts"
import { HttpFailure } from "./failure.ts"
import { secretHeaderName } from "./secrets.ts"

export type { Execute }

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
 * The client as providers use it: a request lives as long as its scope. The client's own span records key headers and
 * queries in clear and its `traceparent` would go to the provider, so both are off.
 */
export const prepare = (
  client: HttpClient.HttpClient,
  options: { readonly spans: boolean; readonly secretHeaders: ReadonlyArray<string> }
): Execute => {
  const direct = directOf(client)
  if (direct !== undefined && !options.spans) return direct
  const scoped = HttpClient.withScope(
    options.spans
      ? HttpClient.transformResponse(client, (effect) =>
        Effect.locallyWith(
          Effect.locally(effect, HttpClient.currentTracerPropagation, false),
          Headers.currentRedactedNames,
          (names) => [...names, ...secretHeaders, ...options.secretHeaders, secretHeaderName]
        ))
      : client
  )
  return (request, scope) =>
    confined(
      scoped.execute(request),
      surroundings(scope),
      HttpClient.currentTracerDisabledWhen,
      // Without a span there is no `traceparent` either.
      (own) => options.spans ? own : always
    )
}

const always = () => true

/** The last one: the requests of a program share a context, those of a server each have their own. */
let prepared: { readonly from: Context.Context<never>; readonly to: Context.Context<never> } | undefined

/** What `fetch` has to know: it would follow redirects to anywhere. */
const forFetch = (context: Context.Context<never>): Context.Context<never> => {
  if (prepared?.from === context) return prepared.to
  const own = Option.getOrElse(Context.getOption(context, FetchHttpClient.RequestInit), () => ({}))
  const to = Context.add(context, FetchHttpClient.RequestInit, { ...own, redirect: "manual" })
  prepared = { from: context, to }
  return to
}

/** Where a request runs: with its scope. */
const surroundings = (scope: Scope.Scope) => (context: Context.Context<never>): Context.Context<Scope.Scope> =>
  Context.add(forFetch(context), Scope.Scope, scope)

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

  /** Its body, which is read once. What is not read to its end is released with the scope. */
  body(scope: Scope.Scope): Effect.Effect<Body> {
    return open(this.response, this.headers["content-encoding"], scope)
  }
}

/** Where a request lives, and where what is read of its body. The request ends first, so that who waits for bytes is woken. */
export interface Scopes {
  readonly request: Scope.Scope
  readonly body: Scope.Scope
}

const maxRedirects = 3
const maxRedirectBytes = 65_536

/** Told of every sign of life. */
export interface Listener {
  readonly headersCame: () => void
  readonly bytesCame: () => void
}

/** Sends; follows a 307 or 308 within the same origin only. */
export const send = (
  execute: Execute,
  request: HttpClientRequest.HttpClientRequest,
  listener: Listener,
  scopes: Scopes,
  hops = 0
): Effect.Effect<Received, HttpFailure> =>
  Effect.matchEffect(execute(request, scopes.request), {
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
        readStart(response, maxRedirectBytes, listener, scopes.body),
        next
          ? send(execute, HttpClientRequest.setUrl(request, target.toString()), listener, scopes, hops + 1)
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

/** The body as text; fails when it is larger than the limit. Memory stays within the limit. */
export const readText = (body: Body, maxBytes: number, listener: Listener): Effect.Effect<string, HttpFailure> =>
  Effect.suspend(() => new Text(body, maxBytes, listener).read)

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
export const readStart = (
  response: Received,
  maxBytes: number,
  listener: Listener,
  scope: Scope.Scope
): Effect.Effect<string> =>
  Effect.flatMap(response.body(scope), (body) => {
    const text = new Text(body, maxBytes, listener)
    return Effect.catchAll(text.read, ({ description, kind }) =>
      Effect.succeed(kind === "encoding" ? description : text.soFar))
  })

const utf8 = new TextDecoder()

class Text {
  private readonly body: Body
  private readonly maxBytes: number
  private readonly listener: Listener
  private readonly pieces: Array<Uint8Array> = []
  private bytes = 0

  constructor(body: Body, maxBytes: number, listener: Listener) {
    this.body = body
    this.maxBytes = maxBytes
    this.listener = listener
  }

  get soFar(): string {
    return utf8.decode(asOne(this.pieces))
  }

  readonly read: Effect.Effect<string, HttpFailure> = Effect.suspend(() => {
    for (;;) {
      const piece = this.body.take()
      if (piece === undefined) return this.body.whenReady(this.read)
      if (!(piece instanceof Uint8Array)) {
        return piece.error === undefined ? Effect.succeed(this.soFar) : Effect.fail(broken(piece.error))
      }
      this.listener.bytesCame()
      this.bytes += piece.length
      if (this.bytes > this.maxBytes) return Effect.fail(tooLarge(this.maxBytes))
      this.pieces.push(piece)
    }
  })
}

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
  const text = seen.length === 0 ? error.description ?? error.reason : seen.join(": ")
  // Bun has the names of undici's classes, but not what they do.
  return error.cause instanceof TypeError && Object.hasOwn(globalThis, "Bun")
    ? `${text}; on Bun, provide FetchHttpClient.layer`
    : text
}

const encoder = new TextEncoder()

/** A JSON request body. */
export const jsonBody = (body: unknown): HttpBody.HttpBody =>
  HttpBody.uint8Array(encoder.encode(JSON.stringify(body)), "application/json")
