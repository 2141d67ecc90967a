import { assert, describe, it } from "@effect/vitest"
import { BigDecimal, Duration, Effect, FastCheck as fc, Layer, Option, TestClock } from "effect"
import * as CostReport from "../../src/logging/CostReport.ts"
import type { Entry } from "../../src/logging/RequestLog.ts"
import { type Database, dialects, Server, write } from "./databases.ts"
import { anyEntry, entry, november } from "./entries.ts"
import * as postgres from "./postgres.ts"

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
    unpriced: of(({ status, totalCost }) => status === "success" && totalCost === undefined),
    inputTokens: sum((row) => row.inputTokens),
    outputTokens: sum((row) => row.outputTokens),
    cachedTokens: sum((row) => row.cachedTokens),
    reasoningTokens: sum((row) => row.reasoningTokens),
    cost: BigDecimal.format(
      BigDecimal.sumAll(rows.map(({ totalCost = "0" }) => BigDecimal.unsafeFromString(totalCost)))
    )
  }
}

const plain = ({ cost, group: _, ...totals }: CostReport.Totals) => ({ ...totals, cost: BigDecimal.format(cost) })

it.layer(Layer.scoped(Server, postgres.make), { timeout: "1 minute" })("CostReport", (it) => {
  for (const [name, make] of dialects) {
    describe(name, () => {
      it.scoped("adds up any rows exactly, by any dimension", () =>
        Effect.gen(function*() {
          const database = yield* make
          const kinds = fc.record({
            row: anyEntry,
            provider: fc.constantFrom("anthropic", "openai"),
            model: fc.constantFrom("a", "b", "c"),
            user: fc.constantFrom("1", "2", undefined)
          }).map(({ model, provider, row, user }): Entry => ({
            ...row,
            provider,
            model,
            metadata: user === undefined ? {} : { "User-Id": user }
          }))
          const all = fc.sample(kinds, { numRuns: 400, seed: 11 })
          yield* stored(database, all)
          const calls = all.filter(({ kind }) => kind === "call")
          const groupers: ReadonlyArray<readonly [CostReport.Dimension, (row: Entry) => string | null]> = [
            ["provider", (row) => row.provider],
            ["model", (row) => row.model],
            ["status", (row) => row.status],
            ["day", (row) => new Date(row.timestamp).toISOString().slice(0, 10)],
            ["hour", (row) => new Date(row.timestamp).toISOString().slice(0, 13)],
            ["month", (row) => new Date(row.timestamp).toISOString().slice(0, 7)],
            [{ label: "userId" }, (row) => row.metadata["User-Id"] ?? null]
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
          assert.deepStrictEqual(yield* Effect.provide(CostReport.totals({ by: "model" }), database.client), [])
        }))
    })
  }
})
