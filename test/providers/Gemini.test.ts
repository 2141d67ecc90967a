import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Duration, Effect, Layer, Option, Redacted, Schema } from "effect"
import { Gemini, LLM, Prompt, Retry, Tool } from "../../src/index.ts"
import { jsonResponse, type Stub, stub } from "../stub.ts"

const answer = (parts: ReadonlyArray<unknown>, more: Readonly<Record<string, unknown>> = {}) => ({
  candidates: [{ content: { role: "model", parts }, finishReason: "STOP", index: 0 }],
  usageMetadata: {
    promptTokenCount: 10,
    toolUsePromptTokenCount: 2,
    candidatesTokenCount: 5,
    thoughtsTokenCount: 3,
    cachedContentTokenCount: 4
  },
  modelVersion: "gemini-2.5-flash",
  responseId: "r1",
  ...more
})

const live = (http: Stub, more: Partial<Gemini.Options> = {}) =>
  Gemini.layer({ model: "gemini-2.5-flash", apiKey: Redacted.make("k-gemini"), retry: Retry.none, ...more }).pipe(
    Layer.provide(http.layer)
  )

const body = (http: Stub, i: number): Record<string, unknown> => ({ ...Object(http.sent[i]?.body) })

const sent = (options: Partial<LLM.Options>, more: Partial<Gemini.Options> = {}) =>
  Effect.gen(function*() {
    const http = stub(() => jsonResponse(answer([{ text: "Hi" }])))
    const response = yield* LLM.generateText({ prompt: "Hello", ...options }).pipe(Effect.provide(live(http, more)))
    return { ...http.sent[0], body: body(http, 0), response }
  })

const weather = Tool.make({ name: "weather", description: "d", parameters: Schema.Struct({ city: Schema.String }) })

describe("Gemini requests", () => {
  it.effect("carry the key in a header, never in the address", () =>
    Effect.gen(function*() {
      const { body, headers, url } = yield* sent({
        system: "Be brief",
        maxTokens: 9,
        stop: ["END"],
        seed: 1,
        topP: 0.1
      })
      assert.strictEqual(
        url,
        "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash:generateContent"
      )
      assert.strictEqual(headers?.["x-goog-api-key"], "k-gemini")
      assert.deepStrictEqual(body, {
        systemInstruction: { parts: [{ text: "Be brief" }] },
        contents: [{ role: "user", parts: [{ text: "Hello" }] }],
        generationConfig: { topP: 0.1, maxOutputTokens: 9, stopSequences: ["END"], seed: 1 }
      })
    }))

  it.effect("stream as server-sent events", () =>
    Effect.gen(function*() {
      const http = stub(() => new Response(`data: ${JSON.stringify(answer([{ text: "Hi" }]))}\r\n\r\n`))
      const response = yield* LLM.collect(LLM.streamText({ prompt: "Hello" })).pipe(Effect.provide(live(http)))
      assert.match(http.sent[0]?.url ?? "", /:streamGenerateContent\?alt=sse$/)
      assert.strictEqual(response.text, "Hi")
    }))

  it.effect("take the key from either variable", () =>
    Effect.gen(function*() {
      const http = stub(() => jsonResponse(answer([{ text: "Hi" }])))
      yield* LLM.generateText({ prompt: "Hello" }).pipe(
        Effect.provide(Gemini.layer({ model: "m" }).pipe(Layer.provide(http.layer))),
        Effect.withConfigProvider(ConfigProvider.fromMap(new Map([["GOOGLE_API_KEY", "k-google"]])))
      )
      assert.strictEqual(http.sent[0]?.headers["x-goog-api-key"], "k-google")
    }))

  it.effect("think by budget or by level, as the model takes it", () =>
    Effect.gen(function*() {
      const config = (reasoning: LLM.Reasoning, model: string) =>
        Effect.map(sent({ reasoning }, { model }), ({ body }) => Object(body["generationConfig"])["thinkingConfig"])
      assert.deepStrictEqual(yield* config({ effort: "low" }, "gemini-2.5-flash"), {
        includeThoughts: true,
        thinkingBudget: 2048
      })
      assert.deepStrictEqual(yield* config({ effort: "none" }, "gemini-2.5-flash"), { thinkingBudget: 0 })
      assert.deepStrictEqual(yield* config({ effort: "none" }, "gemini-2.5-pro"), { thinkingBudget: 128 })
      assert.deepStrictEqual(yield* config({ effort: "max" }, "gemini-3.1-pro-preview"), {
        includeThoughts: true,
        thinkingLevel: "high"
      })
    }))

  it.effect("ask for an object with a JSON Schema; with tools, older models are asked in words", () =>
    Effect.gen(function*() {
      const http = stub(() => jsonResponse(answer([{ text: "[1,2]" }])))
      const schema = Schema.Array(Schema.Int)
      const object = (more: Partial<LLM.Options>, model: string) =>
        LLM.generateObject({ prompt: "Numbers", schema, ...more }).pipe(Effect.provide(live(http, { model })))
      const { content } = yield* object({}, "gemini-2.5-flash")
      assert.deepStrictEqual(content, [1, 2])
      assert.deepStrictEqual(body(http, 0)["generationConfig"], {
        responseMimeType: "application/json",
        responseJsonSchema: {
          type: "array",
          items: { $ref: "#/$defs/Int" },
          $defs: { Int: { type: "integer", description: "an integer", title: "int" } }
        }
      })
      yield* object({ tools: [weather] }, "gemini-2.5-flash")
      assert.notProperty(body(http, 1), "generationConfig")
      assert.include(JSON.stringify(body(http, 1)["systemInstruction"]), "JSON Schema")
      yield* object({ tools: [weather] }, "gemini-3-flash-preview")
      assert.property(body(http, 2), "generationConfig")
    }))

  it.effect("declare tools, choose among them, answer them", () =>
    Effect.gen(function*() {
      const { body } = yield* sent({
        tools: [weather],
        toolChoice: { tool: "weather" },
        prompt: [
          Prompt.user("Weather?"),
          Prompt.assistant([{ type: "tool-call", id: "c1", name: "weather", arguments: { city: "Rome" } }]),
          Prompt.tool([Prompt.toolResult({ id: "c1", name: "weather" }, "sunny")])
        ]
      })
      assert.deepStrictEqual(body["toolConfig"], {
        functionCallingConfig: { mode: "ANY", allowedFunctionNames: ["weather"] }
      })
      assert.deepStrictEqual(body["contents"], [
        { role: "user", parts: [{ text: "Weather?" }] },
        { role: "model", parts: [{ functionCall: { name: "weather", args: { city: "Rome" } } }] },
        { role: "user", parts: [{ functionResponse: { name: "weather", response: { result: "sunny" } } }] }
      ])
    }))

  it.effect("a tool name that starts with a digit is refused", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(sent({ tools: [{ name: "1a", parameters: { type: "object" } }] }))
      assert.strictEqual(error._tag === "InvalidRequestError" && error.reason, "InvalidTool")
    }))
})

describe("Gemini answers", () => {
  it.effect("count tool prompts as input and thoughts as output", () =>
    Effect.gen(function*() {
      const { response } = yield* sent({})
      assert.deepStrictEqual(response.usage, {
        inputTokens: 12,
        outputTokens: 8,
        cachedInputTokens: 4,
        cacheCreationTokens: 0,
        reasoningTokens: 3,
        totalTokens: 20
      })
    }))

  it.effect("carry thoughts, signatures and code to the next turn, and make ids for calls", () =>
    Effect.gen(function*() {
      const parts = [
        { text: "Hm.", thought: true },
        { executableCode: { language: "PYTHON", code: "1+1" } },
        { text: "Let me see.", thoughtSignature: "sig-a" },
        { functionCall: { name: "weather", args: { city: "Rome" } }, thoughtSignature: "sig-b" }
      ]
      const http = stub(() => jsonResponse(answer(parts)))
      const layer = live(http, { model: "gemini-3-flash-preview" })
      const first = yield* LLM.generateText({ prompt: "Hello", tools: [weather] }).pipe(Effect.provide(layer))
      assert.deepStrictEqual(first.reasoning, Option.some("Hm."))
      assert.strictEqual(first.text, "Let me see.")
      // Gemini says STOP on tool calls.
      assert.strictEqual(first.finishReason, "tool-calls")
      const [call] = first.toolCalls
      assert.isNotEmpty(call?.id)
      yield* LLM.generateText({ prompt: [Prompt.user("Hello"), first.message, Prompt.user("More")] }).pipe(
        Effect.provide(layer)
      )
      assert.deepStrictEqual(Object(body(http, 1))["contents"][1], { role: "model", parts })
    }))

  it.effect("stand in for a signature that another model did not make", () =>
    Effect.gen(function*() {
      const { body } = yield* sent({
        prompt: [
          Prompt.user("Weather?"),
          Prompt.assistant([{ type: "tool-call", id: "c1", name: "weather", arguments: {} }]),
          Prompt.tool([Prompt.toolResult({ id: "c1", name: "weather" }, "sunny")])
        ]
      }, { model: "gemini-3-flash-preview" })
      assert.strictEqual(
        Object(body)["contents"][1].parts[0].thoughtSignature,
        "skip_thought_signature_validator"
      )
    }))

  it.effect("a blocked prompt and a blocked answer name the reason", () =>
    Effect.gen(function*() {
      const withheld = (body: unknown) =>
        Effect.flip(LLM.generateText({ prompt: "Hello" })).pipe(
          Effect.provide(live(stub(() => jsonResponse(body))))
        )
      const prompt = yield* withheld({ promptFeedback: { blockReason: "PROHIBITED_CONTENT" }, usageMetadata: {} })
      assert.strictEqual(prompt._tag === "ContentFilteredError" && prompt.category, "PROHIBITED_CONTENT")
      const safety = yield* withheld({ candidates: [{ finishReason: "SAFETY" }] })
      assert.strictEqual(safety._tag === "ContentFilteredError" && safety.category, "SAFETY")
    }))

  it.effect("an error in an array, in a stream, with the wait it asks for", () =>
    Effect.gen(function*() {
      const error = {
        error: { code: 429, status: "RESOURCE_EXHAUSTED", message: "slow", details: [{ retryDelay: "2s" }] }
      }
      for (const text of [JSON.stringify([error]), `data: ${JSON.stringify(error)}\r\n\r\n`]) {
        const failure = yield* Effect.flip(LLM.collect(LLM.streamText({ prompt: "Hello" }))).pipe(
          Effect.provide(live(stub(() => new Response(text))))
        )
        assert.strictEqual(failure._tag === "ProviderError" && failure.reason._tag, "RateLimited")
        assert.deepStrictEqual(failure._tag === "ProviderError" && failure.retryAfter, Duration.seconds(2))
      }
    }))
})
