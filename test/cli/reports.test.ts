import { FileSystem } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { assert, it } from "@effect/vitest"
import type { Layer } from "effect"
import { Effect } from "effect"
import { stripVTControlCharacters } from "node:util"
import { uuidv7 } from "../../src/internal/call/uuid.ts"
import { Spool } from "../../src/logging/internal/spool.ts"
import * as PgRequestLog from "../../src/logging/PgRequestLog.ts"
import { type Entry, RequestLog, type RequestLogError } from "../../src/logging/RequestLog.ts"
import * as SqliteRequestLog from "../../src/logging/SqliteRequestLog.ts"
import { pgServer } from "../logging/databases.ts"
import { entry } from "../logging/entries.ts"
import { begin, runProcess } from "./command.ts"
import { atTerminal, run } from "./inProcess.ts"

const timeout = { timeout: 60_000 }

const temporary = Effect.flatMap(FileSystem.FileSystem, (fs) => fs.makeTempDirectoryScoped())

const write = (layer: Layer.Layer<RequestLog, RequestLogError>, rows: readonly [Entry, ...Array<Entry>]) =>
  Effect.provide(Effect.flatMap(RequestLog, (log) => log.write(rows)), layer)

/** Ten times 0.1, which no double adds up to 1, and one that is dearer by an atto-dollar's neighbour. */
const rows: readonly [Entry, ...Array<Entry>] = [
  entry({ totalCost: "1.000000000001", metadata: { Feature: "chat\u001b[2J", "User-Id": "7" } }),
  entry({ status: "error", errorType: "Overloaded", errorMessage: "busy\nnow", totalCost: undefined }),
  ...Array.from(
    { length: 10 },
    (_, n) => entry({ totalCost: "0.1", inputTokens: 1000, metadata: { Feature: "search", "User-Id": String(n) } })
  )
]

const expected = [
  "feature   requests  errors   input  output             cost",
  "chat�[2J         1       0     100      20  $1.000000000001  ████████████████████",
  "search          10       0  10,000     200               $1  ████████████████████",
  "(none)           1       1     100      20               $0",
  "total           12       1  10,200     240  $2.000000000001",
  ""
]

it.scopedLive("costs: an aligned table with exact dollars, as JSON, by time and label", () =>
  Effect.gen(function*() {
    const db = `${yield* temporary}/log.db`
    yield* write(SqliteRequestLog.layer({ filename: db }), rows)
    const byFeature = yield* runProcess(["costs", "--by", "feature", "--db", db])
    assert.deepStrictEqual([byFeature.code, byFeature.stdout.split("\n")], [0, expected])
    // The failure used tokens.
    assert.strictEqual(byFeature.stderr, "1 calls (8.3 %) have no known price and are not in cost\n")

    const json = yield* run(["costs", "--by", "day,status", "--json"], { env: { MAJORDOMO_DB: db } })
    const { rows: found, total } = JSON.parse(json.stdout)
    assert.deepStrictEqual(
      found.map((row: { day: string; status: string; cost: string }) => [row.day, row.status, row.cost]),
      [["2026-11-21", "error", "0"], ["2026-11-21", "success", "2.000000000001"]]
    )
    assert.strictEqual(total.cost, "2.000000000001")

    const narrow = yield* run(["costs", "--by", "user-id", "--where", "Feature=search", "--limit", "1", "--db", db])
    assert.match(narrow.stdout, /\n0 .*\ntotal +10 /)
    assert.include(narrow.stderr, "9 calls are in groups left out")
    const before = yield* run(["costs", "--until", "2026-11-01", "--db", db])
    assert.deepStrictEqual([before.code, before.stdout, before.stderr], [0, "", "no calls match\n"])
  }).pipe(Effect.provide(NodeContext.layer)), timeout)

it.scopedLive("costs and logs of PostgreSQL; its password is not shown", () =>
  Effect.gen(function*() {
    const server = yield* pgServer
    yield* write(PgRequestLog.layer({ url: server.url }), rows)
    const costs = yield* runProcess(["costs", "--by", "feature", "--db", server.url])
    assert.deepStrictEqual(costs.stdout.split("\n"), expected)
    const logs = yield* run(["logs", "--status", "error", "--json", "--db", server.url])
    const { error_type, input_tokens, streamed, timestamp } = JSON.parse(logs.stdout)
    assert.deepStrictEqual(
      [error_type, input_tokens, streamed, timestamp],
      ["Overloaded", 100, false, "2026-11-21T12:00:00.000Z"]
    )
    yield* server.stop
    const gone = yield* run(["costs", "--db", server.url])
    assert.strictEqual(gone.code, 1)
    assert.match(gone.stderr, /^majordomo: postgres:\/\/127\.0\.0\.1:\d+\/postgres cannot be read: .*ECONNREFUSED/)
    assert.notInclude(gone.stderr + costs.stderr, "canary")
  }).pipe(Effect.provide(NodeContext.layer)), timeout)

it.scopedLive("a database that is not there is not made; one that is another's says so", () =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const cwd = yield* temporary
    const missing = yield* run(["costs"], { cwd })
    assert.strictEqual(missing.code, 1)
    assert.match(missing.stderr, /^majordomo: there is no llm_logs\.db; .*--db or MAJORDOMO_DB.*\n$/)
    assert.deepStrictEqual(yield* fs.readDirectory(cwd), [])
    yield* fs.writeFileString(`${cwd}/text.db`, "this is no database at all, but a text of some length")
    const text = yield* run(["logs", "--db", `${cwd}/text.db`])
    assert.match(text.stderr, /^majordomo: .*text\.db cannot be read: file is not a database.*\n$/)
    yield* fs.writeFileString(`${cwd}/empty.db`, "")
    assert.include((yield* run(["logs", "--db", `${cwd}/empty.db`])).stderr, "it is not a log of majordomo")
  }).pipe(Effect.provide(NodeContext.layer)), timeout)

it.scopedLive(
  "logs: one line each, the newest last; a reader that goes away is no failure",
  () =>
    Effect.gen(function*() {
      const db = `${yield* temporary}/log.db`
      const many = Array.from({ length: 3000 }, (_, n) => entry({ timestamp: Date.UTC(2026, 10, 1) + n * 1000 }))
      yield* write(SqliteRequestLog.layer({ filename: db }), [...rows, ...many])
      const logs = yield* run(["logs", "--limit", "3", "--where", "status=error", "--db", db])
      const [line = "", ...others] = logs.stdout.split("\n")
      assert.deepStrictEqual(others, [""])
      assert.match(line, /^2026-11-21 12:00:00  error Overloaded  anthropic\/claude-sonnet-4-5  1\.25 s  .*  busy now$/)
      const all = (yield* runProcess(["logs", "--limit", "5000", "--db", db])).stdout.trimEnd().split("\n")
      assert.lengthOf(all, 3012)
      assert.deepStrictEqual([...all].sort().slice(0, 3000), all.slice(0, 3000))

      const { child, ended, printed } = yield* begin(["logs", "--limit", "5000", "--db", db])
      yield* printed("2026-11-01 00:00:00")
      child.stdout?.destroy()
      const { code, stderr } = yield* ended
      assert.deepStrictEqual([code, stderr], [0, ""])
    }).pipe(Effect.provide(NodeContext.layer)),
  timeout
)

it.scopedLive("logs --follow: prints what comes, each once, and ends well with Ctrl-C", () =>
  Effect.gen(function*() {
    const db = `${yield* temporary}/log.db`
    const now = Date.now()
    const log = SqliteRequestLog.layer({ filename: db })
    const made = (provider: string, ago: number) => entry({ provider, timestamp: now - ago, requestId: uuidv7(now) })
    yield* write(log, [made("first", 5000)])
    const { child, ended, printed } = yield* begin(["logs", "--follow", "--db", db])
    yield* printed("first")
    // A call that began earlier and ended later.
    yield* write(log, [made("second", 60_000), made("third", 0)])
    yield* printed("third")
    yield* write(log, [made("fourth", 0)])
    yield* printed("fourth")
    child.kill("SIGINT")
    const { code, stderr, stdout } = yield* ended
    assert.deepStrictEqual([code, stderr], [0, ""])
    assert.deepStrictEqual(stdout.match(/first|second|third|fourth/g), ["first", "second", "third", "fourth"])
  }).pipe(Effect.provide(NodeContext.layer)), timeout)

it.scopedLive("logs --follow: misses no call because it took long", () =>
  Effect.gen(function*() {
    const db = `${yield* temporary}/log.db`
    const now = Date.now()
    const log = SqliteRequestLog.layer({ filename: db })
    const minute = 60_000
    /** Began so long ago, and ends now. */
    const ended = (provider: string, minutes: number) =>
      entry({ provider, timestamp: now - minutes * minute, responseTime: minutes * 60, requestId: uuidv7(now) })
    yield* write(log, [ended("first", 1)])
    const following = yield* begin(["logs", "--follow", "--db", db])
    yield* following.printed("first")
    yield* write(log, [ended("fourteen", 14), ended("sixteen", 16), ended("a-day", 24 * 60)])
    for (const name of ["fourteen", "sixteen", "a-day"]) yield* following.printed(name)
    yield* write(log, [ended("last", 0)])
    yield* following.printed("last")
    following.child.kill("SIGINT")
    const { stdout } = yield* following.ended
    // Each once, in the order in which they began.
    assert.deepStrictEqual(stdout.match(/first|fourteen|sixteen|a-day|last/g), [
      "first",
      "a-day",
      "sixteen",
      "fourteen",
      "last"
    ])
  }).pipe(Effect.provide(NodeContext.layer)), timeout)

/** As terminals count: two for what is written wide and for a picture, however many code points it is made of. */
const cellsOf = (line: string): number => {
  let cells = 0
  for (const { segment } of new Intl.Segmenter().segment(line)) {
    cells += /[\u2e80-\u9fff\uac00-\ud7a3\uff00-\uff60]|\p{Extended_Pictographic}/u.test(segment) ? 2 : 1
  }
  return cells
}

it.scopedLive(
  "a narrow terminal shows each row in one line, wide letters and colours too",
  () =>
    Effect.gen(function*() {
      const db = `${yield* temporary}/log.db`
      const labels = { Feature: "日本語の長い名前の機能です", "User-Id": "👩‍🚀 é".repeat(20) }
      yield* write(SqliteRequestLog.layer({ filename: db }), [
        entry({ metadata: labels }),
        entry({ status: "error", errorType: "Overloaded", errorMessage: "busy ".repeat(50), metadata: labels })
      ])
      const bare = (line: string) => stripVTControlCharacters(line)
      const shown = (width: number, isColoured: boolean, args: ReadonlyArray<string>) =>
        Effect.map(atTerminal([...args, "--db", db], { width, isColoured }), ({ code, stdout }) => {
          assert.strictEqual(code, 0)
          return stdout.trimEnd().split("\n")
        })
      for (const isColoured of [false, true]) {
        const whole = yield* shown(100_000, isColoured, ["logs"])
        for (const width of [1, 2, 20, 41, 42, 80]) {
          for (const args of [["logs"], ["costs", "--by", "feature"], ["costs", "--by", "user-id,feature"]]) {
            const lines = yield* shown(width, isColoured, args)
            for (const line of lines) assert.isAtMost(cellsOf(bare(line)), width, bare(line))
          }
          const lines = yield* shown(width, isColoured, ["logs"])
          assert.strictEqual(lines.length, whole.length)
          lines.forEach((line, index) => {
            // The beginning of the line, and a sign that it goes on; what was coloured ends.
            assert.match(bare(line), /…$/u)
            assert.isTrue(bare(whole[index] ?? "").startsWith(bare(line).slice(0, -1)))
            assert.strictEqual(line.split("\u001b[").length, whole[index]?.split("\u001b[").length)
          })
        }
      }
    }).pipe(Effect.provide(NodeContext.layer)),
  timeout
)

it.scopedLive("--where without a value says what is wanted; SIGTERM is 143", () =>
  Effect.gen(function*() {
    const db = `${yield* temporary}/log.db`
    yield* write(SqliteRequestLog.layer({ filename: db }), rows)
    const told = yield* run(["costs", "--where", "foo", "--db", db])
    assert.deepStrictEqual([told.code, told.stderr], [
      2,
      "majordomo: --where foo: write label=value, such as feature=search\n"
    ])
    const following = yield* begin(["logs", "--follow", "--db", db])
    yield* following.printed("tokens")
    following.child.kill("SIGTERM")
    assert.strictEqual((yield* following.ended).code, 143)
  }).pipe(Effect.provide(NodeContext.layer)), timeout)

it.scopedLive("spool: what waits, and writing it, once", () =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const folder = yield* temporary
    const [directory, db] = [`${folder}/spool`, `${folder}/log.db`]
    const nothing = yield* run(["spool", "status", "--directory", directory])
    assert.deepStrictEqual([nothing.code, nothing.stderr], [1, `majordomo: there is no spool in ${directory}\n`])
    const settings = { directory, maxBytes: 1e9, segmentBytes: 2000, fsync: false, staleAfter: 15_000 }
    const status = (how = run) =>
      Effect.map(how(["spool", "status", "--json", "--directory", directory]), ({ stdout }) => JSON.parse(stdout))
    // A process that is running keeps what is its own.
    yield* Effect.scoped(Effect.gen(function*() {
      const spool = yield* Spool.make(fs, settings)
      for (const row of rows) {
        yield* spool.append([{ entry: row, bodies: undefined }])
      }
      assert.deepInclude(yield* status(runProcess), { rows: 12, inUse: 12 })
      const kept = yield* runProcess(["spool", "replay", "--directory", directory, "--db", db])
      assert.match(kept.stdout, /^0 rows written to .*log\.db\n12 rows wait in \d files .*\n12 of them belong to/)
    }))
    assert.deepInclude(yield* status(), { rows: 12, inUse: 0 })

    // The database cannot be used: nothing is lost.
    const failed = yield* run(["spool", "replay", "--directory", directory, "--db", `${folder}/none/log.db`])
    assert.strictEqual(failed.code, 1)
    assert.deepInclude(yield* status(), { rows: 12, inUse: 0 })

    yield* write(SqliteRequestLog.layer({ filename: db }), [rows[0]])
    const replayed = yield* run(["spool", "replay", "--directory", directory, "--db", db])
    assert.deepStrictEqual([replayed.code, replayed.stdout], [0, `12 rows written to ${db}\n`])
    assert.deepInclude(yield* status(), { rows: 0, segments: 0 })
    const { total } = JSON.parse((yield* run(["costs", "--json", "--db", db])).stdout)
    assert.deepInclude(total, { requests: 12, cost: "2.000000000001" })
  }).pipe(Effect.provide(NodeContext.layer)), timeout)
