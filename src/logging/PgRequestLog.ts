/**
 * Rows in a PostgreSQL database, through `@effect/sql-pg`. See `SqlRequestLog` for the table.
 *
 * @since 0.1.0
 */
import * as Reactivity from "@effect/experimental/Reactivity"
import * as PgClient from "@effect/sql-pg/PgClient"
import * as SqlClient from "@effect/sql/SqlClient"
import { SqlError } from "@effect/sql/SqlError"
import * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import { BodyStore } from "./BodyStore.ts"
import { toConnectError } from "./internal/sql/failures.ts"
import * as Postgres from "./internal/sql/postgres.ts"
import * as LogReader from "./LogReader.ts"
import { RequestLog, RequestLogError, type Service } from "./RequestLog.ts"
import * as SqlRequestLog from "./SqlRequestLog.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Options extends SqlRequestLog.Options {
  /** `postgres://user:password@host:5432/database`. */
  readonly url: Redacted.Redacted | string
  /** Default 2: batches go one after the other on one, reports and readers take the others. */
  readonly maxConnections?: number | undefined
}

/**
 * The sink. A server that is away, at the start or later, is waited for: rows are kept meanwhile and a warning says so. The
 * layer fails when waiting would not help: a wrong password, no such database, an address that is none.
 *
 * With it comes a `LogReader` over the same connections; its client is for reports, too.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import * as PgRequestLog from "effect-majordomo/logging/PgRequestLog"
 * import { Redacted } from "effect"
 *
 * const live = PgRequestLog.layer({ url: Redacted.make("postgres://localhost/llm"), retention: "365 days" })
 * ```
 */
export const layer = (
  options: Options
): Layer.Layer<RequestLog | LogReader.LogReader, RequestLogError> =>
  Layer.scopedContext(make(options)).pipe(Layer.provide(Reactivity.layer))

const make = (options: Options) =>
  Effect.gen(function*() {
    const reactivity = yield* Reactivity.Reactivity
    const scope = yield* Effect.scope
    const lock = yield* Effect.makeSemaphore(1)
    let service: Opened | undefined
    const connect = Effect.gen(function*() {
      const attempt = yield* Scope.fork(scope, ExecutionStrategy.sequential)
      return yield* Scope.extend(Effect.provideService(opened(options), Reactivity.Reactivity, reactivity), attempt)
        .pipe(
          Effect.onError((cause) => Scope.close(attempt, Exit.failCause(cause))),
          Effect.tap((made) => {
            service = made
          })
        )
    })
    const connected = lock.withPermits(1)(
      Effect.suspend(() => service === undefined ? connect : Effect.succeed(service))
    )
    yield* Effect.catchAll(connected, (error) =>
      error.reason === "Unavailable" ? Effect.logWarning(error.message) : Effect.fail(atStart(error)))
    // Once the program runs, no row is to blame for a connection.
    const current = Effect.mapError(connected, ({ description, sink }) =>
      new RequestLogError({ sink, reason: "Unavailable", description }))
    const sink: Service = {
      write: (batch) =>
        Effect.flatMap(current, ({ sink }) =>
          sink.write(batch)),
      health: Effect.flatMap(current, ({ sink }) =>
        sink.health ?? Effect.void)
    }
    const client = yield* reading(
      Effect.mapError(current, (cause) => new SqlError({ cause, message: cause.description })),
      (options.maxConnections ?? defaultConnections) - 1
    )
    const store = Option.getOrUndefined(yield* Effect.serviceOption(BodyStore))
    return Context.make(RequestLog, sink).pipe(
      Context.add(LogReader.LogReader, LogReader.make(client, store))
    )
  })

const defaultConnections = 2

const atStart = ({ cause, description, reason, sink }: RequestLogError) =>
  new RequestLogError({ sink, reason, description, cause, atStart: true })

interface Opened {
  readonly sink: Service
  readonly sql: SqlClient.SqlClient
}

/** The sink's own connections for questions, also while the server is away at the start; one is left to the writer. */
const reading = (connected: Effect.Effect<Opened, SqlError>, connections: number) =>
  Effect.gen(function*() {
    const free = yield* Effect.makeSemaphore(Math.max(1, connections))
    const reserved = Effect.zipRight(
      Effect.acquireRelease(Effect.interruptible(free.take(1)), () => free.release(1)),
      Effect.flatMap(connected, ({ sql }) => sql.reserve)
    )
    return yield* SqlClient.make({
      acquirer: reserved,
      compiler: PgClient.makeCompiler(),
      spanAttributes: [["db.system.name", "postgresql"]]
    })
  })

const opened = ({ maxConnections, url, ...options }: Options) =>
  Effect.gen(function*() {
    const { sql } = yield* Postgres.make({
      url: typeof url === "string" ? Redacted.make(url) : url,
      applicationName: "effect-majordomo",
      connectTimeout: "5 seconds",
      maxConnections: maxConnections ?? defaultConnections
    }).pipe(
      // An address that cannot be read is a defect of the driver.
      Effect.catchAllDefect((defect) => Effect.fail(defect)),
      Effect.mapError(toConnectError)
    )
    const sink = yield* Effect.provideService(SqlRequestLog.make(options), SqlClient.SqlClient, sql)
    return { sink, sql }
  })

/**
 * The same with options from the configuration.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (
  config: Config.Config.Wrap<Options>
): Layer.Layer<
  RequestLog | LogReader.LogReader,
  RequestLogError | ConfigError.ConfigError
> => Layer.unwrapEffect(Effect.map(Config.unwrap(config), layer))
