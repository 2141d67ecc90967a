/** Frames of an Amazon event stream, written and read by Amazon's own codec. */
import { EventStreamCodec } from "@smithy/eventstream-codec"

const encoder = new TextEncoder()

const codec = new EventStreamCodec(
  (bytes) => typeof bytes === "string" ? bytes : new TextDecoder().decode(bytes),
  (text) => encoder.encode(text)
)

export type Value = Parameters<typeof codec.encode>[0]["headers"][string]

const string = (value: string): Value => ({ type: "string", value })

export const frame = (headers: Readonly<Record<string, Value>>, payload: string): Uint8Array =>
  codec.encode({ headers, body: encoder.encode(payload) })

export const event = (type: string, payload: unknown): Uint8Array =>
  frame({
    ":event-type": string(type),
    ":content-type": string("application/json"),
    ":message-type": string("event")
  }, JSON.stringify(payload))

export const exception = (type: string, payload: unknown): Uint8Array =>
  frame({
    ":exception-type": string(type),
    ":content-type": string("application/json"),
    ":message-type": string("exception")
  }, JSON.stringify(payload))

export const join = (pieces: ReadonlyArray<Uint8Array>): Uint8Array<ArrayBuffer> => {
  const whole = new Uint8Array(pieces.reduce((length, piece) => length + piece.length, 0))
  let at = 0
  for (const piece of pieces) {
    whole.set(piece, at)
    at += piece.length
  }
  return whole
}

/** Whole frames: what each is, its type and its payload. */
export const decode = (bytes: Uint8Array): ReadonlyArray<readonly [kind: unknown, type: unknown, payload: unknown]> => {
  const found: Array<readonly [unknown, unknown, unknown]> = []
  for (let from = 0; from < bytes.length;) {
    const length = new DataView(bytes.buffer, bytes.byteOffset + from).getUint32(0)
    const { body, headers } = codec.decode(bytes.subarray(from, from + length))
    const kind = headers[":message-type"]?.value
    found.push([kind, headers[`:${kind}-type`]?.value, JSON.parse(new TextDecoder().decode(body))])
    from += length
  }
  return found
}
