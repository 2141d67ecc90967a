/** From what passed to its row: what it was, how it ended, what it took. */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { IncomingMessage } from "node:http"
import * as Cost from "../../Cost.ts"
import { clip } from "../../internal/bytes/clip.ts"
import type { Completion } from "../../internal/call/completion.ts"
import * as pricing from "../../internal/call/price.ts"
import { finishReasonOf, verdictOn } from "../../internal/call/settle.ts"
import { requestIdOf, toLLMError } from "../../internal/http/errors.ts"
import { scrub } from "../../internal/http/secrets.ts"
import * as LLMError from "../../LLMError.ts"
import { ofEnd } from "../../logging/internal/rows.ts"
import type * as Logging from "../../logging/Logging.ts"
import * as Output from "../../Output.ts"
import type { Service as Pricing } from "../../Pricing.ts"
import type { Known } from "./admission/admission.ts"
import * as headers from "./headers.ts"
import type { Meter } from "./meter.ts"
import { errorTypes, type Refusal } from "./refusal.ts"
import type { Ending, Relay } from "./relay.ts"
import type { Served } from "./unified.ts"

export interface Exchange {
  readonly id: string
  readonly request: IncomingMessage
  readonly labels: Readonly<Record<string, string>>
  /** Ms since the epoch. */
  readonly startedAt: number
  /** Of the monotonic clock, ms. */
  readonly start: number
  readonly known: Known
}

/** How it ended. */
export type End =
  /** The gateway itself answered. */
  | { readonly _tag: "Refused"; readonly refusal: Refusal }
  /** What can be asked for was told. */
  | { readonly _tag: "Listed"; readonly bytesOut: number }
  /** An LLM answered. */
  | Served
  | { readonly _tag: "Relayed"; readonly relay: Relay; readonly ending: Ending; readonly refusal: Refusal | undefined }

interface Outcome {
  readonly status: "success" | "error" | "cancelled"
  readonly errorType?: string | undefined
  readonly errorMessage?: string | undefined
}

const refusedBy = (refusal: Refusal): Outcome => ({
  status: "error",
  errorType: errorTypes[refusal.code],
  errorMessage: refusal.message
})

/** What an answer that came says, by its status or in itself. */
const answered = (exchange: Exchange, meter: Meter, status: number): Outcome => {
  const { known, startedAt } = exchange
  const { failure } = meter.completion
  const facts = status >= 400 ? meter.error ?? {} : failure
  if (facts !== undefined) {
    const error = toLLMError({
      provider: known.target?.upstream.provider ?? "unknown",
      model: known.model ?? "unknown",
      status,
      facts,
      headers: meter.headers,
      now: startedAt,
      scrub: (text) => scrub(text, known.secrets)
    })
    return { status: "error", errorType: LLMError.tagOf(error), errorMessage: error.message }
  }
  const { completion } = meter
  if (!meter.reads || meter.problem !== undefined) return { status: "success" }
  if (meter.isStream && !meter.isComplete) {
    return {
      status: "error",
      errorType: "Transport",
      errorMessage: "the stream ended before the answer was complete"
    }
  }
  // Embeddings and the like have nothing to judge.
  if (completion.isSilent) return { status: "success" }
  const verdict = verdictOn(completion, askedForText, {
    provider: known.target?.upstream.provider ?? "unknown",
    model: known.model ?? "unknown",
    status
  })
  return verdict === undefined
    ? { status: "success" }
    : { status: "error", errorType: LLMError.tagOf(verdict), errorMessage: verdict.message }
}

const askedForText = { prompt: "", output: Output.text }

const outcomeOf = (exchange: Exchange, end: End): Outcome => {
  if (end._tag === "Refused") return refusedBy(end.refusal)
  if (end._tag !== "Relayed") return { status: "success" }
  const { ending, refusal, relay } = end
  const { meter, status } = relay
  // Who has the last event, with everything in it, need not wait for the end.
  if (ending._tag !== "Ended" && !(meter?.isComplete === true && meter.completion.usage !== undefined)) {
    if (ending._tag === "Left") return { status: "cancelled" }
    if (refusal !== undefined) return refusedBy(refusal)
  }
  return meter === undefined || status === undefined ? { status: "error" } : answered(exchange, meter, status)
}

/** Whether a model may have been paid for more than what is known. */
const isPartial = (exchange: Exchange, end: End, outcome: Outcome): boolean => {
  if (end._tag !== "Relayed") return false
  const { meter, status } = end.relay
  const { method } = exchange.request
  if (status !== undefined && status >= 400) return false
  if (method === "GET" || method === "HEAD" || method === "DELETE" || method === "OPTIONS") return false
  // A connection that was never made was never billed.
  if (status === undefined) return end.ending._tag === "Left" || end.refusal?.code === "upstream_timeout"
  return meter === undefined || meter.completion.usage === undefined || outcome.status !== "success"
}

/** A quarter of the bytes, where they are text: what a picture takes, its bytes do not say. */
const estimate = ({ body, target }: Known): number | undefined =>
  body === undefined || target?.wire === undefined || body.includes("base64") ? undefined : Math.ceil(body.length / 4)

const seconds = (exchange: Exchange, at: number | undefined): number | undefined =>
  at === undefined ? undefined : (at - exchange.start) / 1000

const cleanOf = ({ secrets }: Known) => (text: string | undefined): string | undefined =>
  text === undefined ? undefined : scrub(text, secrets)

const metadataOf = ({ degraded, secrets }: Known, labels: Readonly<Record<string, string>>): Record<string, string> => {
  const found = Object.entries(labels).map(([name, value]): [string, string] => [name, scrub(value, secrets)])
  if (degraded !== undefined) found.push(["Degraded", degraded.rule])
  return Object.fromEntries(found)
}

/** What every row says of who asked, and for what. */
const askedOf = (
  { known, request }: Exchange,
  labels: Readonly<Record<string, string>>
) => {
  const clean = cleanOf(known)
  return {
    metadata: metadataOf(known, labels),
    requestPath: clean((request.url ?? "").split("?", 1)[0]),
    requestMethod: request.method,
    traceId: clean(headers.ownHeader(request, "x-majordomo-trace-id")),
    spanPath: clean(headers.ownHeader(request, "x-majordomo-span-path")),
    spanName: clean(headers.ownHeader(request, "x-majordomo-span-name")),
    client: clean(headers.ownHeader(request, "x-majordomo-client") ?? request.headers["user-agent"]),
    bytesIn: known.bytesIn
  }
}

/** What it cost; none where that is not known, or said by the row of a call. */
export const priceOf = (
  exchange: Exchange,
  end: End,
  at: { readonly pricing: Pricing; readonly clock: Clock.Clock }
): Effect.Effect<Option.Option<Cost.Cost>> => {
  const { known: { model, target } } = exchange
  const completion = completionOf(end)
  if (completion === undefined || target === undefined) return Effect.succeedNone
  const { prices, provider } = target.upstream
  return pricing.priceOf(
    { provider, model: model ?? "unknown", prices, pricing: at.pricing, clock: at.clock },
    completion
  )
}

const completionOf = (end: End): Completion | undefined =>
  end._tag === "Relayed" && end.relay.meter?.reads === true ? end.relay.meter.completion : undefined

export const entryOf = (
  exchange: Exchange,
  end: End,
  at: { readonly price: Option.Option<Cost.Cost>; readonly now: number; readonly statusCode: number }
): Logging.Recorded => {
  if (end._tag === "Served") return servedEntryOf(exchange, end, at)
  const { id, known, request, startedAt } = exchange
  const { model, target } = known
  const relay = end._tag === "Relayed" ? end.relay : undefined
  const completion = completionOf(end)
  const upstream = target?.upstream
  const outcome = outcomeOf(exchange, end)
  const partial = isPartial(exchange, end, outcome)
  const usage = completion?.usage
  const cost = Option.getOrUndefined(at.price)?.exact
  const clean = cleanOf(known)
  const provider = upstream?.provider ?? "majordomo"
  const duration = (at.now - exchange.start) / 1000
  const asked = clean(known.degraded?.from ?? model) ?? (request.method === "POST" ? "unknown" : "none")
  const answering = clean(completion?.model ?? model) ?? asked
  const { bytesIn, client, metadata, requestMethod, requestPath, spanName, spanPath, traceId } = askedOf(
    exchange,
    exchange.labels
  )
  return {
    requestId: id,
    kind: "call",
    provider,
    model: answering,
    requestedModel: asked,
    timestamp: startedAt,
    responseTime: duration,
    timeToFirstToken: relay?.meter?.isStream === true ? seconds(exchange, relay.firstContentAt) : undefined,
    timeToFirstByte: seconds(exchange, relay?.firstByteAt),
    inputTokens: usage?.inputTokens ?? 0,
    outputTokens: usage?.outputTokens ?? 0,
    cachedTokens: usage?.cachedInputTokens ?? 0,
    cacheCreationTokens: usage?.cacheCreationTokens ?? 0,
    reasoningTokens: usage?.reasoningTokens ?? 0,
    usagePartial: partial,
    inputCost: cost === undefined ? undefined : Cost.amountToString(cost.input),
    outputCost: cost === undefined ? undefined : Cost.amountToString(cost.output),
    toolUseCost: cost === undefined ? undefined : Cost.amountToString(cost.tools),
    totalCost: cost === undefined ? undefined : Cost.amountToString(cost.total),
    status: outcome.status,
    errorType: outcome.errorType,
    errorMessage: outcome.errorMessage === undefined
      ? clean(relay?.meter?.problem)
      : clip(scrub(outcome.errorMessage, known.secrets), 4000),
    finishReason: completion?.finishReason === undefined ? undefined : finishReasonOf(completion),
    streamed: relay?.meter?.isStream ?? known.streams,
    attempts: relay === undefined || upstream === undefined ? [] : [{
      provider,
      model: answering,
      duration,
      error: outcome.status === "success" ? undefined : outcome.errorType ?? "Interrupted",
      status: relay.status,
      requestId: clean(requestIdOf(relay.meter?.headers ?? {}))
    }],
    apiKeyHash: known.credentialHash,
    apiKeyAlias: known.credentialAlias,
    bytesOut: end._tag === "Listed" ? end.bytesOut : relay?.bytesOut ?? 0,
    estimatedInputTokens: partial && usage === undefined ? estimate(known) : undefined,
    metadata,
    majordomoApiKeyId: known.key?.id,
    requestPath,
    requestMethod,
    statusCode: at.statusCode,
    traceId,
    spanPath,
    spanName,
    client,
    bytesIn
  }
}

/** The row of a call, with what the gateway knows of who asked for it. */
const servedEntryOf = (
  exchange: Exchange,
  { bytesOut, end, firstByteAt, streams }: Served,
  at: { readonly now: number; readonly statusCode: number }
): Logging.Recorded => {
  const { id, known, startedAt } = exchange
  const clean = cleanOf(known)
  const call = end === undefined ? undefined : ofEnd(end, {})
  const asked = clean(known.degraded?.from ?? known.model) ?? "unknown"
  const own = {
    requestId: id,
    requestedModel: asked,
    timestamp: startedAt,
    responseTime: (at.now - exchange.start) / 1000,
    timeToFirstByte: seconds(exchange, firstByteAt),
    streamed: streams,
    errorMessage: clean(call?.errorMessage),
    apiKeyHash: call?.apiKeyHash ?? known.credentialHash,
    apiKeyAlias: call?.apiKeyAlias ?? known.credentialAlias,
    majordomoApiKeyId: known.key?.id,
    statusCode: at.statusCode,
    bytesOut
  }
  const row: Logging.Recorded = call ??
    { kind: "call", provider: "majordomo", model: asked, status: "cancelled", usagePartial: false }
  return Object.assign({}, row, own, askedOf(exchange, call?.metadata ?? exchange.labels))
}

/** The bodies as they are stored: JSON, or a text with what is none. */
export const bodiesOf = (exchange: Exchange, copy: ReadonlyArray<Buffer>): Logging.RecordedBodies => {
  const { known } = exchange
  const asJson = (bytes: Buffer | undefined): string => {
    const text = scrub((bytes ?? Buffer.alloc(0)).toString("utf8"), known.secrets)
    try {
      JSON.parse(text)
      return text
    } catch {
      return JSON.stringify(text)
    }
  }
  return {
    request: asJson(known.body),
    response: copy.length === 0 ? undefined : asJson(Buffer.concat(copy))
  }
}
