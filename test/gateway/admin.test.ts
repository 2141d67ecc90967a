import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpApi from "@effect/platform/HttpApi"
import * as HttpApiClient from "@effect/platform/HttpApiClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import * as Admin from "effect-majordomo/gateway/Admin"
import type * as GatewayConfig from "effect-majordomo/gateway/GatewayConfig"
import { chatAnswer, question, run, type Running, send, upstream } from "./running.ts"

const clientOf = (gateway: Running, role: "read" | "keys" | "admin") =>
  Effect.gen(function*() {
    const token = yield* gateway.adminTokens.create(`test-${role}`, role)
    const client = yield* HttpApiClient.make(Admin.Api, {
      baseUrl: gateway.adminUrl,
      transformClient: HttpClient.mapRequest(HttpClientRequest.bearerToken(token))
    }).pipe(Effect.provide(FetchHttpClient.layer))
    return { client, token: Redacted.value(token) }
  })

const started = (options: GatewayConfig.Options = {}) =>
  Effect.gen(function*() {
    const provider = yield* upstream((_, response) => {
      response.writeHead(200, { "content-type": "application/json" })
      response.end(chatAnswer)
    })
    return yield* run({ providers: { openai: { baseUrl: provider.url } }, ...options })
  })

const ask = (gateway: Running, key: string) =>
  send(`${gateway.url}/v1/chat/completions`, {
    body: question(),
    headers: { "x-majordomo-key": key, "x-majordomo-feature": "search", authorization: "Bearer sk-test" }
  })

describe("the administrators' address", () => {
  it.scopedLive("denies every endpoint without a token, and each role what is beyond it", () =>
    Effect.gen(function*() {
      const gateway = yield* started()
      const endpoints: Array<{ readonly method: string; readonly path: string; readonly group: string }> = []
      HttpApi.reflect(Admin.Api, {
        onGroup: () => {},
        onEndpoint: ({ endpoint: { method, path }, group }) =>
          endpoints.push({ method, path: path.replaceAll(/:\w+/g, "x"), group: group.identifier })
      })
      assert.isAbove(endpoints.length, 10)
      const { token } = yield* clientOf(gateway, "read")
      for (const { group, method, path } of endpoints) {
        const tried = (authorization: string | undefined) =>
          Effect.map(
            send(gateway.adminUrl + path, {
              method,
              body: method === "GET" || method === "DELETE" ? undefined : "{}",
              headers: { "content-type": "application/json", ...(authorization === undefined ? {} : { authorization }) }
            }),
            ({ status }) => status
          )
        assert.strictEqual(yield* tried(undefined), 401, path)
        assert.strictEqual(yield* tried(`Bearer ${gateway.key}`), 401, path)
        if (group !== "look") assert.strictEqual(yield* tried(`Bearer ${token}`), 403, path)
      }
      const keys = yield* clientOf(gateway, "keys")
      const error = yield* Effect.flip(keys.client.rule.createToken({ payload: { name: "more", role: "admin" } }))
      assert.strictEqual(error._tag, "Forbidden")
      assert.strictEqual((yield* send(`${gateway.adminUrl}/health`)).status, 200)
      assert.strictEqual((yield* send(`${gateway.adminUrl}/metrics`)).status, 401)
      assert.strictEqual((yield* send(`${gateway.adminUrl}/nothing`)).status, 404)
      const description = yield* send(`${gateway.adminUrl}/openapi.json`)
      assert.include(description.body.toString(), "/api/keys/{id}/revoke")
      assert.include((yield* send(`${gateway.adminUrl}/docs`)).body.toString(), "swagger")
    }))

  it.scopedLive("makes keys that open at once, and revokes them; each change leaves a row without a secret", () =>
    Effect.gen(function*() {
      const gateway = yield* started()
      const { client } = yield* clientOf(gateway, "keys")
      const { key, secret } = yield* client.keep.createKey({
        payload: { name: "team", owner: "ada", expires: "90 days" }
      })
      assert.strictEqual((yield* ask(gateway, secret)).status, 200)
      const rotated = yield* client.keep.rotateKey({ path: { id: key.id }, payload: { overlap: "1 hour" } })
      assert.strictEqual((yield* ask(gateway, rotated.secret)).status, 200)
      assert.isNotNull((yield* client.keep.revokeKey({ path: { id: key.id } })).revokedAt)
      assert.strictEqual((yield* ask(gateway, secret)).status, 401)
      assert.strictEqual((yield* ask(gateway, rotated.secret)).status, 401)
      assert.strictEqual((yield* Effect.flip(client.keep.revokeKey({ path: { id: "key_none" } })))._tag, "NotFound")
      yield* client.keep.setProviderKey({
        path: { provider: "openai", alias: "default" },
        payload: { secret: Redacted.make("sk-provider-secret") }
      })
      assert.deepStrictEqual((yield* client.look.providerKeys({})).map(({ alias }) => alias), ["default"])
      yield* client.keep.removeProviderKey({ path: { provider: "openai", alias: "default" } })
      const first = yield* client.look.changes({ urlParams: { limit: 2 } })
      const second = yield* client.look.changes({ urlParams: { limit: 10, after: first.next ?? "" } })
      const changes = [...first.rows, ...second.rows]
      assert.deepStrictEqual(changes.map(({ what }) => what), [
        "provider-key.remove",
        "provider-key.set",
        "key.revoke",
        "key.rotate",
        "key.create"
      ])
      assert.isTrue(changes.every(({ who }) => who === "test-keys"))
      const text = JSON.stringify(changes)
      for (const hidden of ["sk-provider-secret", secret, rotated.secret]) assert.notInclude(text, hidden)
      assert.isTrue((yield* client.look.keys({})).some(({ id }) => id === key.id))
    }))

  it.scopedLive("makes tokens, and revokes them at once", () =>
    Effect.gen(function*() {
      const gateway = yield* started()
      const { client } = yield* clientOf(gateway, "admin")
      const { secret } = yield* client.rule.createToken({ payload: { name: "reports", role: "read" } })
      const tried = Effect.map(
        send(`${gateway.adminUrl}/api/limits`, { headers: { authorization: `Bearer ${secret}` } }),
        ({ status }) => status
      )
      assert.strictEqual(yield* tried, 200)
      assert.deepStrictEqual(yield* client.rule.revokeTokens({ path: { name: "reports" } }), { revoked: 1 })
      assert.strictEqual(yield* tried, 401)
      assert.strictEqual((yield* Effect.flip(client.rule.revokeTokens({ path: { name: "reports" } })))._tag, "NotFound")
      const listed = yield* client.rule.tokens({})
      assert.sameMembers(listed.map(({ name, revokedAt }) => `${name} ${revokedAt === null}`), [
        "test-admin true",
        "reports false"
      ])
      const { rows } = yield* client.look.changes({ urlParams: {} })
      assert.deepStrictEqual(rows.map(({ what }) => what), ["token.revoke", "token.create"])
      assert.notInclude(JSON.stringify(rows), secret)
    }))

  it.scopedLive("shows requests by filter and page, what they cost, and how limits stand", () =>
    Effect.gen(function*() {
      const gateway = yield* started({
        limits: [
          { name: "features", by: "feature", requestsPerMinute: 100 },
          { name: "purse", budget: { usd: "5", per: "total" } }
        ]
      })
      const { client } = yield* clientOf(gateway, "read")
      for (let i = 0; i < 3; i++) assert.strictEqual((yield* ask(gateway, gateway.key)).status, 200)
      yield* ask(gateway, "mdm_sk_wrong")
      yield* gateway.rows
      const page = yield* client.look.requests({ urlParams: { status: "success", labels: "feature=search", limit: 2 } })
      assert.strictEqual(page.rows.length, 2)
      const rest = yield* client.look.requests({
        urlParams: { status: "success", labels: "feature=search", limit: 2, after: page.next ?? "" }
      })
      assert.strictEqual(rest.rows.length, 1)
      assert.isNull(rest.next)
      const [row] = page.rows
      const found = yield* client.look.request({ path: { id: row?.requestId ?? "" } })
      assert.strictEqual(found.entry.totalCost, "0.00006")
      assert.strictEqual((yield* Effect.flip(client.look.request({ path: { id: "none" } })))._tag, "NotFound")
      const costs = yield* client.look.costs({ urlParams: { by: "provider,feature" } })
      const searched = costs.find(({ group }) => group[0] === "openai")
      assert.strictEqual(searched?.costUsd, "0.00018")
      const limits = yield* client.look.limits({})
      const features = limits.find(({ name }) => name === "features")
      assert.deepStrictEqual(features?.scopes, [{ scope: "search", used: "3" }])
      const purse = limits.find(({ name }) => name === "purse")
      assert.deepInclude(purse, { limit: "5", resetsAt: null, scopes: [{ scope: "", used: "0.00018" }] })
    }))
})
