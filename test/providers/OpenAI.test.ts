import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option, Redacted, Schema } from "effect"
import { LLM, OpenAI, Prompt, Retry, Tool } from "../../src/index.ts"
import { jsonResponse, type Stub, stub } from "../stub.ts"

const answer = (output: ReadonlyArray<unknown>, more: Readonly<Record<string, unknown>> = {}) => ({
  id: "resp_1",
  object: "response",
  model: "gpt-5.4-2026-03-05",
  status: "completed",
  output,
  usage: {
    input_tokens: 10,
    output_tokens: 5,
    input_tokens_details: { cached_tokens: 4 },
    output_tokens_details: { reasoning_tokens: 3 }
  },
  ...more
})

const message = (text: string) => ({ type: "message", role: "assistant", content: [{ type: "output_text", text }] })

const live = (http: Stub, more: Partial<OpenAI.Options> = {}) =>
  OpenAI.layer({ model: "gpt-5.4", apiKey: Redacted.make("k-openai"), retry: Retry.none, ...more }).pipe(
    Layer.provide(http.layer)
  )

const body = (http: Stub, i: number): Record<string, unknown> => ({ ...Object(http.sent[i]?.body) })

const sent = (options: Partial<LLM.Options>, more: Partial<OpenAI.Options> = {}) =>
  Effect.gen(function*() {
    const http = stub(() => jsonResponse(answer([message("Hi")])))
    const response = yield* LLM.generateText({ prompt: "Hello", ...options }).pipe(Effect.provide(live(http, more)))
    return { ...http.sent[0], body: body(http, 0), response }
  })

const weather = Tool.make({ name: "weather", description: "d", parameters: Schema.Struct({ city: Schema.String }) })

describe("OpenAI requests", () => {
  it.effect("keep nothing at OpenAI and carry reasoning encrypted", () =>
    Effect.gen(function*() {
      const { body, url } = yield* sent({ system: "Be brief", reasoning: { effort: "low" }, maxTokens: 9 })
      assert.strictEqual(url, "https://api.openai.com/v1/responses")
      assert.deepStrictEqual(body, {
        model: "gpt-5.4",
        instructions: "Be brief",
        input: [{ role: "user", content: "Hello" }],
        max_output_tokens: 9,
        include: ["reasoning.encrypted_content"],
        reasoning: { effort: "low", summary: "auto" },
        store: false
      })
    }))

  it.effect("do not ask a model that does not reason to do so", () =>
    Effect.gen(function*() {
      const { body } = yield* sent({ reasoning: { effort: "none" }, temperature: 0 }, { model: "gpt-4.1" })
      assert.notProperty(body, "include")
      assert.notProperty(body, "reasoning")
      assert.strictEqual(body["temperature"], 0)
      const error = yield* Effect.flip(sent({ reasoning: { effort: "low" } }, { model: "gpt-4.1" }))
      assert.strictEqual(error._tag === "ProviderError" && error.reason._tag, "Unsupported")
    }))

  it.effect("refuse stop sequences, warn of a seed", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(sent({ stop: ["END"] }))
      assert.strictEqual(error._tag === "ProviderError" && error.reason._tag, "Unsupported")
      const { response } = yield* sent({ seed: 1 })
      assert.deepStrictEqual(response.warnings.map(({ code }) => code), ["dropped-parameter"])
    }))

  it.effect("carry media, tools and their results", () =>
    Effect.gen(function*() {
      const { body } = yield* sent({
        tools: [weather],
        toolChoice: { tool: "weather" },
        webSearch: true,
        prompt: [
          Prompt.user([
            Prompt.text("See"),
            Prompt.image("https://example.com/a.png", { detail: "low" }),
            Prompt.file("JVBE", { mediaType: "application/pdf", filename: "a.pdf" })
          ]),
          Prompt.assistant([{ type: "tool-call", id: "c1", name: "weather", arguments: { city: "Rome" } }]),
          Prompt.tool([
            Prompt.toolResult({ id: "c1", name: "weather" }, { celsius: 21 }, {
              media: [Prompt.image("https://example.com/b.png")]
            })
          ])
        ]
      })
      assert.deepStrictEqual(body["input"], [
        {
          role: "user",
          content: [
            { type: "input_text", text: "See" },
            { type: "input_image", image_url: "https://example.com/a.png", detail: "low" },
            { type: "input_file", filename: "a.pdf", file_data: "data:application/pdf;base64,JVBE" }
          ]
        },
        { type: "function_call", call_id: "c1", name: "weather", arguments: "{\"city\":\"Rome\"}" },
        {
          type: "function_call_output",
          call_id: "c1",
          output: [
            { type: "input_text", text: "{\"celsius\":21}" },
            { type: "input_image", image_url: "https://example.com/b.png", detail: "auto" }
          ]
        }
      ])
      assert.deepStrictEqual(body["tool_choice"], { type: "function", name: "weather" })
      assert.deepStrictEqual(
        Object(body)["tools"].map(({ name, strict, type }: Record<string, unknown>) => [type, name, strict]),
        [
          ["function", "weather", false],
          ["web_search", undefined, undefined]
        ]
      )
    }))

  it.effect("ask for objects strictly, wrap what is no object, and be lax where strict cannot say it", () =>
    Effect.gen(function*() {
      const http = stub(
        () => jsonResponse(answer([message("{\"value\":[\"a\"]}")])),
        () => jsonResponse(answer([message("{\"x\":1}")]))
      )
      const layer = live(http)
      const list = yield* LLM.generateObject({ prompt: "List", schema: Schema.Array(Schema.String) }).pipe(
        Effect.provide(layer)
      )
      assert.deepStrictEqual(list.content, ["a"])
      assert.deepStrictEqual(Object(body(http, 0)["text"])["format"], {
        type: "json_schema",
        name: "answer",
        strict: true,
        schema: {
          type: "object",
          properties: { value: { type: "array", items: { type: "string" } } },
          required: ["value"],
          additionalProperties: false
        }
      })
      const record = Schema.Record({ key: Schema.String, value: Schema.Number })
      const map = yield* LLM.generateObject({ prompt: "Map", schema: record }).pipe(Effect.provide(layer))
      assert.deepStrictEqual(map.content, { x: 1 })
      assert.strictEqual(Object(body(http, 1)["text"])["format"].strict, false)
    }))

  it.effect("tell a JSON answer in words too, which the API demands", () =>
    Effect.gen(function*() {
      const http = stub(() => jsonResponse(answer([message("{\"a\":[1]}")])))
      const { content } = yield* LLM.generateJson({ prompt: "Anything" }).pipe(Effect.provide(live(http)))
      assert.deepStrictEqual(content, { a: [1] })
      assert.deepStrictEqual(body(http, 0)["text"], { format: { type: "json_object" } })
      // In the input: the API does not look for it in the instructions.
      assert.strictEqual(Object(body(http, 0)["input"])[0].role, "developer")
      assert.match(Object(body(http, 0)["input"])[0].content, /JSON/)
    }))
})

describe("OpenAI answers", () => {
  const reasoning = {
    type: "reasoning",
    id: "rs_1",
    summary: [{ type: "summary_text", text: "Hm." }],
    encrypted_content: "enc=="
  }
  const call = { type: "function_call", id: "fc_1", call_id: "c1", name: "weather", arguments: "{\"city\":\"Rome\"}" }
  const search = { type: "web_search_call", id: "ws_1", action: { type: "search", query: "q" } }

  it.effect("carry reasoning, hosted tools and phases to the next turn", () =>
    Effect.gen(function*() {
      const commentary = { ...message("Looking."), phase: "commentary" }
      const http = stub(() => jsonResponse(answer([reasoning, search, commentary, { ...call, status: "completed" }])))
      const layer = live(http)
      const first = yield* LLM.generateText({ prompt: "Hello", tools: [weather] }).pipe(Effect.provide(layer))
      assert.strictEqual(first.text, "Looking.")
      assert.deepStrictEqual(first.reasoning, Option.some("Hm."))
      assert.deepStrictEqual(first.toolCalls.map(({ arguments: args, id, name }) => ({ args, id, name })), [
        { id: "c1", name: "weather", args: { city: "Rome" } }
      ])
      assert.strictEqual(Option.getOrThrow(first.cost).tools, 0.01)
      yield* LLM.generateText({ prompt: [Prompt.user("Hello"), first.message, Prompt.user("More")] }).pipe(
        Effect.provide(layer)
      )
      assert.deepStrictEqual(body(http, 1)["input"], [
        { role: "user", content: "Hello" },
        reasoning,
        search,
        {
          type: "message",
          role: "assistant",
          content: [{ type: "output_text", text: "Looking.", annotations: [] }],
          phase: "commentary"
        },
        { type: "function_call", call_id: "c1", name: "weather", arguments: "{\"city\":\"Rome\"}" },
        { role: "user", content: "More" }
      ])
    }))

  it.effect("a stream gives what a single answer gives, with item events and without", () =>
    Effect.gen(function*() {
      const whole = answer([reasoning, message("Hi"), call])
      const frames = (events: ReadonlyArray<Record<string, unknown>>) =>
        new Response(
          events.map((event) => `event: ${String(event["type"])}\ndata: ${JSON.stringify(event)}\n\n`).join("")
        )
      const http = stub(
        () => jsonResponse(whole),
        () =>
          frames([
            { type: "response.created", response: { id: "resp_1", model: "gpt-5.4-2026-03-05" } },
            {
              type: "response.output_item.added",
              output_index: 0,
              item: { type: "reasoning", id: "rs_1", summary: [] }
            },
            { type: "response.reasoning_summary_text.delta", output_index: 0, delta: "Hm." },
            { type: "response.output_item.done", output_index: 0, item: reasoning },
            { type: "response.output_text.delta", output_index: 1, content_index: 0, delta: "H" },
            { type: "response.output_text.delta", output_index: 1, content_index: 0, delta: "i" },
            { type: "response.output_item.done", output_index: 1, item: message("Hi") },
            { type: "response.output_item.added", output_index: 2, item: { ...call, arguments: "" } },
            { type: "response.function_call_arguments.delta", output_index: 2, delta: "{\"city\":\"Rome\"}" },
            { type: "response.function_call_arguments.done", output_index: 2, arguments: "{\"city\":\"Rome\"}" },
            { type: "response.output_item.done", output_index: 2, item: call },
            { type: "response.completed", response: whole }
          ]),
        () => frames([{ type: "response.completed", response: whole }])
      )
      const layer = live(http)
      const single = yield* LLM.generateText({ prompt: "Hello" }).pipe(Effect.provide(layer))
      const streamed = yield* LLM.collect(LLM.streamText({ prompt: "Hello" })).pipe(Effect.provide(layer))
      const bare = yield* LLM.collect(LLM.streamText({ prompt: "Hello" })).pipe(Effect.provide(layer))
      for (const other of [streamed, bare]) {
        for (
          const field of [
            "content",
            "reasoning",
            "message",
            "toolCalls",
            "usage",
            "finishReason",
            "model",
            "id"
          ] as const
        ) {
          assert.deepStrictEqual(other[field], single[field], field)
        }
        assert.strictEqual(Option.getOrThrow(other.cost).total, Option.getOrThrow(single.cost).total)
      }
    }))

  it.effect("failed, incomplete and filtered responses are told apart", () =>
    Effect.gen(function*() {
      const failure = (body: unknown) =>
        Effect.flip(LLM.generateText({ prompt: "Hello" })).pipe(Effect.provide(live(stub(() => jsonResponse(body)))))
      const failed = yield* failure(
        answer([], { status: "failed", error: { code: "rate_limit_exceeded", message: "slow" } })
      )
      assert.strictEqual(failed._tag === "ProviderError" && failed.reason._tag, "RateLimited")
      const cut = yield* failure(
        answer([], { status: "incomplete", incomplete_details: { reason: "max_output_tokens" } })
      )
      assert.strictEqual(cut._tag, "ResponseTruncatedError")
      const filtered = yield* failure(
        answer([], { status: "incomplete", incomplete_details: { reason: "content_filter" } })
      )
      assert.strictEqual(filtered._tag, "ContentFilteredError")
      const refused = yield* failure(
        answer([{ type: "message", content: [{ type: "refusal", refusal: "No." }] }])
      )
      assert.strictEqual(refused._tag === "ContentFilteredError" && refused.text, "No.")
    }))
})
