import { assert, describe, it } from "@effect/vitest"
import { Chunk, Effect, Layer, Option, Redacted, Schema, Stream } from "effect"
import { blockProblems } from "../scripts/conformance/blocks.ts"
import {
  Anthropic,
  Cascade,
  Cohere,
  Gemini,
  LLM,
  LLMError,
  OpenAI,
  OpenAIChat,
  OpenAICompatible,
  Prompt,
  Retry
} from "../src/index.ts"
import { hosts } from "../src/internal/hosts/rows.ts"
import * as Models from "../src/Models.ts"
import { fromRows } from "../src/providers/internal/catalog.ts"
import { FakeProvider, TestLLM } from "../src/testing/index.ts"
import { chatAnswer, jsonResponse, stub } from "./stub.ts"

const apiKey = Redacted.make("k-123456")

const bodyOf = (
  layer: Layer.Layer<LLM.LLM, LLMError.ConfigurationError, import("@effect/platform").HttpClient.HttpClient>,
  options: Partial<LLM.Options>
) =>
  Effect.gen(function*() {
    const http = stub(() => jsonResponse({ error: { message: "no" } }, { status: 400 }))
    yield* Effect.exit(
      LLM.generateText({ prompt: "Hello", ...options }).pipe(Effect.provide(Layer.provide(layer, http.layer)))
    )
    const body: Record<string, unknown> = Object(http.sent[0]?.body)
    return body
  })

describe("providerOptions", () => {
  it.effect("an object under a provider's name reaches only that provider; the rest reaches all", () =>
    Effect.gen(function*() {
      const providerOptions = {
        anthropic: { thinking: { type: "adaptive" } },
        openai: { prediction: { type: "content" } },
        groq: { service_tier: "flex" },
        user: "u-1"
      }
      const claude = yield* bodyOf(Anthropic.layer({ model: "claude-sonnet-4-5", apiKey }), { providerOptions })
      assert.deepInclude(claude, { thinking: { type: "adaptive" }, user: "u-1" })
      assert.doesNotHaveAnyKeys(claude, ["anthropic", "openai", "groq", "prediction"])
      const gpt = yield* bodyOf(OpenAIChat.layer({ model: "gpt-4.1", apiKey }), { providerOptions })
      assert.deepInclude(gpt, { prediction: { type: "content" }, user: "u-1" })
      assert.doesNotHaveAnyKeys(gpt, ["anthropic", "openai", "groq", "thinking"])
    }))

  it.effect("those of a layer stand under those of the request", () =>
    Effect.gen(function*() {
      const layer = OpenAICompatible.layer({
        provider: "acme",
        model: "m",
        baseUrl: "http://a.test",
        providerOptions: { acme: { a: 1, b: { c: 1 } }, d: 1 }
      })
      const body = yield* bodyOf(layer, { providerOptions: { acme: { b: { e: 2 } }, d: 2 } })
      assert.deepInclude(body, { a: 1, b: { c: 1, e: 2 }, d: 2 })
    }))
})

describe("options that some wires have", () => {
  const options = { topK: 7, presencePenalty: 0.5, frequencyPenalty: 0.25, parallelToolCalls: false } as const
  const tools = [{ name: "f", parameters: { type: "object" } }]
  const layers = {
    "chat-completions": OpenAICompatible.layer({ provider: "acme", model: "m", baseUrl: "http://a.test" }),
    openai: OpenAIChat.layer({ model: "gpt-4.1", apiKey }),
    responses: OpenAI.layer({ model: "gpt-4.1", apiKey }),
    messages: Anthropic.layer({ model: "claude-3-7-sonnet-latest", apiKey }),
    "generate-content": Gemini.layer({ model: "gemini-2.5-flash", apiKey }),
    cohere: Cohere.layer({ model: "command-a-03-2025", apiKey })
  }
  const penalties = { presence_penalty: 0.5, frequency_penalty: 0.25 }
  const expected = {
    "chat-completions": { ...penalties, top_k: 7, parallel_tool_calls: false },
    openai: { ...penalties, parallel_tool_calls: false },
    responses: { parallel_tool_calls: false },
    messages: { top_k: 7, tool_choice: { type: "auto", disable_parallel_tool_use: true } },
    "generate-content": { generationConfig: { topK: 7, presencePenalty: 0.5, frequencyPenalty: 0.25 } },
    cohere: { ...penalties, k: 7 }
  } as const
  for (const [name, layer] of Object.entries(layers)) {
    it.effect(`${name}: sent under its name, or said to be dropped`, () =>
      Effect.gen(function*() {
        const body = yield* bodyOf(layer, { ...options, tools })
        const fields: Readonly<Record<string, object>> = expected
        assert.deepInclude(body, { ...fields[name] })
      }))
  }

  it.effect("each that is dropped has a warning", () =>
    Effect.gen(function*() {
      const http = stub(() => jsonResponse(chatAnswer("Hi")))
      const { warnings } = yield* LLM.generateText({ prompt: "Hello", topK: 7, parallelToolCalls: false, tools }).pipe(
        Effect.provide(Layer.provide(OpenAIChat.layer({ model: "gpt-4.1", apiKey }), http.layer))
      )
      assert.deepStrictEqual(warnings.map(({ code }) => code), ["dropped-parameter"])
      assert.include(warnings[0]?.message ?? "", "topK")
    }))
})

describe("memberRetries", () => {
  const down = new LLMError.ProviderError({ provider: "p", model: "m", reason: new LLMError.Overloaded() })
  const setup = (options: Cascade.Options) =>
    Effect.gen(function*() {
      const asked = { first: 0, second: 0 }
      const member = (name: "first" | "second", answer: Effect.Effect<string, LLMError.LLMError>) =>
        LLM.fromFunctions({
          provider: name,
          model: "m",
          generate: () => {
            asked[name]++
            return answer
          }
        }, { retry: Retry.make({ tries: 3, base: "1 millis" }) })
      const live = Cascade.layer(
        [member("first", Effect.fail(down)), member("second", Effect.succeed("fine"))],
        options
      )
      yield* Effect.exit(LLM.generateText({ prompt: "Hello" }).pipe(Effect.provide(live)))
      return [asked.first, asked.second]
    })

  it.live("one try before the next member, every member's own, or no move and all of its own", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* setup({}), [1, 1])
      assert.deepStrictEqual(yield* setup({ memberRetries: "each" }), [3, 1])
      assert.deepStrictEqual(yield* setup({ failoverOn: () => false }), [3, 0])
    }))
})

describe("LLM.fromFunctions", () => {
  const Person = Schema.Struct({ name: Schema.String })

  it.effect("one function is enough; both ways give the same answer, decoded and priced", () =>
    Effect.gen(function*() {
      const answer = {
        reasoning: "hm",
        text: "{\"name\":\"Ada\"}",
        toolCalls: [{ id: "1", name: "f", arguments: { a: 1 } }],
        usage: { inputTokens: 1000, outputTokens: 10 }
      }
      const functions = { provider: "openai", model: "gpt-4.1" }
      const layers = [
        LLM.fromFunctions({ ...functions, generate: () => Effect.succeed(answer) }),
        LLM.fromFunctions({
          ...functions,
          stream: () =>
            Stream.make<Array<LLM.FunctionPart>>(
              { _tag: "ReasoningDelta", delta: "hm" },
              "{\"name\":",
              "\"Ada\"}",
              { _tag: "ToolCallPart", call: { type: "tool-call", id: "1", name: "f", arguments: { a: 1 } } },
              { _tag: "End", usage: answer.usage }
            )
        })
      ]
      for (const layer of layers) {
        const whole = yield* LLM.generateObject({ prompt: "Who?", schema: Person }).pipe(Effect.provide(layer))
        const parts = yield* Stream.runCollect(LLM.streamObject({ prompt: "Who?", schema: Person })).pipe(
          Effect.provide(layer)
        )
        assert.deepStrictEqual(blockProblems(Chunk.toReadonlyArray(parts)), [])
        const streamed = yield* LLM.collect(Stream.fromChunk(parts))
        for (const response of [whole, streamed]) {
          assert.deepStrictEqual(response.content, { name: "Ada" })
          assert.deepStrictEqual(response.message.content.length, 3)
          assert.strictEqual(response.finishReason, "tool-calls")
          assert.strictEqual(Option.getOrThrow(response.cost).total, 0.00208)
          assert.lengthOf(response.attempts, 1)
        }
      }
    }))

  it.effect("a failure is tried again, and listed", () =>
    Effect.gen(function*() {
      const down = new LLMError.ProviderError({ provider: "p", model: "m", reason: new LLMError.Overloaded() })
      let asked = 0
      const layer = LLM.fromFunctions({
        provider: "local",
        model: "m",
        generate: () => asked++ === 0 ? Effect.fail(down) : Effect.succeed("fine")
      }, { retry: Retry.make({ tries: 2, base: 0 }) })
      const { attempts, text } = yield* LLM.generateText({ prompt: "Hello" }).pipe(Effect.provide(layer))
      assert.deepStrictEqual([text, attempts.map(({ error }) => error)], ["fine", ["Overloaded", undefined]])
    }))
})

describe("conversations stored under former names", () => {
  it.effect("are still understood by their wires", () =>
    Effect.gen(function*() {
      const said = (metadata: Prompt.ProviderMetadata) => [
        Prompt.user("Hello"),
        Prompt.assistant([{ type: "reasoning", text: "hm", providerMetadata: metadata }, Prompt.text("Hi")]),
        Prompt.user("Go on")
      ]
      const claude = Anthropic.layer({ model: "claude-sonnet-4-5", apiKey })
      for (const key of ["anthropic", "messages"]) {
        const body = yield* bodyOf(claude, { prompt: said({ [key]: { signature: "signed" } }) })
        assert.include(JSON.stringify(body["messages"]), "\"signature\":\"signed\"")
      }
      const gemini = Gemini.layer({ model: "gemini-2.5-flash", apiKey })
      for (const key of ["gemini", "generate-content"]) {
        const body = yield* bodyOf(gemini, { prompt: said({ [key]: { thoughtSignature: "signed" } }) })
        assert.include(JSON.stringify(body["contents"]), "\"thoughtSignature\":\"signed\"")
      }
      const openai = OpenAI.layer({ model: "gpt-5", apiKey })
      for (const key of ["openai-responses", "responses"]) {
        const item = { type: "reasoning", id: "rs_1", encrypted_content: "sealed" }
        const body = yield* bodyOf(openai, { prompt: said({ [key]: { provider: "openai", item } }) })
        assert.include(JSON.stringify(body["input"]), "sealed")
      }
    }))
})

describe("a host is one row", () => {
  it.scopedLive("a made-up one has its layer, its catalog entry and its line in the table", () =>
    Effect.gen(function*() {
      const acme: OpenAICompatible.Preset = { name: "acme", baseUrl: "https://acme.test", keyVariable: "ACME_API_KEY" }
      const contents = {
        ...Models.defaults,
        providers: { ...Models.defaults.providers, ...fromRows({ ...hosts, acme }) }
      }
      const added = Models.list(contents).filter(({ provider }) => !Object.hasOwn(Models.defaults.providers, provider))
      assert.deepStrictEqual(added.map(({ keyVariables, provider, wire }) => [provider, wire, keyVariables]), [
        ["acme", "chat-completions", ["ACME_API_KEY"]]
      ])
      const fake = yield* FakeProvider.make()
      const UndiciHttpClient = yield* Effect.promise(() => import("../src/UndiciHttpClient.ts"))
      const answer = yield* LLM.generateText({ prompt: "Hello" }).pipe(
        Effect.provide(
          Models.layer("acme", "m", { baseUrl: fake.url, apiKey }).pipe(
            Layer.provide([
              Models.layerRegistry({ providers: { acme: Models.fromPreset(acme) } }),
              UndiciHttpClient.layer
            ])
          )
        )
      )
      assert.strictEqual(answer.provider, "acme")
    }))

  it("every host of the rows is in the catalog under its name", () => {
    for (const name of Object.keys(hosts)) assert.property(Models.defaults.providers, name)
  })
})

it.effect("TestLLM holds to the contract of blocks", () =>
  Effect.gen(function*() {
    const parts = yield* Stream.runCollect(LLM.streamText({ prompt: "Hello" }))
    assert.deepStrictEqual(blockProblems(Chunk.toReadonlyArray(parts)), [])
  }).pipe(Effect.provide(TestLLM.layer([TestLLM.toolCalls([{ name: "f", arguments: { a: 1 } }], { text: "so" })]))))
