/** A provider that is asked over HTTP: a driver brings the wire, the client the connection. */
import * as HttpClient from "@effect/platform/HttpClient"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import type * as Tracer from "effect/Tracer"
import type { Request, Service, Settings } from "../../LLM.ts"
import * as LLMError from "../../LLMError.ts"
import type * as Response from "../../Response.ts"
import type { Body } from "../http/body.ts"
import * as http from "../http/client.ts"
import * as headers from "../http/headers.ts"
import * as json from "../json/values.ts"
import type { Completion } from "./completion.ts"
import type { Driver } from "./driver.ts"
import type { Connection } from "./engine.ts"
import { Reader } from "./reader.ts"
import { later } from "./runtime.ts"
import { readText, send } from "./send.ts"
import * as service from "./service.ts"
import {
  failed,
  gatewayHeaders,
  type HttpSession,
  makeBase,
  malformed,
  newCompletion,
  open,
  overHttp,
  timedOut,
  type Upstream
} from "./session.ts"
import { settle } from "./settle.ts"
import { type Connection as Scopes, connection, disconnect, leave, Silence } from "./silence.ts"
import * as telemetry from "./telemetry.ts"

const defaultLimits = { maxResponseBytes: 64 * 1024 * 1024, maxEventBytes: 10 * 1024 * 1024 }

export const make = <S>(
  driver: Driver<S>,
  settings: Settings
): Effect.Effect<Service, LLMError.ConfigurationError, HttpClient.HttpClient> =>
  Effect.gen(function*() {
    const { model, provider } = driver
    const client = http.prepare(yield* HttpClient.HttpClient, {
      spans: settings.httpSpans ?? false,
      secretHeaders: Object.keys(driver.auth)
    })
    const fixed = headers.merge(
      Object.fromEntries(Object.entries(driver.auth).map(([name, value]) => [name, Redacted.value(value)])),
      driver.headers,
      settings.defaultHeaders
    )
    if (fixed._tag === "Invalid") {
      return yield* new LLMError.ConfigurationError({
        provider,
        description: `the header ${fixed.header} cannot be sent: ${fixed.message}`
      })
    }
    const gateway = gatewayHeaders(driver)
    const url = driver.url(false)
    const upstream: Upstream<S> = {
      driver,
      settings,
      client,
      fixedHeaders: fixed.headers,
      bases: {
        single: makeBase(url, false, fixed.headers, gateway),
        stream: makeBase(driver.url(true), true, fixed.headers, gateway)
      },
      limits: {
        maxResponseBytes: settings.maxResponseBytes ?? defaultLimits.maxResponseBytes,
        maxEventBytes: settings.maxEventBytes ?? defaultLimits.maxEventBytes
      }
    }
    const place = { provider, model, settings, toolName: driver.wire.toolName, strictTools: driver.wire.strictTools }
    return service.make<HttpSession>({
      provider,
      model,
      settings,
      telemetry: yield* telemetry.make({ provider, model, url: new URL(url), settings }),
      open: (request, stream, previous) => open(place, request, stream, previous, overHttp(upstream)),
      ask: (session, request, span) => ask(upstream, session, request, span),
      connect: (session, request, span, scope) => connect(upstream, session, request, span, scope)
    })
  })

// ── one answer ──

const ask = <S, A, R>(
  upstream: Upstream<S>,
  session: HttpSession,
  request: Request<A, R>,
  span: Tracer.Span | undefined
): Effect.Effect<Response.Response<A>, LLMError.LLMError, R> =>
  Effect.flatMap(received(upstream, session, span), ({ response, text }) => {
    const completion = newCompletion(session, false)
    const failure = readWhole(upstream, session, response, text, completion)
    return failure === undefined ? settle(session, request, completion, response) : Effect.fail(failure)
  })

/** Sends and reads; the connection is given up when nothing is heard for too long. */
const received = <S>(
  upstream: Upstream<S>,
  session: HttpSession,
  span: Tracer.Span | undefined
): Effect.Effect<{ readonly response: http.Received; readonly text: string }, LLMError.LLMError> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(connection, (scopes) => {
      const silence = session.silence = new Silence(session.clock, session.timeouts, false)
      let reading: Body | undefined
      const exchange = Effect.flatMap(
        send(upstream, session, span, scopes),
        (response) =>
          Effect.flatMap(response.body(scopes.body), (body) => {
            reading = body
            return Effect.map(readText(upstream, session, response, body), (text) => ({ response, text }))
          })
      )
      return Effect.matchCauseEffect(Effect.zipRight(silence.watch(scopes), restore(exchange)), {
        onFailure: (cause) => {
          silence.stop()
          return Effect.zipRight(leave(scopes, Exit.failCause(cause)), Effect.failCause(cause))
        },
        onSuccess: (answer) => {
          silence.stop()
          // To abort a request that has ended would do nothing, at the price of an exception.
          return reading?.isSpent === true ? Effect.succeed(answer) : Effect.as(leave(scopes, Exit.void), answer)
        }
      })
    })
  )

/** Reads a whole body into the completion, or says why it is none. */
const readWhole = <S>(
  { driver: { wire } }: Upstream<S>,
  session: HttpSession,
  response: http.Received,
  text: string,
  completion: Completion
): LLMError.LLMError | undefined => {
  const body = json.parse(text)
  const facts = body === undefined ? undefined : wire.readError(body, response.headers)
  if (facts !== undefined) return failed(session, response, facts, text)
  if (!json.isObject(body)) return malformed(session, response, "the answer is not a JSON object", text)
  wire.read(body, completion, session.call)
  completion.closeAll()
  if (completion.failure !== undefined) return failed(session, response, completion.failure, text)
  if (completion.malformed !== undefined) return malformed(session, response, completion.malformed, text)
  return wire.isComplete(completion) && !completion.isSilent
    ? undefined
    : malformed(session, response, `the JSON is not an answer of the ${wire.name} protocol`, text)
}

// ── streams ──

/** One try of a stream: up to its first content. A failure closes its connection. */
const connect = <S, A, R>(
  upstream: Upstream<S>,
  session: HttpSession,
  request: Request<A, R>,
  span: Tracer.Span | undefined,
  parent: Scope.Scope
): Effect.Effect<Connection<A, R>, LLMError.LLMError, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(connection, (scopes) => {
      const silence = session.silence = new Silence(session.clock, session.timeouts, true)
      const sent = Effect.zipRight(silence.watch(scopes), send(upstream, session, span, scopes))
      let reader: Reader<S, A, R> | undefined
      const opening = Effect.flatMap(
        sent,
        (response) =>
          Effect.flatMap(response.body(scopes.body), (body) => {
            const opened = reader = new Reader(upstream, session, request, response, body)
            return Effect.map(opened.pull, (parts): Connection<A, R> => ({
              first: parts ?? [],
              follow: (ending, scope) => opened.follow(ending, watch(session, opened, scopes, scope))
            }))
          })
      )
      const { firstToken } = session.timeouts
      const timed = firstToken === undefined ? opening : Effect.timeoutFail(opening, {
        duration: firstToken,
        onTimeout: () => timedOut(session, "firstToken", firstToken)
      })
      const close = (exit: Exit.Exit<unknown, unknown>) => reader?.isSpent === true ? Effect.void : leave(scopes, exit)
      return Effect.onExit(
        restore(timed),
        (exit) => {
          // From here on the limits of tokens hold.
          silence.stop()
          return Exit.isSuccess(exit) ? Scope.addFinalizerExit(parent, close) : close(exit)
        }
      )
    })
  )

/** Closes the connection of a stream that falls silent or takes too long; its reader then says which. */
const watch = <S, A, R>(
  session: HttpSession,
  reader: Reader<S, A, R>,
  scopes: Scopes,
  scope: Scope.Scope
): Effect.Effect<void> => {
  const { clock, timeouts } = session
  const between = timeouts.betweenTokens === undefined ? Infinity : Duration.toMillis(timeouts.betweenTokens)
  const total = timeouts.total === undefined ? Infinity : Duration.toMillis(timeouts.total)
  if (between === Infinity && total === Infinity) return Effect.void
  const spent = Number((clock.unsafeCurrentTimeNanos() - session.startedAt) / 1_000_000n)
  const end = clock.unsafeCurrentTimeMillis() + total - spent
  let cancel = () => {}
  const look: Effect.Effect<void> = Effect.suspend(() => {
    const now = clock.unsafeCurrentTimeMillis()
    const silentUntil = (reader.waitingSince ?? now) + between
    const until = Math.min(silentUntil, end)
    if (now < until) {
      return Effect.map(later(scope, until - now, look), (stop) => {
        cancel = stop
      })
    }
    reader.expired = end <= silentUntil ? "total" : "betweenTokens"
    return disconnect(scopes)
  })
  return Effect.zipRight(Scope.addFinalizer(scope, Effect.sync(() => cancel())), look)
}
