import { NodeContext } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Layer, Option } from "effect"
import { existsSync, readdirSync, rmSync, statSync } from "node:fs"
import { join } from "node:path"
import * as BodyStore from "../../src/logging/BodyStore.ts"
import * as CostReport from "../../src/logging/CostReport.ts"
import * as Logging from "../../src/logging/Logging.ts"
import * as LogReader from "../../src/logging/LogReader.ts"
import { RequestLog } from "../../src/logging/RequestLog.ts"
import * as SqliteRequestLog from "../../src/logging/SqliteRequestLog.ts"
import { TestLLM } from "../../src/testing/index.ts"
import { dialects, folder, write } from "./databases.ts"
import { entry, november } from "./entries.ts"

/** A row without what is undefined, as JSON has it. */
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value))

describe("LogReader", () => {
  for (const [name, make] of dialects) {
    describe(name, () => {
      it.scoped(
        "gives rows page by page, the newest first, whatever comes meanwhile; and as they were",
        () =>
          Effect.gen(function*() {
            const database = yield* make
            const rows = Array.from({ length: 25 }, (_, index) =>
              entry({
                timestamp: november + (index >> 1),
                errorMessage: index % 5 === 0 ? "No Luck: 'quoted'" : undefined,
                traceId: "t",
                bytesIn: index,
                timeToFirstByte: 0.25,
                metadata: { Feature: index % 2 === 0 ? "a" : "b" }
              }))
            yield* Effect.gen(function*() {
              yield* write(rows)
              const seen: Array<string> = []
              let after: string | undefined
              for (let pages = 0; pages < 3; pages++) {
                const page: LogReader.Page = yield* LogReader.page({}, { limit: 10, after })
                seen.push(...page.rows.map(({ requestId }) => requestId))
                after = Option.getOrUndefined(page.next)
                yield* write([entry({ timestamp: november + 1000 + pages })])
              }
              assert.isUndefined(after)
              assert.deepStrictEqual(seen.length, 25)
              assert.sameMembers(seen, rows.map(({ requestId }) => requestId))
              const lucky = yield* LogReader.page({ errorText: "no luck: '", labels: { feature: "a" }, traceId: "t" })
              assert.strictEqual(lucky.rows.length, 3)
              const [first] = (yield* LogReader.page({ until: november + 1, labels: { feature: "b" } })).rows
              assert.deepStrictEqual(plain(first), plain(rows[1]))
              assert.include((yield* Effect.flip(LogReader.page({}, { after: "x" }))).message, "no page of the log")
            }).pipe(Effect.provide(database.layer()))
          }),
        20_000
      )

      it.scoped("one row with its tries and bodies, recorded by a gateway", () =>
        Effect.gen(function*() {
          const database = yield* make
          const logging = Logging.layer({ attempts: true }).pipe(
            Layer.provide(TestLLM.layer([])),
            Layer.provideMerge(database.layer()),
            Layer.provideMerge(BodyStore.layerMemory),
            Layer.provide(NodeContext.layer)
          )
          yield* Effect.gen(function*() {
            const requestId = yield* Logging.record({
              provider: "openai",
              model: "gpt-4.1",
              status: "success",
              inputTokens: 10.4,
              outputTokens: 2,
              metadata: { "user-id": "42" },
              majordomoApiKeyId: "key_1",
              requestPath: "/v1/chat/completions",
              requestMethod: "POST",
              statusCode: 200,
              traceId: "4bf92f3577b34da6a3ce929d0e0e4736",
              spanPath: "agent/plan",
              spanName: "plan",
              client: "curl/8",
              bytesIn: 100,
              bytesOut: 2000,
              timeToFirstByte: 0.1
            }, { request: "{\"model\":\"gpt-4.1\"}" })
            yield* Logging.flush
            yield* write([
              entry({
                kind: "attempt",
                parentId: requestId,
                timestamp: (yield* LogReader.page()).rows[0]?.timestamp ?? 0
              })
            ])
            const detail = Option.getOrThrow(yield* LogReader.find(requestId))
            assert.deepInclude(detail.entry, {
              inputTokens: 10,
              usagePartial: true,
              metadata: { "User-Id": "42" },
              majordomoApiKeyId: "key_1",
              spanPath: "agent/plan",
              bytesOut: 2000,
              statusCode: 200
            })
            assert.lengthOf(detail.attempts, 1)
            assert.deepStrictEqual(detail.request, Option.some("{\"model\":\"gpt-4.1\"}"))
            assert.deepStrictEqual(detail.response, Option.none())
            assert.isTrue(Option.isNone(yield* LogReader.find("00000000-0000-7000-8000-000000000000")))
            assert.isTrue(Option.isNone(yield* LogReader.find("nothing")))
            const [total] = yield* Effect.provide(CostReport.totals(), LogReader.layerClient)
            assert.deepInclude(total, { requests: 1, partial: 1 })
          }).pipe(Effect.provide(logging))
        }), 20_000)
    })
  }

  it.scoped("SQLite: no question holds up the program, whoever writes the file", () =>
    Effect.gen(function*() {
      const filename = join(yield* folder, "log.db")
      const asked = Effect.gen(function*() {
        const { client } = yield* LogReader.LogReader
        let turns = 0
        const turning = yield* Effect.fork(Effect.forever(Effect.delay(Effect.sync(() => turns++), "5 millis")))
        yield* client`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000) SELECT SUM(i) FROM n`
        assert.isAbove(turns, 5)
        yield* Effect.sync(() => turning.unsafeInterruptAsFork(turning.id()))
        const error = yield* Effect.flip(client`DELETE FROM llm_requests`)
        assert.include(String(error.cause), "readonly")
      }).pipe(Effect.withClock(Clock.make()))
      yield* Effect.provide(asked, SqliteRequestLog.layer({ filename }))
      yield* Effect.provide(asked, SqliteRequestLog.layerReader({ filename }))
    }), 20_000)

  it.scoped("SQLite: a file that is not there fails the question, and is not made", () =>
    Effect.gen(function*() {
      const filename = join(yield* folder, "no.db")
      const error = yield* Effect.flip(Effect.provide(LogReader.page(), SqliteRequestLog.layerReader({ filename })))
      assert.include(error.message, "unable to open database file")
      assert.isFalse(existsSync(filename))
    }))

  it.scoped("SQLite: a file that is made is for this user alone, and so is what lies beside it", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const context = yield* Layer.build(SqliteRequestLog.layer({ filename: join(path, "log.db") }))
      yield* Effect.provide(write([entry()]), context)
      const modes = readdirSync(path).map((name) => [name, statSync(join(path, name)).mode & 0o777])
      assert.deepStrictEqual(modes.sort(), [["log.db", 0o600], ["log.db-shm", 0o600], ["log.db-wal", 0o600]])
    }))

  it.scoped("SQLite: a file that is deleted or replaced is noticed; its rows do not count as written", () =>
    Effect.gen(function*() {
      const filename = join(yield* folder, "log.db")
      const context = yield* Layer.build(SqliteRequestLog.layer({ filename }))
      yield* Effect.provide(write([entry()]), context)
      rmSync(filename)
      const error = yield* Effect.flip(Effect.provide(write([entry()]), context))
      assert.deepInclude(error, { reason: "Unavailable" })
      assert.include(error.message, "deleted or replaced")
      yield* Effect.scoped(Layer.build(SqliteRequestLog.layer({ filename })))
      const { health } = yield* Effect.provide(RequestLog, context)
      assert.include((yield* Effect.flip(health ?? Effect.void)).message, "deleted or replaced")
    }))
})
