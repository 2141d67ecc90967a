/**
 * JSON as it arrives: every character is read once, and `snapshot` gives what there is so far. A field appears when its
 * value begins; strings, arrays and objects grow; numbers and literals appear when they are complete. Nothing that was
 * shown shrinks or changes its type.
 */
import type { JsonValue } from "../../Prompt.ts"
import { define, maxDepth } from "./values.ts"

interface Frame {
  /** Holds only complete members; the open one is in the frame above or in `token`. */
  readonly value: Array<JsonValue> | { [key: string]: JsonValue }
  key: string
  size: number
  expects: "first" | "member" | "colon" | "value" | "comma"
}

const quote = 34
const backslash = 92
const simpleEscapes: Readonly<Record<string, string>> = {
  "\"": "\"",
  "\\": "\\",
  "/": "/",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t"
}

/** So many open entries are copied for every piece of text, however short. */
const maxFreeEntries = 64

/** Beyond this many, a copy costs the garbage collector more than the text cost the parser: there are fewer of them. */
const manyEntries = 16_384

export class PartialJson {
  private readonly stack: Array<Frame> = []
  private root: JsonValue | undefined = undefined
  private mode: "seek" | "structure" | "string" | "scalar" | "done" | "broken" = "seek"
  private token = ""
  private escape = ""
  private changed = false
  private unread = 0

  /** Reads the next piece of text. Text before the first `{` or `[` is passed over. */
  push(text: string): void {
    this.unread += text.length
    let i = 0
    while (i < text.length) {
      switch (this.mode) {
        case "string":
          i = this.readString(text, i)
          break
        case "scalar":
          i = this.readScalar(text, i)
          break
        case "seek":
        case "structure":
          this.readStructure(text[i] ?? "")
          i++
          break
        case "done":
        case "broken":
          return
      }
    }
  }

  /**
   * The value so far, or undefined when nothing is new. What is complete is shared between snapshots, what is open is
   * copied; while the open part is large, a snapshot waits for more text, so that all of them together cost time linear
   * in the text.
   */
  snapshot(): JsonValue | undefined {
    if (!this.changed || this.mode === "broken") return undefined
    if (this.mode === "done") {
      this.changed = false
      return this.root
    }
    let open = 0
    for (const frame of this.stack) open += frame.size
    const budget = open > manyEntries ? this.unread / 4 : this.unread * 2
    if (open > maxFreeEntries && open > budget) return undefined
    this.changed = false
    this.unread = 0
    let child: JsonValue | undefined = this.mode === "string" && !this.isKey ? this.token : undefined
    for (let depth = this.stack.length - 1; depth >= 0; depth--) {
      const frame = this.stack[depth]
      if (frame === undefined) continue
      child = copy(frame, child)
    }
    return child
  }

  private get isKey(): boolean {
    const top = this.stack[this.stack.length - 1]
    return top !== undefined && !Array.isArray(top.value) && top.expects !== "value"
  }

  private readStructure(char: string): void {
    const top = this.stack[this.stack.length - 1]
    if (top === undefined) {
      if (char === "{" || char === "[") this.open(char)
      return
    }
    if (char === " " || char === "\n" || char === "\r" || char === "\t") return
    const isArray = Array.isArray(top.value)
    switch (top.expects) {
      case "comma":
        if (char === ",") top.expects = isArray ? "value" : "member"
        else this.close(char, isArray)
        return
      case "colon":
        if (char === ":") top.expects = "value"
        else this.mode = "broken"
        return
      case "first":
        if (char === (isArray ? "]" : "}")) this.close(char, isArray)
        else if (isArray) this.begin(char)
        else if (char === "\"") this.startString()
        else this.mode = "broken"
        return
      case "member":
        if (char === "\"") this.startString()
        else this.mode = "broken"
        return
      case "value":
        this.begin(char)
    }
  }

  private begin(char: string): void {
    const top = this.stack[this.stack.length - 1]
    if (top !== undefined) top.expects = "value"
    if (char === "{" || char === "[") this.open(char)
    else if (char === "\"") {
      this.startString()
      this.changed = true
    } else {
      this.mode = "scalar"
      this.token = char
    }
  }

  private startString(): void {
    this.mode = "string"
    this.token = ""
    this.escape = ""
  }

  private open(char: string): void {
    if (this.stack.length >= maxDepth) {
      this.mode = "broken"
      return
    }
    this.stack.push({ value: char === "[" ? [] : {}, key: "", size: 1, expects: "first" })
    this.mode = "structure"
    this.changed = true
  }

  private close(char: string, isArray: boolean): void {
    const frame = char === (isArray ? "]" : "}") ? this.stack.pop() : undefined
    if (frame === undefined) this.mode = "broken"
    else this.add(frame.value)
  }

  /** A value is complete. What was visible while it was open is no news. */
  private add(value: JsonValue): void {
    const top = this.stack[this.stack.length - 1]
    if (top === undefined) {
      this.root = value
      this.mode = "done"
      return
    }
    if (Array.isArray(top.value)) top.value.push(value)
    else define(top.value, top.key, value)
    top.size++
    top.expects = "comma"
    this.mode = "structure"
  }

  private readString(text: string, from: number): number {
    let i = from
    if (this.escape !== "") return this.readEscape(text, i)
    while (i < text.length) {
      const char = text.charCodeAt(i)
      if (char === quote || char === backslash) break
      i++
    }
    if (i > from) {
      this.token += text.slice(from, i)
      this.changed = true
    }
    if (i === text.length) return i
    if (text.charCodeAt(i) === backslash) {
      this.escape = "\\"
      return i + 1
    }
    const top = this.stack[this.stack.length - 1]
    if (top !== undefined && this.isKey) {
      top.key = this.token
      top.expects = "colon"
      this.mode = "structure"
    } else this.add(this.token)
    return i + 1
  }

  private readEscape(text: string, from: number): number {
    let i = from
    if (this.escape === "\\") {
      const char = text[i++] ?? ""
      if (char !== "u") {
        const simple = simpleEscapes[char]
        if (simple === undefined) this.mode = "broken"
        else this.unescape(simple)
        return i
      }
      this.escape = "\\u"
    }
    while (i < text.length && this.escape.length < 6) this.escape += text[i++]
    if (this.escape.length === 6) {
      const code = /^[0-9a-fA-F]{4}$/.test(this.escape.slice(2)) ? Number.parseInt(this.escape.slice(2), 16) : -1
      if (code < 0) this.mode = "broken"
      else this.unescape(String.fromCharCode(code))
    }
    return i
  }

  private unescape(char: string): void {
    this.token += char
    this.escape = ""
    this.changed = true
  }

  private readScalar(text: string, from: number): number {
    let i = from
    while (i < text.length && !",]} \n\r\t".includes(text[i] ?? "")) i++
    this.token += text.slice(from, i)
    if (i === text.length) return i
    try {
      this.add(JSON.parse(this.token) as JsonValue)
      this.changed = true
    } catch {
      this.mode = "broken"
    }
    return i
  }
}

const copy = (frame: Frame, child: JsonValue | undefined): JsonValue => {
  if (Array.isArray(frame.value)) return child === undefined ? frame.value.slice() : [...frame.value, child]
  const fields = { ...frame.value }
  if (child !== undefined) define(fields, frame.key, child)
  return fields
}
