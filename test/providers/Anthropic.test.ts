import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option, Redacted, Schema, Stream } from "effect"
import { Anthropic, LLM, Prompt, Retry, Tool } from "../../src/index.ts"
import { jsonResponse, type Stub, stub } from "../stub.ts"

const message = (content: ReadonlyArray<unknown>, more: Readonly<Record<string, unknown>> = {}) => ({
  id: "msg_1",
  type: "message",
  role: "assistant",
  model: "claude-sonnet-4-5-20250929",
  content,
  stop_reason: "end_turn",
  usage: { input_tokens: 10, output_tokens: 5, cache_read_input_tokens: 20, cache_creation_input_tokens: 30 },
  ...more
})

const text = (value: string) => [{ type: "text", text: value }]

const live = (http: Stub, more: Partial<Anthropic.Options> = {}) =>
  Anthropic.layer({ model: "claude-sonnet-4-5", apiKey: Redacted.make("k-anthropic"), retry: Retry.none, ...more })
    .pipe(
      Layer.provide(http.layer)
    )

/** What is sent for a request. */
const sent = (options: Partial<LLM.Options>, more: Partial<Anthropic.Options> = {}) =>
  Effect.gen(function*() {
    const http = stub(() => jsonResponse(message(text("Hi"))))
    yield* LLM.generateText({ prompt: "Hello", ...options }).pipe(Effect.provide(live(http, more)))
    return { ...http.sent[0], body: body(http, 0) }
  })

const body = (http: Stub, i: number): Record<string, unknown> => ({ ...Object(http.sent[i]?.body) })

describe("Anthropic requests", () => {
  it.effect("go to /v1/messages with key, version and a cap; the system prompt is cached", () =>
    Effect.gen(function*() {
      const { body, headers, url } = yield* sent({ system: "Be brief", temperature: 0.5, stop: ["END"] })
      assert.strictEqual(url, "https://api.anthropic.com/v1/messages")
      assert.strictEqual(headers?.["x-api-key"], "k-anthropic")
      assert.strictEqual(headers?.["anthropic-version"], "2023-06-01")
      assert.deepStrictEqual(body, {
        model: "claude-sonnet-4-5",
        max_tokens: 16_000,
        system: [{ type: "text", text: "Be brief", cache_control: { type: "ephemeral" } }],
        messages: [{ role: "user", content: text("Hello") }],
        temperature: 0.5,
        stop_sequences: ["END"]
      })
    }))

  it.effect("cap a stream higher, and an old model at its ceiling", () =>
    Effect.gen(function*() {
      const http = stub(() => jsonResponse(message(text("Hi"))))
      yield* LLM.collect(LLM.streamText({ prompt: "Hello" })).pipe(Effect.provide(live(http)))
      assert.strictEqual(body(http, 0)["max_tokens"], 64_000)
      const old = yield* sent({}, { model: "claude-3-haiku-20240307" })
      assert.strictEqual(old.body["max_tokens"], 4096)
    }))

  it.effect("cache for an hour or not at all when told so", () =>
    Effect.gen(function*() {
      const hour = yield* sent({ system: "s" }, { promptCaching: "1h" })
      assert.deepStrictEqual(hour.body["system"], [
        { type: "text", text: "s", cache_control: { type: "ephemeral", ttl: "1h" } }
      ])
      const off = yield* sent({ system: "s" }, { promptCaching: false })
      assert.deepStrictEqual(off.body["system"], [{ type: "text", text: "s" }])
    }))

  it.effect("join neighbours of one role and make tool results the user's, ids cleaned", () =>
    Effect.gen(function*() {
      const { body } = yield* sent({
        prompt: [
          Prompt.system("Rules"),
          Prompt.user("Weather?"),
          Prompt.assistant([
            Prompt.text("Let me see."),
            { type: "tool-call", id: "functions.weather:0", name: "weather", arguments: { city: "Rome" } }
          ]),
          Prompt.tool([Prompt.toolResult({ id: "functions.weather:0", name: "weather" }, { celsius: 21 })]),
          Prompt.user("And tomorrow?")
        ]
      })
      assert.deepStrictEqual(body["messages"], [
        { role: "user", content: text("Weather?") },
        {
          role: "assistant",
          content: [...text("Let me see."), {
            type: "tool_use",
            id: "functions_weather_0",
            name: "weather",
            input: { city: "Rome" }
          }]
        },
        {
          role: "user",
          content: [
            { type: "tool_result", tool_use_id: "functions_weather_0", content: "{\"celsius\":21}" },
            ...text("And tomorrow?")
          ]
        }
      ])
    }))

  it.effect("carry pictures and documents in each way they can be given", () =>
    Effect.gen(function*() {
      const png = new Uint8Array([0x89, 0x50, 0x4e, 0x47])
      const { body } = yield* sent({
        prompt: [Prompt.user([
          Prompt.image(png),
          Prompt.image("https://example.com/a.jpg"),
          Prompt.image("data:image/gif;base64,R0lG", { cache: "5m" }),
          Prompt.file("JVBE", { mediaType: "application/pdf", filename: "a.pdf" }),
          Prompt.file(new TextEncoder().encode("plain"), { mediaType: "text/markdown" })
        ])]
      })
      assert.deepStrictEqual(body["messages"], [{
        role: "user",
        content: [
          { type: "image", source: { type: "base64", media_type: "image/png", data: "iVBORw==" } },
          { type: "image", source: { type: "url", url: "https://example.com/a.jpg" } },
          {
            type: "image",
            source: { type: "base64", media_type: "image/gif", data: "R0lG" },
            cache_control: { type: "ephemeral" }
          },
          {
            type: "document",
            source: { type: "base64", media_type: "application/pdf", data: "JVBE" },
            title: "a.pdf"
          },
          { type: "document", source: { type: "text", media_type: "text/plain", data: "plain" } }
        ]
      }])
    }))

  it.effect("think adaptively where the model can, else by budget; sampling goes, the cap stays above the budget", () =>
    Effect.gen(function*() {
      const adaptive = yield* sent({ reasoning: { effort: "high" } }, { model: "claude-opus-4-7" })
      assert.deepStrictEqual(adaptive.body["thinking"], { type: "adaptive" })
      assert.deepStrictEqual(adaptive.body["output_config"], { effort: "high" })
      const budget = yield* sent({ reasoning: { effort: "low" }, temperature: 0.5 })
      assert.deepStrictEqual(budget.body["thinking"], { type: "enabled", budget_tokens: 2048 })
      assert.notProperty(budget.body, "temperature")
      const tight = yield* sent({ reasoning: { budgetTokens: 9000 }, maxTokens: 4000 })
      assert.deepStrictEqual(tight.body["thinking"], { type: "enabled", budget_tokens: 3999 })
      const off = yield* sent({ reasoning: { effort: "none" } })
      assert.deepStrictEqual(off.body["thinking"], { type: "disabled" })
    }))

  it.effect("refuse a budget that leaves no room, and reasoning where there is none", () =>
    Effect.gen(function*() {
      const small = yield* Effect.flip(sent({ reasoning: { effort: "low" }, maxTokens: 500 }))
      assert.strictEqual(small._tag === "InvalidRequestError" && small.parameter, "maxTokens")
      const old = yield* Effect.flip(sent({ reasoning: { effort: "low" } }, { model: "claude-3-haiku-20240307" }))
      assert.strictEqual(old._tag === "ProviderError" && old.reason._tag, "Unsupported")
      const search = yield* Effect.flip(sent({ webSearch: true }, { model: "claude-fable-5" }))
      assert.strictEqual(search._tag === "ProviderError" && search.reason._tag, "Unsupported")
    }))

  const Person = Schema.Struct({ name: Schema.String, nick: Schema.optional(Schema.String) })
  const weather = Tool.make({ name: "weather", parameters: Schema.Struct({}) })

  it.effect("ask for an object natively where the model can; a field that had to be there comes back absent", () =>
    Effect.gen(function*() {
      const http = stub(() => jsonResponse(message(text("{\"name\":\"Ada\",\"nick\":null}"))))
      const { content } = yield* LLM.generateObject({ prompt: "Who?", schema: Person }).pipe(Effect.provide(live(http)))
      assert.deepStrictEqual(content, { name: "Ada" })
      assert.deepStrictEqual(body(http, 0)["output_config"], {
        format: {
          type: "json_schema",
          schema: {
            type: "object",
            properties: { name: { type: "string" }, nick: { anyOf: [{ type: "string" }, { type: "null" }] } },
            required: ["name", "nick"],
            additionalProperties: false
          }
        }
      })
    }))

  it.effect("ask for an object through a forced tool elsewhere, single and streamed", () =>
    Effect.gen(function*() {
      const use = { type: "tool_use", id: "t1", name: "give_answer", input: { name: "Ada" } }
      const http = stub(
        () => jsonResponse(message([use], { stop_reason: "tool_use" })),
        () =>
          new Response(
            [
              {
                type: "message_start",
                message: { id: "m", model: "claude-3-haiku-20240307", usage: { input_tokens: 1 } }
              },
              { type: "content_block_start", index: 0, content_block: { ...use, input: {} } },
              {
                type: "content_block_delta",
                index: 0,
                delta: { type: "input_json_delta", partial_json: "{\"name\":" }
              },
              { type: "content_block_delta", index: 0, delta: { type: "input_json_delta", partial_json: "\"Ada\"}" } },
              { type: "content_block_stop", index: 0 },
              { type: "message_delta", delta: { stop_reason: "tool_use" }, usage: { output_tokens: 2 } },
              { type: "message_stop" }
            ].map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join("")
          )
      )
      const layer = live(http, { model: "claude-3-haiku-20240307" })
      const single = yield* LLM.generateObject({ prompt: "Who?", schema: Person }).pipe(Effect.provide(layer))
      const streamed = yield* LLM.collect(LLM.streamObject({ prompt: "Who?", schema: Person })).pipe(
        Effect.provide(layer)
      )
      for (const answer of [single, streamed]) {
        assert.deepStrictEqual(answer.content, { name: "Ada" })
        assert.deepStrictEqual(answer.toolCalls, [])
      }
      assert.deepStrictEqual(body(http, 0)["tool_choice"], { type: "tool", name: "give_answer" })
    }))

  it.effect("do not force a tool on a model that thinks, and leave it the choice among others", () =>
    Effect.gen(function*() {
      const http = stub(() => jsonResponse(message(text("{\"name\":\"Ada\"}"))))
      const object = (more: Partial<LLM.Options>) =>
        LLM.generateObject({ prompt: "Who?", schema: Person, ...more }).pipe(
          Effect.provide(live(http, { structured: "tool" }))
        )
      yield* object({ reasoning: { effort: "low" } })
      assert.notProperty(http.sent[0]?.body, "tool_choice")
      yield* object({ tools: [weather] })
      assert.deepStrictEqual(body(http, 1)["tool_choice"], { type: "any" })
      yield* object({ webSearch: true })
      assert.deepStrictEqual(body(http, 2)["tool_choice"], { type: "any" })
    }))

  it.effect("say which tools there are and which must be used", () =>
    Effect.gen(function*() {
      const choose = (toolChoice: NonNullable<LLM.Options["toolChoice"]>) =>
        Effect.map(sent({ tools: [weather], toolChoice }), ({ body }) => body["tool_choice"])
      assert.deepStrictEqual(yield* choose("required"), { type: "any" })
      assert.deepStrictEqual(yield* choose("none"), { type: "none" })
      assert.deepStrictEqual(yield* choose({ tool: "weather" }), { type: "tool", name: "weather" })
    }))
})

describe("Anthropic answers", () => {
  it.effect("count all of the prompt, cache included, and price its parts", () =>
    Effect.gen(function*() {
      const http = stub(() => jsonResponse(message(text("Hi"))))
      const answer = yield* LLM.generateText({ prompt: "Hello" }).pipe(Effect.provide(live(http)))
      assert.deepStrictEqual(answer.usage, {
        inputTokens: 60,
        outputTokens: 5,
        cachedInputTokens: 20,
        cacheCreationTokens: 30,
        reasoningTokens: 0,
        totalTokens: 65
      })
      // 10 × $3 + 20 × $0.30 + 30 × $3.75 and 5 × $15 per million.
      const cost = Option.getOrThrow(answer.cost)
      assert.strictEqual(cost.input, 0.0001485)
      assert.strictEqual(cost.output, 0.000075)
    }))

  it.effect("carry thinking, redacted thinking and hosted tools to the next turn as they came", () =>
    Effect.gen(function*() {
      const content = [
        { type: "thinking", thinking: "Hm.", signature: "sig==" },
        { type: "redacted_thinking", data: "opaque" },
        { type: "server_tool_use", id: "s1", name: "web_search", input: { query: "x" } },
        { type: "web_search_tool_result", tool_use_id: "s1", content: [] },
        ...text("Hi")
      ]
      const http = stub(() => jsonResponse(message(content)))
      const layer = live(http)
      const first = yield* LLM.generateText({ prompt: "Hello" }).pipe(Effect.provide(layer))
      assert.deepStrictEqual(first.reasoning, Option.some("Hm."))
      assert.strictEqual(first.text, "Hi")
      yield* LLM.generateText({ prompt: [Prompt.user("Hello"), first.message, Prompt.user("More")] }).pipe(
        Effect.provide(layer)
      )
      assert.deepStrictEqual(body(http, 1)["messages"], [
        { role: "user", content: text("Hello") },
        { role: "assistant", content },
        { role: "user", content: text("More") }
      ])
    }))

  it.effect("survive being stored: a conversation is a Schema", () =>
    Effect.gen(function*() {
      const http = stub(() =>
        jsonResponse(message([{ type: "thinking", thinking: "Hm.", signature: "sig==" }, ...text("Hi")]))
      )
      const { message: answer } = yield* LLM.generateText({ prompt: "Hello" }).pipe(Effect.provide(live(http)))
      const conversation = [Prompt.user([Prompt.image(new Uint8Array([1, 2, 3]), { mediaType: "image/png" })]), answer]
      const stored = JSON.stringify(yield* Schema.encode(Prompt.Conversation)(conversation))
      const restored = yield* Schema.decode(Schema.parseJson(Prompt.Conversation))(stored)
      assert.deepStrictEqual(restored, conversation)
    }))

  it.effect("a refusal names its category", () =>
    Effect.gen(function*() {
      const http = stub(() =>
        jsonResponse(message([], { stop_reason: "refusal", stop_details: { type: "refusal", category: "cyber" } }))
      )
      const error = yield* Effect.flip(LLM.generateText({ prompt: "Hello" })).pipe(Effect.provide(live(http)))
      assert.strictEqual(error._tag === "ContentFilteredError" && error.category, "cyber")
    }))

  it.effect("later counts of a stream correct earlier ones, null ones do not", () =>
    Effect.gen(function*() {
      const events = [
        {
          type: "message_start",
          message: { id: "m", usage: { input_tokens: 5, cache_read_input_tokens: 7, output_tokens: 1 } }
        },
        { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
        { type: "ping" },
        { type: "something_new", index: 0 },
        { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "Hi" } },
        { type: "content_block_stop", index: 0 },
        {
          type: "message_delta",
          delta: { stop_reason: "end_turn" },
          usage: { input_tokens: 6, cache_read_input_tokens: null, output_tokens: 9 }
        },
        { type: "message_stop" }
      ]
      const http = stub(() => new Response(events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join("")))
      const answer = yield* LLM.streamText({ prompt: "Hello" }).pipe(
        Stream.filter((part) => part._tag === "Finish"),
        LLM.collect,
        Effect.provide(live(http))
      )
      assert.strictEqual(answer.usage.inputTokens, 13)
      assert.strictEqual(answer.usage.outputTokens, 9)
    }))
})
