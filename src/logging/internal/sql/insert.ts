/** A batch as one write: all of its rows or none, and those that are there already are left as they are. */
import type * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import type { Entry } from "../../RequestLog.ts"
import { type Column, columns, names, type Value } from "./columns.ts"
import { table } from "./migrations.ts"

// ── PostgreSQL: one statement, one array for each column ────────────────────────────────────────────────────────────

const fromArrays = `INSERT INTO ${table} (${names}) SELECT * FROM unnest(${
  columns.map(({ pg }, index) => `$${index + 1}::${pg}[]`).join(", ")
})`

// PostgreSQL takes neither NUL nor half of a surrogate pair; what a model wrote must not keep its row out.
const unknown = "\ufffd"

/** A text as it is stored there. */
export const storedText = (text: string): string => text.replaceAll("\0", unknown)
const refusedEscapes = /(?<!\\)((?:\\\\)*)\\u(?:0000|d[89a-f][0-9a-f]{2})/g

const taken = ({ of, pg }: Column, entry: Entry): Value => {
  const value = of(entry) ?? null
  if (typeof value !== "string") return value
  return pg === "jsonb" ? value.replace(refusedEscapes, `$1${unknown}`) : storedText(value)
}

export const postgres = (
  sql: SqlClient.SqlClient,
  batch: ReadonlyArray<Entry>,
  key: string
): Effect.Effect<void, SqlError> =>
  Effect.asVoid(
    sql.unsafe(
      `${fromArrays} ON CONFLICT (${key}) DO NOTHING`,
      columns.map((column) => batch.map((entry) => taken(column, entry)))
    )
  )

// ── SQLite: rows side by side in as few statements as there may be parameters ───────────────────────────────────────

/** Few sizes, so that prepared statements are used again. */
const sizes = [32, 8, 1]
const row = `(${columns.map(() => "?").join(", ")})`
const statements = new Map(
  sizes.map((size) => [
    size,
    `INSERT INTO ${table} (${names}) VALUES ${Array.from({ length: size }, () => row).join(", ")}
      ON CONFLICT (request_id) DO NOTHING`
  ])
)

const valuesOf = (rows: ReadonlyArray<Entry>): ReadonlyArray<unknown> => {
  // Made as long as it gets: one that grows is copied again and again.
  const values = Array.from<unknown>({ length: rows.length * columns.length })
  let at = 0
  for (const entry of rows) {
    for (const { of } of columns) {
      const value = of(entry)
      values[at++] = typeof value === "boolean" ? Number(value) : value ?? null
    }
  }
  return values
}

export const sqlite = (sql: SqlClient.SqlClient, batch: ReadonlyArray<Entry>): Effect.Effect<void, SqlError> => {
  const writes: Array<Effect.Effect<unknown, SqlError>> = []
  let start = 0
  for (const size of sizes) {
    for (; batch.length - start >= size; start += size) {
      const rows = batch.slice(start, start + size)
      writes.push(Effect.suspend(() => sql.unsafe(statements.get(size) ?? "", valuesOf(rows))))
    }
  }
  const [only, ...others] = writes
  if (only === undefined) return Effect.void
  const all = Effect.zipRight(only, Effect.forEach(others, (write) => write, { discard: true }))
  return others.length === 0 ? Effect.asVoid(only) : sql.withTransaction(all)
}
