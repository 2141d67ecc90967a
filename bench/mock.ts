/** A provider in its own process, on three wires. Answers are made once: a client's time is its own. */
import * as http from "node:http"
import type { AddressInfo } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import { catalogue, claude, text, words } from "./data.ts"

interface Wire {
  readonly whole: (content: string) => unknown
  readonly opening: ReadonlyArray<string>
  /** About 250 bytes. */
  readonly event: (word: string) => string
  readonly closing: ReadonlyArray<string>
}

const data = (value: unknown) => `data: ${JSON.stringify(value)}\n\n`
const named = (type: string, fields: object = {}) => `event: ${type}\n${data({ type, ...fields })}`

// ── Chat Completions ────────────────────────────────────────────────────────────────────────────────────────────────

const chatUsage = {
  prompt_tokens: 19,
  completion_tokens: 90,
  total_tokens: 109,
  prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0 },
  completion_tokens_details: { reasoning_tokens: 0, audio_tokens: 0 }
}
const chatAnswer = (object: string, choices: ReadonlyArray<unknown>, usage?: unknown) => ({
  id: "chatcmpl-CkP0aVgQ8tJ1mWzXnR5sY2bLf7dHe",
  object,
  created: 1763680000,
  model: "gpt-4.1-mini-2025-04-14",
  service_tier: "default",
  system_fingerprint: "fp_4c2851f862",
  choices,
  ...(usage === undefined ? {} : { usage })
})
const chatChunk = (delta: unknown, finish: string | null = null) =>
  data(chatAnswer("chat.completion.chunk", [{ index: 0, delta, finish_reason: finish }]))
const chat: Wire = {
  whole: (content) =>
    chatAnswer("chat.completion", [{
      index: 0,
      message: { role: "assistant", content, refusal: null, annotations: [] },
      logprobs: null,
      finish_reason: "stop"
    }], chatUsage),
  opening: [chatChunk({ role: "assistant", content: "", refusal: null })],
  event: (word) => chatChunk({ content: word }),
  closing: [chatChunk({}, "stop"), data(chatAnswer("chat.completion.chunk", [], chatUsage)), "data: [DONE]\n\n"]
}

// ── Anthropic Messages ──────────────────────────────────────────────────────────────────────────────────────────────

const padding = "abcdefghijklmnopqrstuvwxyz0123456789".repeat(2)
const messagesUsage = {
  input_tokens: 19,
  output_tokens: 90,
  cache_creation_input_tokens: 0,
  cache_read_input_tokens: 0
}
const message = (content: ReadonlyArray<unknown>, stopReason: string | null) => ({
  id: "msg_01XFDUDYJgAACzvnptvVoYEL",
  type: "message",
  role: "assistant",
  model: claude,
  content,
  stop_reason: stopReason,
  stop_sequence: null,
  usage: messagesUsage
})
const messages: Wire = {
  whole: (content) => message([{ type: "text", text: content }], "end_turn"),
  opening: [
    named("message_start", { message: message([], null) }),
    named("content_block_start", { index: 0, content_block: { type: "text", text: "" } })
  ],
  event: (word) => named("content_block_delta", { index: 0, delta: { type: "text_delta", text: word }, p: padding }),
  closing: [
    named("content_block_stop", { index: 0 }),
    named("message_delta", { delta: { stop_reason: "end_turn", stop_sequence: null }, usage: messagesUsage }),
    named("message_stop")
  ]
}

// ── OpenAI Responses ────────────────────────────────────────────────────────────────────────────────────────────────

const item = (content: ReadonlyArray<unknown>, status: string) => ({
  id: "msg_68af4030592c81938ec0a5fbab4a3e9f05438e46b5f69a3b",
  type: "message",
  status,
  role: "assistant",
  content
})
const response = (output: ReadonlyArray<unknown>, status: string) => ({
  id: "resp_68af4030baa48193b0b43b4c2a176a1a05438e46b5f69a3b",
  object: "response",
  created_at: 1763680000,
  status,
  error: null,
  incomplete_details: null,
  instructions: null,
  max_output_tokens: null,
  model: "gpt-4.1-mini-2025-04-14",
  output,
  parallel_tool_calls: true,
  previous_response_id: null,
  reasoning: { effort: null, summary: null },
  temperature: 1,
  text: { format: { type: "text" } },
  tool_choice: "auto",
  tools: [],
  top_p: 1,
  truncation: "disabled",
  usage: {
    input_tokens: 19,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens: 90,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: 109
  },
  metadata: {}
})
const outputText = (content: string) => ({ type: "output_text", text: content, annotations: [], logprobs: [] })
const place = { output_index: 0, content_index: 0, item_id: item([], "").id }
const responses: Wire = {
  whole: (content) => response([item([outputText(content)], "completed")], "completed"),
  opening: [
    named("response.created", { sequence_number: 0, response: response([], "in_progress") }),
    named("response.output_item.added", { sequence_number: 1, output_index: 0, item: item([], "in_progress") }),
    named("response.content_part.added", { sequence_number: 2, ...place, part: outputText("") })
  ],
  event: (word) => named("response.output_text.delta", { sequence_number: 3, ...place, delta: word, logprobs: [] }),
  closing: [
    named("response.output_text.done", { sequence_number: 4, ...place, text, logprobs: [] }),
    named("response.content_part.done", { sequence_number: 5, ...place, part: outputText(text) }),
    named("response.output_item.done", {
      sequence_number: 6,
      output_index: 0,
      item: item([outputText(text)], "completed")
    }),
    named("response.completed", {
      sequence_number: 7,
      response: response([item([outputText(text)], "completed")], "completed")
    })
  ]
}

// ── the server ──────────────────────────────────────────────────────────────────────────────────────────────────────

const wires = new Map(
  Object.entries({ "/chat/completions": chat, "/messages": messages, "/responses": responses }).map(([path, wire]) => [
    path,
    {
      wire,
      call: Buffer.from(JSON.stringify(wire.whole(text))),
      object: Buffer.from(JSON.stringify(wire.whole(JSON.stringify(catalogue)))),
      opening: Buffer.from(wire.opening.join("")),
      events: words.map((word) => Buffer.from(wire.event(word))),
      many: Buffer.from(words.map((word) => wire.event(word)).join("").repeat(100 / words.length)),
      closing: Buffer.from(wire.closing.join(""))
    }
  ])
)

const written = (answer: http.ServerResponse, bytes: Buffer) =>
  new Promise<void>((resolve) => answer.write(bytes, () => resolve()))
const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve))

const server = http.createServer((request, answer) => {
  request.resume().on("end", async () => {
    const [, mode = "", path = ""] = /^\/([^/]+)(?:\/v1)?(\/.*)$/.exec(request.url ?? "") ?? []
    const made = wires.get(path)
    if (made === undefined) {
      answer.writeHead(404).end()
      return
    }
    const { call, closing, events, many, object, opening } = made
    if (mode === "call" || mode === "object") {
      const body = mode === "call" ? call : object
      answer.writeHead(200, { "content-type": "application/json", "content-length": body.length }).end(body)
      return
    }
    answer.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-cache" })
    const [kind, amount] = mode.split("-")
    const count = Number(amount)
    answer.write(opening)
    if (kind === "busy") {
      for (let sent = 0; sent < count && !answer.destroyed; sent += 100) await written(answer, many)
    } else {
      for (let sent = 0; sent < count && !answer.destroyed; sent++) {
        await written(answer, events[sent % events.length] ?? opening)
        await (kind === "paced" ? sleep(2) : nextTurn())
      }
      if (kind === "hold") return
    }
    answer.end(closing)
  })
})
process.on("disconnect", () => process.exit())
server.keepAliveTimeout = 60_000
server.listen(0, "127.0.0.1", () => process.send?.((server.address() as AddressInfo).port))
