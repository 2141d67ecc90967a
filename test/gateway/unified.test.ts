/** Official clients of one vendor, answered by the models of another. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option, Redacted } from "effect"
import * as Providers from "effect-majordomo"
import { FakeProvider, TestLLM } from "effect-majordomo/testing"
import * as UndiciHttpClient from "../../src/UndiciHttpClient.ts"
import {
  apiKey,
  ask,
  chat,
  type Client,
  clients,
  cutOff,
  openai,
  overFake,
  png,
  promise,
  providers,
  refusals,
  seenAgain,
  sentLast,
  serve,
  user
} from "./unifiedClients.ts"

for (const [clientName, client] of Object.entries(clients) as ReadonlyArray<[keyof typeof clients, Client]>) {
  describe.each(Object.keys(providers) as ReadonlyArray<keyof typeof providers>)(
    `a client of ${clientName} and %s behind`,
    (name) => {
      it.scopedLive("text, streams, schemas, pictures", () =>
        Effect.gen(function*() {
          const { fake, url } = yield* overFake(name)
          assert.strictEqual(yield* promise(() => client.text(url)), "You said: Hello")
          assert.strictEqual(yield* promise(() => client.stream(url)), "You said: Hello")
          assert.property(JSON.parse(yield* promise(() => client.json(url))), "city")
          yield* promise(() => client.image(url))
          assert.include(yield* sentLast(fake), png)
        }))

      it.scopedLive("tools over two turns, what the model thought included", () =>
        Effect.gen(function*() {
          const { fake, url } = yield* overFake(name)
          for (const streamed of [false, true]) {
            yield* fake.script(
              FakeProvider.toolCalls([{ name: "weather", arguments: { city: "Paris" } }], {
                reasoning: "It is about weather."
              })
            )
            yield* promise(() => client.tools(url, streamed))
            const sent = yield* sentLast(fake)
            assert.include(sent, seenAgain[name], `streamed: ${streamed}, ${sent}`)
            assert.include(sent, "Paris")
            assert.include(sent, "21")
          }
        }))

      it.scopedLive("several tools at the same time, each with its result", () =>
        Effect.gen(function*() {
          const { fake, url } = yield* overFake(name)
          for (const streamed of [false, true]) {
            yield* fake.script(FakeProvider.toolCalls([
              { name: "weather", arguments: { city: "Paris" } },
              { name: "weather", arguments: { city: "Oslo" } }
            ]))
            yield* promise(() => client.tools(url, streamed))
            const sent = yield* sentLast(fake)
            assert.include(sent, "Paris")
            assert.include(sent, "Oslo")
            assert.strictEqual(sent.split("\"21\"").length - 1, 2, sent)
          }
        }))

      it.scopedLive("refusals and truncations are answers, errors are errors", () =>
        Effect.gen(function*() {
          const { fake, url } = yield* overFake(name)
          if (name === "openai" || name === "chat") {
            yield* fake.script(FakeProvider.refusal("No."))
            assert.strictEqual(yield* promise(() => client.refused(url)), refusals[clientName])
          }
          yield* fake.script(FakeProvider.truncated(""))
          assert.strictEqual(yield* promise(() => client.truncated(url)), cutOff[clientName])
          for (const streamed of name === "cohere" ? [] : [false, true]) {
            yield* fake.script(FakeProvider.truncated("", { reasoning: "It is long." }))
            assert.strictEqual(
              yield* promise(() => client.thought(url, streamed)),
              "It is long.",
              streamed ? "streamed" : "whole"
            )
          }
          yield* fake.script(FakeProvider.status(400))
          assert.strictEqual(yield* promise(() => client.failed(url)), 400)
          yield* fake.script(FakeProvider.cut({ afterEvents: 1 }))
          assert.isTrue(yield* promise(() => client.broken(url)))
        }))
    }
  )
}

describe("Gateway.serve", () => {
  it.scopedLive("asks for a key where it has some, and says what cannot be done", () =>
    Effect.gen(function*() {
      const llm = TestLLM.layer(["one", "two", "three"])
      const url = yield* serve(llm, { keys: [Redacted.make("mdm_sk_shared")] })
      const refused = yield* promise(() => client(url, "nobody"))
      assert.strictEqual(refused.status, 401)
      const asked = yield* promise(() => client(url, "mdm_sk_shared", { previous_response_id: "resp_1" }))
      assert.strictEqual(asked.status, 400)
      assert.strictEqual(asked.body.error.param, "previous_response_id")
      assert.include(asked.body.error.message, "send it whole")
      const unknown = yield* promise(() => client(url, "mdm_sk_shared", { frobnicate: 1 }))
      assert.strictEqual(unknown.status, 200)
      assert.include(unknown.warnings ?? "", "frobnicate")
      const models = yield* promise(() =>
        fetch(`${url}/v1/models`, { headers: { authorization: "Bearer mdm_sk_shared" } })
      )
      assert.deepInclude(yield* promise(() => models.json()), { object: "list", first_id: "test-model" })
    }))

  it.scopedLive("failover is invisible to a stream, limits are told with their wait, a list is a list", () =>
    Effect.gen(function*() {
      const fake = yield* FakeProvider.make()
      const url = yield* serve(
        Providers.Cascade.layer([providers.anthropic(fake.url), providers.openai(fake.url)]).pipe(
          Layer.provide(UndiciHttpClient.layer)
        )
      )
      yield* fake.script(FakeProvider.cut({ afterEvents: 0 }))
      assert.strictEqual(yield* promise(() => chat.stream(url)), "You said: Hello")
      yield* fake.script(...[1, 2, 3, 4].map(() => FakeProvider.status(429, { retryAfter: 120 })))
      const limited = yield* promise(() => fetch(`${url}/v1/messages`, { method: "POST", body: JSON.stringify(ask) }))
      assert.deepStrictEqual([limited.status, limited.headers.get("retry-after")], [429, "120"])
      assert.strictEqual((yield* promise(() => limited.json())).error.type, "rate_limit_error")
      yield* fake.reset
      yield* fake.script(FakeProvider.status(529), FakeProvider.json({ value: ["Paris"] }))
      const listed = yield* promise(async () => {
        const stream = await openai(url).chat.completions.create({
          model: "any",
          messages: [user],
          stream: true,
          response_format: {
            type: "json_schema",
            json_schema: { name: "places", schema: { type: "array", items: { type: "string" } } }
          }
        })
        let text = ""
        for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? ""
        return text
      })
      assert.deepStrictEqual(JSON.parse(listed), ["Paris"])
    }))

  it.scopedLive("a value is streamed as it was asked for: without nulls for what is absent, and nothing around it", () =>
    Effect.gen(function*() {
      const fake = yield* FakeProvider.make()
      const url = yield* serve(providers.chat(fake.url).pipe(Layer.provide(UndiciHttpClient.layer)))
      const format = {
        name: "place",
        schema: {
          type: "object",
          properties: { city: { type: "string" }, note: { type: "string" }, height: { type: ["number", "null"] } },
          required: ["city"]
        }
      }
      const byChat = () =>
        openai(url).chat.completions.stream({
          model: "any",
          messages: [user],
          response_format: { type: "json_schema", json_schema: format }
        }).finalContent()
      const byResponses = async () => {
        const stream = openai(url).responses.stream({
          model: "any",
          input: "Hello",
          text: { format: { type: "json_schema", ...format } }
        })
        let text = ""
        let done: string | undefined
        for await (const event of stream) {
          if (event.type === "response.output_text.delta") text += event.delta
          if (event.type === "response.output_text.done") done = event.text
        }
        assert.strictEqual(text, done)
        assert.strictEqual((await stream.finalResponse()).output_text, text)
        return text
      }
      const value = JSON.stringify({ city: "Paris", note: null, height: null })
      for (const written of [value, `\`\`\`json\n${value}\n\`\`\``, `Here it is: ${value}`, `${value}\nThat is all.`]) {
        for (const ask of [byChat, byResponses]) {
          yield* fake.script(FakeProvider.text(written))
          assert.deepStrictEqual(JSON.parse((yield* promise(ask)) ?? ""), { city: "Paris", height: null }, written)
        }
      }
      yield* fake.script(FakeProvider.truncated("{\"city\": \"Pa"))
      const cut = yield* promise(async () => {
        const stream = await openai(url).chat.completions.create({
          model: "any",
          messages: [user],
          stream: true,
          response_format: { type: "json_schema", json_schema: format }
        })
        let text = ""
        for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? ""
        return text
      })
      assert.strictEqual(cut, "{\"city\": \"Pa")
    }))

  it.scopedLive("our own library is a client, too", () =>
    Effect.gen(function*() {
      const { url } = yield* overFake("anthropic")
      const response = yield* Providers.LLM.generateText({ prompt: "Hello" }).pipe(
        Effect.provide(
          Providers.Majordomo.layer({ model: "any", apiKey, baseUrl: url }).pipe(
            Layer.provide(UndiciHttpClient.layer)
          )
        )
      )
      assert.strictEqual(response.text, "You said: Hello")
      assert.deepStrictEqual(response.routed, Option.some({ provider: "anthropic", model: "claude-sonnet-4-5" }))
    }))

  it.scopedLive("a client that leaves ends the call", () =>
    Effect.gen(function*() {
      const fake = yield* FakeProvider.make()
      yield* fake.script(FakeProvider.stall({ afterEvents: 1 }))
      const url = yield* serve(providers.anthropic(fake.url).pipe(Layer.provide(UndiciHttpClient.layer)))
      yield* promise(async () => {
        const stream = await openai(url).chat.completions.create({ model: "any", messages: [user], stream: true })
        for await (const chunk of stream) if (chunk.choices[0]?.delta.content) break
      })
      yield* Effect.repeat(Effect.delay(fake.requests, "10 millis"), {
        until: (requests) => requests[0]?.aborted === true,
        times: 100
      })
      assert.isTrue((yield* fake.requests)[0]?.aborted)
    }))
})

const client = async (url: string, key: string, more: object = {}) => {
  const response = await fetch(`${url}/v1/responses`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify({ model: "any", input: "Hello", ...more })
  })
  return {
    status: response.status,
    warnings: response.headers.get("x-majordomo-warnings"),
    body: await response.json() as { readonly error: { readonly param: string; readonly message: string } }
  }
}
