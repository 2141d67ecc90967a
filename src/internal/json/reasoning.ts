/** Reasoning that a model writes into its text, in tags at the head of it. */

const tags: ReadonlyArray<string> = ["think", "thinking", "thought", "reasoning"]

/** Without the reasoning at its head. Some templates leave the tag out that opens it. */
export const withoutReasoning = (text: string): string => {
  let rest = text
  for (let tag = tagAt(rest); tag !== undefined; tag = tagAt(rest)) {
    const end = rest.indexOf(`</${tag}>`)
    if (end < 0) return rest
    rest = rest.slice(end + tag.length + 3).trimStart()
  }
  if (rest !== text) return rest
  for (const tag of tags) {
    const end = rest.lastIndexOf(`</${tag}>`)
    if (end >= 0 && !rest.includes(`<${tag}>`)) return rest.slice(end + tag.length + 3).trimStart()
  }
  return rest
}

const tagAt = (text: string): string | undefined => tags.find((tag) => text.startsWith(`<${tag}>`))

/** The same for a text that grows: what is reasoning is left out, as far as its tag is there. */
export class ReasoningFilter {
  /** What may still become a tag. */
  private held = ""
  private state: "head" | "answer" | { readonly end: string } = "head"

  /** The next piece of the answer. */
  push(delta: string): string {
    if (this.state === "answer") return delta
    this.held += delta
    for (;;) {
      if (this.state === "head") {
        const text = this.held.trimStart()
        const tag = tagAt(text)
        if (tag === undefined) {
          if (text === "" || tags.some((tag) => `<${tag}>`.startsWith(text))) return ""
          this.state = "answer"
          return this.held
        }
        this.held = text.slice(tag.length + 2)
        this.state = { end: `</${tag}>` }
      }
      const { end }: { readonly end: string } = this.state
      const at = this.held.indexOf(end)
      if (at < 0) {
        this.held = this.held.slice(-(end.length - 1))
        return ""
      }
      this.held = this.held.slice(at + end.length)
      this.state = "head"
    }
  }
}
