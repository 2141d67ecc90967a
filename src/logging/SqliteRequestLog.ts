/**
 * Rows in a SQLite file, through `@effect/sql-sqlite-node` (better-sqlite3). See `SqlRequestLog` for the table.
 *
 * @since 0.1.0
 */
import * as Reactivity from "@effect/experimental/Reactivity"
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import * as SqlClient from "@effect/sql/SqlClient"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { BodyStore } from "./BodyStore.ts"
import { toLogError } from "./internal/sql/failures.ts"
import * as file from "./internal/sql/sqliteFile.ts"
import * as sqliteReader from "./internal/sql/sqliteReader.ts"
import * as LogReader from "./LogReader.ts"
import { RequestLog, RequestLogError } from "./RequestLog.ts"
import * as SqlRequestLog from "./SqlRequestLog.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Options extends SqlRequestLog.Options {
  /** Made when it is not there; its folder is not. */
  readonly filename: string
}

/**
 * The sink. Every batch is on the disk when it counts as written. Another process may write and read the same file; one
 * that is deleted or replaced while it is in use takes no more rows, and they are kept.
 *
 * With it comes a `LogReader` that asks in a thread of its own, so that no question holds up the program; its client is for
 * reports, too.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import * as SqliteRequestLog from "effect-majordomo/logging/SqliteRequestLog"
 *
 * const live = SqliteRequestLog.layer({ filename: "llm_logs.db", retention: "90 days" })
 * ```
 */
export const layer = (
  { filename, ...options }: Options
): Layer.Layer<RequestLog | LogReader.LogReader, RequestLogError> =>
  Layer.scopedContext(Effect.gen(function*() {
    file.made(filename)
    const sql = yield* opened(filename)
    const sink = yield* Effect.provideService(SqlRequestLog.make(options), SqlClient.SqlClient, sql)
    const reader = file.isTransient(filename) ? sql : yield* sqliteReader.make(filename)
    return Context.make(RequestLog, file.watched(filename, sink)).pipe(
      Context.add(
        LogReader.LogReader,
        LogReader.make(reader, Option.getOrUndefined(yield* Effect.serviceOption(BodyStore)))
      )
    )
  })).pipe(Layer.provide(Reactivity.layer))

/**
 * A reader of a file that another process or another layer writes: it asks in a thread of its own, so that no question holds
 * up the program, and changes nothing. A file that is not there fails the first question. For reports, with
 * `LogReader.layerClient`.
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
 * const spent = CostReport.totals({ by: "model" }).pipe(
 *   Effect.provide(LogReader.layerClient.pipe(Layer.provide(SqliteRequestLog.layerReader({ filename: "llm_logs.db" }))))
 * )
 * ```
 */
export const layerReader = ({ filename }: Pick<Options, "filename">): Layer.Layer<LogReader.LogReader> =>
  Layer.scoped(
    LogReader.LogReader,
    Effect.gen(function*() {
      return LogReader.make(
        yield* sqliteReader.make(filename),
        Option.getOrUndefined(yield* Effect.serviceOption(BodyStore))
      )
    })
  ).pipe(Layer.provide(Reactivity.layer))

const opened = (filename: string) =>
  Effect.gen(function*() {
    const sql = yield* SqliteClient.make({ filename })
    // By default the last commits may go in a power cut.
    yield* sql`PRAGMA synchronous = FULL`
    // The driver waits in the event loop: the writer comes again instead.
    yield* sql`PRAGMA busy_timeout = 50`
    return sql
  }).pipe(
    // A file that cannot be opened is a defect of the driver.
    Effect.catchAllDefect((defect) => Effect.fail(defect)),
    Effect.mapError((failure) => {
      const { description } = toLogError("sqlite")(failure)
      return new RequestLogError({
        sink: "sqlite",
        reason: "Rejected",
        atStart: true,
        description: `${filename} cannot be opened: ${description}`
      })
    })
  )
