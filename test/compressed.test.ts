/** Hosts that compress what nobody asked them to. */
import { FetchHttpClient } from "@effect/platform"
import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option, Redacted, Stream } from "effect"
import { createServer, type RequestListener } from "node:http"
import type { AddressInfo } from "node:net"
import * as zlib from "node:zlib"
import { LLM, OpenAIChat, Retry } from "../src/index.ts"
import * as UndiciHttpClient from "../src/UndiciHttpClient.ts"

const serve = (answer: RequestListener) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.async<ReturnType<typeof createServer>>((resume) => {
        const server = createServer((request, response) => {
          request.resume()
          answer(request, response)
        })
        server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
      }),
      (server) =>
        Effect.async<void>((resume) => {
          server.closeAllConnections()
          server.close(() => resume(Effect.void))
        })
    ),
    (server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  )

const provider = (baseUrl: string, settings: Partial<LLM.Settings> = {}) =>
  OpenAIChat.layer({
    apiKey: Redacted.make("k-123456"),
    retry: Retry.make({ tries: 1 }),
    ...settings,
    baseUrl,
    model: "gpt-4.1"
  })

const clients = [
  ["our own", UndiciHttpClient.layer],
  ["undici", NodeHttpClient.layerUndici],
  ["fetch", FetchHttpClient.layer]
] as const

const whole = (text: string) =>
  JSON.stringify({
    choices: [{ index: 0, message: { role: "assistant", content: text }, finish_reason: "stop" }],
    usage: { prompt_tokens: 3, completion_tokens: 4 }
  })

const event = (data: unknown) => `data: ${JSON.stringify(data)}\n\n`
const delta = (content: string) => event({ choices: [{ index: 0, delta: { content } }] })
const last = event({
  choices: [{ index: 0, delta: {}, finish_reason: "stop" }],
  usage: { prompt_tokens: 3, completion_tokens: 4 }
}) + "data: [DONE]\n\n"

const refusal = JSON.stringify({ error: { message: "no such key", type: "authentication_error" } })

const encodings = [
  ["gzip", "gzip", zlib.gzipSync],
  ["x-gzip", "x-gzip", zlib.gzipSync],
  ["deflate", "deflate", zlib.deflateSync],
  ["deflate without its frame", "deflate", zlib.deflateRawSync],
  ["gzip in gzip", "gzip, gzip", (text: string) => zlib.gzipSync(zlib.gzipSync(text))],
  ["a label on plain text", "gzip", (text: string) => Buffer.from(text)],
  ["identity", "identity", (text: string) => Buffer.from(text)]
] as const

const isStream = (accept: string | undefined) => accept === "text/event-stream"

/** `fetch` itself stumbles over a label on plain text. */
const applies = (client: string, name: string) => client === "undici" || name !== "a label on plain text"

describe.each(clients)("compressed answers over %s", (client, layer) => {
  const ask = (baseUrl: string, settings?: Partial<LLM.Settings>) => ({
    single: Effect.provide(
      LLM.generateText({ prompt: "Hello" }),
      Layer.provide(provider(baseUrl, settings), layer)
    ),
    stream: Effect.provide(
      LLM.collect(LLM.streamText({ prompt: "Hello" })),
      Layer.provide(provider(baseUrl, settings), layer)
    )
  })

  for (const [name, encoding, compress] of encodings.filter(([name]) => applies(client, name))) {
    it.scopedLive(`${name}: whole, streamed and refused`, () =>
      Effect.gen(function*() {
        let status = 200
        const url = yield* serve((request, response) => {
          response.writeHead(status, { "content-encoding": encoding })
          const text = status !== 200 ? refusal
            : isStream(request.headers.accept) ? delta("Grüße ") + delta("Ada") + last : whole("Grüße Ada")
          const bytes = compress(text)
          // In pieces, so that the first one does not say all.
          response.write(bytes.subarray(0, 1))
          setImmediate(() => response.end(bytes.subarray(1)))
        })
        const { single, stream } = ask(url)
        assert.strictEqual((yield* single).text, "Grüße Ada")
        assert.strictEqual((yield* stream).text, "Grüße Ada")
        status = 401
        for (const call of [single, stream]) {
          const error = yield* Effect.flip(call)
          assert.strictEqual(error._tag === "ProviderError" ? error.reason._tag : error._tag, "Authentication")
          assert.include(error.message, "no such key")
        }
      }))
  }

  it.scopedLive("what cannot be decoded is said, with what to do; a status still decides", () =>
    Effect.gen(function*() {
      let status = 200
      let encoding = "zstd"
      const url = yield* serve((request, response) => {
        response.writeHead(status, { "content-encoding": encoding })
        response.end(
          encoding === "zstd"
            ? Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x24, 0x05, 0x29, 0x00, 0x00, 0x68, 0x65, 0x6c, 0x6c, 0x6f])
            : zlib.brotliCompressSync(isStream(request.headers.accept) ? delta("Ada") + last : whole("Ada"))
        )
      })
      const { single, stream } = ask(url)
      for (encoding of client === "undici" ? ["br", "zstd"] : ["zstd"]) {
        for (const call of [single, stream]) {
          status = 200
          const error = yield* Effect.flip(call)
          assert.strictEqual(error._tag === "ProviderError" ? error.reason._tag : error._tag, "MalformedResponse")
          assert.include(error.message, `the answer is compressed with ${encoding}, which this runtime cannot decode`)
          assert.include(error.message, "\"accept-encoding\": \"identity\"")
          status = 429
          const limited = yield* Effect.flip(call)
          assert.strictEqual(limited._tag === "ProviderError" ? limited.reason._tag : limited._tag, "RateLimited")
          assert.include(limited.message, `compressed with ${encoding}`)
        }
      }
      // `fetch` decodes br, and leaves the label on.
      if (client === "fetch") {
        status = 200
        encoding = "br"
        assert.strictEqual((yield* single).text, "Ada")
        assert.strictEqual((yield* stream).text, "Ada")
      }
    }))

  it.scopedLive("each event is shown as it comes, and leaving closes the connection", () =>
    Effect.gen(function*() {
      let closed = false
      const url = yield* serve((_request, response) => {
        response.writeHead(200, { "content-type": "text/event-stream", "content-encoding": "gzip" })
        response.on("close", () => {
          closed = true
        })
        const gzip = zlib.createGzip()
        gzip.pipe(response)
        gzip.write(delta("first"))
        gzip.flush(zlib.constants.Z_SYNC_FLUSH)
      })
      const first = yield* LLM.streamText({ prompt: "Hello" }).pipe(
        Stream.filter((part) => part._tag === "TextDelta"),
        Stream.runHead,
        Effect.provide(Layer.provide(provider(url), layer))
      )
      const part = Option.getOrUndefined(first)
      assert.strictEqual(part?._tag === "TextDelta" ? part.delta : undefined, "first")
      yield* Effect.repeat(Effect.sleep(5), { until: () => closed })
    }))
})

describe("compressed answers that are broken", () => {
  const failing = (answer: RequestListener, settings?: Partial<LLM.Settings>) =>
    Effect.gen(function*() {
      const url = yield* serve(answer)
      const error = yield* Effect.flip(
        Effect.provide(
          LLM.generateText({ prompt: "Hello" }),
          Layer.provide(provider(url, settings), NodeHttpClient.layerUndici)
        )
      )
      return [error._tag === "ProviderError" ? error.reason._tag : error._tag, error.message] as const
    })

  it.scopedLive("cut off, damaged, or a small body that grows without end", () =>
    Effect.gen(function*() {
      const compressed = zlib.gzipSync(whole("x".repeat(50)))
      const [cut] = yield* failing((_request, response) => {
        response.writeHead(200, { "content-encoding": "gzip" })
        response.end(compressed.subarray(0, compressed.length - 20))
      })
      assert.strictEqual(cut, "Transport")
      const damaged = Buffer.from(compressed).fill(0xff, 12, 40)
      const [tag, message] = yield* failing((_request, response) => {
        response.writeHead(200, { "content-encoding": "gzip" })
        response.write(damaged)
      })
      assert.strictEqual(tag, "MalformedResponse")
      assert.include(message, "gzip")
      const bomb = zlib.gzipSync(Buffer.alloc(20_000_000, 0x20))
      const large = yield* failing((_request, response) => {
        response.writeHead(200, { "content-encoding": "gzip" })
        response.end(bomb)
      }, { maxResponseBytes: 1_000_000 })
      assert.strictEqual(large[0], "MalformedResponse")
      assert.include(large[1], "larger than 1000000 bytes")
    }))

  it.scopedLive("one that falls silent is not waited for, whatever its status", () =>
    Effect.gen(function*() {
      for (const status of [200, 503]) {
        const [tag] = yield* failing((_request, response) => {
          response.writeHead(status, { "content-encoding": "gzip" })
          response.write(zlib.gzipSync(whole("x".repeat(5000))).subarray(0, 40))
        }, { timeouts: { betweenTokens: "200 millis" } })
        assert.strictEqual(tag, status === 200 ? "Timeout" : "Overloaded")
      }
    }), { timeout: 10_000 })
})
