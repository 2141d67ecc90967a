import { NodeContext } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Layer, Schedule } from "effect"
import { spawn } from "node:child_process"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as JsonLinesRequestLog from "../../src/logging/JsonLinesRequestLog.ts"
import * as Logging from "../../src/logging/Logging.ts"
import * as PgRequestLog from "../../src/logging/PgRequestLog.ts"
import type { RequestLog, RequestLogError } from "../../src/logging/RequestLog.ts"
import * as SqliteRequestLog from "../../src/logging/SqliteRequestLog.ts"
import { FakeProvider, TestLLM } from "../../src/testing/index.ts"
import { isSoak } from "../runs.ts"
import { folder, pg, sqliteAt } from "./databases.ts"

// `npm run soak` for the long version.
const isLong = isSoak

const program = fileURLToPath(new URL("../../.tmp/programs/test/logging/child.js", import.meta.url))

/** What a process printed until it was killed: ids of answers and, between them, `wrote`. */
type Printed = ReadonlyArray<string>

const idsOf = (printed: Printed) => printed.filter((line) => line !== "wrote")

/** Runs the program and kills it at a random moment after so many answers. */
const killed = (args: ReadonlyArray<string>, answers: number) =>
  Effect.async<Printed, Error>((resume) => {
    const child = spawn(process.execPath, [program, ...args, "1000000"], {
      stdio: ["ignore", "pipe", "pipe"]
    })
    let printed = ""
    let lines = 0
    let said = ""
    child.stdout.on("data", (chunk) => {
      const text = String(chunk)
      printed += text
      const before = lines
      lines += text.split("\n").length - 1
      if (before < answers && lines >= answers) setTimeout(() => child.kill("SIGKILL"), Math.random() * 100)
    })
    child.stderr.on("data", (text) => said += String(text))
    child.on("close", (_, signal) => {
      const whole = printed.slice(0, printed.lastIndexOf("\n")).split("\n")
      resume(
        signal === "SIGKILL"
          ? Effect.succeed(whole.filter((line) => line === "wrote" || /^[0-9a-f-]{36}$/.test(line)))
          : Effect.fail(new Error(`the program ended by itself: ${said}${printed.slice(-500)}`))
      )
    })
    return Effect.sync(() => child.kill("SIGKILL"))
  })

interface Sink {
  /** What the program is told. */
  readonly target: string
  readonly layer: Layer.Layer<RequestLog, RequestLogError>
  readonly ids: Effect.Effect<ReadonlyArray<unknown>>
}

const sinks = {
  "JSON lines": Effect.map(folder, (path): Sink => {
    const target = join(path, "calls.jsonl")
    return {
      target,
      layer: Layer.provide(JsonLinesRequestLog.layer({ path: target }), NodeContext.layer),
      ids: Effect.sync(() => {
        const lines = readFileSync(target, "utf8").split("\n").filter((line) => line !== "")
        return lines.map((line): unknown => JSON.parse(line).requestId)
      })
    }
  }),
  SQLite: Effect.map(folder, (path): Sink => {
    const target = join(path, "log.db")
    return {
      target,
      layer: SqliteRequestLog.layer({ filename: target }),
      ids: idsIn(sqliteAt(target).query)
    }
  }),
  PostgreSQL: Effect.map(pg, ({ query, url }): Sink => ({
    target: url,
    layer: PgRequestLog.layer({ url }),
    ids: idsIn(query)
  }))
}

function idsIn(query: (sql: string) => Effect.Effect<ReadonlyArray<Readonly<Record<string, unknown>>>>) {
  return Effect.map(query("SELECT request_id FROM llm_requests"), (rows) => rows.map((row) => row["request_id"]))
}

/** A start after the last kill, which writes what the others have left. */
const replayed = (sink: Sink, directory: string) =>
  Effect.repeat(Effect.sync(() => existsSync(directory) ? readdirSync(directory) : []), {
    until: (names) => !names.some((name) => name.endsWith(".seg")),
    schedule: Schedule.spaced("50 millis")
  }).pipe(
    Effect.zipRight(Logging.flush),
    Effect.timeout("2 minutes"),
    Effect.provide(
      Logging.layer({ spool: { directory, staleAfter: "1 second" } }).pipe(
        Layer.provide([TestLLM.layer([]), sink.layer, NodeContext.layer])
      )
    )
  )

/** Kills one process after the other; each next one starts at once, with what its forerunners have left. */
const survived = (name: keyof typeof sinks, durability: "durable" | "buffered", kills: number, calls: number) =>
  Effect.gen(function*() {
    const sink = yield* sinks[name]
    const directory = join(yield* folder, "spool")
    const fake = yield* FakeProvider.make()
    const lives: Array<Printed> = []
    for (let kill = 0; kill < kills; kill++) {
      const answers = 1 + Math.floor(2 * Math.random() * calls / kills)
      lives.push(yield* killed([fake.url, directory, sink.target, durability], answers))
    }
    yield* replayed(sink, directory)
    const ids = yield* sink.ids
    const stored = new Set(ids)
    assert.strictEqual(stored.size, ids.length, "no row twice")
    return { lives, stored }
  }).pipe(Effect.withClock(Clock.make()))

const report = (name: string, lives: ReadonlyArray<Printed>, missing: number) =>
  isLong
    ? Effect.sync(() =>
      process.stderr.write(
        `${name}: ${lives.length} kills, ${lives.flatMap(idsOf).length} answers, ${missing} missing\n`
      )
    )
    : Effect.void

describe("after kill -9", () => {
  for (const [name, kills] of [["JSON lines", 1], ["SQLite", 2], ["PostgreSQL", 2]] as const) {
    it.scoped(
      `${name}, durable: every call whose answer the program had is there exactly once`,
      () =>
        Effect.gen(function*() {
          const { lives, stored } = yield* survived(name, "durable", isLong ? 20 : kills, isLong ? 20_000 : 400)
          const missing = lives.flatMap(idsOf).filter((id) => !stored.has(id))
          yield* report(`${name}, durable`, lives, missing.length)
          assert.deepStrictEqual(missing, [])
        }),
      900_000
    )

    it.scoped(
      `${name}, buffered: no more is missing than what came in one interval and one write`,
      () =>
        Effect.gen(function*() {
          const { lives, stored } = yield* survived(name, "buffered", isLong ? 5 : 1, isLong ? 5_000 : 300)
          const missing = lives.flatMap(idsOf).filter((id) => !stored.has(id))
          yield* report(`${name}, buffered`, lives, missing.length)
          for (const printed of lives) {
            // The last batch that was written had begun after the one before it was.
            const until = printed.lastIndexOf("wrote", printed.lastIndexOf("wrote") - 1)
            for (const id of idsOf(printed.slice(0, Math.max(0, until)))) assert.isTrue(stored.has(id))
          }
        }),
      900_000
    )
  }
})
