import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as FakeProvider from "../../src/testing/FakeProvider.ts"
import { decode } from "../frames.ts"
import { type Ask, at, parseSse, said, wires, type WireUnderTest } from "./wires.ts"

const post = (url: string, wire: WireUnderTest, ask: Ask, signal?: AbortSignal): Promise<Response> =>
  fetch(url + wire.path(ask.stream === true), {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(wire.body(ask)),
    redirect: "manual",
    ...(signal === undefined ? {} : { signal })
  })

/** The text that came, and whether the connection broke afterwards. */
const drain = async (response: Response) => {
  let text = ""
  const decoder = new TextDecoder()
  try {
    const reader = response.body?.getReader()
    for (let read = await reader?.read(); read?.value !== undefined; read = await reader?.read()) {
      text += decoder.decode(read.value, { stream: true })
    }
    return { text, broken: false }
  } catch {
    return { text, broken: true }
  }
}

const get = (url: string, wire: WireUnderTest, ask: Ask) =>
  Effect.promise(async () => {
    const response = await post(url, wire, ask)
    const { broken, text } = await drain(response)
    return { response, text, broken }
  })

/** What comes within a while from an answer that never ends. */
/** Leaves after a while: `silent` may not even send headers; otherwise so long after they came. */
const listen = (url: string, wire: WireUnderTest, ask: Ask, silent = false) =>
  Effect.promise(async () => {
    const controller = new AbortController()
    const leave = () => setTimeout(() => controller.abort(), 60)
    if (silent) leave()
    const response = await post(url, wire, ask, controller.signal).catch(() => undefined)
    if (response === undefined) return undefined
    leave()
    return { response, ...await drain(response) }
  })

const eventually = (condition: Effect.Effect<boolean>): Effect.Effect<void> =>
  Effect.flatMap(
    condition,
    (met) => met ? Effect.void : Effect.zipRight(Effect.sleep("2 millis"), eventually(condition))
  )

const weather = {
  type: "object",
  properties: { city: { type: "string" }, days: { type: "integer", minimum: 2 } },
  required: ["city", "days"]
}

for (const wire of wires) {
  describe(wire.name, () => {
    it.scopedLive("answers by itself, whole and streamed, with usage", () =>
      Effect.gen(function*() {
        const { requests, url } = yield* FakeProvider.make()
        const whole = yield* get(url, wire, {})
        const body = JSON.parse(whole.text)
        assert.strictEqual(wire.text(body), said)
        assert.strictEqual(wire.tokens(body), Math.ceil(JSON.stringify(wire.body({})).length / 4))

        const { response, text } = yield* get(url, wire, { stream: true })
        const events = parseSse(text)
        assert.match(response.headers.get("content-type") ?? "", /^text\/event-stream/)
        assert.strictEqual(wire.streamedText(events), said)
        assert.isAbove(wire.contentEvents(events), 2)
        assert.isTrue(wire.isComplete(events))
        assert.match(text, /(input_tokens|prompt_tokens|promptTokenCount)":\d+/)

        const [first, second] = yield* requests
        assert.strictEqual(first?.wire, wire.name)
        assert.deepEqual([first?.streamed, second?.streamed], [false, true])
        assert.deepEqual(first?.body, JSON.parse(JSON.stringify(wire.body({}))))
        assert.strictEqual(first?.path, wire.path(false))
      }))

    it.scopedLive("is the same every time", () =>
      Effect.gen(function*() {
        const { reset, url } = yield* FakeProvider.make()
        const first = yield* get(url, wire, { stream: true })
        yield* reset
        const second = yield* get(url, wire, { stream: true })
        assert.strictEqual(first.text, second.text)
      }))

    it.scopedLive("makes an instance of a schema, and calls a tool until it has its result", () =>
      Effect.gen(function*() {
        const { url } = yield* FakeProvider.make()
        const json = yield* get(url, wire, { schema: weather })
        assert.deepEqual(JSON.parse(String(wire.text(JSON.parse(json.text)))), { city: "city", days: 2 })
        const streamed = yield* get(url, wire, { schema: weather, stream: true })
        assert.deepEqual(JSON.parse(wire.streamedText(parseSse(streamed.text))), { city: "city", days: 2 })

        const call = yield* get(url, wire, { tool: weather })
        assert.deepEqual(wire.toolCall(JSON.parse(call.text)), {
          name: "get_weather",
          input: { city: "city", days: 2 }
        })
        const answer = yield* get(url, wire, { tool: weather, toolResult: true })
        assert.strictEqual(wire.text(JSON.parse(answer.text)), said)
      }))

    it.scopedLive("plays a script: text, reasoning, tools, refusal, length", () =>
      Effect.gen(function*() {
        const { script, url } = yield* FakeProvider.make()
        const replies = [
          FakeProvider.text("Grüße 👋 all", { reasoning: "hm hm", usage: { inputTokens: 1234 }, chunks: 3 }),
          FakeProvider.toolCalls([{ name: "a", arguments: { x: 1 } }, { name: "b", arguments: {} }]),
          FakeProvider.refusal("I cannot help"),
          FakeProvider.truncated("It was a")
        ]
        yield* script(...replies, ...replies)
        const whole = yield* get(url, wire, {})
        assert.strictEqual(wire.text(JSON.parse(whole.text)), "Grüße 👋 all")
        assert.strictEqual(wire.tokens(JSON.parse(whole.text)), 1234)
        assert.include(whole.text, "hm hm")
        const tools = JSON.parse((yield* get(url, wire, {})).text)
        assert.deepEqual(wire.toolCall(tools).name, wire.name === "chat-completions" ? "a" : "b")
        assert.include((yield* get(url, wire, {})).text, "I cannot help")
        const short = JSON.parse((yield* get(url, wire, {})).text)
        assert.include(["length", "max_output_tokens", "max_tokens", "MAX_TOKENS"], wire.finish(short))

        const streamed = yield* get(url, wire, { stream: true })
        const text = wire.streamedText(parseSse(streamed.text))
        assert.strictEqual(text.replace("hm hm", ""), "Grüße 👋 all")
        const toolStream = (yield* get(url, wire, { stream: true })).text
        assert.isBelow(toolStream.indexOf("\"a\""), toolStream.indexOf("\"b\""))
        assert.match((yield* get(url, wire, { stream: true })).text, /I( cannot|"|\\")/)
        assert.match((yield* get(url, wire, { stream: true })).text, /length|max_output_tokens|max_tokens|MAX_TOKENS/)
      }))

    it.scopedLive("fails with the status and the body of its wire", () =>
      Effect.gen(function*() {
        const { script, url } = yield* FakeProvider.make()
        for (const stream of [false, true]) {
          for (const [code, type] of Object.entries(wire.errors)) {
            yield* script(FakeProvider.status(Number(code), { retryAfter: 7 }))
            const { response, text } = yield* get(url, wire, { stream })
            assert.strictEqual(response.status, Number(code))
            assert.strictEqual(response.headers.get("retry-after"), "7")
            assert.strictEqual(wire.errorType(JSON.parse(text)), type)
          }
        }
        yield* script(FakeProvider.status(418, { body: "short", headers: { "x-mine": "1" } }))
        const { response, text } = yield* get(url, wire, {})
        assert.deepEqual([response.status, text, response.headers.get("x-mine")], [418, "short", "1"])
      }))

    it.scopedLive("sends an error after HTTP 200", () =>
      Effect.gen(function*() {
        const { script, url } = yield* FakeProvider.make()
        yield* script(
          FakeProvider.inBandError({ kind: "rate-limited" }),
          FakeProvider.inBandError({ kind: "rate-limited", afterEvents: 2 })
        )
        const whole = yield* get(url, wire, {})
        assert.strictEqual(whole.response.status, 200)
        assert.strictEqual(wire.errorType(JSON.parse(whole.text)), wire.errors[429])
        const { response, text } = yield* get(url, wire, { stream: true })
        const events = parseSse(text)
        assert.strictEqual(response.status, 200)
        assert.strictEqual(wire.contentEvents(events), 2)
        assert.isFalse(wire.isComplete(events))
        const errors = events.filter((event) => wire.errorType(JSON.parse(event.data)) === wire.errors[429])
        assert.lengthOf(errors, 1)
      }))

    it.scopedLive("stalls before the headers, before the events, and among them", () =>
      Effect.gen(function*() {
        const { requests, script, url } = yield* FakeProvider.make()
        for (const stream of [false, true]) {
          yield* script(FakeProvider.stall({ before: "headers" }), FakeProvider.stall({ before: "events" }))
          assert.isUndefined(yield* listen(url, wire, { stream }, true))
          const headers = yield* listen(url, wire, { stream })
          assert.strictEqual(headers?.response.status, 200)
          assert.strictEqual(headers?.text, "")
        }
        yield* script(FakeProvider.stall({ afterEvents: 2 }), FakeProvider.stall())
        const some = yield* listen(url, wire, { stream: true })
        assert.strictEqual(wire.contentEvents(parseSse(some?.text ?? "")), 2)
        assert.isTrue(some?.broken)
        const none = yield* listen(url, wire, { stream: true })
        assert.strictEqual(wire.contentEvents(parseSse(none?.text ?? "")), 0)
        yield* eventually(Effect.map(requests, (all) => all.length === 6 && all.every((request) => request.aborted)))
      }))

    it.scopedLive("resets and cuts", () =>
      Effect.gen(function*() {
        const { requests, script, url } = yield* FakeProvider.make()
        for (const stream of [false, true]) {
          yield* script(FakeProvider.reset({ before: "headers" }))
          const failed = yield* Effect.promise(() => post(url, wire, { stream }).then(() => false, () => true))
          assert.isTrue(failed)
        }
        yield* script(FakeProvider.reset({ afterEvents: 2 }), FakeProvider.cut({ afterEvents: 2 }))
        for (const broken of [true, false]) {
          const some = yield* get(url, wire, { stream: true })
          assert.strictEqual(some.broken, broken)
          assert.strictEqual(wire.contentEvents(parseSse(some.text)), 2)
          assert.isFalse(wire.isComplete(parseSse(some.text)))
        }
        yield* script(FakeProvider.reset(), FakeProvider.cut())
        for (const broken of [true, false]) {
          const some = yield* get(url, wire, {})
          assert.strictEqual(some.broken, broken)
          assert.throws(() => JSON.parse(some.text))
          assert.isAbove(some.text.length, 10)
        }
        assert.isTrue((yield* requests).every((request) => !request.aborted))
      }))

    it.scopedLive("breaks JSON, labels and pace", () =>
      Effect.gen(function*() {
        const { script, url } = yield* FakeProvider.make()
        yield* script(FakeProvider.badJson(), FakeProvider.badJson({ afterEvents: 1 }))
        const whole = yield* get(url, wire, {})
        assert.throws(() => JSON.parse(whole.text))
        const bad = yield* get(url, wire, { stream: true })
        const broken = parseSse(bad.text).filter((event) => {
          try {
            return event.data !== "[DONE]" && JSON.parse(event.data) === undefined
          } catch {
            return true
          }
        })
        assert.lengthOf(broken, 1)

        for (const stream of [false, true]) {
          yield* script(
            FakeProvider.wrongLabel(FakeProvider.text("Hi"), "application/octet-stream"),
            FakeProvider.slow(FakeProvider.text("Grüße"), { bytes: 7, delay: 0 }),
            FakeProvider.text("Grüße")
          )
          const labelled = yield* get(url, wire, { stream })
          assert.strictEqual(labelled.response.headers.get("content-type"), "application/octet-stream")
          assert.include(labelled.text, "Hi")
          const slow = yield* get(url, wire, { stream })
          const quick = yield* get(url, wire, { stream })
          const ids = /fake[-_]\d+|175000000\d|req_fake_\d+/g
          assert.strictEqual(slow.text.replace(ids, ""), quick.text.replace(ids, ""))
        }
      }))

    it.scopedLive("sends far too much, elsewhere, and pages", () =>
      Effect.gen(function*() {
        const { script, url } = yield* FakeProvider.make()
        const bytes = 3_000_001
        yield* script(FakeProvider.oversized(bytes), FakeProvider.oversized(bytes))
        const whole = yield* get(url, wire, {})
        assert.strictEqual(wire.text(JSON.parse(whole.text)), "x".repeat(bytes))
        const streamed = parseSse((yield* get(url, wire, { stream: true })).text)
        assert.lengthOf(streamed.filter((event) => event.data.length > bytes), 1)
        assert.strictEqual(wire.streamedText(streamed), "x".repeat(bytes))
        for (const stream of [false, true]) {
          yield* script(FakeProvider.redirect("http://elsewhere.example/x"), FakeProvider.html(502))
          const moved = yield* get(url, wire, { stream })
          assert.deepEqual([moved.response.status, moved.response.headers.get("location")], [
            307,
            "http://elsewhere.example/x"
          ])
          const page = yield* get(url, wire, { stream })
          assert.deepEqual([page.response.status, page.response.headers.get("content-type")], [502, "text/html"])
          assert.include(page.text, "Bad Gateway")
        }
      }))
  })
}

describe("FakeProvider", () => {
  it.live("closes its sockets with its scope, also those that stall", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const provider = yield* Scope.extend(FakeProvider.make(), scope)
      const [wire] = wires
      if (wire === undefined) return assert.fail("no wire")
      yield* provider.script(FakeProvider.stall({ afterEvents: 1 }))
      const reading = post(provider.url, wire, { stream: true }).then(drain)
      yield* eventually(Effect.map(provider.requests, (all) => all.length === 1))
      assert.strictEqual(yield* provider.openSockets, 1)
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(yield* provider.openSockets, 0)
      assert.isTrue((yield* Effect.promise(() => reading)).broken)
      const refused = yield* Effect.promise(() => fetch(provider.url).then(() => false, () => true))
      assert.isTrue(refused)
    }))

  it.scopedLive("asks a responder when there is no script", () =>
    Effect.gen(function*() {
      const { script, url } = yield* FakeProvider.make({
        respond: (request) => FakeProvider.text(`${request.wire} ${request.headers["content-type"]}`)
      })
      yield* script(FakeProvider.text("first"))
      for (const wire of wires.slice(0, 1)) {
        assert.strictEqual(wire.text(JSON.parse((yield* get(url, wire, {})).text)), "first")
        assert.strictEqual(wire.text(JSON.parse((yield* get(url, wire, {})).text)), "responses application/json")
      }
    }))

  it.scopedLive("knows no other address, and keeps the script for those it knows", () =>
    Effect.gen(function*() {
      const { requests, script, url } = yield* FakeProvider.make()
      yield* script(FakeProvider.text("kept"))
      const unknown = yield* Effect.promise(() => fetch(`${url}/v1/models`))
      assert.strictEqual(unknown.status, 404)
      assert.isUndefined((yield* requests)[0]?.wire)
      for (const wire of wires.slice(0, 1)) {
        assert.strictEqual(wire.text(JSON.parse((yield* get(url, wire, {})).text)), "kept")
      }
    }))

  it.scopedLive("sends the events of each wire in their order", () =>
    Effect.gen(function*() {
      const { script, url } = yield* FakeProvider.make()
      const reply = FakeProvider.text("Hi", { reasoning: "hm" })
      yield* script(...wires.map(() => reply))
      const shapes: Array<ReadonlyArray<string>> = []
      for (const wire of wires) {
        const { text } = yield* get(url, wire, { stream: true })
        assert.strictEqual(/[^\r]\n/.test(text), wire.name !== "generate-content")
        shapes.push(
          parseSse(text).map(({ data, event }) => {
            if (data === "[DONE]" || event !== undefined) return event ?? data
            const chunk = JSON.parse(data)
            const gemini = at(chunk, "candidates", 0)
            return gemini === undefined
              ? `${Object.keys(Object(at(chunk, "choices", 0, "delta") ?? {}))}/${
                at(chunk, "choices", 0, "finish_reason")
              }`
              : `${JSON.stringify(at(gemini, "content", "parts"))}/${at(gemini, "finishReason")}`
          })
        )
      }
      assert.deepEqual(shapes, [
        [
          "response.created",
          "response.in_progress",
          "response.output_item.added",
          "response.reasoning_summary_part.added",
          "response.reasoning_summary_text.delta",
          "response.reasoning_summary_text.done",
          "response.reasoning_summary_part.done",
          "response.output_item.done",
          "response.output_item.added",
          "response.content_part.added",
          "response.output_text.delta",
          "response.output_text.done",
          "response.content_part.done",
          "response.output_item.done",
          "response.completed"
        ],
        ["role,content,refusal/null", "reasoning_content/null", "content/null", "/stop", "/undefined", "[DONE]"],
        [
          "message_start",
          "content_block_start",
          "ping",
          "content_block_delta",
          "content_block_delta",
          "content_block_stop",
          "content_block_start",
          "content_block_delta",
          "content_block_stop",
          "message_delta",
          "message_stop"
        ],
        ["[{\"text\":\"hm\",\"thought\":true}]/undefined", "[{\"text\":\"Hi\"}]/undefined", "[{\"text\":\"\"}]/STOP"],
        [
          "message-start",
          "content-start",
          "content-delta",
          "content-end",
          "content-start",
          "content-delta",
          "content-end",
          "message-end"
        ]
      ])
    }))

  it.scopedLive("sends Bedrock's frames as Amazon's own codec reads them, exceptions too", () =>
    Effect.gen(function*() {
      const { requests, script, url } = yield* FakeProvider.make()
      yield* script(
        FakeProvider.text("Hé", { usage: { inputTokens: 30, cachedInputTokens: 20, outputTokens: 5 } }),
        FakeProvider.inBandError({ afterEvents: 1, kind: "rate-limited", reply: FakeProvider.text("a b") })
      )
      const ask = Effect.promise(async () => {
        const response = await fetch(`${url}/model/us.amazon.nova-lite-v1%3A0/converse-stream`, {
          method: "POST",
          body: JSON.stringify({ messages: [{ role: "user", content: [{ text: "Hi" }] }] })
        })
        const messages = decode(new Uint8Array(await response.arrayBuffer()))
        return { type: response.headers.get("content-type"), messages }
      })
      const answer = yield* ask
      assert.strictEqual(answer.type, "application/vnd.amazon.eventstream")
      assert.deepStrictEqual(answer.messages, [
        ["event", "messageStart", { role: "assistant" }],
        ["event", "contentBlockDelta", { contentBlockIndex: 0, delta: { text: "Hé" } }],
        ["event", "contentBlockStop", { contentBlockIndex: 0 }],
        ["event", "messageStop", { stopReason: "end_turn" }],
        ["event", "metadata", {
          metrics: { latencyMs: 10 },
          usage: {
            inputTokens: 10,
            outputTokens: 5,
            totalTokens: 35,
            cacheReadInputTokens: 20,
            cacheWriteInputTokens: 0
          }
        }]
      ])
      const failed = yield* ask
      assert.deepStrictEqual(failed.messages.map(([kind, type]) => [kind, type]), [
        ["event", "messageStart"],
        ["event", "contentBlockDelta"],
        ["exception", "throttlingException"]
      ])
      assert.deepStrictEqual((yield* requests).map(({ streamed, wire }) => [wire, streamed]), [
        ["converse", true],
        ["converse", true]
      ])
    }))

  it.scopedLive("streams one JSON array from Gemini without alt=sse", () =>
    Effect.gen(function*() {
      const { url } = yield* FakeProvider.make()
      const body = yield* Effect.promise(() =>
        fetch(`${url}/v1beta/models/g:streamGenerateContent`, {
          method: "POST",
          body: JSON.stringify({ contents: [{ role: "user", parts: [{ text: "Hi" }] }] })
        }).then((response) => response.json())
      )
      assert.isArray(body)
      assert.strictEqual(at(body, -1, "candidates", 0, "finishReason"), "STOP")
    }))
})
