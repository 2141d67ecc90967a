/** One try over HTTP: sent, and its status looked at. */
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpTraceContext from "@effect/platform/HttpTraceContext"
import * as Effect from "effect/Effect"
import type * as Tracer from "effect/Tracer"
import type * as LLMError from "../../LLMError.ts"
import type { Body } from "../http/body.ts"
import * as http from "../http/client.ts"
import { HttpFailure } from "../http/failure.ts"
import { htmlText } from "../http/htmlText.ts"
import * as json from "../json/values.ts"
import { failed, httpFailed, type HttpSession, type Upstream } from "./session.ts"

const maxErrorBytes = 1_048_576

/** Sends the request; any status but a success is a failure. */
export const send = <S>(
  upstream: Upstream<S>,
  session: HttpSession,
  span: Tracer.Span | undefined,
  scopes: http.Scopes
): Effect.Effect<http.Received, LLMError.LLMError> => {
  const { running } = session.ledger
  return Effect.matchEffect(
    http.send(
      upstream.client,
      upstream.settings.propagateTrace === true && span !== undefined
        ? HttpClientRequest.setHeaders(session.httpRequest, HttpTraceContext.toHeaders(span))
        : session.httpRequest,
      session.silence,
      scopes
    ),
    {
      onFailure: (failure) => {
        if (running !== undefined) running.sent = failure.sent
        return Effect.fail(httpFailed(session, failure))
      },
      onSuccess: (response) => {
        const isSuccess = response.status >= 200 && response.status < 300
        if (running !== undefined) running.accepted = isSuccess
        return isSuccess
          ? Effect.succeed(response)
          // The status decides, also when the body breaks, falls silent or never ends.
          : Effect.flatMap(http.readStart(response, maxErrorBytes, session.silence, scopes.body), (text) => {
            const facts = upstream.driver.wire.readError(json.parse(text), response.headers) ??
              { message: text.trim() === "" ? "no message" : htmlText(text) }
            return Effect.fail(failed(session, response, facts, text))
          })
      }
    }
  )
}

export const readText = <S>(upstream: Upstream<S>, session: HttpSession, response: http.Received, body: Body) =>
  Effect.matchEffect(http.readText(body, upstream.limits.maxResponseBytes, session.silence), {
    onFailure: (failure) => Effect.fail(httpFailed(session, failure, response)),
    // The body of a client that heeds no abort just ends when it is closed.
    onSuccess: (text) =>
      session.silence.expired === undefined ? Effect.succeed(text) : Effect.fail(httpFailed(session, silent, response))
  })

const silent = new HttpFailure("transport", "nothing was heard any more")
