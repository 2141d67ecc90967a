/** Official clients, told nothing but an address and headers. */
import { createAnthropic } from "@ai-sdk/anthropic"
import { createOpenAI } from "@ai-sdk/openai"
import Anthropic from "@anthropic-ai/sdk"
import { assert, describe, it } from "@effect/vitest"
import { GoogleGenAI } from "@google/genai"
import { generateText, streamText } from "ai"
import { Effect, Redacted } from "effect"
import { FakeProvider } from "effect-majordomo/testing"
import OpenAI from "openai"
import { rowsOf, run, send, upstream } from "./running.ts"

const running = Effect.gen(function*() {
  const fake = yield* FakeProvider.make()
  const { url: baseUrl } = fake
  const gateway = yield* run({
    providers: {
      openai: { baseUrl, key: Redacted.make("sk-kept-by-the-gateway") },
      anthropic: { baseUrl, key: Redacted.make("sk-ant-kept-by-the-gateway") },
      gemini: { baseUrl, key: Redacted.make("AIza-kept-by-the-gateway") }
    }
  })
  return { fake, gateway, headers: { "X-Majordomo-Key": gateway.key, "X-Majordomo-Feature": "clients" } }
})

const weather = {
  name: "weather",
  description: "The weather in a city",
  schema: { type: "object", properties: { city: { type: "string" } }, required: ["city"] }
} as const

describe("official clients through the gateway", () => {
  it.scopedLive("openai: chat, streams, tools, responses", () =>
    Effect.gen(function*() {
      const { gateway, headers } = yield* running
      const client = new OpenAI({
        baseURL: `${gateway.url}/v1`,
        apiKey: "sk-the-clients-own",
        defaultHeaders: headers,
        maxRetries: 0
      })
      const messages = [{ role: "user", content: "Hello" }] as const
      const answer = yield* Effect.promise(() =>
        client.chat.completions.create({ model: "gpt-4.1", messages: [...messages] })
      )
      assert.strictEqual(answer.choices[0]?.message.content, "You said: Hello")
      const streamed = yield* Effect.promise(async () => {
        const stream = await client.chat.completions.create({ model: "gpt-4.1", messages: [...messages], stream: true })
        const chunks = []
        for await (const chunk of stream) chunks.push(chunk)
        return chunks
      })
      assert.strictEqual(streamed.map((chunk) => chunk.choices[0]?.delta.content ?? "").join(""), "You said: Hello")
      assert.isTrue(streamed.every(({ choices }) => choices.length === 1))
      const called = yield* Effect.promise(() =>
        client.chat.completions.create({
          model: "gpt-4.1",
          messages: [...messages],
          tools: [{
            type: "function",
            function: { name: weather.name, description: weather.description, parameters: { ...weather.schema } }
          }]
        })
      )
      assert.strictEqual(called.choices[0]?.message.tool_calls?.length, 1)
      const events = yield* Effect.promise(async () => {
        const stream = await client.responses.create({ model: "gpt-4.1", input: "Hello", stream: true })
        const types = []
        for await (const event of stream) types.push(event.type)
        return types
      })
      assert.strictEqual(events.at(-1), "response.completed")
      const rows = yield* rowsOf(gateway, 4)
      assert.isTrue(rows.every((row) =>
        row.status === "success" && row.inputTokens > 0 && row.totalCost !== undefined && row.provider === "openai"
      ))
      assert.isTrue(rows.every(({ client }) =>
        client?.startsWith("OpenAI/JS")
      ))
      assert.strictEqual(rows[2]?.finishReason, "tool-calls")
    }))

  it.scopedLive("anthropic: messages, thinking, streams, tools, with the gateway's key as its own", () =>
    Effect.gen(function*() {
      const { fake, gateway } = yield* running
      const client = new Anthropic({ baseURL: gateway.url, apiKey: gateway.key, maxRetries: 0 })
      const question = {
        model: "claude-sonnet-4-6",
        max_tokens: 4000,
        messages: [{ role: "user", content: "Hello" }]
      } as const
      yield* fake.script(FakeProvider.text("Hi", { reasoning: "They greet." }))
      const thought = yield* Effect.promise(() =>
        client.messages.create({
          ...question,
          messages: [...question.messages],
          thinking: { type: "enabled", budget_tokens: 2000 }
        })
      )
      assert.deepStrictEqual(thought.content.map(({ type }) => type), ["thinking", "text"])
      const final = yield* Effect.promise(() =>
        client.messages.stream({ ...question, messages: [...question.messages] }).finalMessage()
      )
      assert.strictEqual(final.content[0]?.type === "text" ? final.content[0].text : "", "You said: Hello")
      const called = yield* Effect.promise(() =>
        client.messages.create({
          ...question,
          messages: [...question.messages],
          tools: [{
            name: weather.name,
            description: weather.description,
            input_schema: { ...weather.schema, required: ["city"] }
          }]
        })
      )
      assert.strictEqual(called.stop_reason, "tool_use")
      const requests = yield* fake.requests
      for (const { headers } of requests) assert.notInclude(JSON.stringify(headers), "mdm_")
      const rows = yield* rowsOf(gateway, 3)
      assert.isTrue(rows.every((row) => row.provider === "anthropic" && row.totalCost !== undefined))
      assert.isTrue(rows.every(({ apiKeyAlias }) => apiKeyAlias === "configuration"))
    }))

  it.scopedLive("@google/genai: whole and streamed", () =>
    Effect.gen(function*() {
      const { gateway, headers } = yield* running
      const client = new GoogleGenAI({ apiKey: gateway.key, httpOptions: { baseUrl: gateway.url, headers } })
      const answer = yield* Effect.promise(() =>
        client.models.generateContent({ model: "gemini-2.5-flash", contents: "Hello" })
      )
      assert.strictEqual(answer.text, "You said: Hello")
      const text = yield* Effect.promise(async () => {
        let text = ""
        for await (
          const chunk of await client.models.generateContentStream({ model: "gemini-2.5-flash", contents: "Hello" })
        ) {
          text += chunk.text ?? ""
        }
        return text
      })
      assert.strictEqual(text, "You said: Hello")
      const rows = yield* rowsOf(gateway, 2)
      assert.deepStrictEqual(rows.map(({ model, provider }) => [provider, model]), [
        ["gemini", "gemini-2.5-flash"],
        ["gemini", "gemini-2.5-flash"]
      ])
      assert.isTrue(rows.every((row) => row.inputTokens > 0 && row.totalCost !== undefined))
    }))

  it.scopedLive("the AI SDK: two providers at one address", () =>
    Effect.gen(function*() {
      const { gateway, headers } = yield* running
      const openai = createOpenAI({ baseURL: `${gateway.url}/v1`, apiKey: gateway.key, headers })
      const anthropic = createAnthropic({ baseURL: `${gateway.url}/v1`, apiKey: gateway.key, headers })
      const answer = yield* Effect.promise(() => generateText({ model: openai("gpt-4.1"), prompt: "Hello" }))
      assert.strictEqual(answer.text, "You said: Hello")
      const text = yield* Effect.promise(async () =>
        streamText({ model: anthropic("claude-sonnet-4-6"), prompt: "Hello" }).text
      )
      assert.strictEqual(text, "You said: Hello")
      const rows = yield* rowsOf(gateway, 2)
      assert.deepStrictEqual(rows.map(({ provider }) => provider), ["openai", "anthropic"])
      assert.isTrue(rows.every(({ metadata }) => metadata["Feature"] === "clients"))
    }))

  it.scopedLive("the guide's Gemini: OpenAI's protocol at Gemini's own path", () =>
    Effect.gen(function*() {
      const provider = yield* upstream((_, response) => {
        response.writeHead(200, { "content-type": "application/json" })
        response.end(JSON.stringify({
          model: "gemini-2.5-flash",
          choices: [{ index: 0, message: { role: "assistant", content: "Hi" }, finish_reason: "stop" }],
          usage: { prompt_tokens: 8, completion_tokens: 2, total_tokens: 10 }
        }))
      })
      const gateway = yield* run({ providers: { gemini: { baseUrl: provider.url } } })
      const client = new OpenAI({
        baseURL: `${gateway.url}/v1`,
        apiKey: "AIza-of-the-client",
        defaultHeaders: { "X-Majordomo-Key": gateway.key, "X-Majordomo-Provider": "gemini-openai" }
      })
      yield* Effect.promise(() =>
        client.chat.completions.create({ model: "gemini-2.5-flash", messages: [{ role: "user", content: "Hello" }] })
      )
      assert.strictEqual(provider.requests[0]?.url, "/v1beta/openai/chat/completions")
      assert.strictEqual(provider.requests[0]?.headers.authorization, "Bearer AIza-of-the-client")
      const [row] = yield* rowsOf(gateway, 1)
      assert.strictEqual(row?.provider, "gemini")
      assert.isDefined(row?.totalCost)
    }))

  it.scopedLive("embeddings have their tokens and their price", () =>
    Effect.gen(function*() {
      const provider = yield* upstream((_, response) => {
        response.writeHead(200, { "content-type": "application/json" })
        response.end(JSON.stringify({
          object: "list",
          data: [{ object: "embedding", index: 0, embedding: [0.1, 0.2] }],
          model: "text-embedding-3-small",
          usage: { prompt_tokens: 1000, total_tokens: 1000 }
        }))
      })
      const gateway = yield* run({ providers: { openai: { baseUrl: provider.url } } })
      const client = new OpenAI({
        baseURL: `${gateway.url}/v1`,
        apiKey: "sk-x",
        defaultHeaders: { "X-Majordomo-Key": gateway.key }
      })
      yield* Effect.promise(() =>
        client.embeddings.create({ model: "text-embedding-3-small", input: "Hello", encoding_format: "float" })
      )
      const [row] = yield* rowsOf(gateway, 1)
      assert.strictEqual(row?.inputTokens, 1000)
      assert.strictEqual(row?.totalCost, "0.00002")
    }))
})

describe("beside the providers' paths", () => {
  it.scopedLive("health and readiness are there, metrics are for administrators", () =>
    Effect.gen(function*() {
      const { gateway } = yield* running
      assert.strictEqual((yield* send(`${gateway.url}/health`)).status, 200)
      const ready = yield* send(`${gateway.url}/readyz`)
      assert.strictEqual(JSON.parse(ready.body.toString()).ready, true)
      assert.strictEqual((yield* send(`${gateway.adminUrl}/metrics`)).status, 401)
      assert.strictEqual(
        (yield* send(`${gateway.adminUrl}/metrics`, { headers: { authorization: `Bearer ${gateway.key}` } })).status,
        401
      )
    }))
})
