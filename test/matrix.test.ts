/** Every provider against every kind of answer and error, over real sockets. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option, Redacted, Schema } from "effect"
import { LLM, LLMError, Models, Retry, Tool } from "../src/index.ts"
import { answerTool } from "../src/internal/wires/structuredAnswer.ts"
import { FakeProvider } from "../src/testing/index.ts"
import * as UndiciHttpClient from "../src/UndiciHttpClient.ts"

/** A model of each provider that can do most. */
const models: Readonly<Record<string, string>> = {
  openai: "gpt-5.4",
  "openai-chat": "gpt-5.4",
  anthropic: "claude-sonnet-5",
  gemini: "gemini-2.5-pro",
  cohere: "command-a-reasoning-08-2025",
  bedrock: "us.anthropic.claude-sonnet-4-6",
  "bedrock-mantle": "anthropic.claude-opus-4-8",
  deepseek: "deepseek-v4-pro",
  mistral: "magistral-medium-latest",
  groq: "openai/gpt-oss-120b",
  xai: "grok-4.3",
  perplexity: "sonar-pro"
}

/** The Chat Completions wire of OpenAI itself has no field for what the model thought. */
const hidesReasoning = ["openai-chat", "azure"]

const City = Schema.Struct({ name: Schema.String, people: Schema.Int, nick: Schema.optional(Schema.String) })
const usage = { inputTokens: 120, cachedInputTokens: 40, outputTokens: 9 }

const weather = Tool.make({
  name: "weather",
  description: "Tells the weather",
  parameters: Schema.Struct({ city: Schema.String }),
  handler: ({ city }) => Effect.succeed({ city, celsius: 21 })
})

const errors: ReadonlyArray<readonly [reply: FakeProvider.Reply, tag: string]> = [
  [FakeProvider.status(400), "InvalidRequestError Rejected"],
  [FakeProvider.status(400, { kind: "context-length" }), "InvalidRequestError ContextLengthExceeded"],
  [FakeProvider.status(401), "Authentication"],
  [FakeProvider.status(402, { kind: "quota" }), "QuotaExceeded"],
  [FakeProvider.status(403), "PermissionDenied"],
  [FakeProvider.status(404), "ModelNotFound"],
  [FakeProvider.status(429, { retryAfter: 3 }), "RateLimited"],
  [FakeProvider.status(500), "ServerError"],
  [FakeProvider.status(503), "Overloaded"],
  [FakeProvider.status(504), "Timeout"],
  [FakeProvider.html(502), "ServerError"]
]

for (const [name, provider] of Object.entries(Models.defaults.providers)) {
  const model = models[name] ?? "any-model"
  const called = name === "openai-chat" ? "openai" : name

  /** A provider's layer over a fake that plays these replies. */
  const playing = (...replies: ReadonlyArray<FakeProvider.Reply>) =>
    Effect.gen(function*() {
      const fake = yield* FakeProvider.make()
      yield* fake.script(...replies)
      const context = yield* Layer.build(
        provider.layer({
          model,
          baseUrl: fake.url,
          apiKey: Redacted.make("k-123456"),
          region: "us-east-1",
          retry: Retry.none
        }).pipe(Layer.provide(UndiciHttpClient.layer))
      )
      return { fake, run: <A, E>(effect: Effect.Effect<A, E, LLM.LLM>) => Effect.provide(effect, context) }
    })

  const ask = (mode: "single" | "stream", options: Partial<LLM.Options> = {}) =>
    mode === "single"
      ? LLM.generateText({ prompt: "Hello", ...options })
      : LLM.collect(LLM.streamText({ prompt: "Hello", ...options }))

  describe(name, () => {
    it.scopedLive("text, whole and streamed, with usage of what was cached", () =>
      Effect.gen(function*() {
        const reply = FakeProvider.text("Grüße 🙂", { usage })
        const { fake, run } = yield* playing(reply, reply)
        for (const mode of ["single", "stream"] as const) {
          const answer = yield* run(ask(mode))
          assert.strictEqual(answer.text, "Grüße 🙂")
          assert.strictEqual(answer.finishReason, "stop")
          assert.strictEqual(answer.provider, called)
          // This host reports usage unasked; the fake, like most, wants to be asked.
          if (name === "mistral" && mode === "stream") continue
          const { cachedInputTokens, inputTokens, outputTokens } = answer.usage
          assert.deepStrictEqual({ inputTokens, cachedInputTokens, outputTokens }, usage)
        }
        assert.deepStrictEqual((yield* fake.requests).map(({ streamed }) => streamed), [false, true])
      }))

    it.scopedLive("JSON and an object, whole and streamed", () =>
      Effect.gen(function*() {
        const value = { name: "Oslo", people: 717_710 }
        // Where objects come through a tool, they are asked for by calling it.
        const structured = provider.structured
        const way = typeof structured === "function" ? structured(model) : structured
        const reply = way === "tool"
          ? FakeProvider.toolCalls([{ name: answerTool, arguments: value }])
          : FakeProvider.json(value)
        const { run } = yield* playing(FakeProvider.json(value), reply, reply)
        assert.deepStrictEqual((yield* run(LLM.generateJson({ prompt: "JSON" }))).content, value)
        const request = { prompt: "A city", schema: City }
        assert.deepStrictEqual((yield* run(LLM.generateObject(request))).content, value)
        assert.deepStrictEqual((yield* run(LLM.collect(LLM.streamObject(request)))).content, value)
      }))

    it.scopedLive("tools: called, answered and told, whole and streamed", () =>
      Effect.gen(function*() {
        const call = FakeProvider.toolCalls([{ name: "weather", arguments: { city: "Oslo" } }])
        const { fake, run } = yield* playing(call, FakeProvider.text("21 degrees"), call)
        const answer = yield* run(LLM.runTools({ prompt: "Weather in Oslo?", tools: [weather] }))
        assert.strictEqual(answer.text, "21 degrees")
        assert.include(JSON.stringify((yield* fake.requests)[1]?.body), "celsius")
        const streamed = yield* run(ask("stream", { tools: [weather] }))
        assert.deepStrictEqual(streamed.toolCalls.map((call) => [call.name, call.arguments]), [
          ["weather", { city: "Oslo" }]
        ])
        assert.strictEqual(streamed.finishReason, "tool-calls")
      }))

    if (!hidesReasoning.includes(name)) {
      it.scopedLive("what the model thought, apart from what it says", () =>
        Effect.gen(function*() {
          const reply = FakeProvider.text("42", { reasoning: "six times seven" })
          const { run } = yield* playing(reply, reply)
          for (const mode of ["single", "stream"] as const) {
            const answer = yield* run(ask(mode))
            assert.deepStrictEqual([Option.getOrNull(answer.reasoning), answer.text], ["six times seven", "42"])
          }
        }))
    }

    it.scopedLive("refusals and answers cut off", () =>
      Effect.gen(function*() {
        const refusal = FakeProvider.refusal("I may not")
        const cut = FakeProvider.truncated("Once upon")
        const { run } = yield* playing(refusal, refusal, cut, cut)
        for (const mode of ["single", "stream"] as const) {
          assert.strictEqual((yield* Effect.flip(run(ask(mode))))._tag, "ContentFilteredError")
        }
        for (const mode of ["single", "stream"] as const) {
          const answer = yield* run(ask(mode))
          assert.deepStrictEqual([answer.finishReason, answer.text], ["length", "Once upon"])
        }
      }))

    it.scopedLive("every error, whole and streamed, with provider and model", () =>
      Effect.gen(function*() {
        const { fake, run } = yield* playing(...errors.flatMap(([reply]) => [reply, reply]))
        for (const [, tag] of errors) {
          for (const mode of ["single", "stream"] as const) {
            const error = yield* Effect.flip(run(ask(mode)))
            const kind = error._tag === "InvalidRequestError" ? `${error._tag} ${error.reason}` : LLMError.tagOf(error)
            assert.strictEqual(kind, tag, error.message)
            if (error._tag === "ProviderError") assert.deepStrictEqual([error.provider, error.model], [called, model])
          }
        }
        assert.lengthOf(yield* fake.requests, errors.length * 2)
      }))

    it.scopedLive("web search, or Unsupported before anything is sent", () =>
      Effect.gen(function*() {
        const { fake, run } = yield* playing()
        const { webSearch } = provider
        const can = typeof webSearch === "function" ? webSearch(model) : webSearch
        const answer = yield* Effect.either(run(ask("single", { webSearch: true })))
        assert.strictEqual(answer._tag, can ? "Right" : "Left")
        if (answer._tag === "Left") assert.strictEqual(LLMError.tagOf(answer.left), "Unsupported")
        assert.lengthOf(yield* fake.requests, can ? 1 : 0)
      }))
  })
}
