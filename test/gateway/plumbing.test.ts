import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as http from "node:http"
import { chatAnswer, question, rowsOf, run, send, sendRaw, upstream } from "./running.ts"

const own = { "content-type": "application/json", authorization: "Bearer sk-proj-client" }

describe("connections", () => {
  it.scopedLive("answers without a body, of any method, and old ways of asking go through", () =>
    Effect.gen(function*() {
      const provider = yield* upstream((request, response) => {
        const status = Number(/\d{3}$/.exec(request.url ?? "")?.[0] ?? 200)
        if (status === 200) response.writeHead(200, { "content-length": "5" })
        else response.writeHead(status)
        response.end(request.method === "HEAD" || status !== 200 ? undefined : "hello")
      })
      const gateway = yield* run({ providers: { openai: { baseUrl: provider.url } } })
      const headers = { ...own, "x-majordomo-key": gateway.key }
      const asked = [["HEAD", "/v1/files"], ["GET", "/v1/files/204"], ["GET", "/v1/files/304"], [
        "DELETE",
        "/v1/files/f"
      ]]
      for (const [method = "", path = ""] of asked) {
        const answer = yield* send(gateway.url + path, { method, headers })
        assert.isTrue(answer.isWhole, `${method} ${path}`)
        assert.strictEqual(answer.body.toString(), method === "DELETE" ? "hello" : "")
      }
      const head = `x-majordomo-key: ${gateway.key}\r\nauthorization: Bearer sk-client\r\n`
      const continued = yield* sendRaw(
        gateway.url,
        `POST /v1/files HTTP/1.1\r\nhost: x\r\n${head}expect: 100-continue\r\nconnection: close\r\ncontent-length: 2\r\n\r\nhi`
      )
      assert.match(continued, /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK/)
      assert.strictEqual(provider.bodies.at(-1), "hi")
      const old = yield* sendRaw(gateway.url, `GET /v1/files HTTP/1.0\r\n${head}\r\n`)
      assert.match(old, /hello$/)
      const rows = yield* rowsOf(gateway, 6)
      assert.deepStrictEqual(rows.map(({ statusCode }) => statusCode), [200, 204, 304, 200, 200, 200])
      assert.isTrue(rows.every(({ status }) => status === "success"))
    }))

  it.scopedLive("a client that does not read slows the provider", () =>
    Effect.gen(function*() {
      const size = 64 * 1024 * 1024
      let written = 0
      const provider = yield* upstream((_, response) => {
        response.writeHead(200, { "content-type": "application/octet-stream" })
        const piece = Buffer.alloc(64 * 1024)
        const next = () => {
          while (written < size) {
            written += piece.length
            if (!response.write(piece)) return response.once("drain", next)
          }
          return response.end()
        }
        next()
      })
      const gateway = yield* run({ providers: { openai: { baseUrl: provider.url } } })
      const response = yield* Effect.async<http.IncomingMessage>((resume) => {
        http.get(
          `${gateway.url}/v1/files/f/content`,
          { headers: { ...own, "x-majordomo-key": gateway.key } },
          (answer) => resume(Effect.succeed(answer))
        )
      })
      let before = -1
      yield* Effect.repeat(Effect.sleep("200 millis"), {
        until: () => {
          const stands = before === written
          before = written
          return stands
        }
      })
      assert.isBelow(written, size / 2)
      let read = 0
      yield* Effect.async<void>((resume) => {
        response.on("data", (chunk: Buffer) => {
          read += chunk.length
        })
        response.on("end", () => resume(Effect.void))
      })
      assert.strictEqual(read, size)
    }))

  it.scopedLive("one that the provider had closed meanwhile costs no request", () =>
    Effect.gen(function*() {
      let connections = 0
      const provider = yield* upstream((_, response) => {
        response.writeHead(200, { "content-type": "application/json" })
        // It goes without saying so, right behind the answer.
        response.end(chatAnswer, () => setTimeout(() => response.socket?.destroy(), 5))
        connections++
      })
      const gateway = yield* run({ providers: { openai: { baseUrl: provider.url } } })
      for (let i = 0; i < 10; i++) {
        const answer = yield* send(`${gateway.url}/v1/chat/completions`, {
          headers: { ...own, "x-majordomo-key": gateway.key },
          body: question()
        })
        assert.strictEqual(answer.status, 200)
        yield* Effect.sleep("20 millis")
      }
      assert.strictEqual(connections, 10)
    }))

  it.scopedLive("readiness ends first when the gateway is told to stop, and what runs comes to its end", () =>
    Effect.gen(function*() {
      const provider = yield* upstream((_, response) => {
        setTimeout(() => {
          response.writeHead(200, { "content-type": "application/json" })
          response.end(chatAnswer)
        }, 300)
      })
      const answer = yield* Effect.scoped(Effect.gen(function*() {
        const gateway = yield* run({ providers: { openai: { baseUrl: provider.url } } })
        const running = yield* Effect.fork(send(`${gateway.url}/v1/chat/completions`, {
          headers: { ...own, "x-majordomo-key": gateway.key },
          body: question()
        }))
        yield* Effect.repeat(Effect.sleep("10 millis"), { until: () => provider.requests.length > 0 })
        return running
      }))
      const exit = yield* answer.await
      assert.isTrue(exit._tag === "Success" && exit.value.status === 200 && exit.value.isWhole)
    }))
})

describe("pages and proxies", () => {
  it.scopedLive("pages of origins that are named may call, others may not", () =>
    Effect.gen(function*() {
      const provider = yield* upstream((_, response) => response.end("{}"))
      const gateway = yield* run({
        providers: { openai: { baseUrl: provider.url } },
        cors: { origins: ["https://app.example"] }
      })
      const preflight = (origin: string) =>
        send(`${gateway.url}/v1/chat/completions`, {
          method: "OPTIONS",
          headers: {
            origin,
            "access-control-request-method": "POST",
            "access-control-request-headers": "x-majordomo-key"
          }
        })
      const allowed = yield* preflight("https://app.example")
      assert.strictEqual(allowed.headers["access-control-allow-origin"], "https://app.example")
      assert.strictEqual(allowed.headers["access-control-allow-headers"], "x-majordomo-key")
      const other = yield* preflight("https://evil.example")
      assert.isUndefined(other.headers["access-control-allow-origin"])
      assert.strictEqual(provider.requests.length, 0)
    }))

  it.scopedLive("who asks is the peer, unless a proxy of the operator's says otherwise", () =>
    Effect.gen(function*() {
      const provider = yield* upstream((_, response) => response.end("{}"))
      const remotes = (trustedProxies: ReadonlyArray<string>) =>
        Effect.scoped(Effect.gen(function*() {
          const lines: Array<string> = []
          const gateway = yield* run({
            providers: { openai: { baseUrl: provider.url } },
            trustedProxies,
            accessLog: (line) => lines.push(line)
          })
          yield* send(`${gateway.url}/v1/models`, {
            headers: { ...own, "x-majordomo-key": gateway.key, "x-forwarded-for": "6.6.6.6, 203.0.113.9, 10.0.0.1" }
          })
          yield* rowsOf(gateway, 1)
          return lines.map((line): string => JSON.parse(line).remote)
        }))
      assert.deepStrictEqual(yield* remotes([]), ["127.0.0.1"])
      assert.deepStrictEqual(yield* remotes(["127.0.0.0/8", "10.0.0.0/8"]), ["203.0.113.9"])
    }))
})
