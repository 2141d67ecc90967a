import { SqlClient } from "@effect/sql"
import { assert, describe, it } from "@effect/vitest"
import { BigDecimal, Clock, Duration, Effect, FastCheck as fc, Layer, Option, TestClock } from "effect"
import { amountToString } from "../../src/Cost.ts"
import * as CostReport from "../../src/logging/CostReport.ts"
import { where } from "../../src/logging/internal/sql/report.ts"
import type { Entry } from "../../src/logging/RequestLog.ts"
import * as SqlRequestLog from "../../src/logging/SqlRequestLog.ts"
import { toHeaderCase } from "../../src/Metadata.ts"
import { type Database, dialects, write } from "./databases.ts"
import { anyEntry, entry, november } from "./entries.ts"

const day = 86_400_000

const stored = (database: Database, rows: ReadonlyArray<Entry>) => Effect.provide(write(rows), database.layer())

/** The rule of a report, over rows in memory. */
const expected = (rows: ReadonlyArray<Entry>) => {
  const of = (keep: (row: Entry) => boolean) => rows.filter(keep).length
  const sum = (field: (row: Entry) => number) => rows.reduce((total, row) => total + field(row), 0)
  return {
    requests: rows.length,
    errors: of(({ status }) => status === "error"),
    cancelled: of(({ status }) => status === "cancelled"),
    rescued: of(({ attempts, status }) => status === "success" && attempts.length > 1),
    cached: of(({ cached }) => cached),
    unpriced: of(({ inputTokens, outputTokens, status, totalCost }) =>
      totalCost === undefined && (status === "success" || inputTokens + outputTokens > 0)
    ),
    partial: of(({ usagePartial }) => usagePartial),
    inputTokens: sum((row) => row.inputTokens),
    outputTokens: sum((row) => row.outputTokens),
    cachedTokens: sum((row) => row.cachedTokens),
    reasoningTokens: sum((row) => row.reasoningTokens),
    cost: costOf(rows),
    partialCost: costOf(rows.filter(({ usagePartial }) => usagePartial))
  }
}

const costOf = (rows: ReadonlyArray<Entry>) =>
  amountToString(
    BigDecimal.normalize(
      BigDecimal.sumAll(rows.map(({ totalCost = "0" }) => BigDecimal.unsafeFromString(totalCost)))
    )
  )

const plain = ({ cost, group: _, partialCost, ...totals }: CostReport.Totals) => ({
  ...totals,
  cost: amountToString(cost),
  partialCost: amountToString(partialCost)
})

describe("CostReport", () => {
  for (const [name, make] of dialects) {
    describe(name, () => {
      it.scoped("adds up any rows exactly, by any dimension", () =>
        Effect.gen(function*() {
          const database = yield* make
          const kinds = fc.record({
            row: anyEntry,
            provider: fc.constantFrom("anthropic", "openai"),
            model: fc.constantFrom("a", "b", "c"),
            user: fc.constantFrom("1", "2", undefined),
            feature: fc.constantFrom("chat", "", undefined),
            digits: fc.bigInt({ min: -(10n ** 24n), max: 10n ** 24n }),
            scale: fc.integer({ min: 12, max: 24 })
          }).map(({ digits, feature, model, provider, row, scale, user }): Entry => ({
            ...row,
            provider,
            model,
            totalCost: row.totalCost === undefined ? undefined : amountToString(BigDecimal.make(digits, scale)),
            metadata: {
              ...(user === undefined ? {} : { "User-Id": user }),
              ...(feature === undefined ? {} : { Feature: feature })
            }
          }))
          const all = fc.sample(kinds, { numRuns: 400, seed: 11 })
          yield* stored(database, all)
          // Some are changed and some are deleted afterwards, by whom it may be.
          const [changed, ...others] = all.filter(({ kind }) => kind === "call")
          const [deleted] = others
          if (changed === undefined || deleted === undefined) return assert.fail("no rows")
          yield* database.query(
            `UPDATE llm_requests SET model = 'c', total_cost = '0.000000000000000000000001' WHERE request_id = '${changed.requestId}'`
          )
          yield* database.query(`DELETE FROM llm_requests WHERE request_id = '${deleted.requestId}'`)
          const left = all.filter((row) => row !== deleted).map((row) =>
            row === changed ? { ...row, model: "c", totalCost: "0.000000000000000000000001" } : row
          )
          const calls = left.filter(({ kind }) => kind === "call")
          const groupers: ReadonlyArray<readonly [CostReport.Dimension, (row: Entry) => string | null]> = [
            ["provider", (row) => row.provider],
            ["model", (row) => row.model],
            ["status", (row) => row.status],
            ["day", (row) => new Date(row.timestamp).toISOString().slice(0, 10)],
            ["hour", (row) => new Date(row.timestamp).toISOString().slice(0, 13)],
            ["month", (row) => new Date(row.timestamp).toISOString().slice(0, 7)],
            [{ label: "userId" }, (row) => row.metadata["User-Id"] ?? null],
            [{ label: "feature" }, (row) => row.metadata["Feature"] ?? null]
          ]
          yield* Effect.gen(function*() {
            const [whole] = yield* CostReport.totals()
            assert.deepStrictEqual(whole === undefined ? undefined : plain(whole), expected(calls))
            for (const [by, of] of groupers) {
              const rows = yield* CostReport.totals({ by })
              const groups = new Map<string | null, Array<Entry>>()
              for (const row of calls) groups.set(of(row), [...(groups.get(of(row)) ?? []), row])
              assert.strictEqual(rows.length, groups.size)
              for (const row of rows) {
                assert.deepStrictEqual(plain(row), expected(groups.get(row.group[0] ?? null) ?? []))
              }
            }
            const middle = Date.UTC(2026, 9, 10, 12, 34, 56)
            const until = Date.UTC(2026, 10, 3, 1, 2, 3)
            for (
              const filter of [{ since: middle }, { until }, { since: middle, until }, {
                until: middle + 60_000,
                since: middle
              }]
            ) {
              for (const by of ["model", { label: "feature" }, "requested-model"] as const) {
                const found = yield* CostReport.totals({ ...filter, by })
                const inside = calls.filter(({ timestamp }) =>
                  timestamp >= ("since" in filter ? filter.since : 0) &&
                  timestamp < ("until" in filter ? filter.until : Infinity)
                )
                assert.strictEqual(found.reduce((sum, { requests }) => sum + requests, 0), inside.length)
                assert.strictEqual(
                  amountToString(BigDecimal.normalize(BigDecimal.sumAll(found.map(({ cost }) => cost)))),
                  costOf(inside)
                )
              }
            }
            const two = yield* CostReport.totals({ by: ["provider", { label: "user-id" }] })
            assert.strictEqual(two.length, 6)
            for (const row of two) {
              const [provider, user] = row.group
              assert.deepStrictEqual(
                plain(row),
                expected(
                  calls.filter((call) => call.provider === provider && (call.metadata["User-Id"] ?? null) === user)
                )
              )
            }
          }).pipe(Effect.provide(database.client))
        }), 30_000)

      it.scoped("filters, orders and limits", () =>
        Effect.gen(function*() {
          const database = yield* make
          yield* TestClock.setTime(november)
          const of = (model: string, totalCost: string | undefined, daysAgo: number, feature: string) =>
            entry({ model, totalCost, timestamp: november - daysAgo * day, metadata: { Feature: feature } })
          yield* stored(database, [
            of("cheap", "0.1", 0, "chat"),
            of("cheap", "0.2", 1, "chat"),
            of("dear", "5", 2, "search"),
            of("old", "9", 30, "chat"),
            of("unknown", undefined, 0, "chat"),
            entry({ kind: "attempt", model: "try", totalCost: "100" })
          ])
          const models = (options: CostReport.Options) =>
            Effect.map(CostReport.totals({ by: "model", ...options }), (rows) => rows.map(({ group }) => group[0]))
          yield* Effect.gen(function*() {
            assert.deepStrictEqual(yield* models({}), ["old", "dear", "cheap", "unknown"])
            assert.deepStrictEqual(yield* models({ since: Duration.days(7) }), ["dear", "cheap", "unknown"])
            assert.deepStrictEqual(yield* models({ until: november - 2 * day + 1, limit: 1 }), ["old"])
            assert.deepStrictEqual(yield* models({ labels: { feature: "chat" } }), ["old", "cheap", "unknown"])
            assert.deepStrictEqual(yield* models({ orderBy: "requests", limit: 1 }), ["cheap"])
            assert.deepStrictEqual(yield* models({ labels: { feature: "' OR 1=1 --" } }), [])
            assert.deepStrictEqual((yield* CostReport.top(1, "model")).map(({ group }) => group), [["old"]])
            const days = yield* CostReport.series("day", { since: Duration.days(7), by: "model" })
            assert.deepStrictEqual(days.map(({ group }) => group.join(" ")), [
              "2026-11-19 dear",
              "2026-11-20 cheap",
              "2026-11-21 cheap",
              "2026-11-21 unknown"
            ])
          }).pipe(Effect.provide(database.client))
        }))

      it.scoped("over time the newest are kept, and those left out are counted", () =>
        Effect.gen(function*() {
          const database = yield* make
          yield* stored(
            database,
            Array.from({ length: 20 }, (_, index) => entry({ timestamp: november - index * day }))
          )
          yield* Effect.gen(function*() {
            const days = yield* CostReport.series("day", { limit: 3 })
            assert.deepStrictEqual(days.map(({ group }) => group[0]), ["2026-11-19", "2026-11-20", "2026-11-21"])
            assert.strictEqual(days.leftOut, 17)
            assert.strictEqual((yield* CostReport.series("day")).leftOut, 0)
          }).pipe(Effect.provide(database.client))
        }))

      it.scoped("labels with odd names are found again, by group and by filter", () =>
        Effect.gen(function*() {
          const database = yield* make
          const names = ["$x", "$.a", "", "[0]", "0", "a\"b", "it's", "a.b", "x y", "ä", "\\"]
          const labelled = names.map((name, index) => entry({ metadata: { [toHeaderCase(name)]: `v${index}` } }))
          yield* stored(database, labelled)
          yield* Effect.gen(function*() {
            for (const [index, name] of names.entries()) {
              const [found] = yield* CostReport.totals({ labels: { [name]: `v${index}` }, by: { label: name } })
              assert.deepStrictEqual([found?.requests, found?.group], [1, [`v${index}`]], name)
            }
          }).pipe(Effect.provide(database.client))
        }))

      it.scoped(
        "totals by the hour: of a table that had rows before, by other labels, and anew",
        () =>
          Effect.gen(function*() {
            const database = yield* make
            const rows = Array.from(
              { length: 60 },
              (_, index) =>
                entry({
                  timestamp: november - index * 1_700_000,
                  metadata: { Feature: `f${index % 3}`, Team: `t${index % 2}` }
                })
            )
            const settled = Effect.repeat(
              Effect.delay(database.query("SELECT complete_from FROM llm_rollups"), "20 millis"),
              { until: ([found]) => found?.["complete_from"] === "" }
            ).pipe(Effect.timeout("10 seconds"))
            const sum = Effect.map(
              database.query("SELECT SUM(requests) AS n FROM llm_requests_hourly"),
              ([found]) => Number(found?.["n"])
            )
            const teams = Effect.map(
              Effect.provide(CostReport.totals({ by: { label: "team" } }), database.client),
              (found) => found.map(({ group, requests }) => [group[0], requests])
            )
            yield* stored(database, rows)
            assert.strictEqual(yield* sum, 60)
            yield* Effect.gen(function*() {
              yield* Layer.build(database.layer({ reportLabels: ["team"] }))
              yield* settled
            }).pipe(Effect.scoped)
            assert.strictEqual(yield* sum, 60)
            assert.deepStrictEqual(yield* teams, [["t0", 30], ["t1", 30]])
            // Proof that the totals are read: a row nobody knows of.
            yield* database.query(
              "UPDATE llm_requests_hourly SET requests = requests + 1 WHERE grp = (SELECT MIN(grp) FROM llm_requests_hourly)"
            )
            assert.strictEqual((yield* teams).reduce((all, [, count]) => all + Number(count), 0), 61)
            yield* Effect.provide(SqlRequestLog.rebuildTotals, database.client)
            assert.deepStrictEqual(yield* teams, [["t0", 30], ["t1", 30]])
          }).pipe(Effect.withClock(Clock.make())),
        30_000
      )

      it.scoped("a label is looked up in an index", () =>
        Effect.gen(function*() {
          const database = yield* make
          yield* stored(database, [entry({ metadata: { Feature: "chat" } })])
          const isPg = name === "PostgreSQL"
          const explained = yield* Effect.gen(function*() {
            const sql = yield* SqlClient.SqlClient
            const condition = where(sql, { labels: { feature: "chat" }, from: undefined, to: undefined })
            if (!isPg) return yield* sql`EXPLAIN QUERY PLAN SELECT * FROM llm_requests WHERE ${condition}`
            return yield* sql.withTransaction(
              Effect.zipRight(
                sql`SET LOCAL enable_seqscan = off`,
                sql`EXPLAIN SELECT * FROM llm_requests WHERE ${condition}`
              )
            )
          }).pipe(Effect.provide(database.client))
          assert.match(JSON.stringify(explained), isPg ? /raw_metadata @>/ : /llm_requests_feature/)
          assert.match(JSON.stringify(explained), /[Ii]ndex|INDEX/)
        }))

      it.scoped("percentiles by rank, of what succeeded", () =>
        Effect.gen(function*() {
          const database = yield* make
          const rows = Array.from({ length: 100 }, (_, index) =>
            entry({
              model: index < 50 ? "a" : "b",
              responseTime: index + 1,
              timeToFirstToken: index < 10 ? index / 10 : undefined
            }))
          yield* stored(database, [...rows, entry({ model: "a", status: "error", responseTime: 1e6 })])
          yield* Effect.gen(function*() {
            const [all] = yield* CostReport.percentiles({ at: [0, 0.5, 0.95, 1] })
            assert.deepStrictEqual(all?.responseTime, [1, 50, 95, 100].map(Option.some))
            assert.deepStrictEqual(all?.timeToFirstToken, [0, 0.4, 0.9, 0.9].map(Option.some))
            const byModel = yield* CostReport.percentiles({ by: "model", at: [0.5] })
            assert.deepStrictEqual(
              byModel.map(({ group, responseTime, timeToFirstToken }) => [group[0], responseTime, timeToFirstToken]),
              [["a", [Option.some(25)], [Option.some(0.4)]], ["b", [Option.some(75)], [Option.none()]]]
            )
          }).pipe(Effect.provide(database.client))
        }))

      it.scoped("an empty table has no calls and costs nothing", () =>
        Effect.gen(function*() {
          const database = yield* make
          yield* Effect.scoped(Layer.build(database.layer()))
          const [none] = yield* Effect.provide(CostReport.totals(), database.client)
          assert.deepStrictEqual(none === undefined ? undefined : plain(none), expected([]))
          assert.deepStrictEqual(none === undefined ? undefined : CostReport.rates(none), { error: 0, rescue: 0 })
          assert.lengthOf(yield* Effect.provide(CostReport.totals({ by: "model" }), database.client), 0)
        }))
    })
  }
})
