/**
 * A Redis of the test's own: a free port, a folder of its own, nothing kept unless asked for. Its tests are there where
 * `redis-server` is on the PATH, or `REDIS_URL` names one that may be used (those that stop it need `redis-server`).
 */
import { Effect, Schedule, type Scope } from "effect"
import { Redis } from "ioredis"
import { type ChildProcess, spawn } from "node:child_process"
import { existsSync } from "node:fs"
import { createServer } from "node:net"
import { delimiter, join } from "node:path"
import { temporary } from "../running.ts"

const given = process.env["REDIS_URL"]

/** A server can be started. */
export const isStartable = (process.env["PATH"] ?? "").split(delimiter).some((folder) =>
  folder !== "" && existsSync(join(folder, "redis-server"))
)

/** There is one to test with. */
export const isHere = isStartable || given !== undefined

export interface Server {
  readonly url: string
  readonly port: number
  readonly start: Effect.Effect<void>
  /** At once, as a machine ends that loses its power. */
  readonly kill: Effect.Effect<void>
  /** Asks it, on a connection of its own. */
  readonly ask: <A>(question: (redis: Redis) => Promise<A>) => Effect.Effect<A>
}

export const password = "redis-canary-5d20"

const freePort = Effect.async<number>((resume) => {
  const server = createServer()
  server.listen(0, "127.0.0.1", () => {
    const address = server.address()
    server.close(() => resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0)))
  })
})

const asking = (url: string) => <A>(question: (redis: Redis) => Promise<A>): Effect.Effect<A> =>
  Effect.acquireUseRelease(
    Effect.sync(() => {
      const redis = new Redis(url, { retryStrategy: () => null, maxRetriesPerRequest: 0, commandTimeout: 5000 })
      redis.on("error", () => {})
      return redis
    }),
    (redis) => Effect.promise(() => question(redis)),
    (redis) => Effect.sync(() => redis.disconnect())
  )

/** One that can be killed. `keeps`: every write is on disk before it is answered. */
export const server = (options: { readonly keeps?: boolean } = {}): Effect.Effect<Server, never, Scope.Scope> =>
  Effect.gen(function*() {
    const port = yield* freePort
    const folder = yield* temporary
    const url = `redis://:${password}@127.0.0.1:${port}/0`
    let child: ChildProcess | undefined
    const ask = asking(url)
    const kill = Effect.suspend(() => {
      const running = child
      child = undefined
      return running === undefined ? Effect.void : Effect.async<void>((resume) => {
        running.once("exit", () => resume(Effect.void))
        running.kill("SIGKILL")
      })
    })
    const start = Effect.suspend(() => {
      const settings = {
        port,
        bind: "127.0.0.1",
        dir: folder,
        requirepass: password,
        save: "",
        appendonly: options.keeps === true ? "yes" : "no",
        appendfsync: "always"
      }
      const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)])
      child ??= spawn("redis-server", args, { stdio: "ignore" })
      return Effect.retry(
        Effect.catchAllDefect(Effect.asVoid(ask((redis) => redis.ping())), Effect.fail),
        Schedule.intersect(Schedule.spaced("20 millis"), Schedule.recurs(250))
      ).pipe(Effect.orDie)
    })
    yield* Effect.acquireRelease(start, () => kill)
    return { url, port, start, kill, ask }
  })

/** The one that is given, else one of its own. */
export const any: Effect.Effect<Pick<Server, "url" | "ask">, never, Scope.Scope> = given === undefined
  ? server()
  : Effect.succeed({ url: given, ask: asking(given) })
