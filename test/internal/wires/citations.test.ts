import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted, Schema } from "effect"
import { Anthropic, Bedrock, Cohere, Gemini, Hooks, LLM, OpenAI, OpenAIChat, Prompt } from "../../../src/index.ts"
import { event, join } from "../../frames.ts"
import { jsonResponse, stub } from "../../stub.ts"

const apiKey = Redacted.make("k-123456")
const text = "Grüße 🎉: Ruby was made in 1993."
const passage = "Ruby was made in 1993."
const start = text.indexOf(passage)
const end = start + passage.length
const page = { url: "https://ruby.test/about", title: "About Ruby" }
const words = "Ruby was made by Matz in 1993"

const bytesTo = (place: number) => new TextEncoder().encode(text.slice(0, place)).length

const events = (...all: ReadonlyArray<unknown>) => () =>
  new Response(all.map((data) => `data: ${JSON.stringify(data)}\n\n`).join(""), {
    headers: { "content-type": "text/event-stream" }
  })

const usage = { input_tokens: 3, output_tokens: 4 }

const fromPage = {
  type: "web_search_result_location",
  ...page,
  encrypted_index: "x==",
  cited_text: words
}
const fromDocument = {
  type: "char_location",
  cited_text: words,
  document_index: 0,
  document_title: "facts.txt",
  start_char_index: 5,
  end_char_index: 34
}
const annotation = { type: "url_citation", ...page, start_index: start, end_index: end }
const message = {
  type: "message",
  id: "m1",
  role: "assistant",
  content: [{ type: "output_text", text, annotations: [annotation] }]
}
const chatAnnotation = { type: "url_citation", url_citation: { ...page, start_index: start, end_index: end } }
const grounding = {
  groundingChunks: [{ web: { uri: page.url, title: page.title } }],
  groundingSupports: [{
    segment: { startIndex: bytesTo(start), endIndex: bytesTo(end), text: passage },
    groundingChunkIndices: [0]
  }]
}
const converseCitation = {
  title: page.title,
  sourceContent: [{ text: words }],
  location: { web: { url: page.url, domain: "ruby.test" } }
}
const cohereCitation = {
  start,
  end,
  text: passage,
  content_index: 0,
  sources: [{ type: "document", id: "doc:0", document: { id: "doc:0", ...page, snippet: words } }]
}
const chat = (choice: unknown, more: object = {}) => ({ id: "c", model: "m", choices: [choice], ...more })

const wires = {
  anthropic: {
    layer: Anthropic.layer({ model: "claude-haiku-4-5", apiKey }),
    whole: () =>
      jsonResponse({
        type: "message",
        content: [{ type: "text", text, citations: [fromPage, fromDocument] }],
        stop_reason: "end_turn",
        usage
      }),
    stream: events(
      { type: "message_start", message: { usage } },
      { type: "content_block_start", index: 0, content_block: { type: "text", text: "", citations: [] } },
      { type: "content_block_delta", index: 0, delta: { type: "citations_delta", citation: fromPage } },
      { type: "content_block_delta", index: 0, delta: { type: "text_delta", text } },
      { type: "content_block_delta", index: 0, delta: { type: "citations_delta", citation: fromDocument } },
      { type: "content_block_stop", index: 0 },
      { type: "message_delta", delta: { stop_reason: "end_turn" }, usage },
      { type: "message_stop" }
    ),
    citations: [{ ...page, text: words }, { title: "facts.txt", text: words, source: "0" }]
  },
  responses: {
    layer: OpenAI.layer({ model: "gpt-4.1", apiKey }),
    whole: () => jsonResponse({ id: "r", status: "completed", output: [message], usage }),
    stream: events(
      { type: "response.output_text.delta", output_index: 0, item_id: "m1", content_index: 0, delta: text },
      { type: "response.output_text.annotation.added", output_index: 0, item_id: "m1", content_index: 0, annotation },
      { type: "response.output_item.done", output_index: 0, item: message },
      { type: "response.completed", response: { id: "r", status: "completed", output: [message], usage } }
    ),
    citations: [{ ...page, start, end }]
  },
  "chat completions": {
    layer: OpenAIChat.layer({ model: "gpt-4.1", apiKey }),
    whole: () =>
      jsonResponse(chat({ message: { content: text, annotations: [chatAnnotation] }, finish_reason: "stop" })),
    stream: events(
      chat({ index: 0, delta: { content: "", annotations: [chatAnnotation] } }),
      chat({ index: 0, delta: { content: text } }),
      chat({ index: 0, delta: { annotations: [chatAnnotation] }, finish_reason: "stop" })
    ),
    citations: [{ ...page, start, end }]
  },
  "pages beside the message": {
    layer: OpenAIChat.layer({ model: "sonar", apiKey }),
    whole: () =>
      jsonResponse(
        chat({ message: { content: text }, finish_reason: "stop" }, { citations: [page.url, "https://b.test"] })
      ),
    stream: events(
      chat({ index: 0, delta: { content: text } }, { citations: [page.url, "https://b.test"] }),
      chat({ index: 0, delta: {}, finish_reason: "stop" }, { citations: [page.url, "https://b.test"] })
    ),
    citations: [{ url: page.url }, { url: "https://b.test" }]
  },
  gemini: {
    layer: Gemini.layer({ model: "gemini-2.5-flash", apiKey }),
    whole: () =>
      jsonResponse({
        candidates: [{ content: { parts: [{ text }] }, finishReason: "STOP", groundingMetadata: grounding }]
      }),
    stream: events(
      { candidates: [{ content: { parts: [{ text: text.slice(0, 10) }] } }] },
      { candidates: [{ content: { parts: [{ text: text.slice(10) }] }, groundingMetadata: grounding }] },
      { candidates: [{ content: { parts: [] }, finishReason: "STOP", groundingMetadata: grounding }] }
    ),
    citations: [{ ...page, start, end }]
  },
  converse: {
    layer: Bedrock.layer({ model: "anthropic.claude-haiku-4-5", region: "us-east-1", apiKey }),
    whole: () =>
      jsonResponse({
        output: {
          message: { content: [{ citationsContent: { content: [{ text }], citations: [converseCitation] } }] }
        },
        stopReason: "end_turn",
        usage: { inputTokens: 3, outputTokens: 4 }
      }),
    stream: () =>
      new Response(join([
        event("contentBlockDelta", { contentBlockIndex: 0, delta: { text } }),
        event("contentBlockDelta", { contentBlockIndex: 0, delta: { citation: converseCitation } }),
        event("contentBlockStop", { contentBlockIndex: 0 }),
        event("messageStop", { stopReason: "end_turn" }),
        event("metadata", { usage: { inputTokens: 3, outputTokens: 4 } })
      ])),
    citations: [{ ...page, text: words }]
  },
  cohere: {
    layer: Cohere.layer({ model: "command-a-03-2025", apiKey }),
    whole: () =>
      jsonResponse({
        id: "c",
        message: { content: [{ type: "text", text }], citations: [cohereCitation] },
        finish_reason: "COMPLETE"
      }),
    stream: events(
      { type: "content-delta", index: 0, delta: { message: { content: { text } } } },
      { type: "citation-start", index: 0, delta: { message: { citations: cohereCitation } } },
      { type: "message-end", delta: { finish_reason: "COMPLETE" } }
    ),
    citations: [{ ...page, text: words, source: "doc:0", start, end }]
  }
}

const answerOf = (wire: typeof wires[keyof typeof wires], answer: () => Response) => {
  const http = stub(answer)
  const live = Layer.provide(wire.layer, http.layer)
  return { http, live }
}

describe("citations", () => {
  for (const [name, wire] of Object.entries(wires)) {
    it.scoped(`${name}: the same from a stream and a whole answer, and they can be stored`, () =>
      Effect.gen(function*() {
        const whole = yield* LLM.generateText({ prompt: "Who?" }).pipe(
          Effect.provide(answerOf(wire, wire.whole).live)
        )
        const streamed = yield* LLM.collect(LLM.streamText({ prompt: "Who?" })).pipe(
          Effect.provide(answerOf(wire, wire.stream).live)
        )
        const part = whole.message.content[0]
        assert.deepInclude(part, { type: "text", text })
        assert.deepStrictEqual(typeof part === "object" && "citations" in part ? part.citations : undefined, [
          ...wire.citations
        ])
        assert.deepStrictEqual(streamed.message.content, whole.message.content)
        const stored = yield* Schema.encode(Prompt.Conversation)([whole.message])
        assert.deepStrictEqual(yield* Schema.decode(Prompt.Conversation)(stored), [whole.message])
      }))
  }

  it.scoped("go back to the provider that wants them, as they came", () =>
    Effect.gen(function*() {
      for (
        const [wire, expected] of [
          [wires.anthropic, { type: "text", text, citations: [fromPage, fromDocument] }],
          [wires.converse, { citationsContent: { content: [{ text }], citations: [converseCitation] } }]
        ] as const
      ) {
        const { http, live } = answerOf(wire, wire.whole)
        yield* Effect.gen(function*() {
          const { message } = yield* LLM.generateText({ prompt: "Who?" })
          yield* LLM.generateText({ prompt: [Prompt.user("Who?"), message, Prompt.user("When?")] })
        }).pipe(Effect.provide(live))
        const { messages } = Object(http.sent[1]?.body)
        assert.deepStrictEqual(messages[1].content, [expected])
      }
    }))

  it.scoped("a text that a hook changes, or that rests on what must not be shown, loses them", () =>
    Effect.gen(function*() {
      for (const pattern of [/1993/, /Matz/]) {
        const hook = Hooks.regex({ name: "years", pattern, action: "redact", on: "after" })
        const live = Hooks.layer([hook]).pipe(Layer.provide(answerOf(wires.anthropic, wires.anthropic.whole).live))
        const { message } = yield* Effect.provide(LLM.generateText({ prompt: "Who?" }), live)
        assert.notInclude(JSON.stringify(message), "Matz")
        assert.notProperty(message.content[0], "citations")
      }
    }))
})
