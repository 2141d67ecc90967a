/** The HTTP server of a fake provider. It lives on the real clock: a test's clock must not hold up its sockets. */
import { once } from "node:events"
import * as http from "node:http"
import type { AddressInfo, Socket } from "node:net"
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises"
import * as json from "../../internal/json/values.ts"
import type { JsonValue } from "../../Prompt.ts"
import { automatic } from "./automatic.ts"
import { deliver, type Delivery } from "./delivery.ts"
import type { Dialect } from "./dialect.ts"
import { chatCompletions } from "./dialects/chatCompletions.ts"
import { cohere } from "./dialects/cohere.ts"
import { converse } from "./dialects/converse.ts"
import { generateContent } from "./dialects/generateContent.ts"
import { messages } from "./dialects/messages.ts"
import { responses } from "./dialects/responses.ts"
import type { RecordedRequest, Reply } from "./reply.ts"

/** Long enough for what was written to be read before the connection is reset. */
const resetAfter = 20

const routes: ReadonlyArray<readonly [address: RegExp, dialect: Dialect]> = [
  [/\/chat\/completions$/, chatCompletions],
  [/\/responses$/, responses],
  [/\/messages$/, messages],
  [/\/v2\/chat$/, cohere],
  [/\/model\/[^/]+\/converse(-stream)?$/, converse],
  [/\/models\/[^/]+:(generateContent|streamGenerateContent)$/, generateContent]
]

export interface Options {
  readonly callTools: boolean
  readonly respond: ((request: RecordedRequest) => Reply) | undefined
}

type Entry = { -readonly [K in keyof RecordedRequest]: RecordedRequest[K] }

export class Server {
  readonly sockets = new Set<Socket>()
  /** Connections there ever were. */
  connections = 0
  private readonly options: Options
  private readonly server: http.Server
  private records: Array<Entry> = []
  private queue: Array<Reply> = []
  private number = 0

  constructor(options: Options) {
    this.options = options
    this.server = http.createServer((request, response) => {
      // A client that goes away while it is answered is what many tests are about.
      this.handle(request, response).catch(() => response.destroy())
    })
    this.server.on("connection", (socket) => {
      this.connections++
      this.sockets.add(socket)
      socket.on("close", () => this.sockets.delete(socket))
      socket.on("error", () => socket.destroy())
    })
  }

  async listen(): Promise<string> {
    this.server.listen(0, "127.0.0.1")
    await once(this.server, "listening")
    // A TCP server's address is never a pipe's name.
    const { port } = this.server.address() as AddressInfo
    return `http://127.0.0.1:${port}`
  }

  async close(): Promise<void> {
    const closed = [once(this.server, "close"), ...[...this.sockets].map((socket) => once(socket, "close"))]
    this.server.close()
    for (const socket of this.sockets) socket.destroy()
    await Promise.all(closed)
  }

  get requests(): ReadonlyArray<RecordedRequest> {
    return this.records.map((record) => ({ ...record }))
  }

  script(replies: ReadonlyArray<Reply>): void {
    this.queue.push(...replies)
  }

  reset(): void {
    this.records = []
    this.queue = []
    this.number = 0
  }

  private async handle(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const record = await read(request)
    this.records.push(record)
    let over = false
    response.on("close", () => {
      if (!over && !response.writableFinished) record.aborted = true
    })
    response.on("error", () => response.destroy())
    await send(response, this.answer(record), () => {
      over = true
    })
  }

  private answer(record: Entry): Delivery {
    const dialect = dialectOf(record.method, record.path)
    if (dialect === undefined) {
      return plain(404, { error: { message: `Unknown address: ${record.method} ${record.path}` } })
    }
    const { body, path } = record
    if (!json.isObject(body)) return plain(400, dialect.error("invalid", { status: 400 }))
    const asked = dialect.ask(body, path)
    record.wire = dialect.name
    record.streamed = asked.stream
    const { callTools, respond } = this.options
    const reply = this.queue.shift() ?? respond?.({ ...record }) ?? automatic(asked, callTools)
    return deliver(reply, { dialect, asked, body, path, callTools, number: ++this.number })
  }
}

const dialectOf = (method: string, path: string): Dialect | undefined => {
  const [address = ""] = path.split("?")
  return method === "POST" ? routes.find(([pattern]) => pattern.test(address))?.[1] : undefined
}

const plain = (status: number, body: JsonValue): Delivery => ({
  status,
  headers: { "content-type": "application/json" },
  pieces: [JSON.stringify(body)],
  end: "finish"
})

const read = async (request: http.IncomingMessage): Promise<Entry> => {
  const chunks: Array<Uint8Array> = []
  for await (const chunk of request) chunks.push(chunk)
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(request.headers)) {
    if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(", ") : value
  }
  return {
    method: request.method ?? "GET",
    path: request.url ?? "/",
    headers,
    body: json.parse(Buffer.concat(chunks).toString("utf8")),
    wire: undefined,
    streamed: false,
    aborted: false
  }
}

const send = async (response: http.ServerResponse, delivery: Delivery, onOver: () => void): Promise<void> => {
  const { socket } = response
  if (delivery.mute !== true) {
    response.sendDate = false
    response.writeHead(delivery.status, delivery.headers)
    response.flushHeaders()
    for (const piece of delivery.pieces) {
      if (response.destroyed) return
      if (!response.write(piece)) await drained(response)
      if (delivery.delay !== undefined) await (delivery.delay === 0 ? nextTurn() : sleep(delivery.delay))
    }
  }
  switch (delivery.end) {
    case "finish":
      response.end()
      return
    case "stall":
      return
    case "reset":
      if (delivery.mute !== true) await sleep(resetAfter)
      onOver()
      socket?.resetAndDestroy()
  }
}

const drained = (response: http.ServerResponse): Promise<void> =>
  new Promise((resolve) => {
    const done = () => {
      response.off("drain", done)
      response.off("close", done)
      resolve()
    }
    response.on("drain", done)
    response.on("close", done)
  })
