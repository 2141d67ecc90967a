/** Writes frames of `application/vnd.amazon.eventstream`. Source: smithy.io, Amazon Event Stream specification. */
import { Buffer } from "node:buffer"
import { crc32 } from "../../internal/bytes/crc32.ts"
import { exceptionPrefix } from "../../internal/http/eventStream.ts"

/** A frame with an event, or with an exception where its name says so. */
export const encode = (event: string, data: string): Uint8Array => {
  const isException = event.startsWith(exceptionPrefix)
  const kind = isException ? "exception" : "event"
  const headers = Buffer.concat([
    header(`:${kind}-type`, isException ? event.slice(exceptionPrefix.length) : event),
    header(":content-type", "application/json"),
    header(":message-type", kind)
  ])
  const payload = Buffer.from(data)
  const prelude = Buffer.alloc(12)
  prelude.writeUInt32BE(prelude.length + headers.length + payload.length + 4, 0)
  prelude.writeUInt32BE(headers.length, 4)
  prelude.writeUInt32BE(crc32(prelude, 0, 8), 8)
  const checked = Buffer.concat([prelude, headers, payload])
  const checksum = Buffer.alloc(4)
  checksum.writeUInt32BE(crc32(checked))
  return Buffer.concat([checked, checksum])
}

/** A header whose value is text. */
const header = (name: string, value: string): Uint8Array => {
  const [written, text] = [Buffer.from(name), Buffer.from(value)]
  const length = Buffer.alloc(2)
  length.writeUInt16BE(text.length)
  return Buffer.concat([Buffer.of(written.length), written, Buffer.of(7), length, text])
}
