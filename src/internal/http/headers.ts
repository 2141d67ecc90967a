/** Headers from several sources: names without regard to case, later sources win, values checked before anything is sent. */
import type * as Headers from "@effect/platform/Headers"

export type HeaderMap = Readonly<Record<string, string>>

const name = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
// Line breaks would start another header; other control characters and anything beyond Latin-1 no client can send.
const value = /^[\t\x20-\x7e\x80-\xff]*$/

export type Checked =
  | { readonly _tag: "Ok"; readonly headers: HeaderMap }
  | { readonly _tag: "Invalid"; readonly header: string; readonly message: string }

/** Lower-cases, checks and merges; a later source replaces an earlier one. */
export const merge = (...sources: ReadonlyArray<Headers.Input | undefined>): Checked => {
  const merged: Record<string, string> = {}
  for (const source of sources) {
    if (source === undefined) continue
    for (const [key, given] of entriesOf(source)) {
      if (given === undefined) continue
      if (!name.test(key)) {
        return { _tag: "Invalid", header: "a header", message: "its name is not a valid header name" }
      }
      const text = Array.isArray(given) ? given.join(", ") : String(given)
      if (!value.test(text)) {
        return {
          _tag: "Invalid",
          header: key.toLowerCase(),
          message: "its value has a line break or a character no header can carry"
        }
      }
      merged[key.toLowerCase()] = text
    }
  }
  return { _tag: "Ok", headers: merged }
}

const entriesOf = (source: Headers.Input): Iterable<readonly [string, string | ReadonlyArray<string> | undefined]> =>
  Symbol.iterator in source ? source : Object.entries(source)

/** Names in lower case; an undefined value is left out. */
export const lowerCased = (source: Headers.Input): HeaderMap => {
  const lowered: Record<string, string> = {}
  for (const [key, given] of entriesOf(source)) {
    if (given !== undefined) lowered[key.toLowerCase()] = Array.isArray(given) ? given.join(", ") : String(given)
  }
  return lowered
}
