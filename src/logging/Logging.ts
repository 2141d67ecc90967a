/**
 * Every call leaves a row: answered, failed, refused, blocked, interrupted or abandoned half-way. Rows are written behind
 * the calls, in batches; when the sink is away they wait in memory and on disk.
 *
 * @since 0.1.0
 */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { scoped } from "../internal/call/withContext.ts"
import { LLM, type Scoped } from "../LLM.ts"
import { ConfigurationError } from "../LLMError.ts"
import * as BodyStore from "./BodyStore.ts"
import * as calls from "./internal/calls.ts"
import * as delivery from "./internal/delivery.ts"
import * as pipeline from "./internal/pipeline.ts"
import * as recorded from "./internal/recorded.ts"
import { Spool } from "./internal/spool.ts"
import { type Entry, RequestLog } from "./RequestLog.ts"

/**
 * Rows on disk, for when the sink or the process fails. Several processes may share the directory: each writes files of
 * its own, and those of one that has died are taken over by another.
 *
 * Rows that the sink never takes and files that cannot be read in full are kept in its folder `aside`.
 *
 * @since 0.1.0
 * @category models
 */
export interface SpoolOptions {
  /** Where rows wait that the sink has not taken yet. One that several processes share is fine. */
  readonly directory: string
  /** Bytes on disk at most. Default 1 GiB. */
  readonly maxBytes?: number | undefined
  /** Bytes of one file, about. Default 4 MiB. */
  readonly segmentBytes?: number | undefined
  /** Wait until rows are on the disk itself, so that they survive a power cut. Default true. */
  readonly fsync?: boolean | undefined
  /** A process without a sign of life for so long is dead; its rows are taken over. Default 15 seconds. */
  readonly staleAfter?: Duration.DurationInput | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * `buffered` (default): a call goes on at once; a crash of the process loses rows that are in memory. `durable`: an
   * answer is handed over when its row is in the spool.
   */
  readonly durability?: "buffered" | undefined
  /** Where rows go that memory has no room for. Needs a `FileSystem`. Default: none, and calls wait when it is full. */
  readonly spool?: SpoolOptions | undefined
  /**
   * When memory is full: `spool` (default where there is one), `suspend` (calls wait for room) or `drop` (rows are lost
   * and counted). A spool that is full or broken makes calls wait.
   */
  readonly strategy?: "spool" | "suspend" | "drop" | undefined
  /** What memory holds at most. Default 10,000 rows and 64 MiB, bodies included. */
  readonly capacity?: { readonly rows?: number | undefined; readonly bytes?: number | undefined } | undefined
  /** Rows in one write at most. Default 500. */
  readonly batchSize?: number | undefined
  /** How long the first row of a batch waits for others. Default 100 ms. */
  readonly flushInterval?: Duration.DurationInput | undefined
  /** A write that takes longer has failed. Default 30 seconds. */
  readonly writeTimeout?: Duration.DurationInput | undefined
  /** How long the end of the layer waits for the sink; what is left goes to the spool. Default 5 seconds. */
  readonly closeTimeout?: Duration.DurationInput | undefined
  /** One more row for each try of a call, without tokens and costs. Default false. */
  readonly attempts?: boolean | undefined
  /**
   * Changes a row before it leaves the call. It does not see bodies. If it throws, the row is kept without its free
   * texts: message, labels, path and alias.
   */
  readonly redact?: ((entry: Entry) => Entry) | undefined
  /** Which bodies go to the `BodyStore`, where there is one. Default `"all"`. */
  readonly bodies?: "all" | "none" | "errors" | undefined
  /** A longer body is cut, with a marker. Default 1 MiB. */
  readonly maxBodyBytes?: number | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface DurableOptions extends Omit<Options, "durability" | "spool"> {
  /** The row is on disk before the answer is handed over. */
  readonly durability: "durable"
  /** Where it is written. */
  readonly spool: SpoolOptions
}

/**
 * How the writer is doing.
 *
 * @since 0.1.0
 * @category models
 */
export interface Health extends pipeline.Health {}

/**
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /** Waits until the sink has every row of the calls so far. */
  readonly flush: Effect.Effect<void>
  /** How the writer is doing. */
  readonly health: Effect.Effect<Health>
  /** See `record`. */
  readonly record: (entry: Recorded, bodies?: RecordedBodies) => Effect.Effect<string>
}

/**
 * A row that no `LLM` call made. What is not given is not known: without an id it gets one, without a time that of now,
 * tokens that are not given are 0 and make the row partial.
 *
 * @since 0.1.0
 * @category models
 */
export interface Recorded
  extends
    Partial<Omit<Entry, "provider" | "model" | "status" | "storageRequestKey" | "storageResponseKey" | "storageError">>,
    Pick<Entry, "provider" | "model" | "status">
{}

/**
 * JSON text; secrets must be out of it.
 *
 * @since 0.1.0
 * @category models
 */
export interface RecordedBodies {
  /** JSON text. */
  readonly request: string
  /** JSON text; absent when there was no answer. */
  readonly response?: string | undefined
}

/**
 * @since 0.1.0
 * @category services
 */
export class Logging extends Context.Tag("effect-majordomo/logging/Logging")<Logging, Service>() {}

/**
 * Waits until the sink has every row of the calls so far. While the sink is away that is long: add a timeout.
 *
 * @since 0.1.0
 * @category accessors
 */
export const flush: Effect.Effect<void, never, Logging> = Effect.flatMap(Logging, (logging) => logging.flush)

/**
 * Whether the sink takes rows, how many wait, and how many were written or lost.
 *
 * @since 0.1.0
 * @category accessors
 */
export const health: Effect.Effect<Health, never, Logging> = Effect.flatMap(Logging, (logging) => logging.health)

/**
 * Writes a row that no `LLM` call made, a gateway's, as the row of a call is written: it is made valid, goes through
 * `redact`, its bodies to the `BodyStore` as `bodies` says, and itself through the spool to the sink; in the durable mode
 * it is on disk when this returns. Gives its `requestId`.
 *
 * @since 0.1.0
 * @category accessors
 * @example
 * ```ts
 * import { Logging } from "effect-majordomo"
 *
 * const passedOn = Logging.record({
 *   provider: "openai",
 *   model: "gpt-4.1",
 *   status: "success",
 *   inputTokens: 120,
 *   outputTokens: 30,
 *   usagePartial: false,
 *   majordomoApiKeyId: "key_1",
 *   requestPath: "/v1/chat/completions",
 *   requestMethod: "POST",
 *   statusCode: 200
 * })
 * ```
 */
export const record = (
  entry: Recorded,
  bodies?: RecordedBodies
): Effect.Effect<string, never, Logging> => Effect.flatMap(Logging, (logging) => logging.record(entry, bodies))

/**
 * Where a call came from that a gateway passes on.
 *
 * @since 0.1.0
 * @category models
 */
export interface Origin {
  /** The id of the gateway's key. */
  readonly majordomoApiKeyId?: string | undefined
  /** The path that was asked. */
  readonly requestPath?: string | undefined
  /** The HTTP method. */
  readonly requestMethod?: string | undefined
}

/**
 * Where the calls inside an effect or a stream came from, for a gateway: its key, path and method go into their rows.
 *
 * @since 0.1.0
 * @category scoping
 */
export const withOrigin = (origin: Origin): Scoped =>
  scoped((context) => Context.add(context, calls.CurrentOrigin, origin))

/**
 * Logs every call of the `LLM` it is given: exactly one row each, in any decorator or cascade and around them. A
 * `BodyStore` and, for the spool, a `FileSystem` are used where they are provided.
 *
 * The row of an answer has its `requestId`. The layer's end writes what is left. `durability: "durable"` needs a
 * `FileSystem` and fails when the spool's directory cannot be used; otherwise that is a warning.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Anthropic, Cascade, JsonLinesRequestLog, Logging, OpenAI } from "effect-majordomo"
 * import { NodeContext } from "@effect/platform-node"
 * import * as UndiciHttpClient from "effect-majordomo/UndiciHttpClient"
 * import { Layer } from "effect"
 *
 * const live = Logging.layer({ spool: { directory: "llm_spool" } }).pipe(
 *   Layer.provide(Cascade.layer([
 *     Anthropic.layer({ model: "claude-sonnet-5" }),
 *     OpenAI.layer({ model: "gpt-4.1" })
 *   ])),
 *   Layer.provide(JsonLinesRequestLog.layer({ path: "llm_calls.jsonl" })),
 *   Layer.provide([UndiciHttpClient.layer, NodeContext.layer])
 * )
 * ```
 */
export const layer: {
  (options: DurableOptions): Layer.Layer<LLM | Logging, ConfigurationError, LLM | RequestLog | FileSystem.FileSystem>
  (options?: Options): Layer.Layer<LLM | Logging, never, LLM | RequestLog>
} = (options: Options | DurableOptions = {}): Layer.Layer<LLM | Logging, never, LLM | RequestLog> =>
  // Without `durable` nothing here fails; the overload with it says so.
  Layer.fresh(Layer.scopedContext(make(options))) as Layer.Layer<LLM | Logging, never, LLM | RequestLog>

/**
 * The writer alone, for rows that `record` gives it, where no `LLM` is decorated: a gateway's.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerWriter = (
  options: Options | DurableOptions = {}
): Layer.Layer<Logging, ConfigurationError, RequestLog> =>
  Layer.fresh(Layer.scoped(Logging, Effect.map(makeWriter(options), ({ service }) => service)))

const make = (
  options: Options | DurableOptions
): Effect.Effect<Context.Context<LLM | Logging>, ConfigurationError, LLM | RequestLog | Scope.Scope> =>
  Effect.gen(function*() {
    const llm = yield* LLM
    const { service, settings } = yield* makeWriter(options)
    return Context.make(LLM, calls.decorate(llm, settings)).pipe(Context.add(Logging, service))
  })

interface Writer {
  readonly settings: calls.Settings
  readonly service: Service
}

const makeWriter = (
  options: Options | DurableOptions
): Effect.Effect<Writer, ConfigurationError, RequestLog | Scope.Scope> =>
  Effect.gen(function*() {
    const sink = yield* RequestLog
    const store = Option.getOrUndefined(yield* Effect.serviceOption(BodyStore.BodyStore))
    const spool = yield* openSpool(options)
    const writer = yield* pipeline.Pipeline.make({
      delivery: delivery.make({
        sink,
        store,
        writeLimit: options.writeTimeout ?? "30 seconds",
        setAside: (entry, error) => setAside(spool, entry, `the ${error.sink} log: ${error.description}`)
      }),
      spool,
      durable: options.durability === "durable",
      batchSize: options.batchSize ?? 500,
      flushInterval: Duration.decode(options.flushInterval ?? "100 millis"),
      capacity: { rows: options.capacity?.rows ?? 10_000, bytes: options.capacity?.bytes ?? 64 * mebibyte },
      onFull: options.strategy === "drop" ? "drop" : "suspend",
      closeLimit: Duration.decode(options.closeTimeout ?? "5 seconds")
    })
    const settings: calls.Settings = {
      attempts: options.attempts ?? false,
      redact: options.redact,
      bodies: store === undefined ? "none" : options.bodies ?? "all",
      maxBodyBytes: options.maxBodyBytes ?? mebibyte,
      offer: (item, now) => writer.offer(item, now)
    }
    return {
      settings,
      service: {
        flush: writer.flush,
        health: Effect.sync(() => writer.health),
        record: (entry, bodies) => recorded.record(settings, entry, bodies)
      }
    }
  })

const mebibyte = 1024 * 1024

const openSpool = (
  options: Options | DurableOptions
): Effect.Effect<Spool | undefined, ConfigurationError, Scope.Scope> =>
  Effect.gen(function*() {
    const { durability, spool, strategy = "spool" } = options
    if (spool === undefined || (durability !== "durable" && strategy !== "spool")) return undefined
    const fs = yield* Effect.serviceOption(FileSystem.FileSystem)
    const opened = Option.isNone(fs)
      ? Either.left("there is no FileSystem; provide NodeContext.layer")
      : Either.mapLeft(
        yield* Effect.either(Spool.make(fs.value, {
          directory: spool.directory,
          maxBytes: spool.maxBytes ?? 1024 * mebibyte,
          segmentBytes: spool.segmentBytes ?? 4 * mebibyte,
          fsync: spool.fsync ?? true,
          staleAfter: Duration.toMillis(spool.staleAfter ?? "15 seconds")
        })),
        ({ message }) => message
      )
    if (Either.isRight(opened)) return opened.right
    const description = `the log spool in ${spool.directory} cannot be used: ${opened.left}`
    if (durability === "durable") return yield* new ConfigurationError({ description })
    yield* Effect.logWarning(`${description}; rows that memory has no room for make calls wait`)
    return undefined
  })

/** Whether it could be kept. */
const setAside = (spool: Spool | undefined, entry: Entry, reason: string): Effect.Effect<boolean> => {
  const said = (where: string) =>
    Effect.logError(`the LLM log does not take the row ${entry.requestId}, ${where}: ${reason}`)
  if (spool === undefined) return Effect.as(said("which is lost for want of a spool"), false)
  return Effect.matchEffect(spool.setAside(entry, reason), {
    onFailure: (problem) => Effect.as(said(`which is lost: ${problem.message}`), false),
    onSuccess: () => Effect.as(said("which is in the spool's folder aside"), true)
  })
}
