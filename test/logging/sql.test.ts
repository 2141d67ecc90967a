import { SqlClient } from "@effect/sql"
import { SqliteClient } from "@effect/sql-sqlite-node"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Deferred, Effect, Exit, FastCheck as fc, Fiber, Layer, Logger, Option, Scope, TestClock } from "effect"
import { join } from "node:path"
import { columns } from "../../src/logging/internal/sql/columns.ts"
import * as PgRequestLog from "../../src/logging/PgRequestLog.ts"
import * as SqliteRequestLog from "../../src/logging/SqliteRequestLog.ts"
import * as SqlRequestLog from "../../src/logging/SqlRequestLog.ts"
import { dialects, folder, pg, serverUrl, write } from "./databases.ts"
import { anyEntry, entry, november } from "./entries.ts"

describe("SQL sinks", () => {
  for (const [name, make] of dialects) {
    const isPg = name === "PostgreSQL"
    const text = (column: string) => isPg ? `${column}::text` : column

    describe(name, () => {
      it.scoped("keeps every field of a row, costs exactly", () =>
        Effect.gen(function*() {
          const database = yield* make
          const full = entry({
            totalCost: "12345678901.000000000001",
            metadata: { "User-Id": "42", Feature: "chat-bot" },
            timeToFirstToken: 0.25,
            errorMessage: "it's \"broken\""
          })
          yield* Effect.provide(write([full, entry({ totalCost: undefined })]), database.layer())
          const [row, unpriced] = yield* database.query(
            `SELECT *, ${text("total_cost")} AS cost, raw_metadata->>'User-Id' AS user_id FROM llm_requests
             ORDER BY total_cost IS NULL`
          )
          assert.strictEqual(row?.["cost"], "12345678901.000000000001")
          assert.strictEqual(row?.["user_id"], "42")
          assert.strictEqual(row?.["request_id"], full.requestId)
          assert.strictEqual(row?.["response_time"], 1.25)
          assert.strictEqual(row?.["error_message"], "it's \"broken\"")
          const stamp = row?.["timestamp"]
          assert.strictEqual(stamp instanceof Date ? stamp.getTime() : Date.parse(String(stamp)), november)
          assert.isNull(unpriced?.["total_cost"])
          for (const column of columns) assert.property(row, column.name)
        }))

      it.scoped("runs the queries of the manual as they are written", () =>
        Effect.gen(function*() {
          const database = yield* make
          const of = (user: string, feature: string, totalCost: string) =>
            entry({ totalCost, metadata: { "User-Id": user, Feature: feature } })
          yield* Effect.provide(
            write([
              of("a", "chat-bot", "0.25"),
              of("b", "chat-bot", "1.5"),
              of("a", "chat-bot", "0.5"),
              of("a", "x", "9")
            ]),
            database.layer()
          )
          const rows = yield* database.query(
            `SELECT raw_metadata->>'User-Id' AS user_id, COUNT(*) AS requests, SUM(total_cost) AS total_cost
             FROM llm_requests WHERE raw_metadata->>'Feature' = 'chat-bot' GROUP BY 1 ORDER BY total_cost DESC`
          )
          assert.deepStrictEqual(
            rows.map((row) => [row["user_id"], Number(row["requests"]), Number(row["total_cost"])]),
            [["b", 1, 1.5], ["a", 2, 0.75]]
          )
        }))

      it.scoped("a row that comes again is left as it is, in the same batch and in a later one", () =>
        Effect.gen(function*() {
          const database = yield* make
          const one = entry()
          const other = entry({ timestamp: november + 1 })
          yield* Effect.provide(
            Effect.zipRight(write([one, one]), write([{ ...one, model: "changed" }, other])),
            database.layer()
          )
          const rows = yield* database.query("SELECT request_id, model FROM llm_requests ORDER BY request_id")
          assert.deepStrictEqual(
            rows.map((row) => [row["request_id"], row["model"]]),
            [one, other].map(({ model, requestId }) => [requestId, model])
          )
        }))

      it.scoped("takes any texts a model may write, and batches of any size", () =>
        Effect.gen(function*() {
          const database = yield* make
          const context = yield* Layer.build(database.layer())
          const batches = fc.sample(fc.array(anyEntry, { minLength: 1, maxLength: 40 }), { numRuns: 30, seed: 7 })
          const large = Array.from({ length: 613 }, () => entry())
          for (const batch of [...batches, large]) yield* Effect.provide(write(batch), context)
          const expected = [...batches.flat(), ...large]
          const rows = yield* database.query(
            `SELECT request_id, input_tokens, ${text("total_cost")} AS cost, raw_metadata FROM llm_requests`
          )
          const byId = new Map(rows.map((row) => [row["request_id"], row]))
          assert.strictEqual(byId.size, expected.length)
          for (const { inputTokens, kind, metadata, requestId, totalCost } of expected) {
            const row = byId.get(requestId)
            assert.strictEqual(Number(row?.["input_tokens"]), inputTokens)
            assert.strictEqual(row?.["cost"] ?? undefined, totalCost)
            const stored = row?.["raw_metadata"]
            const kept = typeof stored === "string" ? JSON.parse(stored) : stored
            for (const [label, value] of Object.entries(kind === "attempt" ? {} : metadata)) {
              if (/[\0\ud800-\udfff]/.test(label + value)) continue
              assert.strictEqual(kept[label], value)
            }
          }
        }), 60_000)

      it.scoped("a batch is written whole or not at all, and says when a row is to blame", () =>
        Effect.gen(function*() {
          const database = yield* make
          const context = yield* Layer.build(database.layer())
          yield* database.query(
            isPg
              ? "ALTER TABLE llm_requests ADD CONSTRAINT few CHECK (input_tokens < 1000)"
              : `CREATE TRIGGER few BEFORE INSERT ON llm_requests WHEN NEW.input_tokens >= 1000
                 BEGIN SELECT RAISE(ABORT, 'too many'); END`
          )
          const rows = Array.from({ length: 300 }, (_, index) => entry({ inputTokens: index === 299 ? 5000 : 1 }))
          const error = yield* Effect.flip(Effect.provide(write(rows), context))
          assert.strictEqual(error._tag === "RequestLogError" ? error.reason : "", "Rejected")
          assert.deepStrictEqual(
            (yield* database.query("SELECT COUNT(*) AS n FROM llm_requests")).map((row) => Number(row["n"])),
            [0]
          )
          yield* Effect.provide(write(rows.slice(0, 299)), context)
        }))

      it.scoped("several processes start at once: the table is made once", () =>
        Effect.gen(function*() {
          const database = yield* make
          const start = Effect.suspend(() => Effect.provide(write([entry()]), database.layer()))
          yield* Effect.all([start, start, start, start], { concurrency: 4 }).pipe(Effect.withClock(Clock.make()))
          const rows = yield* database.query("SELECT COUNT(*) AS n FROM llm_requests")
          assert.strictEqual(Number(rows[0]?.["n"]), 4)
          const versions = yield* database.query("SELECT migration_id AS id FROM llm_migrations ORDER BY id")
          assert.deepStrictEqual(versions.map((row) => Number(row["id"])), [1, 2, 3, 4])
        }))

      it.scoped("goes on with the table of the version before, and its rows", () =>
        Effect.gen(function*() {
          const database = yield* make
          yield* Effect.scoped(Layer.build(database.layer()))
          for (const event of ["insert", "update", "delete"]) {
            yield* database.query(`DROP TRIGGER llm_requests_hourly_${event}${isPg ? " ON llm_requests" : ""}`)
          }
          yield* database.query("DROP TABLE llm_rollups")
          for (const { name, since } of columns) {
            if (since > 1) yield* database.query(`ALTER TABLE llm_requests DROP COLUMN ${name}`)
          }
          yield* database.query("DELETE FROM llm_migrations WHERE migration_id > 1")
          if (isPg) {
            yield* database.query(
              "CREATE TABLE llm_requests_2026_11 PARTITION OF llm_requests FOR VALUES FROM ('2026-11-01Z') TO ('2026-12-01Z')"
            )
          }
          const old = entry().requestId
          yield* database.query(
            `INSERT INTO llm_requests (request_id, model, timestamp) VALUES ('${old}', 'old', '2026-11-02T00:00:00.000Z')`
          )
          yield* Effect.provide(write([entry({ kind: "attempt", model: "new" })]), database.layer())
          const rows = yield* database.query("SELECT model, kind FROM llm_requests ORDER BY model DESC")
          assert.deepStrictEqual(rows.map((row) => [row["model"], row["kind"]]), [["old", null], ["new", "attempt"]])
        }))

      it.scoped("a table that somebody else made, with columns of its own", () =>
        Effect.gen(function*() {
          const database = yield* make
          yield* database.query(
            `CREATE TABLE llm_requests (request_id ${isPg ? "text" : "TEXT"} PRIMARY KEY, provider text, team text
             DEFAULT 'core', "timestamp" ${isPg ? "timestamptz" : "TEXT"})`
          )
          const one = entry()
          yield* Effect.provide(Effect.zipRight(write([one]), write([one])), database.layer())
          const rows = yield* database.query("SELECT request_id, team, provider FROM llm_requests")
          assert.deepStrictEqual(rows.map((row) => [row["request_id"], row["team"], row["provider"]]), [
            [one.requestId, "core", "anthropic"]
          ])
        }))

      it.scoped("a table without our key gets it; one that cannot have it says what to run", () =>
        Effect.gen(function*() {
          const database = yield* make
          const time = isPg ? "timestamptz" : "TEXT"
          yield* database.query(
            `CREATE TABLE llm_requests (id integer PRIMARY KEY, request_id text, "timestamp" ${time})`
          )
          const id = isPg ? "CREATE SEQUENCE ids; ALTER TABLE llm_requests ALTER id SET DEFAULT nextval('ids')"
            : "SELECT 1"
          for (const statement of id.split(";")) yield* database.query(statement)
          yield* database.query(`INSERT INTO llm_requests (id, request_id) VALUES (100, 'a'), (101, 'a')`)
          const error = yield* Effect.flip(Effect.scoped(Layer.build(database.layer()))).pipe(
            Effect.withClock(Clock.make())
          )
          assert.include(error.message, "CREATE UNIQUE INDEX llm_requests_key ON llm_requests (request_id)")
          assert.notInclude(error.message, "set aside")
          yield* database.query("DELETE FROM llm_requests")
          const one = entry()
          yield* Effect.provide(Effect.zipRight(write([one]), write([one])), database.layer())
          assert.lengthOf(yield* database.query("SELECT 1 FROM llm_requests"), 1)
        }))

      it.scoped("a column, a check or a key of somebody else's refuses a row; it is not passed over", () =>
        Effect.gen(function*() {
          for (const column of ["team text NOT NULL", "model text CHECK (model <> 'bad')", "provider text UNIQUE"]) {
            const database = yield* make
            yield* database.query(
              `CREATE TABLE llm_requests (request_id text PRIMARY KEY, "timestamp" ${
                isPg ? "timestamptz" : "TEXT"
              }, ${column})`
            )
            const context = yield* Layer.build(database.layer())
            const rows = [entry({ model: "bad" }), entry({ model: "bad" })]
            const error = yield* Effect.flip(Effect.provide(write(rows), context))
            assert.strictEqual(error._tag === "RequestLogError" ? error.reason : "", "Rejected", column)
          }
        }))

      it.scoped("tries of a call are no calls of their own to a question by label", () =>
        Effect.gen(function*() {
          const database = yield* make
          const metadata = { Feature: "chat-bot", "User-Id": "1" }
          yield* Effect.provide(
            write([entry({ metadata }), entry({ kind: "attempt", metadata }), entry({ kind: "attempt", metadata })]),
            database.layer()
          )
          const [found] = yield* database.query(
            "SELECT COUNT(*) AS n FROM llm_requests WHERE raw_metadata->>'Feature' = 'chat-bot'"
          )
          assert.strictEqual(Number(found?.["n"]), 1)
        }))

      it.scoped("drops what is older than the retention", () =>
        Effect.gen(function*() {
          const database = yield* make
          yield* TestClock.setTime(november)
          const ages = [Date.UTC(2026, 5, 30), Date.UTC(2026, 7, 31), Date.UTC(2026, 8, 1), november]
          const context = yield* Layer.build(database.layer({ retention: "60 days" }))
          yield* Effect.provide(write(ages.map((timestamp) => entry({ timestamp }))), context)
          yield* TestClock.adjust("1 hour")
          const left = Effect.map(
            database.query("SELECT timestamp FROM llm_requests ORDER BY timestamp"),
            (rows) => rows.length
          )
          // 60 days before is 22 September: PostgreSQL keeps the whole month, SQLite the row of the first no more.
          yield* Effect.repeat(left, { until: (count) => count === (isPg ? 2 : 1) }).pipe(
            Effect.timeout("5 seconds"),
            Effect.withClock(Clock.make())
          )
          // A late row of a dropped month finds its place again.
          yield* Effect.provide(write([entry({ timestamp: Date.UTC(2026, 5, 30) })]), context)
        }))
    })
  }

  it.scoped("PostgreSQL: rows of a year lie in a partition for each month", () =>
    Effect.gen(function*() {
      const database = yield* pg
      const year = Array.from({ length: 12 }, (_, month) => entry({ timestamp: Date.UTC(2026, month + 1, 1) - 1 }))
      yield* Effect.provide(write(year), database.layer())
      const partitions = yield* database.query(
        `SELECT tableoid::regclass::text AS name, COUNT(*) AS n FROM llm_requests GROUP BY 1 ORDER BY 1`
      )
      assert.deepStrictEqual(
        partitions.map((row) => [row["name"], Number(row["n"])]),
        Array.from({ length: 12 }, (_, month) => [`llm_requests_2026_${String(month + 1).padStart(2, "0")}`, 1])
      )
    }))

  it.scoped(
    "PostgreSQL: a connection that is cut in the middle, and a server that goes away and comes back",
    () =>
      Effect.gen(function*() {
        const database = yield* pg
        const scope = yield* Scope.make()
        const context = yield* Scope.extend(Layer.build(database.layer()), scope)
        yield* Effect.provide(write([entry()]), context)
        const cut = Effect.delay(
          database.query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'effect-majordomo'"
          ),
          "20 millis"
        )
        yield* database.query(
          "CREATE FUNCTION slow() RETURNS trigger AS $$ BEGIN PERFORM pg_sleep(1); RETURN NEW; END $$ LANGUAGE plpgsql"
        )
        yield* database.query("CREATE TRIGGER slow BEFORE INSERT ON llm_requests FOR EACH ROW EXECUTE FUNCTION slow()")
        const one = entry()
        const [result] = yield* Effect.all([Effect.either(Effect.provide(write([one]), context)), cut], {
          concurrency: 2
        }).pipe(Effect.withClock(Clock.make()))
        assert.strictEqual(result._tag === "Left" && result.left.reason, "Unavailable")
        yield* database.query("DROP TRIGGER slow ON llm_requests")
        yield* Effect.provide(write([one]), context)
        const rows = yield* database.query("SELECT COUNT(*) AS n FROM llm_requests")
        assert.strictEqual(Number(rows[0]?.["n"]), 2)
        yield* Scope.close(scope, Exit.void)
      }),
    30_000
  )

  it.scoped(
    "PostgreSQL: who waits for another session's migration says so, and starts when it has ended",
    () =>
      Effect.gen(function*() {
        const database = yield* pg
        const said = yield* Deferred.make<string>()
        const logger = Logger.make(({ message }) => Deferred.unsafeDone(said, Effect.succeed(String(message))))
        // Another session that migrates, for as long as it likes.
        const held = yield* Deferred.make<void>()
        const release = yield* Deferred.make<void>()
        const other = yield* Effect.fork(
          Effect.flatMap(SqlClient.SqlClient, (sql) =>
            sql.withTransaction(
              sql`SELECT pg_advisory_xact_lock(7680003)`.pipe(
                Effect.zipRight(Deferred.succeed(held, undefined)),
                Effect.zipRight(Deferred.await(release))
              )
            )).pipe(Effect.provide(database.client))
        )
        yield* Deferred.await(held)
        const starting = yield* Effect.fork(
          Effect.provide(write([entry()]), database.layer()).pipe(
            Effect.provide(Logger.replace(Logger.defaultLogger, logger))
          )
        )
        assert.include(yield* Deferred.await(said), "waits for another session that holds a lock")
        assert.isTrue(Option.isNone(yield* Fiber.poll(starting)))
        yield* Deferred.succeed(release, undefined)
        yield* Fiber.join(other)
        yield* Fiber.join(starting)
        const [{ count } = { count: undefined }] = yield* database.query(
          "SELECT COUNT(*)::int AS count FROM llm_requests"
        )
        assert.strictEqual(count, 1)
      }).pipe(Effect.withClock(Clock.make())),
    60_000
  )

  it.scoped("PostgreSQL: a month that another process has dropped is made again", () =>
    Effect.gen(function*() {
      const database = yield* pg
      const context = yield* Layer.build(database.layer())
      yield* Effect.provide(write([entry()]), context)
      yield* database.query("DROP TABLE llm_requests_2026_11")
      yield* Effect.provide(write([entry(), entry()]), context)
      const rows = yield* database.query("SELECT COUNT(*) AS n FROM llm_requests")
      assert.strictEqual(Number(rows[0]?.["n"]), 2)
    }))

  it.scoped("a database that is not there: a typed error that says which, and no password", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const missing = yield* Effect.flip(
        Effect.scoped(Layer.build(SqliteRequestLog.layer({ filename: join(path, "none", "log.db") })))
      )
      assert.include(missing.message, join(path, "none", "log.db"))
      const refused = yield* Effect.flip(
        Effect.scoped(Layer.build(PgRequestLog.layer({ url: serverUrl.replace("pg-canary-81c2", "pg-canary-wrong") })))
      ).pipe(Effect.withClock(Clock.make()))
      assert.include(refused.message, "password authentication failed")
      assert.notInclude(JSON.stringify(refused) + String(refused.stack), "pg-canary")
    }))

  it.scoped("any SqlClient will do", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const database = SqliteClient.layer({ filename: join(path, "app.db") })
      const rows = yield* Effect.gen(function*() {
        yield* write([entry({ model: "mine" })])
        const sql = yield* SqliteClient.SqliteClient
        return yield* sql<{ model: string }>`SELECT model FROM llm_requests`
      }).pipe(Effect.provide(SqlRequestLog.layer.pipe(Layer.provideMerge(database))))
      assert.deepStrictEqual(rows, [{ model: "mine" }])
    }))
})
