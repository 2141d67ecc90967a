/** Answers of hosts that keep to a protocol loosely: read once and in full, or a typed error; never an empty success. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { Anthropic, Bedrock, Cohere, Gemini, LLM, LLMError, OpenAI, OpenAIChat, Retry } from "../../../src/index.ts"
import { event, join } from "../../frames.ts"
import { chatAnswer, chatChunk, jsonResponse, stub } from "../../stub.ts"

const common = { apiKey: Redacted.make("key-0123456789"), retry: Retry.none }
const layers = {
  chat: OpenAIChat.layer({ ...common, model: "gpt-4.1-mini" }),
  responses: OpenAI.layer({ ...common, model: "gpt-5.4" }),
  anthropic: Anthropic.layer({ ...common, model: "claude-sonnet-4-5" }),
  gemini: Gemini.layer({ ...common, model: "gemini-2.5-flash" }),
  cohere: Cohere.layer({ ...common, model: "command-a-03-2025" }),
  bedrock: Bedrock.layer({ ...common, region: "us-east-1", model: "us.amazon.nova-lite-v1:0" })
} as const
type Wire = keyof typeof layers

const events = (...items: ReadonlyArray<unknown>) => items.map((item) => `data: ${JSON.stringify(item)}\n\n`).join("")
const outcome = <R>(call: Effect.Effect<{ readonly text: string }, LLMError.LLMError, R>) =>
  Effect.match(call, { onFailure: LLMError.tagOf, onSuccess: ({ text }) => `answer: ${text}` })
const streamed = (wire: Wire, response: () => Response) =>
  outcome(LLM.collect(LLM.streamText({ prompt: "Hi" }))).pipe(Effect.provide(
    Layer.provide(layers[wire], stub(response).layer)
  ))
const whole = (wire: Wire, body: unknown) =>
  outcome(LLM.generateText({ prompt: "Hi" })).pipe(
    Effect.provide(Layer.provide(layers[wire], stub(() => jsonResponse(body)).layer))
  )

const usage = { input_tokens: 3, output_tokens: 2 }

/** The events of a short answer on each wire, the last ones those that end it. */
const answers = {
  chat: {
    content: chatChunk({ content: "Hello" }),
    finish: chatChunk({}, "stop") + events({ choices: [], usage: { prompt_tokens: 3, completion_tokens: 2 } }),
    end: "data: [DONE]\n\n"
  },
  responses: {
    content: events({ type: "response.output_text.delta", output_index: 0, item_id: "m", delta: "Hello" }),
    finish: events({ type: "response.completed", response: { id: "r", status: "completed", usage, output: [] } }),
    end: ""
  },
  anthropic: {
    content: events(
      { type: "message_start", message: { id: "m", content: [], usage: { input_tokens: 3, output_tokens: 1 } } },
      { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "Hello" } }
    ),
    finish: events({ type: "message_delta", delta: { stop_reason: "end_turn" }, usage: { output_tokens: 2 } }),
    end: events({ type: "message_stop" })
  },
  gemini: {
    content: events({ candidates: [{ content: { parts: [{ text: "Hello" }] } }] }),
    finish: events({
      candidates: [{ finishReason: "STOP" }],
      usageMetadata: { promptTokenCount: 3, candidatesTokenCount: 2 }
    }),
    end: ""
  },
  cohere: {
    content: events({ type: "content-delta", index: 0, delta: { message: { content: { text: "Hello" } } } }),
    finish: events({
      type: "message-end",
      delta: { finish_reason: "COMPLETE", usage: { billed_units: usage } }
    }),
    end: ""
  }
} as const

describe.each(Object.entries(answers))("a stream of %s", (wire, { content, end, finish }) => {
  const name = wire as keyof typeof answers

  it.effect("passes over events without data, and events of others whose data is no JSON", () =>
    Effect.gen(function*() {
      const noise = "data:\n\nevent: ping\ndata:\n\nevent: heartbeat\ndata: still here\n\nevent: tick\ndata: 1\n\n" +
        "event: keepalive\ndata: {}\n\n: comment\n\n"
      assert.strictEqual(
        yield* streamed(name, () => new Response(noise + content + noise + finish + noise + end)),
        "answer: Hello"
      )
    }))

  it.effect("fails by an error event in plain words, and by an event that is cut", () =>
    Effect.gen(function*() {
      assert.strictEqual(
        yield* streamed(name, () => new Response(`${content}event: error\ndata: overloaded, try later\n\n`)),
        "Overloaded"
      )
      assert.strictEqual(
        yield* streamed(name, () => new Response(`${content}event: message\ndata: {"choices": [\n\n${finish}${end}`)),
        "MalformedResponse"
      )
    }))

  it.effect("is complete with its finish and usage, also when the connection breaks then", () =>
    Effect.gen(function*() {
      const cut = (text: string) => () =>
        new Response(
          new ReadableStream({
            start: (controller) => controller.enqueue(new TextEncoder().encode(text)),
            pull: (controller) => controller.error(new Error("ECONNRESET"))
          }, { highWaterMark: 0 })
        )
      assert.strictEqual(yield* streamed(name, cut(content + finish)), "answer: Hello")
      assert.strictEqual(yield* streamed(name, cut(content)), "Transport")
    }))
})

describe("a success that says nothing", () => {
  it.effect.each<[Wire, string]>([
    ["chat", "data: [DONE]\n\n"],
    ["chat", `${events({ choices: [] })}data: [DONE]\n\n`],
    ["responses", events({ type: "response.completed" })],
    ["anthropic", events({ type: "message_stop" })],
    ["cohere", events({ type: "message-end", delta: {} })],
    ["gemini", "data: [DONE]\n\n"]
  ])("is no answer when streamed by %s", ([wire, body]) =>
    Effect.gen(function*() {
      assert.oneOf(yield* streamed(wire, () => new Response(body)), ["MalformedResponse", "Transport"])
    }))

  it.effect.each<[Wire, unknown]>([
    ["chat", { choices: [{ message: {} }] }],
    ["chat", { choices: [{ index: 0, message: { role: "assistant", content: null }, finish_reason: null }] }],
    ["chat", { choices: [{ finish_reason: "stop" }] }],
    ["responses", { output: [] }],
    ["anthropic", { type: "message", content: [] }],
    ["cohere", { message: {} }],
    ["gemini", { candidates: [{}] }],
    ["bedrock", { output: { message: { content: [] } } }]
  ])("is no answer of %s", ([wire, body]) =>
    Effect.gen(function*() {
      assert.strictEqual(yield* whole(wire, body), "MalformedResponse")
    }))
})

describe("text that is not text", () => {
  it.effect.each<[Wire, unknown]>([
    ["chat", chatAnswer("", { choices: [{ index: "0", message: { content: 42 }, finish_reason: "stop" }] })],
    ["chat", chatAnswer("", { choices: [{ message: { content: ["4", { text: 2 }] }, finish_reason: "stop" }] })],
    ["responses", { status: "completed", output: [{ type: "message", content: [{ type: "output_text", text: 42 }] }] }],
    ["anthropic", { type: "message", stop_reason: "end_turn", content: [{ type: "text", text: 42 }] }],
    ["gemini", { candidates: [{ content: { parts: [{ text: 42 }] }, finishReason: "STOP" }] }],
    ["cohere", { finish_reason: "COMPLETE", message: { content: 42 } }],
    ["cohere", { finish_reason: "COMPLETE", message: { content: [{ type: "text", text: 42 }] } }],
    ["bedrock", { stopReason: "end_turn", output: { message: { content: [{ text: 42 }] } } }]
  ])("is shown as it is written, %s", ([wire, body]) =>
    Effect.gen(function*() {
      assert.strictEqual(yield* whole(wire, body), "answer: 42")
    }))

  it.effect("is shown in streams too", () =>
    Effect.gen(function*() {
      const body = events(
        { choices: [{ index: "0", delta: { content: 4 } }] },
        { choices: [{ index: "0", delta: { content: 2 }, finish_reason: "stop" }] },
        { choices: [{ index: "1", delta: { content: "other" } }] }
      )
      assert.strictEqual(yield* streamed("chat", () => new Response(body)), "answer: 42")
      const frames = () =>
        new Response(join([
          event("heartbeat", ""),
          event("contentBlockDelta", { contentBlockIndex: 0, delta: { text: 42 } }),
          event("messageStop", { stopReason: "end_turn" }),
          event("metadata", { usage: { inputTokens: 1, outputTokens: 1 } })
        ]))
      assert.strictEqual(yield* streamed("bedrock", frames), "answer: 42")
    }))
})

it.effect("a choice that Azure withholds is filtered", () =>
  Effect.gen(function*() {
    const choice = { index: 0, finish_reason: "content_filter", content_filter_results: { hate: { filtered: true } } }
    assert.strictEqual(yield* whole("chat", { choices: [choice] }), "ContentFilteredError")
    assert.strictEqual(
      yield* streamed("chat", () => new Response(events({ choices: [choice] }))),
      "ContentFilteredError"
    )
  }))

describe("Responses events that leave numbers or ids out", () => {
  const message = (id?: string) => ({ type: "message", id, content: [{ type: "output_text", text: "Hello" }] })
  const thought = (id?: string) => ({ type: "reasoning", id, summary: [{ text: "Hm" }] })
  const delta = (more: object) => ({ type: "response.output_text.delta", delta: "Hello", ...more })
  const thinks = (more: object) => ({ type: "response.reasoning_summary_text.delta", delta: "Hm", ...more })
  const done = (item: object, more: object = {}) => ({ type: "response.output_item.done", item, ...more })
  const completed = (...output: ReadonlyArray<object>) => ({
    type: "response.completed",
    response: { id: "r", status: "completed", output, usage }
  })

  it.effect.each<[what: string, events: ReadonlyArray<object>]>([
    ["no number", [thinks({ item_id: "t" }), delta({ item_id: "m" }), completed(thought("t"), message("m"))]],
    ["no number, items done", [
      thinks({ item_id: "t" }),
      done(thought("t")),
      delta({ item_id: "m" }),
      done(message("m")),
      completed(thought("t"), message("m"))
    ]],
    ["nothing at all", [thinks({}), delta({}), completed(thought(), message())]],
    ["nothing at all, items done", [
      thinks({}),
      done(thought()),
      delta({}),
      done(message()),
      completed(thought("t"), message("m"))
    ]],
    ["a number only when done", [
      thinks({}),
      done(thought("t"), { output_index: 0 }),
      delta({}),
      done(message("m"), { output_index: 1 }),
      completed(thought("t"), message("m"))
    ]],
    ["other ids at the end", [
      thinks({ item_id: "t" }),
      delta({ item_id: "m" }),
      completed(thought("x"), message("y"))
    ]],
    ["numbers from 1", [
      thinks({ output_index: 1 }),
      delta({ output_index: 2 }),
      completed(thought("t"), message("m"))
    ]],
    ["deltas left out", [completed(thought("t"), message("m"))]]
  ])("are read once: %s", ([, items]) =>
    Effect.gen(function*() {
      const answer = yield* LLM.collect(LLM.streamText({ prompt: "Hi" })).pipe(
        Effect.provide(Layer.provide(layers.responses, stub(() => new Response(events(...items))).layer))
      )
      assert.strictEqual(answer.text, "Hello")
      assert.strictEqual(answer.reasoning.pipe((option) => option._tag === "Some" ? option.value : ""), "Hm")
      assert.lengthOf(answer.message.content, 2)
    }))
})
