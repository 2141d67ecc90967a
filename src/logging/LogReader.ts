/**
 * Reading the table of calls: rows by filter, a page at a time, and one row with its tries and bodies.
 *
 * @since 0.1.0
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { BodyStore, type BodyStoreError, type Service as Store } from "./BodyStore.ts"
import type * as CostReport from "./CostReport.ts"
import * as queries from "./internal/sql/rowQueries.ts"
import type { Entry } from "./RequestLog.ts"

/**
 * Which rows. Default: all calls.
 *
 * @since 0.1.0
 * @category models
 */
export interface Filter extends Omit<CostReport.Filter, "since"> {
  /** Calls that began at this time or later: ms since the epoch. */
  readonly since?: number | undefined
  /** The alias or the hash of the provider's key. */
  readonly key?: string | undefined
  /** The id of the gateway's key. */
  readonly majordomoApiKeyId?: string | undefined
  /** The type of an error (`"RateLimited"`). */
  readonly errorType?: string | undefined
  /** A text in the message of an error, whatever the case of its letters. */
  readonly errorText?: string | undefined
  /** Calls of this trace. */
  readonly traceId?: string | undefined
  /** Calls that took longer, seconds. */
  readonly longerThan?: number | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface PageOptions {
  /** Rows at most. Default 50, at most 1000. */
  readonly limit?: number | undefined
  /** `next` of the page before. */
  readonly after?: string | undefined
}

/**
 * Some rows, the newest first.
 *
 * @since 0.1.0
 * @category models
 */
export interface Page {
  /** The rows, the newest first. */
  readonly rows: ReadonlyArray<Entry>
  /** Where the next page begins; none: this is the last one. Rows that come meanwhile move nothing. */
  readonly next: Option.Option<string>
}

/**
 * One call with all that is kept of it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Detail {
  /** Its row. */
  readonly entry: Entry
  /** Rows of its tries, where `Logging` was told to write them, in their order. */
  readonly attempts: ReadonlyArray<Entry>
  /** JSON text, where there is a `BodyStore` and it has them (still). */
  readonly request: Option.Option<string>
  /** The same of the answer. */
  readonly response: Option.Option<string>
}

/**
 * The rows could not be read.
 *
 * @since 0.1.0
 * @category errors
 */
export class LogReaderError
  extends Schema.TaggedError<LogReaderError>("effect-majordomo/logging/LogReaderError")("LogReaderError", {
    /** What the database or the store said. */
    description: Schema.String,
    cause: Schema.optional(Schema.Defect)
  })
{
  override get message(): string {
    return `the log cannot be read: ${this.description}`
  }
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /** Rows by filter, a page at a time. */
  readonly page: (filter?: Filter, options?: PageOptions) => Effect.Effect<Page, LogReaderError>
  /** The row with this `requestId`. */
  readonly find: (requestId: string) => Effect.Effect<Option.Option<Detail>, LogReaderError>
  /** What it reads with; see `layerClient`. */
  readonly client: SqlClient.SqlClient
}

/**
 * @since 0.1.0
 * @category services
 */
export class LogReader extends Context.Tag("effect-majordomo/logging/LogReader")<LogReader, Service>() {}

/**
 * @since 0.1.0
 * @category accessors
 */
export const page = (
  filter?: Filter,
  options?: PageOptions
): Effect.Effect<Page, LogReaderError, LogReader> => Effect.flatMap(LogReader, (reader) => reader.page(filter, options))

/**
 * @since 0.1.0
 * @category accessors
 */
export const find = (requestId: string): Effect.Effect<Option.Option<Detail>, LogReaderError, LogReader> =>
  Effect.flatMap(LogReader, (reader) => reader.find(requestId))

const defaultLimit = 50
const maxLimit = 1000

/**
 * A reader over a client, with the bodies of a store where there is one.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (sql: SqlClient.SqlClient, store?: Store): Service => {
  const body = (key: string | undefined): Effect.Effect<Option.Option<string>, BodyStoreError> =>
    store === undefined || key === undefined ? Effect.succeedNone : store.get(key)
  return {
    client: sql,
    page: (filter = {}, { after, limit = defaultLimit } = {}) => {
      const wanted = Math.max(1, Math.min(maxLimit, Math.trunc(limit)))
      return Effect.mapBoth(queries.page(sql, filter, after, wanted + 1), {
        onFailure: toError,
        onSuccess: (found) => {
          const rows = found.slice(0, wanted)
          const last = rows.at(-1)
          return {
            rows: rows.map(({ entry }) => entry),
            next: found.length > wanted && last !== undefined ? Option.some(last.cursor) : Option.none()
          }
        }
      })
    },
    find: (requestId) =>
      Effect.gen(function*() {
        const entry = yield* queries.row(sql, requestId)
        if (entry === undefined) return Option.none()
        const attempts = yield* queries.attempts(sql, entry)
        return Option.some({
          entry,
          attempts,
          request: yield* body(entry.storageRequestKey),
          response: yield* body(entry.storageResponseKey)
        })
      }).pipe(Effect.mapError(toError))
  }
}

const toError = (cause: { readonly message: string }): LogReaderError =>
  new LogReaderError({ description: queries.describe(cause), cause })

/**
 * The reader over the program's `SqlClient`. `SqliteRequestLog.layer` and `PgRequestLog.layer` give one with the sink,
 * `SqliteRequestLog.layerReader` one for a file. A `BodyStore` is used where it is provided.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { PgClient } from "@effect/sql-pg"
 * import * as LogReader from "effect-majordomo/logging/LogReader"
 * import { Console, Effect, Layer, Redacted } from "effect"
 *
 * const client = PgClient.layer({ url: Redacted.make("postgres://localhost/app") })
 *
 * const program = Effect.gen(function*() {
 *   const { next, rows } = yield* LogReader.page({ status: "error", labels: { feature: "search" } }, { limit: 20 })
 *   for (const { errorMessage, model } of rows) yield* Console.log(model, errorMessage)
 *   return next // for the page after this one
 * }).pipe(Effect.provide(LogReader.layer.pipe(Layer.provide(client))))
 * ```
 */
export const layer: Layer.Layer<LogReader, never, SqlClient.SqlClient> = Layer.effect(
  LogReader,
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    return make(sql, Option.getOrUndefined(yield* Effect.serviceOption(BodyStore)))
  })
)

/**
 * The client of a reader, so that a `CostReport` asks over the connections of the sink that is there already. That of
 * SQLite reads in a thread of its own: no question holds up the program.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import * as CostReport from "effect-majordomo/logging/CostReport"
 * import * as LogReader from "effect-majordomo/logging/LogReader"
 * import * as SqliteRequestLog from "effect-majordomo/logging/SqliteRequestLog"
 * import { Effect, Layer } from "effect"
 *
 * const log = SqliteRequestLog.layer({ filename: "llm_logs.db" }) // for Logging.layer, too
 * const spent = CostReport.totals({ by: "model" }).pipe(
 *   Effect.provide(LogReader.layerClient.pipe(Layer.provide(log)))
 * )
 * ```
 */
export const layerClient: Layer.Layer<SqlClient.SqlClient, never, LogReader> = Layer.effect(
  SqlClient.SqlClient,
  Effect.map(LogReader, ({ client }) => client)
)
