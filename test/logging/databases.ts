/** Databases of a test's own: a SQLite file, and one of the PostgreSQL server that all tests share. */
import type { SqlClient } from "@effect/sql"
import { PgClient } from "@effect/sql-pg"
import { SqliteClient } from "@effect/sql-sqlite-node"
import { Array as Arr, Effect, Layer, Redacted } from "effect"
import { randomUUID } from "node:crypto"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { inject } from "vitest"
import type { LogReader } from "../../src/logging/LogReader.ts"
import * as PgRequestLog from "../../src/logging/PgRequestLog.ts"
import { type Entry, RequestLog, type RequestLogError } from "../../src/logging/RequestLog.ts"
import * as SqliteRequestLog from "../../src/logging/SqliteRequestLog.ts"
import type * as SqlRequestLog from "../../src/logging/SqlRequestLog.ts"
import * as postgres from "./postgres.ts"

type Row = Readonly<Record<string, unknown>>

/** A database of the test's own, and a connection beside the sink's. */
export interface Database {
  readonly layer: (options?: SqlRequestLog.Options) => Layer.Layer<RequestLog | LogReader, RequestLogError>
  readonly client: Layer.Layer<SqlClient.SqlClient>
  readonly query: (sql: string) => Effect.Effect<ReadonlyArray<Row>>
}

export const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "majordomo-sqlite-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

export const sqliteAt = (filename: string): Database => ({
  layer: (options) => SqliteRequestLog.layer({ filename, ...options }),
  client: Layer.orDie(SqliteClient.layer({ filename })),
  query: (sql) =>
    Effect.flatMap(SqliteClient.SqliteClient, (client) => client.unsafe<Row>(sql)).pipe(
      Effect.provide(SqliteClient.layer({ filename })),
      Effect.orDie
    )
})

export const sqlite = Effect.map(folder, (path) => sqliteAt(join(path, "log.db")))

/** Of the server that `test/postgresServer.ts` has started. */
export const serverUrl = inject("postgresUrl")

/** A server of the test's own, to be stopped and started. */
export const pgServer = postgres.from(inject("postgresTemplate"))

/** A new database of a server. */
export const pgAt = (server: string): Effect.Effect<Database & { readonly url: string }> => {
  const name = `test_${randomUUID().replaceAll("-", "")}`
  const url = server.replace(/postgres$/, name)
  // To copy files takes half of what it takes to log each of their pages.
  return Effect.as(postgres.queryAt(server, `CREATE DATABASE ${name} STRATEGY FILE_COPY`), {
    url,
    layer: (options) => PgRequestLog.layer({ url: Redacted.make(url), ...options }),
    client: Layer.orDie(PgClient.layer({ url: Redacted.make(url) })),
    query: (sql) => postgres.queryAt(url, sql)
  })
}

export const pg = Effect.suspend(() => pgAt(serverUrl))

export const write = (batch: ReadonlyArray<Entry>) =>
  Effect.flatMap(RequestLog, (log) => Arr.isNonEmptyReadonlyArray(batch) ? log.write(batch) : Effect.void)

export const dialects = [["SQLite", sqlite], ["PostgreSQL", pg]] as const
