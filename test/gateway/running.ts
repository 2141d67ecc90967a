/** A gateway of its own for a test, over raw or fake providers, with its rows. */
import { Array as Arr, Context, Effect, Layer, Redacted, type Scope } from "effect"
import { Logging, type RequestLog } from "effect-majordomo"
import * as AdminTokens from "effect-majordomo/gateway/AdminTokens"
import * as ApiKeys from "effect-majordomo/gateway/ApiKeys"
import * as Gateway from "effect-majordomo/gateway/Gateway"
import type * as GatewayConfig from "effect-majordomo/gateway/GatewayConfig"
import * as ProviderKeys from "effect-majordomo/gateway/ProviderKeys"
import * as LogReader from "effect-majordomo/logging/LogReader"
import { mkdtempSync, rmSync } from "node:fs"
import * as http from "node:http"
import * as net from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"

export const temporary: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "majordomo-gateway-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

export interface Running {
  readonly url: string
  readonly adminUrl: string
  readonly directory: string
  /** A key that may do everything. */
  readonly key: string
  readonly apiKeys: ApiKeys.Service
  readonly providerKeys: ProviderKeys.Service
  readonly adminTokens: AdminTokens.Service
  /** All rows so far, the oldest first. */
  readonly rows: Effect.Effect<ReadonlyArray<RequestLog.Entry>>
}

/** 32 bytes, of no secret. */
export const encryptionKey = Redacted.make("00".repeat(32))

export const run = (options: GatewayConfig.Options = {}): Effect.Effect<Running, never, Scope.Scope> =>
  Effect.gen(function*() {
    const directory = yield* temporary
    const context = yield* Layer.build(Gateway.layer({
      port: 0,
      admin: { port: 0 },
      database: join(directory, "gateway.db"),
      encryptionKey,
      ...options,
      log: { spool: join(directory, "spool"), ...options.log }
    }))
    const { adminUrl, url } = Context.get(context, Gateway.Gateway)
    const apiKeys = Context.get(context, ApiKeys.ApiKeys)
    const { secret } = yield* apiKeys.create({ name: "test" })
    const rows = Effect.zipRight(
      Context.get(context, Logging.Logging).flush,
      Context.get(context, LogReader.LogReader).page({}, { limit: 1000 })
    )
    return {
      url,
      adminUrl,
      directory,
      key: Redacted.value(secret),
      apiKeys,
      providerKeys: Context.get(context, ProviderKeys.ProviderKeys),
      adminTokens: Context.get(context, AdminTokens.AdminTokens),
      rows: Effect.orDie(Effect.map(rows, (page) => Arr.reverse(page.rows)))
    }
  }).pipe(Effect.orDie)

/** Waits until there are so many rows. */
export const rowsOf = (gateway: Running, count: number): Effect.Effect<ReadonlyArray<RequestLog.Entry>> =>
  Effect.repeat(Effect.delay(gateway.rows, "20 millis"), { until: (rows) => rows.length >= count, times: 500 }).pipe(
    Effect.flatMap(() => gateway.rows)
  )

export interface Upstream {
  readonly url: string
  /** Heads of the requests that came, as they were written. */
  readonly requests: Array<http.IncomingMessage>
  readonly bodies: Array<string>
}

/** A provider that does what a test says. */
export const upstream = (
  handle: (request: http.IncomingMessage, response: http.ServerResponse, body: string) => void
): Effect.Effect<Upstream, never, Scope.Scope> =>
  Effect.gen(function*() {
    const requests: Array<http.IncomingMessage> = []
    const bodies: Array<string> = []
    const server = http.createServer((request, response) => {
      requests.push(request)
      const chunks: Array<Buffer> = []
      request.on("data", (chunk: Buffer) => chunks.push(chunk))
      request.on("end", () => {
        const body = Buffer.concat(chunks).toString("utf8")
        bodies.push(body)
        handle(request, response, body)
      })
    })
    return { url: yield* listening(server), requests, bodies }
  })

export const listening = (server: net.Server): Effect.Effect<string, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.async<string>((resume) => {
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        resume(Effect.succeed(`http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`))
      })
    }),
    () =>
      Effect.async<void>((resume) => {
        server.close(() => resume(Effect.void))
        if (server instanceof http.Server) server.closeAllConnections()
      })
  )

/** A provider on a bare socket. */
export const rawUpstream = (handle: (socket: net.Socket) => void): Effect.Effect<string, never, Scope.Scope> =>
  Effect.gen(function*() {
    const sockets = new Set<net.Socket>()
    const server = net.createServer((socket) => {
      sockets.add(socket)
      socket.on("error", () => {}).on("close", () => sockets.delete(socket))
      handle(socket)
    })
    const url = yield* listening(server)
    // Before it is closed, which waits for them: one that is not read from does not see that the other side has gone.
    yield* Effect.addFinalizer(() => Effect.sync(() => sockets.forEach((socket) => socket.destroy())))
    return url
  })

export interface Answer {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly body: Buffer
  /** The answer ended as an answer ends. */
  readonly isWhole: boolean
}

/** A request of a client that follows nothing and hides nothing. */
export const send = (
  url: string,
  options: {
    readonly method?: string
    readonly headers?: http.OutgoingHttpHeaders
    readonly body?: string | Buffer | undefined
  } = {}
): Effect.Effect<Answer> =>
  Effect.async((resume) => {
    const request = http.request(url, {
      method: options.method ?? (options.body === undefined ? "GET" : "POST"),
      headers: options.headers,
      agent: false
    }, (response) => {
      const chunks: Array<Buffer> = []
      response.on("data", (chunk: Buffer) => chunks.push(chunk))
      response.on("error", () => {})
      response.on("close", () =>
        resume(Effect.succeed({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks),
          isWhole: response.complete
        })))
    })
    request.on("error", (error) => resume(Effect.die(error)))
    request.end(options.body)
    return Effect.sync(() => request.destroy())
  })

/** What comes back on a bare socket until the other side closes it. */
export const sendRaw = (url: string, text: string): Effect.Effect<string> =>
  Effect.async((resume) => {
    const { hostname, port } = new URL(url)
    let received = ""
    const socket = net.connect(Number(port), hostname, () => socket.write(text))
    socket.on("data", (chunk) => {
      received += chunk.toString("latin1")
    })
    socket.on("error", () => {})
    socket.on("close", () => resume(Effect.succeed(received)))
    return Effect.sync(() => socket.destroy())
  })

/** The body of a question to a chat model. */
export const question = (more: Readonly<Record<string, unknown>> = {}): string =>
  JSON.stringify({ model: "gpt-4.1", messages: [{ role: "user", content: "Hi" }], ...more })

/** An answer of a chat model that took 10 and 5 tokens. */
export const chatAnswer = JSON.stringify({
  id: "chatcmpl-1",
  object: "chat.completion",
  model: "gpt-4.1",
  choices: [{ index: 0, message: { role: "assistant", content: "Hello" }, finish_reason: "stop" }],
  usage: { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 }
})

const chunk = (choices: ReadonlyArray<object>, more: object = {}): string =>
  `data: ${
    JSON.stringify({ id: "chatcmpl-1", object: "chat.completion.chunk", model: "gpt-4.1", choices, ...more })
  }\n\n`

/** The events of a streamed one, the last two telling usage and end. */
export const chatEvents: ReadonlyArray<string> = [
  chunk([{ index: 0, delta: { role: "assistant", content: "" }, finish_reason: null }]),
  chunk([{ index: 0, delta: { content: "Grüß " }, finish_reason: null }]),
  chunk([{ index: 0, delta: { content: "dich" }, finish_reason: null }]),
  chunk([{ index: 0, delta: {}, finish_reason: "stop" }]),
  chunk([], { usage: { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 } }),
  "data: [DONE]\n\n"
]
