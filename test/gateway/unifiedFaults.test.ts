/** What goes wrong behind the gateway, as clients of every protocol see it, whatever provider is there. */
import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { Cascade } from "effect-majordomo"
import { FakeProvider } from "effect-majordomo/testing"
import { at } from "../testing/wires.ts"
import { send } from "./running.ts"
import { type Client, clients, overFake, promise, providers, serve } from "./unifiedClients.ts"

/** A request as it is on the wire, its error, and how an event of a stream says one. */
const protocols = {
  chat: {
    path: "/v1/chat/completions",
    body: { model: "any", messages: [{ role: "user", content: "Hello" }] },
    limited: (body: unknown) => [at(body, "error", "type"), at(body, "error", "code")],
    limit: ["requests", "rate_limit_exceeded"],
    failure: /^data: \{"error":\{"message":"[^\n]*"type":"server_error"/m,
    end: "data: [DONE]"
  },
  responses: {
    path: "/v1/responses",
    body: { model: "any", input: "Hello" },
    limited: (body: unknown) => [at(body, "error", "type"), at(body, "error", "code")],
    limit: ["requests", "rate_limit_exceeded"],
    failure: /^event: error\n[^]*^event: response\.failed\n/m,
    end: "event: response.completed"
  },
  messages: {
    path: "/v1/messages",
    body: { model: "any", max_tokens: 1000, messages: [{ role: "user", content: "Hello" }] },
    limited: (body: unknown) => [at(body, "type"), at(body, "error", "type")],
    limit: ["error", "rate_limit_error"],
    failure: /^event: error\ndata: \{"type":"error","error":\{"type":"api_error"/m,
    end: "event: message_stop"
  },
  gemini: {
    path: "/v1beta/models/any:generateContent",
    body: { contents: [{ role: "user", parts: [{ text: "Hello" }] }] },
    limited: (
      body: unknown
    ) => [at(body, "error", "code"), at(body, "error", "status"), at(body, "error", "details", 0, "retryDelay")],
    limit: [429, "RESOURCE_EXHAUSTED", "120s"],
    failure: /^data: \{"error":\{"code":502,[^\n]*"status":"INTERNAL"/m,
    end: "\"finishReason\""
  }
} as const

type Protocol = typeof protocols[keyof typeof protocols]

const names = Object.keys(providers) as ReadonlyArray<keyof typeof providers>

const raw = (url: string, { body, path }: Protocol, stream: boolean) =>
  Effect.map(
    send(
      url + (stream ? path.replace(":generateContent", ":streamGenerateContent?alt=sse") : path),
      {
        headers: { "content-type": "application/json" },
        body: JSON.stringify(stream && "model" in body ? { ...body, stream } : body)
      }
    ),
    (answer) => ({ ...answer, text: answer.body.toString("utf8") })
  )

const limited = () => Array.from({ length: 3 }, () => FakeProvider.status(429, { retryAfter: 120 }))

describe.each(Object.entries(protocols))("a request of %s", (_, protocol) => {
  describe.each(names)("and %s behind", (name) => {
    it.scopedLive("a limit of the provider's is one in the client's words, with the time to wait", () =>
      Effect.gen(function*() {
        const { fake, url } = yield* overFake(name)
        for (const stream of [false, true]) {
          yield* fake.reset
          yield* fake.script(...limited())
          const answer = yield* raw(url, protocol, stream)
          assert.strictEqual(answer.status, 429, answer.text)
          assert.strictEqual(answer.headers["retry-after"], "120")
          assert.include(answer.headers["content-type"], "application/json")
          assert.deepStrictEqual(protocol.limited(JSON.parse(answer.text)), [...protocol.limit])
        }
      }))

    it.scopedLive("a stream that breaks off says so and is cut, without the mark of an end", () =>
      Effect.gen(function*() {
        const { fake, url } = yield* overFake(name)
        yield* fake.script(FakeProvider.cut({ afterEvents: 2 }))
        const answer = yield* raw(url, protocol, true)
        assert.strictEqual(answer.status, 200)
        assert.match(answer.text, protocol.failure)
        assert.notInclude(answer.text, protocol.end)
        assert.isFalse(answer.isWhole)
      }))
  })
})

describe.each(Object.entries(clients) as ReadonlyArray<[keyof typeof clients, Client]>)(
  "an official client of %s",
  (_, client) => {
    it.scopedLive("takes a limit for one, whoever's it was", () =>
      Effect.forEach(names, (name) =>
        Effect.gen(function*() {
          const { fake, url } = yield* overFake(name)
          yield* fake.script(...limited())
          assert.strictEqual(yield* promise(() => client.failed(url)), 429, name)
        })))

    it.scopedLive("sees no seam where another model goes on with what broke off", () =>
      Effect.forEach(names, (name) =>
        Effect.gen(function*() {
          const fake = yield* FakeProvider.make()
          const url = yield* serve(
            Cascade.layer([providers[name](fake.url), providers.anthropic(fake.url)], { midStream: "continue" }).pipe(
              Layer.provide(NodeHttpClient.layerUndici)
            )
          )
          yield* fake.script(
            FakeProvider.cut({ afterEvents: 2, reply: FakeProvider.text("One two three four five six") }),
            FakeProvider.text(" and the rest")
          )
          const text = yield* promise(() => client.stream(url))
          assert.match(text, /^One.* and the rest$/, name)
        })))
  }
)
