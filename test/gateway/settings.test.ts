import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpApiClient from "@effect/platform/HttpApiClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Redacted, Schema } from "effect"
import * as Admin from "effect-majordomo/gateway/Admin"
import type * as GatewayConfig from "effect-majordomo/gateway/GatewayConfig"
import type * as http from "node:http"
import { join } from "node:path"
import { inject } from "vitest"
import { queryAt } from "../logging/postgres.ts"
import { chatAnswer, chatEvents, question, run, type Running, send, temporary, upstream } from "./running.ts"

const clientOf = (gateway: Running, role: "read" | "keys" | "admin" = "admin") =>
  Effect.gen(function*() {
    const token = yield* gateway.adminTokens.create(`test-${role}`, role)
    const client = yield* HttpApiClient.make(Admin.Api, {
      baseUrl: gateway.adminUrl,
      transformClient: HttpClient.mapRequest(HttpClientRequest.bearerToken(token))
    }).pipe(Effect.provide(FetchHttpClient.layer))
    return { client, token: Redacted.value(token) }
  })

const answering = upstream((_, response, body) => {
  response.writeHead(200, { "content-type": "application/json" })
  response.end(chatAnswer.replaceAll("gpt-4.1", Schema.decodeUnknownSync(Asked)(body).model))
})
const Asked = Schema.parseJson(Schema.Struct({ model: Schema.String }))

const optionsOf = (url: string): GatewayConfig.Options => ({
  auth: "optional",
  providers: {
    openai: { baseUrl: url },
    acme: { wire: "openai-chat", baseUrl: `${url}/v1`, key: Redacted.make("sk-kept") }
  },
  models: { first: "acme/gpt-4.1" },
  limits: [{ name: "rate", by: "feature", requestsPerMinute: 100 }]
})

const ask = (gateway: Running, model: string, headers: Readonly<Record<string, string>> = {}) =>
  send(`${gateway.url}/v1/chat/completions`, {
    body: question({ model }),
    headers: { "content-type": "application/json", authorization: "Bearer sk-test", ...headers }
  })

/** The name is known, as soon as the gateway has heard of it. */
const knows = (gateway: Running, name: string) =>
  Effect.map(
    send(`${gateway.url}/v1/models`),
    ({ body }) => body.toString().includes(`"${name}"`)
  )

const soon = (what: Effect.Effect<boolean>) =>
  Effect.repeat(Effect.delay(what, "50 millis"), { until: (is) => is, times: 100 }).pipe(
    Effect.map((is) => assert.isTrue(is, "within five seconds"))
  )

describe("settings that are stored", () => {
  it.scopedLive("stand before the file's from the next request on, and can be taken back", () =>
    Effect.gen(function*() {
      const provider = yield* answering
      const gateway = yield* run(optionsOf(provider.url))
      const { client } = yield* clientOf(gateway)
      assert.strictEqual((yield* client.look.settings({})).version, 0)
      const first = yield* client.rule.setSettings({
        payload: { settings: { models: { second: "acme/gpt-4.1-mini" } }, expected: 0 }
      })
      assert.strictEqual(first.version, 1)
      assert.isTrue(yield* knows(gateway, "second"))
      assert.isFalse(yield* knows(gateway, "first"))
      assert.include((yield* ask(gateway, "second")).body.toString(), "gpt-4.1-mini")
      // What a version does not say is the file's.
      const limited = yield* ask(gateway, "second", { "x-majordomo-feature": "a" })
      assert.strictEqual(limited.headers["x-ratelimit-limit-requests"], "100")
      const { settings } = yield* client.look.settings({})
      assert.strictEqual(settings.limits?.[0]?.name, "rate")

      // A rule that keeps its name keeps what was spent under it.
      yield* client.rule.setSettings({
        payload: { settings: { limits: [{ name: "rate", by: "feature", requestsPerMinute: 2 }] } }
      })
      const second = yield* ask(gateway, "first", { "x-majordomo-feature": "a" })
      assert.strictEqual(second.headers["x-ratelimit-remaining-requests"], "0")
      assert.strictEqual((yield* ask(gateway, "first", { "x-majordomo-feature": "a" })).status, 429)
      const restored = yield* client.rule.restoreSettings({ path: { version: 1 } })
      assert.deepInclude(restored, { version: 3, settings: { models: { second: "acme/gpt-4.1-mini" } } })
      const again = yield* ask(gateway, "second", { "x-majordomo-feature": "a" })
      assert.strictEqual(again.status, 200, again.body.toString())
      yield* client.rule.restoreSettings({ path: { version: 0 } })
      assert.isTrue(yield* knows(gateway, "first"))

      const versions = yield* client.look.versions({ urlParams: {} })
      assert.deepStrictEqual(versions.map(({ version }) => version), [4, 3, 2, 1])
      assert.strictEqual((yield* client.look.version({ path: { version: 2 } })).who, "test-admin")
      const { rows } = yield* client.look.changes({ urlParams: {} })
      assert.deepStrictEqual(rows.map(({ what }) => what), [
        "settings.restore",
        "settings.restore",
        "settings.set",
        "settings.set"
      ])
      assert.deepStrictEqual(rows[3]?.after, { models: { second: "acme/gpt-4.1-mini" } })
    }))

  it.scopedLive("are checked as the file is before they are taken, and by who may", () =>
    Effect.gen(function*() {
      const provider = yield* answering
      const gateway = yield* run(optionsOf(provider.url))
      const { client, token } = yield* clientOf(gateway)
      const problem = (settings: object) =>
        Effect.map(
          send(`${gateway.adminUrl}/api/settings`, {
            method: "PUT",
            body: JSON.stringify({ settings }),
            headers: { "content-type": "application/json", authorization: `Bearer ${token}` }
          }),
          ({ body, status }) => `${status} ${body.toString()}`
        )
      assert.include(yield* problem({ models: { wrong: "nobody/gpt" } }), "400")
      assert.include(yield* problem({ models: { wrong: "nobody/gpt" } }), "is no model of a provider")
      assert.include(yield* problem({ limits: [{ name: "none" }] }), "limits nothing")
      assert.include(
        yield* problem({ limits: [{ name: "a", budget: { usd: "1", per: "day" }, degrade: "no" }] }),
        "400"
      )
      assert.include(yield* problem({ port: 80 }), "port")
      const conflict = yield* Effect.flip(client.rule.setSettings({ payload: { settings: {}, expected: 7 } }))
      assert.strictEqual(conflict._tag, "Conflict")
      const missing = yield* Effect.flip(client.rule.restoreSettings({ path: { version: 9 } }))
      assert.strictEqual(missing._tag, "NotFound")
      const keys = yield* clientOf(gateway, "keys")
      const denied = yield* Effect.flip(keys.client.rule.setSettings({ payload: { settings: {} } }))
      assert.strictEqual(denied._tag, "Forbidden")
      assert.strictEqual((yield* client.look.versions({ urlParams: {} })).length, 0)
      assert.isTrue(yield* knows(gateway, "first"))
      // Of those who change the same version at the same time, one does.
      const tried = yield* Effect.forEach(
        ["a", "b", "c", "d"],
        (name) =>
          Effect.either(client.rule.setSettings({
            payload: { settings: { models: { [name]: "acme/gpt-4.1" } }, expected: 0 }
          })),
        { concurrency: 4 }
      )
      assert.strictEqual(tried.filter(({ _tag }) => _tag === "Right").length, 1)
      assert.strictEqual((yield* client.look.versions({ urlParams: {} })).length, 1)
    }))

  it.scopedLive("change nothing for a request that runs", () =>
    Effect.gen(function*() {
      let open: http.ServerResponse | undefined
      const provider = yield* upstream((_, response) => {
        response.writeHead(200, { "content-type": "text/event-stream" })
        response.write(chatEvents[0])
        open ??= response
      })
      const gateway = yield* run({ ...optionsOf(provider.url), limits: [{ name: "slots", concurrent: 1 }] })
      const { client } = yield* clientOf(gateway)
      const running = yield* Effect.fork(send(`${gateway.url}/v1/chat/completions`, {
        body: question({ model: "first", stream: true }),
        headers: { "content-type": "application/json" }
      }))
      yield* soon(Effect.sync(() => open !== undefined))
      assert.strictEqual((yield* ask(gateway, "first")).status, 429)
      yield* client.rule.setSettings({
        payload: { settings: { models: {}, limits: [{ name: "slots", concurrent: 2 }] } }
      })
      // The slot that it holds is still held, and the name that it asked for is gone.
      const other = yield* Effect.fork(ask(gateway, "acme/gpt-4.1"))
      yield* soon(Effect.sync(() => provider.requests.length === 2))
      assert.strictEqual((yield* ask(gateway, "acme/gpt-4.1")).status, 429)
      assert.strictEqual((yield* client.look.limits({}))[0]?.scopes[0]?.used, "2")
      yield* Fiber.interrupt(other)
      for (const event of chatEvents.slice(1)) open?.write(event)
      open?.end()
      const answer = yield* running
      assert.isTrue(answer.isWhole)
    }))

  const replicas = (database: string) =>
    Effect.gen(function*() {
      const provider = yield* answering
      const options = { ...optionsOf(provider.url), database }
      const [one, two] = [yield* run(options), yield* run(options)]
      const { client } = yield* clientOf(one)
      yield* client.rule.setSettings({ payload: { settings: { models: { second: "acme/gpt-4.1" } } } })
      assert.isTrue(yield* knows(one, "second"))
      yield* soon(knows(two, "second"))
      const { key, secret } = yield* client.keep.createKey({ payload: { name: "team" } })
      const status = Effect.map(ask(two, "gpt-4.1", { "x-majordomo-key": secret }), ({ status }) => status)
      assert.strictEqual(yield* status, 200)
      yield* client.keep.changeKey({
        path: { id: key.id },
        payload: { limits: [{ name: "own", requestsPerMinute: 1 }] }
      })
      yield* soon(Effect.map(status, (status) => status === 429))
      yield* client.keep.revokeKey({ path: { id: key.id } })
      yield* soon(Effect.map(status, (status) => status === 401))
      // A gateway that starts now begins with them.
      assert.isTrue(yield* knows(yield* run(options), "second"))
    })

  it.scopedLive(
    "are taken by every replica, as keys are, over SQLite",
    () => Effect.flatMap(temporary, (directory) => replicas(join(directory, "shared.db"))),
    60_000
  )

  it.scopedLive("and over PostgreSQL", () =>
    Effect.gen(function*() {
      const url = new URL(inject("postgresUrl"))
      const name = `settings_${process.pid}`
      yield* queryAt(url.href, `CREATE DATABASE ${name}`)
      url.pathname = `/${name}`
      yield* replicas(url.href)
    }), 60_000)
})

describe("limits of a key", () => {
  it.scopedLive("hold its calls beside those of all, from its making on, and can be changed", () =>
    Effect.gen(function*() {
      const provider = yield* answering
      const gateway = yield* run(optionsOf(provider.url))
      const { client } = yield* clientOf(gateway, "keys")
      const { key, secret } = yield* client.keep.createKey({
        payload: { name: "team", limits: [{ name: "own", by: "feature", requestsPerMinute: 1 }] }
      })
      assert.strictEqual(key.limits?.[0]?.name, "own")
      const status = (feature: string, own = secret) =>
        Effect.map(
          ask(gateway, "gpt-4.1", { "x-majordomo-key": own, "x-majordomo-feature": feature }),
          ({ status }) => status
        )
      assert.deepStrictEqual([yield* status("a"), yield* status("a"), yield* status("b")], [200, 429, 200])
      // Another key's rule of the same name is another rule.
      const other = yield* client.keep.createKey({
        payload: { name: "other", limits: [{ name: "own", by: "feature", requestsPerMinute: 5 }] }
      })
      assert.strictEqual(yield* status("a", other.secret), 200)
      const limits = yield* client.look.limits({})
      assert.deepInclude(limits.find((limit) => limit.key === key.id), { name: "own", limit: "1" })
      assert.strictEqual(limits.find((limit) => limit.key === null)?.name, "rate")
      yield* client.keep.changeKey({ path: { id: key.id }, payload: { limits: [] } })
      assert.strictEqual(yield* status("a"), 200)
      const error = yield* Effect.flip(client.keep.changeKey({
        path: { id: key.id },
        payload: { limits: [{ name: "own", budget: { usd: "1", per: "day" }, degrade: "nobody" }] }
      }))
      assert.strictEqual(error._tag, "Invalid")
      const { rows } = yield* client.look.changes({ urlParams: {} })
      assert.strictEqual(rows[0]?.what, "key.change")
    }))
})
