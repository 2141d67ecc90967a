/** A growing value as JSON text that only grows: what is complete is written once and closed by what follows it. */
import { isObject } from "../../../internal/json/values.ts"
import type { JsonValue } from "../../../Prompt.ts"

/** A value that may go on: characters of a string, members of a list, fields of an object. */
interface Frame {
  length: number
  readonly keys: Set<string>
  last: string
}

export class JsonText {
  hasText = false
  /** Place of the block it is in. */
  index = 0
  private start = ""
  private readonly open: Array<Frame> = []
  private out = ""

  saw(text: { readonly index: number; readonly delta: string }): void {
    this.index = text.index
    if (this.start.length < 8) this.start = (this.start + text.delta.slice(0, 64)).trimStart()
  }

  /** Text that begins otherwise may only mention brackets. */
  get isValue(): boolean {
    return /^(?:[{["\d-]|```|true|false|null)/.test(this.start)
  }

  /** What is new of the value. */
  grow(value: JsonValue): string {
    return this.write(value, false)
  }

  /** The rest of it. */
  finish(value: JsonValue): string {
    return this.write(value, true)
  }

  private write(value: JsonValue, isWhole: boolean): string {
    this.out = ""
    // A scalar alone has no frame, and is whole when it comes.
    if (!this.hasText || this.open.length > 0) this.put(value, 0, isWhole)
    this.hasText ||= this.out !== ""
    return this.out
  }

  private put(value: JsonValue, depth: number, isWhole: boolean): void {
    if (typeof value === "string") return this.putString(value, depth, isWhole)
    if (Array.isArray(value)) return this.putArray(value, depth, isWhole)
    if (isObject(value)) return this.putObject(value, depth, isWhole)
    this.out += JSON.stringify(value)
  }

  private frame(depth: number, opening: string): Frame {
    const known = this.open[depth]
    if (known !== undefined) return known
    this.out += opening
    const frame = { length: 0, keys: new Set<string>(), last: "" }
    this.open.push(frame)
    return frame
  }

  private close(isWhole: boolean, closing: string): void {
    if (!isWhole) return
    this.open.pop()
    this.out += closing
  }

  private putString(value: string, depth: number, isWhole: boolean): void {
    const frame = this.frame(depth, "\"")
    // Half of a character waits for the other half.
    const end = !isWhole && /[\uD800-\uDBFF]$/.test(value) ? value.length - 1 : value.length
    if (end > frame.length) {
      this.out += JSON.stringify(value.slice(frame.length, end)).slice(1, -1)
      frame.length = end
    }
    this.close(isWhole, "\"")
  }

  private putArray(value: ReadonlyArray<JsonValue>, depth: number, isWhole: boolean): void {
    const frame = this.frame(depth, "[")
    const isLast = (i: number) => i === value.length - 1
    if (this.open.length > depth + 1) {
      const i = frame.length - 1
      this.put(value[i] ?? null, depth + 1, isWhole || !isLast(i))
    }
    for (let i = frame.length; i < value.length; i++) {
      if (i > 0) this.out += ","
      this.put(value[i] ?? null, depth + 1, isWhole || !isLast(i))
    }
    frame.length = Math.max(frame.length, value.length)
    this.close(isWhole, "]")
  }

  private putObject(value: { readonly [key: string]: JsonValue }, depth: number, isWhole: boolean): void {
    const frame = this.frame(depth, "{")
    const keys = Object.keys(value).filter((key) => !frame.keys.has(key))
    if (this.open.length > depth + 1) this.put(value[frame.last] ?? null, depth + 1, isWhole || keys.length > 0)
    for (const [i, key] of keys.entries()) {
      if (frame.keys.size > 0) this.out += ","
      this.out += `${JSON.stringify(key)}:`
      frame.keys.add(key)
      frame.last = key
      this.put(value[key] ?? null, depth + 1, isWhole || i < keys.length - 1)
    }
    this.close(isWhole, "}")
  }
}
