import { assert, describe, it } from "@effect/vitest"
import { Cause, Context, Effect, Layer, Schema } from "effect"
import * as Gateway from "effect-majordomo/gateway/Gateway"
import { join } from "node:path"
import { inject } from "vitest"
import { queryAt } from "../logging/postgres.ts"
import * as proxies from "../proxy.ts"
import { isSoak } from "../runs.ts"
import { chatAnswer, question, run, send, temporary, upstream } from "./running.ts"

const State = Schema.parseJson(Schema.Struct({ ready: Schema.Boolean, database: Schema.Boolean }))

let databases = 0

/** A database of the test's own, and the way to it through a network that can fall silent. */
const behindProxy = Effect.gen(function*() {
  const direct = new URL(inject("postgresUrl"))
  const name = `hanging_${process.pid}_${databases++}`
  yield* queryAt(direct.href, `CREATE DATABASE ${name}`)
  direct.pathname = `/${name}`
  const proxy = yield* proxies.before(Number(direct.port))
  const through = new URL(direct)
  through.port = String(proxy.port)
  return { direct, proxy, through }
})

describe("a database that is PostgreSQL behind a network", () => {
  for (const how of ["silence", "cut"] as const) {
    it.scopedLive(
      how === "silence"
        ? "and falls silent holds up no request; when it speaks again, settings and rows are where they belong"
        : "and is cut off again and again holds up no request either",
      () =>
        Effect.gen(function*() {
          const { direct, proxy, through } = yield* behindProxy
          let billed = 0
          const provider = yield* upstream((_, response) => {
            billed++
            response.writeHead(200, { "content-type": "application/json" })
            response.end(chatAnswer)
          })
          const gateway = yield* run({
            database: through.href,
            providers: { openai: { baseUrl: provider.url } },
            limits: [{ name: "purse", budget: { usd: "1", per: "total" } }]
          })
          const ask = Effect.map(
            send(`${gateway.url}/v1/chat/completions`, {
              body: question(),
              headers: { authorization: "Bearer sk-test", "x-majordomo-key": gateway.key }
            }),
            ({ status }) => status
          )
          const state = Effect.map(
            send(`${gateway.url}/readyz`),
            ({ body }) => Schema.decodeUnknownSync(State)(body.toString())
          )
          const knows = Effect.map(
            send(`${gateway.url}/v1/models`, { headers: { "x-majordomo-key": gateway.key } }),
            ({ body }) => body.toString().includes("\"later\"")
          )
          const soon = (what: Effect.Effect<boolean>, why: string) =>
            Effect.repeat(Effect.delay(what, "100 millis"), { until: (is) => is, times: 300 }).pipe(
              Effect.map((is) => assert.isTrue(is, why))
            )
          assert.strictEqual(yield* ask, 200)
          assert.deepStrictEqual(yield* state, { ready: true, database: true })
          if (how === "silence") {
            yield* proxy.silence
            // One after the other, so that none waits long: all of them come through.
            for (let times = 0; times < 10; times++) {
              assert.strictEqual(yield* ask, 200)
            }
            assert.deepStrictEqual(yield* state, { ready: true, database: false })
          } else {
            for (let times = 0; times < 10; times++) {
              yield* proxy.cut
              assert.strictEqual(yield* ask, 200)
            }
          }
          yield* queryAt(
            direct.href,
            `INSERT INTO gateway_settings (version, at, who, settings)
              VALUES (1, 0, 'test', '{"models":{"later":"openai/gpt-4.1"}}')`
          )
          yield* proxy.speak
          yield* soon(knows, "settings are read again")
          yield* soon(Effect.map(state, ({ database }) => database), "readiness says so")
          assert.strictEqual(yield* ask, 200)
          const count = (text: string) => Effect.map(queryAt(direct.href, text), ([row]) => String(row?.["n"]))
          yield* soon(
            Effect.map(
              count("SELECT count(*) AS n FROM llm_requests WHERE model = 'gpt-4.1'"),
              (n) => n === String(billed)
            ),
            "every row comes"
          )
          yield* soon(
            Effect.map(
              count("SELECT CAST(used AS TEXT) AS n FROM gateway_limit_windows WHERE account = 'purse/usd/all/'"),
              (n) => n === String(BigInt(billed) * 60_000_000n)
            ),
            "what is spent is what was billed"
          )
          assert.strictEqual(billed, 12)
        }),
      120_000
    )
  }

  // Half a minute of waiting for what is silent.
  if (isSoak) {
    it.scopedLive(
      "and is silent when the gateway starts is waited for beside it: keys and tables are there when it speaks",
      () =>
        Effect.gen(function*() {
          const { direct, proxy, through } = yield* behindProxy
          const provider = yield* upstream((_, response) => {
            response.writeHead(200, { "content-type": "application/json" })
            response.end(chatAnswer)
          })
          yield* proxy.silence
          const directory = yield* temporary
          const context = yield* Layer.build(Gateway.layer({
            port: 0,
            admin: { port: 0 },
            database: through.href,
            auth: "optional",
            log: { spool: join(directory, "spool") },
            providers: { openai: { baseUrl: provider.url } },
            limits: [{ name: "purse", budget: { usd: "1", per: "total" } }]
          }))
          const { url } = Context.get(context, Gateway.Gateway)
          const ask = Effect.map(
            send(`${url}/v1/chat/completions`, { body: question(), headers: { authorization: "Bearer sk-test" } }),
            ({ status }) => status
          )
          const ready = Effect.map(
            send(`${url}/readyz`),
            ({ body, status }) => [status, Schema.decodeUnknownSync(State)(body.toString()).database]
          )
          assert.strictEqual(yield* ask, 200)
          assert.deepStrictEqual(yield* ready, [200, false])
          yield* proxy.speak
          const books = Effect.map(
            Effect.catchAllCause(
              queryAt(
                direct.href,
                `SELECT CAST(used AS TEXT) AS used, (SELECT count(*)::int FROM llm_requests WHERE model = 'gpt-4.1') AS rows
                FROM gateway_limit_windows`
              ),
              (cause) => Effect.succeed([{ used: "unknown", rows: Cause.pretty(cause) }])
            ),
            ([found]) => found
          )
          // Tables are made, the row is written, and what it took is booked.
          const expected = { used: "60000000", rows: 1 }
          const last = yield* Effect.repeat(Effect.delay(books, "100 millis"), {
            until: (found) => found?.["used"] === expected.used && found["rows"] === expected.rows,
            times: 1000
          }).pipe(Effect.zipRight(books))
          assert.deepStrictEqual(last, expected)
          assert.deepStrictEqual(yield* ready, [200, true])
        }),
      180_000
    )
  }
})
