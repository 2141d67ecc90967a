/** How the models of a name stand in for each other, as its configuration says: seen by a client over HTTP. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import type * as GatewayConfig from "effect-majordomo/gateway/GatewayConfig"
import { FakeProvider } from "effect-majordomo/testing"
import { chatAnswer, rowsOf, run, type Running, send, upstream } from "./running.ts"

const named = (
  providers: Readonly<Record<string, string>>,
  models: GatewayConfig.Options["models"],
  more: Partial<GatewayConfig.ProviderOptions> = {}
) =>
  run({
    providers: Object.fromEntries(
      Object.entries(providers).map(([name, baseUrl]) => [
        name,
        { baseUrl, wire: "openai-chat" as const, key: Redacted.make(`k-${name}-123456`), ...more }
      ])
    ),
    models
  })

const ask = (gateway: Running, stream = false) =>
  Effect.map(
    send(`${gateway.url}/v1/chat/completions`, {
      headers: { "x-majordomo-key": gateway.key, "content-type": "application/json" },
      body: JSON.stringify({ model: "name", stream, messages: [{ role: "user", content: "Hello" }] })
    }),
    (answer) => ({ ...answer, text: answer.body.toString("utf8"), provider: answer.headers["x-majordomo-provider"] })
  )

const said = (text: string): string =>
  [...text.matchAll(/^data: (\{.*)$/gm)].map(([, data]) => JSON.parse(data ?? "{}").choices?.[0]?.delta?.content ?? "")
    .join("")

/** Answers after so long, ms; never where that is not given. */
const slow = (delay?: number) =>
  upstream((_, response) => {
    if (delay === undefined) return
    setTimeout(() => response.writeHead(200, { "content-type": "application/json" }).end(chatAnswer), delay)
  })

describe("a name of several models", () => {
  it.scopedLive("hedgeAfter: one that is slow to begin gets company, and the row says who gave up", () =>
    Effect.gen(function*() {
      for (const hedgeAfter of ["30 millis", { percentile: 95, initially: "30 millis" }] as const) {
        const silent = yield* slow()
        const quick = yield* FakeProvider.make()
        const gateway = yield* named({ one: silent.url, two: quick.url }, {
          name: { cascade: ["one/m", "two/m"], hedgeAfter }
        })
        const whole = yield* ask(gateway)
        assert.deepStrictEqual([whole.status, whole.provider], [200, "two"], whole.text)
        assert.strictEqual(said((yield* ask(gateway, true)).text), "You said: Hello")
        const rows = yield* rowsOf(gateway, 2)
        for (const { attempts } of rows) {
          assert.deepStrictEqual(attempts.map(({ error, provider }) => [provider, error]), [
            ["one", "Interrupted"],
            ["two", undefined]
          ])
        }
      }
    }))

  it.scopedLive("midStream: a text that breaks off is gone on with, or is an error", () =>
    Effect.gen(function*() {
      for (const midStream of ["continue", "fail"] as const) {
        const [one, two] = yield* Effect.all([FakeProvider.make(), FakeProvider.make()])
        const gateway = yield* named({ one: one.url, two: two.url }, {
          name: { cascade: ["one/m", "two/m"], midStream }
        })
        yield* one.script(FakeProvider.cut({ afterEvents: 2, reply: FakeProvider.text("One two three four five") }))
        yield* two.script(FakeProvider.text(" and the rest"))
        const answer = yield* ask(gateway, true)
        const [row] = yield* rowsOf(gateway, 1)
        if (midStream === "continue") {
          assert.match(said(answer.text), /^One.* and the rest$/)
          assert.include(answer.text, "[DONE]")
          assert.strictEqual(row?.status, "success")
        } else {
          assert.isFalse(answer.isWhole)
          assert.strictEqual(row?.status, "error")
          assert.lengthOf(yield* two.requests, 0)
        }
      }
    }))

  it.scopedLive("breaker: one that fails is skipped", () =>
    Effect.gen(function*() {
      const [one, two] = yield* Effect.all([FakeProvider.make(), FakeProvider.make()])
      const gateway = yield* named({ one: one.url, two: two.url }, {
        name: { cascade: ["one/m", "two/m"], breaker: { failures: 2, cooldown: "1 hour", halfOpen: 1 } }
      })
      yield* one.script(...[1, 2, 3, 4].map(() => FakeProvider.status(503)))
      for (let i = 0; i < 4; i++) assert.strictEqual((yield* ask(gateway)).provider, "two")
      assert.lengthOf(yield* one.requests, 2)
    }))

  it.scopedLive("memberRetries: each is tried again before the next one is asked", () =>
    Effect.gen(function*() {
      for (const memberRetries of ["last", "each"] as const) {
        const [one, two] = yield* Effect.all([FakeProvider.make(), FakeProvider.make()])
        const gateway = yield* named({ one: one.url, two: two.url }, {
          name: { cascade: ["one/m", "two/m"], memberRetries }
        })
        yield* one.script(FakeProvider.status(503))
        assert.strictEqual((yield* ask(gateway)).provider, memberRetries === "each" ? "one" : "two")
      }
    }))

  it.scopedLive("leastLatency: whoever begins soonest is asked", () =>
    Effect.gen(function*() {
      const [one, two] = yield* Effect.all([slow(300), slow(0)])
      const gateway = yield* named({ one: one.url, two: two.url }, {
        name: { balance: ["one/m", "two/m"], strategy: "leastLatency" }
      })
      for (let i = 0; i < 2; i++) yield* ask(gateway)
      for (let i = 0; i < 4; i++) assert.strictEqual((yield* ask(gateway)).provider, "two")
    }))

  it.scopedLive("cheapest: by the price list, also where the operator names whose it is", () =>
    Effect.gen(function*() {
      const fake = yield* FakeProvider.make()
      const gateway = yield* named(
        { one: fake.url, two: fake.url, three: fake.url },
        { name: { balance: ["one/gpt-4.1", "two/gpt-4.1-nano", "three/gpt-4.1-mini"], strategy: "cheapest" } },
        { prices: "openai" }
      )
      assert.strictEqual((yield* ask(gateway)).provider, "two")
      yield* fake.script(FakeProvider.status(503))
      assert.strictEqual((yield* ask(gateway)).provider, "three")
    }))
})

describe("a provider of the operator's own", () => {
  it.scopedLive("is asked over the wire that it speaks", () =>
    Effect.gen(function*() {
      const fake = yield* FakeProvider.make()
      const key = Redacted.make("k-own-123456")
      const wires = ["openai-chat", "openai-responses", "anthropic", "gemini", "cohere", "bedrock"] as const
      const gateway = yield* run({
        providers: Object.fromEntries(wires.map((wire) => [`own-${wire}`, { wire, baseUrl: fake.url, key }])),
        models: Object.fromEntries(wires.map((wire) => [`by-${wire}`, `own-${wire}/m`]))
      })
      const paths = {
        "openai-chat": "/chat/completions",
        "openai-responses": "/responses",
        anthropic: "/messages",
        gemini: "/models/m:generateContent",
        cohere: "/chat",
        bedrock: "/model/m/converse"
      }
      for (const wire of wires) {
        const answer = yield* send(`${gateway.url}/v1/messages`, {
          headers: { "x-majordomo-key": gateway.key, "x-majordomo-provider": "majordomo" },
          body: JSON.stringify({
            model: `by-${wire}`,
            max_tokens: 100,
            messages: [{ role: "user", content: "Hello" }]
          })
        })
        assert.include(answer.body.toString(), "You said: Hello", wire)
        assert.strictEqual(answer.headers["x-majordomo-provider"], `own-${wire}`)
        const { path } = (yield* fake.requests).at(-1) ?? { path: "" }
        assert.isTrue(path.endsWith(paths[wire]), `${wire}: ${path}`)
      }
    }))
})
