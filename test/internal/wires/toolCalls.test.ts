/** Tool calls as hosts really send them: one call stays one call, and unreadable arguments run no handler. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted, Schema } from "effect"
import { Anthropic, Bedrock, Cohere, Gemini, LLM, OpenAI, OpenAIChat, Retry, Tool } from "../../../src/index.ts"
import { event, join } from "../../frames.ts"
import { chatAnswer, chatChunk, jsonResponse, stub } from "../../stub.ts"

const common = { apiKey: Redacted.make("key-0123456789"), retry: Retry.none }

const weather = Tool.make({ name: "get_weather", parameters: Schema.Struct({ city: Schema.String }) })
const time = Tool.make({ name: "get_time", parameters: Schema.Struct({ zone: Schema.String }) })

const events = (...items: ReadonlyArray<unknown>) => items.map((item) => `data: ${JSON.stringify(item)}\n\n`).join("")

const frames = (...items: ReadonlyArray<readonly [string, unknown]>) =>
  join(items.map(([type, payload]) => event(type, payload)))

/** An answer that calls `get_weather` with these arguments, whole and streamed. */
const wires = {
  chat: {
    layer: OpenAIChat.layer({ ...common, model: "gpt-4.1-mini" }),
    whole: (input: unknown) =>
      chatAnswer("", {
        choices: [{
          index: 0,
          message: { tool_calls: [{ id: "a", type: "function", function: { name: "get_weather", arguments: input } }] },
          finish_reason: "tool_calls"
        }]
      }),
    stream: (input: unknown) =>
      chatChunk({ tool_calls: [{ index: 0, id: "a", function: { name: "get_weather", arguments: input } }] }) +
      chatChunk({}, "tool_calls") + "data: [DONE]\n\n"
  },
  responses: {
    layer: OpenAI.layer({ ...common, model: "gpt-5.4" }),
    whole: (input: unknown) => ({
      id: "r",
      status: "completed",
      output: [{ type: "function_call", id: "fc", call_id: "a", name: "get_weather", arguments: input }]
    }),
    stream: (input: unknown) =>
      events(
        {
          type: "response.output_item.added",
          output_index: 0,
          item: { type: "function_call", id: "fc", call_id: "a", name: "get_weather", arguments: "" }
        },
        { type: "response.function_call_arguments.delta", output_index: 0, item_id: "fc", delta: input },
        {
          type: "response.output_item.done",
          output_index: 0,
          item: { type: "function_call", id: "fc", call_id: "a", name: "get_weather", arguments: "" }
        },
        { type: "response.completed", response: { id: "r", status: "completed", output: [] } }
      )
  },
  anthropic: {
    layer: Anthropic.layer({ ...common, model: "claude-sonnet-4-5" }),
    whole: (input: unknown) => ({
      type: "message",
      stop_reason: "tool_use",
      content: [{ type: "tool_use", id: "a", name: "get_weather", input }]
    }),
    stream: (input: unknown) =>
      events(
        {
          type: "content_block_start",
          index: 0,
          content_block: { type: "tool_use", id: "a", name: "get_weather", input }
        },
        { type: "content_block_stop", index: 0 },
        { type: "message_delta", delta: { stop_reason: "tool_use" } },
        { type: "message_stop" }
      )
  },
  gemini: {
    layer: Gemini.layer({ ...common, model: "gemini-2.5-flash" }),
    whole: (args: unknown) => ({
      candidates: [{ content: { parts: [{ functionCall: { name: "get_weather", args } }] }, finishReason: "STOP" }]
    }),
    stream: (args: unknown) =>
      events({
        candidates: [{ content: { parts: [{ functionCall: { name: "get_weather", args } }] }, finishReason: "STOP" }]
      })
  },
  cohere: {
    layer: Cohere.layer({ ...common, model: "command-a-03-2025" }),
    whole: (input: unknown) => ({
      id: "c",
      finish_reason: "TOOL_CALL",
      message: { tool_calls: [{ id: "a", type: "function", function: { name: "get_weather", arguments: input } }] }
    }),
    stream: (input: unknown) =>
      events(
        {
          type: "tool-call-start",
          index: 0,
          delta: { message: { tool_calls: { id: "a", function: { name: "get_weather", arguments: "" } } } }
        },
        { type: "tool-call-delta", index: 0, delta: { message: { tool_calls: { function: { arguments: input } } } } },
        { type: "tool-call-end", index: 0 },
        { type: "message-end", delta: { finish_reason: "TOOL_CALL" } }
      )
  },
  bedrock: {
    layer: Bedrock.layer({ ...common, region: "us-east-1", model: "us.amazon.nova-lite-v1:0" }),
    whole: (input: unknown) => ({
      output: { message: { content: [{ toolUse: { toolUseId: "a", name: "get_weather", input } }] } },
      stopReason: "tool_use"
    }),
    stream: (input: unknown) =>
      frames(
        ["contentBlockStart", { contentBlockIndex: 0, start: { toolUse: { toolUseId: "a", name: "get_weather" } } }],
        ["contentBlockDelta", { contentBlockIndex: 0, delta: { toolUse: { input } } }],
        ["contentBlockStop", { contentBlockIndex: 0 }],
        ["messageStop", { stopReason: "tool_use" }],
        ["metadata", { usage: { inputTokens: 1, outputTokens: 1 } }]
      )
  }
} as const

describe.each(Object.entries(wires))("arguments on %s", (_, { layer, stream, whole }) => {
  const ask = (mode: "whole" | "stream", input: unknown) => {
    const http = stub(() => mode === "whole" ? jsonResponse(whole(input)) : new Response(stream(input)))
    const request = { prompt: "Hi", tools: [weather] }
    return (mode === "whole" ? LLM.generateText(request) : LLM.collect(LLM.streamText(request))).pipe(
      Effect.map(({ toolCalls }) => toolCalls.map(({ arguments: args }) => args)),
      Effect.provide(Layer.provide(layer, http.layer))
    )
  }

  it.effect.each(["whole", "stream"] as const)(
    "are read as an object and as text, %s",
    (mode) =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* ask(mode, { city: "Paris" }), [{ city: "Paris" }])
        assert.deepStrictEqual(yield* ask(mode, "{\"city\":\"Paris\"}"), [{ city: "Paris" }])
        assert.deepStrictEqual(yield* ask(mode, null), [{}])
      })
  )

  it.effect("that cannot be read run no handler", () =>
    Effect.gen(function*() {
      let runs = 0
      const tool = Tool.make({
        name: "get_weather",
        parameters: Schema.Struct({ city: Schema.optional(Schema.String) }),
        handler: () => Effect.sync(() => ++runs)
      })
      for (const input of ["{\"city\": \"Par", "[\"Paris\"]", ["Paris"], 7, "7", "{".repeat(20_000), false]) {
        for (const onToolError of ["tell-model", "fail"] as const) {
          const http = stub(() => jsonResponse(whole(input)))
          yield* LLM.runTools({ prompt: "Hi", tools: [tool], maxSteps: 2, onToolError }).pipe(
            Effect.flip,
            Effect.provide(Layer.provide(layer, http.layer))
          )
          assert.include(JSON.stringify(http.sent[1]?.body), "arguments are", JSON.stringify(input).slice(0, 50))
        }
      }
      assert.strictEqual(runs, 0)
    }))
})

describe("a streamed call of Chat Completions", () => {
  const delta = (...calls: ReadonlyArray<unknown>) => chatChunk({ tool_calls: calls })
  const run = (...chunks: ReadonlyArray<string>) =>
    LLM.collect(LLM.streamText({ prompt: "Hi", tools: [weather, time] })).pipe(
      Effect.provide(Layer.provide(
        wires.chat.layer,
        stub(() => new Response([...chunks, chatChunk({}, "tool_calls"), "data: [DONE]\n\n"].join(""))).layer
      )),
      Effect.map(({ toolCalls }) => toolCalls.map(({ arguments: args, id, name }) => [id, name, args]))
    )
  const fn = (name?: string, args?: unknown) => ({ function: { name, arguments: args } })
  const paris = ["a", "get_weather", { city: "Paris" }]
  const utc = ["b", "get_time", { zone: "UTC" }]

  it.effect.each<[what: string, chunks: ReadonlyArray<string>, expected: ReadonlyArray<unknown>]>([
    ["the id before the name", [
      delta({ index: 0, id: "a" }),
      delta({ index: 0, ...fn("get_weather") }),
      delta({ index: 0, ...fn(undefined, "{\"city\":") }),
      delta({ index: 0, ...fn(undefined, "\"Paris\"}") })
    ], [paris]],
    ["the id before the name, without a number", [
      delta({ id: "a" }),
      delta(fn("get_weather")),
      delta(fn(undefined, "{\"city\":\"Paris\"}")),
      delta({ id: "b" }),
      delta(fn("get_time")),
      delta(fn(undefined, "{\"zone\":\"UTC\"}"))
    ], [paris, utc]],
    ["the name in pieces", [
      delta({ index: 0, id: "a", ...fn("get_") }),
      delta({ index: 0, ...fn("weather", "") }),
      delta({ index: 0, ...fn(undefined, "{\"city\":\"Paris\"}") })
    ], [paris]],
    ["the name in pieces that grow", [
      delta({ id: "a", ...fn("get_") }),
      delta({ id: "a", ...fn("get_weather") }),
      delta({ id: "a", ...fn("get_weather", "{\"city\":\"Paris\"}") })
    ], [paris]],
    ["an empty id and name on later pieces", [
      delta({ index: 0, id: "a", ...fn("get_weather", "") }),
      delta({ index: 0, id: "", ...fn("", "{\"city\":") }),
      delta({ index: 0, id: "", ...fn("", "\"Paris\"}") })
    ], [paris]],
    ["the id and name on every piece", [
      delta({ index: 0, id: "a", ...fn("get_weather", "{\"city\":") }),
      delta({ index: 0, id: "a", ...fn("get_weather", "\"Paris\"}") }),
      delta({ index: 0, id: "a", ...fn("get_weather", "") })
    ], [paris]],
    ["another id on every piece", [
      delta({ index: 0, id: "a", ...fn("get_weather", "{\"city\":") }),
      delta({ index: 0, id: "a2", ...fn(undefined, "\"Paris\"}") })
    ], [paris]],
    ["interleaved without a number", [
      delta({ id: "a", ...fn("get_weather", "") }),
      delta({ id: "b", ...fn("get_time", "") }),
      delta({ id: "a", ...fn(undefined, "{\"city\":") }),
      delta({ id: "b", ...fn(undefined, "{\"zone\":") }),
      delta({ id: "a", ...fn(undefined, "\"Paris\"}") }),
      delta({ id: "b", ...fn(undefined, "\"UTC\"}") })
    ], [paris, utc]],
    ["side by side without a number", [
      delta({ id: "a", ...fn("get_weather", "{") }, { id: "b", ...fn("get_time", "{") }),
      delta(fn(undefined, "\"city\":\"Paris\"}"), fn(undefined, "\"zone\":\"UTC\"}"))
    ], [paris, utc]],
    ["interleaved, every number 0", [
      delta({ index: 0, id: "a", ...fn("get_weather", "") }),
      delta({ index: 0, id: "b", ...fn("get_time", "") }),
      delta({ index: 0, id: "a", ...fn(undefined, "{\"city\":\"Paris\"}") }),
      delta({ index: 0, id: "b", ...fn(undefined, "{\"zone\":\"UTC\"}") })
    ], [paris, utc]],
    ["one after the other, every number 0", [
      delta({ index: 0, id: "a", ...fn("get_weather", "{\"city\":\"Paris\"}") }),
      delta({ index: 0, id: "b", ...fn("get_time", "{\"zone\":") }),
      delta({ index: 0, ...fn(undefined, "\"UTC\"}") })
    ], [paris, utc]],
    ["arguments as an object, the number as text", [
      delta({ index: "0", id: "a", ...fn("get_weather", { city: "Paris" }) }),
      delta({ index: "1", id: "b", ...fn("get_time", { zone: "UTC" }) })
    ], [paris, utc]],
    ["a tool nobody offered, without arguments", [
      delta({ index: 0, id: "a", ...fn("made_") }),
      delta({ index: 0, ...fn("up") })
    ], [["a", "made_up", {}]]]
  ])("with %s is one call", ([, chunks, expected]) =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* run(...chunks), expected)
    }))

  it.effect("gets an id where the host gives none, or the same twice", () =>
    Effect.gen(function*() {
      const calls = yield* run(
        delta({ index: 0, ...fn("get_weather", "{\"city\":\"Paris\"}") }),
        delta({ index: 1, id: "", ...fn("get_weather", "{\"city\":\"Rome\"}") }),
        delta({ index: 2, id: "a", ...fn("get_weather", "{\"city\":\"Oslo\"}") }),
        delta({ index: 3, id: "a", ...fn("get_weather", "{\"city\":\"Bern\"}") })
      )
      const ids = calls.map(([id]) => id)
      assert.strictEqual(new Set(ids).size, 4)
      assert.notInclude(ids, "")
    }))
})
