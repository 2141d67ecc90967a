/**
 * Rows in a SQLite file, through `@effect/sql-sqlite-node` (better-sqlite3). See `SqlRequestLog` for the table.
 *
 * @since 0.1.0
 */
import * as Reactivity from "@effect/experimental/Reactivity"
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { toLogError } from "./internal/sql/failures.ts"
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
 * The sink. Every batch is on the disk when it counts as written. Another process may write and read the same file.
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
export const layer = ({ filename, ...options }: Options): Layer.Layer<RequestLog, RequestLogError> =>
  Layer.scoped(
    RequestLog,
    Effect.gen(function*() {
      const sql = yield* opened(filename)
      return yield* Effect.provideService(SqlRequestLog.make(options), SqlClient.SqlClient, sql)
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
        description: `${filename} cannot be opened: ${description}`
      })
    })
  )
