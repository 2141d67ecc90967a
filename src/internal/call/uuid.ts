/** UUIDv7 (RFC 9562): sorts by time, so that it is a good key for the log. */

const hex = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"))
const random = new Uint8Array(10 * 256)
let used = random.length

export const uuidv7 = (millis: number): string => {
  if (used >= random.length) {
    globalThis.crypto.getRandomValues(random)
    used = 0
  }
  const at = (i: number) => random[used + i] ?? 0
  const time = Math.max(0, Math.trunc(millis)).toString(16).padStart(12, "0").slice(-12)
  let tail = ""
  for (let i = 0; i < 10; i++) {
    const byte = i === 0 ? 0x70 | (at(0) & 0x0f) : i === 2 ? 0x80 | (at(2) & 0x3f) : at(i)
    tail += hex[byte] ?? "00"
  }
  used += 10
  return `${time.slice(0, 8)}-${time.slice(8)}-${tail.slice(0, 4)}-${tail.slice(4, 8)}-${tail.slice(8)}`
}

/** When it was made, ms since the epoch. */
export const timeOf = (uuid: string): number => Number.parseInt(uuid.replaceAll("-", "").slice(0, 12), 16)
