/** The client as any program may use it, and as providers do: against servers of Node's own, and sockets. */
import { HttpBody, HttpClient, HttpClientError, HttpClientRequest } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import {
  Cause,
  Chunk,
  Deferred,
  Effect,
  Exit,
  Fiber,
  Inspectable,
  Layer,
  Redacted,
  type Scope,
  Stream,
  Tracer
} from "effect"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import { connect, createServer as createSocketServer, type Socket } from "node:net"
import { Readable } from "node:stream"
import { Agent, ProxyAgent } from "undici"
import { LLM, OpenAIChat, Retry } from "../src/index.ts"
import * as UndiciHttpClient from "../src/UndiciHttpClient.ts"
import { chatAnswer } from "./stub.ts"

interface Asked {
  readonly method: string | undefined
  readonly path: string | undefined
  readonly headers: IncomingMessage["headers"]
  readonly body: Buffer
}

const portOf = (server: { readonly address: () => unknown }): number => {
  const address = server.address()
  return typeof address === "object" && address !== null && "port" in address ? Number(address.port) : 0
}

/** A server, what it was asked, and its open connections. */
const serve = (answer: (response: ServerResponse, asked: Asked) => void) =>
  Effect.acquireRelease(
    Effect.async<
      { readonly url: string; readonly asked: Array<Asked>; readonly sockets: Set<Socket>; readonly close: () => void }
    >((resume) => {
      const asked: Array<Asked> = []
      const sockets = new Set<Socket>()
      const server = createServer((request, response) => {
        const pieces: Array<Buffer> = []
        request.on("data", (piece: Buffer) => pieces.push(piece))
        request.on("end", () => {
          const { headers, method, url: path } = request
          const one = { method, path, headers, body: Buffer.concat(pieces) }
          asked.push(one)
          answer(response, one)
        })
      })
      server.on("connection", (socket) => {
        sockets.add(socket)
        socket.on("close", () => sockets.delete(socket))
      })
      server.listen(0, "127.0.0.1", () =>
        resume(Effect.succeed({
          url: `http://127.0.0.1:${portOf(server)}`,
          asked,
          sockets,
          close: () => {
            server.closeAllConnections()
            server.close()
          }
        })))
    }),
    ({ close }) => Effect.sync(close)
  )

/** Sends these bytes to whoever connects, and hears of the end. */
const socketServer = (bytes: string) =>
  Effect.flatMap(Deferred.make<void>(), (left) =>
    Effect.acquireRelease(
      Effect.async<{ readonly url: string; readonly left: Effect.Effect<void>; readonly close: () => void }>(
        (resume) => {
          const sockets = new Set<Socket>()
          const server = createSocketServer((socket) => {
            sockets.add(socket)
            socket.on("error", () => {})
            socket.on("close", () => Deferred.unsafeDone(left, Exit.void))
            socket.once("data", () => socket.write(bytes))
          })
          server.listen(0, "127.0.0.1", () =>
            resume(Effect.succeed({
              url: `http://127.0.0.1:${portOf(server)}`,
              left: Deferred.await(left),
              close: () => {
                for (const socket of sockets) socket.destroy()
                server.close()
              }
            })))
        }
      ),
      ({ close }) => Effect.sync(close)
    ))

const run = <A, E>(effect: Effect.Effect<A, E, HttpClient.HttpClient | Scope.Scope>) =>
  effect.pipe(Effect.scoped, Effect.provide(UndiciHttpClient.layer))

const open = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n"

describe("answers", () => {
  it.live("are read in every way that HttpClient has", () =>
    run(Effect.gen(function*() {
      const { url } = yield* serve((response, { path }) => {
        switch (path) {
          case "/json":
            return void response.writeHead(200, { "content-type": "application/json" }).end("{\"a\":[1,\"é\"]}")
          case "/form":
            return void response.writeHead(200, { "content-type": "application/x-www-form-urlencoded" }).end("a=1&b=2")
          case "/nothing":
            return void response.writeHead(204).end()
          default:
            return void response.writeHead(207, {
              "x-many": ["one", "two"],
              "set-cookie": ["a=1; Path=/", "b=2"]
            }).end("text")
        }
      })
      const client = yield* HttpClient.HttpClient
      const get = (path: string) => client.get(url + path)
      assert.deepStrictEqual(yield* Effect.flatMap(get("/json"), ({ json }) => json), { a: [1, "é"] })
      assert.deepStrictEqual(yield* Effect.flatMap(get("/form"), ({ urlParamsBody }) => urlParamsBody), [
        ["a", "1"],
        ["b", "2"]
      ])
      assert.deepStrictEqual(
        yield* Effect.map(Effect.flatMap(get("/form"), ({ formData }) => formData), (form) => [...form.entries()]),
        [["a", "1"], ["b", "2"]]
      )
      const response = yield* get("/")
      assert.strictEqual(response.status, 207)
      assert.strictEqual(response.headers["x-many"], "one, two")
      assert.deepStrictEqual(Object.keys(response.cookies.cookies), ["a", "b"])
      assert.strictEqual(yield* response.text, "text")
      assert.strictEqual(yield* response.text, "text", "a second time")
      const bytes = yield* Effect.flatMap(get("/"), ({ arrayBuffer }) => arrayBuffer)
      assert.strictEqual(new TextDecoder().decode(bytes), "text")
      const streamed = yield* Stream.runCollect(Stream.decodeText((yield* get("/")).stream))
      assert.strictEqual(Chunk.join(streamed, ""), "text")
      const empty = yield* get("/nothing")
      assert.deepStrictEqual([empty.status, yield* empty.text], [204, ""])
    })))

  it.live("to HEAD end without a body, and 1xx is not one", () =>
    run(Effect.gen(function*() {
      const { url } = yield* socketServer(
        "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n"
      )
      const response = yield* Effect.flatMap(HttpClient.HttpClient, (client) => client.head(url))
      assert.deepStrictEqual([response.status, yield* response.text], [200, ""])
    })))

  it.live("that break off fail, after what had come", () =>
    run(Effect.gen(function*() {
      const { url } = yield* serve((response) => {
        response.writeHead(200, { "content-length": "100" })
        response.write("half", () => setTimeout(() => response.socket?.destroy(), 20))
      })
      const client = yield* HttpClient.HttpClient
      const error = yield* Effect.flip(Effect.flatMap(client.get(url), ({ text }) => text))
      assert.strictEqual(error._tag, "ResponseError")
      let seen = ""
      const streamed = yield* Effect.exit(
        Stream.runForEach(Stream.decodeText((yield* client.get(url)).stream), (text) =>
          Effect.sync(() => {
            seen += text
          }))
      )
      assert.isTrue(Exit.isFailure(streamed))
      assert.strictEqual(seen, "half")
    })))

  it.live("are not read when they are printed", () =>
    run(Effect.gen(function*() {
      const { url } = yield* serve((response) =>
        response.writeHead(200, { "content-type": "application/json" }).end("{}")
      )
      const response = yield* Effect.flatMap(HttpClient.HttpClient, (client) =>
        client.execute(
          HttpClientRequest.get(`${url}?key=key-canary-123`).pipe(HttpClientRequest.bearerToken("key-canary-123"))
        ))
      yield* Effect.sleep("20 millis")
      const printed = Inspectable.toStringUnknown(response) + String(response)
      assert.notInclude(printed, "key-canary-123")
      assert.include(printed, "\"status\": 200")
      assert.deepStrictEqual(yield* response.json, {})
    })))
})

describe("requests", () => {
  it.live("carry every kind of body", () =>
    run(Effect.gen(function*() {
      const { asked, url } = yield* serve((response) => response.end())
      const client = yield* HttpClient.HttpClient
      const post = (body: HttpBody.HttpBody) =>
        Effect.flatMap(client.execute(HttpClientRequest.setBody(HttpClientRequest.post(url), body)), ({ text }) => text)
      const form = new FormData()
      form.append("name", "value")
      form.append("file", new Blob(["content"]), "a.txt")
      yield* post(HttpBody.unsafeJson({ a: "é" }))
      yield* post(HttpBody.stream(Stream.make(new TextEncoder().encode("one "), new TextEncoder().encode("two"))))
      yield* post(HttpBody.formData(form))
      yield* post(HttpBody.raw("plain"))
      yield* post(HttpBody.raw(Readable.from([Buffer.from("of "), Buffer.from("Node")])))
      yield* post(HttpBody.empty)
      const [json, stream, multipart, plain, readable, empty] = asked.map(({ body }) => body.toString())
      assert.deepStrictEqual([json, stream, plain, readable, empty], [
        "{\"a\":\"é\"}",
        "one two",
        "plain",
        "of Node",
        ""
      ])
      assert.strictEqual(asked[0]?.headers["content-type"], "application/json")
      const boundary = /^multipart\/form-data; boundary=(.+)$/.exec(asked[2]?.headers["content-type"] ?? "")?.[1]
      assert.isDefined(boundary)
      assert.include(multipart, `--${boundary}--`)
      assert.match(multipart ?? "", /filename="a.txt"[^]*content/)
    })))

  it.live("go where they say, with their query", () =>
    run(Effect.gen(function*() {
      const { asked, url } = yield* serve((response) => response.end())
      const client = yield* HttpClient.HttpClient
      for (const page of ["1", "2"]) yield* client.get(`${url}/a%20b?x=1`, { urlParams: { page } })
      yield* client.get(`${url}/a#there`)
      assert.deepStrictEqual(asked.map(({ path }) => path), ["/a%20b?x=1&page=1", "/a%20b?x=1&page=2", "/a"])
    })))

  it.live("that cannot be sent say why, and their key is not in it", () =>
    run(Effect.gen(function*() {
      const client = yield* HttpClient.HttpClient
      const { asked, url } = yield* serve((response) => response.end())
      const request = HttpClientRequest.post(url).pipe(HttpClientRequest.bearerToken("key-canary-123"))
      const failures = {
        invalidUrl: HttpClientRequest.setUrl(request, "http://"),
        invalidHeader: HttpClientRequest.setHeader(request, "x-split", "a\r\nb: c"),
        nobodyThere: HttpClientRequest.setUrl(request, "http://127.0.0.1:1"),
        noBody: HttpClientRequest.setBody(request, HttpBody.raw({ an: "object" }))
      }
      const reasons: Record<string, string> = {}
      for (const [name, failing] of Object.entries(failures)) {
        const error = yield* Effect.flip(client.execute(failing))
        reasons[name] = `${error._tag} ${error.reason}`
        assert.notInclude(error.message + Cause.pretty(Cause.fail(error)), "key-canary-123")
      }
      assert.deepStrictEqual(reasons, {
        invalidUrl: "RequestError InvalidUrl",
        invalidHeader: "RequestError Transport",
        nobodyThere: "RequestError Transport",
        noBody: "RequestError Encode"
      })
      assert.lengthOf(asked, 0)
    })))
})

describe("connections", () => {
  it.live("are given up with a request that is interrupted, before and within its answer", () =>
    run(Effect.gen(function*() {
      const client = yield* HttpClient.HttpClient
      for (const bytes of ["", open]) {
        const { left, url } = yield* socketServer(bytes)
        const asking = yield* Effect.fork(Effect.flatMap(client.get(url), ({ text }) => text))
        yield* Effect.sleep("50 millis")
        yield* Fiber.interrupt(asking)
        yield* left
      }
    })))

  it.live("are given up with the scope of an answer that nobody read", () =>
    run(Effect.gen(function*() {
      const { left, url } = yield* socketServer(open)
      const client = HttpClient.withScope(yield* HttpClient.HttpClient)
      yield* Effect.scoped(client.get(url))
      yield* left
    })))

  it.live("are given up with a stream of which only the start is read", () =>
    run(Effect.gen(function*() {
      const { left, url } = yield* socketServer(open)
      const response = yield* Effect.flatMap(HttpClient.HttpClient, (client) => client.get(url))
      const start = yield* Stream.runHead(Stream.decodeText(response.stream))
      assert.strictEqual(start._tag === "Some" ? start.value : "", "first")
      yield* left
    })))

  it.live("are used again, and closed with the layer", () =>
    Effect.gen(function*() {
      const { sockets, url } = yield* serve((response) => response.end("x"))
      yield* run(Effect.gen(function*() {
        const client = yield* HttpClient.HttpClient
        for (let i = 0; i < 5; i++) yield* Effect.flatMap(client.get(url), ({ text }) => text)
        // undici takes a connection back a turn after the end of its answer.
        assert.isAtMost(sockets.size, 2)
      }))
      yield* Effect.sleep("50 millis")
      assert.strictEqual(sockets.size, 0)
    }).pipe(Effect.scoped))

  it.live("go through a proxy, and nowhere else where it refuses", () =>
    Effect.gen(function*() {
      const { asked, url } = yield* serve((response) => response.end("x"))
      const tunnels: Array<string | undefined> = []
      let refuses = false
      const proxy = yield* Effect.acquireRelease(
        Effect.async<ReturnType<typeof createServer>>((resume) => {
          const server = createServer()
          server.on("connect", (request, client, head) => {
            tunnels.push(request.url)
            if (refuses) return void client.end("HTTP/1.1 403 Forbidden\r\n\r\n")
            const { hostname, port } = new URL(`http://${request.url}`)
            const upstream = connect(Number(port), hostname, () => {
              client.write("HTTP/1.1 200 Connection Established\r\n\r\n")
              upstream.write(head)
              upstream.pipe(client).pipe(upstream)
            })
            for (const socket of [client, upstream]) socket.on("error", () => {})
          })
          server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
        }),
        (server) => Effect.sync(() => server.close())
      )
      const layer = UndiciHttpClient.layerDispatcher(() => new ProxyAgent(`http://127.0.0.1:${portOf(proxy)}`))
      const get = Effect.flatMap(HttpClient.HttpClient, (client) => Effect.flatMap(client.get(url), ({ text }) => text))
      assert.strictEqual(yield* Effect.provide(get, layer), "x")
      assert.deepStrictEqual(tunnels, [new URL(url).host])
      refuses = true
      assert.strictEqual((yield* Effect.flip(Effect.provide(get, layer)))._tag, "RequestError")
      assert.lengthOf(asked, 1)
    }).pipe(Effect.scoped))

  it.live("of a dispatcher that was handed in stay its owner's", () =>
    Effect.gen(function*() {
      const { sockets, url } = yield* serve((response) => response.end("x"))
      const agent = yield* Effect.acquireRelease(
        Effect.sync(() => new Agent({ connections: 1 })),
        (agent) => Effect.promise(() => agent.destroy())
      )
      const layer = Layer.sync(HttpClient.HttpClient, () => UndiciHttpClient.make(agent))
      const texts = yield* Effect.flatMap(HttpClient.HttpClient, (client) =>
        Effect.forEach([1, 2, 3], () =>
          Effect.flatMap(client.get(url), ({ text }) => text), { concurrency: 3 })).pipe(
          Effect.provide(layer)
        )
      assert.deepStrictEqual(texts, ["x", "x", "x"])
      assert.strictEqual(sockets.size, 1)
    }).pipe(Effect.scoped))
})

describe("providers", () => {
  const chat = (url: string, settings: Partial<LLM.Settings> = {}) =>
    OpenAIChat.layer({
      apiKey: Redacted.make("key-canary-123"),
      baseUrl: url,
      model: "gpt-4.1-mini",
      retry: Retry.none,
      ...settings
    })
  const answering = serve((response) =>
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(chatAnswer("Hello")))
  )

  it.live("ask without a span or a traceparent of the client's, unless they are wanted", () =>
    run(Effect.gen(function*() {
      const { asked, url } = yield* answering
      const spans: Array<{ readonly name: string; readonly text: string }> = []
      const native = yield* Effect.tracer
      const tracer = Tracer.make({
        context: (f, fiber) => native.context(f, fiber),
        span: (...args) => {
          const span = native.span(...args)
          const attributes: Array<unknown> = []
          spans.push({
            name: args[0],
            get text() {
              return JSON.stringify(attributes)
            }
          })
          return Object.assign(Object.create(span), {
            attribute: (key: string, value: unknown) => attributes.push([key, value])
          })
        }
      })
      const http = () => spans.filter(({ name }) => name.startsWith("http.client"))
      const ask = (settings: Partial<LLM.Settings>) =>
        LLM.generateText({ prompt: "Hi" }).pipe(Effect.provide(chat(url, settings)), Effect.withTracer(tracer))
      assert.strictEqual((yield* ask({})).text, "Hello")
      assert.lengthOf(http(), 0)
      yield* ask({ httpSpans: true })
      assert.lengthOf(http(), 1)
      assert.notInclude(http()[0]?.text, "canary")
      assert.deepStrictEqual(asked.map(({ headers }) => headers["traceparent"]), [undefined, undefined])
    })))

  it.live("ask through what a program has put around the client", () =>
    run(Effect.gen(function*() {
      const { asked, url } = yield* answering
      const around = Layer.effect(
        HttpClient.HttpClient,
        Effect.map(HttpClient.HttpClient, HttpClient.mapRequest(HttpClientRequest.setHeader("x-team", "search")))
      )
      yield* LLM.generateText({ prompt: "Hi" }).pipe(Effect.provide(Layer.provide(chat(url), around)))
      assert.strictEqual(asked[0]?.headers["x-team"], "search")
    })))

  it.live("are told what works on Bun, whose undici makes no connections", () =>
    Effect.gen(function*() {
      const silent = Object.assign(Object.create(Agent.prototype), {
        dispatch: undefined,
        destroy: () => Promise.resolve()
      })
      const refused = yield* Effect.exit(Layer.build(UndiciHttpClient.layerDispatcher(() => silent)))
      assert.include(Exit.isFailure(refused) ? Cause.pretty(refused.cause) : "", "FetchHttpClient.layer")
      yield* Effect.acquireRelease(
        Effect.sync(() => Object.assign(globalThis, { Bun: {} })),
        () => Effect.sync(() => Reflect.deleteProperty(globalThis, "Bun"))
      )
      const without = Layer.succeed(
        HttpClient.HttpClient,
        HttpClient.make((request) =>
          Effect.fail(
            new HttpClientError.RequestError({ request, reason: "Transport", cause: new TypeError("no function") })
          )
        )
      )
      const error = yield* Effect.flip(
        LLM.generateText({ prompt: "Hi" }).pipe(Effect.provide(Layer.provide(chat("http://127.0.0.1:1"), without)))
      )
      assert.include(error.message, "no function; on Bun, provide FetchHttpClient.layer")
    }).pipe(Effect.scoped))

  it.live("are told when nobody is there, and that nothing was sent", () =>
    run(Effect.gen(function*() {
      const error = yield* Effect.flip(
        LLM.generateText({ prompt: "Hi" }).pipe(Effect.provide(chat("http://127.0.0.1:1")))
      )
      assert.include(error.message, "ECONNREFUSED")
      assert.notInclude(error.message + Cause.pretty(Cause.fail(error)), "canary")
    })))
})
