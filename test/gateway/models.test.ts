/** Names of the configuration, and of other providers, in whatever protocol: one gate, one row. */
import Anthropic from "@anthropic-ai/sdk"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { FakeProvider } from "effect-majordomo/testing"
import { rowsOf, run, type Running, send } from "./running.ts"

const hello = [{ role: "user", content: "Hello" }]

const running = Effect.gen(function*() {
  const fake = yield* FakeProvider.make()
  const baseUrl = fake.url
  const gateway = yield* run({
    providers: {
      openai: { baseUrl, key: Redacted.make("sk-kept-by-the-gateway") },
      anthropic: { baseUrl, key: Redacted.make("sk-ant-kept-by-the-gateway") },
      cohere: { baseUrl, key: Redacted.make("co-kept-by-the-gateway") },
      acme: { baseUrl, wire: "openai-chat", key: Redacted.make("acme-kept") }
    },
    models: {
      swift: { cascade: ["anthropic/claude-haiku-4-5", "openai/gpt-4.1-mini"], breaker: { failures: 5 } },
      steady: "cohere/command-a-03-2025"
    }
  })
  return { fake, gateway }
})

const ask = (gateway: Running, model: string, more: object = {}, headers: Readonly<Record<string, string>> = {}) =>
  Effect.map(
    send(`${gateway.url}/v1/chat/completions`, {
      headers: { "x-majordomo-key": gateway.key, "content-type": "application/json", ...headers },
      body: JSON.stringify({ model, messages: hello, ...more })
    }),
    (answer) => ({ ...answer, text: answer.body.toString("utf8") })
  )

describe("names of models", () => {
  it.scopedLive("a provider's model, an alias, a cascade that fails over: each is one row", () =>
    Effect.gen(function*() {
      const { fake, gateway } = yield* running
      const other = yield* ask(gateway, "anthropic/claude-sonnet-4-5", { user: "ada" }, {
        "x-majordomo-feature": "search"
      })
      assert.strictEqual(other.status, 200, other.text)
      assert.strictEqual(other.headers["x-majordomo-provider"], "anthropic")
      assert.isString(other.headers["x-majordomo-cost"])
      assert.strictEqual(JSON.parse(other.text).choices[0].message.content, "You said: Hello")
      yield* fake.script(FakeProvider.status(529))
      const swift = yield* ask(gateway, "swift")
      assert.strictEqual(swift.headers["x-majordomo-provider"], "openai", swift.text)
      const own = yield* ask(gateway, "acme/some-model", { stream: true })
      assert.include(own.text, "[DONE]")
      const steady = yield* Effect.promise(() =>
        new Anthropic({ baseURL: gateway.url, apiKey: gateway.key, maxRetries: 0 }).messages
          .stream({ model: "steady", max_tokens: 10, messages: [{ role: "user", content: "Hello" }] }).finalMessage()
      )
      assert.deepInclude(steady.content[0], { type: "text", text: "You said: Hello" })

      const sent = yield* fake.requests
      assert.deepStrictEqual(
        sent.map(({ headers, wire }) => [wire, headers["x-api-key"] ?? headers["authorization"]]),
        [
          ["messages", "sk-ant-kept-by-the-gateway"],
          ["messages", "sk-ant-kept-by-the-gateway"],
          ["responses", "Bearer sk-kept-by-the-gateway"],
          ["chat-completions", "Bearer acme-kept"],
          ["cohere", "Bearer co-kept-by-the-gateway"]
        ]
      )
      const rows = yield* rowsOf(gateway, 4)
      assert.strictEqual(rows.length, 4)
      assert.deepStrictEqual(
        rows.map(({ attempts, provider, requestedModel, status, statusCode, streamed }) => ({
          attempts: attempts.length,
          provider,
          requestedModel,
          status,
          statusCode,
          streamed
        })),
        [
          { attempts: 1, provider: "anthropic", requestedModel: "anthropic/claude-sonnet-4-5", streamed: false },
          { attempts: 2, provider: "openai", requestedModel: "swift", streamed: false },
          { attempts: 1, provider: "acme", requestedModel: "acme/some-model", streamed: true },
          { attempts: 1, provider: "cohere", requestedModel: "steady", streamed: true }
        ].map((row) => ({ ...row, status: "success" as const, statusCode: 200 }))
      )
      assert.deepStrictEqual(rows[0]?.metadata, { "Feature": "search", "User-Id": "ada" })
      assert.strictEqual(rows[0]?.requestId, other.headers["x-majordomo-request-id"])
      assert.isTrue(
        rows.every(({ inputTokens, majordomoApiKeyId, requestPath }) =>
          inputTokens > 0 && majordomoApiKeyId !== undefined && requestPath !== undefined
        )
      )
    }))

  it.scopedLive("a client that leaves, a provider that breaks off: each is a row that says so", () =>
    Effect.gen(function*() {
      const { fake, gateway } = yield* running
      yield* fake.script(FakeProvider.stall({ afterEvents: 1 }), FakeProvider.cut({ afterEvents: 1 }))
      yield* Effect.promise(async () => {
        const stream = new Anthropic({ baseURL: gateway.url, apiKey: gateway.key, maxRetries: 0 }).messages
          .stream({ model: "acme/some-model", max_tokens: 10, messages: [{ role: "user", content: "Hello" }] })
        await new Promise<void>((resolve) =>
          stream.on("text", () => resolve()).on("error", () => {}).on("abort", () => {})
        )
        stream.abort()
      })
      yield* rowsOf(gateway, 1)
      const broken = yield* ask(gateway, "acme/some-model", { stream: true })
      assert.isFalse(broken.isWhole)
      assert.include(broken.text, "the stream ended before the answer was complete")
      const rows = yield* rowsOf(gateway, 2)
      assert.deepStrictEqual(rows.map(({ errorType, status, usagePartial }) => [status, errorType, usagePartial]), [
        ["cancelled", undefined, true],
        ["error", "Transport", true]
      ])
    }))

  it.scopedLive("everything else goes as it came", () =>
    Effect.gen(function*() {
      const { fake, gateway } = yield* running
      yield* ask(gateway, "gpt-4.1", { unknown_field: 1 })
      yield* ask(gateway, "openai/gpt-oss-120b", { unknown_field: 1 }, { "x-majordomo-provider": "acme" })
      const sent = yield* fake.requests
      assert.deepStrictEqual(sent.map(({ body }) => body), [
        { model: "gpt-4.1", messages: hello, unknown_field: 1 },
        { model: "openai/gpt-oss-120b", messages: hello, unknown_field: 1 }
      ])
    }))

  it.scopedLive("what a key may not, it may not by any name", () =>
    Effect.gen(function*() {
      const { fake, gateway } = yield* running
      const keyOf = (options: object) =>
        Effect.map(
          gateway.apiKeys.create({ name: "narrow", ...options }),
          ({ secret }) => ({ "x-majordomo-key": Redacted.value(secret) })
        )
      const onlyOpenAI = yield* Effect.orDie(keyOf({ providers: ["openai"] }))
      const onlyMini = yield* Effect.orDie(keyOf({ models: ["gpt-4.1-mini", "steady"] }))
      const statuses = yield* Effect.forEach([
        ask(gateway, "swift", {}, onlyOpenAI),
        ask(gateway, "anthropic/claude-sonnet-4-5", {}, onlyOpenAI),
        ask(gateway, "openai/gpt-4.1", {}, onlyMini),
        ask(gateway, "swift", {}, onlyMini),
        ask(gateway, "openai/gpt-4.1-mini", {}, onlyMini),
        ask(gateway, "steady", {}, onlyMini),
        ask(gateway, "swift", {}, { "x-majordomo-key": "mdm_sk_nobody" })
      ], (answer) => Effect.map(answer, ({ status }) => status))
      assert.deepStrictEqual(statuses, [403, 403, 403, 403, 200, 200, 401])
      assert.strictEqual((yield* fake.requests).length, 2)
      const models = yield* send(`${gateway.url}/v1/models`, { headers: onlyMini })
      assert.deepStrictEqual(JSON.parse(models.body.toString()).data.map(({ id }: { readonly id: string }) => id), [
        "steady",
        "openai/gpt-4.1-mini"
      ])
    }))

  it.scopedLive("an unknown name asked of the gateway itself is 404 with the nearest", () =>
    Effect.gen(function*() {
      const { gateway } = yield* running
      const answer = yield* ask(gateway, "swiftt", {}, { "x-majordomo-provider": "majordomo" })
      assert.strictEqual(answer.status, 404)
      assert.include(answer.text, "did you mean \\\"swift\\\"")
      const bad = yield* ask(gateway, "swift", { n: 2 })
      assert.strictEqual(bad.status, 400)
      assert.strictEqual(JSON.parse(bad.text).error.param, "n")
      const [, row] = yield* rowsOf(gateway, 2)
      assert.deepInclude(row, { status: "error", errorType: "InvalidRequestError", statusCode: 400 })
    }))
})
