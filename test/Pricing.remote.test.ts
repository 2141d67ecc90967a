import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Layer, Logger, LogLevel, Option, TestClock } from "effect"
import { createServer } from "node:http"
import { gzipSync } from "node:zlib"
import { Pricing } from "../src/index.ts"
import * as UndiciHttpClient from "../src/UndiciHttpClient.ts"

interface Server {
  readonly url: string
  /** Requests so far. */
  readonly hits: () => number
  readonly answer: (status: number, body: string, encoding?: "gzip" | "identity") => void
  readonly close: () => void
}

/** A server whose answer the test changes. */
const serve = Effect.acquireRelease(
  Effect.async<Server>((resume) => {
    let hits = 0
    let current = { status: 200, body: "{}", encoding: "identity" }
    const server = createServer((_request, response) => {
      hits++
      const { body, encoding, status } = current
      response.writeHead(status, { "content-type": "application/json", "content-encoding": encoding })
      response.end(encoding === "gzip" ? gzipSync(body) : body)
    })
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      const port = typeof address === "object" ? address?.port : undefined
      resume(Effect.succeed({
        url: `http://127.0.0.1:${port}/prices.json?token=s3cret`,
        hits: () => hits,
        answer: (status, body, encoding = "identity") => void (current = { status, body, encoding }),
        close: () => server.close()
      }))
    })
  }),
  (server) => Effect.sync(server.close)
)

const list = (version: string, prices: Readonly<Record<string, unknown>>) => JSON.stringify({ version, prices })

const cost = (model: string) =>
  Effect.map(
    Pricing.quote("acme", model, { inputTokens: 1_000_000, outputTokens: 0 }),
    Option.map(({ source, total }) => [total, source])
  )

const real = (url: string, more: Partial<Pricing.RemoteOptions> = {}) =>
  Pricing.layerRemote({ url, ...more }).pipe(
    Layer.provide(UndiciHttpClient.layer),
    Layer.provide(Logger.minimumLogLevel(LogLevel.None))
  )

describe("Pricing.layerRemote", () => {
  it.scoped("gives prices over the built-in ones and under the overrides", () =>
    Effect.gen(function*() {
      const server = yield* serve
      server.answer(
        200,
        list("7", { "Acme/Large": { input: 3, output: 4 }, "together/zai-org/GLM-5": { input: 9, output: 9 } })
      )
      yield* Effect.gen(function*() {
        assert.deepStrictEqual(yield* cost("large"), Option.some([3, "prices"]))
        assert.deepStrictEqual(yield* cost("small"), Option.some([1, "override"]))
        const glm = yield* Pricing.quote("together", "zai-org/GLM-5", { inputTokens: 1_000_000 })
        assert.strictEqual(Option.getOrThrow(glm).total, 9)
        const gpt = yield* Pricing.quote("openai", "gpt-4.1", { inputTokens: 1_000_000 })
        assert.strictEqual(Option.getOrThrow(gpt).total, 2)
        const status = yield* Pricing.status
        assert.strictEqual(status.source, server.url.replace("?token=s3cret", ""))
        assert.deepStrictEqual(status.version, Option.some("7"))
        assert.strictEqual(status.prices, 2)
      }).pipe(Effect.provide(real(server.url, { overrides: { "acme/small": { input: 1, output: 1 } } })))
    }))

  it.scopedLive("refreshes, reports what moved too far, and keeps the last good list", () =>
    Effect.gen(function*() {
      const server = yield* serve
      server.answer(200, list("1", { "acme/large": { input: 3, output: 4 } }))
      yield* Effect.gen(function*() {
        const until = (done: (status: Pricing.Status) => boolean) =>
          Effect.repeat(Effect.delay(Pricing.status, "5 millis"), { until: done, times: 500 })
        server.answer(200, list("2", { "acme/large": { input: 30, output: 5 } }))
        const moved = yield* until(({ jumps }) => jumps.length > 0)
        assert.deepStrictEqual(moved.jumps, [{ model: "acme/large", rate: "input", from: 3, to: 30 }])
        assert.deepStrictEqual(yield* cost("large"), Option.some([30, "prices"]))

        const nonsense: ReadonlyArray<readonly [status: number, body: string]> = [
          [200, list("3", { "acme/large": { input: -1, output: 4 } })],
          [200, "{\"prices\":{\"acme/large\":{\"input\":1e999,\"output\":4}}}"],
          [200, list("3", { "acme/large": { input: "3", output: 4 } })],
          [200, list("3", { "acme/large": { input: 3_000_000, output: 4 } })],
          [200, list("3", {})],
          [200, "<html>"],
          [503, "down"]
        ]
        for (const [status, body] of nonsense) {
          server.answer(200, list("2", { "acme/large": { input: 30, output: 5 } }))
          yield* until(({ error }) => Option.isNone(error))
          server.answer(status, body)
          const now = yield* until(({ error }) => Option.isSome(error))
          assert.deepStrictEqual(now.version, Option.some("2"), body)
          assert.notInclude(Option.getOrThrow(now.error), "s3cret")
          assert.deepStrictEqual(yield* cost("large"), Option.some([30, "prices"]))
        }
      }).pipe(Effect.provide(real(server.url, { refresh: "10 millis" })))
      const hits = server.hits()
      yield* Effect.sleep("50 millis")
      assert.strictEqual(server.hits(), hits, "a closed layer asks no more")
    }), 20_000)

  it.scoped("comes compressed, too, and no larger than it may be", () =>
    Effect.gen(function*() {
      const server = yield* serve
      server.answer(200, list("1", { "acme/large": { input: 3, output: 4 } }), "gzip")
      const first = yield* Effect.provide(cost("large"), real(server.url))
      assert.deepStrictEqual(first, Option.some([3, "prices"]))
      server.answer(200, " ".repeat(17 * 1024 * 1024), "gzip")
      const { error } = yield* Effect.provide(Pricing.status, real(server.url))
      assert.deepStrictEqual(error, Option.some("the answer is larger than 16777216 bytes"))
    }))

  it.scoped("is there without its server, and says so", () =>
    Effect.gen(function*() {
      yield* Effect.gen(function*() {
        const gpt = yield* Pricing.quote("openai", "gpt-4.1", { inputTokens: 1_000_000 })
        assert.strictEqual(Option.getOrThrow(gpt).total, 2)
        const status = yield* Pricing.status
        assert.isTrue(Option.isSome(status.error))
        assert.deepStrictEqual(status.age, Option.none())
      }).pipe(Effect.provide(real("http://127.0.0.1:1/prices?token=s3cret")))
    }))

  it.scoped("tells the age of the list by the clock", () =>
    Effect.gen(function*() {
      const server = yield* serve
      server.answer(200, list("1", { "acme/large": { input: 3, output: 4 } }))
      yield* Effect.gen(function*() {
        yield* TestClock.adjust("10 minutes")
        const { age } = yield* Pricing.status
        assert.strictEqual(Duration.toMinutes(Option.getOrThrow(age)), 10)
      }).pipe(Effect.provide(real(server.url)))
    }))

  it.effect("what is built in has a status too", () =>
    Effect.gen(function*() {
      assert.strictEqual((yield* Pricing.status).source, "built-in")
      const own = Pricing.layer({ base: "none", overrides: { a: { input: 1, output: 1 } } })
      const status = yield* Effect.provide(Pricing.status, own)
      assert.deepStrictEqual([status.source, status.prices], ["custom", 1])
    }))
})
