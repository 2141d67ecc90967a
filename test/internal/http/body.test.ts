/** Bodies of real servers, through every client there is, and through one that nobody knows. */
import { FetchHttpClient, HttpClient, HttpClientRequest, type HttpClientResponse } from "@effect/platform"
import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer, Scope, Stream } from "effect"
import { createServer, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { connection, disconnect } from "../../../src/internal/call/silence.ts"
import { type Body, End, open } from "../../../src/internal/http/body.ts"
import * as UndiciHttpClient from "../../../src/UndiciHttpClient.ts"

/** A server, and what it has seen of its connections. */
const serve = (answer: (response: ServerResponse) => void) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.async<ReturnType<typeof createServer>>((resume) => {
        const server = createServer((request, response) => {
          request.resume()
          answer(response)
        })
        server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
      }),
      (server) =>
        Effect.async<void>((resume) => {
          server.closeAllConnections()
          server.close(() => resume(Effect.void))
        })
    ),
    (server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  )

/** One whose answers are known by nothing but their stream. */
const unknown = Layer.effect(
  HttpClient.HttpClient,
  Effect.map(
    HttpClient.HttpClient,
    (client) =>
      HttpClient.transformResponse(
        client,
        Effect.map((response) =>
          Object.create(response, { stream: { get: () => response.stream } }) as HttpClientResponse.HttpClientResponse
        )
      )
  )
).pipe(Layer.provide(NodeHttpClient.layerUndici))

/** Its classes are not the ones that are known here. */
const copy = Layer.effect(
  HttpClient.HttpClient,
  Effect.map(
    HttpClient.HttpClient,
    HttpClient.transformResponse(Effect.map((response) => {
      const source = new Proxy(Reflect.get(response, "source"), { getPrototypeOf: () => null })
      return Object.assign(Object.create(response), { source })
    }))
  )
).pipe(Layer.provide(UndiciHttpClient.layer))

const deaf = FetchHttpClient.layer.pipe(
  Layer.provide(Layer.succeed(FetchHttpClient.Fetch, (url, init) => fetch(url, { ...init, signal: null })))
)

const clients = [
  ["our own", UndiciHttpClient.layer],
  ["our own of another copy", copy],
  ["undici", NodeHttpClient.layerUndici],
  ["node:http", NodeHttpClient.layer],
  ["fetch", FetchHttpClient.layer],
  ["a fetch that heeds no abort", deaf],
  ["another", unknown]
] as const

const ask = (url: string, request: Scope.Scope, body: Scope.Scope = request) =>
  HttpClient.HttpClient.pipe(
    Effect.flatMap((client) => HttpClient.withScope(client).execute(HttpClientRequest.get(url))),
    Effect.provideService(Scope.Scope, request),
    Effect.flatMap((response) => open(response, undefined, body))
  )

const rest = (body: Body): Effect.Effect<{ readonly text: string; readonly error: unknown }> => {
  let text = ""
  const read: Effect.Effect<{ readonly text: string; readonly error: unknown }> = Effect.suspend(() => {
    for (let piece = body.take(); piece !== undefined; piece = body.take()) {
      if (!(piece instanceof Uint8Array)) return Effect.succeed({ text, error: piece.error })
      text += new TextDecoder().decode(piece)
    }
    return body.whenReady(read)
  })
  return read
}

describe.each(clients)("bodies through %s", (name, client) => {
  it.live("come whole, however they were cut, and end once", () =>
    Effect.gen(function*() {
      const url = yield* serve((response) => {
        const pieces = ["one ", "two ", "three ", "four"]
        const next = () => {
          const piece = pieces.shift()
          if (piece === undefined) response.end()
          else response.write(piece, () => setTimeout(next, 2))
        }
        next()
      })
      const body = yield* ask(url, yield* Effect.scope)
      assert.deepStrictEqual(yield* rest(body), { text: "one two three four", error: undefined })
      assert.deepStrictEqual(yield* rest(body), { text: "", error: undefined })
      assert.strictEqual(body.isSpent, name !== "another")
    }).pipe(Effect.scoped, Effect.provide(client)))

  it.live("an answer without one is empty", () =>
    Effect.gen(function*() {
      const url = yield* serve((response) => response.writeHead(204).end())
      assert.deepStrictEqual(yield* rest(yield* ask(url, yield* Effect.scope)), { text: "", error: undefined })
    }).pipe(Effect.scoped, Effect.provide(client)))

  it.live("one that is cut says so, after what had come", () =>
    Effect.gen(function*() {
      const url = yield* serve((response) => {
        response.writeHead(200, { "content-length": "100" })
        response.write("half", () => setTimeout(() => response.socket?.destroy(), 20))
      })
      const { error, text } = yield* rest(yield* ask(url, yield* Effect.scope))
      assert.strictEqual(text, "half")
      assert.isDefined(error)
    }).pipe(Effect.scoped, Effect.provide(client)))

  it.live("what nobody reads is not taken from the server without end", () =>
    Effect.gen(function*() {
      const total = 24 * 1024 * 1024
      let written = 0
      const url = yield* serve((response) => {
        const more = () => {
          while (written < total) {
            written += 65_536
            if (!response.write(Buffer.alloc(65_536))) return void response.once("drain", more)
          }
          response.end()
        }
        more()
      })
      const body = yield* ask(url, yield* Effect.scope)
      yield* body.whenReady(Effect.void)
      yield* Effect.sleep("300 millis")
      assert.isBelow(written, total / 2)
      const { error, text } = yield* rest(body)
      assert.isUndefined(error)
      assert.strictEqual(text.length, total)
    }).pipe(Effect.scoped, Effect.provide(client)), 20_000)

  it.live("one that is left closes its connection", () =>
    Effect.gen(function*() {
      const closed = yield* Deferred.make<void>()
      const url = yield* serve((response) => {
        response.write("first")
        response.on("close", () => Deferred.unsafeDone(closed, Exit.void))
      })
      const scopes = yield* connection
      const body = yield* ask(url, scopes.request, scopes.body)
      yield* body.whenReady(Effect.void)
      body.take()
      const waiting = yield* Effect.fork(body.whenReady(Effect.void))
      yield* Effect.sleep("20 millis")
      yield* disconnect(scopes)
      yield* Fiber.join(waiting)
      assert.instanceOf(body.take(), End)
      yield* Deferred.await(closed)
    }).pipe(Effect.scoped, Effect.provide(client)))
})

describe("a client that puts another stream in the place of its own", () => {
  it.live("is read by that", () =>
    Effect.gen(function*() {
      const url = yield* serve((response) => response.end("plain"))
      const scope = yield* Effect.scope
      const client = HttpClient.transformResponse(
        yield* HttpClient.HttpClient,
        Effect.map((response) => {
          const shouting = Stream.map(
            response.stream,
            (bytes) => new TextEncoder().encode(new TextDecoder().decode(bytes).toUpperCase())
          )
          Object.defineProperty(response, "stream", { value: shouting })
          return response
        })
      )
      const response = yield* Effect.provideService(
        HttpClient.withScope(client).execute(HttpClientRequest.get(url)),
        Scope.Scope,
        scope
      )
      assert.deepStrictEqual(yield* rest(yield* open(response, undefined, scope)), { text: "PLAIN", error: undefined })
    }).pipe(Effect.scoped, Effect.provide(NodeHttpClient.layerUndici)))
})
