/**
 * The `HttpClient` that costs a call of a provider least in Node: bytes go from undici's socket to the reader of the answer
 * without a promise, an abort signal or a stream in between. It is an `HttpClient` like any other, too: for requests of your
 * own, and to be decorated.
 *
 * Needs the package `undici`: 7.16 or later, 8 from Node 22.19 on.
 *
 * @since 0.1.0
 */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as UrlParams from "@effect/platform/UrlParams"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Readable } from "node:stream"
import { Agent, type Dispatcher } from "undici"
import { withDirect } from "./internal/http/direct.ts"
import { type Carried, destroyed, Exchange, type Place } from "./internal/http/undici.ts"

/**
 * A client over a dispatcher of undici, which stays yours to close. Timeouts are those of the providers' `timeouts`, or your
 * own around a request: the dispatcher's for headers and bodies are off.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import * as UndiciHttpClient from "effect-majordomo/UndiciHttpClient"
 * import { getGlobalDispatcher } from "undici"
 *
 * const client = UndiciHttpClient.make(getGlobalDispatcher())
 * ```
 */
export const make = (dispatcher: Dispatcher): HttpClient.HttpClient => {
  if (!sends(dispatcher)) throw new Error("undici makes no connections on this runtime: provide FetchHttpClient.layer")
  const placeOf = remembered()
  const sent = (exchange: Exchange, request: HttpClientRequest.HttpClientRequest, place: Place) =>
    Effect.flatMap(bodyOf(request), (body) => exchange.send(dispatcher, place, body))
  const execute = (request: HttpClientRequest.HttpClientRequest, scope: Scope.Scope) =>
    Effect.suspend(() => {
      const place = placeOf(request)
      if (Either.isLeft(place)) return Effect.fail(place.left)
      const exchange = new Exchange(request)
      return Effect.zipRight(
        Scope.addFinalizer(scope, Effect.sync(exchange.close)),
        sent(exchange, request, place.right)
      )
    })
  const client = HttpClient.make((request, url, signal) => {
    const exchange = new Exchange(request)
    // The scope of the request may be closed already.
    if (signal.aborted) exchange.close()
    else signal.addEventListener("abort", exchange.close)
    return sent(exchange, request, placed(url))
  })
  return withDirect(client, execute)
}

/**
 * Over connections of its own: as many as there are requests at once, kept open for 4 s or for as long as the host says.
 * On Bun, whose `undici` makes none, it is `FetchHttpClient.layer`.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Layer } from "effect"
 * import { Anthropic } from "effect-majordomo"
 * import * as UndiciHttpClient from "effect-majordomo/UndiciHttpClient"
 *
 * const live = Anthropic.layer({ model: "claude-sonnet-5" }).pipe(Layer.provide(UndiciHttpClient.layer))
 * ```
 */
export const layer: Layer.Layer<HttpClient.HttpClient> = Layer.suspend(() =>
  sends(Agent.prototype) ? layerDispatcher(() => new Agent()) : FetchHttpClient.layer
)

/**
 * Over a dispatcher that is made with the layer and destroyed with it: an `Agent` with a limit of connections, or a
 * `ProxyAgent`.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import * as UndiciHttpClient from "effect-majordomo/UndiciHttpClient"
 * import { EnvHttpProxyAgent } from "undici"
 *
 * // Heeds HTTP_PROXY, HTTPS_PROXY and NO_PROXY.
 * const client = UndiciHttpClient.layerDispatcher(() => new EnvHttpProxyAgent())
 * ```
 */
export const layerDispatcher = (acquire: () => Dispatcher): Layer.Layer<HttpClient.HttpClient> =>
  Layer.scoped(HttpClient.HttpClient, Effect.map(destroyed(acquire), make))

/** Bun has the classes of undici without what they do. */
const sends = (dispatcher: Dispatcher): boolean => typeof Reflect.get(dispatcher, "dispatch") === "function"

const placed = ({ origin, pathname, search }: URL): Place => ({ origin, path: pathname + search })

/** A provider asks one address again and again. */
const remembered = () => {
  let last: { readonly url: string; readonly place: Place } | undefined
  return (request: HttpClientRequest.HttpClientRequest): Either.Either<Place, HttpClientError.RequestError> => {
    const { hash, url, urlParams } = request
    const isPlain = urlParams.length === 0 && hash._tag === "None"
    if (isPlain && last?.url === url) return Either.right(last.place)
    return Either.mapBoth(UrlParams.makeUrl(url, urlParams, hash), {
      onLeft: (cause) => new HttpClientError.RequestError({ request, reason: "InvalidUrl", cause }),
      onRight: (parsed) => {
        const place = placed(parsed)
        if (isPlain) last = { url, place }
        return place
      }
    })
  }
}

const bodyOf = (
  request: HttpClientRequest.HttpClientRequest
): Effect.Effect<Carried, HttpClientError.RequestError> => {
  const { body } = request
  switch (body._tag) {
    case "Empty":
      return Effect.succeed(nothing)
    case "Uint8Array":
      return Effect.succeed({ body: body.body })
    case "Stream":
      return Effect.map(readable(body.stream), (body) => ({ body }))
    case "FormData": {
      // The web's own answer writes it, and says between which marks.
      const { body: form, headers } = new Response(body.formData)
      const written = form === null
        ? Stream.empty
        : Stream.fromReadableStream({ evaluate: () => form, onError: (cause) => cause })
      return Effect.map(readable(written), (body) => ({ body, type: headers.get("content-type") ?? undefined }))
    }
    case "Raw":
      return typeof body.body === "string" || body.body instanceof Uint8Array || body.body instanceof Readable
        ? Effect.succeed({ body: body.body })
        : Effect.fail(
          new HttpClientError.RequestError({
            request,
            reason: "Encode",
            description: "a raw body is a string, bytes, or a stream of node:stream"
          })
        )
  }
}

const readable = (stream: Stream.Stream<Uint8Array, unknown>): Effect.Effect<Readable> =>
  Effect.map(Stream.toAsyncIterableEffect(stream), (pieces) => Readable.from(pieces))

const nothing: Carried = { body: null }
