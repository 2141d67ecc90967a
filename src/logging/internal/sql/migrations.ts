/** The versions of the table, brought about once, also when several processes start together. */
import type * as Migrator from "@effect/sql/Migrator"
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import { type Column, columns, type Dialect, key } from "./columns.ts"
import { migrated } from "./migrate.ts"

export const table = "llm_requests"

const ofVersion = (version: Column["since"]) => columns.filter(({ since }) => since <= version)

/**
 * What another program made is kept: columns that are missing are added, others are left alone, and its rows read as
 * calls.
 */
const migrations = (dialect: Dialect): Record<string, Effect.Effect<void, SqlError, SqlClient.SqlClient>> => ({
  "0001_llm_requests": Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    yield* sql.unsafe(create[dialect])
    yield* addMissing(dialect, ofVersion(1))
    for (const index of indexes[dialect]) yield* sql.unsafe(index)
  }),
  "0002_llm_requests_attempts": Effect.gen(function*() {
    yield* addMissing(dialect, ofVersion(2))
  }),
  "0003_llm_requests_gateway": Effect.gen(function*() {
    yield* addMissing(dialect, ofVersion(3))
  }),
  "0004_llm_requests_estimates": Effect.gen(function*() {
    yield* addMissing(dialect, ofVersion(4))
  })
})

const defined = (dialect: Dialect): string =>
  ofVersion(1).map((column) => `"${column.name}" ${column[dialect]}${column === key ? " NOT NULL" : ""}`).join(", ")

const create: Record<Dialect, string> = {
  // The key of a partitioned table has the column it is partitioned by.
  pg: `CREATE TABLE IF NOT EXISTS ${table} (${
    defined("pg").replace(`"timestamp" timestamptz`, `"timestamp" timestamptz NOT NULL`)
  }, PRIMARY KEY (request_id, "timestamp")) PARTITION BY RANGE ("timestamp")`,
  sqlite: `CREATE TABLE IF NOT EXISTS ${table} (${defined("sqlite")}, PRIMARY KEY (request_id))`
}

const index = (name: string, on: string) => `CREATE INDEX IF NOT EXISTS ${table}_${name} ON ${table} ${on}`

const indexes: Record<Dialect, ReadonlyArray<string>> = {
  pg: [
    index("timestamp", `("timestamp")`),
    index("model", `(model, "timestamp")`),
    index("metadata", `USING gin (raw_metadata jsonb_path_ops)`)
  ],
  sqlite: [
    index("timestamp", `("timestamp")`),
    index("model", `(model, "timestamp")`),
    index("feature", `(raw_metadata->>'Feature')`),
    index("user", `(raw_metadata->>'User-Id')`)
  ]
}

const addMissing = (dialect: Dialect, wanted: ReadonlyArray<Column>) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const present = yield* dialect === "pg"
      ? sql<{ name: string }>`SELECT attname AS name FROM pg_attribute
          WHERE attrelid = ${table}::regclass AND attnum > 0 AND NOT attisdropped`
      : sql<{ name: string }>`SELECT name FROM pragma_table_info(${table})`
    const missing = wanted.filter((column) => !present.some(({ name }) => name === column.name))
    for (const column of missing) {
      yield* sql.unsafe(`ALTER TABLE ${table} ADD COLUMN "${column.name}" ${column[dialect]}`)
    }
  })

export const run = (dialect: Dialect): Effect.Effect<void, Migrator.MigrationError | SqlError, SqlClient.SqlClient> =>
  migrated({ what: "the LLM log", table: "llm_migrations", migrations: migrations(dialect) })
