/**
 * Cuts a stream of server-sent events between events, so that a stream that breaks ends in no half of one; and takes out
 * the event with the usage that only the gateway had asked for. Whole events pass as the bytes they are.
 */

const lf = 0x0a
const cr = 0x0d
const none: Buffer = Buffer.alloc(0)

/** An event longer than this is passed on in pieces. */
const maxHeld = 256 * 1024

/** Behind the last blank line, 0 when there is none. */
const lastEnd = (bytes: Buffer): number =>
  Math.max(behind(bytes, "\n\n"), behind(bytes, "\n\r\n"), behind(bytes, "\r\r"))

const behind = (bytes: Buffer, text: string): number => {
  const at = bytes.lastIndexOf(text, undefined, "latin1")
  return at < 0 ? 0 : at + text.length
}

export class EventFrames {
  private held: Array<Buffer> = []
  private heldBytes = 0
  /** In the middle of an event that was too long to be held. */
  private readonly withoutUsage: boolean

  constructor(options: { readonly withoutUsage: boolean }) {
    this.withoutUsage = options.withoutUsage
  }

  /** What is complete with these bytes. */
  push(bytes: Buffer): Buffer {
    if (this.heldBytes === 0 && bytes[bytes.length - 1] === lf && isBlank(bytes, bytes.length)) {
      return this.passed(bytes)
    }
    // The blank line may have begun in what is held.
    const last = this.held[this.held.length - 1]
    const overlap = last === undefined ? none : last.subarray(Math.max(0, last.length - 3))
    const seen = overlap.length === 0 ? bytes : Buffer.concat([overlap, bytes])
    const end = lastEnd(seen) - overlap.length
    if (end <= 0) {
      this.held.push(bytes)
      this.heldBytes += bytes.length
      return this.heldBytes > maxHeld ? this.flush() : none
    }
    const whole = this.heldBytes === 0 ? bytes.subarray(0, end) : Buffer.concat([...this.held, bytes.subarray(0, end)])
    const rest = bytes.subarray(end)
    this.held = rest.length === 0 ? [] : [rest]
    this.heldBytes = rest.length
    return this.passed(whole)
  }

  /** The rest, at the end of the body. */
  flush(): Buffer {
    const rest = this.held.length === 1 ? this.held[0] ?? none : Buffer.concat(this.held)
    this.held = []
    this.heldBytes = 0
    return this.passed(rest)
  }

  private passed(bytes: Buffer): Buffer {
    return this.withoutUsage && bytes.includes("\"choices\"") ? withoutUsage(bytes) : bytes
  }
}

/** Whether a blank line ends there. */
const isBlank = (bytes: Buffer, end: number): boolean => {
  const before = bytes[end - 2]
  return before === lf || (before === cr && (bytes[end - 3] === lf))
}

const noChoices = /"choices"\s*:\s*\[\s*\]/

const withoutUsage = (bytes: Buffer): Buffer => {
  const text = bytes.toString("latin1")
  if (!noChoices.test(text)) return bytes
  const kept: Array<Buffer> = []
  let from = 0
  for (const match of text.matchAll(/\n\n|\n\r\n|\r\r|$/g)) {
    const end = match.index + match[0].length
    if (end === from) continue
    const frame = bytes.subarray(from, end)
    if (!isUsage(frame, text.slice(from, end))) kept.push(frame)
    from = end
  }
  return Buffer.concat(kept)
}

const isUsage = (frame: Buffer, latin1: string): boolean => {
  if (!noChoices.test(latin1)) return false
  const data = frame.toString("utf8").split(/\r\n|\n|\r/).filter((line) => line.startsWith("data:"))
    .map((line) => line.slice(5)).join("\n")
  try {
    const value: unknown = JSON.parse(data)
    return typeof value === "object" && value !== null && "choices" in value && Array.isArray(value.choices) &&
      value.choices.length === 0 && "usage" in value && typeof value.usage === "object" && value.usage !== null
  } catch {
    return false
  }
}
