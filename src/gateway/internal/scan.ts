/**
 * The fields of a JSON object that decide about a request, found without parsing the rest: 2 MB with an image take as long
 * as 2 KB without. What another reader could understand differently (a field given twice, a name with escapes) is refused.
 */

/** A value at the top level: from its first byte to the one behind its last. */
export interface Span {
  readonly start: number
  readonly end: number
}

export interface Scanned {
  /** Behind the brace that opens the object. */
  readonly start: number
  readonly isEmpty: boolean
  readonly fields: ReadonlyMap<string, Span>
}

export type Result =
  | { readonly _tag: "Object"; readonly value: Scanned }
  /** No JSON object: in words. */
  | { readonly _tag: "Other"; readonly problem: string }
  /** Two readers could disagree about it: in words. */
  | { readonly _tag: "Ambiguous"; readonly problem: string }

const quote = 0x22
const backslash = 0x5c
const comma = 0x2c
const colon = 0x3a
const openBrace = 0x7b
const closeBrace = 0x7d
const openBracket = 0x5b
const closeBracket = 0x5d

const isSpace = (byte: number | undefined): boolean => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09

const skipSpace = (bytes: Buffer, from: number): number => {
  let at = from
  while (isSpace(bytes[at])) at++
  return at
}

/** Behind the closing quote of the text that opens at `from`; -1 when it does not close. */
const endOfText = (bytes: Buffer, from: number): number => {
  for (let at = bytes.indexOf(quote, from + 1); at >= 0; at = bytes.indexOf(quote, at + 1)) {
    let escapes = 0
    while (bytes[at - 1 - escapes] === backslash) escapes++
    if (escapes % 2 === 0) return at + 1
  }
  return -1
}

/** Behind the value that begins at `from`; -1 when it has no end. */
const endOfValue = (bytes: Buffer, from: number): number => {
  const first = bytes[from]
  if (first === quote) return endOfText(bytes, from)
  if (first !== openBrace && first !== openBracket) {
    let at = from
    while (at < bytes.length) {
      const byte = bytes[at]
      if (byte === comma || byte === closeBrace || isSpace(byte)) break
      at++
    }
    return at === from ? -1 : at
  }
  let depth = 0
  for (let at = from; at < bytes.length;) {
    const byte = bytes[at]
    if (byte === quote) {
      at = endOfText(bytes, at)
      if (at < 0) return -1
      continue
    }
    if (byte === openBrace || byte === openBracket) depth++
    else if (byte === closeBrace || byte === closeBracket) depth--
    at++
    if (depth === 0) return at
  }
  return -1
}

const other = (problem: string): Result => ({ _tag: "Other", problem })
const ambiguous = (problem: string): Result => ({ _tag: "Ambiguous", problem })

/** The fields among `names` of the object in `bytes`. */
export const scan = (bytes: Buffer, names: ReadonlySet<string>): Result => {
  const bom = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0
  let at = skipSpace(bytes, bom)
  if (bytes[at] !== openBrace) return other("the body is no JSON object")
  const start = ++at
  const fields = new Map<string, Span>()
  at = skipSpace(bytes, at)
  if (bytes[at] === closeBrace) return { _tag: "Object", value: { start, isEmpty: true, fields } }
  for (;;) {
    if (bytes[at] !== quote) return other("the body is no JSON: a name in quotes is missing")
    const endOfName = endOfText(bytes, at)
    if (endOfName < 0) return other("the body is no JSON: a name does not end")
    const name = bytes.toString("latin1", at + 1, endOfName - 1)
    at = skipSpace(bytes, endOfName)
    if (bytes[at] !== colon) return other("the body is no JSON: a colon is missing")
    at = skipSpace(bytes, at + 1)
    const end = endOfValue(bytes, at)
    if (end < 0) return other("the body is no JSON: a value does not end")
    if (name.includes("\\")) return ambiguous("a name at the top level of the body has escapes in it; write it plainly")
    if (names.has(name)) {
      if (fields.has(name)) return ambiguous(`"${name}" is given twice; give it once`)
      fields.set(name, { start: at, end })
    }
    at = skipSpace(bytes, end)
    if (bytes[at] === closeBrace) break
    if (bytes[at] !== comma) return other("the body is no JSON: a comma is missing")
    at = skipSpace(bytes, at + 1)
  }
  if (skipSpace(bytes, at + 1) < bytes.length) return other("the body is no JSON: something follows the object")
  return { _tag: "Object", value: { start, isEmpty: false, fields } }
}

/** The text of a field; undefined when it is no text. */
export const textAt = (bytes: Buffer, span: Span | undefined): string | undefined => {
  if (span === undefined || bytes[span.start] !== quote) return undefined
  const raw = bytes.toString("utf8", span.start, span.end)
  if (!raw.includes("\\")) return raw.slice(1, -1)
  try {
    const value: unknown = JSON.parse(raw)
    return typeof value === "string" ? value : undefined
  } catch {
    return undefined
  }
}

export const isTrueAt = (bytes: Buffer, span: Span | undefined): boolean =>
  span !== undefined && span.end - span.start === 4 && bytes.toString("latin1", span.start, span.end) === "true"
