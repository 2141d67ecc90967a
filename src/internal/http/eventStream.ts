/**
 * Frames of `application/vnd.amazon.eventstream`, read in time linear in the bytes. Written here because
 * `@smithy/eventstream-codec` loads a dozen `node:` modules; the tests hold it against that codec.
 * Source: smithy.io, Amazon Event Stream specification, 2026-11.
 */
import { crc32 } from "../bytes/crc32.ts"
import { type Framing, FramingError, type WireEvent } from "./framing.ts"

/** Before the name of an exception, so that it is not taken for an event. */
export const exceptionPrefix = "exception:"

const preludeLength = 12
const checksumLength = 4
const decoder = new TextDecoder()
const noEvents: ReadonlyArray<WireEvent> = []

export const make = (options: { readonly maxEventBytes: number }): Framing => {
  const prelude = new Uint8Array(preludeLength)
  let frame: Uint8Array | undefined // set when its prelude is complete
  let filled = 0 // of the prelude, then of the frame
  let refused: FramingError | undefined

  const lengthOf = (bytes: Uint8Array): number => {
    const view = viewOf(bytes)
    const length = view.getUint32(0)
    if (crc32(bytes, 0, 8) !== view.getUint32(8)) throw new FramingError("the checksum of a frame's head is wrong")
    if (length > options.maxEventBytes) {
      throw new FramingError(`one event is larger than ${options.maxEventBytes} bytes`)
    }
    if (view.getUint32(4) > length - preludeLength - checksumLength) {
      throw new FramingError("a frame's headers do not fit into it")
    }
    return length
  }

  const read = (bytes: Uint8Array, events: Array<WireEvent>) => {
    let from = 0
    const fill = (target: Uint8Array) => {
      const piece = bytes.subarray(from, from + target.length - filled)
      target.set(piece, filled)
      filled += piece.length
      from += piece.length
      return filled === target.length
    }
    while (from < bytes.length) {
      if (frame === undefined) {
        if (filled === 0 && bytes.length - from >= preludeLength) {
          const length = lengthOf(bytes.subarray(from, from + preludeLength))
          if (bytes.length - from >= length) {
            events.push(...eventOf(bytes.subarray(from, from + length)))
            from += length
            continue
          }
        }
        if (!fill(prelude)) return
        frame = new Uint8Array(lengthOf(prelude))
        frame.set(prelude)
      }
      if (!fill(frame)) return
      const complete = frame
      frame = undefined
      filled = 0
      events.push(...eventOf(complete))
    }
  }

  return {
    push: (bytes) => {
      if (refused !== undefined) throw refused
      const events: Array<WireEvent> = []
      try {
        read(bytes, events)
      } catch (error) {
        // What came before the refused frame counts; the next call fails.
        if (!(error instanceof FramingError)) throw error
        refused = error
        if (events.length === 0) throw error
      }
      return events.length === 0 ? noEvents : events
    },
    // A frame that is cut off says nothing; that the answer is not complete, the wire knows.
    end: () => {
      if (refused !== undefined) throw refused
      return noEvents
    }
  }
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** The event of a whole frame; none for a kind of message that is not known. */
const eventOf = (frame: Uint8Array): ReadonlyArray<WireEvent> => {
  const view = viewOf(frame)
  const end = frame.length - checksumLength
  if (crc32(frame, 0, end) !== view.getUint32(end)) throw new FramingError("the checksum of a frame is wrong")
  const payload = preludeLength + view.getUint32(4)
  const headers = readHeaders(frame, payload)
  const data = decoder.decode(frame.subarray(payload, end))
  switch (headers[":message-type"]) {
    case "event":
      return [{ event: headers[":event-type"] ?? "", data }]
    case "exception":
      return [{ event: exceptionPrefix + (headers[":exception-type"] ?? ""), data }]
    case "error":
      return [{
        event: exceptionPrefix + (headers[":error-code"] ?? ""),
        data: JSON.stringify({ message: headers[":error-message"] ?? data })
      }]
    default:
      return noEvents
  }
}

/** Bytes of a header's value by its type, where that is fixed: booleans, numbers, a time, a UUID. */
const valueLengths: ReadonlyArray<number | undefined> = [0, 0, 1, 2, 4, 8, undefined, undefined, 8, 16]
const text = 7
const bytes = 6

const readHeaders = (frame: Uint8Array, end: number): Readonly<Record<string, string>> => {
  const view = viewOf(frame)
  const headers: Record<string, string> = {}
  for (let at = preludeLength; at < end;) {
    const typeAt = at + 1 + view.getUint8(at)
    const type = typeAt < end ? view.getUint8(typeAt) : -1
    const sized = type === text || type === bytes
    const valueAt = typeAt + (sized ? 3 : 1)
    const length = valueAt > end ? undefined : sized ? view.getUint16(typeAt + 1) : valueLengths[type]
    if (length === undefined || valueAt + length > end) throw new FramingError("a frame's headers cannot be read")
    if (type === text) {
      headers[decoder.decode(frame.subarray(at + 1, typeAt))] = decoder.decode(
        frame.subarray(valueAt, valueAt + length)
      )
    }
    at = valueAt + length
  }
  return headers
}
