/** Recorded request/response pairs on disk, and a server that plays their answers in awkward pieces. */
import { readdirSync, readFileSync, statSync } from "node:fs"
import * as http from "node:http"
import { join } from "node:path"

export interface Case {
  readonly id: string
  readonly provider: string
  readonly dialect: string
  readonly kind: string
  readonly stream: boolean
  readonly tags: ReadonlyArray<string>
  readonly requestModel: string | null
  readonly request: {
    readonly path?: string | null
    readonly body?: unknown
  }
  readonly response: {
    readonly status: number
    readonly headers?: Readonly<Record<string, string>> | null
    readonly body?: unknown
    readonly sse?: string | null
    readonly bodyBase64?: string | null
    readonly bodyText?: string | null
  }
  readonly expect: Expectation
}

export interface Expectation {
  readonly text: string | null
  readonly reasoning: string | null
  readonly finishReason: string | null
  readonly usage: Readonly<Record<string, number | string | null>> | null
  readonly model: string | null
  readonly responseId: string | null
  readonly toolCalls: ReadonlyArray<{
    readonly id: string | null
    readonly name: string
    readonly arguments: unknown
    readonly rawArguments: string | null
  }>
  readonly refusal: string | null
  readonly blockReason?: string | null
  readonly error:
    | null
    | {
      readonly status: number | null
      readonly type: string | null
      readonly code: string | number | null
      readonly message: string | null
      readonly retryAfter?: string | null
      readonly retryDelay?: string | null
      readonly requestId?: string | null
    }
  readonly cost:
    | null
    | {
      readonly input_price: number
      readonly output_price: number
      readonly total_price: number
      readonly at?: string
    }
  readonly costError?: string
  readonly costByRequestedModelOnly?: unknown
}

export const splits = ["whole", "events", "bytes"] as const
export type Split = (typeof splits)[number]

/** All cases in a folder and the folders in it. */
export const load = (directory: string): ReadonlyArray<Case> =>
  readdirSync(directory).sort().flatMap((name): ReadonlyArray<Case> => {
    const path = join(directory, name)
    if (statSync(path).isDirectory()) return load(path)
    if (!name.endsWith(".json")) return []
    const parsed: unknown = JSON.parse(readFileSync(path, "utf8"))
    return isCase(parsed) ? [parsed] : []
  })

const isCase = (value: unknown): value is Case =>
  typeof value === "object" && value !== null && "dialect" in value && "response" in value && "expect" in value

export const bytesOf = ({ response }: Case): Buffer =>
  response.bodyBase64 != null
    ? Buffer.from(response.bodyBase64, "base64")
    : response.sse != null
    ? Buffer.from(response.sse)
    : response.bodyText != null
    ? Buffer.from(response.bodyText)
    : response.body == null
    ? Buffer.alloc(0)
    : Buffer.from(JSON.stringify(response.body))

/** A small seeded generator, so that a failing split can be played again. */
const random = (seed: number) => {
  let state = seed | 0
  return () => {
    state = Math.imul(state ^ (state >>> 16), 0x45d9f3b) + 0x9e3779b9 | 0
    return ((state ^ (state >>> 13)) >>> 0) / 2 ** 32
  }
}

/** Where the body is cut: not at all, after each event or frame, or anywhere, often inside characters and line ends. */
const cuts = (item: Case, body: Buffer, split: Split, seed: number): ReadonlyArray<number> => {
  if (split === "whole" || body.length < 2) return [body.length]
  const at = new Set([body.length])
  if (split === "events") {
    if (item.response.bodyBase64 != null) {
      for (let i = 0; i + 4 <= body.length;) {
        const length = body.readUInt32BE(i)
        if (length < 16) break
        at.add(i += length)
      }
    } else {
      for (const match of body.toString("latin1").matchAll(/\r\n\r\n|\n\n|\r\r/g)) at.add(match.index + match[0].length)
    }
  } else {
    const next = random(seed)
    for (let i = 0; i < body.length; i += 1 + Math.floor(next() ** 3 * 400)) at.add(i)
    for (let i = 1; i < body.length; i++) {
      const insideCharacter = ((body[i] ?? 0) & 0xc0) === 0x80
      const insideLineEnd = body[i - 1] === 13 || (body[i - 1] === 10 && body[i] === 10)
      if ((insideCharacter || insideLineEnd) && next() < 0.5) at.add(i)
    }
  }
  return [...at].filter((position) => position > 0 && position <= body.length).sort((a, b) => a - b)
}

export interface Server {
  readonly url: (item: Case, split: Split) => string
  readonly close: () => Promise<void>
}

/** Serves every case under `/<split>/<index>/…`, whatever follows. */
export const serve = async (cases: ReadonlyArray<Case>): Promise<Server> => {
  const index = new Map(cases.map((item, i) => [item, i]))
  const server = http.createServer((request, response) => {
    const [, split = "whole", number = ""] = (request.url ?? "").split("/")
    const item = cases[Number(number)]
    request.resume()
    request.on("end", () => {
      if (item === undefined) {
        response.writeHead(404).end()
        return
      }
      void play(item, split === "bytes" || split === "events" ? split : "whole", Number(number) + 1, response)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const address = server.address()
  const port = typeof address === "object" && address !== null ? address.port : 0
  return {
    url: (item, split) => `http://127.0.0.1:${port}/${split}/${index.get(item)}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      })
  }
}

const play = async (item: Case, split: Split, seed: number, response: http.ServerResponse): Promise<void> => {
  const body = bytesOf(item)
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(item.response.headers ?? {})) {
    if (!/^(content-length|content-encoding|transfer-encoding|connection)$/i.test(name)) headers[name] = value
  }
  headers["content-type"] ??= item.response.sse != null
    ? "text/event-stream"
    : item.response.bodyBase64 != null
    ? "application/vnd.amazon.eventstream"
    : "application/json"
  response.socket?.setNoDelay(true)
  response.writeHead(item.response.status, headers)
  let from = 0
  for (const to of cuts(item, body, split, seed)) {
    if (response.destroyed) return
    response.write(body.subarray(from, to))
    from = to
    await new Promise((resolve) => setImmediate(resolve))
  }
  response.end()
}
