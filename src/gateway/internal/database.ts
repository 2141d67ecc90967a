/** The tables of the gateway: its keys, sealed keys of providers, tokens of administrators. SQLite and PostgreSQL alike. */
import type * as Migrator from "@effect/sql/Migrator"
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { migrated } from "../../logging/internal/sql/migrate.ts"

/** Times are ms since the epoch; lists are JSON. */
const tables = [
  `CREATE TABLE gateway_keys (id TEXT PRIMARY KEY, name TEXT NOT NULL, owner TEXT, created_at BIGINT NOT NULL,
    expires_at BIGINT, revoked_at BIGINT, providers TEXT, models TEXT)`,
  `CREATE TABLE gateway_key_secrets (hash TEXT PRIMARY KEY, key_id TEXT NOT NULL, shown TEXT NOT NULL,
    created_at BIGINT NOT NULL, valid_until BIGINT)`,
  `CREATE INDEX gateway_key_secrets_key ON gateway_key_secrets (key_id)`,
  `CREATE TABLE gateway_provider_keys (id TEXT PRIMARY KEY, provider TEXT NOT NULL, alias TEXT NOT NULL,
    sealed TEXT NOT NULL, hash TEXT NOT NULL, created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL,
    UNIQUE (provider, alias))`,
  `CREATE TABLE gateway_admin_tokens (hash TEXT PRIMARY KEY, name TEXT NOT NULL, role TEXT NOT NULL,
    created_at BIGINT NOT NULL, revoked_at BIGINT)`
]

const migrations = {
  "0001_gateway_keys": Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    for (const statement of tables) yield* sql.unsafe(statement)
  })
}

export const migrate: Effect.Effect<void, Migrator.MigrationError | SqlError, SqlClient.SqlClient> = migrated({
  what: "the gateway",
  table: "gateway_migrations",
  migrations
})

/** A time of a row: PostgreSQL's driver gives its big integers as text. */
export const Millis = Schema.Union(Schema.Number, Schema.NumberFromString)

/** A list in a column, or none. */
export const Names = Schema.NullOr(Schema.parseJson(Schema.Array(Schema.String)))
