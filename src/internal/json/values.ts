/** Reading JSON that others wrote: loosely typed access for wires. */
import type { JsonObject, JsonValue } from "../../Prompt.ts"
import { Brackets } from "./brackets.ts"

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

/** The value a text spells; undefined when it is no JSON, or nested deeper than readers follow. */
export const parse = (text: string): JsonValue | undefined => {
  if (isTooDeep(text)) return undefined
  try {
    return JSON.parse(text) as JsonValue
  } catch {
    return undefined
  }
}

/** Tool arguments as hosts send them: nothing means no arguments; text that is no JSON becomes null. */
export const parseArguments = (raw: string): JsonValue => raw.trim() === "" ? {} : parse(raw) ?? null

/** A count that somebody reports: undefined when there is none, NaN when it is no number. */
export const asCount = (value: unknown): number | undefined => {
  if (value === undefined || value === null) return undefined
  return typeof value === "number" || (typeof value === "string" && value.trim() !== "") ? Number(value) : Number.NaN
}

/** Sets a field, also one named `__proto__`: plain assignment would set the prototype. */
export const define = <A>(target: { [key: string]: A }, key: string, value: A): void => {
  if (key === "__proto__") {
    Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true })
  } else target[key] = value
}

/** Each item as `f` gives it: the same list where nothing changes. */
export const mapItems = (
  list: ReadonlyArray<JsonValue>,
  f: (item: JsonValue, at: number) => JsonValue
): ReadonlyArray<JsonValue> => {
  const items = list.map(f)
  return items.every((item, at) => item === list[at]) ? list : items
}

/** Each field as `f` gives it, without those that it gives as undefined: the same object where nothing changes. */
export const mapFields = (
  object: JsonObject,
  f: (field: JsonValue, name: string) => JsonValue | undefined
): JsonObject => {
  const names = Object.keys(object)
  let changed: { [name: string]: JsonValue } | undefined
  let at = 0
  for (const name of names) {
    const field = object[name] ?? null
    const made = f(field, name)
    if (changed === undefined && made !== field) {
      changed = {}
      for (const before of names.slice(0, at)) define(changed, before, object[before] ?? null)
    }
    if (changed !== undefined && made !== undefined) define(changed, name, made)
    at++
  }
  return changed ?? object
}

/**
 * The value without fields named `__proto__`, for readers that assign: decoders of `Schema.Record` do. The same value where
 * there are none.
 */
export const withoutPrototypes = (value: JsonValue): JsonValue => {
  if (Array.isArray(value)) return mapItems(value, withoutPrototypes)
  return isObject(value) ? mapFields(asJsonObject(value), withoutPrototype) : value
}

const withoutPrototype = (field: JsonValue, name: string): JsonValue | undefined =>
  name === "__proto__" ? undefined : withoutPrototypes(field)

/** Whether JSON can say the value, and readers follow it: what goes round in a circle never ends. */
export const isJson = (value: unknown, depth = 0): value is JsonValue => {
  switch (typeof value) {
    case "string":
    case "number":
    case "boolean":
      return true
    case "object": {
      if (value === null) return true
      if (depth >= maxDepth || ArrayBuffer.isView(value)) return false
      // Not `every`: it skips the holes of an array.
      for (const item of Array.isArray(value) ? value : Object.values(value)) if (!isJson(item, depth + 1)) return false
      return true
    }
    default:
      return false
  }
}

/** Merges plain objects deeply; anything else on the right replaces what is on the left. */
export const merge = (left: Loose, right: Loose): Loose => {
  const merged: Record<string, unknown> = { ...left }
  for (const [key, value] of Object.entries(right)) {
    const old = Object.hasOwn(merged, key) ? merged[key] : undefined
    define(merged, key, isObject(old) && isObject(value) ? merge(old, value) : value)
  }
  return merged
}

/** Deeper answers are refused: recursive readers would run out of stack. */
export const maxDepth = 500

export const isTooDeep = (text: string): boolean => {
  if (text.length <= maxDepth || !hasMoreThan(maxDepth, text)) return false
  const brackets = new Brackets()
  brackets.push(text)
  return brackets.deepest > maxDepth
}

/** Most texts have too few brackets to be nested so deep, whatever they are. */
const hasMoreThan = (count: number, text: string): boolean => {
  let found = 0
  for (const bracket of ["{", "["]) {
    for (let at = text.indexOf(bracket); at >= 0; at = text.indexOf(bracket, at + 1)) {
      if (++found > count) return true
    }
  }
  return false
}
