import { assert, describe, it } from "@effect/vitest"
import { Effect, Either, Layer, Option, Redacted } from "effect"
import { LLM, Pricing, Retry } from "../src/index.ts"
import { closest } from "../src/internal/models/closestNames.ts"
import * as Models from "../src/Models.ts"
import { chatAnswer, chatChunk, jsonResponse, stub } from "./stub.ts"

const apiKey = Redacted.make("k-1")

const message = (model: string) => ({
  id: "msg_1",
  type: "message",
  role: "assistant",
  model,
  content: [{ type: "text", text: "Hi" }],
  stop_reason: "end_turn",
  usage: { input_tokens: 10, output_tokens: 5 }
})

type Made = ReturnType<typeof Models.layer>

/** What a layer sends and answers when the host speaks Chat Completions, or Anthropic's wire. */
const ask = (live: Made, options: Partial<LLM.Options> = {}, answer: unknown = chatAnswer("Hi")) =>
  Effect.gen(function*() {
    const http = stub(() => jsonResponse(answer))
    const response = yield* LLM.generateText({ prompt: "Hello", ...options }).pipe(
      Effect.provide(Layer.provide(live, http.layer))
    )
    const body: Readonly<Record<string, unknown>> = { ...Object(http.sent[0]?.body) }
    return { response, body, url: http.sent[0]?.url }
  })

const failure = (live: Made) => Effect.flip(Effect.scoped(Layer.build(Layer.provide(live, stub().layer))))

describe("Models.parse", () => {
  it("splits at the first slash", () => {
    assert.deepStrictEqual(
      Models.parse("together/zai-org/GLM-5.2"),
      Either.right({ provider: "together", model: "zai-org/GLM-5.2" })
    )
    for (const name of ["", "fast", "/m", "openai/", " / "]) assert.isTrue(Either.isLeft(Models.parse(name)), name)
  })
})

describe("Models.layer", () => {
  it.effect("takes provider and model apart or together, and passes unknown models on", () =>
    Effect.gen(function*() {
      const apart = yield* ask(Models.layer("together", "zai-org/GLM-9", { apiKey }))
      const together = yield* ask(Models.layer("together/zai-org/GLM-9", { apiKey }))
      assert.strictEqual(apart.body["model"], "zai-org/GLM-9")
      assert.deepStrictEqual(together.body, apart.body)
      assert.deepStrictEqual(apart.response.warnings.filter(({ code }) => code === "deprecated-model"), [])
      assert.strictEqual(apart.response.requestedModel, "zai-org/GLM-9")
    }))

  it.effect("names what there is, and what was probably meant, when a provider is unknown", () =>
    Effect.gen(function*() {
      const error = yield* failure(Models.layer("antropic", "m"))
      assert.strictEqual(error._tag, "ConfigurationError")
      assert.include(error.message, "there is no provider \"antropic\"; did you mean \"anthropic\"? There is openai, ")
      for (const { provider } of Models.list()) assert.include(error.message, provider)
      assert.notInclude((yield* failure(Models.layer("zzzzzzzzzz", "m"))).message, "did you mean")
      assert.include((yield* failure(Models.layer("constructor", "m"))).message, "there is no provider")
      assert.include((yield* failure(Models.layer("fast"))).message, "Models.layerAlias")
    }))

  it.effect("answers for a retired model with the one that took its place, and says so every time", () =>
    Effect.gen(function*() {
      const warnings = [{ code: "other", message: "mine" }] as const
      const live = Models.layer("openai-chat", "gpt-4o-mini", { apiKey, warnings })
      const { body, response } = yield* ask(live)
      assert.strictEqual(body["model"], "gpt-4.1-mini")
      assert.strictEqual(response.requestedModel, "gpt-4o-mini")
      assert.strictEqual(response.warnings[0]?.code, "other")
      const warned = response.warnings.find(({ code }) => code === "deprecated-model")
      assert.include(warned?.message, "gpt-4o-mini is retired; gpt-4.1-mini")
      const http = stub(() => new Response(chatChunk({ content: "Hi" }, "stop") + "data: [DONE]\n\n"))
      const streamed = yield* LLM.collect(LLM.streamText({ prompt: "Hello" })).pipe(
        Effect.provide(Layer.provide(live, http.layer))
      )
      assert.strictEqual(streamed.requestedModel, "gpt-4o-mini")
      assert.include(streamed.warnings.map(({ code }) => code), "deprecated-model")
    }))

  it.effect("brings the settings of a profile; what the call says wins", () =>
    Effect.gen(function*() {
      const claude = (name: string, options: Partial<LLM.Options> = {}) =>
        Effect.map(
          ask(Models.layer("anthropic", name, { apiKey }), options, message("claude-opus-4-8")),
          ({ body, response }) => {
            assert.strictEqual(body["model"], "claude-opus-4-8")
            assert.strictEqual(response.requestedModel, name)
            return [body["thinking"], body["output_config"]]
          }
        )
      const adaptive = { type: "adaptive" }
      assert.deepStrictEqual(yield* claude("claude-opus-4-8-fast"), [undefined, { effort: "low" }])
      assert.deepStrictEqual(yield* claude("claude-opus-4-8-medium"), [adaptive, { effort: "medium" }])
      assert.deepStrictEqual(yield* claude("claude-opus-4-8-deep"), [adaptive, { effort: "xhigh" }])
      const own = yield* claude("claude-opus-4-8-fast", { reasoning: { effort: "high" } })
      assert.deepStrictEqual(own, [adaptive, { effort: "high" }])
      const hard = yield* ask(Models.layer("together/deepseek-v4-pro-hard", { apiKey }))
      assert.strictEqual(hard.body["model"], "deepseek-ai/DeepSeek-V4-Pro")
      assert.deepStrictEqual(hard.body["thinking"], { type: "enabled" })
      assert.strictEqual(hard.body["reasoning_effort"], "high")
      const fireworks = yield* ask(Models.layer("fireworks/deepseek-v4-pro-reasoning", { apiKey }))
      assert.strictEqual(fireworks.body["reasoning_effort"], "medium")
      assert.notProperty(fireworks.body, "thinking")
    }))

  it.effect("makes the layers of a list", () =>
    Effect.gen(function*() {
      const all = Models.layerAll(["groq/a", "together/b"], { apiKey, retry: Retry.none })
      assert.strictEqual((yield* ask(all["together/b"])).response.provider, "together")
      assert.strictEqual((yield* ask(all["groq/a"])).url, "https://api.groq.com/openai/v1/chat/completions")
    }))
})

describe("Models.layerAlias", () => {
  it.effect("is one model", () =>
    Effect.gen(function*() {
      const { body } = yield* ask(Models.layerAlias("fast", { apiKey }), {}, message("claude-haiku-4-5-20251001"))
      assert.strictEqual(body["model"], "claude-haiku-4-5-20251001")
    }))

  it.effect("tells the models of an alias, and what a mistyped name may have meant", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* Models.resolve("kimi-k3"), [
        { provider: "fireworks", model: "accounts/fireworks/models/kimi-k3" },
        { provider: "together", model: "moonshotai/Kimi-K3" }
      ])
      assert.include((yield* failure(Models.layerAlias("smrt"))).message, "did you mean \"smart\"?")
    }))

  it.effect("is the user's to add, replace and remove, one registry over another", () =>
    Effect.gen(function*() {
      const registry = Models.layerRegistry({
        aliases: { mine: "groq/openai/gpt-oss-120b", fast: "groq/llama" },
        removeAliases: ["smart", "cheap"],
        retired: { "groq/llama": "openai/gpt-oss-20b" }
      })
      const inner = Models.layerRegistry({ aliases: { cheap: "groq/cheapest" } }).pipe(Layer.provideMerge(registry))
      const alias = (name: string, layer = registry) => Layer.provide(Models.layerAlias(name, { apiKey }), layer)
      assert.strictEqual((yield* ask(alias("mine"))).body["model"], "openai/gpt-oss-120b")
      const fast = yield* ask(alias("fast"))
      assert.strictEqual(fast.body["model"], "openai/gpt-oss-20b")
      assert.include(fast.response.warnings.map(({ code }) => code), "deprecated-model")
      assert.include((yield* failure(alias("smart"))).message, "there is no alias \"smart\"")
      assert.strictEqual((yield* ask(alias("cheap", inner))).body["model"], "cheapest")
      assert.strictEqual((yield* ask(alias("mine", inner))).body["model"], "openai/gpt-oss-120b")
      // Nothing global was changed.
      assert.include((yield* failure(Models.layerAlias("mine"))).message, "there is no alias \"mine\"")
    }))
})

describe("Models, as data", () => {
  it.effect("every name leads to a provider that there is", () =>
    Effect.gen(function*() {
      const providers = Object.keys(Models.defaults.providers)
      for (const alias of Object.keys(Models.defaults.aliases)) {
        for (const { provider } of yield* Models.resolve(alias)) assert.include(providers, provider)
      }
      for (const name of [...Object.keys(Models.defaults.retired), ...Object.keys(Models.defaults.profiles)]) {
        assert.include(providers, Either.getOrThrow(Models.parse(name)).provider)
      }
    }))

  it.effect("says what a model can do", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* Models.capabilities("anthropic", "claude-3-5-sonnet-20241022"), {
        sampling: true,
        webSearch: false,
        structured: "tool",
        maxOutputTokens: 8192
      })
      assert.deepStrictEqual(yield* Models.capabilities("openai", "gpt-5.4"), {
        sampling: false,
        webSearch: true,
        structured: "native",
        maxOutputTokens: undefined
      })
      assert.isFalse((yield* Models.capabilities("anthropic", "claude-fable-5")).webSearch)
      assert.isFalse((yield* Models.capabilities("gemini", "gemini-2.5-flash-lite")).webSearch)
      assert.isTrue((yield* Models.capabilities("groq", "groq/compound")).webSearch)
      assert.isFalse((yield* Models.capabilities("bedrock-mantle", "anthropic.claude-opus-5")).sampling)
      assert.strictEqual((yield* Effect.flip(Models.capabilities("nobody", "m")))._tag, "ConfigurationError")
    }))

  it("a slip is a few edits, not another word", () => {
    assert.strictEqual(closest("togther", ["groq", "together"]), "together")
    assert.strictEqual(closest("OpenAI", ["openai"]), "openai")
    assert.strictEqual(closest("qwertz", ["groq", "xai"]), undefined)
  })
})

describe("Prices", () => {
  const usage = { inputTokens: 1_000_000, outputTokens: 1_000_000 }
  const at = new Date("2026-11-20T12:00:00Z")
  const priced = (provider: string, model: string) =>
    Effect.map(Pricing.quote(provider, model, usage, at), Option.map(({ total }) => total))

  const others: Readonly<Record<string, ReadonlyArray<string>>> = {
    openai: ["gpt-5.5", "gpt-5.4", "gpt-5.4-mini", "gpt-5", "gpt-5-mini"],
    anthropic: ["claude-opus-4-6", "claude-fable-5", "claude-sonnet-4-5-20250929"],
    gemini: ["gemini-2.5-flash"],
    moonshot: ["kimi-k2.6", "kimi-k3"],
    baseten: ["moonshotai/Kimi-K3", "deepseek-ai/DeepSeek-V4-Pro"],
    nebius: ["deepseek-ai/DeepSeek-V4-Pro", "moonshotai/Kimi-K2.6", "moonshotai/Kimi-K3", "zai-org/GLM-5.1"],
    deepinfra: ["deepseek-ai/DeepSeek-V4-Pro", "thinkingmachines/Inkling", "zai-org/GLM-5.2"],
    novita: ["deepseek/deepseek-v4-pro", "zai-org/glm-5.1", "moonshotai/kimi-k3"],
    together: ["Qwen/Qwen3.6-Plus", "Qwen/Qwen3.5-9B", "Qwen/Qwen3-235B-A22B-fp8-tput", "zai-org/GLM-5"],
    bedrock: [
      "us.meta.llama4-maverick-17b-instruct-v1:0",
      "us.meta.llama4-scout-17b-instruct-v1:0",
      "us.deepseek.r1-v1:0",
      "moonshot.kimi-k2-thinking",
      "moonshotai.kimi-k2.5",
      "nvidia.nemotron-nano-12b-v2",
      "deepseek.v3.2"
    ],
    "bedrock-mantle": ["anthropic.claude-opus-4-8"]
  }

  it.effect("there is one for every model that has a name here", () =>
    Effect.gen(function*() {
      const names = new Set<string>()
      for (const alias of Object.keys(Models.defaults.aliases)) {
        for (const target of yield* Models.resolve(alias)) names.add(`${target.provider}/${target.model}`)
      }
      for (const [name, replacement] of Object.entries(Models.defaults.retired)) {
        names.add(`${Either.getOrThrow(Models.parse(name)).provider}/${replacement}`)
      }
      for (const [provider, models] of Object.entries(others)) {
        for (const model of models) names.add(`${provider}/${model}`)
      }
      const missing: Array<string> = []
      for (const name of names) {
        const { model, provider } = Either.getOrThrow(Models.parse(name))
        const real = Models.defaults.profiles[name]?.model ?? model
        if (Option.isNone(yield* priced(provider === "openai-chat" ? "openai" : provider, real))) missing.push(name)
      }
      assert.deepStrictEqual(missing, [])
    }))

  it.effect("those that the list lacks are exact, in any spelling", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* priced("together", "zai-org/GLM-5.2"), Option.some(5.8))
      assert.deepStrictEqual(yield* priced("together", "zai-org/glm-5.2"), Option.some(5.8))
      assert.deepStrictEqual(yield* priced("deepinfra", "moonshotai/Kimi-K3"), Option.some(17.1))
      const haiku = yield* Pricing.quote("bedrock", "anthropic.claude-haiku-4-5", {
        inputTokens: 1_000_000,
        cacheCreationTokens: 500_000,
        cachedInputTokens: 500_000
      })
      assert.strictEqual(Option.getOrThrow(haiku).total, 0.675)
      assert.strictEqual(Option.getOrThrow(haiku).source, "prices")
    }))

  it.effect("an estimate uses the prices of the program, and the clock", () =>
    Effect.gen(function*() {
      const own = Pricing.layer({ overrides: { "together/zai-org/GLM-5.2": { input: 1, output: 1 } } })
      const mine = yield* Effect.provide(priced("together", "zai-org/GLM-5.2"), own)
      assert.deepStrictEqual(mine, Option.some(2))
      assert.deepStrictEqual(yield* Pricing.quote("nobody", "nothing", usage), Option.none())
    }))
})
