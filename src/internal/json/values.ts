/** Reading JSON that others wrote: loosely typed access for wires, and finding the JSON in a model's answer. */
import type { JsonObject, JsonValue } from "../../Prompt.ts"

/** An object read from the wire, of which nothing is known yet. */
export type Loose = { readonly [key: string]: unknown }

export const isObject = (value: unknown): value is Loose =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const nothing: Loose = {}

/** The value as an object; an empty one when it is none. */
export const asObject = (value: unknown): Loose => isObject(value) ? value : nothing

export const asArray = (value: unknown): ReadonlyArray<unknown> => Array.isArray(value) ? value : []

export const asString = (value: unknown): string | undefined => typeof value === "string" ? value : undefined

/** Text, or what a host sends where text belongs, as JSON; empty where there is nothing. */
export const asText = (value: unknown): string =>
  typeof value === "string" ? value : value === undefined || value === null ? "" : JSON.stringify(value)

/** A finite number, or the number a string spells. */
export const asNumber = (value: unknown): number | undefined => {
  const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value
  return typeof number === "number" && Number.isFinite(number) ? number : undefined
}

/** Wire objects come out of `JSON.parse`, so what is an object is a JSON object. */
export const asJsonObject = (value: unknown): JsonObject => isObject(value) ? value as JsonObject : {}

export const parse = (text: string): JsonValue | undefined => {
  try {
    return JSON.parse(text) as JsonValue
  } catch {
    return undefined
  }
}

/** Tool arguments as hosts send them: nothing means no arguments; text that is no JSON becomes null. */
export const parseArguments = (raw: string): JsonValue => raw.trim() === "" ? {} : parse(raw) ?? null

/** Merges plain objects deeply; anything else on the right replaces what is on the left. */
export const merge = (left: Loose, right: Loose): Loose => {
  const merged: Record<string, unknown> = { ...left }
  for (const [key, value] of Object.entries(right)) {
    const old = merged[key]
    merged[key] = isObject(old) && isObject(value) ? merge(old, value) : value
  }
  return merged
}

/** Deeper answers are refused: recursive readers would run out of stack. */
export const maxDepth = 500

export const isTooDeep = (text: string): boolean => {
  if (text.length <= maxDepth) return false
  let depth = 0
  let inString = false
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (inString) {
      if (code === 92) i++
      else if (code === 34) inString = false
    } else if (code === 34) inString = true
    else if (code === 123 || code === 91) {
      if (++depth > maxDepth) return true
    } else if (code === 125 || code === 93) depth--
  }
  return false
}

export type Found =
  | { readonly _tag: "Found"; readonly value: JsonValue; readonly candidate: string }
  | { readonly _tag: "NotFound"; readonly candidate: string; readonly message: string }

/**
 * Finds the JSON in an answer: the text as it is, then inside a Markdown fence, then the first balanced object or array
 * that is JSON. Where an object is wanted, another value found on the way counts only if no object follows. Nothing
 * inside a string is touched.
 */
export const find = (text: string, options?: { readonly wantsObject?: boolean }): Found => {
  const trimmed = text.trim()
  let failure: Found | undefined
  let other: Found | undefined
  for (const candidate of candidates(trimmed)) {
    const found = read(candidate)
    if (found._tag === "NotFound") failure ??= found
    else if (options?.wantsObject !== true || isObject(found.value)) return found
    else other ??= found
  }
  return other ?? failure ?? { _tag: "NotFound", candidate: trimmed, message: "no JSON value in the answer" }
}

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

const maxCandidates = 20

function* candidates(text: string): Generator<string> {
  yield text
  const fenced = /```[a-zA-Z0-9]*[ \t]*\r?\n?([\s\S]*?)```/.exec(text)?.[1]
  if (fenced !== undefined) yield fenced.trim()
  let from = 0
  for (let n = 0; n < maxCandidates; n++) {
    const range = balanced(text, from)
    if (range === undefined) return
    const [start, end] = range
    const candidate = text.slice(start, end)
    yield candidate
    from = end
  }
}

/** Where the next `{…}` or `[…]` that closes begins and ends; brackets inside strings do not count. */
const balanced = (text: string, from: number): readonly [start: number, end: number] | undefined => {
  const offset = text.slice(from).search(/[{[]/)
  if (offset < 0) return undefined
  const start = from + offset
  let depth = 0
  let inString = false
  for (let i = start; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (inString) {
      if (code === 92) i++
      else if (code === 34) inString = false
    } else if (code === 34) inString = true
    else if (code === 123 || code === 91) depth++
    else if ((code === 125 || code === 93) && --depth === 0) return [start, i + 1]
  }
  return undefined
}
