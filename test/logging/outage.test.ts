import { NodeContext } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Exit, Fiber, Layer, Schedule, Scope } from "effect"
import { spawn } from "node:child_process"
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { LLM } from "../../src/index.ts"
import * as Logging from "../../src/logging/Logging.ts"
import type { RequestLog, RequestLogError } from "../../src/logging/RequestLog.ts"
import { TestLLM } from "../../src/testing/index.ts"
import { isSoak } from "../runs.ts"
import { type Database, folder, pg, pgAt, pgServer, sqliteAt } from "./databases.ts"

// `npm run soak` for the long version.
const isLong = isSoak
const seconds = isLong ? 60 : 4
const outage = isLong ? 7 : 1

const live = Effect.withClock(Clock.make())

/** A program with logging that ends when it is told to. */
const program = (sink: Layer.Layer<RequestLog, RequestLogError>, directory: string) =>
  Effect.gen(function*() {
    const scope = yield* Scope.fork(yield* Effect.scope, { _tag: "Sequential" })
    const logging = Logging.layer({
      flushInterval: "50 millis",
      capacity: { rows: 200 },
      closeTimeout: "100 millis",
      spool: { directory, segmentBytes: 50_000, staleAfter: "1 second" }
    })
    const context = yield* Layer.buildWithScope(
      logging.pipe(Layer.provide([TestLLM.layer(["ok"], { repeat: true }), sink, NodeContext.layer])),
      scope
    )
    const answers: Array<string> = []
    const call = Effect.map(LLM.generateText({ prompt: "Hello" }), ({ requestId }) => void answers.push(requestId))
    return {
      answers,
      call: Effect.provide(call, context),
      flush: Effect.provide(Effect.timeout(Logging.flush, "90 seconds"), context),
      health: Effect.provide(Logging.health, context),
      close: Scope.close(scope, Exit.void)
    }
  })

/** All that was answered is there, once. */
const isComplete = (database: Database, answers: ReadonlyArray<string>) =>
  Effect.map(database.query("SELECT request_id FROM llm_requests"), (rows) => {
    const ids = rows.map((row) => String(row["request_id"]))
    assert.strictEqual(new Set(ids).size, ids.length)
    assert.deepStrictEqual(ids.sort(), [...answers].sort())
  })

const p99 = (times: ReadonlyArray<number>) => [...times].sort((a, b) => a - b)[Math.floor(times.length * 0.99)] ?? 0

describe("outages", () => {
  it.scoped(
    `PostgreSQL is away for ${seconds} s under 200 calls a second: no row lost, none twice`,
    () =>
      Effect.gen(function*() {
        const server = yield* pgServer
        const database = yield* pgAt(server.url)
        const { answers, call, flush, health } = yield* program(database.layer(), join(yield* folder, "spool"))
        const times: Array<number> = []
        let mostQueued = 0
        let mostSpooled = 0
        const timed = Effect.suspend(() => {
          const before = performance.now()
          return Effect.map(call, () => void times.push(performance.now() - before))
        })
        const second = Effect.gen(function*() {
          yield* Effect.repeat(timed, Schedule.intersect(Schedule.fixed("5 millis"), Schedule.recurs(199)))
          const { queued, spooledBytes } = yield* health
          mostQueued = Math.max(mostQueued, queued)
          mostSpooled = Math.max(mostSpooled, spooledBytes)
        })
        yield* second
        const before = times.splice(0)
        yield* server.stop
        yield* Effect.repeatN(second, seconds - 1)
        const during = times.splice(0)
        assert.strictEqual((yield* health).sink, "failing")
        yield* server.start
        yield* second
        yield* flush
        assert.lengthOf(answers, 200 * (seconds + 2))
        yield* isComplete(database, answers)
        assert.deepInclude(yield* health, { queued: 0, dropped: 0, sink: "ok" })
        assert.isAtMost(mostQueued, 200)
        assert.isAbove(mostSpooled, 0)
        if (isLong) {
          process.stderr.write(
            `outage: p99 ${p99(before).toFixed(2)} ms before, ${
              p99(during).toFixed(2)
            } ms during; at most ${mostQueued} ` +
              `rows in memory, ${mostSpooled} bytes in the spool\n`
          )
        }
      }).pipe(live),
    300_000
  )

  it.scoped(
    `PostgreSQL is away for ${outage} s under 64 callers: what waits is written while they go on`,
    () =>
      Effect.gen(function*() {
        const server = yield* pgServer
        const database = yield* pgAt(server.url)
        const { answers, call, flush, health } = yield* program(database.layer(), join(yield* folder, "spool"))
        const caller = Effect.repeat(call, Schedule.spaced("250 millis"))
        const callers = yield* Effect.fork(Effect.all(Array.from({ length: 64 }, () => caller), { concurrency: 64 }))
        yield* Effect.sleep("500 millis")
        yield* server.stop
        yield* Effect.sleep(`${outage} seconds`)
        yield* Effect.repeat(health, { until: ({ spooled }) => spooled > 0, schedule: Schedule.spaced("20 millis") })
        yield* server.start
        const answeredBefore = answers.length
        yield* Effect.repeat(health, {
          until: ({ sink, spooled }) => sink === "ok" && spooled === 0,
          schedule: Schedule.spaced("20 millis")
        })
        assert.isAbove(answers.length, answeredBefore)
        yield* Fiber.interrupt(callers)
        yield* flush
        // Who was interrupted has a row, too, and no answer.
        const rows = yield* database.query("SELECT request_id FROM llm_requests WHERE status = 'success'")
        const ids = rows.map((row) => String(row["request_id"]))
        assert.strictEqual(new Set(ids).size, ids.length)
        const written = new Set(ids)
        assert.deepStrictEqual(answers.filter((id) => !written.has(id)), [])
      }).pipe(live),
    120_000
  )

  it.scoped("PostgreSQL is away when the program starts: rows wait for it", () =>
    Effect.gen(function*() {
      const server = yield* pgServer
      const database = yield* pgAt(server.url)
      yield* server.stop
      const { answers, call, flush, health } = yield* program(database.layer(), join(yield* folder, "spool"))
      yield* Effect.repeatN(call, 49)
      yield* Effect.repeat(health, { until: ({ sink }) => sink === "failing", schedule: Schedule.spaced("20 millis") })
      assert.include((yield* health).problem, "ECONNREFUSED")
      yield* server.start
      yield* flush
      yield* isComplete(database, answers)
    }).pipe(live), 60_000)

  it.scoped("a connection is cut in the middle of a batch", () =>
    Effect.gen(function*() {
      const database = yield* pg
      const { answers, call, flush } = yield* program(database.layer(), join(yield* folder, "spool"))
      yield* database.query(
        "CREATE FUNCTION slow() RETURNS trigger AS $$ BEGIN PERFORM pg_sleep(0.5); RETURN NEW; END $$ LANGUAGE plpgsql"
      )
      yield* database.query("CREATE TRIGGER slow BEFORE INSERT ON llm_requests FOR EACH ROW EXECUTE FUNCTION slow()")
      yield* Effect.repeatN(call, 9)
      const writing = "FROM pg_stat_activity WHERE application_name = 'effect-majordomo' AND query LIKE 'INSERT%'"
      yield* Effect.repeat(database.query(`SELECT pg_terminate_backend(pid) ${writing} AND state = 'active'`), {
        until: (cut) => cut.length > 0,
        schedule: Schedule.spaced("20 millis")
      })
      yield* database.query("DROP TRIGGER slow ON llm_requests")
      yield* flush
      yield* isComplete(database, answers)
    }).pipe(live), 60_000)

  it.scoped("a SQLite file that another process holds locked: calls go on, rows wait", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const filename = join(path, "log.db")
      const database = sqliteAt(filename)
      const { answers, call, flush, health } = yield* program(database.layer(), join(path, "spool"))
      const lock = yield* Effect.acquireRelease(
        Effect.async<ReturnType<typeof spawn>>((resume) => {
          const child = spawn(process.execPath, [
            "-e",
            `const db = new (require("better-sqlite3"))(${JSON.stringify(filename)})
             db.exec("BEGIN EXCLUSIVE"); console.log("locked"); setInterval(() => {}, 1000)`
          ], { stdio: ["ignore", "pipe", "inherit"] })
          child.stdout.once("data", () => resume(Effect.succeed(child)))
        }),
        (child) => Effect.sync(() => child.kill("SIGKILL"))
      )
      const calls = yield* Effect.fork(
        Effect.repeat(call, Schedule.intersect(Schedule.spaced("5 millis"), Schedule.recurs(299)))
      )
      yield* Fiber.join(calls)
      assert.lengthOf(answers, 300)
      assert.deepInclude(yield* health, { sink: "failing", written: 0, dropped: 0 })
      lock.kill("SIGKILL")
      yield* flush
      yield* isComplete(database, answers)
    }).pipe(live), 60_000)

  it.scoped(
    "a spool file that rots: all of its other rows are written, and the file is kept",
    () =>
      Effect.gen(function*() {
        const path = yield* folder
        const directory = join(path, "spool")
        const server = yield* pgServer
        const database = yield* pgAt(server.url)
        yield* server.stop
        const first = yield* program(database.layer(), directory)
        yield* Effect.repeatN(first.call, 19)
        yield* first.close
        const [name = ""] = readdirSync(directory).filter((file) => file.endsWith(".seg"))
        const bytes = readFileSync(join(directory, name))
        bytes[Math.floor(bytes.length / 2)] = 0
        writeFileSync(join(directory, name), bytes)
        yield* server.start
        const second = yield* program(database.layer(), directory)
        yield* second.flush
        const rows = yield* database.query("SELECT request_id FROM llm_requests")
        assert.lengthOf(rows, 19)
        assert.lengthOf(readdirSync(join(directory, "aside")), 1)
      }).pipe(live),
    60_000
  )
})
