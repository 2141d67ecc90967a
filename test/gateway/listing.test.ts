/** What can be asked for, as each vendor's client reads it; and our own client, which loses nothing of an answer. */
import Anthropic from "@anthropic-ai/sdk"
import { assert, describe, it } from "@effect/vitest"
import { GoogleGenAI } from "@google/genai"
import { Duration, Effect, Layer, Option, Redacted } from "effect"
import { Cost, LLM, Majordomo, type Response } from "effect-majordomo"
import { FakeProvider } from "effect-majordomo/testing"
import OpenAI from "openai"
import * as UndiciHttpClient from "../../src/UndiciHttpClient.ts"
import { rowsOf, run, send } from "./running.ts"

const running = Effect.gen(function*() {
  const fake = yield* FakeProvider.make()
  const gateway = yield* run({
    providers: {
      openai: { baseUrl: fake.url, key: Redacted.make("sk-kept-by-the-gateway") },
      anthropic: { baseUrl: fake.url, key: Redacted.make("sk-ant-kept-by-the-gateway") },
      acme: { baseUrl: fake.url, wire: "openai-chat", key: Redacted.make("acme-kept") }
    },
    models: {
      swift: { cascade: ["anthropic/claude-haiku-4-5", "openai/gpt-4.1-mini"] },
      own: "acme/some-model"
    }
  })
  return { fake, gateway }
})

const names = ["swift", "own", "anthropic/claude-haiku-4-5", "openai/gpt-4.1-mini", "acme/some-model"]

describe("the list of models", () => {
  it.scopedLive("is read by every vendor's client, with what is known of each", () =>
    Effect.gen(function*() {
      const { fake, gateway: { key, url } } = yield* running
      const openai = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0 })
      const listed = yield* Effect.promise(async () => (await openai.models.list()).data)
      assert.deepStrictEqual(listed.map(({ id }) => id), names)
      assert.propertyVal(listed[0], "max_input_tokens", 200_000)
      assert.deepNestedInclude(listed[3], {
        "majordomo.models": [{
          provider: "openai",
          model: "gpt-4.1-mini",
          context_tokens: 1_000_000,
          max_output_tokens: null,
          usd_per_million_tokens: { input: "0.4", output: "1.6", cached_input: "0.1" }
        }]
      })
      // Nobody knows what it costs: that is not nothing.
      assert.deepNestedInclude(listed[1], {
        "majordomo.models": [{
          provider: "acme",
          model: "some-model",
          context_tokens: null,
          max_output_tokens: null,
          usd_per_million_tokens: null
        }]
      })
      const anthropic = new Anthropic({ baseURL: url, apiKey: key, maxRetries: 0 })
      const all = yield* Effect.promise(async () => {
        const found: Array<string> = []
        for await (const { id } of anthropic.models.list()) found.push(id)
        return found
      })
      assert.deepStrictEqual(all, names)
      const google = new GoogleGenAI({ apiKey: key, httpOptions: { baseUrl: url } })
      const models = yield* Effect.promise(async () => {
        const found: Array<unknown> = []
        for await (const { inputTokenLimit, name } of await google.models.list()) found.push([name, inputTokenLimit])
        return found
      })
      assert.deepStrictEqual(models[0], ["models/swift", 200_000])
      assert.strictEqual(models.length, names.length)
      assert.strictEqual((yield* Effect.promise(() => openai.models.retrieve("swift"))).id, "swift")
      assert.strictEqual((yield* Effect.promise(() => google.models.get({ model: "swift" }))).name, "models/swift")
      assert.strictEqual((yield* fake.requests).length, 0)
    }))

  it.scopedLive("has what a key may ask for, and nothing else; a name that is not there is 404 with the nearest", () =>
    Effect.gen(function*() {
      const { gateway } = yield* running
      const keyOf = (options: object) =>
        Effect.map(
          Effect.orDie(gateway.apiKeys.create({ name: "narrow", ...options })),
          ({ secret }) => Redacted.value(secret)
        )
      const idsFor = (key: string) =>
        Effect.map(
          send(`${gateway.url}/v1/models`, { headers: { "x-majordomo-key": key } }),
          ({ body }) => JSON.parse(body.toString()).data.map(({ id }: { readonly id: string }) => id)
        )
      assert.deepStrictEqual(yield* idsFor(yield* keyOf({ providers: ["openai", "acme"] })), [
        "own",
        "openai/gpt-4.1-mini",
        "acme/some-model"
      ])
      assert.deepStrictEqual(yield* idsFor(yield* keyOf({ models: ["claude-*", "gpt-*"] })), [
        "swift",
        "anthropic/claude-haiku-4-5",
        "openai/gpt-4.1-mini"
      ])
      const headers = { "x-majordomo-key": gateway.key, "x-majordomo-provider": "majordomo" }
      const missing = yield* send(`${gateway.url}/v1/models/swifft`, { headers })
      assert.strictEqual(missing.status, 404)
      assert.include(missing.body.toString(), "did you mean \\\"swift\\\"")
    }))
})

describe("our own client of a gateway", () => {
  const attempts = (response: Response.Response<string>) =>
    response.attempts.map(({ error, model, provider, status }) => [provider, model, error, status])

  it.scopedLive("gets the tries, the exact cost and the route, whole and streamed", () =>
    Effect.gen(function*() {
      const { fake, gateway } = yield* running
      const live = Majordomo.layer({ model: "swift", apiKey: Redacted.make(gateway.key), baseUrl: gateway.url }).pipe(
        Layer.provide(UndiciHttpClient.layer)
      )
      yield* fake.script(FakeProvider.status(529))
      const whole = yield* Effect.provide(LLM.generateText({ prompt: "Hello" }), live)
      yield* fake.script(FakeProvider.status(529))
      const streamed = yield* Effect.provide(LLM.collect(LLM.streamText({ prompt: "Hello" })), live)
      const rows = yield* rowsOf(gateway, 2)
      for (const [i, response] of [whole, streamed].entries()) {
        assert.strictEqual(response.text, "You said: Hello")
        assert.deepStrictEqual(response.routed, Option.some({ provider: "openai", model: "gpt-4.1-mini" }))
        assert.deepStrictEqual(attempts(response), [
          ["anthropic", "claude-haiku-4-5", "Overloaded", 529],
          ["openai", "gpt-4.1-mini", undefined, 200]
        ])
        assert.isTrue(response.attempts.every(({ duration }) => Duration.toMillis(duration) > 0))
        const { exact } = Option.getOrThrow(response.cost)
        const row = rows[i]
        assert.deepStrictEqual(
          [exact.input, exact.output, exact.total].map(Cost.amountToString),
          [row?.inputCost, row?.outputCost, row?.totalCost]
        )
        assert.strictEqual(response.usage.inputTokens, row?.inputTokens)
        assert.notInclude(response.warnings.map(({ code }) => code), "unknown-price")
      }
    }))
})
