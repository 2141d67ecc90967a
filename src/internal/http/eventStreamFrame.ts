/** Writes frames of `application/vnd.amazon.eventstream`. Source: smithy.io, Amazon Event Stream specification. */
import { crc32 } from "../bytes/crc32.ts"
import { exceptionPrefix } from "./eventStream.ts"

const encoder = new TextEncoder()
const preludeLength = 12
const checksumLength = 4

/** A frame with an event, or with an exception where its name says so. */
export const encode = (event: string, data: string): Uint8Array => {
  const isException = event.startsWith(exceptionPrefix)
  const kind = isException ? "exception" : "event"
  const headers = [
    header(`:${kind}-type`, isException ? event.slice(exceptionPrefix.length) : event),
    header(":content-type", "application/json"),
    header(":message-type", kind)
  ]
  const headersLength = headers.reduce((sum, { length }) => sum + length, 0)
  const payload = encoder.encode(data)
  const frame = new Uint8Array(preludeLength + headersLength + payload.length + checksumLength)
  const view = new DataView(frame.buffer)
  view.setUint32(0, frame.length)
  view.setUint32(4, headersLength)
  view.setUint32(8, crc32(frame, 0, 8))
  let at = preludeLength
  for (const piece of [...headers, payload]) {
    frame.set(piece, at)
    at += piece.length
  }
  view.setUint32(at, crc32(frame, 0, at))
  return frame
}

const textType = 7

/** A header whose value is text. */
const header = (name: string, value: string): Uint8Array => {
  const [written, text] = [encoder.encode(name), encoder.encode(value)]
  return Uint8Array.of(written.length, ...written, textType, text.length >> 8, text.length & 0xff, ...text)
}
