/**
 * Redacts a text that arrives in pieces: what comes out is safe to show, what could still become part of a match is held
 * back. Every change is also kept as an edit of the original text, so that the whole answer can be changed alike.
 *
 * In JSON, patterns see the characters of strings and keys, not their escapes, and numbers; the syntax stays as it is,
 * so that redacted JSON is JSON.
 */
import { Matcher, type Rule, type Settled } from "./matcher.ts"

/** Replace `start` to `end` of the original by `text`. In order, and apart from each other. */
export interface Edit {
  readonly start: number
  readonly end: number
  readonly text: string
}

/** Counts what was found. */
export class Matches {
  readonly counts = new Map<Rule, number>()

  /** The first blocking rule that was met. */
  get blocked(): Rule | undefined {
    for (const rule of this.counts.keys()) if (rule.action === "block") return rule
    return undefined
  }

  add(rule: Rule): void {
    this.counts.set(rule, (this.counts.get(rule) ?? 0) + 1)
  }
}

/** `"answer"` has JSON anywhere in its prose, `"arguments"` are JSON or none at all. */
export type Syntax = "plain" | "answer" | "arguments"

export interface Settings {
  readonly rules: ReadonlyArray<Rule>
  /** Longest match, in characters. */
  readonly window: number
  /** Replace what blocks too: for texts of failures, where there is nothing left to block. */
  readonly lenient?: boolean | undefined
}

/** A stretch of text in which patterns match: prose, or the inside of a JSON string. */
interface Segment {
  readonly matcher: Matcher
  readonly start: number
  /** Where the characters of a JSON string are in the original; in prose they follow each other. */
  readonly places: Array<number> | undefined
}

const asIs = (text: string): string => text
const inString = (text: string): string => JSON.stringify(text).slice(1, -1)

const simpleEscapes: Readonly<Record<string, string>> = { b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" }

export class Redactor {
  readonly edits: Array<{ start: number; end: number; text: string }> = []
  readonly matches: Matches
  /** What was pushed so far. */
  length = 0

  private readonly settings: Settings
  private readonly syntax: Syntax
  private mode: "start" | "prose" | "structure" | "string" | "run"
  private segment: Segment | undefined
  private depth = 0
  private escape = ""
  private run = ""
  /** Arguments that begin as no JSON have none inside either. */
  private isProse = false
  private stopped = false
  /** What has been pushed and not shown. */
  private source = ""
  private shown = 0
  /** End of the last edit. */
  private covered = -1

  constructor(settings: Settings, syntax: Syntax, matches: Matches = new Matches()) {
    this.settings = settings
    this.syntax = syntax
    this.matches = matches
    this.mode = syntax === "plain" ? "prose" : "start"
    this.segment = syntax === "plain" ? this.open(0, false) : undefined
  }

  /** Up to here the original has been shown, or replaced. */
  get decided(): number {
    return this.shown
  }

  /** The next piece; gives what can be shown. After a block nothing more is. */
  push(text: string): string {
    if (this.stopped) return ""
    this.source += text
    const output = this.syntax === "plain" ? this.plain(text) : this.json(text)
    return this.stopped ? output : output + this.settle(false)
  }

  /** Gives what was held back; more may follow. */
  flush(): string {
    if (this.stopped) return ""
    const isRun = this.mode === "run"
    const output = isRun ? this.endRun(this.length) : this.settle(true)
    if (isRun) this.mode = "structure"
    return this.stopped ? output : output + this.take(this.length)
  }

  private plain(text: string): string {
    this.segment?.matcher.push(text)
    this.length += text.length
    return ""
  }

  private json(text: string): string {
    let output = ""
    let i = 0
    while (i < text.length && !this.stopped) {
      const char = text[i] ?? ""
      if (this.mode === "string") {
        const from = i
        if (this.escape !== "") this.readEscape(char)
        else if (char === "\\") this.escape = "\\"
        else if (char === "\"") output += this.endSegment()
        else {
          while (i + 1 < text.length && text[i + 1] !== "\"" && text[i + 1] !== "\\") i++
          this.add(text.slice(from, i + 1), this.length)
        }
        this.length += i + 1 - from
      } else {
        if (this.mode === "start") this.begin(char)
        if (this.mode === "prose") {
          if (this.isProse || (char !== "{" && char !== "[")) this.segment?.matcher.push(char)
          else {
            output += this.endSegment()
            this.depth = 1
          }
        } else if (this.mode === "run" && !isDelimiter(char)) this.run += char
        else if (this.mode === "structure" || this.mode === "run") {
          if (this.mode === "run") output += this.endRun(this.length)
          this.readStructure(char)
        }
        this.length++
      }
      i++
    }
    return output
  }

  private begin(char: string): void {
    if (isSpace(char)) return
    if (char === "\"" || char === "{" || char === "[") this.mode = "structure"
    else {
      this.isProse = this.syntax === "arguments"
      this.openProse(this.length)
    }
  }

  private openProse(start: number): void {
    this.mode = "prose"
    this.segment = this.open(start, false)
  }

  private readStructure(char: string): void {
    this.mode = "structure"
    if (char === "\"") {
      this.mode = "string"
      this.segment = this.open(this.length + 1, true)
    } else if (char === "{" || char === "[") this.depth++
    else if (char === "}" || char === "]") {
      if (--this.depth <= 0) this.openProse(this.length + 1)
    } else if (!isDelimiter(char) && !isSpace(char)) {
      this.mode = "run"
      this.run = char
    }
  }

  private readEscape(char: string): void {
    this.escape += char
    const isUnicode = this.escape[1] === "u"
    if (isUnicode && this.escape.length < 6) return
    const from = this.length + 1 - this.escape.length
    this.add(
      isUnicode ? String.fromCharCode(Number.parseInt(this.escape.slice(2), 16)) : simpleEscapes[char] ?? char,
      from,
      true
    )
    this.escape = ""
  }

  /** Characters of a string, and where they are. */
  private add(text: string, from: number, escaped = false): void {
    this.segment?.matcher.push(text)
    for (let i = 0; i < text.length; i++) this.segment?.places?.push(escaped ? from : from + i)
  }

  private open(start: number, isString: boolean): Segment {
    return {
      matcher: new Matcher(this.settings.rules, this.settings.window),
      start,
      places: isString ? [] : undefined
    }
  }

  /** The end of a string, or of the prose before JSON. */
  private endSegment(): string {
    const output = this.settle(true)
    const wasTop = this.mode === "string" && this.depth === 0
    this.segment = undefined
    this.mode = "structure"
    if (wasTop) this.openProse(this.length + 1)
    return output
  }

  private settle(ends: boolean): string {
    const { segment } = this
    if (segment === undefined) {
      return this.take(this.length - (this.mode === "run" ? this.run.length : 0))
    }
    const { matches, frontier } = segment.matcher.settle(ends)
    const end = this.escape === "" ? this.length : this.length - this.escape.length
    const { places, start } = segment
    const place = places === undefined ? (at: number) => start + at : (at: number) => places[at] ?? end
    return this.emit({
      matches: matches.map((match) => ({ ...match, start: place(match.start), end: place(match.end) })),
      frontier: place(frontier)
    }, places === undefined ? asIs : inString)
  }

  /** Text outside strings, up to the next sign of JSON: a number. What replaces it is a string. */
  private endRun(at: number): string {
    const text = this.run.trimEnd()
    const from = at - this.run.length
    this.run = ""
    if (text === "true" || text === "false" || text === "null") return this.take(at)
    const inner = new Redactor(this.settings, "plain", this.matches)
    const redacted = inner.push(text) + inner.flush()
    this.stopped = inner.stopped
    if (this.stopped) return this.take(from)
    return inner.edits.length === 0
      ? this.take(at)
      : this.edit(Math.max(from, this.shown), from + text.length, JSON.stringify(redacted))
  }

  private emit({ frontier, matches }: Settled, encode: (text: string) => string): string {
    let output = ""
    for (const { end, rule, start } of matches) {
      this.matches.add(rule)
      if (rule.action === "warn") continue
      const from = Math.max(start, this.shown)
      if (rule.action === "block" && this.settings.lenient !== true) {
        this.stopped = true
        return output + this.take(from)
      }
      if (end <= from) continue
      const last = this.edits[this.edits.length - 1]
      if (last !== undefined && start < this.covered) {
        last.end = this.covered = end
        this.skip(end)
      } else output += this.edit(from, end, encode(rule.replacement))
    }
    return output + this.take(frontier)
  }

  private edit(start: number, end: number, text: string): string {
    const before = this.take(start)
    this.edits.push({ start, end, text })
    this.covered = end
    this.skip(end)
    return before + text
  }

  /** The original up to a place, which then counts as shown. */
  private take(to: number): string {
    if (to <= this.shown) return ""
    const text = this.source.slice(0, to - this.shown)
    this.skip(to)
    return text
  }

  private skip(to: number): void {
    this.source = this.source.slice(to - this.shown)
    this.shown = to
  }
}

const isSpace = (char: string): boolean => char === " " || char === "\n" || char === "\r" || char === "\t"

const isDelimiter = (char: string): boolean => "{}[],:\"".includes(char)

/** The original from `from` to `to` with the edits made; one that began before has its text there. */
export const applyEdits = (text: string, edits: ReadonlyArray<Edit>, from = 0, to: number = text.length): string => {
  let output = ""
  let at = from
  for (const edit of edits) {
    if (edit.end <= from || edit.start >= to) continue
    if (edit.start >= from) output += text.slice(at, edit.start) + edit.text
    at = edit.end
  }
  return at >= to ? output : output + text.slice(at, to)
}

/** A whole text at once. */
export const redactText = (settings: Settings, text: string, syntax: Syntax, matches?: Matches): string => {
  const redactor = new Redactor(settings, syntax, matches)
  return redactor.push(text) + redactor.flush()
}
