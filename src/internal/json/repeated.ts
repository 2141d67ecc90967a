/**
 * JSON texts of which one is like the other but for one string: the events of a stream. The first two are parsed and
 * compared; of the others only the string is looked at, which takes a fraction of the time.
 */
import type { JsonObject, JsonValue } from "../../Prompt.ts"
import { isObject, parse } from "./values.ts"

/** What all of them have in common. */
interface Template {
  readonly before: string
  readonly after: string
  readonly value: JsonValue
  /** Where in `value` the string stands. */
  readonly path: ReadonlyArray<string | number>
}

/** No event says this by itself. */
const mark = "\u{10fffd}effect-majordomo\u{10fffd}"

/** Longer texts are rare, and parsing them is not what takes the time. */
const maxLength = 2048

/** So many are compared with the one before; then nobody compares any more. */
const maxCompared = 16

/** What does not stand for itself in a JSON string. */
// oxlint-disable-next-line no-control-regex -- JSON escapes exactly these
const notPlain = /["\\\u0000-\u001f]/

export class Repeated {
  private last = ""
  private template: Template | undefined = undefined
  private compared = 0

  /** As `parse`. */
  parse(text: string): JsonValue | undefined {
    const { template } = this
    const own = template === undefined ? undefined : between(text, template.before, template.after)
    const unescaped = own === undefined || !notPlain.test(own) ? own : parse(`"${own}"`)
    if (template !== undefined && typeof unescaped === "string") {
      return replaced(template.value, template.path, 0, unescaped)
    }
    const value = parse(text)
    const { last } = this
    if (own !== undefined || value === undefined || text.length > maxLength || text === last) return value
    if (this.compared < maxCompared) {
      this.compared++
      this.last = text
      this.template = templateOf(last, text) ?? template
    }
    return value
  }
}

const between = (text: string, before: string, after: string): string | undefined => {
  const end = text.length - after.length
  // `startsWith` looks at one character after the other, which costs as much as parsing.
  return end >= before.length && text.slice(0, before.length) === before && text.slice(end) === after
    ? text.slice(before.length, end)
    : undefined
}

/** Of two texts that differ within one string. */
const templateOf = (one: string, other: string): Template | undefined => {
  if (one === "" || other.includes(mark)) return undefined
  const shorter = Math.min(one.length, other.length)
  let same = 0
  while (same < shorter && one.charCodeAt(same) === other.charCodeAt(same)) same++
  let sameAfter = 0
  const most = shorter - same
  while (
    sameAfter < most && one.charCodeAt(one.length - 1 - sameAfter) === other.charCodeAt(other.length - 1 - sameAfter)
  ) {
    sameAfter++
  }
  const before = other.slice(0, other.lastIndexOf("\"", same - 1) + 1)
  const closing = other.indexOf("\"", Math.max(before.length, other.length - sameAfter))
  if (before === "" || closing < 0) return undefined
  const after = other.slice(closing)
  const value = parse(before + mark + after)
  const path = value === undefined ? undefined : pathTo(value)
  // Found as a whole value, the string begins and ends where the two texts were cut.
  return value === undefined || path === undefined ? undefined : { before, after, value, path }
}

/** Where the mark stands, if it stands there alone. */
const pathTo = (value: JsonValue): ReadonlyArray<string | number> | undefined => {
  if (value === mark) return []
  const entries: ReadonlyArray<readonly [string | number, JsonValue]> = Array.isArray(value)
    ? [...value.entries()]
    : isObject(value)
    ? Object.entries(value as JsonObject)
    : []
  for (const [key, item] of entries) {
    const path = pathTo(item)
    // To assign to that one would change a prototype.
    if (path !== undefined) return key === "__proto__" || path.includes("__proto__") ? undefined : [key, ...path]
  }
  return undefined
}

/** The same value with another string in that place. */
const replaced = (
  value: JsonValue,
  path: ReadonlyArray<string | number>,
  depth: number,
  text: string
): JsonValue => {
  const key = path[depth]
  if (key === undefined) return text
  if (Array.isArray(value)) {
    const copy = value.slice()
    copy[Number(key)] = replaced(copy[Number(key)] ?? null, path, depth + 1, text)
    return copy
  }
  const copy: Record<string, JsonValue> = { ...value as JsonObject }
  copy[key] = replaced(copy[key] ?? null, path, depth + 1, text)
  return copy
}
