/** Answers of very many parts: each part once, in order. */
import { assert, describe, it } from "@effect/vitest"
import { Chunk, Effect, Layer, Redacted, Stream } from "effect"
import { Anthropic, Cohere, Gemini, LLM, OpenAI, OpenAIChat } from "../src/index.ts"
import { jsonResponse, stub } from "./stub.ts"

const count = 20_000
const range = Array.from({ length: count }, (_, i) => i)
const apiKey = Redacted.make("k-123456")
const usage = { input_tokens: 3, output_tokens: 4 }
const input = (i: number) => JSON.stringify({ i })

const events = (all: ReadonlyArray<unknown>) => () =>
  new Response(all.map((data) => `data: ${JSON.stringify(data)}\n\n`).join(""), {
    headers: { "content-type": "text/event-stream" }
  })

const chatCall = (i: number) => ({
  index: i,
  id: `c${i}`,
  type: "function",
  function: { name: "f", arguments: input(i) }
})
const item = (i: number) => ({ type: "function_call", id: `i${i}`, call_id: `c${i}`, name: "f", arguments: input(i) })
const block = (i: number) => ({ type: "tool_use", id: `c${i}`, name: "f", input: { i } })

const wires = {
  "chat completions": {
    layer: OpenAIChat.layer({ model: "gpt-4.1", apiKey }),
    whole: () =>
      jsonResponse({
        id: "c",
        choices: [{ message: { content: null, tool_calls: range.map(chatCall) }, finish_reason: "tool_calls" }]
      }),
    stream: events([
      ...range.map((i) => ({ choices: [{ index: 0, delta: { tool_calls: [chatCall(i)] } }] })),
      { choices: [{ index: 0, delta: {}, finish_reason: "tool_calls" }] }
    ])
  },
  responses: {
    layer: OpenAI.layer({ model: "gpt-4.1", apiKey }),
    whole: () => jsonResponse({ id: "r", status: "completed", output: range.map(item), usage }),
    stream: events([
      ...range.flatMap((i) => [
        { type: "response.output_item.added", output_index: i, item: { ...item(i), arguments: "" } },
        { type: "response.function_call_arguments.delta", output_index: i, item_id: `i${i}`, delta: input(i) },
        { type: "response.output_item.done", output_index: i, item: item(i) }
      ]),
      { type: "response.completed", response: { id: "r", status: "completed", output: range.map(item), usage } }
    ])
  },
  messages: {
    layer: Anthropic.layer({ model: "claude-sonnet-5", apiKey }),
    whole: () => jsonResponse({ type: "message", content: range.map(block), stop_reason: "tool_use", usage }),
    stream: events([
      { type: "message_start", message: { usage } },
      ...range.flatMap((i) => [
        { type: "content_block_start", index: i, content_block: { ...block(i), input: {} } },
        { type: "content_block_delta", index: i, delta: { type: "input_json_delta", partial_json: input(i) } },
        { type: "content_block_stop", index: i }
      ]),
      { type: "message_delta", delta: { stop_reason: "tool_use" }, usage },
      { type: "message_stop" }
    ])
  }
}

const functionCall = (i: number) => ({ functionCall: { id: `c${i}`, name: "f", args: { i } } })
const candidate = (parts: ReadonlyArray<object>, finishReason?: string) => ({
  candidates: [{ content: { role: "model", parts }, finishReason }],
  usageMetadata: { promptTokenCount: 3, candidatesTokenCount: 4 }
})
const cohereCall = (i: number) => ({ id: `c${i}`, type: "function", function: { name: "f", arguments: input(i) } })
const cohereUsage = { tokens: { input_tokens: 3, output_tokens: 4 } }

const moreWires = {
  "generate content": {
    layer: Gemini.layer({ model: "gemini-3-flash", apiKey }),
    whole: () => jsonResponse(candidate(range.map(functionCall), "STOP")),
    stream: events([...range.map((i) => candidate([functionCall(i)])), candidate([], "STOP")])
  },
  cohere: {
    layer: Cohere.layer({ model: "command-a-03-2025", apiKey }),
    whole: () =>
      jsonResponse({
        id: "c",
        finish_reason: "TOOL_CALL",
        message: { role: "assistant", tool_calls: range.map(cohereCall) },
        usage: cohereUsage
      }),
    stream: events([
      { type: "message-start", id: "c", delta: { message: { role: "assistant" } } },
      ...range.flatMap((i) => [
        { type: "tool-call-start", index: i, delta: { message: { tool_calls: cohereCall(i) } } },
        { type: "tool-call-end", index: i }
      ]),
      { type: "message-end", delta: { finish_reason: "TOOL_CALL", usage: cohereUsage } }
    ])
  }
}

describe.each(Object.entries({ ...wires, ...moreWires }))(
  `${count} calls in one answer of %s`,
  (_, { layer, stream, whole }) => {
    it.effect.each([["whole", whole], ["streamed", stream]] as const)("%s", ([how, answer]) =>
      Effect.gen(function*() {
        const request = { prompt: "Hello", tools: [{ name: "f", parameters: { type: "object" } }] }
        const live = Layer.provide(layer, stub(answer).layer)
        const asked = how === "whole" ? LLM.generateText(request) : LLM.collect(LLM.streamText(request))
        const { toolCalls } = yield* Effect.provide(asked, live)
        assert.deepStrictEqual(toolCalls.map((call) => [call.id, call.arguments]), range.map((i) => [`c${i}`, { i }]))
      }))
  }
)

describe("10,000 parts", () => {
  it.effect("of one chunk are collected", () =>
    Effect.gen(function*() {
      const text = range.slice(0, 10_000).map((i) => `${i} `)
      const stream = events([
        ...text.map((content) => ({ choices: [{ index: 0, delta: { content } }] })),
        { choices: [{ index: 0, delta: {}, finish_reason: "stop" }] }
      ])
      const live = Layer.provide(OpenAIChat.layer({ model: "gpt-4.1", apiKey }), stub(stream).layer)
      const parts = yield* Effect.provide(Stream.runCollect(LLM.streamText({ prompt: "Hello" })), live)
      assert.strictEqual((yield* LLM.collect(Stream.fromChunk(Chunk.fromIterable(parts)))).text, text.join(""))
      assert.strictEqual((yield* LLM.collect(Stream.fromChunks(...Chunk.map(parts, Chunk.of)))).text, text.join(""))
    }))
})
