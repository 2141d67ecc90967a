/**
 * Rows a second into SQLite and PostgreSQL: our sinks beside a batched insert by hand of the same rows into the same
 * table, 500 rows a transaction; the whole of logging into SQLite; and what memory holds after many calls.
 *
 *   npm run bench -- --only sinks
 */
import Sqlite from "better-sqlite3"
import { Array as Arr, Effect, Layer } from "effect"
import { LLM } from "effect-majordomo"
import * as Logging from "effect-majordomo/logging/Logging"
import * as PgRequestLog from "effect-majordomo/logging/PgRequestLog"
import * as RequestLog from "effect-majordomo/logging/RequestLog"
import * as SqliteRequestLog from "effect-majordomo/logging/SqliteRequestLog"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Client } from "pg"
import { columns, names } from "../src/logging/internal/sql/columns.ts"
import { entry } from "../test/logging/entries.ts"
import * as postgres from "../test/logging/postgres.ts"
import { provider } from "./answers.ts"

const batchSize = 500
const batches = 60
const rounds = 5

const fresh = () =>
  Array.from(
    { length: batches },
    () =>
      Arr.makeBy(batchSize, (index) =>
        entry({ metadata: { "User-Id": String(index), Feature: "chat-bot" }, apiKeyHash: "0123456789abcdef" }))
  )

type Batches = ReturnType<typeof fresh>

const median = (values: ReadonlyArray<number>): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN

/** Rows a second of each, in turns; the first round warms up. */
const compare = async (
  title: string,
  byHand: (batches: Batches) => Promise<void>,
  ours: (batches: Batches) => Promise<void>
) => {
  const rates: Record<"byHand" | "ours", Array<number>> = { byHand: [], ours: [] }
  for (let round = 0; round <= rounds; round++) {
    for (const [name, write] of [["byHand", byHand], ["ours", ours]] as const) {
      const rows = fresh()
      const before = performance.now()
      await write(rows)
      const rate = batches * batchSize / (performance.now() - before) * 1000
      if (round > 0) rates[name].push(rate)
    }
  }
  const [hand, own] = [median(rates.byHand), median(rates.ours)]
  return `| ${title} | ${Math.round(hand)} | ${Math.round(own)} | ${(hand / own).toFixed(2)}× |`
}

const folder = mkdtempSync(join(tmpdir(), "bench-sinks-"))

const throughSink = (layer: Layer.Layer<RequestLog.RequestLog, unknown>) =>
  Effect.map(Layer.build(layer), (context) => (rows: Batches) =>
    Effect.runPromise(
      Effect.flatMap(RequestLog.RequestLog, ({ write }) => Effect.forEach(rows, write, { discard: true })).pipe(
        Effect.provide(context)
      )
    ))

const sqlite = Effect.gen(function*() {
  const filename = join(folder, "log.db")
  const ours = yield* throughSink(SqliteRequestLog.layer({ filename }))
  const db = new Sqlite(filename)
  db.pragma("synchronous = FULL")
  const insert = db.prepare(
    `INSERT OR IGNORE INTO llm_requests (${names}) VALUES (${columns.map(() => "?").join(", ")})`
  )
  const one = db.transaction((rows: Batches[number]) => {
    for (const row of rows) {
      insert.run(columns.map(({ of }) => {
        const value = of(row)
        return typeof value === "boolean" ? Number(value) : value ?? null
      }))
    }
  })
  return yield* Effect.promise(() =>
    compare("SQLite", async (all) => {
      for (const rows of all) one(rows)
    }, ours)
  )
})

const postgreSql = Effect.gen(function*() {
  const server = yield* postgres.make
  const ours = yield* throughSink(PgRequestLog.layer({ url: server.url }))
  const client = new Client(server.url)
  yield* Effect.promise(() => client.connect())
  const text = `INSERT INTO llm_requests (${names}) SELECT * FROM unnest(${
    columns.map((column, index) => `$${index + 1}::${column.pg}[]`).join(", ")
  }) ON CONFLICT DO NOTHING`
  const byHand = async (all: Batches) => {
    for (const rows of all) await client.query(text, columns.map(({ of }) => rows.map((row) => of(row) ?? null)))
  }
  // The month's partition comes with the first row of ours.
  yield* Effect.promise(() => ours(fresh().slice(0, 1)))
  const row = yield* Effect.promise(() => compare("PostgreSQL", byHand, ours))
  yield* Effect.promise(() => client.end())
  return row
})

const heap = () => {
  globalThis.gc?.()
  return process.memoryUsage().heapUsed / 2 ** 20
}

/** 500,000 calls through all of logging: rows a second, and MiB after each fifth. */
const whole = Effect.gen(function*() {
  const amount = 100_000
  const live = Logging.layer().pipe(
    Layer.provide(provider(Effect.void)),
    Layer.provide(SqliteRequestLog.layer({ filename: join(folder, "whole.db") }))
  )
  return yield* Effect.gen(function*() {
    const call = LLM.generateText({ prompt: "Hello", metadata: { feature: "chat-bot" } })
    const held: Array<string> = []
    const before = performance.now()
    for (let fifth = 0; fifth < 5; fifth++) {
      yield* Effect.replicateEffect(call, amount, { concurrency: 64, discard: true })
      yield* Logging.flush
      held.push(heap().toFixed(0))
    }
    const rate = 5 * amount / (performance.now() - before) * 1000
    return `500,000 logged calls into SQLite: ${Math.round(rate)} a second; heap after each fifth: ${
      held.join(", ")
    } MiB`
  }).pipe(Effect.provide(live))
})

const rows = await Effect.runPromise(Effect.scoped(Effect.all([sqlite, postgreSql])))
const said = await Effect.runPromise(whole)
rmSync(folder, { recursive: true })
console.log(`
| rows a second | by hand | our sink | ≤ 1.3× |
| --- | --- | --- | --- |
${rows.join("\n")}

${said}`)
