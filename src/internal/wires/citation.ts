/** What a passage rests on, in our words: wires name the same few things differently. */
import type { Citation } from "../../Prompt.ts"
import { asNumber, asString } from "../json/values.ts"

/** Of what a provider says, what it says: an empty text and an empty span say nothing. */
export const citationOf = (said: { readonly [name in keyof Citation]?: unknown }): Citation => {
  const textAt = (name: "url" | "title" | "text" | "source") => {
    const value = asString(said[name])
    return value === undefined || value === "" ? {} : { [name]: value }
  }
  const start = asNumber(said.start)
  const end = asNumber(said.end)
  return {
    ...textAt("url"),
    ...textAt("title"),
    ...textAt("text"),
    ...textAt("source"),
    ...(start !== undefined && end !== undefined && start >= 0 && end > start ? { start, end } : {})
  }
}

/** Citations as they come, where a host may repeat them. */
export class Citations {
  readonly all: Array<Citation> = []
  private readonly seen = new Set<string>()

  add(citation: Citation): void {
    const key = JSON.stringify(citation)
    if (this.seen.has(key) || key === "{}") return
    this.seen.add(key)
    this.all.push(citation)
  }
}
