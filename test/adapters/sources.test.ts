/** What an answer cites is kept with its text on every wire, and is a source to `ai`. */
import { assert, describe, it } from "@effect/vitest"
import { generateText, streamText } from "ai"
import { Effect, Layer, Redacted } from "effect"
import * as VercelAi from "../../src/adapters/VercelAi.ts"
import { Anthropic, Cohere, Gemini, OpenAI, OpenAIChat, Retry } from "../../src/index.ts"
import { chatAnswer, jsonResponse, stub } from "../stub.ts"

const common = { apiKey: Redacted.make("key-0123456789"), retry: Retry.none }
const url = "https://example.com/a"
const title = "A page"
const events = (...items: ReadonlyArray<object>) =>
  new Response(
    items.map((item) => `${"type" in item ? `event: ${String(item.type)}\n` : ""}data: ${JSON.stringify(item)}\n\n`)
      .join(
        ""
      ),
    { headers: { "content-type": "text/event-stream" } }
  )

const message = {
  type: "message",
  id: "m",
  role: "assistant",
  content: [{ type: "output_text", text: "Yes.", annotations: [{ type: "url_citation", url, title }] }]
}
const response = { id: "r", status: "completed", usage: { input_tokens: 1, output_tokens: 1 }, output: [message] }
const candidates = [{
  content: { parts: [{ text: "Yes." }] },
  finishReason: "STOP",
  groundingMetadata: { webSearchQueries: ["q"], groundingChunks: [{ web: { uri: url, title } }] }
}]
const annotations = [{ type: "url_citation", url_citation: { url, title } }]
const citation = { type: "web_search_result_location", url, title, cited_text: "Yes" }
const anthropic = { id: "m", type: "message", role: "assistant", model: "claude-sonnet-4-5" }

const wires = {
  messages: {
    layer: Anthropic.layer({ ...common, model: "claude-sonnet-4-5" }),
    whole: () =>
      jsonResponse({
        ...anthropic,
        content: [{ type: "text", text: "Yes.", citations: [citation, citation] }],
        stop_reason: "end_turn",
        usage: { input_tokens: 1, output_tokens: 1 }
      }),
    streamed: () =>
      events(
        { type: "message_start", message: { ...anthropic, content: [], usage: { input_tokens: 1, output_tokens: 1 } } },
        { type: "content_block_start", index: 0, content_block: { type: "text", text: "", citations: [] } },
        { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "Yes." } },
        { type: "content_block_delta", index: 0, delta: { type: "citations_delta", citation } },
        { type: "content_block_stop", index: 0 },
        { type: "message_delta", delta: { stop_reason: "end_turn" }, usage: { output_tokens: 1 } },
        { type: "message_stop" }
      )
  },
  responses: {
    layer: OpenAI.layer({ ...common, model: "gpt-5.4" }),
    whole: () => jsonResponse(response),
    streamed: () =>
      events(
        { type: "response.output_text.delta", output_index: 0, item_id: "m", delta: "Yes." },
        { type: "response.output_item.done", output_index: 0, item: message },
        { type: "response.completed", response }
      )
  },
  "generate-content": {
    layer: Gemini.layer({ ...common, model: "gemini-2.5-flash" }),
    whole: () => jsonResponse({ candidates }),
    streamed: () => events({ candidates })
  },
  "chat-completions": {
    layer: OpenAIChat.layer({ ...common, model: "gpt-4.1-mini" }),
    whole: () =>
      jsonResponse(chatAnswer("", {
        choices: [{ index: 0, message: { role: "assistant", content: "Yes.", annotations }, finish_reason: "stop" }]
      })),
    streamed: () =>
      events(
        { choices: [{ index: 0, delta: { content: "Yes." } }], search_results: [{ url, title }] },
        { choices: [{ index: 0, delta: { content: "" }, finish_reason: "stop" }], search_results: [{ url, title }] }
      )
  },
  cohere: {
    layer: Cohere.layer({ ...common, model: "command-a-03-2025" }),
    whole: () =>
      jsonResponse({
        id: "c",
        message: {
          content: [{ type: "text", text: "Yes." }],
          citations: [{
            start: 0,
            end: 3,
            text: "Yes",
            sources: [{ type: "document", id: "1", document: { url, title } }]
          }]
        },
        finish_reason: "COMPLETE",
        usage: { tokens: { input_tokens: 1, output_tokens: 1 } }
      }),
    streamed: undefined
  }
}

describe("sources", () => {
  for (const [name, { layer, streamed, whole }] of Object.entries(wires)) {
    it.effect(name, () =>
      Effect.gen(function*() {
        const ask = (answer: () => Response) => ({
          model: VercelAi.model(Layer.provide(layer, stub(answer).layer)),
          prompt: "Really?"
        })
        const expected = [{ type: "source", sourceType: "url", id: "source-0", url, title }]
        const answer = yield* Effect.promise(() => generateText(ask(whole)))
        assert.strictEqual(answer.text, "Yes.")
        assert.deepStrictEqual(answer.sources.map((source) => ({ ...source })), expected as never)
        if (streamed === undefined) return
        const sources = yield* Effect.promise(async () => await streamText(ask(streamed)).sources)
        assert.deepStrictEqual(sources.map((source) => ({ ...source })), expected as never)
      }))
  }
})
