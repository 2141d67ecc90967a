/** Official clients reach the gateway's address: paths and headers as a server gets them. */
import { createAnthropic } from "@ai-sdk/anthropic"
import { createOpenAI } from "@ai-sdk/openai"
import Anthropic from "@anthropic-ai/sdk"
import { assert, describe, it } from "@effect/vitest"
import { GoogleGenAI } from "@google/genai"
import { ChatAnthropic } from "@langchain/anthropic"
import { ChatOpenAI } from "@langchain/openai"
import { generateText } from "ai"
import { ConfigProvider, Effect, Layer } from "effect"
import OpenAI from "openai"
import * as Clients from "../../src/adapters/Clients.ts"
import { LLM } from "../../src/index.ts"
import { FakeProvider } from "../../src/testing/index.ts"
import * as UndiciHttpClient from "../../src/UndiciHttpClient.ts"

const apiKey = "sk-of-the-provider"
const prompt = "Hello"
const messages = [{ role: "user" as const, content: prompt }]

const cases: Readonly<Record<string, readonly [path: string, ask: (options: Clients.Options) => Promise<unknown>]>> = {
  "openai, responses": [
    "/v1/responses",
    (o) => new OpenAI({ apiKey, ...Clients.openai(o) }).responses.create({ model: "gpt-5-mini", input: prompt })
  ],
  "openai, chat": [
    "/v1/chat/completions",
    (o) => new OpenAI({ apiKey, ...Clients.openai(o) }).chat.completions.create({ model: "gpt-4.1", messages })
  ],
  "openai, Gemini's compatible endpoint": [
    "/v1/chat/completions",
    (o) =>
      new OpenAI({ apiKey, ...Clients.openai(o), defaultHeaders: Clients.buildExtraHeadersGemini(o) }).chat.completions
        .create({ model: "gemini-2.5-flash", messages })
  ],
  "@anthropic-ai/sdk": [
    "/v1/messages",
    (o) =>
      new Anthropic({ apiKey, ...Clients.anthropic(o) }).messages.create({
        model: "claude-sonnet-4-5",
        max_tokens: 10,
        messages
      })
  ],
  "@google/genai": [
    "/v1/models/gemini-2.5-flash:generateContent",
    (o) =>
      new GoogleGenAI({ apiKey, ...Clients.google(o) }).models.generateContent({
        model: "gemini-2.5-flash",
        contents: prompt
      })
  ],
  "ai, Anthropic": [
    "/v1/messages",
    (o) =>
      generateText({
        model: createAnthropic({ apiKey, ...Clients.vercel("anthropic", o) })("claude-sonnet-4-5"),
        prompt
      })
  ],
  "ai, OpenAI": [
    "/v1/responses",
    (o) => generateText({ model: createOpenAI({ apiKey, ...Clients.vercel("openai", o) })("gpt-5-mini"), prompt })
  ],
  "LangChain, OpenAI": [
    "/v1/chat/completions",
    (o) => new ChatOpenAI({ apiKey, model: "gpt-4.1", ...Clients.langchain("openai", o) }).invoke(prompt)
  ],
  "LangChain, Anthropic": [
    "/v1/messages",
    (o) =>
      new ChatAnthropic({ apiKey, model: "claude-sonnet-4-5", maxTokens: 10, ...Clients.langchain("anthropic", o) })
        .invoke(prompt)
  ]
}

describe("clients", () => {
  for (const [name, [path, ask]] of Object.entries(cases)) {
    it.scoped(name, () =>
      Effect.gen(function*() {
        const gateway = yield* FakeProvider.make()
        yield* Effect.promise(() =>
          ask({
            gatewayUrl: `${gateway.url}/`,
            key: "mdm_sk_1",
            feature: "search",
            userId: "ada",
            sessionId: "s",
            step: "1"
          })
        )
        const requests = yield* gateway.requests
        assert.deepStrictEqual(requests.map((request) => request.path), [path])
        const headers = Object.entries(requests[0]?.headers ?? {}).filter(([name]) => name.startsWith("x-majordomo"))
        assert.deepStrictEqual(Object.fromEntries(headers), {
          "x-majordomo-key": "mdm_sk_1",
          "x-majordomo-feature": "search",
          "x-majordomo-user-id": "ada",
          "x-majordomo-session-id": "s",
          "x-majordomo-step": "1",
          ...(name.includes("Gemini") ? { "x-majordomo-provider": "gemini-openai" } : {})
        })
      }))
  }

  it("a Mastra model names its address", () => {
    assert.deepStrictEqual(Clients.mastra("openai/gpt-5-mini", { gatewayUrl: "http://h", key: "k" }), {
      id: "openai/gpt-5-mini",
      url: "http://h/v1",
      headers: { "X-Majordomo-Key": "k" }
    })
  })
})

describe("headers", () => {
  const withEnvironment = (variables: Record<string, string>) =>
    Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(variables))))

  it.effect("come with the key of the environment, and say which variable is missing", () =>
    Effect.gen(function*() {
      const found = yield* withEnvironment({ MAJORDOMO_API_KEY: "mdm_sk_2" })(
        Clients.headers({ feature: "a", extraHeaders: { "X-Majordomo-Feature": "b" } })
      )
      assert.deepStrictEqual(found, { "X-Majordomo-Key": "mdm_sk_2", "X-Majordomo-Feature": "b" })
      for (const environment of [{}, { MAJORDOMO_API_KEY: "" }]) {
        const error = yield* Effect.flip(withEnvironment(environment)(Clients.headers()))
        assert.strictEqual(error._tag, "ConfigurationError")
        assert.strictEqual(error.variable, "MAJORDOMO_API_KEY")
        assert.strictEqual(error.message, "MAJORDOMO_API_KEY environment variable is required")
      }
    }))

  it("are thrown for outside Effect", () => {
    const before = process.env["MAJORDOMO_API_KEY"]
    delete process.env["MAJORDOMO_API_KEY"]
    try {
      assert.throws(() => Clients.buildExtraHeaders(), "MAJORDOMO_API_KEY environment variable is required")
      process.env["MAJORDOMO_API_KEY"] = "mdm_sk_3"
      assert.deepStrictEqual(Clients.buildExtraHeadersGemini({ step: "1" }), {
        "X-Majordomo-Provider": "gemini-openai",
        "X-Majordomo-Key": "mdm_sk_3",
        "X-Majordomo-Step": "1"
      })
      assert.strictEqual(Clients.openai().baseURL, "http://localhost:7680/v1")
    } finally {
      if (before === undefined) delete process.env["MAJORDOMO_API_KEY"]
      else process.env["MAJORDOMO_API_KEY"] = before
    }
  })
})

describe("createModel", () => {
  for (
    const [provider, variable, path] of [
      ["anthropic", "ANTHROPIC_API_KEY", "/v1/messages"],
      ["openai", "OPENAI_API_KEY", "/v1/responses"],
      ["gemini", "GEMINI_API_KEY", "/v1beta/models/gemini-2.5-flash:generateContent"]
    ] as const
  ) {
    it.scoped(`${provider}: the guide's model, through the gateway, with a warning that it is retired`, () =>
      Effect.gen(function*() {
        const gateway = yield* FakeProvider.make()
        const environment = ConfigProvider.fromMap(
          new Map([["MAJORDOMO_API_KEY", "mdm_sk_1"], ["MAJORDOMO_GATEWAY_URL", gateway.url], [variable, apiKey]])
        )
        const live = Clients.createModel(provider, undefined, { feature: "guide" }).pipe(
          Layer.provide(UndiciHttpClient.layer),
          Layer.provide(Layer.setConfigProvider(environment))
        )
        const answer = yield* LLM.generateText({ prompt }).pipe(Effect.provide(live))
        assert.deepStrictEqual(answer.warnings.filter(({ code }) => code === "deprecated-model").length, 1)
        const [request] = yield* gateway.requests
        assert.strictEqual(request?.path, path)
        assert.strictEqual(request?.headers["x-majordomo-key"], "mdm_sk_1")
        assert.strictEqual(request?.headers["x-majordomo-feature"], "guide")
        assert.strictEqual(request?.headers["x-majordomo-provider"], provider)
      }))
  }
})
