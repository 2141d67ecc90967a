/** Whether the gateway should get traffic. */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as Logging from "../../logging/Logging.ts"

export interface State {
  readonly ready: boolean
  readonly draining: boolean
  /** The database answers. While it is away, rows wait in the spool and keys that were seen go on. */
  readonly database: boolean
  /** Rows that the database does not have yet. */
  readonly waiting: number
}

export const make: Effect.Effect<
  (draining: boolean) => Effect.Effect<State>,
  never,
  SqlClient.SqlClient | Logging.Logging
> = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const logging = yield* Logging.Logging
  const asked = sql`SELECT 1`.pipe(
    Effect.disconnect,
    Effect.timeout("2 seconds"),
    Effect.as(true),
    Effect.catchAllCause(() => Effect.succeed(false))
  )
  return (draining) =>
    Effect.zipWith(asked, logging.health, (database, health): State => ({
      // Rows have a place as long as one of the two takes them.
      ready: !draining && (database || health.spool === "ok"),
      draining,
      database,
      waiting: health.queued + health.spooled
    }))
})
