/** Where the gateway keeps things: one database, SQLite or PostgreSQL, for rows and keys; a spool before it; bodies beside. */
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as SqlClient from "@effect/sql/SqlClient"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { ConfigurationError } from "../../LLMError.ts"
import type { BodyStore } from "../../logging/BodyStore.ts"
import * as FileBodyStore from "../../logging/FileBodyStore.ts"
import { toLogError } from "../../logging/internal/sql/failures.ts"
import * as sqliteFile from "../../logging/internal/sql/sqliteFile.ts"
import * as Logging from "../../logging/Logging.ts"
import * as LogReader from "../../logging/LogReader.ts"
import type { RequestLog } from "../../logging/RequestLog.ts"
import type { Options } from "../GatewayConfig.ts"
import * as changes from "./changes.ts"
import * as database from "./database.ts"
import * as bookedLog from "./limits/bookedLog.ts"
import * as limitStore from "./limits/limitStore.ts"

export const isPostgres = (url: string): boolean => /^postgres(ql)?:\/\//.test(url)

const defaultFile = "majordomo.db"

const asConfigurationError = (error: { readonly message: string }): ConfigurationError =>
  new ConfigurationError({ description: error.message })

/** Modules of drivers are loaded when they are needed. */
const loaded = <A>(
  load: () => Promise<A>,
  otherwise = ", or name a PostgreSQL database in DATABASE_URL"
): Effect.Effect<A, ConfigurationError> =>
  Effect.tryPromise({
    try: load,
    catch: (cause) => {
      const message = cause instanceof Error ? cause.message : String(cause)
      const missing = /Cannot find package '([^']+)'/.exec(message)?.[1]
      return new ConfigurationError({
        description: missing === undefined
          ? message
          : `${missing} is missing: npm install ${missing}${otherwise}`
      })
    }
  })

/** The tables of keys. A PostgreSQL that is away is waited for; a file that cannot be used is not. */
const migrated = (
  waits: boolean
): Effect.Effect<unknown, ConfigurationError, SqlClient.SqlClient | Scope.Scope> =>
  waits
    ? Effect.catchAllCause(Effect.timeout(database.migrate, "10 seconds"), () =>
      Effect.zipRight(
        Effect.logWarning("the gateway's database does not answer; keys are not known until it does"),
        Effect.forkScoped(
          Effect.catchAllCause(
            Effect.retry(database.migrate, Schedule.spaced("1 second")),
            (cause) => Effect.logError("the tables of the gateway cannot be made", cause)
          )
        )
      ))
    : Effect.mapError(
      database.migrate,
      (error) =>
        new ConfigurationError({
          description: `the tables of the gateway cannot be made: ${toLogError("sqlite")(error).description}`
        })
    )

type Stores = RequestLog | LogReader.LogReader | SqlClient.SqlClient

const postgres = (url: string, options: Options): Layer.Layer<Stores, ConfigurationError> =>
  Layer.unwrapEffect(Effect.map(
    loaded(() => import("../../logging/PgRequestLog.ts")),
    (PgRequestLog) => {
      const log = Layer.mapError(
        PgRequestLog.layer({ url: Redacted.make(url), maxConnections: 10, ...logOptions(options) }),
        asConfigurationError
      )
      return Layer.provideMerge(
        Layer.merge(Layer.scopedDiscard(migrated(true)), changes.layer(connectedTo(url))),
        Layer.provideMerge(LogReader.layerClient, log)
      )
    }
  ))

const durationOf = (text: string | undefined): Duration.Duration | undefined =>
  text === undefined ? undefined : Option.getOrUndefined(Duration.decodeUnknown(text))

/** Whether there is a place for bodies: of all requests, or of those whose keys say so. */
export const keepsBodies = ({ log }: Pick<Options, "log">): boolean =>
  (log?.bodies ?? "none") !== "none" || log?.bodiesDirectory !== undefined || log?.bodiesBucket !== undefined

/** Whether bodies have one place, and one rule of when they go. */
export const check = ({ log }: Pick<Options, "log">): Effect.Effect<void, ConfigurationError> =>
  log?.bodiesBucket === undefined
    ? Effect.void
    : log.bodiesDirectory !== undefined
    ? new ConfigurationError({ description: "log: bodies go to bodiesDirectory or to bodiesBucket, not to both" })
    : log.bodiesRetention !== undefined
    ? new ConfigurationError({
      description: "log.bodiesRetention is for directories; give the bucket a rule (lifecycle) of its own"
    })
    : Effect.void

const bodyStore = ({ log }: Pick<Options, "log">): Layer.Layer<BodyStore, ConfigurationError> => {
  const { bodiesBucket } = log ?? {}
  return bodiesBucket === undefined
    ? FileBodyStore.layer({
      directory: log?.bodiesDirectory ?? "majordomo-bodies",
      shard: "day",
      retention: durationOf(log?.bodiesRetention)
    }).pipe(Layer.mapError(asConfigurationError), Layer.provide(NodeContext.layer))
    : Layer.unwrapEffect(Effect.map(
      loaded(() => import("../../logging/S3BodyStore.ts"), ""),
      ({ layer }) => layer(bodiesBucket)
    ))
}

const logOptions = ({ log }: Options) => ({
  retention: durationOf(log?.retention),
  reportLabels: log?.reportLabels
})

const sqliteClient = (filename: string): Layer.Layer<SqlClient.SqlClient, ConfigurationError> =>
  Layer.unwrapEffect(Effect.gen(function*() {
    const SqliteClient = yield* loaded(() => import("@effect/sql-sqlite-node/SqliteClient"))
    const Reactivity = yield* loaded(() => import("@effect/experimental/Reactivity"))
    sqliteFile.made(filename)
    const opened = SqliteClient.make({ filename }).pipe(
      // A file that cannot be opened is a defect of the driver.
      Effect.catchAllDefect((defect) =>
        new ConfigurationError({
          description: `${filename} cannot be opened: ${toLogError("sqlite")(defect).description}`
        })
      ),
      // The driver waits in the event loop.
      Effect.tap((sql) => Effect.ignore(sql`PRAGMA busy_timeout = 250`))
    )
    return Layer.scoped(SqlClient.SqlClient, opened).pipe(Layer.provide(Reactivity.layer))
  }))

const sqlite = (filename: string, options: Options): Layer.Layer<Stores, ConfigurationError> =>
  Layer.unwrapEffect(Effect.map(
    loaded(() => import("../../logging/SqliteRequestLog.ts")),
    (SqliteRequestLog) => {
      const log = Layer.mapError(SqliteRequestLog.layer({ filename, ...logOptions(options) }), asConfigurationError)
      return Layer.provideMerge(
        Layer.scopedDiscard(migrated(false)),
        Layer.provideMerge(sqliteClient(filename), log)
      )
    }
  ))

const connectedTo = (url: string) =>
  Effect.gen(function*() {
    const Postgres = yield* loaded(() => import("../../logging/internal/sql/postgres.ts"))
    const Reactivity = yield* loaded(() => import("@effect/experimental/Reactivity"))
    return yield* Postgres.make({
      url: Redacted.make(url),
      applicationName: "majordomo",
      connectTimeout: "5 seconds",
      maxConnections: 1
    }).pipe(
      Effect.mapError((error) =>
        new ConfigurationError({
          description: `the database cannot be reached: ${toLogError("postgres")(error).description}`
        })
      ),
      Effect.provide(Reactivity.layer)
    )
  })

const postgresClient = (url: string): Layer.Layer<SqlClient.SqlClient, ConfigurationError> =>
  Layer.scoped(SqlClient.SqlClient, Effect.map(connectedTo(url), ({ sql }) => sql))

/** The database alone, with its tables: for who makes keys. */
export const layerDatabase = (
  { database: name = defaultFile }: Options
): Layer.Layer<SqlClient.SqlClient, ConfigurationError> =>
  Layer.provideMerge(
    Layer.scopedDiscard(migrated(false)),
    isPostgres(name) ? postgresClient(name) : sqliteClient(name)
  )

const logging = ({ log }: Options): Layer.Layer<Logging.Logging, ConfigurationError, RequestLog> => {
  const spool = { directory: log?.spool ?? "majordomo-spool" }
  // The gateway itself says which.
  const bodies = keepsBodies({ log }) ? "all" : "none"
  const writer = log?.durability === "buffered"
    ? Logging.layerWriter({ spool, bodies })
    : Logging.layerWriter({ durability: "durable", spool, bodies })
  const stored = bodies === "none"
    ? writer
    : Layer.provideMerge(writer, bodyStore({ log }))
  return Layer.provide(stored, NodeContext.layer)
}

export const layer = (
  options: Options
): Layer.Layer<
  Logging.Logging | LogReader.LogReader | SqlClient.SqlClient | limitStore.LimitStore,
  ConfigurationError
> => {
  const { database: name = defaultFile } = options
  const stores = isPostgres(name) ? postgres(name, options) : sqlite(name, options)
  const limits = Layer.provideMerge(limitStore.layer(options), stores)
  return Layer.provideMerge(logging(options), Layer.provideMerge(bookedLog.layer, limits))
}
