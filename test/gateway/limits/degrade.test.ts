import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Redacted } from "effect"
import * as Gateway from "effect-majordomo/gateway/Gateway"
import type * as GatewayConfig from "effect-majordomo/gateway/GatewayConfig"
import { chatAnswer, chatEvents, question, run, send, upstream } from "../running.ts"

const chatOf = (model: string) => chatAnswer.replaceAll("gpt-4.1", model)

const messagesAnswer = JSON.stringify({
  id: "msg_1",
  type: "message",
  role: "assistant",
  model: "claude-haiku-4-5",
  content: [{ type: "text", text: "Hello" }],
  stop_reason: "end_turn",
  usage: { input_tokens: 10, output_tokens: 5 }
})

/** A provider that says which model it was asked for. */
const answering = upstream((request, response, body) => {
  const asked: { readonly model?: string; readonly stream?: boolean } = JSON.parse(body)
  if (asked.stream === true) {
    response.writeHead(200, { "content-type": "text/event-stream" })
    response.end(chatEvents.join("").replaceAll("gpt-4.1", asked.model ?? ""))
    return
  }
  response.writeHead(200, { "content-type": "application/json" })
  response.end(request.url === "/v1/messages" ? messagesAnswer : chatOf(asked.model ?? ""))
})

const started = (more: GatewayConfig.Options = {}) =>
  Effect.gen(function*() {
    const provider = yield* answering
    const gateway = yield* run({
      providers: {
        openai: { baseUrl: provider.url, key: Redacted.make("sk-kept") },
        anthropic: { baseUrl: provider.url, key: Redacted.make("sk-ant-kept") }
      },
      models: {
        dear: "openai/gpt-4.1",
        cheap: "openai/gpt-4.1-mini",
        other: "anthropic/claude-haiku-4-5",
        twice: { cascade: ["anthropic/claude-haiku-4-5", "openai/gpt-4.1-mini"] }
      },
      ...more
    })
    const ask = (more: Readonly<Record<string, unknown>>, path = "/v1/chat/completions", key = gateway.key) =>
      send(gateway.url + path, {
        body: question({ max_tokens: 10, ...more }),
        headers: { "content-type": "application/json", "x-majordomo-key": key }
      })
    return { provider, gateway, ask }
  })

/** Less than one answer of gpt-4.1: 10 · 2 + 5 · 8 = 60 millionths of a dollar. */
const pocket = (degrade: string) => ({ name: "pocket", budget: { usd: "0.00001", per: "day" as const }, degrade })

describe("a budget that is spent, with a cheaper model", () => {
  it.scopedLive("is answered by it, byte for byte but for the model where the provider is asked itself", () =>
    Effect.gen(function*() {
      const { ask, gateway, provider } = yield* started({ limits: [pocket("cheap")] })
      const answer = yield* ask({ model: "gpt-4.1", n: 1, metadata: { model: "gpt-4.1" } })
      assert.strictEqual(answer.status, 200)
      assert.strictEqual(answer.headers["x-majordomo-degraded"], "cheap;limit=pocket")
      assert.strictEqual(
        provider.bodies[0],
        question({ model: "gpt-4.1-mini", max_tokens: 10, n: 1, metadata: { model: "gpt-4.1" } })
      )
      const streamed = yield* ask({ model: "gpt-4.1", stream: true })
      assert.strictEqual(streamed.status, 200)
      assert.include(streamed.body.toString(), "gpt-4.1-mini")
      assert.strictEqual(streamed.headers["x-majordomo-degraded"], "cheap;limit=pocket")
      for (const row of yield* gateway.rows) {
        assert.deepInclude(row, { status: "success", requestedModel: "gpt-4.1", model: "gpt-4.1-mini" })
        assert.strictEqual(row.metadata["Degraded"], "pocket")
        // 10 · 0.4 + 5 · 1.6 millionths.
        assert.strictEqual(row.totalCost, "0.000012")
      }
    }))

  it.scopedLive("holds for aliases in every protocol, and for a provider of another protocol", () =>
    Effect.gen(function*() {
      const { ask, gateway, provider } = yield* started({ limits: [pocket("other")] })
      const unified = yield* ask({ model: "dear" })
      assert.strictEqual(unified.status, 200)
      assert.strictEqual(unified.headers["x-majordomo-degraded"], "other;limit=pocket")
      const unnamed = yield* ask({ model: "gpt-4.1" })
      assert.strictEqual(unnamed.status, 200)
      assert.include(unnamed.body.toString(), "\"choices\"")
      const messages = yield* ask({ model: "dear" }, "/v1/messages")
      assert.strictEqual(messages.status, 200)
      assert.deepStrictEqual(provider.requests.map(({ url }) => url), ["/v1/messages", "/v1/messages", "/v1/messages"])
      const rows = yield* gateway.rows
      assert.deepStrictEqual(rows.map(({ requestedModel }) => requestedModel), ["dear", "gpt-4.1", "dear"])
      for (const row of rows) {
        assert.deepInclude(row, { provider: "anthropic", model: "claude-haiku-4-5" })
        assert.strictEqual(row.metadata["Degraded"], "pocket")
      }
    }))

  it.scopedLive("is 402 where that model cannot be asked for: another provider's path, a key that may not, a body unread", () =>
    Effect.gen(function*() {
      const { ask, gateway, provider } = yield* started({ limits: [pocket("other")] })
      assert.strictEqual((yield* ask({ model: "gpt-4.1" }, "/openai/v1/chat/completions")).status, 402)
      assert.strictEqual(
        (yield* ask({ model: "text-embedding-3-large", input: "x".repeat(4000) }, "/v1/embeddings")).status,
        402
      )
      const { secret } = yield* gateway.apiKeys.create({ name: "openai", providers: ["openai"] })
      assert.strictEqual((yield* ask({ model: "gpt-4.1" }, undefined, Redacted.value(secret))).status, 402)
      const few = yield* gateway.apiKeys.create({ name: "few", models: ["gpt-4.1", "dear"] })
      const refused = yield* ask({ model: "dear" }, undefined, Redacted.value(few.secret))
      assert.strictEqual(refused.status, 402)
      assert.notProperty(refused.headers, "x-majordomo-degraded")
      assert.strictEqual(provider.requests.length, 0)
      // Nobody says so but the gateway.
      yield* send(`${gateway.url}/v1/models`, {
        headers: { "x-majordomo-key": gateway.key, "x-majordomo-degraded": "me" }
      })
      for (const { metadata } of yield* gateway.rows) assert.notProperty(metadata, "Degraded")
    }))

  it.scopedLive("books what the cheaper model takes, and other limits hold it still", () =>
    Effect.gen(function*() {
      const { ask } = yield* started({
        limits: [
          pocket("cheap"),
          { name: "bottom", budget: { usd: "0.00004", per: "total" } },
          { name: "rate", by: "model", match: { model: "gpt-4.1-mini" }, requestsPerMinute: 100 }
        ]
      })
      // Each takes 12 millionths, and holds 23 of the 40.
      assert.strictEqual((yield* ask({ model: "gpt-4.1" })).status, 200)
      const second = yield* ask({ model: "gpt-4.1" })
      assert.strictEqual(second.status, 200)
      assert.strictEqual(second.headers["x-ratelimit-remaining-requests"], "98")
      assert.include(String(second.headers["x-majordomo-budget"]), "pocket;used=1.2")
      const last = yield* ask({ model: "gpt-4.1" })
      assert.strictEqual(last.status, 402)
      assert.strictEqual(last.headers["x-majordomo-limit"], "bottom")
    }))

  it.effect("names a model that is there", () =>
    Effect.gen(function*() {
      const problem = (limits: GatewayConfig.Options["limits"]) =>
        Effect.map(Effect.exit(Gateway.check({ limits })), (exit) =>
          Exit.isFailure(exit) ? Cause.pretty(exit.cause) : "none")
      assert.include(yield* problem([pocket("nobody")]), "degrades to \"nobody\"")
      assert.include(yield* problem([{ name: "rate", requestsPerMinute: 1, degrade: "fast" }]), "has no budget")
      assert.strictEqual(yield* problem([pocket("fast")]), "none")
    }))
})
