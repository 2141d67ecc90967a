/**
 * A way into a client of our own past what `HttpClient` does around each request for everybody: providers know where a
 * request lives, read its body themselves, and want no span of it.
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/** Sends; what is not read to its end is given up with the scope. */
export type Execute = (
  request: HttpClientRequest.HttpClientRequest,
  scope: Scope.Scope
) => Effect.Effect<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError>

const ways = new WeakMap<HttpClient.HttpClient, Execute>()

/** A client that is made of this one, with other requests or answers, has no direct way. */
export const withDirect = (client: HttpClient.HttpClient, execute: Execute): HttpClient.HttpClient => {
  ways.set(client, execute)
  return client
}

export const directOf = (client: HttpClient.HttpClient): Execute | undefined => ways.get(client)
