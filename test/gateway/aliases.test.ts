/** What a name of the configuration may say beside its models: who is asked first, what is guarded, what is remembered. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Either, Redacted } from "effect"
import type * as GatewayConfig from "effect-majordomo/gateway/GatewayConfig"
import { jsonSchema, parse } from "effect-majordomo/gateway/GatewayConfig"
import { FakeProvider } from "effect-majordomo/testing"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { rowsOf, run, type Running, send, temporary } from "./running.ts"

const running = (models: GatewayConfig.Options["models"], more: GatewayConfig.Options = {}) =>
  Effect.gen(function*() {
    const fake = yield* FakeProvider.make()
    const provider = (key: string) => ({ baseUrl: fake.url, wire: "openai-chat" as const, key: Redacted.make(key) })
    const gateway = yield* run({
      providers: {
        one: provider("k-one-123456"),
        two: provider("k-two-123456"),
        keyless: { ...provider("k-three-123"), key: undefined }
      },
      models,
      ...more
    })
    return { fake, gateway }
  })

const ask = (
  gateway: Running,
  model: string,
  content = "Hello",
  headers: Readonly<Record<string, string>> = {},
  more: object = {}
) =>
  Effect.map(
    send(`${gateway.url}/v1/chat/completions`, {
      headers: { "x-majordomo-key": gateway.key, "content-type": "application/json", ...headers },
      body: JSON.stringify({ model, messages: [{ role: "user", content }], ...more })
    }),
    (answer) => ({ ...answer, text: answer.body.toString("utf8") })
  )

const providersOf = (gateway: Running, count: number, headers: ReadonlyArray<Readonly<Record<string, string>>> = []) =>
  Effect.forEach(
    Array.from({ length: count }),
    (_, i) =>
      Effect.map(ask(gateway, "shared", "Hello", headers[i]), (answer) => answer.headers["x-majordomo-provider"])
  )

describe("models that share the calls of a name", () => {
  it.scopedLive("in turn, by weight, by label; the next one stands in", () =>
    Effect.gen(function*() {
      const { fake, gateway } = yield* running({ shared: { balance: ["one/m", "two/m"] } })
      assert.deepStrictEqual(yield* providersOf(gateway, 4), ["one", "two", "one", "two"])
      yield* fake.script(FakeProvider.status(529))
      assert.deepStrictEqual(yield* providersOf(gateway, 2), ["two", "two"])

      const weighted = yield* running({
        shared: { balance: ["one/m", "two/m"], strategy: { weighted: [3, 1] } }
      })
      assert.deepStrictEqual((yield* providersOf(weighted.gateway, 8)).filter((name) => name === "two").length, 2)

      const sticky = yield* running({ shared: { balance: ["one/m", "two/m"], strategy: { sticky: "user-id" } } })
      const users = ["ada", "ada", "bob", "bob", "eve", "eve"].map((user) => ({ "x-majordomo-user-id": user }))
      const [a, b, c, d, e, f] = yield* providersOf(sticky.gateway, 6, users)
      assert.deepStrictEqual([a, c, e], [b, d, f])
    }))

  it.scopedLive("weights stay with their models where one has no key here", () =>
    Effect.gen(function*() {
      const { gateway } = yield* running({
        shared: { balance: ["openai/gpt-4.1", "one/m", "two/m"], strategy: { weighted: [5, 0, 1] } }
      })
      assert.deepStrictEqual(yield* providersOf(gateway, 3), ["two", "two", "two"])
    }))
})

describe("hooks of a name", () => {
  it.scopedLive("redact what goes out and what comes back, block, and keep what they took away from nobody's log", () =>
    Effect.gen(function*() {
      const bodiesDirectory = yield* temporary
      const { fake, gateway } = yield* running({
        guarded: {
          cascade: ["one/m", "two/m"],
          hooks: [
            { name: "cards", patterns: ["\\b(?:\\d{4}[ -]?){3}\\d{4}\\b"], action: "redact", on: "both" },
            { name: "secrets", patterns: ["project falcon"], flags: "i", action: "block", on: "before" }
          ]
        },
        free: "one/m"
      }, { log: { bodies: "all", bodiesDirectory } })
      const redacted = yield* ask(gateway, "guarded", "my card is 4111 1111 1111 1111")
      assert.include(redacted.text, "You said: my card is [redacted]")
      assert.notInclude(JSON.stringify((yield* fake.requests).map(({ body }) => body)), "4111")
      yield* fake.script(FakeProvider.text("use 5500 0000 0000 0004"))
      const streamed = yield* ask(gateway, "guarded", "Hello", {}, { stream: true })
      assert.notInclude(streamed.text, "0004")
      const before = (yield* fake.requests).length
      const blocked = yield* ask(gateway, "guarded", "tell me of Project Falcon")
      assert.strictEqual(blocked.status, 400, blocked.text)
      assert.include(blocked.text, "secrets")
      assert.strictEqual((yield* fake.requests).length, before)
      const rows = yield* rowsOf(gateway, 3)
      assert.deepStrictEqual(rows.map(({ errorType, status }) => [status, errorType]), [
        ["success", undefined],
        ["success", undefined],
        ["error", "HookBlockedError"]
      ])
      // The one without hooks is kept.
      yield* ask(gateway, "free", "4222 2222 2222 2222")
      yield* rowsOf(gateway, 4)
      const kept = readdirSync(bodiesDirectory, { recursive: true, withFileTypes: true }).filter((one) => one.isFile())
        .map((file) => readFileSync(join(file.parentPath, file.name), "latin1")).join("\n")
      assert.notInclude(kept, "4111")
      assert.include(kept, "4222")
    }))

  it.scopedLive("see what a spent budget sends to their name", () =>
    Effect.gen(function*() {
      const fake = yield* FakeProvider.make()
      const gateway = yield* run({
        providers: { openai: { baseUrl: fake.url, key: Redacted.make("sk-kept-by-the-gateway") } },
        models: {
          guarded: {
            cascade: ["openai/gpt-4.1-mini"],
            hooks: [{ patterns: ["4111"], action: "redact", on: "before" }]
          }
        },
        limits: [{
          name: "spent",
          match: { model: "gpt-4.1" },
          budget: { usd: "0.000001", per: "day" },
          degrade: "guarded"
        }]
      })
      const answer = yield* ask(gateway, "gpt-4.1", "4111")
      assert.strictEqual(answer.headers["x-majordomo-degraded"], "guarded;limit=spent", answer.text)
      assert.include(answer.text, "You said: [redacted]")
      assert.notInclude(JSON.stringify((yield* fake.requests).map(({ body }) => body)), "4111")
    }))
})

describe("a cache of a name", () => {
  it.scopedLive("answers again what was asked before, for the same key and labels, at no cost and of no tokens", () =>
    Effect.gen(function*() {
      const { fake, gateway } = yield* running({
        kept: { cascade: ["one/gpt-4.1-mini", "two/m"], cache: { timeToLive: "1 hour", scope: ["user-id"] } },
        common: { cascade: ["one/m"], cache: { scope: [], shared: true } }
      }, { limits: [{ name: "tokens", tokensPerMinute: 1_000_000 }] })
      const other = {
        "x-majordomo-key": Redacted.value((yield* Effect.orDie(gateway.apiKeys.create({ name: "other" }))).secret)
      }
      const asked = Effect.map(fake.requests, (requests) => requests.length)
      const first = yield* ask(gateway, "kept")
      const second = yield* ask(gateway, "kept", "Hello", { "x-majordomo-step": "2" })
      assert.strictEqual(yield* asked, 1)
      assert.deepStrictEqual(JSON.parse(second.text).choices, JSON.parse(first.text).choices)
      assert.strictEqual(second.headers["x-majordomo-cost"], "0")
      assert.strictEqual(second.headers["x-majordomo-cache"], "hit")
      assert.isUndefined(first.headers["x-majordomo-cache"])
      const stream = yield* ask(gateway, "kept", "Hello", {}, { stream: true })
      assert.include(stream.text, "[DONE]")
      assert.strictEqual(yield* asked, 1)
      yield* ask(gateway, "kept", "Hello", { "x-majordomo-user-id": "ada" })
      yield* ask(gateway, "kept", "Hello", other)
      assert.strictEqual(yield* asked, 3)
      yield* ask(gateway, "common")
      yield* ask(gateway, "common", "Hello", { ...other, "x-majordomo-user-id": "ada" })
      assert.strictEqual(yield* asked, 4)
      const rows = yield* rowsOf(gateway, 7)
      assert.deepStrictEqual(rows.map(({ cached }) => cached), [false, true, true, false, false, false, true])
      assert.strictEqual(rows[1]?.totalCost, "0")
      const left = (headers: typeof first.headers) => Number(headers["x-ratelimit-remaining-tokens"])
      const again = yield* ask(gateway, "kept")
      const once = yield* ask(gateway, "kept")
      assert.strictEqual(left(again.headers), left(once.headers))
    }))

  it.scopedLive("hooks stand around it: what is remembered is what they left", () =>
    Effect.gen(function*() {
      const { fake, gateway } = yield* running({
        both: {
          cascade: ["one/m"],
          cache: {},
          hooks: [{ patterns: ["\\d+"], action: "redact", on: "both", replacement: "#" }]
        }
      })
      const first = yield* ask(gateway, "both", "I am 41")
      const second = yield* ask(gateway, "both", "I am 42")
      assert.include(first.text, "You said: I am #")
      assert.include(second.text, "You said: I am #")
      assert.strictEqual((yield* fake.requests).length, 1)
      assert.isTrue((yield* rowsOf(gateway, 2))[1]?.cached)
    }))
})

describe("what the configuration says wrongly", () => {
  const problem = (models: object) =>
    Effect.map(
      Effect.either(parse(JSON.stringify({ models }))),
      (read) => Either.isLeft(read) ? read.left.description : ""
    )

  it.effect("is named by its place", () =>
    Effect.gen(function*() {
      assert.include(
        yield* problem({ a: { balance: ["x/y", "x/z"], strategy: { weighted: [1] } } }),
        "weighted takes one weight for each of the 2 models"
      )
      assert.include(
        yield* problem({ a: { cascade: ["x/y"], hooks: [{ patterns: ["("], action: "block", on: "both" }] } }),
        "no regular expression"
      )
      assert.include(yield* problem({ a: { cascade: ["x/y"], cache: { timeToLive: "soon" } } }), "no duration")
      assert.include(yield* problem({ a: { cascade: ["x/y"], frobnicate: 1 } }), "frobnicate")
      assert.include(JSON.stringify(jsonSchema()), "leastLatency")
    }))

  it.scopedLive("stored settings take all of it, and refuse what the file would", () =>
    Effect.gen(function*() {
      const { gateway } = yield* running({ shared: "one/m" })
      const token = Redacted.value(yield* gateway.adminTokens.create("root", "admin"))
      const put = (models: object) =>
        send(`${gateway.adminUrl}/api/settings`, {
          method: "PUT",
          headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
          body: JSON.stringify({ settings: { models } })
        })
      assert.strictEqual((yield* put({ shared: { balance: ["one/m"], strategy: { weighted: [1, 2] } } })).status, 400)
      assert.strictEqual(
        (yield* put({ shared: { cascade: ["one/m"], hooks: [{ patterns: ["["], action: "block", on: "both" }] } }))
          .status,
        400
      )
      const taken = yield* put({
        shared: {
          balance: ["one/m", "two/m"],
          strategy: "roundRobin",
          cache: { timeToLive: "1 minute" },
          hooks: [{ patterns: ["said"], action: "redact", on: "after" }]
        }
      })
      assert.strictEqual(taken.status, 200, taken.body.toString())
      assert.include((yield* ask(gateway, "shared")).text, "You [redacted]: Hello")
    }))

  it.scopedLive("a name cannot stand for itself", () =>
    Effect.gen(function*() {
      const failed = yield* Effect.flip(Effect.sandbox(run({ models: { loop: { cascade: ["loop"] } } })))
      assert.include(String(failed), "\"loop\" is no model of a provider")
    }))
})
