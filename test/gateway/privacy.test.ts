import { ListObjectsV2Command } from "@aws-sdk/client-s3"
import { NodeContext } from "@effect/platform-node"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpApiClient from "@effect/platform/HttpApiClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { SqlClient } from "@effect/sql"
import { SqliteClient } from "@effect/sql-sqlite-node"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Either, Layer, TestClock } from "effect"
import * as Admin from "effect-majordomo/gateway/Admin"
import * as Gateway from "effect-majordomo/gateway/Gateway"
import type * as GatewayConfig from "effect-majordomo/gateway/GatewayConfig"
import { BodyStore } from "effect-majordomo/logging/BodyStore"
import * as FileBodyStore from "effect-majordomo/logging/FileBodyStore"
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { inject } from "vitest"
import { queryAt } from "../logging/postgres.ts"
import * as s3 from "../logging/s3.ts"
import { chatAnswer, question, run, type Running, send, temporary, upstream } from "./running.ts"

const clientOf = (gateway: Running) =>
  Effect.gen(function*() {
    const token = yield* gateway.adminTokens.create("officer", "admin")
    return yield* HttpApiClient.make(Admin.Api, {
      baseUrl: gateway.adminUrl,
      transformClient: HttpClient.mapRequest(HttpClientRequest.bearerToken(token))
    }).pipe(Effect.provide(FetchHttpClient.layer))
  })

const started = (log: NonNullable<GatewayConfig.Options["log"]>, more: GatewayConfig.Options = {}) =>
  Effect.gen(function*() {
    const provider = yield* upstream((_, response, body) => {
      response.writeHead(body.includes("fail") ? 400 : 200, { "content-type": "application/json" })
      response.end(body.includes("fail") ? "{\"error\":{\"message\":\"no\"}}" : chatAnswer)
    })
    const bodies = join(yield* temporary, "bodies")
    const gateway = yield* run({
      providers: { openai: { baseUrl: provider.url } },
      ...more,
      log: { ...(log.bodiesBucket === undefined ? { bodiesDirectory: bodies } : {}), ...log }
    })
    const ask = (user: string, key = gateway.key, content = "Hi") =>
      Effect.map(
        send(`${gateway.url}/v1/chat/completions`, {
          body: question({ messages: [{ role: "user", content }] }),
          headers: {
            "content-type": "application/json",
            authorization: "Bearer sk-test",
            "x-majordomo-key": key,
            "x-majordomo-user-id": user
          }
        }),
        ({ headers }) => String(headers["x-majordomo-request-id"])
      )
    const kept = Effect.map(gateway.rows, () =>
      existsSync(bodies)
        ? readdirSync(bodies, { recursive: true }).map(String).filter((name) => name.endsWith(".json")).sort()
        : [])
    return { gateway, ask, kept, bodies }
  })

const inEnvironment = (values: Readonly<Record<string, string>>) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const before = Object.keys(values).map((name) => [name, process.env[name]] as const)
      Object.assign(process.env, values)
      return before
    }),
    (before) =>
      Effect.sync(() => {
        for (const [name, value] of before) {
          if (value === undefined) delete process.env[name]
          else process.env[name] = value
        }
      })
  )

describe("what is kept of requests", () => {
  const erased = (database?: string) =>
    Effect.gen(function*() {
      const { ask, gateway, kept } = yield* started({ bodies: "all" }, database === undefined ? {} : { database })
      const client = yield* clientOf(gateway)
      const other = yield* ask("bob")
      for (let n = 0; n < 3; n++) yield* ask("ada/1")
      assert.strictEqual((yield* kept).length, 8)
      const gone = yield* client.rule.erase({ urlParams: { label: "user-id", value: "ada/1" } })
      assert.deepStrictEqual(gone, { rows: 3, bodies: 6 })
      const rows = yield* gateway.rows
      assert.deepStrictEqual(rows.map(({ requestId }) => requestId), [other])
      assert.isTrue((yield* kept).every((name) => name.includes(other)))
      assert.strictEqual((yield* kept).length, 2)
      const costs = yield* client.look.costs({ urlParams: {} })
      assert.strictEqual(costs[0]?.requests, 1)
      assert.deepStrictEqual(yield* client.rule.erase({ urlParams: { label: "user-id", value: "ada/1" } }), {
        rows: 0,
        bodies: 0
      })
      const { rows: changes } = yield* client.look.changes({ urlParams: {} })
      assert.deepInclude(changes[1], { what: "rows.erase", who: "officer", after: { rows: 3, bodies: 6 } })
      assert.notInclude(JSON.stringify(changes), "ada")
    })

  it.scopedLive("of one user goes at a word, rows, totals and bodies, over SQLite", () => erased())

  it.scopedLive("and over PostgreSQL", () =>
    Effect.gen(function*() {
      const url = new URL(inject("postgresUrl"))
      const name = `privacy_${process.pid}`
      yield* queryAt(url.href, `CREATE DATABASE ${name}`)
      url.pathname = `/${name}`
      yield* erased(url.href)
    }), 60_000)

  it.scopedLive(
    "goes from a bucket too, what no row names as well, and rows stay where nobody can remove their bodies",
    () =>
      Effect.gen(function*() {
        const server = yield* s3.make
        yield* inEnvironment({ AWS_ACCESS_KEY_ID: s3.secret, AWS_SECRET_ACCESS_KEY: s3.secret })
        const names = Effect.map(
          Effect.promise(() => s3.clientOf(server.endpoint).send(new ListObjectsV2Command({ Bucket: s3.bucket }))),
          ({ Contents = [] }) => Contents.map(({ Key = "" }) => Key)
        )
        const database = join(yield* temporary, "gateway.db")
        const bodiesBucket = { bucket: s3.bucket, prefix: "llm", endpoint: server.endpoint }
        const query = (text: string) =>
          Effect.provide(
            Effect.flatMap(SqlClient.SqlClient, (sql) => sql.unsafe(text)),
            SqliteClient.layer({ filename: database })
          )
        const eraseIn = (gateway: Running) =>
          Effect.flatMap(
            clientOf(gateway),
            ({ rule }) => Effect.either(rule.erase({ urlParams: { label: "user-id", value: "ada" } }))
          )
        const other = yield* Effect.scoped(Effect.gen(function*() {
          const { ask, gateway } = yield* started({ bodies: "all", bodiesBucket }, { database })
          const other = yield* ask("bob")
          for (let n = 0; n < 3; n++) yield* ask("ada")
          yield* gateway.rows
          assert.lengthOf(yield* names, 8)
          return other
        }))
        // As of one that was killed between its bodies and its row.
        yield* query(
          `UPDATE llm_requests SET storage_request_key = NULL, storage_response_key = NULL, storage_error = 'killed'
        WHERE request_id IN (SELECT request_id FROM llm_requests WHERE raw_metadata LIKE '%ada%' LIMIT 1)`
        )
        yield* Effect.scoped(Effect.gen(function*() {
          const gateway = yield* run({ database })
          const refused = yield* eraseIn(gateway)
          assert.isTrue(Either.isLeft(refused) && refused.left.message.includes("no store that could remove them"))
          assert.lengthOf(yield* gateway.rows, 4)
        }))
        const { gateway } = yield* started({ bodiesBucket }, { database })
        assert.deepStrictEqual(yield* eraseIn(gateway), Either.right({ rows: 3, bodies: 4 }))
        assert.deepStrictEqual(yield* names, [`llm/${other}/request.json`, `llm/${other}/response.json`])
        assert.deepStrictEqual((yield* gateway.rows).map(({ requestId }) => requestId), [other])
      }),
    60_000
  )

  it.effect("has one place and one rule of when it goes", () =>
    Effect.gen(function*() {
      const bodiesBucket = { bucket: "acme" }
      for (const log of [{ bodiesBucket, bodiesDirectory: "x" }, { bodiesBucket, bodiesRetention: "3 days" }]) {
        assert.include((yield* Effect.flip(Gateway.check({ log }))).message, "log")
      }
      yield* Gateway.check({ log: { bodiesBucket } })
    }))

  it.scopedLive("is a matter of the key: bodies of none, of errors, of all its requests", () =>
    Effect.gen(function*() {
      const { ask, gateway, kept } = yield* started({ bodies: "none" })
      const client = yield* clientOf(gateway)
      yield* ask("ada")
      assert.deepStrictEqual(yield* kept, [])
      const { key, secret } = yield* client.keep.createKey({ payload: { name: "debug", bodies: "all" } })
      const first = yield* ask("ada", secret)
      assert.deepStrictEqual((yield* kept).map((name) => name.slice(11)), [
        `${first}/request.json`,
        `${first}/response.json`
      ])
      yield* client.keep.changeKey({ path: { id: key.id }, payload: { bodies: "errors" } })
      yield* ask("ada", secret)
      assert.strictEqual((yield* kept).length, 2)
      yield* ask("ada", secret, "fail")
      assert.strictEqual((yield* kept).length, 4)
      yield* client.keep.changeKey({ path: { id: key.id }, payload: { bodies: null } })
      yield* ask("ada", secret, "fail")
      assert.strictEqual((yield* kept).length, 4)
    }))

  it.scopedLive("of chosen labels is a hash, by which is counted, limited and erased", () =>
    Effect.gen(function*() {
      const { ask, gateway } = yield* started({ hashedLabels: { labels: ["user-id"], key: { env: "LABEL_KEY" } } }, {
        limits: [{ name: "users", by: "user", requestsPerMinute: 1 }]
      })
      yield* ask("ada@example.com")
      yield* ask("ada@example.com")
      yield* ask("bob@example.com")
      const rows = yield* gateway.rows
      assert.deepStrictEqual(rows.map(({ statusCode }) => statusCode), [200, 429, 200])
      assert.match(rows[0]?.metadata["User-Id"] ?? "", /^h_[0-9a-f]{32}$/)
      assert.strictEqual(rows[0]?.metadata["User-Id"], rows[1]?.metadata["User-Id"])
      assert.notStrictEqual(rows[0]?.metadata["User-Id"], rows[2]?.metadata["User-Id"])
      const client = yield* clientOf(gateway)
      yield* client.look.limits({})
      assert.strictEqual(
        (yield* client.rule.erase({ urlParams: { label: "User-Id", value: "ada@example.com" } })).rows,
        2
      )
      for (const file of readdirSync(gateway.directory, { recursive: true }).map(String)) {
        if (!/\.db|seg/.test(file)) continue
        assert.notInclude(readFileSync(join(gateway.directory, file), "latin1"), "ada@example", file)
      }
    }).pipe(Effect.withConfigProvider(ConfigProvider.fromMap(new Map([["LABEL_KEY", "a key of no secret"]])))))

  it.scoped("as bodies goes when its day is old enough", () =>
    Effect.gen(function*() {
      const directory = yield* temporary
      for (const day of ["1969-12-31", "1970-01-01", "1970-01-09", "other"]) {
        mkdirSync(join(directory, day, "id"), { recursive: true })
        writeFileSync(join(directory, day, "id", "request.json"), "{}")
      }
      yield* TestClock.adjust("9 days")
      yield* Effect.provide(
        Effect.gen(function*() {
          yield* BodyStore
          yield* Effect.repeat(Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 5))), {
            until: () => readdirSync(directory).length === 2,
            times: 200
          })
          assert.deepStrictEqual(readdirSync(directory).sort(), ["1970-01-09", "other"])
        }),
        Layer.provide(FileBodyStore.layer({ directory, shard: "day", retention: "7 days" }), NodeContext.layer)
      )
      const refused = yield* Effect.flip(Layer.build(
        Layer.provide(FileBodyStore.layer({ directory, retention: "7 days" }), NodeContext.layer)
      ))
      assert.include(refused.message, "needs shard")
    }))
})
