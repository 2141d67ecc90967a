/** Rows that go before their time: those that are too old, those of one user. In small steps, so that nobody waits long. */
import type * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import type { Fragment } from "@effect/sql/Statement"
import * as Effect from "effect/Effect"
import { table } from "./migrations.ts"

const step = 500
/** Rows whose bodies are removed at the same time. */
const atOnce = 16

export interface Erased {
  readonly rows: number
  readonly bodies: number
}

export interface Row {
  readonly request_id: string
  readonly storage_request_key: string | null
  readonly storage_response_key: string | null
  readonly storage_error: string | null
}

/** Rows for which something holds, with their tries, and first their bodies, of which `remove` says how many there were. */
export const erase = <E, R>(
  sql: SqlClient.SqlClient,
  where: Fragment,
  remove: ((row: Row) => Effect.Effect<number, E, R>) | undefined
): Effect.Effect<Erased, SqlError | E, R> =>
  Effect.gen(function*() {
    let rows = 0
    let bodies = 0
    for (;;) {
      const found = yield* sql<Row>`SELECT request_id, storage_request_key, storage_response_key, storage_error
        FROM ${sql(table)}
        WHERE ${where} LIMIT ${step}`
      if (found.length === 0) return { rows, bodies }
      if (remove !== undefined) {
        const removed = yield* Effect.forEach(found, remove, { concurrency: atOnce })
        bodies += removed.reduce((sum, count) => sum + count, 0)
      }
      const ids = found.map(({ request_id }) => request_id)
      yield* sql`DELETE FROM ${sql(table)} WHERE ${sql.or([sql.in("request_id", ids), sql.in("parent_id", ids)])}`
      rows += ids.length
      // Who waits to write has its turn.
      yield* Effect.sleep("5 millis")
    }
  })
