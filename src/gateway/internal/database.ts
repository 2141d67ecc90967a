/** The tables of the gateway: keys, tokens, limits, settings, what administrators did. SQLite and PostgreSQL alike. */
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

/** Amounts are whole numbers: requests, tokens, or millionths of a millionth of a dollar. */
const limits = [
  `CREATE TABLE gateway_limit_windows (account TEXT NOT NULL, starts BIGINT NOT NULL, ends BIGINT NOT NULL,
    used NUMERIC(38, 0) NOT NULL, PRIMARY KEY (account, starts))`,
  `CREATE TABLE gateway_limit_leases (account TEXT NOT NULL, starts BIGINT NOT NULL, holder TEXT NOT NULL,
    told NUMERIC(38, 0) NOT NULL, granted NUMERIC(38, 0) NOT NULL, valid_until BIGINT NOT NULL,
    PRIMARY KEY (account, starts, holder))`,
  `CREATE TABLE gateway_limit_alerts (account TEXT NOT NULL, starts BIGINT NOT NULL, threshold TEXT NOT NULL,
    ends BIGINT NOT NULL, PRIMARY KEY (account, starts, threshold))`
]

const audit = [
  `CREATE TABLE gateway_audit (id TEXT PRIMARY KEY, at BIGINT NOT NULL, who TEXT NOT NULL, what TEXT NOT NULL,
    subject TEXT NOT NULL, before TEXT, after TEXT)`
]

const settings = [
  `ALTER TABLE gateway_keys ADD COLUMN limits TEXT`,
  `ALTER TABLE gateway_keys ADD COLUMN bodies TEXT`,
  `CREATE TABLE gateway_settings (version BIGINT PRIMARY KEY, at BIGINT NOT NULL, who TEXT NOT NULL,
    settings TEXT NOT NULL)`
]

const created = (statements: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    for (const statement of statements) yield* sql.unsafe(statement)
  })

const migrations = {
  "0001_gateway_keys": created(tables),
  "0002_gateway_limits": created(limits),
  "0003_gateway_audit": created(audit),
  "0004_gateway_settings": created(settings)
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
