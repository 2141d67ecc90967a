/** From a reply to bytes: what goes over the wire, how fast, and how it ends. */
import { Buffer } from "node:buffer"
import type { Loose } from "../../internal/json/values.ts"
import { automatic } from "./automatic.ts"
import { type Answer, type Asked, complete, type Dialect, type Frame } from "./dialect.ts"
import type { BrokenOptions, FaultOptions, FaultReply, Reply, StatusReply } from "./reply.ts"

export interface Delivery {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly pieces: Iterable<string | Uint8Array>
  /** After the pieces: the body ends, nothing more comes, or the connection breaks. */
  readonly end: "finish" | "stall" | "reset"
  /** Not even the headers are sent. */
  readonly mute?: boolean | undefined
  /** Milliseconds between two pieces. */
  readonly delay?: number | undefined
}

/** One request and who answers it. */
export interface Exchange {
  readonly dialect: Dialect
  readonly asked: Asked
  readonly path: string
  readonly body: Loose
  readonly number: number
  readonly callTools: boolean
}

export const deliver = (reply: Reply, exchange: Exchange): Delivery => {
  switch (reply._tag) {
    case "Answer":
      return whole(exchange, answerOf(exchange, { reply }))
    case "Status":
      return status(reply, exchange)
    case "InBandError":
    case "Stall":
    case "Reset":
    case "Cut":
    case "BadJson":
    case "Oversized":
      return exchange.asked.stream ? brokenStream(reply, exchange) : brokenBody(reply, exchange)
    case "WrongLabel": {
      const delivery = deliver(reply.reply, exchange)
      return { ...delivery, headers: { ...delivery.headers, "content-type": reply.contentType } }
    }
    case "Slow": {
      const delivery = deliver(reply.reply, exchange)
      return { ...delivery, pieces: rechunk(delivery.pieces, Math.max(1, reply.bytes)), delay: reply.delay }
    }
    case "Redirect":
      return {
        status: reply.status,
        headers: { location: reply.url, "content-length": "0" },
        pieces: [],
        end: "finish"
      }
    case "Html":
      return {
        status: reply.status,
        headers: { "content-type": "text/html" },
        pieces: [
          `<html>\r\n<head><title>${reply.status} Bad Gateway</title></head>\r\n<body>\r\n` +
          `<center><h1>${reply.status} Bad Gateway</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n`
        ],
        end: "finish"
      }
  }
}

const answerOf = ({ asked, body, callTools, dialect, number }: Exchange, { reply }: FaultOptions): Answer =>
  complete(reply ?? automatic(asked, callTools), asked, body, number, dialect.callId)

// ── whole answers ───────────────────────────────────────────────────────────────────────────────────────────────────

const whole = (exchange: Exchange, answer: Answer): Delivery => {
  const { asked, body, dialect } = exchange
  return asked.stream
    ? stream(exchange, render(exchange, dialect.frames(answer, body)))
    : json(exchange, 200, JSON.stringify(dialect.whole(answer)))
}

const json = (
  { dialect, number }: Exchange,
  status: number,
  text: string,
  headers: Readonly<Record<string, string>> = {}
): Delivery => ({
  status,
  headers: {
    "content-type": "application/json",
    "content-length": String(Buffer.byteLength(text)),
    ...dialect.headers(number),
    ...headers
  },
  pieces: [text],
  end: "finish"
})

const stream = ({ dialect, number, path }: Exchange, pieces: Delivery["pieces"]): Delivery => ({
  status: 200,
  headers: {
    "content-type": asArray(path) ? "application/json"
      : dialect.stream?.contentType ?? "text/event-stream; charset=utf-8",
    "cache-control": "no-cache",
    ...dialect.headers(number)
  },
  pieces,
  end: "finish"
})

const status = (reply: StatusReply, exchange: Exchange): Delivery => {
  const { retryAfter } = reply
  const body = exchange.dialect.error(reply.kind, { status: reply.status, retryAfter })
  return json(exchange, reply.status, reply.body ?? JSON.stringify(body), {
    ...exchange.dialect.errorHeaders?.(reply.kind),
    ...(retryAfter === undefined ? {} : { "retry-after": String(retryAfter) }),
    ...reply.headers
  })
}

/** Without `alt=sse`, Gemini streams one JSON array. */
const asArray = (path: string): boolean => path.includes(":streamGenerateContent") && !/[?&]alt=sse\b/.test(path)

/** Every event as text; the last piece of an array closes it. */
const render = (exchange: Exchange, frames: Iterable<Frame>, closed = true): Delivery["pieces"] => {
  const encode = exchange.dialect.stream?.encode
  return encode === undefined ? renderText(exchange, frames, closed) : renderFrames(encode, frames)
}

function* renderFrames(encode: (event: string, data: string) => Uint8Array, frames: Iterable<Frame>) {
  for (const { data, event = "" } of frames) yield encode(event, textOf(data))
}

const textOf = (data: Frame["data"]): string => typeof data === "string" ? data : JSON.stringify(data)

function* renderText({ dialect, path }: Exchange, frames: Iterable<Frame>, closed: boolean): Generator<string> {
  const { newline } = dialect
  let first = true
  for (const { data, event } of frames) {
    const text = textOf(data)
    yield asArray(path)
      ? `${first ? "[" : `,${newline}`}${text}`
      : `${event === undefined ? "" : `event: ${event}${newline}`}data: ${text}${newline}${newline}`
    first = false
  }
  if (asArray(path) && closed) yield "]"
}

function* rechunk(pieces: Iterable<string | Uint8Array>, size: number): Generator<Uint8Array> {
  for (const piece of pieces) {
    const bytes = Buffer.from(piece)
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
  }
}

// ── faults ──────────────────────────────────────────────────────────────────────────────────────────────────────────

const brokenStream = (fault: FaultReply, exchange: Exchange): Delivery => {
  const { body, dialect } = exchange
  if (fault._tag === "Oversized") {
    return stream(
      exchange,
      dialect.stream === undefined
        ? oversizedStream(fault.bytes, exchange)
        : render(exchange, dialect.frames(oversizedAnswer("x".repeat(fault.bytes), exchange), body))
    )
  }
  const { afterEvents = 0 } = fault
  const frames = [...dialect.frames(answerOf(exchange, fault), body)]
  const at = position(frames, afterEvents)
  const sent = (more: ReadonlyArray<Frame>, closed: boolean) =>
    stream(exchange, render(exchange, [...frames.slice(0, at), ...more], closed))
  switch (fault._tag) {
    case "InBandError":
      return sent(dialect.errorFrames(fault.kind), true)
    case "Cut":
      return sent([], false)
    case "Stall":
      return broken(sent([], false), fault, "stall")
    case "Reset":
      return broken(sent([], false), fault, "reset")
    case "BadJson": {
      const contents = frames.flatMap((frame, i) => frame.content === true ? [i] : [])
      const target = contents.find((i) => i >= at) ?? contents.at(-1) ?? 0
      const halved = frames.map((frame, i) =>
        i === target ? { ...frame, data: half(JSON.stringify(frame.data)) } : frame
      )
      return stream(exchange, render(exchange, halved))
    }
  }
}

/** Where a stream breaks: after so many content events, and always before it is complete. */
const position = (frames: ReadonlyArray<Frame>, afterEvents: number): number => {
  const contents = frames.flatMap((frame, i) => frame.content === true ? [i] : [])
  const [first] = contents
  if (first === undefined) return Math.min(1, frames.length - 1)
  const last = contents[Math.min(afterEvents, contents.length) - 1]
  return last === undefined ? first : last + 1
}

const brokenBody = (fault: FaultReply, exchange: Exchange): Delivery => {
  const { dialect } = exchange
  if (fault._tag === "InBandError") {
    return json(exchange, 200, JSON.stringify(dialect.error(fault.kind)), dialect.errorHeaders?.(fault.kind))
  }
  if (fault._tag === "Oversized") return oversizedBody(fault.bytes, exchange)
  const text = JSON.stringify(dialect.whole(answerOf(exchange, fault)))
  const complete = json(exchange, 200, text)
  const partial = { ...complete, pieces: [half(text)] }
  switch (fault._tag) {
    case "Stall":
      return broken(partial, fault, "stall")
    case "Reset":
      return broken(partial, fault, "reset")
    case "BadJson":
      return json(exchange, 200, half(text))
    case "Cut": {
      // A length would tell that something is missing; chunks end like any others.
      const { "content-length": _, ...headers } = complete.headers
      return { ...partial, headers }
    }
  }
}

const broken = (delivery: Delivery, { before }: BrokenOptions, end: "stall" | "reset"): Delivery => ({
  ...delivery,
  end,
  ...(before === undefined ? {} : { pieces: [] }),
  mute: before === "headers"
})

const half = (text: string): string => text.slice(0, Math.max(1, Math.floor(text.length / 2)))

// ── too much ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Stands for the filler until it is sent: a character of private use, which JSON leaves as it is. */
const marker = "\uE000"
const block = "x".repeat(64 * 1024)

function* filled(text: string, bytes: number): Generator<string> {
  const at = text.indexOf(marker)
  yield text.slice(0, at)
  for (let sent = 0; sent < bytes; sent += block.length) yield block.slice(0, bytes - sent)
  yield text.slice(at + marker.length)
}

/** An answer whose text comes in one event. */
const oversizedAnswer = (text: string, exchange: Exchange): Answer =>
  answerOf(exchange, {
    reply: { _tag: "Answer", text, toolCalls: [], refusal: undefined, truncated: false, chunks: 1 }
  })

/** One event that is too large. Those after it do not repeat it. */
function* oversizedStream(bytes: number, exchange: Exchange): Generator<string> {
  let sent = false
  for (
    const text of renderText(exchange, exchange.dialect.frames(oversizedAnswer(marker, exchange), exchange.body), true)
  ) {
    if (!sent && text.includes(marker)) {
      sent = true
      yield* filled(text, bytes)
    } else yield text.replaceAll(marker, "")
  }
}

const oversizedBody = (bytes: number, exchange: Exchange): Delivery => {
  const delivery = json(exchange, 200, "")
  const { "content-length": _, ...headers } = delivery.headers
  return {
    ...delivery,
    headers,
    pieces: filled(JSON.stringify(exchange.dialect.whole(oversizedAnswer(marker, exchange))), bytes)
  }
}
