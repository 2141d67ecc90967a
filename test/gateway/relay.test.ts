import { assert, describe, it } from "@effect/vitest"
import { Effect, FastCheck as fc } from "effect"
import * as http from "node:http"
import { gzipSync } from "node:zlib"
import { EventFrames } from "../../src/gateway/internal/eventFrames.ts"
import { runs } from "../runs.ts"
import { chatAnswer, chatEvents, question, rawUpstream, rowsOf, run, send, upstream } from "./running.ts"

const own = { "content-type": "application/json", authorization: "Bearer sk-proj-of-the-client" }

const head = (type: string, more = "") => `HTTP/1.1 200 OK\r\ncontent-type: ${type}\r\n${more}`
const chunked = (text: string) => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`

describe("an answer on its way", () => {
  it.scopedLive("is passed on with its status, headers and bytes, less what belongs to one connection", () =>
    Effect.gen(function*() {
      const provider = yield* upstream((_, response) => {
        response.writeHead(201, {
          "content-type": "application/json",
          connection: "close, x-private",
          "x-private": "1",
          "x-request-id": "req_9",
          "set-cookie": ["a=1", "b=2"]
        })
        response.end(chatAnswer)
      })
      const gateway = yield* run({ providers: { openai: { baseUrl: provider.url } } })
      const answer = yield* send(`${gateway.url}/v1/chat/completions?beta=1`, {
        headers: {
          ...own,
          "X-Majordomo-Key": gateway.key,
          "X-Majordomo-User-Id": "42",
          "openai-beta": "assistants=v2",
          connection: "keep-alive, x-hop",
          "x-hop": "1",
          "x-forwarded-for": "10.1.2.3",
          traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        },
        body: question()
      })
      assert.strictEqual(answer.status, 201)
      assert.strictEqual(answer.body.toString(), chatAnswer)
      assert.deepStrictEqual(answer.headers["set-cookie"], ["a=1", "b=2"])
      assert.strictEqual(answer.headers["x-private"], undefined)
      assert.strictEqual(answer.headers["x-majordomo-cost"], "0.00006")
      const [request] = provider.requests
      assert.strictEqual(request?.url, "/v1/chat/completions?beta=1")
      assert.strictEqual(request?.headers["openai-beta"], "assistants=v2")
      assert.strictEqual(request?.headers.authorization, "Bearer sk-proj-of-the-client")
      assert.strictEqual(provider.bodies[0], question())
      const leaked = Object.keys(request?.headers ?? {}).filter((name) =>
        /^x-(majordomo|hop|forwarded)|traceparent/.test(name)
      )
      assert.deepStrictEqual(leaked, [])
      const [row] = yield* rowsOf(gateway, 1)
      assert.strictEqual(row?.requestId, answer.headers["x-majordomo-request-id"])
      assert.strictEqual(row?.inputTokens, 10)
      assert.strictEqual(row?.totalCost, "0.00006")
      assert.strictEqual(row?.requestPath, "/v1/chat/completions")
      assert.strictEqual(row?.statusCode, 201)
      assert.strictEqual(row?.bytesOut, chatAnswer.length)
      assert.deepStrictEqual(row?.metadata, { "User-Id": "42" })
      assert.strictEqual(row?.attempts[0]?.requestId, "req_9")
    }))

  it.scopedLive("is a stream that the client has event by event, and whose usage the row has", () =>
    Effect.gen(function*() {
      let next: (() => void) | undefined
      const provider = yield* upstream((_, response) => {
        response.writeHead(200, { "content-type": "text/event-stream" })
        let at = 0
        next = () => {
          const event = chatEvents[at++]
          if (event === undefined) response.end()
          else response.write(event)
        }
        next()
      })
      const gateway = yield* run({ providers: { openai: { baseUrl: provider.url } } })
      const body = question({ stream: true, stream_options: { include_usage: true } })
      const received = yield* Effect.async<string>((resume) => {
        const request = http.request(`${gateway.url}/v1/chat/completions`, {
          method: "POST",
          headers: { ...own, "x-majordomo-key": gateway.key }
        }, (response) => {
          let text = ""
          response.on("data", (piece) => {
            text += String(piece)
            // Each event is asked for when the one before has arrived: nothing may be held back.
            next?.()
          })
          response.on("end", () => resume(Effect.succeed(text)))
        })
        request.end(body)
      })
      assert.strictEqual(received, chatEvents.join(""))
      const [row] = yield* rowsOf(gateway, 1)
      assert.strictEqual(row?.status, "success")
      assert.strictEqual(row?.outputTokens, 5)
      assert.isTrue(row?.streamed)
      assert.isFalse(row?.usagePartial)
      assert.isNumber(row?.timeToFirstToken)
    }))

  it.scopedLive("tells its usage to the gateway alone when the client has not asked for it", () =>
    Effect.gen(function*() {
      const provider = yield* upstream((_, response) => {
        response.writeHead(200, { "content-type": "text/event-stream" })
        response.end(chatEvents.join(""))
      })
      const gateway = yield* run({ providers: { openai: { baseUrl: provider.url } } })
      const headers = { ...own, "x-majordomo-key": gateway.key }
      const url = `${gateway.url}/v1/chat/completions`
      const answer = yield* send(url, { headers, body: question({ stream: true }) })
      assert.deepStrictEqual(JSON.parse(provider.bodies[0] ?? "").stream_options, { include_usage: true })
      assert.strictEqual(answer.body.toString(), chatEvents.filter((event) => !event.includes("usage")).join(""))
      const merged = yield* send(url, {
        headers,
        body: question({ stream: true, stream_options: { include_obfuscation: false } })
      })
      assert.deepStrictEqual(JSON.parse(provider.bodies[1] ?? "").stream_options, {
        include_obfuscation: false,
        include_usage: true
      })
      assert.notInclude(merged.body.toString(), "usage")
      const rows = yield* rowsOf(gateway, 2)
      assert.deepStrictEqual(rows.map(({ inputTokens }) => inputTokens), [10, 10])
    }))

  it.scopedLive("leaves requests alone where it is told to", () =>
    Effect.gen(function*() {
      const provider = yield* upstream((_, response) => {
        response.writeHead(200, { "content-type": "text/event-stream" })
        response.end(chatEvents.filter((event) => !event.includes("usage")).join(""))
      })
      const gateway = yield* run({
        providers: { openai: { baseUrl: provider.url } },
        meter: { includeUsage: false }
      })
      const body = question({ stream: true })
      yield* send(`${gateway.url}/v1/chat/completions`, { headers: { ...own, "x-majordomo-key": gateway.key }, body })
      assert.strictEqual(provider.bodies[0], body)
      const [row] = yield* rowsOf(gateway, 1)
      assert.isTrue(row?.usagePartial)
      assert.isUndefined(row?.totalCost)
      // A guess, said to be one: the request has 76 bytes.
      assert.strictEqual(row?.inputTokens, 0)
      assert.strictEqual(row?.estimatedInputTokens, Math.ceil(body.length / 4))
    }))

  it.scopedLive("that breaks in the middle ends in an error event and without an answer's end", () =>
    Effect.gen(function*() {
      const provider = yield* rawUpstream((socket) => {
        socket.once("data", () => {
          const half = chatEvents[2]?.slice(0, 30) ?? ""
          const sent = (chatEvents[0] ?? "") + (chatEvents[1] ?? "") + half
          socket.write(`${head("text/event-stream", "transfer-encoding: chunked\r\n\r\n")}${chunked(sent)}`, () => {
            setTimeout(() => socket.resetAndDestroy(), 30)
          })
        })
      })
      const gateway = yield* run({ providers: { openai: { baseUrl: provider } } })
      const answer = yield* send(`${gateway.url}/v1/chat/completions`, {
        headers: { ...own, "x-majordomo-key": gateway.key },
        body: question({ stream: true })
      })
      assert.isFalse(answer.isWhole)
      const events = answer.body.toString().split("\n\n").filter((event) => event !== "")
      assert.strictEqual(events.length, 3)
      assert.strictEqual(JSON.parse(events[2]?.slice(6) ?? "").error.code, "stream_interrupted")
      const [row] = yield* rowsOf(gateway, 1)
      assert.strictEqual(row?.status, "error")
      assert.strictEqual(row?.errorType, "Transport")
      assert.isTrue(row?.usagePartial)
      assert.strictEqual(row?.statusCode, 200)
    }))

  it.scopedLive("has what was known of it in its row: Anthropic counts the input first", () =>
    Effect.gen(function*() {
      const provider = yield* rawUpstream((socket) => {
        socket.once("data", () => {
          const start = {
            type: "message_start",
            message: {
              id: "m",
              model: "claude-sonnet-4-6",
              content: [],
              usage: { input_tokens: 50_000, output_tokens: 1 }
            }
          }
          const event = `event: message_start\ndata: ${JSON.stringify(start)}\n\n`
          socket.write(`${head("text/event-stream", "transfer-encoding: chunked\r\n\r\n")}${chunked(event)}`, () => {
            setTimeout(() => socket.resetAndDestroy(), 30)
          })
        })
      })
      const gateway = yield* run({ providers: { anthropic: { baseUrl: provider } } })
      const answer = yield* send(`${gateway.url}/v1/messages`, {
        headers: { "content-type": "application/json", "x-api-key": "sk-ant-client", "x-majordomo-key": gateway.key },
        body: JSON.stringify({ model: "claude-sonnet-4-6", max_tokens: 9, stream: true, messages: [] })
      })
      assert.include(answer.body.toString(), "event: error\ndata: {\"type\":\"error\"")
      const [row] = yield* rowsOf(gateway, 1)
      assert.strictEqual(row?.inputTokens, 50_000)
      assert.isTrue(row?.usagePartial)
      assert.strictEqual(row?.inputCost, "0.15")
    }))

  it.scopedLive("that ends well without its last event stays as it is, and its row says so", () =>
    Effect.gen(function*() {
      const provider = yield* upstream((_, response) => {
        response.writeHead(200, { "content-type": "text/event-stream" })
        response.end(chatEvents.slice(0, 2).join(""))
      })
      const gateway = yield* run({ providers: { openai: { baseUrl: provider.url } } })
      const answer = yield* send(`${gateway.url}/v1/chat/completions`, {
        headers: { ...own, "x-majordomo-key": gateway.key },
        body: question({ stream: true })
      })
      assert.isTrue(answer.isWhole)
      assert.strictEqual(answer.body.toString(), chatEvents.slice(0, 2).join(""))
      const [row] = yield* rowsOf(gateway, 1)
      assert.strictEqual(row?.status, "error")
      assert.include(row?.errorMessage, "before the answer was complete")
    }))

  it.scopedLive("ends at the provider when the client leaves", () =>
    Effect.gen(function*() {
      const closed = yield* Effect.makeLatch()
      const provider = yield* upstream((_, response) => {
        response.writeHead(200, { "content-type": "text/event-stream" })
        response.write(chatEvents[1])
        response.on("close", () => Effect.runSync(closed.open))
      })
      const gateway = yield* run({ providers: { openai: { baseUrl: provider.url } } })
      yield* Effect.async<void>((resume) => {
        const request = http.request(`${gateway.url}/v1/chat/completions`, {
          method: "POST",
          headers: { ...own, "x-majordomo-key": gateway.key }
        }, (response) => {
          response.on("error", () => {})
          response.once("data", () => {
            request.destroy()
            resume(Effect.void)
          })
        })
        request.on("error", () => {})
        request.end(question({ stream: true }))
      })
      yield* closed.await
      const [row] = yield* rowsOf(gateway, 1)
      assert.strictEqual(row?.status, "cancelled")
      assert.isTrue(row?.usagePartial)
    }))

  it.scopedLive("that never comes is 502 in the client's protocol, and has a row", () =>
    Effect.gen(function*() {
      const gateway = yield* run({ providers: { anthropic: { baseUrl: "http://127.0.0.1:1" } } })
      const answer = yield* send(`${gateway.url}/v1/messages`, {
        headers: { "x-api-key": "sk-ant-client", "x-majordomo-key": gateway.key },
        body: JSON.stringify({ model: "claude-sonnet-4-6", max_tokens: 9, messages: [] })
      })
      assert.strictEqual(answer.status, 502)
      const { error, type } = JSON.parse(answer.body.toString())
      assert.strictEqual(type, "error")
      assert.include(error.message, "anthropic could not be reached")
      const [row] = yield* rowsOf(gateway, 1)
      assert.strictEqual(row?.errorType, "Transport")
      assert.isFalse(row?.usagePartial)
    }))

  it.scopedLive("that comes too late is 504", () =>
    Effect.gen(function*() {
      const provider = yield* upstream(() => {})
      const gateway = yield* run({
        providers: { openai: { baseUrl: provider.url } },
        timeouts: { answer: "300 millis" }
      })
      const answer = yield* send(`${gateway.url}/v1/chat/completions`, {
        headers: { ...own, "x-majordomo-key": gateway.key },
        body: question()
      })
      assert.strictEqual(answer.status, 504)
      const [row] = yield* rowsOf(gateway, 1)
      assert.strictEqual(row?.errorType, "Timeout")
      assert.isTrue(row?.usagePartial)
    }))

  it.scopedLive("with an error passes unchanged; the row names it and has no key in it", () =>
    Effect.gen(function*() {
      const body = JSON.stringify({
        error: {
          message: "Incorrect API key provided: sk-proj-of-the-client",
          type: "invalid_request_error",
          code: "invalid_api_key"
        }
      })
      const provider = yield* upstream((_, response) => {
        response.writeHead(401, { "content-type": "application/json", "x-should-retry": "false" })
        response.end(body)
      })
      const gateway = yield* run({ providers: { openai: { baseUrl: provider.url } } })
      const answer = yield* send(`${gateway.url}/v1/chat/completions`, {
        headers: { ...own, "x-majordomo-key": gateway.key },
        body: question()
      })
      assert.strictEqual(answer.status, 401)
      assert.strictEqual(answer.body.toString(), body)
      assert.strictEqual(answer.headers["x-should-retry"], "false")
      const [row] = yield* rowsOf(gateway, 1)
      assert.strictEqual(row?.errorType, "Authentication")
      assert.notInclude(JSON.stringify(row), "of-the-client")
    }))

  it.scopedLive("that is encoded without being asked for passes as it is, and is read for the row", () =>
    Effect.gen(function*() {
      const bytes = gzipSync(chatAnswer)
      const provider = yield* upstream((_, response) => {
        response.writeHead(200, { "content-type": "application/json", "content-encoding": "gzip" })
        response.end(bytes)
      })
      const gateway = yield* run({ providers: { openai: { baseUrl: provider.url } } })
      const answer = yield* send(`${gateway.url}/v1/chat/completions`, {
        headers: { ...own, "x-majordomo-key": gateway.key, "accept-encoding": "gzip, br" },
        body: question()
      })
      assert.strictEqual(provider.requests[0]?.headers["accept-encoding"], "identity")
      assert.isTrue(answer.body.equals(bytes))
      const [row] = yield* rowsOf(gateway, 1)
      assert.strictEqual(row?.outputTokens, 5)
    }))

  it.scopedLive("that cannot be read leaves a row without tokens, and says why", () =>
    Effect.gen(function*() {
      const provider = yield* upstream((_, response) => {
        response.writeHead(200, { "content-type": "application/json" })
        response.end("<html>")
      })
      const gateway = yield* run({ providers: { openai: { baseUrl: provider.url } } })
      const answer = yield* send(`${gateway.url}/v1/chat/completions`, {
        headers: { ...own, "x-majordomo-key": gateway.key },
        body: question()
      })
      assert.strictEqual(answer.body.toString(), "<html>")
      const [row] = yield* rowsOf(gateway, 1)
      assert.isTrue(row?.usagePartial)
      assert.strictEqual(row?.errorMessage, "the answer is no JSON")
    }))

  it.scopedLive("of 8 MiB each way goes through as it is, and no upload is held in memory", () =>
    Effect.gen(function*() {
      const file = Buffer.alloc(8 * 1024 * 1024, "0123456789abcdef")
      const provider = yield* upstream((_, response, body) => {
        response.writeHead(200, { "content-type": "application/octet-stream" })
        response.end(body)
      })
      const gateway = yield* run({ providers: { openai: { baseUrl: provider.url } }, maxBodyBytes: 1024 })
      const answer = yield* send(`${gateway.url}/v1/files`, {
        headers: { ...own, "content-type": "application/octet-stream", "x-majordomo-key": gateway.key },
        body: file
      })
      assert.isTrue(answer.body.equals(file))
      const [row] = yield* rowsOf(gateway, 1)
      assert.strictEqual(row?.bytesIn, file.length)
      assert.strictEqual(row?.bytesOut, file.length)
    }))

  it.scopedLive("of a stream that runs comes to its end when the gateway is told to stop", () =>
    Effect.gen(function*() {
      const provider = yield* upstream((_, response) => {
        response.writeHead(200, { "content-type": "text/event-stream" })
        response.write(chatEvents[1])
        setTimeout(() => response.end(chatEvents.slice(2).join("")), 200)
      })
      const received = yield* Effect.scoped(Effect.gen(function*() {
        const gateway = yield* run({ providers: { openai: { baseUrl: provider.url } } })
        const answer = yield* Effect.fork(send(`${gateway.url}/v1/chat/completions`, {
          headers: { ...own, "x-majordomo-key": gateway.key },
          body: question({ stream: true })
        }))
        yield* Effect.repeat(Effect.sleep("10 millis"), { until: () => provider.requests.length > 0 })
        yield* Effect.sleep("50 millis")
        return answer
      }))
      const answer = yield* received.await
      assert.isTrue(answer._tag === "Success" && answer.value.isWhole)
    }))
})

describe("events that are cut between events", () => {
  const texts = fc.array(
    fc.constantFrom(...chatEvents, ": ping\n\n", "event: x\r\ndata: {\"a\":1}\r\n\r\n", "data: ü\r\r"),
    { minLength: 1, maxLength: 12 }
  )
  const pieces = (bytes: Buffer, cuts: ReadonlyArray<number>): ReadonlyArray<Buffer> => {
    const at = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b)
    return [...at, bytes.length].map((end, i) => bytes.subarray(at[i - 1] ?? 0, end))
  }

  it.prop(
    "are the same bytes however they came, in whole events until the end",
    [texts, fc.array(fc.nat(), { maxLength: 20 })],
    ([events, cuts]) => {
      const bytes = Buffer.from(events.join(""))
      const frames = new EventFrames({ withoutUsage: false })
      const passed = pieces(bytes, cuts).map((piece) => frames.push(piece))
      for (const piece of passed) {
        if (piece.length > 0) assert.match(piece.toString(), /(\n\n|\r\n\r\n|\r\r)$/)
      }
      assert.isTrue(Buffer.concat([...passed, frames.flush()]).equals(bytes))
    },
    { fastCheck: { numRuns: runs(100, 5000) } }
  )

  it.prop(
    "lose the one with the usage, and nothing else",
    [texts, fc.array(fc.nat(), { maxLength: 20 })],
    ([events, cuts]) => {
      const frames = new EventFrames({ withoutUsage: true })
      const passed = pieces(Buffer.from(events.join("")), cuts).map((piece) => frames.push(piece))
      assert.strictEqual(
        Buffer.concat([...passed, frames.flush()]).toString(),
        events.filter((event) => !event.includes("usage")).join("")
      )
    },
    { fastCheck: { numRuns: runs(100, 5000) } }
  )
})
