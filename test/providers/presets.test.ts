import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer, Redacted, Schema } from "effect"
import { LLM, OpenAICompatible, Retry } from "../../src/index.ts"
import * as Models from "../../src/Models.ts"
import * as AzureOpenAI from "../../src/providers/AzureOpenAI.ts"
import * as Majordomo from "../../src/providers/Majordomo.ts"
import { chatAnswer, chatChunk, jsonResponse, stub } from "../stub.ts"

type Json = Readonly<Record<string, unknown>>

const Person = Schema.Struct({ name: Schema.String })

/** What a call of a preset sends. */
const sent = (provider: string, model: string, options: Partial<LLM.Options> = {}, more: Models.Options = {}) =>
  Effect.gen(function*() {
    const http = stub(() => jsonResponse(chatAnswer("Hi", { model })))
    const live = Models.layer(provider, model, { retry: Retry.none, apiKey: Redacted.make("k-1"), ...more })
    const { warnings } = yield* LLM.generateText({ prompt: "Hello", ...options }).pipe(
      Effect.provide(Layer.provide(live, http.layer))
    )
    const body: Json = { ...Object(http.sent[0]?.body) }
    return { url: http.sent[0]?.url, headers: http.sent[0]?.headers ?? {}, body, warnings }
  })

const asked = <A, I>(schema: Schema.Schema<A, I>, provider: string, model: string) =>
  Effect.gen(function*() {
    const http = stub(() => jsonResponse(chatAnswer("{\"name\":\"Ada\"}", { model })))
    const live = Models.layer(provider, model, { apiKey: Redacted.make("k-1") })
    const { content } = yield* LLM.generateObject({ prompt: "Who?", schema }).pipe(
      Effect.provide(Layer.provide(live, http.layer))
    )
    assert.deepEqual<unknown>(content, { name: "Ada" })
    const body: Json = { ...Object(http.sent[0]?.body) }
    return { way: Object(body["response_format"]).type, prompt: JSON.stringify(body["messages"]) }
  })

const environment = (variables: Readonly<Record<string, string>>) =>
  Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(variables))))

const addresses: ReadonlyArray<readonly [provider: string, url: string, key: string]> = [
  ["openai-chat", "https://api.openai.com/v1/chat/completions", "OPENAI_API_KEY"],
  ["deepseek", "https://api.deepseek.com/chat/completions", "DEEPSEEK_API_KEY"],
  ["fireworks", "https://api.fireworks.ai/inference/v1/chat/completions", "FIREWORKS_API_KEY"],
  ["together", "https://api.together.xyz/v1/chat/completions", "TOGETHER_API_KEY"],
  ["baseten", "https://inference.baseten.co/v1/chat/completions", "BASETEN_API_KEY"],
  ["nebius", "https://api.tokenfactory.nebius.com/v1/chat/completions", "NEBIUS_API_KEY"],
  ["deepinfra", "https://api.deepinfra.com/v1/openai/chat/completions", "DEEPINFRA_API_KEY"],
  ["moonshot", "https://api.moonshot.ai/v1/chat/completions", "MOONSHOT_API_KEY"],
  ["novita", "https://api.novita.ai/openai/v1/chat/completions", "NOVITA_API_KEY"],
  ["groq", "https://api.groq.com/openai/v1/chat/completions", "GROQ_API_KEY"],
  ["mistral", "https://api.mistral.ai/v1/chat/completions", "MISTRAL_API_KEY"],
  ["openrouter", "https://openrouter.ai/api/v1/chat/completions", "OPENROUTER_API_KEY"],
  ["xai", "https://api.x.ai/v1/chat/completions", "XAI_API_KEY"],
  ["perplexity", "https://api.perplexity.ai/chat/completions", "PERPLEXITY_API_KEY"],
  ["cerebras", "https://api.cerebras.ai/v1/chat/completions", "CEREBRAS_API_KEY"]
]

const local: ReadonlyArray<readonly [provider: string, url: string]> = [
  ["ollama", "http://localhost:11434/v1/chat/completions"],
  ["vllm", "http://localhost:8000/v1/chat/completions"],
  ["lmstudio", "http://localhost:1234/v1/chat/completions"],
  ["llamacpp", "http://localhost:8080/v1/chat/completions"]
]

describe("Presets", () => {
  it("are all in the tables of this test", () => {
    const tested = [...addresses, ...local].map(([provider]) => provider)
    const rows = Models.list().filter((row) => row.wire === "chat-completions").map((row) => row.provider)
    assert.sameMembers(rows, [...tested, "azure", "majordomo"])
  })

  it.effect.each(addresses)(
    "%s: its address, its key, and the key's name when it is missing",
    ([provider, url, key]) =>
      Effect.gen(function*() {
        const { headers, ...one } = yield* sent(provider, "m")
        assert.strictEqual(one.url, url)
        assert.strictEqual(headers["authorization"], "Bearer k-1")
        assert.strictEqual(one.body["model"], "m")
        const live = Layer.provide(Models.layer(provider, "m"), stub().layer)
        const missing = yield* Effect.flip(Effect.scoped(Layer.build(live))).pipe(environment({}))
        assert.strictEqual(missing.variable, key)
        assert.include(missing.message, key)
        yield* Effect.scoped(Layer.build(live)).pipe(environment({ [key]: "k-2" }))
        // A gateway without a path gets the provider's own prefix; one with a path is used as it is.
        const gateway = yield* sent(provider, "m", {}, { baseUrl: "https://gw.example/" })
        assert.strictEqual(gateway.url, `https://gw.example${new URL(url).pathname}`)
        const proxied = yield* sent(provider, "m", {}, { baseUrl: "https://gw.example/x/" })
        assert.strictEqual(proxied.url, "https://gw.example/x/chat/completions")
      })
  )

  it.effect.each(local)("%s: needs no key, sends one that it is given", ([provider, url]) =>
    Effect.gen(function*() {
      const http = stub(() => jsonResponse(chatAnswer("Hi")))
      yield* LLM.generateText({ prompt: "Hello" }).pipe(
        Effect.provide(Layer.provide(Models.layer(provider, "m"), http.layer)),
        environment({})
      )
      assert.strictEqual(http.sent[0]?.url, url)
      assert.notProperty(http.sent[0]?.headers, "authorization")
      assert.strictEqual((yield* sent(provider, "m")).headers["authorization"], "Bearer k-1")
    }))

  const reasoning: ReadonlyArray<readonly [provider: string, model: string, asked: LLM.Reasoning, sent: Json]> = [
    ["deepseek", "m", { effort: "none" }, { thinking: { type: "disabled" } }],
    ["deepseek", "m", { effort: "xhigh" }, { thinking: { type: "enabled" }, reasoning_effort: "max" }],
    ["fireworks", "m", { effort: "none" }, { thinking: { type: "disabled" } }],
    ["fireworks", "m", { effort: "high", budgetTokens: 9 }, { reasoning_effort: "high" }],
    ["fireworks", "m", { budgetTokens: 4096 }, { thinking: { type: "enabled", budget_tokens: 4096 } }],
    ["together", "m", { effort: "medium" }, { thinking: { type: "enabled" }, reasoning_effort: "medium" }],
    ["moonshot", "kimi-k2.6", { effort: "none" }, { thinking: { type: "disabled" } }],
    ["moonshot", "kimi-k3", { effort: "medium" }, { reasoning_effort: "high" }],
    ["groq", "qwen/qwen3-32b", { effort: "low" }, { reasoning_effort: "default" }],
    ["groq", "openai/gpt-oss-120b", { effort: "max" }, { reasoning_effort: "high" }],
    ["mistral", "m", { effort: "low" }, { reasoning_effort: "high" }],
    ["openrouter", "m", { effort: "max" }, { reasoning: { effort: "xhigh" } }],
    ["openrouter", "m", { effort: "low", budgetTokens: 2000 }, { reasoning: { max_tokens: 2000 } }],
    ["xai", "grok-3-mini", { effort: "medium" }, { reasoning_effort: "high" }],
    ["xai", "grok-4.3", { effort: "medium" }, { reasoning_effort: "medium" }],
    ["perplexity", "sonar-reasoning-pro", { effort: "minimal" }, { reasoning_effort: "minimal" }],
    ["cerebras", "gpt-oss-120b", { effort: "minimal" }, { reasoning_effort: "low" }],
    ["ollama", "m", { effort: "none" }, { reasoning_effort: "none" }],
    ["vllm", "m", { effort: "none" }, { chat_template_kwargs: { enable_thinking: false } }],
    ["llamacpp", "m", { effort: "none" }, { chat_template_kwargs: { enable_thinking: false } }]
  ]
  const fields = ["thinking", "reasoning_effort", "reasoning", "chat_template_kwargs"]
  it.effect.each(reasoning)(
    "reason as the host takes it: %s %s",
    ([provider, model, reasoning, expected]) =>
      Effect.gen(function*() {
        const { body, warnings } = yield* sent(provider, model, { reasoning })
        const told = Object.fromEntries(Object.entries(body).filter(([name]) => fields.includes(name)))
        assert.deepStrictEqual(told, expected)
        assert.deepStrictEqual(warnings.filter(({ code }) => code === "dropped-parameter"), [])
      })
  )

  it.effect("say what a host cannot be told about reasoning", () =>
    Effect.gen(function*() {
      const codes = (provider: string, model: string, reasoning: LLM.Reasoning) =>
        Effect.map(sent(provider, model, { reasoning }), ({ warnings }) => warnings.map(({ message }) => message))
      assert.include(
        (yield* codes("moonshot", "kimi-k3", { effort: "none" })).join(),
        "kimi-k3 takes no reasoning effort"
      )
      assert.include((yield* codes("together", "m", { budgetTokens: 5 })).join(), "together takes no reasoning budget")
      assert.include((yield* codes("deepseek", "m", { budgetTokens: 5 })).join(), "deepseek takes no reasoning budget")
      const grok = yield* Effect.flip(sent("xai", "grok-4-fast-reasoning", { reasoning: { effort: "low" } }))
      assert.include(grok.message, "Unsupported: reasoning")
    }))

  const ways: ReadonlyArray<readonly [provider: string, model: string, way: "json_schema" | "json_object"]> = [
    ["deepseek", "deepseek-v4-pro", "json_object"],
    ["baseten", "deepseek-ai/DeepSeek-V4-Pro", "json_object"],
    ["baseten", "moonshotai/Kimi-K3", "json_schema"],
    ["nebius", "moonshotai/Kimi-K2.6", "json_object"],
    ["nebius", "zai-org/GLM-5.2", "json_schema"],
    ["deepinfra", "thinkingmachines/Inkling", "json_object"],
    ["deepinfra", "zai-org/GLM-5.2", "json_schema"],
    ["novita", "deepseek/deepseek-v4-pro", "json_object"],
    ["novita", "zai-org/glm-5.1", "json_object"],
    ["novita", "zai-org/glm-5.2", "json_schema"],
    ["groq", "llama-3.3-70b-versatile", "json_object"],
    ["groq", "openai/gpt-oss-120b", "json_schema"],
    ["perplexity", "sonar", "json_schema"],
    ["lmstudio", "qwen3-8b", "json_schema"]
  ]
  it.effect.each(ways)(
    "ask for an object as the model takes it: %s %s",
    ([provider, model, way]) =>
      Effect.gen(function*() {
        const one = yield* asked(Person, provider, model)
        assert.strictEqual(one.way, way)
        assert.strictEqual(one.prompt.includes("JSON Schema"), way === "json_object")
        const { structured } = yield* Models.capabilities(provider, model)
        assert.strictEqual(structured, way === "json_object" ? "json-mode" : "native")
      })
  )

  it.effect("ask for any JSON in the prompt alone where JSON mode is rejected", () =>
    Effect.gen(function*() {
      for (const provider of ["perplexity", "lmstudio"]) {
        const http = stub(() => jsonResponse(chatAnswer("{}")))
        const live = Models.layer(provider, "m", { apiKey: Redacted.make("k-1") })
        yield* LLM.generateJson({ prompt: "An empty object" }).pipe(Effect.provide(Layer.provide(live, http.layer)))
        assert.notProperty(http.sent[0]?.body, "response_format")
      }
    }))

  it.effect("search the web as the host does, or not at all", () =>
    Effect.gen(function*() {
      const search = (provider: string, model = "m") => sent(provider, model, { webSearch: true })
      assert.deepStrictEqual((yield* search("openrouter")).body["plugins"], [{ id: "web" }])
      assert.hasAllKeys((yield* search("perplexity")).body, ["model", "messages"])
      assert.hasAllKeys((yield* search("groq", "groq/compound")).body, ["model", "messages"])
      for (const provider of ["groq", "xai", "together", "ollama"]) {
        assert.include((yield* Effect.flip(search(provider))).message, "Unsupported: web search")
      }
    }))

  it.effect("Mistral: another name of the seed, and no question about usage", () =>
    Effect.gen(function*() {
      const { body } = yield* sent("mistral", "m", { seed: 0, maxTokens: 5 })
      assert.deepStrictEqual(body, {
        model: "m",
        messages: [{ role: "user", content: "Hello" }],
        max_tokens: 5,
        random_seed: 0
      })
      const http = stub(() => new Response(chatChunk({ content: "Hi" }, "stop"), { status: 200 }))
      const live = Models.layer("mistral", "m", { apiKey: Redacted.make("k-1") })
      yield* LLM.collect(LLM.streamText({ prompt: "Hello" })).pipe(Effect.provide(Layer.provide(live, http.layer)))
      assert.notProperty(http.sent[0]?.body, "stream_options")
    }))

  it.effect("the output cap under the name the host wants", () =>
    Effect.gen(function*() {
      for (const provider of ["groq", "cerebras", "openai-chat"]) {
        assert.property((yield* sent(provider, "m", { maxTokens: 5 })).body, "max_completion_tokens")
      }
      assert.property((yield* sent("together", "m", { maxTokens: 5 })).body, "max_tokens")
    }))

  it.effect("no sampling and no stop sequences for models that take none", () =>
    Effect.gen(function*() {
      const { body, warnings } = yield* sent("moonshot", "kimi-k3", { temperature: 1 })
      assert.notProperty(body, "temperature")
      assert.strictEqual(warnings[0]?.code, "dropped-parameter")
      assert.property((yield* sent("baseten", "zai-org/GLM-5.2", { temperature: 1 })).body, "temperature")
      assert.include((yield* Effect.flip(sent("xai", "grok-4.3", { stop: ["x"] }))).message, "stop sequences")
      assert.property((yield* sent("xai", "grok-4-1-fast-non-reasoning", { stop: ["x"] })).body, "stop")
    }))
})

describe("AzureOpenAI", () => {
  const url = (more: Partial<AzureOpenAI.Options>, variables: Readonly<Record<string, string>> = {}) =>
    Effect.gen(function*() {
      const http = stub(() => jsonResponse(chatAnswer("Hi")))
      const live = AzureOpenAI.layer({ model: "my deployment", retry: Retry.none, ...more })
      yield* LLM.generateText({ prompt: "Hello", maxTokens: 5 }).pipe(
        Effect.provide(Layer.provide(live, http.layer)),
        environment(variables)
      )
      return http.sent[0]
    })
  const apiKey = Redacted.make("k-azure")
  const baseUrl = "https://acme.openai.azure.com/"

  it.effect("the v1 API, or the paths of deployments with a version", () =>
    Effect.gen(function*() {
      const v1 = yield* url({ baseUrl, apiKey })
      assert.strictEqual(v1?.url, "https://acme.openai.azure.com/openai/v1/chat/completions")
      assert.strictEqual(v1?.headers["api-key"], "k-azure")
      assert.notProperty(v1?.headers, "authorization")
      const dated = yield* url({ baseUrl, apiKey, apiVersion: "2024-10-21" })
      assert.strictEqual(
        dated?.url,
        "https://acme.openai.azure.com/openai/deployments/my%20deployment/chat/completions?api-version=2024-10-21"
      )
    }))

  it.effect("address and key from the environment; each is named when it is missing", () =>
    Effect.gen(function*() {
      const variables = { AZURE_OPENAI_ENDPOINT: baseUrl, AZURE_OPENAI_API_KEY: "k-2" }
      assert.strictEqual((yield* url({}, variables))?.headers["api-key"], "k-2")
      assert.include((yield* Effect.flip(url({ apiKey }))).message, "AZURE_OPENAI_ENDPOINT")
      assert.include((yield* Effect.flip(url({ baseUrl }))).message, "AZURE_OPENAI_API_KEY")
      const entra = yield* url({ baseUrl, defaultHeaders: { Authorization: "Bearer t" } })
      assert.strictEqual(entra?.headers["authorization"], "Bearer t")
    }))
})

describe("Majordomo", () => {
  it.effect("routes by headers, at the gateway's address", () =>
    Effect.gen(function*() {
      const http = stub(() =>
        jsonResponse(chatAnswer("Hi"), {
          headers: { "x-majordomo-routed-provider": "openai", "x-majordomo-routed-model": "gpt-4.1-mini" }
        })
      )
      const live = Layer.provide(Majordomo.layer({ model: "any-large" }), http.layer)
      const ask = Effect.provide(LLM.generateText({ prompt: "Hello" }), live)
      const { provider } = yield* ask.pipe(environment({ MAJORDOMO_API_KEY: "mk-1" }))
      assert.strictEqual(provider, "openai")
      const [first] = http.sent
      assert.strictEqual(first?.url, "http://localhost:7680/v1/chat/completions")
      assert.strictEqual(first?.headers["x-majordomo-key"], "mk-1")
      assert.strictEqual(first?.headers["x-majordomo-provider"], "majordomo")
      assert.strictEqual(first?.headers["x-majordomo-model"], "any-large")
      assert.notProperty(first?.headers, "authorization")
      yield* ask.pipe(environment({ MAJORDOMO_API_KEY: "mk-1", MAJORDOMO_GATEWAY_URL: "https://gw.example" }))
      assert.strictEqual(http.sent[1]?.url, "https://gw.example/v1/chat/completions")
    }))
})

describe("A host we do not know", () => {
  it.effect("takes one row and no other change", () =>
    Effect.gen(function*() {
      const acme = OpenAICompatible.preset({
        name: "acme",
        baseUrl: "https://llm.acme.example",
        prefix: "/api",
        keyVariable: "ACME_KEY",
        keyHeader: "x-acme-key",
        structured: (model) => model.endsWith("large") ? "native" : "prompt",
        webSearch: () => ({ search: true })
      })
      const http = stub(() => jsonResponse(chatAnswer("Hi")))
      const live = Models.layer("acme/acme-large").pipe(
        Layer.provide(Models.layerRegistry({ providers: { acme: Models.fromPreset(acme) } })),
        Layer.provide(http.layer)
      )
      const { provider } = yield* LLM.generateText({ prompt: "Hello", webSearch: true }).pipe(
        Effect.provide(live),
        environment({ ACME_KEY: "k-3" })
      )
      assert.strictEqual(provider, "acme")
      assert.strictEqual(http.sent[0]?.url, "https://llm.acme.example/api/chat/completions")
      assert.strictEqual(http.sent[0]?.headers["x-acme-key"], "k-3")
      assert.deepInclude(Object(http.sent[0]?.body), { search: true })
    }))

  it.effect("may be given by options alone, its own headers and all", () =>
    Effect.gen(function*() {
      const http = stub(() => jsonResponse(chatAnswer("Hi")))
      const live = OpenAICompatible.layer({
        provider: "copilot",
        baseUrl: "https://api.githubcopilot.com",
        prefix: "",
        apiKey: Redacted.make("k-4"),
        model: "gpt-4o",
        defaultHeaders: { "copilot-integration-id": "vscode-chat" }
      })
      yield* LLM.generateText({ prompt: "Hello" }).pipe(Effect.provide(Layer.provide(live, http.layer)))
      assert.strictEqual(http.sent[0]?.url, "https://api.githubcopilot.com/chat/completions")
      assert.strictEqual(http.sent[0]?.headers["copilot-integration-id"], "vscode-chat")
    }))

  it.effect("an address by its own variable, from the configuration or the options", () =>
    Effect.gen(function*() {
      const http = stub(() => jsonResponse(chatAnswer("Hi")))
      const ask = (live: ReturnType<typeof Models.layer>) =>
        LLM.generateText({ prompt: "Hello" }).pipe(Effect.provide(Layer.provide(live, http.layer)))
      yield* ask(Models.layer("vllm", "m")).pipe(environment({ VLLM_BASE_URL: "http://gpu-1:8000" }))
      yield* ask(Models.layer("vllm", "m", { baseUrl: "http://gpu-2:8000" })).pipe(
        environment({ VLLM_BASE_URL: "http://gpu-1:8000" })
      )
      assert.deepStrictEqual(http.sent.map(({ url }) => new URL(url).hostname), ["gpu-1", "gpu-2"])
    }))
})
