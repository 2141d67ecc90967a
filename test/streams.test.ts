import { assert, describe, it } from "@effect/vitest"
import { Chunk, Effect, FastCheck as fc, Layer, Option, Redacted, Stream } from "effect"
import { blockProblems } from "../scripts/conformance/blocks.ts"
import { Anthropic, Gemini, LLM, OpenAI, OpenAIChat, Retry } from "../src/index.ts"
import { stub } from "./stub.ts"

/** One answer, as a model might give it. */
interface Answer {
  readonly text: string
  readonly reasoning: string
  readonly args: Readonly<Record<string, unknown>>
  readonly input: number
  readonly output: number
  readonly cached: number
}

const common = { apiKey: Redacted.make("k-123456"), retry: Retry.none }

const pieces = (text: string, size: number): ReadonlyArray<string> => {
  const characters = [...text]
  return Array.from(
    { length: Math.ceil(characters.length / size) },
    (_, i) => characters.slice(i * size, (i + 1) * size).join("")
  )
}

const frames = (events: ReadonlyArray<object>, eol = "\n") =>
  events.map((event) => `data: ${JSON.stringify(event)}${eol}${eol}`).join("")

/** Each wire: the whole answer as one body, and the same as a stream. */
const wires = {
  chat: {
    layer: OpenAIChat.layer({ ...common, model: "gpt-4.1" }),
    single: ({ args, cached, input, output, text }: Answer) => ({
      id: "1",
      model: "gpt-4.1",
      choices: [{
        index: 0,
        message: { content: text, tool_calls: [{ id: "c", function: { name: "f", arguments: JSON.stringify(args) } }] },
        finish_reason: "tool_calls"
      }],
      usage: { prompt_tokens: input, completion_tokens: output, prompt_tokens_details: { cached_tokens: cached } }
    }),
    stream: ({ args, cached, input, output, text }: Answer, size: number) => {
      const chunk = (delta: object, finish: string | null = null) => ({
        id: "1",
        model: "gpt-4.1",
        choices: [{ index: 0, delta, finish_reason: finish }]
      })
      return frames([
        ...pieces(text, size).map((content) => chunk({ content })),
        chunk({ tool_calls: [{ index: 0, id: "c", function: { name: "f", arguments: "" } }] }),
        ...pieces(JSON.stringify(args), size).map((piece) =>
          chunk({ tool_calls: [{ index: 0, function: { arguments: piece } }] })
        ),
        chunk({}, "tool_calls"),
        {
          choices: [],
          usage: { prompt_tokens: input, completion_tokens: output, prompt_tokens_details: { cached_tokens: cached } }
        }
      ]) + "data: [DONE]\n\n"
    }
  },
  anthropic: {
    layer: Anthropic.layer({ ...common, model: "claude-sonnet-4-5" }),
    single: ({ args, cached, input, output, reasoning, text }: Answer) => ({
      type: "message",
      id: "1",
      model: "claude-sonnet-4-5",
      content: [
        { type: "thinking", thinking: reasoning, signature: "s" },
        { type: "text", text },
        { type: "tool_use", id: "c", name: "f", input: args }
      ],
      stop_reason: "tool_use",
      usage: { input_tokens: input - cached, cache_read_input_tokens: cached, output_tokens: output }
    }),
    stream: ({ args, cached, input, output, reasoning, text }: Answer, size: number) => {
      const block = (index: number, start: object, deltas: ReadonlyArray<object>) => [
        { type: "content_block_start", index, content_block: start },
        ...deltas.map((delta) => ({ type: "content_block_delta", index, delta })),
        { type: "content_block_stop", index }
      ]
      return frames([
        {
          type: "message_start",
          message: {
            id: "1",
            model: "claude-sonnet-4-5",
            usage: { input_tokens: input - cached, cache_read_input_tokens: cached, output_tokens: 1 }
          }
        },
        ...block(0, { type: "thinking", thinking: "" }, [
          ...pieces(reasoning, size).map((thinking) => ({ type: "thinking_delta", thinking })),
          { type: "signature_delta", signature: "s" }
        ]),
        { type: "ping" },
        ...block(
          1,
          { type: "text", text: "" },
          pieces(text, size).map((piece) => ({ type: "text_delta", text: piece }))
        ),
        ...block(
          2,
          { type: "tool_use", id: "c", name: "f", input: {} },
          pieces(JSON.stringify(args), size).map((json) => ({ type: "input_json_delta", partial_json: json }))
        ),
        { type: "message_delta", delta: { stop_reason: "tool_use" }, usage: { output_tokens: output } },
        { type: "message_stop" }
      ])
    }
  },
  gemini: {
    layer: Gemini.layer({ ...common, model: "gemini-2.5-pro" }),
    single: (answer: Answer) =>
      geminiChunk(answer, [
        { text: answer.reasoning, thought: true },
        { text: answer.text },
        { functionCall: { id: "c", name: "f", args: answer.args } }
      ], "STOP"),
    stream: (answer: Answer, size: number) =>
      frames([
        ...pieces(answer.reasoning, size).map((text) => geminiChunk(answer, [{ text, thought: true }])),
        ...pieces(answer.text, size).map((text) => geminiChunk(answer, [{ text }])),
        geminiChunk(answer, [{ functionCall: { id: "c", name: "f", args: answer.args } }], "STOP")
      ], "\r\n")
  },
  responses: {
    layer: OpenAI.layer({ ...common, model: "gpt-5" }),
    single: (answer: Answer) => responsesBody(answer),
    stream: (answer: Answer, size: number) => {
      const [reasoning, message, call] = responsesBody(answer).output
      return frames([
        { type: "response.created", response: { id: "1", model: "gpt-5" } },
        ...pieces(answer.reasoning, size).map((delta) => ({
          type: "response.reasoning_summary_text.delta",
          output_index: 0,
          delta
        })),
        { type: "response.output_item.done", output_index: 0, item: reasoning },
        ...pieces(answer.text, size).map((delta) => ({ type: "response.output_text.delta", output_index: 1, delta })),
        { type: "response.output_item.done", output_index: 1, item: message },
        { type: "response.output_item.added", output_index: 2, item: { ...call, arguments: "" } },
        ...pieces(JSON.stringify(answer.args), size).map((delta) => ({
          type: "response.function_call_arguments.delta",
          output_index: 2,
          delta
        })),
        { type: "response.output_item.done", output_index: 2, item: call },
        { type: "response.completed", response: responsesBody(answer) }
      ])
    }
  }
}

function geminiChunk(answer: Answer, parts: ReadonlyArray<object>, finishReason?: string) {
  return {
    responseId: "1",
    modelVersion: "gemini-2.5-pro",
    candidates: [{ content: { parts }, ...(finishReason === undefined ? {} : { finishReason }) }],
    usageMetadata: {
      promptTokenCount: answer.input,
      candidatesTokenCount: answer.output,
      cachedContentTokenCount: answer.cached
    }
  }
}

function responsesBody({ args, cached, input, output, reasoning, text }: Answer) {
  return {
    id: "1",
    model: "gpt-5",
    status: "completed",
    output: [
      { type: "reasoning", id: "r", summary: [{ type: "summary_text", text: reasoning }], encrypted_content: "e" },
      { type: "message", content: [{ type: "output_text", text }] },
      { type: "function_call", call_id: "c", name: "f", arguments: JSON.stringify(args) }
    ],
    usage: { input_tokens: input, output_tokens: output, input_tokens_details: { cached_tokens: cached } }
  }
}

const answers = fc.record({
  text: fc.string({ unit: "grapheme", minLength: 1, maxLength: 40 }),
  reasoning: fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 }),
  args: fc.dictionary(fc.string({ maxLength: 5 }), fc.jsonValue({ maxDepth: 1 }), { maxKeys: 3, noNullPrototype: true })
    .map((value): Readonly<Record<string, unknown>> => JSON.parse(JSON.stringify(value))),
  input: fc.integer({ min: 100, max: 500_000 }),
  output: fc.nat(5000),
  cached: fc.nat(100)
})

/** The body in pieces, cut anywhere. */
const cut = (text: string, points: ReadonlyArray<number>) => {
  const bytes = new TextEncoder().encode(text)
  const ends = [...new Set([...points.map((point) => point % (bytes.length + 1)), bytes.length])].sort((a, b) => a - b)
  return new ReadableStream<Uint8Array>({
    start: (controller) => {
      for (const [i, end] of ends.entries()) controller.enqueue(bytes.slice(ends[i - 1] ?? 0, end))
      controller.close()
    }
  })
}

describe("a stream and a single answer of the same content", () => {
  for (const [name, wire] of Object.entries(wires)) {
    it.effect.prop(
      `${name}: give the same text, reasoning, calls, usage and cost, however it is cut`,
      [answers, fc.integer({ min: 1, max: 12 }), fc.array(fc.nat(5000), { maxLength: 30 })],
      ([answer, size, points]) =>
        Effect.gen(function*() {
          const http = stub(
            () =>
              new Response(JSON.stringify(wire.single(answer)), { headers: { "content-type": "application/json" } }),
            () => new Response(cut(wire.stream(answer, size), points)),
            () => new Response(wire.stream(answer, size))
          )
          const request = { prompt: "Hi", tools: [{ name: "f", parameters: { type: "object" } }] }
          const [single, parts, whole] = yield* Effect.all([
            LLM.generateText(request),
            Stream.runCollect(LLM.streamText(request)),
            Stream.runCollect(LLM.streamText(request))
          ]).pipe(Effect.provide(wire.layer.pipe(Layer.provide(http.layer))))
          const streamed = yield* LLM.collect(Stream.fromChunk(parts))
          for (const field of ["text", "reasoning", "usage", "finishReason", "model", "id"] as const) {
            assert.deepStrictEqual(streamed[field], single[field], field)
          }
          assert.deepStrictEqual(
            streamed.toolCalls.map((call) => call.arguments),
            single.toolCalls.map((call) => call.arguments)
          )
          assert.deepStrictEqual(
            Option.map(streamed.cost, (cost) => cost.total),
            Option.map(single.cost, (cost) => cost.total)
          )
          assert.isTrue(Option.isSome(single.cost))
          const content = (all: typeof parts) =>
            Chunk.toReadonlyArray(all).filter((part) => part._tag !== "Finish" && part._tag !== "ToolCallPart")
          assert.deepStrictEqual(content(parts), content(whole))
          assert.deepStrictEqual(blockProblems([...parts]), [])
        }),
      { fastCheck: { numRuns: 60 } }
    )
  }
})
