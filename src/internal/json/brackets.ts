/** The brackets of JSON that may come in pieces: how deep it goes and whether it is closed. Every character is read once. */

const quote = 34
const backslash = 92

export class Brackets {
  /** The deepest nesting so far. */
  deepest = 0
  /** A bracket was opened and all that were are closed again. */
  closed = false
  private depth = 0
  private inString = false
  private escaped = false

  push(text: string): void {
    let { deepest, depth, escaped, inString } = this
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i)
      if (inString) {
        if (escaped) escaped = false
        else if (code === backslash) escaped = true
        else if (code === quote) inString = false
      } else if (code === quote) inString = true
      else if (code === 123 || code === 91) {
        if (++depth > deepest) deepest = depth
      } else if (code === 125 || code === 93) depth--
    }
    this.deepest = deepest
    this.depth = depth
    this.inString = inString
    this.escaped = escaped
    this.closed = deepest > 0 && depth <= 0
  }
}
