import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer, Option, Redacted, Schema, Stream } from "effect"
import { LLM, Prompt, Retry, Tool } from "../../src/index.ts"
import * as Cohere from "../../src/providers/Cohere.ts"
import { jsonResponse, type Stub, stub } from "../stub.ts"

const answer = (
  message: Readonly<Record<string, unknown>>,
  more: Readonly<Record<string, unknown>> = {}
) => ({
  id: "c-1",
  message: { role: "assistant", ...message },
  finish_reason: "COMPLETE",
  usage: { billed_units: { input_tokens: 10, output_tokens: 5 }, tokens: { input_tokens: 510, output_tokens: 9 } },
  ...more
})

const text = (value: string) => [{ type: "text", text: value }]

const live = (http: Stub, more: Partial<Cohere.Options> = {}) =>
  Cohere.layer({ model: "command-a-03-2025", apiKey: Redacted.make("k-cohere"), retry: Retry.none, ...more }).pipe(
    Layer.provide(http.layer)
  )

const sent = (options: Partial<LLM.Options>, more: Partial<Cohere.Options> = {}) =>
  Effect.gen(function*() {
    const http = stub(() => jsonResponse(answer({ content: text("Hi") })))
    yield* LLM.generateText({ prompt: "Hello", ...options }).pipe(Effect.provide(live(http, more)))
    return { ...http.sent[0], body: body(http, 0) }
  })

const body = (http: Stub, i: number): Record<string, unknown> => ({ ...Object(http.sent[i]?.body) })

const tag = (error: { readonly _tag: string; readonly reason?: unknown }) =>
  error._tag === "ProviderError" ? Object(error.reason)._tag : error.reason ?? error._tag

const weather = Tool.make({ name: "weather", parameters: Schema.Struct({}) })
const news = Tool.make({ name: "news", parameters: Schema.Struct({}) })
const Person = Schema.Struct({ name: Schema.String, nick: Schema.optional(Schema.String) })

describe("Cohere requests", () => {
  it.effect("go to /v2/chat with the names that Cohere has for things", () =>
    Effect.gen(function*() {
      const { body, headers, url } = yield* sent({
        system: "Be brief",
        temperature: 0.5,
        topP: 0.9,
        maxTokens: 100,
        stop: ["END"],
        seed: 7
      })
      assert.strictEqual(url, "https://api.cohere.com/v2/chat")
      assert.strictEqual(headers?.["authorization"], "Bearer k-cohere")
      assert.deepStrictEqual(body, {
        model: "command-a-03-2025",
        messages: [{ role: "system", content: "Be brief" }, { role: "user", content: "Hello" }],
        temperature: 0.5,
        p: 0.9,
        max_tokens: 100,
        stop_sequences: ["END"],
        seed: 7
      })
    }))

  it.effect("find the key under either name", () =>
    Effect.gen(function*() {
      const key = (variables: ReadonlyArray<readonly [string, string]>) => {
        const http = stub(() => jsonResponse(answer({ content: text("Hi") })))
        return LLM.generateText({ prompt: "Hello" }).pipe(
          Effect.provide(Cohere.layer({ model: "command-a-03-2025" }).pipe(Layer.provide(http.layer))),
          Effect.withConfigProvider(ConfigProvider.fromMap(new Map(variables))),
          Effect.map(() => http.sent[0]?.headers["authorization"])
        )
      }
      assert.strictEqual(yield* key([["COHERE_API_KEY", "b"]]), "Bearer b")
      assert.strictEqual(yield* key([["COHERE_API_KEY", "b"], ["CO_API_KEY", "a"]]), "Bearer a")
      const none = yield* Effect.flip(key([]))
      assert.strictEqual(none._tag === "ConfigurationError" && none.variable, "CO_API_KEY")
    }))

  it.effect("carry pictures and text files; refuse other files and web search", () =>
    Effect.gen(function*() {
      const { body } = yield* sent({
        prompt: [Prompt.user([
          Prompt.text("See"),
          Prompt.image("https://example.com/a.jpg", { detail: "low" }),
          Prompt.image("data:image/gif;base64,R0lG"),
          Prompt.file(new TextEncoder().encode("facts"), { mediaType: "text/plain", filename: "a.txt" })
        ])]
      })
      assert.deepStrictEqual(body["messages"], [{
        role: "user",
        content: [
          { type: "text", text: "See" },
          { type: "image_url", image_url: { url: "https://example.com/a.jpg", detail: "low" } },
          { type: "image_url", image_url: { url: "data:image/gif;base64,R0lG" } }
        ]
      }])
      assert.deepStrictEqual(body["documents"], [{ id: "doc:0", data: { title: "a.txt", text: "facts" } }])
      const pdf = Prompt.user([Prompt.file("JVBE", { mediaType: "application/pdf" })])
      assert.strictEqual(tag(yield* Effect.flip(sent({ prompt: [pdf] }))), "Unsupported")
      assert.strictEqual(tag(yield* Effect.flip(sent({ webSearch: true }))), "Unsupported")
    }))

  it.effect("say which tools must be used; a certain one is the only one sent", () =>
    Effect.gen(function*() {
      const choose = (toolChoice: LLM.Options["toolChoice"]) => sent({ tools: [weather, news], toolChoice })
      const names = (body: Readonly<Record<string, unknown>>) =>
        Array.from(Object(body["tools"]), (tool) => Object(tool).function.name)
      assert.notProperty((yield* choose("auto")).body, "tool_choice")
      assert.strictEqual((yield* choose("none")).body["tool_choice"], "NONE")
      const required = (yield* choose("required")).body
      assert.strictEqual(required["tool_choice"], "REQUIRED")
      assert.deepStrictEqual(names(required), ["weather", "news"])
      const one = (yield* choose({ tool: "news" })).body
      assert.strictEqual(one["tool_choice"], "REQUIRED")
      assert.deepStrictEqual(names(one), ["news"])
      const strict = Tool.make({ name: "strict", parameters: Schema.Struct({ a: Schema.String }), strict: true })
      assert.strictEqual((yield* sent({ tools: [strict] })).body["strict_tools"], true)
      assert.notProperty((yield* sent({ tools: [strict, news] })).body, "strict_tools")
    }))

  it.effect("think by budget, where the model can", () =>
    Effect.gen(function*() {
      const thinking = (reasoning: LLM.Reasoning, model = "command-a-reasoning-08-2025") =>
        Effect.map(sent({ reasoning }, { model }), ({ body }) => body["thinking"])
      assert.deepStrictEqual(yield* thinking({ effort: "low" }), { type: "enabled", token_budget: 2048 })
      assert.deepStrictEqual(yield* thinking({ effort: "max" }), { type: "enabled" })
      assert.deepStrictEqual(yield* thinking({ budgetTokens: 99 }), { type: "enabled", token_budget: 99 })
      assert.deepStrictEqual(yield* thinking({ effort: "none" }), { type: "disabled" })
      assert.strictEqual(yield* thinking({ effort: "none" }, "command-a-03-2025"), undefined)
      const cannot = yield* Effect.flip(thinking({ effort: "low" }, "command-a-03-2025"))
      assert.strictEqual(tag(cannot), "Unsupported")
    }))

  it.effect("ask for an object natively; in the prompt beside tools, documents, or what the dialect cannot say", () =>
    Effect.gen(function*() {
      const object = <A, I>(schema: Schema.Schema<A, I>, options: Partial<LLM.Options> = {}) =>
        Effect.gen(function*() {
          const http = stub(() => jsonResponse(answer({ content: text("{\"name\":\"Ada\",\"nick\":null}") })))
          const { content } = yield* LLM.generateObject({ prompt: "Who?", schema, ...options }).pipe(
            Effect.provide(live(http))
          )
          assert.deepEqual<unknown>(content, { name: "Ada" })
          return body(http, 0)
        })
      const native = yield* object(Person)
      assert.deepStrictEqual(native["response_format"], {
        type: "json_object",
        json_schema: {
          type: "object",
          properties: { name: { type: "string" }, nick: { type: "string" } },
          required: ["name"],
          additionalProperties: false
        }
      })
      const file = Prompt.user([Prompt.text("Who?"), Prompt.file("aGk=", { mediaType: "text/plain" })])
      for (const options of [{ tools: [weather] }, { prompt: [file] }]) {
        const busy = yield* object(Person, options)
        assert.notProperty(busy, "response_format")
        assert.include(JSON.stringify(busy["messages"]), "JSON Schema")
      }
      interface Tree {
        readonly name: string
        readonly child?: Tree | undefined
      }
      const Tree: Schema.Schema<Tree> = Schema.Struct({
        name: Schema.String,
        child: Schema.optional(Schema.suspend(() => Tree))
      }).annotations({ identifier: "Tree" })
      const unsayable = yield* object(Tree)
      assert.deepStrictEqual(unsayable["response_format"], { type: "json_object" })
      assert.include(JSON.stringify(unsayable["messages"]), "JSON Schema")
    }))

  it.effect("ask for an object through a tool when told so", () =>
    Effect.gen(function*() {
      const http = stub(() =>
        jsonResponse(answer({
          tool_plan: "I will answer.",
          tool_calls: [{
            id: "t",
            type: "function",
            function: { name: "give_answer", arguments: "{\"name\":\"Ada\"}" }
          }]
        }, { finish_reason: "TOOL_CALL" }))
      )
      const { content, toolCalls } = yield* LLM.generateObject({ prompt: "Who?", schema: Person }).pipe(
        Effect.provide(live(http, { structured: "tool" }))
      )
      assert.deepStrictEqual(content, { name: "Ada" })
      assert.deepStrictEqual(toolCalls, [])
      assert.strictEqual(body(http, 0)["tool_choice"], "REQUIRED")
    }))
})

describe("Cohere answers", () => {
  const calls = [{ id: "w1", type: "function", function: { name: "weather", arguments: "null" } }]

  it.effect("count what is billed; cached tokens never exceed it, without a word", () =>
    Effect.gen(function*() {
      const usage = {
        billed_units: { input_tokens: 10, output_tokens: 5 },
        tokens: { input_tokens: 510, output_tokens: 9 },
        cached_tokens: 480
      }
      const http = stub(
        () => jsonResponse(answer({ content: text("Hi") }, { usage })),
        () => jsonResponse(answer({ content: text("Hi") }, { usage: { tokens: usage.tokens } }))
      )
      const ask = LLM.generateText({ prompt: "Hello" }).pipe(Effect.provide(live(http)))
      const first = yield* ask
      assert.strictEqual(first.usage.inputTokens, 10)
      assert.strictEqual(first.usage.cachedInputTokens, 10)
      assert.deepStrictEqual(first.warnings, [])
      // 10 × $2.50 and 5 × $10 per million: what is cached is billed as the rest.
      assert.strictEqual(Option.getOrThrow(first.cost).total, 0.000075)
      assert.strictEqual((yield* ask).usage.inputTokens, 510)
    }))

  it.effect("carry the plan, the thinking and the calls to the next turn", () =>
    Effect.gen(function*() {
      const content = [{ type: "thinking", thinking: "Hm." }, ...text("Let me see.")]
      const http = stub(() =>
        jsonResponse(answer({ content, tool_plan: "I will look.", tool_calls: calls }, { finish_reason: "TOOL_CALL" }))
      )
      const layer = live(http)
      const first = yield* LLM.generateText({ prompt: "Hello", tools: [weather] }).pipe(Effect.provide(layer))
      assert.deepStrictEqual(first.reasoning, Option.some("Hm."))
      assert.strictEqual(first.text, "Let me see.")
      assert.strictEqual(first.finishReason, "tool-calls")
      const [call] = first.toolCalls
      assert.strictEqual(call?.arguments, null)
      const result = Prompt.tool([Prompt.toolResult({ id: "w1", name: "weather" }, { celsius: 21 })])
      yield* LLM.generateText({ prompt: [Prompt.user("Hello"), first.message, result], tools: [weather] }).pipe(
        Effect.provide(layer)
      )
      assert.deepStrictEqual(body(http, 1)["messages"], [
        { role: "user", content: "Hello" },
        { role: "assistant", tool_plan: "I will look.", content, tool_calls: calls },
        { role: "tool", tool_call_id: "w1", content: "{\"celsius\":21}" }
      ])
    }))

  it.effect("keep citations with the text they belong to", () =>
    Effect.gen(function*() {
      const citations = [{ start: 0, end: 2, text: "Hi", sources: [], content_index: 1 }]
      const content = [{ type: "thinking", thinking: "Hm." }, ...text("Hi")]
      const http = stub(() => jsonResponse(answer({ content, citations })))
      const { message } = yield* LLM.generateText({ prompt: "Hello" }).pipe(Effect.provide(live(http)))
      assert.deepStrictEqual(message.content, [
        { type: "reasoning", text: "Hm.", providerMetadata: { cohere: {} } },
        { type: "text", text: "Hi", citations: [{ start: 0, end: 2 }], providerMetadata: { cohere: { citations } } }
      ])
    }))

  it.effect("fail for the reason that the status or the finish reason gives", () =>
    Effect.gen(function*() {
      const failing = (status: number, payload: unknown) => {
        const http = stub(() => jsonResponse(payload, { status }))
        return Effect.map(Effect.flip(LLM.generateText({ prompt: "Hello" })).pipe(Effect.provide(live(http))), tag)
      }
      assert.strictEqual(yield* failing(401, { id: "x", message: "Incorrect API key provided" }), "Authentication")
      assert.strictEqual(yield* failing(429, { message: "Please wait" }), "RateLimited")
      assert.strictEqual(yield* failing(404, { message: "model 'x' not found" }), "ModelNotFound")
      assert.strictEqual(yield* failing(400, { message: "invalid request" }), "Rejected")
      const ended = (reason: string) => failing(200, answer({ content: [] }, { finish_reason: reason }))
      assert.strictEqual(yield* ended("ERROR"), "ServerError")
      assert.strictEqual(yield* ended("TIMEOUT"), "Timeout")
      assert.strictEqual(yield* ended("ERROR_TOXIC"), "ContentFilteredError")
      assert.strictEqual(yield* ended("MAX_TOKENS"), "ResponseTruncatedError")
      assert.strictEqual(yield* failing(200, { anything: 1 }), "MalformedResponse")
    }))
})

describe("Cohere streams", () => {
  const sse = (events: ReadonlyArray<Readonly<Record<string, unknown>>>) => () =>
    new Response(
      `${
        events.map((event) => `event: ${String(event["type"])}\ndata: ${JSON.stringify(event)}\n\n`).join("")
      }data: [DONE]\n\n`,
      { headers: { "content-type": "text/event-stream" } }
    )
  const message = (type: string, message: unknown, index = 0) => ({ type, index, delta: { message } })
  const end = (reason: string, more: Readonly<Record<string, unknown>> = {}) => ({
    type: "message-end",
    delta: { finish_reason: reason, usage: { billed_units: { input_tokens: 1, output_tokens: 2 } }, ...more }
  })

  const run = (events: ReadonlyArray<Readonly<Record<string, unknown>>>) =>
    Effect.gen(function*() {
      const http = stub(sse(events))
      const parts = Array.from(
        yield* Stream.runCollect(LLM.streamText({ prompt: "Hello" })).pipe(Effect.provide(live(http)))
      )
      assert.strictEqual(body(http, 0)["stream"], true)
      return { parts, response: yield* LLM.collect(Stream.fromIterable(parts)) }
    })

  it.effect("give thinking, text and citations", () =>
    Effect.gen(function*() {
      const citation = { start: 0, end: 3, text: "Hi!", sources: [], content_index: 1 }
      const { response } = yield* run([
        { type: "message-start", id: "c-2", delta: { message: { role: "assistant", content: [] } } },
        message("content-start", { content: { type: "thinking", thinking: "" } }),
        message("content-delta", { content: { thinking: "Hm" } }),
        message("content-delta", { content: { thinking: "." } }),
        { type: "content-end", index: 0 },
        message("content-start", { content: { type: "text", text: "" } }, 1),
        message("content-delta", { content: { text: "Hi" } }, 1),
        message("content-delta", { content: { text: "!" } }, 1),
        message("citation-start", { citations: citation }),
        { type: "citation-end", index: 0 },
        { type: "something-new" },
        { type: "content-end", index: 1 },
        end("COMPLETE")
      ])
      assert.deepStrictEqual(response.message.content, [
        { type: "reasoning", text: "Hm.", providerMetadata: { cohere: {} } },
        {
          type: "text",
          text: "Hi!",
          citations: [{ start: 0, end: 3 }],
          providerMetadata: { cohere: { citations: [citation] } }
        }
      ])
      assert.deepStrictEqual(response.id, Option.some("c-2"))
      assert.strictEqual(response.finishReason, "stop")
      assert.strictEqual(response.usage.totalTokens, 3)
    }))

  it.effect("give calls as they grow; the plan is kept for the next turn", () =>
    Effect.gen(function*() {
      const call = (i: number, id: string, name: string) =>
        message("tool-call-start", { tool_calls: { id, type: "function", function: { name, arguments: "" } } }, i)
      const { parts, response } = yield* run([
        { type: "message-start", id: "c-3", delta: { message: { role: "assistant" } } },
        message("tool-plan-delta", { tool_plan: "I will" }),
        message("tool-plan-delta", { tool_plan: " look." }),
        call(0, "a", "weather"),
        message("tool-call-delta", { tool_calls: { function: { arguments: "{\"city\":" } } }),
        message("tool-call-delta", { tool_calls: { function: { arguments: "\"Rome\"}" } } }),
        { type: "tool-call-end", index: 0 },
        call(1, "b", "news"),
        { type: "tool-call-end", index: 1 },
        end("TOOL_CALL")
      ])
      assert.deepStrictEqual(
        response.toolCalls.map(({ arguments: args, id, name }) => ({ id, name, args })),
        [{ id: "a", name: "weather", args: { city: "Rome" } }, { id: "b", name: "news", args: {} }]
      )
      assert.deepStrictEqual(parts.filter((part) => part._tag === "ToolCallPart").map((part) => part.call.id), [
        "a",
        "b"
      ])
      assert.deepStrictEqual(response.message.content[0], {
        type: "provider",
        wire: "cohere:cohere",
        value: { tool_plan: "I will look." }
      })
    }))

  it.effect("fail on an error in the stream, and on an answer that ends in one", () =>
    Effect.gen(function*() {
      const failing = (...events: ReadonlyArray<Readonly<Record<string, unknown>>>) =>
        Effect.flip(
          run([{ type: "message-start", id: "c" }, message("content-delta", { content: { text: "H" } }), ...events])
        )
      const bare = yield* failing({ message: "internal trouble" })
      assert.strictEqual(tag(bare), "ServerError")
      assert.include(bare.message, "internal trouble")
      assert.strictEqual(tag(yield* failing(end("ERROR", { error: "it broke" }))), "ServerError")
      assert.strictEqual(tag(yield* failing(end("TIMEOUT"))), "Timeout")
      assert.strictEqual(tag(yield* failing()), "Transport")
    }))
})
