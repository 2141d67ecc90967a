/**
 * Records in a file that may end or rot anywhere: each is a mark, its length, its CRC-32 and its text. The mark begins
 * with a byte that UTF-8 never has, so that a reader finds the next record after a bad one.
 */
import { crc32 } from "../../internal/bytes/crc32.ts"

const mark = [0xff, 0x4c, 0x4f, 0x47] as const
const headerBytes = 12

const encoder = new TextEncoder()
const decoder = new TextDecoder("utf-8", { fatal: true })

export const encode = (texts: ReadonlyArray<string>): Uint8Array => {
  const payloads = texts.map((text) => encoder.encode(text))
  const bytes = new Uint8Array(payloads.reduce((sum, { length }) => sum + headerBytes + length, 0))
  const view = new DataView(bytes.buffer)
  let at = 0
  for (const payload of payloads) {
    bytes.set(mark, at)
    view.setUint32(at + 4, payload.length)
    view.setUint32(at + 8, crc32(payload))
    bytes.set(payload, at + headerBytes)
    at += headerBytes + payload.length
  }
  return bytes
}

export interface Decoded {
  readonly texts: ReadonlyArray<string>
  /** Stretches of bytes that are no record. */
  readonly bad: number
}

/** Every whole record, in order, whatever lies between them. */
export const decode = (bytes: Uint8Array): Decoded => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const texts: Array<string> = []
  let bad = 0
  let inBad = false
  let at = 0
  while (at < bytes.length) {
    const text = recordAt(bytes, view, at)
    if (text !== undefined) {
      texts.push(text.value)
      at = text.end
      inBad = false
      continue
    }
    if (!inBad) bad++
    inBad = true
    const next = bytes.indexOf(mark[0], at + 1)
    at = next === -1 ? bytes.length : next
  }
  return { texts, bad }
}

const recordAt = (
  bytes: Uint8Array,
  view: DataView,
  at: number
): { readonly value: string; readonly end: number } | undefined => {
  if (at + headerBytes > bytes.length || mark.some((byte, i) => bytes[at + i] !== byte)) return undefined
  const end = at + headerBytes + view.getUint32(at + 4)
  if (end > bytes.length) return undefined
  const payload = bytes.subarray(at + headerBytes, end)
  if (crc32(payload) !== view.getUint32(at + 8)) return undefined
  try {
    return { value: decoder.decode(payload), end }
  } catch {
    // The sum is right and the text is none.
    return undefined
  }
}

/** How many records there seem to be, by their lengths alone. */
export const count = (bytes: Uint8Array): number => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let found = 0
  let at = 0
  while (at + headerBytes <= bytes.length && mark.every((byte, i) => bytes[at + i] === byte)) {
    at += headerBytes + view.getUint32(at + 4)
    if (at <= bytes.length) found++
  }
  return found
}
