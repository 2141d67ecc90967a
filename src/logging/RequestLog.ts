/**
 * Where the rows of calls go: one interface, any number of sinks. A row is plain JSON data, so that a spool, a database
 * and a test see the same.
 *
 * @since 0.1.0
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as fanning from "./internal/fanOut.ts"

/**
 * One try of a call, as a row keeps it.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Attempt = Schema.Struct({
  provider: Schema.String,
  model: Schema.String,
  /** Seconds. */
  duration: Schema.Number,
  /** What went wrong (`"RateLimited"`); absent on the try that answered. */
  error: Schema.optional(Schema.String),
  /** HTTP status. */
  status: Schema.optional(Schema.Number),
  /** The provider's id of the request. */
  requestId: Schema.optional(Schema.String)
})

/**
 * @since 0.1.0
 * @category models
 */
export type Attempt = typeof Attempt.Type

const TokenCount = Schema.NonNegativeInt

// Exact: a double would round what is billed.
const Decimal = Schema.String.pipe(Schema.pattern(/^-?\d+(\.\d+)?$/))

/**
 * What a replica of the gateway had spent of a budget when a call was settled: a sum from its beginning, so that the same
 * may be booked twice, and the last of several is enough.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Booking = Schema.Struct({
  account: Schema.String,
  /** Of the budget's day or month, ms since the epoch. */
  starts: Schema.Number,
  ends: Schema.Number,
  /** The replica. */
  holder: Schema.String,
  /** Millionths of a millionth of a dollar. */
  spent: Schema.String.pipe(Schema.pattern(/^\d{1,38}$/))
})

/**
 * @since 0.1.0
 * @category models
 */
export type Booking = typeof Booking.Type

/**
 * One row. Everything in it is plain JSON: the encoded form is the value itself.
 *
 * Times are seconds, `timestamp` is milliseconds since the epoch, costs are exact decimals in USD (`"0.00012"`), absent
 * when no price is known. What is not known is absent, never made up.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Entry = Schema.Struct({
  /** The key: ours, a UUIDv7. That of an answer is `Response.requestId`. */
  requestId: Schema.String,
  /** A call, or one try of a call where `attempts` asks for rows of those too. */
  kind: Schema.Literal("call", "attempt"),
  /** Of a try: the `requestId` of its call. */
  parentId: Schema.optional(Schema.String),
  /** Who answered; of a failure, who failed last. */
  provider: Schema.String,
  /** As the provider reports it. */
  model: Schema.String,
  requestedModel: Schema.String,
  /** When the call began, ms since the epoch. */
  timestamp: Schema.Number,
  /** Seconds. */
  responseTime: Schema.Number,
  /** Seconds; streams only. */
  timeToFirstToken: Schema.optional(Schema.Number),
  inputTokens: TokenCount,
  outputTokens: TokenCount,
  cachedTokens: TokenCount,
  cacheCreationTokens: TokenCount,
  reasoningTokens: TokenCount,
  /** The call ended before its counts were final: tokens and costs are what was known by then. */
  usagePartial: Schema.Boolean,
  inputCost: Schema.optional(Decimal),
  outputCost: Schema.optional(Decimal),
  toolUseCost: Schema.optional(Decimal),
  totalCost: Schema.optional(Decimal),
  /** `cancelled`: interrupted, or a stream whose reader stopped before the end. */
  status: Schema.Literal("success", "error", "cancelled"),
  /** The reason of a `ProviderError` (`"RateLimited"`), else the tag of the error; `"Defect"` for a bug. */
  errorType: Schema.optional(Schema.String),
  errorMessage: Schema.optional(Schema.String),
  finishReason: Schema.optional(Schema.String),
  streamed: Schema.Boolean,
  /** The answer came from a `Cache`: it has the tokens it once took, and costs nothing. */
  cached: Schema.Boolean,
  attempts: Schema.Array(Attempt),
  storageRequestKey: Schema.optional(Schema.String),
  storageResponseKey: Schema.optional(Schema.String),
  /** Why the bodies are not in the store, where they should be. */
  storageError: Schema.optional(Schema.String),
  /** The first 16 hex digits of the SHA-256 of the provider's key. */
  apiKeyHash: Schema.optional(Schema.String),
  apiKeyAlias: Schema.optional(Schema.String),
  /** Labels, keys in header case: `{ "User-Id": "42" }`. */
  metadata: Schema.Record({ key: Schema.String, value: Schema.String }),
  /** This and the rest: calls that came through the gateway. */
  majordomoApiKeyId: Schema.optional(Schema.String),
  requestPath: Schema.optional(Schema.String),
  requestMethod: Schema.optional(Schema.String),
  /** HTTP status: what the gateway answered, or of a try what the provider did. */
  statusCode: Schema.optional(Schema.Number),
  /** The trace a call belongs to, its place in it (`"agent/plan/search"`) and its name there. */
  traceId: Schema.optional(Schema.String),
  spanPath: Schema.optional(Schema.String),
  spanName: Schema.optional(Schema.String),
  /** The client's user agent. */
  client: Schema.optional(Schema.String),
  /** Bytes of the client's request, and of what it was answered. */
  bytesIn: Schema.optional(TokenCount),
  bytesOut: Schema.optional(TokenCount),
  /** Seconds until the first byte of the answer. */
  timeToFirstByte: Schema.optional(Schema.Number),
  /**
   * A guess, and no part of `inputTokens`: a quarter of the characters of the prompt, where the provider may have billed a
   * call and told nothing of it.
   */
  estimatedInputTokens: Schema.optional(TokenCount),
  /** The gateway's budgets that it is booked to, for a process that died before it could say so. Databases do not keep it. */
  bookings: Schema.optional(Schema.Array(Booking))
}).annotations({ identifier: "LogEntry" })

/**
 * @since 0.1.0
 * @category models
 */
export interface Entry extends Schema.Schema.Type<typeof Entry> {}

/**
 * A sink.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /**
   * Writes a batch: all of it or nothing, in one transaction where there is one. A row whose `requestId` is there already
   * is left as it is: batches come again after a failure whose outcome is not known.
   */
  readonly write: (batch: NonEmptyReadonlyArray<Entry>) => Effect.Effect<void, RequestLogError>
  /** Fails when the sink cannot take rows now. */
  readonly health?: Effect.Effect<void, RequestLogError> | undefined
}

/**
 * @since 0.1.0
 * @category services
 */
export class RequestLog extends Context.Tag("effect-majordomo/logging/RequestLog")<RequestLog, Service>() {}

/**
 * A sink did not take a batch. `Unavailable`: it may take it later, so the batch is tried again. `Rejected`: one of its
 * rows will never be taken; the writer finds it, sets it aside and writes the others.
 *
 * @since 0.1.0
 * @category errors
 */
export class RequestLogError
  extends Schema.TaggedError<RequestLogError>("effect-majordomo/logging/RequestLogError")("RequestLogError", {
    /** Which sink: `"sqlite"`, `"postgres"`. */
    sink: Schema.String,
    reason: Schema.Literal("Unavailable", "Rejected"),
    /** What it said; without values of rows. */
    description: Schema.String,
    cause: Schema.optional(Schema.Defect),
    /** The sink could not be made: there are no rows yet. */
    atStart: Schema.optional(Schema.Boolean)
  })
{
  override get message(): string {
    if (this.atStart === true) return `the ${this.sink} log: ${this.description}`
    const advice = this.reason === "Unavailable"
      ? "rows are kept and written when it is back"
      : "the row is set aside, the others are written"
    return `the ${this.sink} log: ${this.description}; ${advice}`
  }
}

// ── sinks ───────────────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * The rows of `layerMemory`.
 *
 * @since 0.1.0
 * @category services
 */
export class Memory extends Context.Tag("effect-majordomo/logging/RequestLog/Memory")<Memory, {
  readonly entries: Effect.Effect<ReadonlyArray<Entry>>
}>() {}

/**
 * The rows that `layerMemory` has, in the order they were written. Call `Logging.flush` first: rows are written behind
 * the calls.
 *
 * @since 0.1.0
 * @category accessors
 */
export const entries: Effect.Effect<ReadonlyArray<Entry>, never, Memory> = Effect.flatMap(
  Memory,
  (memory) => memory.entries
)

/**
 * A sink that keeps its rows, for tests.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { LLM, Logging, RequestLog } from "effect-majordomo"
 * import { TestLLM } from "effect-majordomo/testing"
 * import { Effect, Layer } from "effect"
 *
 * const test = Effect.gen(function*() {
 *   yield* LLM.generateText({ prompt: "Hello" })
 *   yield* Logging.flush
 *   const [row] = yield* RequestLog.entries
 *   return row?.status // "success"
 * }).pipe(
 *   Effect.provide(Logging.layer().pipe(
 *     Layer.provide(TestLLM.layer(["Hi"])),
 *     Layer.provideMerge(RequestLog.layerMemory)
 *   ))
 * )
 * ```
 */
export const layerMemory: Layer.Layer<RequestLog | Memory> = Layer.effectContext(Effect.sync(() => {
  const rows = new Map<string, Entry>()
  return Context.make(RequestLog, {
    write: (batch) =>
      Effect.sync(() => {
        for (const entry of batch) if (!rows.has(entry.requestId)) rows.set(entry.requestId, entry)
      })
  }).pipe(Context.add(Memory, { entries: Effect.sync(() => [...rows.values()]) }))
}))

/**
 * Several sinks: each gets every batch. Where one fails, the batch fails, and when it comes again only those sinks get it
 * that do not have it yet. All of them keep pace with the slowest.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fanOut: (sinks: NonEmptyReadonlyArray<Service>) => Service = fanning.make

/**
 * `fanOut` of layers.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerFanOut = <E, R>(
  sinks: NonEmptyReadonlyArray<Layer.Layer<RequestLog, E, R>>
): Layer.Layer<RequestLog, E, R> => {
  const [first, ...others] = sinks
  const single = Layer.map(first, (context): Context.Context<RequestLog> => context)
  const add = (self: Layer.Layer<RequestLog, E, R>, next: Layer.Layer<RequestLog, E, R>) =>
    Layer.zipWith(
      self,
      next,
      (left, right): Context.Context<RequestLog> =>
        Context.make(RequestLog, fanOut([Context.get(left, RequestLog), Context.get(right, RequestLog)]))
    )
  return others.reduce(add, single)
}
