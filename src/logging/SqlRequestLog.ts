/**
 * Rows in the table `llm_requests` of any SQLite or PostgreSQL database that a `SqlClient` of `@effect/sql` reaches. The
 * table and its indexes are made by migrations, recorded in `llm_migrations`. On PostgreSQL it has a partition for each
 * month.
 *
 * Costs are exact: `NUMERIC` on PostgreSQL, decimal text on SQLite. `timestamp` is `timestamptz`, or ISO 8601 in UTC.
 *
 * @since 0.1.0
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { SqlError } from "@effect/sql/SqlError"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { BodyStore, BodyStoreError, type Service as BodyStoreService } from "./BodyStore.ts"
import * as erasing from "./internal/sql/erase.ts"
import { type Sink, toLogError } from "./internal/sql/failures.ts"
import * as insert from "./internal/sql/insert.ts"
import * as keys from "./internal/sql/key.ts"
import * as migrations from "./internal/sql/migrations.ts"
import { Partitions } from "./internal/sql/partitions.ts"
import { labelIs } from "./internal/sql/report.ts"
import * as rollups from "./internal/sql/rollups.ts"
import { RequestLog, RequestLogError, type Service } from "./RequestLog.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * How long rows are kept at least. Every hour, PostgreSQL drops the months that are older as a whole, SQLite deletes
   * older rows. Default: for ever.
   */
  readonly retention?: Duration.DurationInput | undefined
  /**
   * Labels by which totals are kept by the hour, beside provider, model, key and outcome, in any spelling: reports by them
   * are fast however many calls there are. A label with many values makes them large. Processes that share a database
   * name the same. Default `["feature"]`.
   */
  readonly reportLabels?: ReadonlyArray<string> | undefined
}

interface Table {
  readonly sink: Sink
  readonly write: Service["write"]
  readonly dropBefore: (millis: number) => Effect.Effect<void, RequestLogError>
}

type Made = Effect.Effect<Table, RequestLogError, SqlClient.SqlClient>

/**
 * Migrates the database and gives the sink.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  options?: Options
): Effect.Effect<Service, RequestLogError, SqlClient.SqlClient | Scope.Scope> =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const dialect = sql.onDialectOrElse({
      pg: () => "pg" as const,
      sqlite: () => "sqlite" as const,
      orElse: () => null
    })
    if (dialect === null) {
      return yield* new RequestLogError({
        sink: "sql",
        reason: "Rejected",
        description: "this database is neither SQLite nor PostgreSQL",
        atStart: true
      })
    }
    const { dropBefore, sink, write } = yield* Effect.mapError(
      dialect === "pg" ? postgres(sql) : sqlite(sql),
      ({ cause, description, reason, sink }) => new RequestLogError({ sink, reason, description, cause, atStart: true })
    )
    yield* totalsKept(sql, dialect, options?.reportLabels ?? ["feature"])
    if (options?.retention !== undefined) {
      const age = Duration.toMillis(options.retention)
      const cleaned = Effect.flatMap(Clock.currentTimeMillis, (now) => dropBefore(now - age)).pipe(
        Effect.catchAll((error) => Effect.logWarning(`old rows are still there: ${error.description}`))
      )
      yield* Effect.forkScoped(Effect.repeat(cleaned, Schedule.spaced("1 hour")))
    }
    return { write, health: guarded(sink, sql`SELECT 1`) }
  })

/** A failing COMMIT is a defect of the driver. */
const guarded = (sink: Sink, effect: Effect.Effect<unknown, SqlError>): Effect.Effect<void, RequestLogError> =>
  effect.pipe(
    Effect.catchAllDefect((defect) => Effect.fail(defect)),
    Effect.mapError(toLogError(sink)),
    Effect.asVoid
  )

const migrated = (sink: Sink, dialect: "pg" | "sqlite") => Effect.mapError(migrations.run(dialect), toLogError(sink))

/** Reports do without where they cannot be kept. What was there before is added beside the program's work. */
const totalsKept = (sql: SqlClient.SqlClient, dialect: "pg" | "sqlite", labels: ReadonlyArray<string>) => {
  const said = (error: { readonly message: string }) =>
    Effect.logWarning(
      "totals by the hour cannot be kept; reports read every row",
      toLogError(sinkOf(dialect))(error).description
    )
  const completed = Effect.retry(rollups.complete(sql, dialect), {
    schedule: Schedule.spaced("1 second"),
    times: 60
  })
  return Effect.retry(rollups.install(sql, dialect, labels), { schedule: Schedule.spaced("200 millis"), times: 10 })
    .pipe(
      Effect.zipRight(Effect.forkScoped(Effect.catchAllCause(completed, () => Effect.void))),
      Effect.catchAllDefect((defect) => Effect.fail(new SqlError({ cause: defect, message: "failed" }))),
      Effect.catchAll(said)
    )
}

const sinkOf = (dialect: "pg" | "sqlite"): Sink => dialect === "pg" ? "postgres" : "sqlite"

const postgres = (sql: SqlClient.SqlClient): Made =>
  Effect.gen(function*() {
    yield* migrated("postgres", "pg")
    const partitions = yield* Effect.mapError(Partitions.make(sql), toLogError("postgres"))
    const key = yield* keys.ensure("pg", "postgres", partitions.isPartitioned)
    return {
      sink: "postgres",
      write: (batch) => guarded("postgres", partitions.writing(batch, insert.postgres(sql, batch, key))),
      dropBefore: (millis) => guarded("postgres", partitions.drop(millis))
    }
  })

const sqlite = (sql: SqlClient.SqlClient): Made =>
  Effect.as(Effect.zipRight(migrated("sqlite", "sqlite"), keys.ensure("sqlite", "sqlite", false)), {
    sink: "sqlite",
    write: (batch) => guarded("sqlite", insert.sqlite(sql, batch)),
    dropBefore: (millis) =>
      guarded(
        "sqlite",
        erasing.erase(sql, sql`"timestamp" < ${new Date(millis).toISOString()}`, undefined)
      )
  })

/** Takes the bodies of a row away; gives how many it names. */
const removing = (store: BodyStoreService | undefined) =>
(
  { request_id, storage_error, storage_request_key, storage_response_key }: erasing.Row
): Effect.Effect<number, BodyStoreError> => {
  const named = [storage_request_key, storage_response_key].filter((key) => key !== null)
  const remove = store?.remove
  if (remove === undefined) {
    return named.length === 0 ? Effect.succeed(0) : Effect.fail(
      new BodyStoreError({
        store: "missing",
        description: "there are bodies, and no store that could remove them; their rows stay"
      })
    )
  }
  // They may have been stored all the same, both or one of them.
  const others = storage_error === null || named.length > 0 ? undefined : store?.keysOf?.(request_id)
  const keys = others === undefined ? named
    : [others.requestKey, others.responseKey].filter((key) => key !== undefined)
  return Effect.as(Effect.forEach(keys, remove, { discard: true }), named.length)
}

/**
 * Deletes every row that has this label, its tries, and its bodies, by the `BodyStore` that is provided: what one user has
 * asked, for example. Totals by the hour lose them too. In steps of 500 rows, bodies first; what fails in the middle is gone
 * on with by asking again. Rows that say where bodies are stay, and it fails, where no store is there that can remove them:
 * nobody would find them again. Rows that are still on their way to the database are not found: flush first.
 *
 * @since 0.1.0
 * @category maintenance
 * @example
 * ```ts
 * import * as SqlRequestLog from "effect-majordomo/logging/SqlRequestLog"
 *
 * const gone = SqlRequestLog.erase("user-id", "42")
 * ```
 */
export const erase = (
  label: string,
  value: string
): Effect.Effect<
  { readonly rows: number; readonly bodies: number },
  SqlError | BodyStoreError,
  SqlClient.SqlClient
> =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const store = Option.getOrUndefined(yield* Effect.serviceOption(BodyStore))
    return yield* erasing.erase(sql, labelIs(sql, label, value), removing(store))
  })

/**
 * Adds up the totals by the hour anew, from the rows.
 *
 * @since 0.1.0
 * @category maintenance
 */
export const rebuildTotals: Effect.Effect<void, SqlError, SqlClient.SqlClient> = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => rollups.rebuild(sql, sql.onDialectOrElse({ pg: () => "pg" as const, orElse: () => "sqlite" as const }))
)

/**
 * The sink with options.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerWith = (options: Options): Layer.Layer<RequestLog, RequestLogError, SqlClient.SqlClient> =>
  Layer.scoped(RequestLog, make(options))

/**
 * The sink over the program's own `SqlClient`.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { SqliteClient } from "@effect/sql-sqlite-node"
 * import * as SqlRequestLog from "effect-majordomo/logging/SqlRequestLog"
 * import { Layer } from "effect"
 *
 * const database = SqliteClient.layer({ filename: "app.db" })
 * const live = SqlRequestLog.layer.pipe(Layer.provide(database))
 * ```
 */
export const layer: Layer.Layer<RequestLog, RequestLogError, SqlClient.SqlClient> = layerWith({})
