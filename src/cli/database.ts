/** The log's database, to read from and to write to. Drivers are loaded when they are needed. */
import * as FileSystem from "@effect/platform/FileSystem"
import type * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type { RequestLog, RequestLogError } from "../logging/RequestLog.ts"
import { installing } from "./packages.ts"
import { CommandError } from "./screen.ts"

const isPostgres = (db: string): boolean => /^postgres(ql)?:\/\//.test(db)

/** What may be shown of it. */
export const nameOf = (db: string): string => {
  if (!isPostgres(db)) return db
  try {
    const { host, pathname } = new URL(db)
    return `postgres://${host}${pathname}`
  } catch {
    return "the PostgreSQL database"
  }
}

/** A module of a package that is installed only where it is wanted. */
export const load = <A>(module: () => Promise<A>): Effect.Effect<A, CommandError> =>
  Effect.tryPromise({
    try: module,
    catch: (error) => {
      const message = error instanceof Error ? error.message : String(error)
      const name = /Cannot find package '([^']+)'/.exec(message)?.[1]
      return new CommandError({ message: name === undefined ? message : `${name} is missing: ${installing(name)}` })
    }
  })

const unreachable = (db: string) => (description: string): CommandError =>
  new CommandError({ message: `${nameOf(db)} cannot be read: ${description}` })

/** Reads; changes nothing, makes no file and no table. */
export const layerReading = (
  db: string
): Layer.Layer<SqlClient.SqlClient, CommandError, FileSystem.FileSystem> =>
  Layer.unwrapEffect(Effect.gen(function*() {
    const { SqlClient } = yield* load(() => import("@effect/sql/SqlClient"))
    const Reactivity = yield* load(() => import("@effect/experimental/Reactivity"))
    const opened = isPostgres(db) ? yield* postgres(db) : yield* sqlite(db)
    return Layer.scoped(SqlClient, opened).pipe(Layer.provide(Reactivity.layer))
  }))

const postgres = (db: string) =>
  Effect.gen(function*() {
    const PgClient = yield* load(() => import("@effect/sql-pg/PgClient"))
    const { toLogError } = yield* load(() => import("../logging/internal/sql/failures.ts"))
    return PgClient.make({
      url: Redacted.make(db),
      applicationName: "majordomo",
      connectTimeout: "5 seconds",
      maxConnections: 1
    }).pipe(Effect.mapError((error) => unreachable(db)(toLogError("postgres")(error).description)))
  })

const sqlite = (db: string) =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const isThere = yield* Effect.orElseSucceed(fs.exists(db), () => false)
    if (!isThere) {
      return yield* new CommandError({
        message: `there is no ${db}; name the database with --db or MAJORDOMO_DB: a SQLite file or postgres://…`
      })
    }
    const SqliteClient = yield* load(() => import("@effect/sql-sqlite-node/SqliteClient"))
    const { toLogError } = yield* load(() => import("../logging/internal/sql/failures.ts"))
    // What cannot be opened is a defect of the driver.
    return SqliteClient.make({ filename: db, readonly: true, disableWAL: true }).pipe(
      Effect.catchAllDefect((defect) => Effect.fail(unreachable(db)(toLogError("sqlite")(defect).description)))
    )
  })

/** A question to it, whose failure is told to a person. */
export const asked = <A, E, R>(
  db: string,
  question: Effect.Effect<A, E, R>
): Effect.Effect<A, CommandError, R> =>
  Effect.catchAll(
    question,
    (error) =>
      Effect.flatMap(load(() => import("../logging/internal/sql/failures.ts")), ({ toLogError }) => {
        const { description } = toLogError(isPostgres(db) ? "postgres" : "sqlite")(error)
        const isOther = /no such (table|column)|relation "llm_requests" does not exist/.test(description)
        const advice = isOther ? "; it is not a log of majordomo" : ""
        return Effect.fail(unreachable(db)(`${description}${advice}`))
      })
  )

/** Writes; makes the file and the table where they are not there. */
export const layerWriting = (db: string): Layer.Layer<RequestLog, CommandError> => {
  const opened = isPostgres(db)
    ? Effect.map(load(() => import("../logging/PgRequestLog.ts")), ({ layer }) => layer({ url: Redacted.make(db) }))
    : Effect.map(load(() => import("../logging/SqliteRequestLog.ts")), ({ layer }) => layer({ filename: db }))
  return Layer.mapError(
    Layer.unwrapEffect<RequestLog, RequestLogError, never, CommandError, never>(opened),
    (error) =>
      error._tag === "CommandError"
        ? error
        : new CommandError({
          // SQLite's names the file.
          message: isPostgres(db) ? `${nameOf(db)} cannot be written: ${error.description}` : error.description
        })
  )
}
