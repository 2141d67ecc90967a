/** Migrations that are run once, also when several processes start together. */
import * as Migrator from "@effect/sql/Migrator"
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Schedule from "effect/Schedule"

export interface Options {
  /** Whose they are, in words. */
  readonly what: string
  /** Where is kept which of them have been run. */
  readonly table: string
  /** By names that begin with their number. */
  readonly migrations: Readonly<Record<string, Effect.Effect<void, SqlError, SqlClient.SqlClient>>>
}

/** Two processes may get into each other's way at the very start; the one that lost looks again. */
const again = Schedule.intersect(Schedule.spaced("200 millis"), Schedule.recurs(25))

/** Any number will do, so long as every process takes the same: one at a time migrates a PostgreSQL database. */
const lock = 7_680_003

const locked = Effect.fail(
  new Migrator.MigrationError({ reason: "locked", message: "another process migrates the database" })
)

/** Whether there is nothing to do: then nobody's lock is waited for. */
const isDone = ({ migrations, table }: Options) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const [found] = yield* sql<{ id: unknown }>`SELECT MAX(migration_id) AS id FROM ${sql(table)}`
    return Number(found?.id ?? 0) >= Object.keys(migrations).length
  }).pipe(Effect.orElseSucceed(() => false))

/**
 * A database that another process holds is taken for one that has been brought about. The question is another one than
 * before: SQLite's driver keeps the failure of a statement that it could not prepare.
 */
const ended = ({ migrations, table }: Options) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const [found] = yield* sql<{ count: unknown }>`SELECT COUNT(*) AS count FROM ${sql(table)}`
    if (Number(found?.count ?? 0) >= Object.keys(migrations).length) return
    return yield* locked
  })

/** Who has no connection and no lock by then tries another connection: the first may be one that nobody hears. */
const patience = "15 seconds"
/** PostgreSQL's code for a lock that was waited for in vain. Source: its manual, appendix A. */
const lockNotAvailable = "55P03"

type Failure = Migrator.MigrationError | SqlError

const isLocked = (error: Failure): boolean =>
  (error._tag === "MigrationError" && error.reason === "locked") ||
  (Predicate.hasProperty(error.cause, "code") && error.cause.code === lockNotAvailable)

/** A migration may take as long as it takes, but not to begin: it is begun anew until it does. */
const begun = <R>(
  migrating: (isBegun: Effect.Effect<void>) => Effect.Effect<void, Failure, R>
): Effect.Effect<void, Failure, R> =>
  Effect.suspend(() => {
    let has = false
    const isBegun = Effect.sync(() => {
      has = true
    })
    const tooLate = Effect.delay(Effect.suspend(() => has ? Effect.never : locked), patience)
    return Effect.raceFirst(migrating(isBegun), tooLate)
  }).pipe(Effect.retry({ while: isLocked, schedule: Schedule.spaced("200 millis") }))

const waiting = (what: string) =>
  Effect.repeat(
    Effect.delay(
      Effect.logWarning(`${what} waits for another session that holds a lock on its tables or its migrations`),
      "3 seconds"
    ),
    Schedule.spaced("10 seconds")
  )

export const migrated = (
  options: Options
): Effect.Effect<void, Migrator.MigrationError | SqlError, SqlClient.SqlClient> => {
  const migrate = Migrator.make({})({ loader: Migrator.fromRecord(options.migrations), table: options.table })
  const run = Effect.flatMap(SqlClient.SqlClient, (sql) =>
    sql.onDialectOrElse({
      pg: () =>
        begun((isBegun) =>
          sql.withTransaction(Effect.all([
            sql`SET LOCAL lock_timeout = '10s'`,
            sql`SELECT pg_advisory_xact_lock(${lock})`,
            isBegun,
            // The migrator looks for it by a statement that fails, which a transaction does not survive.
            sql`CREATE TABLE IF NOT EXISTS ${sql(options.table)} (migration_id INTEGER PRIMARY KEY,
              created_at TIMESTAMPTZ NOT NULL DEFAULT now(), name TEXT NOT NULL)`,
            migrate
          ], { discard: true }))
        ),
      orElse: () => Effect.asVoid(migrate)
    }))
  return Effect.flatMap(
    isDone(options),
    (done) =>
      done
        ? Effect.void
        : Effect.zipRight(Effect.raceFirst(run, Effect.zipRight(waiting(options.what), Effect.never)), ended(options))
  ).pipe(
    // A failing migration and a failing COMMIT are defects there.
    Effect.catchAllDefect((defect) =>
      Effect.fail(
        defect instanceof Migrator.MigrationError
          ? defect
          : new Migrator.MigrationError({ reason: "failed", message: String(defect), cause: defect })
      )
    ),
    Effect.retry(again),
    Effect.asVoid
  )
}
