/**
 * What every provider has in common: retries, timeouts, spans and metrics around the tries of a call. A driver brings
 * the wire; this makes a service of it.
 */
import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpTraceContext from "@effect/platform/HttpTraceContext"
import * as Cause from "effect/Cause"
import * as Channel from "effect/Channel"
import * as Chunk from "effect/Chunk"
import * as Clock from "effect/Clock"
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as Tracer from "effect/Tracer"
import * as Cost from "../Cost.ts"
import type { Request, Service, Settings } from "../LLM.ts"
import * as LLMError from "../LLMError.ts"
import type * as Response from "../Response.ts"
import * as Retry from "../Retry.ts"
import * as Usage from "../Usage.ts"
import type { Completion } from "./completion.ts"
import type { Driver } from "./driver.ts"
import * as headers from "./headers.ts"
import * as http from "./http.ts"
import * as json from "./json.ts"
import { Reader } from "./reader.ts"
import { repairPrompt } from "./repair.ts"
import {
  failed,
  final,
  gatewayHeaders,
  type Host,
  httpFailed,
  makeBase,
  malformed,
  newCompletion,
  open,
  type Session,
  timedOut
} from "./session.ts"
import { settle } from "./settle.ts"
import * as telemetry from "./telemetry.ts"

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
      client,
      scopedClient: HttpClient.withScope(client),
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

const spanOptions = <S>(host: Host<S>, request: Request<unknown, unknown>, stream: boolean) => ({
  attributes: host.telemetry.requestAttributes(request, request.output.format.type, stream)
})

/** One try. */
interface Attempt {
  /** Undefined when nobody traces. */
  readonly span: Tracer.Span | undefined
  readonly startedAt: bigint
}

// ── one answer ──────────────────────────────────────────────────────────────────────────────────────────────────────

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
  Effect.flatMap(
    send(host, host.client, session, attempt),
    (response) =>
      Effect.flatMap(readText(host, session, response), (text) => {
        const completion = newCompletion(session, false)
        const failure = readWhole(host, session, response, text, completion)
        return failure === undefined
          ? settle(session, request, completion, response, attempt.startedAt)
          : Effect.fail(failure)
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
  return wire.isComplete(completion)
    ? undefined
    : malformed(session, response, `the JSON is not an answer of the ${wire.name} protocol`, text)
}

/** Sends the request; any status but a success is a failure. */
const send = <S, R>(
  host: Host<S>,
  client: HttpClient.HttpClient.With<HttpClientError.HttpClientError, R>,
  session: Session,
  attempt: Attempt
): Effect.Effect<http.Received, LLMError.LLMError, R> =>
  Effect.matchEffect(
    http.send(
      client,
      host.settings.propagateTrace === true && attempt.span !== undefined
        ? HttpClientRequest.setHeaders(session.httpRequest, HttpTraceContext.toHeaders(attempt.span))
        : session.httpRequest
    ),
    {
      onFailure: (failure) => Effect.fail(httpFailed(session, failure)),
      onSuccess: (response) =>
        response.status >= 200 && response.status < 300
          ? Effect.succeed(response)
          : Effect.flatMap(readText(host, session, response), (text) => {
            const facts = host.driver.wire.readError(json.parse(text), response.headers) ??
              { message: text.trim() === "" ? "no message" : textOfHtml(text) }
            return Effect.fail(failed(session, response, facts, text))
          })
    }
  )

/** A proxy's error page without its tags. */
const textOfHtml = (text: string): string =>
  /<html|<!doctype/i.test(text)
    ? text.replace(/<(script|style)[\s\S]*?<\/\1>/gi, " ").replace(/<[^>]+>/g, " ").replace(/\s+/g, " ").trim()
    : text

const readText = <S>(host: Host<S>, session: Session, response: http.Received) =>
  Effect.mapError(
    http.readText(response, host.limits.maxResponseBytes),
    (failure) => httpFailed(session, failure, response)
  )

// ── streams ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Opens the stream, tries again until the first content is there, then hands over what follows. */
const streamed = <S, A, R>(
  host: Host<S>,
  request: Request<A, R>
): Stream.Stream<Response.StreamPart<A>, LLMError.LLMError, R> =>
  Stream.fromChannel(Channel.unwrap(Effect.map(Scope.make(), (scope) => {
    const parts = Channel.unwrap(Effect.map(opened(host, request, scope), partsOf))
    return Channel.ensuringWith(parts, (exit) => Scope.close(scope, exit))
  })))

interface Opened<A, R> {
  readonly first: ReadonlyArray<Response.StreamPart<A>>
  readonly pull: Effect.Effect<ReadonlyArray<Response.StreamPart<A>> | undefined, LLMError.LLMError, R>
}

const opened = <S, A, R>(
  host: Host<S>,
  request: Request<A, R>,
  scope: Scope.CloseableScope
): Effect.Effect<Opened<A, R>, LLMError.LLMError, R> =>
  Effect.withFiberRuntime((fiber) => {
    const spanned = telemetry.isTraced(fiber)
      ? Scope.extend(
        Effect.makeSpanScoped("LLM.stream", { ...spanOptions(host, request, true), captureStackTrace: false }),
        scope
      )
      : Effect.succeed(undefined)
    return Effect.flatMap(spanned, (span) => {
      const fail = (error: LLMError.LLMError) => record(host, span, Exit.fail(error))
      const opening = Effect.flatMap(open(host, request, true), (session) =>
        Effect.flatMap(
          limited(
            session,
            retried(host, session, span, (attempt) => firstParts(host, session, request, attempt, scope))
          ),
          (connection) => following(host, session, span, connection, scope)
        ))
      return Effect.tapError(opening, fail)
    })
  })

/** A stream whose first content is there. */
interface Connection<S, A, R> {
  readonly reader: Reader<S, A, R>
  /** Ends the connection. */
  readonly request: Scope.CloseableScope
  /** Ends the reading of the body. */
  readonly body: Scope.CloseableScope
  readonly first: ReadonlyArray<Response.StreamPart<A>>
  readonly startedAt: bigint
}

/** One try of a stream: up to its first content. A failure closes its connection. */
const firstParts = <S, A, R>(
  host: Host<S>,
  session: Session,
  request: Request<A, R>,
  attempt: Attempt,
  parent: Scope.Scope
): Effect.Effect<Connection<S, A, R>, LLMError.LLMError, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(Effect.zip(Scope.make(), Scope.make()), ([sending, reading]) => {
      const opening = Effect.flatMap(
        Scope.extend(send(host, host.scopedClient, session, attempt), sending),
        (response) =>
          Effect.flatMap(
            Reader.open(host, session, request, response, reading, attempt.startedAt),
            (reader) =>
              Effect.map(reader.pull, (parts): Connection<S, A, R> => ({
                reader,
                request: sending,
                body: reading,
                first: parts ?? [],
                startedAt: attempt.startedAt
              }))
          )
      )
      const { firstToken } = session.timeouts
      const timed = firstToken === undefined ? opening : Effect.timeoutFail(opening, {
        duration: firstToken,
        onTimeout: () => timedOut(session, "firstToken", firstToken)
      })
      const close = (exit: Exit.Exit<unknown, unknown>) =>
        Effect.zipRight(Scope.close(reading, exit), Scope.close(sending, exit))
      return Effect.onExit(
        restore(timed),
        (exit) => Exit.isSuccess(exit) ? Scope.addFinalizerExit(parent, close) : close(exit)
      )
    })
  )

/** What comes after the first content: watched, recorded, never tried again. */
const following = <S, A, R>(
  host: Host<S>,
  session: Session,
  span: Tracer.Span | undefined,
  connection: Connection<S, A, R>,
  scope: Scope.Scope
): Effect.Effect<Opened<A, R>> => {
  const { first, reader, startedAt } = connection
  const finished = (parts: ReadonlyArray<Response.StreamPart<A>> | undefined) => {
    const last = parts?.[parts.length - 1]
    return last?._tag === "Finish" ? last.response : undefined
  }
  const pull = Effect.matchEffect(reader.pull, {
    onFailure: (error) => {
      failedAttempt(session, error, startedAt)
      const failure = final(session, error)
      return Effect.zipRight(record(host, span, Exit.fail(failure)), Effect.fail(failure))
    },
    onSuccess: (parts) => {
      const response = finished(parts)
      return response === undefined
        ? Effect.succeed(parts)
        : Effect.as(record(host, span, Exit.succeed(response)), parts)
    }
  })
  const response = finished(first)
  if (response !== undefined) return Effect.as(record(host, span, Exit.succeed(response)), { first, pull })
  let watched = false
  return Effect.succeed({
    first,
    // The first token does not wait for its watchdog.
    pull: Effect.suspend(() => {
      if (watched) return pull
      watched = true
      return Effect.zipRight(watch(session, connection, scope), pull)
    })
  })
}

const partsOf = <A, R>({ first, pull }: Opened<A, R>) => {
  type Loop = Channel.Channel<
    Chunk.Chunk<Response.StreamPart<A>>,
    unknown,
    LLMError.LLMError,
    unknown,
    unknown,
    unknown,
    R
  >
  const write = (parts: ReadonlyArray<Response.StreamPart<A>> | undefined): Loop =>
    parts === undefined ? Channel.void : Channel.flatMap(Channel.write(Chunk.unsafeFromArray(parts)), () => loop)
  const loop: Loop = Channel.flatMap(Channel.fromEffect(pull), write)
  return write(first)
}

// Time of the machine, not of the program: a connection is waited for.
const abortLimit = "100 millis"
const liveClock = Clock.make()

/** Closes the connection of a stream that falls silent or takes too long; its reader then says which. */
const watch = <S, A, R>(
  session: Session,
  { body, reader, request }: Connection<S, A, R>,
  scope: Scope.Scope
): Effect.Effect<void> => {
  const { clock, timeouts } = session
  const between = timeouts.betweenTokens === undefined ? Infinity : Duration.toMillis(timeouts.betweenTokens)
  const total = timeouts.total === undefined ? Infinity : Duration.toMillis(timeouts.total)
  if (between === Infinity && total === Infinity) return Effect.void
  const spent = Number((clock.unsafeCurrentTimeNanos() - session.startedAt) / 1_000_000n)
  const end = clock.unsafeCurrentTimeMillis() + total - spent
  const check: Effect.Effect<void> = Effect.suspend(() => {
    const now = clock.unsafeCurrentTimeMillis()
    const silentUntil = (reader.waitingSince ?? now) + between
    const until = Math.min(silentUntil, end)
    if (now < until) return Effect.zipRight(Effect.sleep(until - now), check)
    reader.expired = end <= silentUntil ? "total" : "betweenTokens"
    // The abort wakes the reader, which fails. A client that ignores the abort is woken by the end of its body.
    return Effect.zipRight(
      Scope.close(request, Exit.void),
      Effect.zipRight(Effect.withClock(Effect.sleep(abortLimit), liveClock), Scope.close(body, Exit.void))
    )
  })
  return Effect.asVoid(Effect.forkIn(check, scope))
}

// ── tries ───────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Bounds all tries and the waits between them. */
const limited = <A, R>(
  session: Session,
  tries: Effect.Effect<A, LLMError.LLMError, R>
): Effect.Effect<A, LLMError.LLMError, R> => {
  const { total } = session.timeouts
  return total === undefined
    ? tries
    : Effect.timeoutFail(tries, {
      duration: total,
      onTimeout: () => {
        const error = timedOut(session, "total", total)
        // The try that was running ends here; between two tries there is none.
        if (session.tryingSince !== undefined) failedAttempt(session, error, session.tryingSince)
        return final(session, error)
      }
    })
}

/** Tries, each in its span, until one answers or the policy has enough. */
const retried = <S, A, R>(
  host: Host<S>,
  session: Session,
  parent: Tracer.Span | undefined,
  attempt: (attempt: Attempt) => Effect.Effect<A, LLMError.LLMError, R>
): Effect.Effect<A, LLMError.LLMError, R> => {
  const tried = (span: Tracer.Span | undefined) =>
    Effect.suspend(() => {
      const startedAt = session.clock.unsafeCurrentTimeNanos()
      session.tryingSince = startedAt
      return Effect.tapError(attempt({ span, startedAt }), (error) =>
        Effect.sync(() => {
          if (span !== undefined) host.telemetry.onError(span, error)
          failedAttempt(session, error, startedAt)
        }))
    })
  const once = parent === undefined
    ? tried(undefined)
    : Effect.useSpan(host.telemetry.spanName, { parent, kind: "client", captureStackTrace: false }, tried)
  const again = (
    error: LLMError.LLMError,
    driver: Schedule.ScheduleDriver<unknown, LLMError.LLMError> | undefined
  ): Effect.Effect<A, LLMError.LLMError, R> => {
    const giveUp = Effect.suspend(() => Effect.fail(final(session, error)))
    if (!error.isRetryable) return giveUp
    if (driver === undefined) {
      return Effect.flatMap(Schedule.driver(host.settings.retry ?? Retry.standard), (driver) => again(error, driver))
    }
    return Effect.matchEffect(driver.next(error), {
      onFailure: () => giveUp,
      onSuccess: () => Effect.catchAll(once, (next) => again(next, driver))
    })
  }
  return Effect.catchAll(once, (error) => again(error, undefined))
}

const failedAttempt = (session: Session, error: LLMError.LLMError, startedAt: bigint): void => {
  session.tryingSince = undefined
  session.attempts.push({
    provider: session.call.provider,
    model: session.call.model,
    duration: Duration.nanos(session.clock.unsafeCurrentTimeNanos() - startedAt),
    error: LLMError.tagOf(error),
    status: error.status,
    requestId: error.requestId
  })
  if ("usage" in error && error.usage !== undefined) session.usage = Usage.add(session.usage, error.usage)
  if ("cost" in error && error.cost !== undefined) session.cost = Cost.add(session.cost, error.cost)
}

const record = <S, A>(
  host: Host<S>,
  span: Tracer.Span | undefined,
  exit: Exit.Exit<Response.Response<A>, LLMError.LLMError>
): Effect.Effect<void> =>
  Effect.suspend(() => {
    if (Exit.isSuccess(exit)) {
      if (span !== undefined) host.telemetry.onResponse(span, exit.value)
      return host.telemetry.record({ duration: exit.value.duration, response: exit.value })
    }
    const failure = Exit.causeOption(exit).pipe(Option.flatMap(Cause.failureOption))
    if (Option.isNone(failure)) return Effect.void
    if (span !== undefined) host.telemetry.onError(span, failure.value)
    const total = failure.value.attempts.reduce((sum, attempt) => sum + Duration.toMillis(attempt.duration), 0)
    return host.telemetry.record({ duration: Duration.millis(total), error: LLMError.tagOf(failure.value) })
  })
