/**
 * The JSON in a model's answer, found in time linear in the text: the text as it is, else without its reasoning; then what
 * is fenced as JSON, then other fences, the last first; then the last value in the prose. Nothing inside a string is
 * touched.
 */
import * as Arr from "effect/Array"
import type { JsonValue } from "../../Prompt.ts"
import { withoutReasoning } from "./reasoning.ts"
import { isTooDeep, maxDepth } from "./values.ts"

export type Found =
  | { readonly _tag: "Found"; readonly value: JsonValue; readonly candidate: string }
  | { readonly _tag: "NotFound"; readonly candidate: string; readonly message: string }

/** A value that does not `fit` what was asked for counts only where there is none that does. */
export const find = (text: string, fits: (value: JsonValue) => boolean = always): Found => {
  const trimmed = text.trim()
  const whole = read(trimmed)
  if (whole._tag === "Found" || isTooDeep(trimmed)) return whole
  const answer = withoutReasoning(trimmed)
  let other: Found | undefined
  for (const source of answer === trimmed ? [trimmed] : [answer, trimmed]) {
    let tries = 0
    for (const candidate of candidates(source)) {
      if (!mayBeJson(candidate)) continue
      if (++tries > maxTries) break
      const found = read(candidate)
      if (found._tag === "NotFound") continue
      if (fits(found.value)) return found
      other ??= found
    }
  }
  return other ?? whole
}

const always = () => true

/** Who writes more than this that looks like JSON and is none has written no answer. */
const maxTries = 200

const mayBeJson = (candidate: string): boolean => "{[\"-0123456789tfn".includes(candidate.charAt(0) || "?")

const read = (candidate: string): Found => {
  if (isTooDeep(candidate)) {
    return { _tag: "NotFound", candidate, message: `nested deeper than ${maxDepth} levels` }
  }
  try {
    return { _tag: "Found", value: JSON.parse(candidate) as JsonValue, candidate }
  } catch (error) {
    // V8 quotes the input in its message; the position is enough.
    const position = error instanceof Error ? /position (\d+)/.exec(error.message)?.[1] : undefined
    const message = position === undefined ? "not valid JSON" : `not valid JSON at position ${position}`
    return { _tag: "NotFound", candidate, message }
  }
}

function* candidates(text: string): Generator<string> {
  const fences = fencesOf(text)
  const isJson = (fence: Fence) => fence.label.toLowerCase().startsWith("json")
  for (const fence of Arr.reverse(fences.filter(isJson))) yield fence.content.trim()
  for (const fence of Arr.reverse(fences.filter((fence) => !isJson(fence)))) yield fence.content.trim()
  for (const [start, end] of Arr.reverse(rangesOf(text))) yield text.slice(start, end)
}

// ── fences ──────────────────────────────────────────────────────────────────────────────────────────────────────────

interface Fence {
  readonly label: string
  readonly content: string
}

const mark = "```"

/** What is fenced. A fence that begins a line ends with one that does: inside a JSON string no line begins. */
const fencesOf = (text: string): Array<Fence> => {
  const fences: Array<Fence> = []
  let open = text.indexOf(mark)
  let noLineEnds = false
  while (open >= 0) {
    const afterLabel = skip(text, open + mark.length, isLabel)
    const label = text.slice(open + mark.length, afterLabel)
    const start = skip(text, afterLabel, isBlank)
    let close = text.indexOf(mark, start)
    if (text[start] === "\n" && !noLineEnds) {
      const atLine = nextAtLine(text, start)
      if (atLine < 0) noLineEnds = true
      else close = atLine
    }
    if (close < 0) return fences
    fences.push({ label, content: text.slice(start, close) })
    // A label says that this one opens another fence.
    const reopens = isLabel(text.charCodeAt(close + mark.length)) && text[close - 1] === "\n"
    open = reopens ? close : text.indexOf(mark, close + mark.length)
  }
  return fences
}

const nextAtLine = (text: string, from: number): number => {
  for (let line = text.indexOf("\n", from); line >= 0;) {
    const start = skip(text, line + 1, isBlank)
    if (text.startsWith(mark, start)) return start
    line = text.indexOf("\n", Math.max(start, line + 1))
  }
  return -1
}

const skip = (text: string, from: number, passes: (code: number) => boolean): number => {
  let at = from
  while (at < text.length && passes(text.charCodeAt(at))) at++
  return at
}

const isBlank = (code: number): boolean => code === 32 || code === 9 || code === 13
const isLabel = (code: number): boolean =>
  (code >= 48 && code <= 57) || (code >= 65 && code <= 90) || (code >= 97 && code <= 122)

// ── values in prose ─────────────────────────────────────────────────────────────────────────────────────────────────

/** How often a character may be looked at, on average, in search of where a value begins. */
const looks = 8

/** Where objects and arrays begin and end, the outermost of each. */
const rangesOf = (text: string): Array<readonly [start: number, end: number]> => {
  const ranges: Array<readonly [number, number]> = []
  let budget = text.length * looks
  let at = 0
  while (at < text.length) {
    const code = text.charCodeAt(at)
    if (code !== 123 && code !== 91) {
      at++
      continue
    }
    const value = scan(text, at)
    budget -= value.end - at
    if (value.complete) ranges.push([at, value.end])
    // A bracket that begins nothing may stand before one that does; that is not tried for ever.
    at = value.complete || budget < 0 ? Math.max(value.end, at + 1) : at + 1
  }
  return ranges
}

interface Scanned {
  readonly complete: boolean
  /** Where the value ends, or where it stops being one. */
  readonly end: number
}

/** Follows an object or array as far as it is one. Numbers and words are looked at when it is parsed. */
const scan = (text: string, from: number): Scanned => {
  /** True for an object. */
  const open: Array<boolean> = []
  let expects: "value" | "valueOrEnd" | "key" | "keyOrEnd" | "colon" | "commaOrEnd" = "value"
  let at = from
  for (; at < text.length; at++) {
    const char = text.charAt(at)
    if (char === " " || char === "\n" || char === "\t" || char === "\r") continue
    if (char === "}" || char === "]") {
      const ends = expects === "commaOrEnd" || expects === "valueOrEnd" || expects === "keyOrEnd"
      if (!ends || open.pop() !== (char === "}")) break
      if (open.length === 0) return { complete: true, end: at + 1 }
      expects = "commaOrEnd"
    } else if (char === "," || char === ":") {
      if (char === "," ? expects !== "commaOrEnd" : expects !== "colon") break
      expects = char === "," && open[open.length - 1] === true ? "key" : "value"
    } else if (char === "\"") {
      const isKey: boolean = expects === "key" || expects === "keyOrEnd"
      if (!isKey && expects !== "value" && expects !== "valueOrEnd") break
      at = endOfString(text, at)
      if (text[at] !== "\"") break
      expects = isKey ? "colon" : "commaOrEnd"
    } else {
      if (expects !== "value" && expects !== "valueOrEnd") break
      if (char === "{" || char === "[") {
        if (open.push(char === "{") > maxDepth) break
        expects = char === "{" ? "keyOrEnd" : "valueOrEnd"
      } else {
        const end = skip(text, at, isScalar)
        if (end === at) break
        at = end - 1
        expects = "commaOrEnd"
      }
    }
  }
  return { complete: false, end: at }
}

/** Where a string closes; the end of the line or the text when it does not. */
const endOfString = (text: string, from: number): number => {
  for (let at = from + 1; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === 92) at++
    else if (code === 34 || code === 10) return at
  }
  return text.length
}

const isScalar = (code: number): boolean => isLabel(code) || code === 43 || code === 45 || code === 46
