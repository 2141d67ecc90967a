/**
 * What `restore` does to a value, done to its text while that still grows: nulls that stand for absent fields go, and so
 * does what follows the value. One pass; all else goes out as it came.
 */
import type { JsonObject, JsonValue } from "../../Prompt.ts"
import { parse } from "../json/values.ts"
import { allowsNull, asList, isJsonObject, itemsOf } from "./nodes.ts"
import { flatMembers, propertyOf } from "./restore.ts"

interface Container {
  readonly isObject: boolean
  /** What it may be. */
  readonly nodes: ReadonlyArray<JsonObject>
  /** Members that went out, or items that have begun. */
  count: number
}

type State = "before" | "value" | "member" | "key" | "colon" | "null" | "string" | "scalar" | "next" | "done" | "as-is"

export class RestoredText {
  private readonly root: JsonObject
  /** Whether a list is what was asked for, too. */
  private readonly takesLists: boolean
  private readonly stack: Array<Container> = []
  private state: State = "before"
  /** Of the value that comes next. */
  private nodes: ReadonlyArray<JsonObject>
  /** A comma, a key and a colon of which it is not known yet whether they go out. */
  private held = ""
  private key = ""
  private mayBeAbsent = false
  private isEscaped = false

  constructor(root: JsonObject, options: { readonly takesLists: boolean }) {
    this.root = root
    this.takesLists = options.takesLists
    this.nodes = flatMembers(root, root)
  }

  /** It has begun as something else: words, or a fence of code. None of it went out. */
  get isForeign(): boolean {
    return this.state === "as-is" && this.stack.length === 0
  }

  push(text: string): string {
    if (this.state === "as-is") return this.isForeign ? "" : text
    let out = ""
    for (let i = 0; i < text.length; i++) {
      if (this.state === "done" || this.isForeign) return out
      // Most of an answer is in strings.
      if (this.state === "string" && !this.isEscaped) {
        const end = stringEnd(text, i)
        out += text.slice(i, end)
        if (end === text.length) return out
        i = end
      }
      out += this.read(text.charAt(i))
    }
    return out
  }

  private read(c: string): string {
    switch (this.state) {
      case "before":
        if (isSpace(c)) return ""
        if (c === "{" || (c === "[" && this.takesLists)) return this.begin(c)
        this.state = "as-is"
        return ""
      case "value":
        if (isSpace(c)) return this.hold(c)
        if (c === "]" && this.container?.isObject === false) return this.close(c)
        if (c === "n" && this.mayBeAbsent) {
          this.state = "null"
          this.key = c
          return this.hold(c)
        }
        return this.release() + this.begin(c)
      case "null":
        if (/[a-z]/.test(c)) {
          this.key += c
          return this.hold(c)
        }
        if (this.key === "null") this.held = ""
        this.state = "next"
        return this.release() + this.read(c)
      case "member":
        if (isSpace(c)) return this.hold(c)
        if (c === "}") return this.close(c)
        if (c !== "\"") return this.give(c)
        this.key = c
        this.state = "key"
        return this.hold(c)
      case "key":
        this.key += c
        if (this.isEscaped) this.isEscaped = false
        else if (c === "\\") this.isEscaped = true
        else if (c === "\"") this.state = "colon"
        return this.hold(c)
      case "colon":
        if (c === ":") this.named(String(parse(this.key)))
        else if (!isSpace(c)) return this.give(c)
        return this.hold(c)
      case "string":
        if (this.isEscaped) this.isEscaped = false
        else if (c === "\\") this.isEscaped = true
        else this.end()
        return c
      case "scalar":
        if (/[\w+.-]/.test(c)) return c
        this.end()
        return this.read(c)
      case "next":
        if (isSpace(c)) return this.hold(c)
        if (c === "}" || c === "]") return this.close(c)
        if (c !== ",") return this.give(c)
        this.next()
        return this.hold(c)
      case "done":
        return ""
      case "as-is":
        return c
    }
  }

  private get container(): Container | undefined {
    return this.stack.at(-1)
  }

  private hold(c: string): string {
    this.held += c
    return ""
  }

  /** What was held goes out: the first member that does has no comma before it. */
  private release(): string {
    const { container, held } = this
    this.held = ""
    if (held === "" || container === undefined) return held
    const isFirst = container.isObject && container.count === 0
    if (container.isObject && held.includes("\"")) container.count++
    return isFirst ? held.replace(/^\s*,/, "") : held
  }

  /** It is no JSON: nobody knows better what it means. */
  private give(c: string): string {
    this.state = "as-is"
    return this.release() + c
  }

  private begin(c: string): string {
    if (c === "{" || c === "[") {
      this.stack.push({ isObject: c === "{", nodes: this.nodes, count: 0 })
      this.state = c === "{" ? "member" : "value"
      if (c === "[") this.item()
    } else this.state = c === "\"" ? "string" : "scalar"
    return c
  }

  private end(): void {
    this.state = this.stack.length === 0 ? "done" : "next"
  }

  private close(c: string): string {
    const out = this.release() + c
    this.stack.pop()
    this.end()
    return out
  }

  private next(): void {
    if (this.container?.isObject === true) this.state = "member"
    else {
      this.state = "value"
      this.item()
    }
  }

  private item(): void {
    const { container } = this
    if (container === undefined) return
    const at = container.count++
    this.mayBeAbsent = false
    this.expect(container.nodes.map((node) => {
      const { prefix = [], rest } = itemsOf(node)
      return prefix[at] ?? rest
    }))
  }

  private named(name: string): void {
    this.state = "value"
    const known = (this.container?.nodes ?? []).map((node) => ({ node, ...propertyOf(node, name) }))
    this.mayBeAbsent = known.some(({ named, node, schema }) =>
      named && isJsonObject(schema) && !asList(node["required"]).includes(name) && !allowsNull(this.root, schema)
    )
    this.expect(known.map(({ schema }) => schema))
  }

  private expect(nodes: ReadonlyArray<JsonValue | undefined>): void {
    this.nodes = nodes.filter(isJsonObject).flatMap((node) => flatMembers(this.root, node))
  }
}

const isSpace = (c: string): boolean => c === " " || c === "\n" || c === "\r" || c === "\t"

/** Where the next character stands that means something in a string. */
const stringEnd = (text: string, from: number): number => {
  for (let i = from; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === 34 || code === 92) return i
  }
  return text.length
}
