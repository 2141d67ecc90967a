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
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { toLogError } from "./internal/sql/failures.ts"
import { RequestLog, type RequestLogError } from "./RequestLog.ts"
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
 * The sink. The database must be there when the layer is built; when it goes away later, rows wait for it.
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
export const layer = ({ maxConnections, url, ...options }: Options): Layer.Layer<RequestLog, RequestLogError> =>
  Layer.scoped(
    RequestLog,
    Effect.gen(function*() {
      const sql = yield* Effect.mapError(
        PgClient.make({
          url: typeof url === "string" ? Redacted.make(url) : url,
          applicationName: "effect-majordomo",
          connectTimeout: "5 seconds",
          maxConnections: maxConnections ?? 2
        }),
        toLogError("postgres")
      )
      return yield* Effect.provideService(SqlRequestLog.make(options), SqlClient.SqlClient, sql)
    })
  ).pipe(Layer.provide(Reactivity.layer))

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
