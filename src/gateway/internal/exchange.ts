/**
 * One request, from its first line to its row: admitted or refused, relayed, metered, recorded. Every route of the
 * gateway's public address comes through here, and each leaves one row however it ends.
 */
import * as Headers from "@effect/platform/Headers"
import * as HttpTraceContext from "@effect/platform/HttpTraceContext"
import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type { IncomingMessage, ServerResponse } from "node:http"
import type { Dispatcher } from "undici"
import { flatMapNow } from "../../internal/call/runtime.ts"
import { uuidv7 } from "../../internal/call/uuid.ts"
import { exceptionPrefix } from "../../internal/http/eventStream.ts"
import { encode } from "../../internal/http/eventStreamFrame.ts"
import type * as Logging from "../../logging/Logging.ts"
import type { Service as Pricing } from "../../Pricing.ts"
import type { Bodies } from "../ApiKeys.ts"
import type { Known, Listed, Passed, Settings as Admission, Unified } from "./admission/admission.ts"
import { admit } from "./admission/admit.ts"
import { degraded } from "./degrade.ts"
import * as gate from "./limits/gate.ts"
import * as listing from "./listing.ts"
import { Meter } from "./meter.ts"
import * as metrics from "./metrics.ts"
import type { Names } from "./models/names.ts"
import { bodiesOf, type End, entryOf, type Exchange, priceOf } from "./record.ts"
import { amazonException, answerOf, eventOf, type Refusal } from "./refusal.ts"
import { type Ending, Relay } from "./relay.ts"
import * as unifying from "./unified.ts"
import type { Upstream } from "./upstreams.ts"

export interface Settings {
  readonly admission: Omit<Admission, "names">
  /** What can be asked for now: a request goes by it to its end. */
  readonly names: () => Names
  readonly limits: gate.Gate
  readonly logging: Pick<Logging.Service, "record">
  readonly pricing: Pricing
  readonly dispatcherOf: (upstream: Upstream) => Dispatcher
  readonly isDurable: boolean
  /** Which bodies are kept where a key says nothing of it; undefined: there is no place for any. */
  readonly bodies: Bodies | undefined
  readonly labelsOf: (request: IncomingMessage) => Readonly<Record<string, string>>
  /** A client that takes nothing for so long is gone, ms. */
  readonly patience: number
  /** On every answer. */
  readonly headersOf: (request: IncomingMessage) => Readonly<Record<string, string>>
  readonly accessLog: ((line: string) => void) | undefined
  readonly remoteOf: (request: IncomingMessage) => string | undefined
  readonly clock: Clock.Clock
  /** Somebody looks at spans. */
  readonly isTraced: boolean
}

const maxKeptBytes = 1024 * 1024

export const make = (
  settings: Settings
): (request: IncomingMessage, response: ServerResponse) => Effect.Effect<void> => {
  let admission: Admission | undefined
  /** A request goes to its end by the names that it began with. */
  const admissionNow = (): Admission => {
    const names = settings.names()
    return admission?.names === names ? admission : admission = { ...settings.admission, names }
  }
  return (request, response) => {
    const handled = Effect.uninterruptibleMask((restore) => {
      const { clock, limits } = settings
      const startedAt = clock.unsafeCurrentTimeMillis()
      const known: Known = {
        dialect: "openai",
        target: undefined,
        key: undefined,
        model: undefined,
        streams: false,
        credentialHash: undefined,
        credentialAlias: undefined,
        secrets: [],
        bytesIn: undefined,
        body: undefined,
        isWithheld: false,
        lease: undefined,
        degraded: undefined
      }
      const exchange: Exchange = {
        id: uuidv7(startedAt),
        request,
        labels: settings.labelsOf(request),
        startedAt,
        start: performance.now(),
        known
      }
      const one = new One(settings, exchange, response)
      const admission = admissionNow()
      const mayGo = Effect.flatMap(
        admit(admission, request, known),
        (allowed) => limits.admit(exchange, allowed, (name) => degraded(admission, request, known, allowed, name))
      )
      return Effect.matchCauseEffect(restore(mayGo), {
        onFailure: (cause) => {
          const refused = Cause.failureOrCause(cause)
          if (Either.isLeft(refused)) return one.refuse(refused.left)
          return Cause.isInterrupted(cause)
            ? one.refuse(stopping)
            : Effect.zipRight(one.refuse(broken), Effect.logError("the gateway failed", cause))
        },
        onSuccess: (allowed) => {
          switch (allowed._tag) {
            case "Passed":
              return one.relay(allowed, restore)
            case "Unified":
              return one.serve(allowed, restore)
            case "Listed":
              return one.list(allowed)
          }
        }
      })
    })
    if (!settings.isTraced) return handled
    const { traceparent } = request.headers
    const parent = typeof traceparent === "string"
      ? Option.getOrUndefined(HttpTraceContext.fromHeaders(Headers.fromInput({ traceparent })))
      : undefined
    return Effect.withSpan(handled, "Gateway.request", {
      kind: "server",
      root: parent === undefined,
      parent,
      captureStackTrace: false
    })
  }
}

const stopping: Refusal = {
  status: 503,
  code: "gateway_unavailable",
  message: "the gateway is stopping; try again",
  headers: { "retry-after": "1", connection: "close" }
}
const broken: Refusal = {
  status: 500,
  code: "gateway_unavailable",
  message: "the gateway failed on this request, and its log says how; nothing was sent to the provider"
}

type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

class One {
  private readonly settings: Settings
  private readonly exchange: Exchange
  private readonly response: ServerResponse

  constructor(settings: Settings, exchange: Exchange, response: ServerResponse) {
    this.settings = settings
    this.exchange = exchange
    this.response = response
  }

  /** Which bodies of this request are kept. */
  private get bodies(): Bodies {
    const { exchange: { known }, settings } = this
    return settings.bodies === undefined || known.isWithheld ? "none" : known.key?.bodies ?? settings.bodies
  }

  private readonly headers = (): Readonly<Record<string, string>> => {
    const { exchange: { id, known, request }, settings } = this
    return Object.assign(
      { "x-majordomo-request-id": id },
      gate.headersOf(known, settings.clock.unsafeCurrentTimeMillis()),
      settings.headersOf(request)
    )
  }

  /** The gateway's own answer. */
  refuse(refusal: Refusal): Effect.Effect<void> {
    return this.recorded({ _tag: "Refused", refusal }, refusal.status, () => this.answer(refusal))
  }

  private answer(refusal: Refusal): void {
    const { exchange: { id, known, request }, response } = this
    if (response.headersSent || response.destroyed) return
    const { body, headers } = answerOf(known.dialect, refusal, id)
    response.writeHead(refusal.status, {
      ...headers,
      "content-length": String(Buffer.byteLength(body)),
      ...this.headers()
    })
    response.end(request.method === "HEAD" ? undefined : body)
  }

  relay(admitted: Passed, restore: Restore): Effect.Effect<void> {
    const { exchange, response, settings } = this
    const { body, headers, path, target, withoutUsage } = admitted
    const { upstream } = target
    const relay = new Relay({
      response,
      outgoing: { origin: upstream.origin, path, method: exchange.request.method ?? "GET", headers, body },
      dispatcher: settings.dispatcherOf(upstream),
      meterOf: (status, headers) =>
        new Meter({
          wire: target.wire,
          provider: upstream.provider,
          model: exchange.known.model ?? "unknown",
          status,
          headers
        }),
      withoutUsage,
      holdsLast: settings.isDurable,
      keepsBytes: this.bodies === "none" ? 0 : maxKeptBytes,
      patience: settings.patience,
      now: () => performance.now(),
      headers: this.headers,
      canRetry: body === undefined || Buffer.isBuffer(body)
    })
    return Effect.matchCauseEffect(restore(relay.run), {
      onFailure: () => {
        // Ended from outside: the client has part of an answer that nobody will complete.
        relay.stop()
        return this.relayed(admitted, relay, { _tag: "Left" })
      },
      onSuccess: (ending) => this.relayed(admitted, relay, ending)
    })
  }

  private relayed(admitted: Passed, relay: Relay, ending: Ending): Effect.Effect<void> {
    const { response } = this
    const refusal = ending._tag === "Broken" ? refusalOf(relay, admitted.target.upstream, ending.error) : undefined
    const statusCode = response.headersSent || refusal === undefined ? relay.status ?? 499 : refusal.status
    return this.recorded({ _tag: "Relayed", relay, ending, refusal }, statusCode, (headers) => {
      if (ending._tag === "Left") return
      if (refusal === undefined) relay.release(headers)
      else if (response.headersSent) relay.break(this.lastEvent(admitted, relay, refusal))
      else this.answer(refusal)
    })
  }

  /** What a client of this protocol understands as the end of a stream that failed. */
  private lastEvent({ target }: Passed, { meter, upstreamHeaders }: Relay, refusal: Refusal): Uint8Array | undefined {
    // Who has the whole answer needs no error behind it.
    if (meter === undefined || !meter.isStream || meter.isDone) return undefined
    if (String(upstreamHeaders["content-type"]).includes("vnd.amazon.eventstream")) {
      const { payload, type } = amazonException(refusal)
      return encode(exceptionPrefix + type, payload)
    }
    return Buffer.from(eventOf(target.wire, target.dialect, refusal, this.exchange.id))
  }

  /** An LLM answers. */
  serve(unified: Unified, restore: Restore): Effect.Effect<void> {
    const { exchange, response, settings } = this
    return unifying.answer({
      exchange,
      response,
      unified,
      patience: settings.patience,
      headers: this.headers,
      refuse: (refusal) => this.refuse(refusal),
      broken,
      record: (end, statusCode) => this.recorded(end, statusCode, () => {}),
      restore
    })
  }

  list({ offered, wanted }: Listed): Effect.Effect<void> {
    const { exchange, response, settings } = this
    return Effect.flatMap(listing.of(wanted, offered, settings.pricing, exchange.startedAt), (list) => {
      const body = JSON.stringify(list)
      return this.recorded({ _tag: "Listed", bytesOut: Buffer.byteLength(body) }, 200, () => {
        if (response.destroyed) return
        response.writeHead(200, { "content-type": "application/json", ...this.headers() })
        response.end(body)
      })
    })
  }

  /** Writes the row, and then answers; the answer's headers tell of it. */
  private recorded(
    end: End,
    statusCode: number,
    answer: (headers: Readonly<Record<string, string>>) => void
  ): Effect.Effect<void> {
    const { exchange, settings } = this
    const { clock, limits, logging, pricing } = settings
    const now = performance.now()
    return flatMapNow(priceOf(exchange, end, { pricing, clock }), (price) => {
      const entry = entryOf(exchange, end, { price, now, statusCode })
      const wanted = this.bodies
      const bodies = wanted === "all" || (wanted === "errors" && entry.status !== "success")
        ? bodiesOf(exchange, end._tag === "Relayed" ? end.relay.copy : [])
        : undefined
      metrics.count({
        provider: entry.provider,
        status: entry.status,
        seconds: entry.responseTime ?? 0,
        firstContent: entry.timeToFirstToken,
        inputTokens: entry.inputTokens ?? 0,
        outputTokens: entry.outputTokens ?? 0,
        costUsd: entry.totalCost === undefined ? undefined : Number(entry.totalCost),
        upstreamError: (end._tag === "Relayed" || end._tag === "Served") && entry.status === "error" ? entry.errorType
          : undefined
      })
      settings.accessLog?.(lineOf(entry, settings.remoteOf(exchange.request)))
      const { lease } = exchange.known
      const written = lease === undefined
        ? logging.record(entry, bodies)
        : Effect.flatMap(limits.settle(lease, end, entry), (row) => logging.record(row, bodies))
      return Effect.map(
        settings.isTraced ? Effect.zipRight(Effect.annotateCurrentSpan(attributesOf(entry)), written) : written,
        () => answer(entry.totalCost === undefined ? noHeaders : { "x-majordomo-cost": entry.totalCost })
      )
    })
  }
}

const noHeaders: Readonly<Record<string, string>> = {}

const timeouts: ReadonlySet<unknown> = new Set([
  "UND_ERR_CONNECT_TIMEOUT",
  "UND_ERR_HEADERS_TIMEOUT",
  "UND_ERR_BODY_TIMEOUT",
  "ETIMEDOUT"
])

/** What a client is told of a provider that did not answer, or not to the end. */
const refusalOf = (relay: Relay, { name }: Upstream, error: Error): Refusal => {
  const code = "code" in error ? error.code : undefined
  const said = typeof code === "string" ? ` (${code})` : ""
  if (relay.status !== undefined) {
    return {
      status: timeouts.has(code) ? 504 : 502,
      code: "stream_interrupted",
      message: `${name} broke off in the middle of its answer${said}: what came before is not all of it`
    }
  }
  return timeouts.has(code)
    ? { status: 504, code: "upstream_timeout", message: `${name} did not answer in time${said}` }
    : { status: 502, code: "upstream_unreachable", message: `${name} could not be reached, or gave no answer${said}` }
}

/** What a trace shows of a request. Source: OpenTelemetry semantic conventions, 1.40. */
const attributesOf = (entry: Logging.Recorded): Record<string, unknown> => ({
  "http.request.method": entry.requestMethod,
  "url.path": entry.requestPath,
  "http.response.status_code": entry.statusCode,
  "gen_ai.provider.name": entry.provider,
  "gen_ai.request.model": entry.requestedModel,
  "gen_ai.response.model": entry.model,
  "gen_ai.usage.input_tokens": entry.inputTokens,
  "gen_ai.usage.output_tokens": entry.outputTokens,
  "error.type": entry.errorType,
  "majordomo.request_id": entry.requestId,
  "majordomo.cost_usd": entry.totalCost
})

const lineOf = (entry: Logging.Recorded, remote: string | undefined): string =>
  JSON.stringify({
    time: new Date(entry.timestamp ?? 0).toISOString(),
    request: entry.requestId,
    remote,
    key: entry.majordomoApiKeyId,
    method: entry.requestMethod,
    path: entry.requestPath,
    status: entry.statusCode,
    outcome: entry.status,
    error: entry.errorType,
    provider: entry.provider,
    model: entry.model,
    seconds: round(entry.responseTime),
    firstByte: round(entry.timeToFirstByte),
    firstContent: round(entry.timeToFirstToken),
    bytesIn: entry.bytesIn,
    bytesOut: entry.bytesOut,
    inputTokens: entry.inputTokens,
    outputTokens: entry.outputTokens,
    cost: entry.totalCost,
    labels: entry.metadata
  })

const round = (seconds: number | undefined): number | undefined =>
  seconds === undefined ? undefined : Math.round(seconds * 1e6) / 1e6
