/** The half that translates keeps the same limits, and tells as much, as the half that passes on; and what strangers send. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import type * as GatewayConfig from "effect-majordomo/gateway/GatewayConfig"
import { FakeProvider } from "effect-majordomo/testing"
import * as net from "node:net"
import { chatAnswer, listening, rawUpstream, rowsOf, run, type Running, send, sendRaw, upstream } from "./running.ts"

const over = (baseUrl: string, more: GatewayConfig.Options = {}) =>
  run({
    providers: { acme: { baseUrl, wire: "openai-chat", key: Redacted.make("acme-kept"), connections: 2 } },
    ...more
  })

const body = (more: object = {}) =>
  JSON.stringify({ model: "acme/m", messages: [{ role: "user", content: "Hello" }], ...more })

const ask = (gateway: Running, text: string) =>
  Effect.map(
    send(`${gateway.url}/v1/chat/completions`, {
      headers: { "x-majordomo-key": gateway.key, "content-type": "application/json" },
      body: text
    }),
    (answer) => ({ ...answer, text: answer.body.toString("utf8") })
  )

describe("limits of upstreams", () => {
  it.scopedLive("a provider that does not answer, or stops in its answer, is a timeout in the client's protocol", () =>
    Effect.gen(function*() {
      const silent = yield* rawUpstream((socket) => socket.resume())
      const gateway = yield* over(silent, { timeouts: { answer: "200 millis", answerIdle: "200 millis" } })
      for (const stream of [false, true]) {
        const late = yield* ask(gateway, body({ stream }))
        assert.strictEqual(late.status, 504, late.text)
        assert.isObject(JSON.parse(late.text).error)
      }
      const stalls = yield* upstream((_, response) => {
        response.writeHead(200, { "content-type": "text/event-stream" })
        response.write(`data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: "Hi" } }] })}\n\n`)
      })
      const second = yield* over(stalls.url, { timeouts: { answer: "5 seconds", answerIdle: "300 millis" } })
      const cut = yield* ask(second, body({ stream: true }))
      assert.isFalse(cut.isWhole)
      assert.include(cut.text, "Hi")
      assert.include(cut.text, "\"error\"")
      const [row] = yield* rowsOf(second, 1)
      assert.deepInclude(row, { status: "error", errorType: "Timeout" })
    }))

  it.scopedLive("no more connections than are allowed, shared with what is passed on", () =>
    Effect.gen(function*() {
      let open = 0
      let most = 0
      const slow = yield* upstream((_, response) => {
        most = Math.max(most, ++open)
        setTimeout(() => {
          open--
          response.writeHead(200, { "content-type": "application/json" })
          response.end(chatAnswer)
        }, 30)
      })
      const gateway = yield* over(slow.url)
      const passed = send(`${gateway.url}/acme/v1/chat/completions`, {
        headers: { "x-majordomo-key": gateway.key, "content-type": "application/json" },
        body: body()
      })
      const answers = yield* Effect.all(
        [1, 2, 3, 4].flatMap(() => [Effect.asVoid(ask(gateway, body())), Effect.asVoid(passed)]),
        {
          concurrency: "unbounded"
        }
      )
      assert.strictEqual(answers.length, 8)
      assert.strictEqual(most, 2)
    }))
})

const paths = [
  ["/v1/chat/completions", body()],
  ["/v1/responses", JSON.stringify({ model: "acme/m", input: "Hello" })],
  ["/v1/messages", JSON.stringify({ model: "acme/m", max_tokens: 9, messages: [{ role: "user", content: "Hello" }] })],
  ["/v1beta/models/acme%2Fm:generateContent", JSON.stringify({ contents: [{ parts: [{ text: "Hello" }] }] })]
] as const

describe("what is told beside an answer", () => {
  it.scopedLive("id and cost: in the headers of whole answers, in the last event of streams, of every protocol", () =>
    Effect.gen(function*() {
      const fake = yield* FakeProvider.make()
      const gateway = yield* run({
        providers: { openai: { baseUrl: fake.url, key: Redacted.make("sk-kept-by-the-gateway") } },
        models: { swift: "openai/gpt-4.1-mini" }
      })
      const headers = { "x-majordomo-key": gateway.key, "content-type": "application/json" }
      let rows = 0
      for (const [path, text] of paths) {
        const place = path.replace("acme%2Fm", "swift")
        const whole = yield* send(gateway.url + place, { headers, body: text.replace("acme/m", "swift") })
        assert.strictEqual(whole.status, 200, path + whole.body.toString())
        const said = JSON.parse(whole.body.toString()).majordomo
        assert.strictEqual(said.request_id, whole.headers["x-majordomo-request-id"])
        assert.strictEqual(said.cost, whole.headers["x-majordomo-cost"])
        const streamed = yield* send(gateway.url + place.replace("generateContent", "streamGenerateContent?alt=sse"), {
          headers,
          body: JSON.stringify({
            ...JSON.parse(text.replace("acme/m", "swift")),
            ...(path.includes("beta") ? {} : { stream: true })
          })
        })
        const last = streamed.body.toString().split("\n\n").filter((frame) => frame.includes("\"majordomo\"")).at(-1) ??
          ""
        rows += 2
        const found = yield* rowsOf(gateway, rows)
        const row = found.at(-1)
        assert.include(last, `"request_id":"${row?.requestId}"`)
        assert.include(last, `"cost":"${row?.totalCost}"`)
        assert.strictEqual(row?.requestId, streamed.headers["x-majordomo-request-id"])
        assert.strictEqual(found.length, rows)
      }
    }))
})

describe("what strangers send to a name", () => {
  it.scopedLive(
    "half a body, JSON without an end, a tower of brackets, fields twice: nothing is sent, all of it has a row",
    () =>
      Effect.gen(function*() {
        const provider = yield* upstream((_, response) => {
          response.writeHead(200, { "content-type": "application/json" })
          response.end(chatAnswer)
        })
        const gateway = yield* over(provider.url, { maxBodyBytes: 12_000_000, timeouts: { requestIdle: "300 millis" } })
        const { hostname, port } = new URL(gateway.url)
        const head = (length: number, more = "") =>
          `POST /v1/chat/completions HTTP/1.1\r\nhost: ${hostname}:${port}\r\nx-majordomo-key: ${gateway.key}\r\n`
          + `content-type: application/json\r\n${more}content-length: ${length}\r\nconnection: close\r\n\r\n`
        const half = yield* sendRaw(gateway.url, head(500) + body().slice(0, 40))
        assert.match(half, /^HTTP\/1\.1 4/)
        const cut = body().slice(0, -5)
        assert.include(yield* sendRaw(gateway.url, head(Buffer.byteLength(cut)) + cut), "HTTP/1.1 400")
        const twice = body().replace("{", "{\"model\":\"acme/other\",")
        assert.include(yield* sendRaw(gateway.url, head(Buffer.byteLength(twice)) + twice), "HTTP/1.1 400")
        const deep = `{"model":"acme/m","messages":${"[".repeat(200_000)}${"]".repeat(200_000)}}`
        assert.include(yield* sendRaw(gateway.url, head(Buffer.byteLength(deep)) + deep), "HTTP/1.1 400")
        const schema = `${"{\"properties\":{\"a\":".repeat(50_000)}{}${"}}".repeat(50_000)}`
        const nested = body().replace(
          /}$/,
          `,"response_format":{"type":"json_schema","json_schema":{"name":"x","schema":${schema}}}}`
        )
        assert.match(yield* sendRaw(gateway.url, head(Buffer.byteLength(nested)) + nested), /^HTTP\/1\.1 400/)
        assert.strictEqual(provider.bodies.length, 0)
        const doubled = yield* sendRaw(
          gateway.url,
          head(Buffer.byteLength(body()), "x-majordomo-provider: majordomo\r\nx-majordomo-provider: majordomo\r\n") +
            body()
        )
        assert.match(doubled, /^HTTP\/1\.1 (200|400)/)
        const large = body({ messages: [{ role: "user", content: "x".repeat(10 * 1024 * 1024) }] })
        assert.include(yield* sendRaw(gateway.url, head(Buffer.byteLength(large)) + large), "HTTP/1.1 200")
        const tooLarge = body({ messages: [{ role: "user", content: "x".repeat(12_000_000) }] })
        assert.strictEqual((yield* ask(gateway, tooLarge)).status, 413)
        const rows = yield* rowsOf(gateway, 7)
        assert.isFalse(
          rows.some(({ errorMessage }) => errorMessage?.includes("failed on this request")),
          JSON.stringify(rows)
        )
      }),
    30_000
  )

  it.scopedLive("a client that leaves in a stream closes the provider's connection at once; the row says cancelled", () =>
    Effect.gen(function*() {
      let closedAt = 0
      const server = net.createServer((socket) => {
        socket.on("error", () => {}).on("close", () => {
          closedAt = performance.now()
        })
        socket.once("data", () => {
          socket.write("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
          const event = `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: "Hi" } }] })}\n\n`
          socket.write(`${event.length.toString(16)}\r\n${event}\r\n`)
        })
      })
      const gateway = yield* over(yield* listening(server))
      const { hostname, port } = new URL(gateway.url)
      const text = body({ stream: true })
      yield* Effect.async<void>((resume) => {
        const socket = net.connect(Number(port), hostname, () =>
          socket.write(
            `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nx-majordomo-key: ${gateway.key}\r\n`
              + `content-length: ${text.length}\r\n\r\n${text}`
          ))
        socket.on("data", (chunk) => {
          if (!chunk.toString().includes("Hi")) return
          socket.destroy()
          resume(Effect.void)
        })
      })
      const [row] = yield* rowsOf(gateway, 1)
      assert.deepInclude(row, { status: "cancelled", usagePartial: true, provider: "acme" })
      yield* Effect.repeat(Effect.delay(Effect.sync(() => closedAt), "5 millis"), { until: (at) => at > 0, times: 400 })
      assert.isAbove(closedAt, 0)
    }))
})
