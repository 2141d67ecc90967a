/**
 * What every provider has in common: retries, timeouts, spans and metrics around the tries of a call. A driver brings
 * the wire; this makes a service of it.
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import type * as Tracer from "effect/Tracer"
import type { Request, Service, Settings } from "../../LLM.ts"
import * as LLMError from "../../LLMError.ts"
import type * as Response from "../../Response.ts"
import * as http from "../http/client.ts"
import * as headers from "../http/headers.ts"
import * as json from "../json/values.ts"
import type { Completion } from "./completion.ts"
import type { Driver } from "./driver.ts"
import { repairPrompt } from "./repair.ts"
import { failed, gatewayHeaders, type Host, makeBase, malformed, newCompletion, open, type Session } from "./session.ts"
import { settle } from "./settle.ts"
import { streamed } from "./streaming.ts"
import * as telemetry from "./telemetry.ts"
import { type Attempt, limited, readText, record, retried, send, spanOptions } from "./tries.ts"

const defaultLimits = { maxResponseBytes: 64 * 1024 * 1024, maxEventBytes: 10 * 1024 * 1024 }

export const make = <S>(
  driver: Driver<S>,
  settings: Settings
): Effect.Effect<Service, LLMError.ConfigurationError, HttpClient.HttpClient> =>
  Effect.gen(function*() {
    const client = http.prepare(yield* HttpClient.HttpClient, {
      spans: settings.httpSpans ?? false,
      secretHeaders: Object.keys(driver.auth)
    })
    const optIn = yield* Effect.orElseSucceed(Config.string("OTEL_SEMCONV_STABILITY_OPT_IN"), () => "")
    const fixed = headers.merge(
      Object.fromEntries(Object.entries(driver.auth).map(([name, value]) => [name, Redacted.value(value)])),
      driver.headers,
      settings.defaultHeaders
    )
    if (fixed._tag === "Invalid") {
      return yield* new LLMError.ConfigurationError({
        provider: driver.provider,
        description: `the header ${fixed.header} cannot be sent: ${fixed.message}`
      })
    }
    const gateway = gatewayHeaders(driver)
    const url = driver.url(false)
    return makeService({
      driver,
      settings,
      client: HttpClient.withScope(client),
      fixedHeaders: fixed.headers,
      bases: {
        single: makeBase(url, false, fixed.headers, gateway),
        stream: makeBase(driver.url(true), true, fixed.headers, gateway)
      },
      limits: {
        maxResponseBytes: settings.maxResponseBytes ?? defaultLimits.maxResponseBytes,
        maxEventBytes: settings.maxEventBytes ?? defaultLimits.maxEventBytes
      },
      telemetry: telemetry.make({
        provider: driver.provider,
        model: driver.model,
        url: new URL(url),
        latest: optIn.split(",").includes(telemetry.optIn),
        captureContent: settings.captureContent ?? false
      })
    })
  })

const makeService = <S>(host: Host<S>): Service => ({
  provider: host.driver.provider,
  model: host.driver.model,
  generate: (request) =>
    telemetry.withSpan("LLM.generate", () => spanOptions(host, request, false), (span) =>
      Effect.onExit(
        Effect.flatMap(
          open(host, request, false),
          (session) => limited(session, answered(host, session, request, span))
        ),
        (exit) => record(host, span, exit)
      )),
  stream: (request) => streamed(host, request)
})

/** The tries of an answer; one that does not match is asked again with what is wrong, as often as the caller says. */
const answered = <S, A, R>(
  host: Host<S>,
  session: Session,
  request: Request<A, R>,
  span: Tracer.Span | undefined
): Effect.Effect<Response.Response<A>, LLMError.LLMError, R> => {
  const tries = retried(host, session, span, (attempt) => single(host, session, request, attempt))
  const { repair = 0 } = request
  if (repair === 0) return tries
  return Effect.catchTag(tries, "ResponseParsingError", (error) => {
    if (error.reason !== "Mismatch" && error.reason !== "NotJson") return Effect.fail(error)
    const mended = { ...request, repair: repair - 1, prompt: repairPrompt(request.prompt, error) }
    return Effect.flatMap(open(host, mended, false, session), (next) => answered(host, next, mended, span))
  })
}

const single = <S, A, R>(
  host: Host<S>,
  session: Session,
  request: Request<A, R>,
  attempt: Attempt
): Effect.Effect<Response.Response<A>, LLMError.LLMError, R> =>
  Effect.flatMap(received(host, session, attempt), ({ response, text }) => {
    const completion = newCompletion(session, false)
    const failure = readWhole(host, session, response, text, completion)
    return failure === undefined
      ? settle(session, request, completion, response, attempt.startedAt)
      : Effect.fail(failure)
  })

/** Sends and reads; the connection is given up when nothing is heard for too long. */
const received = <S>(
  host: Host<S>,
  session: Session,
  attempt: Attempt
): Effect.Effect<{ readonly response: http.Received; readonly text: string }, LLMError.LLMError> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(Scope.make(), (sending) => {
      const { silence } = attempt
      const exchange = Effect.flatMap(
        Scope.extend(send(host, session, attempt), sending),
        (response) => Effect.map(readText(host, session, response, attempt), (text) => ({ response, text }))
      )
      return Effect.onExit(
        Effect.zipRight(silence.watch({ request: sending }), restore(exchange)),
        (exit) => {
          silence.stop()
          return Scope.close(sending, exit)
        }
      )
    })
  )

/** Reads a whole body into the completion, or says why it is none. */
const readWhole = <S>(
  { driver: { wire } }: Host<S>,
  session: Session,
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
