/** What goes wrong behind the gateway, as clients of every protocol see it, whatever provider is there. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { Cascade, LLM, LLMError, Majordomo, OpenAIChat, Retry } from "effect-majordomo"
import { FakeProvider } from "effect-majordomo/testing"
import * as UndiciHttpClient from "../../src/UndiciHttpClient.ts"
import { at } from "../testing/wires.ts"
import { send } from "./running.ts"
import { apiKey, type Client, clients, overFake, promise, providers, serve } from "./unifiedClients.ts"

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

describe("our own client of a gateway", () => {
  const failing = Effect.gen(function*() {
    const fake = yield* FakeProvider.make()
    const url = yield* serve(
      Cascade.layer([providers.anthropic(fake.url), providers.openai(fake.url)]).pipe(
        Layer.provide(UndiciHttpClient.layer)
      )
    )
    const layer = Majordomo.layer({ model: "any", apiKey, baseUrl: url, retry: Retry.none }).pipe(
      Layer.provide(UndiciHttpClient.layer),
      Layer.orDie
    )
    return { fake, layer, url }
  })
  const places = (error: LLMError.LLMError) =>
    error.attempts.map((attempt) => [attempt.provider, attempt.model, attempt.error, attempt.status])

  it.scopedLive("gets every try of a call that failed, and who of them said what", () =>
    Effect.gen(function*() {
      const { fake, layer } = yield* failing
      for (
        const ask of [LLM.generateText({ prompt: "Hello" }), LLM.collect(LLM.streamText({ prompt: "Hello" }))]
      ) {
        yield* fake.reset
        yield* fake.script(FakeProvider.status(529), FakeProvider.status(401))
        const error = yield* Effect.flip(Effect.provide(ask, layer))
        assert.deepStrictEqual(places(error), [
          ["anthropic", "claude-sonnet-4-5", "Overloaded", 529],
          ["openai", "gpt-4.1", "Authentication", 401]
        ])
        assert.strictEqual(LLMError.tagOf(error), "Authentication")
      }
    }))

  it.scopedLive("gets what a stream that broke off is known to have taken, and what it cost", () =>
    Effect.gen(function*() {
      const { fake, layer } = yield* failing
      yield* fake.script(FakeProvider.status(529), FakeProvider.inBandError({ afterEvents: 2 }))
      const error = yield* Effect.flip(Effect.provide(LLM.collect(LLM.streamText({ prompt: "Hello" })), layer))
      assert.deepStrictEqual(places(error).map(([provider]) => provider), ["anthropic", "openai"])
      assert.isTrue(error.usagePartial)
      yield* fake.reset
      yield* fake.script(FakeProvider.cut({ afterEvents: 2 }))
      const broken = yield* Effect.flip(Effect.provide(LLM.collect(LLM.streamText({ prompt: "Hello" })), layer))
      assert.deepStrictEqual(places(broken).map(([provider]) => provider), ["anthropic"])
      assert.isAbove(broken.usage?.inputTokens ?? 0, 0)
      assert.isAbove(broken.cost?.total ?? 0, 0)
    }))

  it.scopedLive("gets the tries behind an answer that is none", () =>
    Effect.gen(function*() {
      const { fake, layer } = yield* failing
      yield* fake.script(FakeProvider.status(529), FakeProvider.truncated("", { reasoning: "It is long." }))
      const error = yield* Effect.flip(Effect.provide(LLM.generateText({ prompt: "Hello" }), layer))
      assert.strictEqual(error._tag, "ResponseTruncatedError")
      assert.deepStrictEqual(places(error).map(([provider]) => provider), ["anthropic", "openai"])
      assert.strictEqual("reasoning" in error ? error.reasoning : undefined, "It is long.")
    }))

  it.scopedLive("believes nobody else", () =>
    Effect.gen(function*() {
      const fake = yield* FakeProvider.make()
      const lie = { provider: "anthropic", model: "x", attempts: [{ provider: "anthropic", model: "x", seconds: 1 }] }
      yield* fake.script(FakeProvider.status(400, {
        body: JSON.stringify({ error: { message: "no", type: "invalid_request_error" }, majordomo: lie })
      }))
      const layer = OpenAIChat.layer({ model: "gpt-4.1", apiKey, baseUrl: fake.url })
      const error = yield* Effect.flip(
        Effect.provide(
          LLM.generateText({ prompt: "Hello" }),
          Layer.orDie(Layer.provide(layer, UndiciHttpClient.layer))
        )
      )
      assert.deepStrictEqual(places(error).map(([provider]) => provider), ["openai"])
    }))
})

describe.each(Object.entries(protocols))("an error of %s", (_, protocol) => {
  it.scopedLive("has beside it, under our own name, which request it was and what was tried", () =>
    Effect.gen(function*() {
      const { fake, url } = yield* overFake("anthropic")
      yield* fake.script(...limited())
      const answer = yield* raw(url, protocol, false)
      const told = at(JSON.parse(answer.text), "majordomo")
      assert.strictEqual(at(told, "request_id"), answer.headers["x-majordomo-request-id"])
      assert.strictEqual(at(told, "attempts", 0, "error"), "RateLimited")
      assert.strictEqual(at(told, "provider"), "anthropic")
      yield* fake.reset
      yield* fake.script(FakeProvider.cut({ afterEvents: 2 }))
      const stream = yield* raw(url, protocol, true)
      assert.match(stream.text, /"majordomo":\{"request_id":"[0-9a-f-]+","provider":"anthropic"/)
    }))
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
              Layer.provide(UndiciHttpClient.layer)
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
