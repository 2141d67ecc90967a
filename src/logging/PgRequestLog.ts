/**
 * Rows in a PostgreSQL database, through `@effect/sql-pg`. See `SqlRequestLog` for the table.
 *
 * @since 0.1.0
 */
import * as Reactivity from "@effect/experimental/Reactivity"
import * as PgClient from "@effect/sql-pg/PgClient"
import * as SqlClient from "@effect/sql/SqlClient"
import * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import { toConnectError } from "./internal/sql/failures.ts"
import { RequestLog, RequestLogError, type Service } from "./RequestLog.ts"
import * as SqlRequestLog from "./SqlRequestLog.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Options extends SqlRequestLog.Options {
  /** `postgres://user:password@host:5432/database`. */
  readonly url: Redacted.Redacted | string
  /** Default 2: batches go one after the other. */
  readonly maxConnections?: number | undefined
}

/**
 * The sink. A server that is away, at the start or later, is waited for: rows are kept meanwhile and a warning says so. The
 * layer fails when waiting would not help: a wrong password, no such database, an address that is none.
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
export const layer = (options: Options): Layer.Layer<RequestLog, RequestLogError> =>
  Layer.scoped(RequestLog, make(options)).pipe(Layer.provide(Reactivity.layer))

const make = (options: Options) =>
  Effect.gen(function*() {
    const reactivity = yield* Reactivity.Reactivity
    const scope = yield* Effect.scope
    const lock = yield* Effect.makeSemaphore(1)
    let service: Service | undefined
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
    yield* Effect.catchIf(connected, ({ reason }) =>
      reason === "Unavailable", ({ message }) =>
      Effect.logWarning(message))
    // Once the program runs, no row is to blame for a connection.
    const current = Effect.mapError(connected, ({ description, sink }) =>
      new RequestLogError({ sink, reason: "Unavailable", description }))
    return {
      write: (batch) =>
        Effect.flatMap(current, ({ write }) =>
          write(batch)),
      health: Effect.flatMap(current, ({ health }) =>
        health ?? Effect.void)
    } satisfies Service
  })

const opened = ({ maxConnections, url, ...options }: Options) =>
  Effect.gen(function*() {
    const sql = yield* PgClient.make({
      url: typeof url === "string" ? Redacted.make(url) : url,
      applicationName: "effect-majordomo",
      connectTimeout: "5 seconds",
      maxConnections: maxConnections ?? 2
    }).pipe(
      // An address that cannot be read is a defect of the driver.
      Effect.catchAllDefect((defect) => Effect.fail(defect)),
      Effect.mapError(toConnectError)
    )
    return yield* Effect.provideService(SqlRequestLog.make(options), SqlClient.SqlClient, sql)
  })

/**
 * The same with options from the configuration.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (
  config: Config.Config.Wrap<Options>
): Layer.Layer<RequestLog, RequestLogError | ConfigError.ConfigError> =>
  Layer.unwrapEffect(Effect.map(Config.unwrap(config), layer))
