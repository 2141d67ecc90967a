/**
 * Server-sent events (WHATWG HTML, 9.2), read in time linear in the bytes: every chunk is decoded and searched once.
 *
 * Beyond the standard, the last event counts also without its blank line: several hosts leave that out.
 */
import { joined } from "../bytes/joined.ts"
import { type Framing, FramingError, type WireEvent } from "./framing.ts"

const decoder = new TextDecoder("utf-8", { ignoreBOM: true })
const noEvents: ReadonlyArray<WireEvent> = []

export const make = (options: { readonly maxEventBytes: number }): Framing => {
  let tail: Uint8Array | undefined // an incomplete UTF-8 character
  let line = "" // an incomplete line
  let afterCR = false // the last line ended in CR: a LF that follows belongs to it
  let started = false
  let event = ""
  let data: string | undefined
  let size = 0
  let refused: FramingError | undefined

  const endOfLine = (text: string, events: Array<WireEvent>) => {
    if (text === "") {
      if (data !== undefined) events.push({ event, data })
      event = ""
      data = undefined
      size = 0
      return
    }
    const colon = text.indexOf(":")
    if (colon === 0) return
    const field = colon < 0 ? text : text.slice(0, colon)
    if (field !== "data" && field !== "event") return
    const value = colon < 0 ? "" : text.slice(text.charCodeAt(colon + 1) === 32 ? colon + 2 : colon + 1)
    if (field === "event") event = value
    else addData(value)
  }

  const addData = (value: string) => {
    size += value.length
    checkSize(size)
    data = data === undefined ? value : `${data}\n${value}`
  }

  const checkSize = (length: number) => {
    if (length > options.maxEventBytes) {
      throw new FramingError(`one event is larger than ${options.maxEventBytes} bytes`)
    }
  }

  const read = (text: string): ReadonlyArray<WireEvent> => {
    let from = 0
    if (!started && text !== "") {
      started = true
      if (text.charCodeAt(0) === 0xfeff) from = 1
    }
    if (afterCR && from < text.length) {
      afterCR = false
      if (text.charCodeAt(from) === 10) from++
    }
    const events: Array<WireEvent> = []
    try {
      readLines(text, from, events)
    } catch (error) {
      // What came before the refused event counts; the next call fails.
      if (!(error instanceof FramingError) || events.length === 0) throw error
      refused = error
    }
    return events.length === 0 ? noEvents : events
  }

  const readLines = (text: string, start: number, events: Array<WireEvent>) => {
    let from = start
    let lf = text.indexOf("\n", from)
    let cr = text.indexOf("\r", from)
    while (lf >= 0 || cr >= 0) {
      const end = lf < 0 || (cr >= 0 && cr < lf) ? cr : lf
      // Most lines are whole and hold data: those are cut out once.
      if (line === "" && text.startsWith("data: ", from)) addData(text.slice(from + 6, end))
      else {
        const current = line === "" ? text.slice(from, end) : line + text.slice(from, end)
        line = ""
        endOfLine(current, events)
      }
      from = end + 1
      if (end === cr) {
        if (from === text.length) afterCR = true
        else if (lf === from) from++
        cr = text.indexOf("\r", from)
      }
      if (lf < from && lf >= 0) lf = text.indexOf("\n", from)
    }
    if (from < text.length) {
      line += text.slice(from)
      checkSize(size + line.length)
    }
  }

  return {
    push: (bytes) => {
      if (refused !== undefined) throw refused
      let chunk = bytes
      if (tail !== undefined) {
        chunk = joined([tail, bytes])
        tail = undefined
      }
      const missing = incomplete(chunk)
      if (missing > 0) {
        tail = chunk.slice(chunk.length - missing)
        chunk = chunk.subarray(0, chunk.length - missing)
      }
      return chunk.length === 0 ? noEvents : read(decoder.decode(chunk))
    },
    end: () => {
      if (refused !== undefined) throw refused
      const events: Array<WireEvent> = []
      if (tail !== undefined) events.push(...read(decoder.decode(tail)))
      tail = undefined
      if (line !== "") endOfLine(line, events)
      line = ""
      endOfLine("", events)
      return events
    }
  }
}

/** How many bytes at the end begin a UTF-8 character that is not complete yet. */
const incomplete = (bytes: Uint8Array): number => {
  const length = bytes.length
  for (let back = 1; back <= 3 && back <= length; back++) {
    const byte = bytes[length - back] ?? 0
    if (byte < 0x80) return 0
    if (byte >= 0xc0) {
      const wanted = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2
      return wanted > back ? back : 0
    }
  }
  return 0
}
