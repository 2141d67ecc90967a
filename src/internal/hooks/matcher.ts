/**
 * Finds patterns in a text that is still growing. A match is given once nothing to come can change it, so that however
 * the text is cut the same matches come out; for that no match, with what it looks at around itself, may be longer than
 * the window.
 */

export interface Rule {
  /** Global and not sticky: where it searches is set before every search. */
  readonly expression: RegExp
  readonly action: "block" | "warn" | "redact"
  readonly replacement: string
}

export interface Match {
  readonly start: number
  readonly end: number
  readonly rule: Rule
}

export interface Settled {
  /** In order; they may overlap when they are of different rules. */
  readonly matches: ReadonlyArray<Match>
  /** No match that is still to come starts before it. */
  readonly frontier: number
}

interface Search {
  readonly rule: Rule
  /** Where the next match may start at the earliest. */
  next: number
}

/** The part of the text that is done with is dropped in pieces of this size. */
const slack = 1024

export class Matcher {
  private text = ""
  private base = 0
  private readonly searches: ReadonlyArray<Search>
  private readonly window: number
  private ready: ReadonlyArray<Match> = []
  private frontier = 0
  /** While a match reaches the end of the text, there is nothing to look for until there is this much text. */
  private again = 0

  constructor(rules: ReadonlyArray<Rule>, window: number) {
    this.searches = rules.map((rule) => ({ rule, next: 0 }))
    this.window = window
  }

  /** What was pushed so far. */
  get length(): number {
    return this.base + this.text.length
  }

  push(text: string): void {
    this.text += text
  }

  /** What is certain now; `ends` takes the text as complete, though more may follow. */
  settle(ends: boolean): Settled {
    if (!ends && this.length < this.again) return { matches: [], frontier: this.frontier }
    const sure = ends ? this.length : this.boundary(Math.max(0, this.length - this.window - 1))
    const found: Array<Match> = [...this.ready]
    let frontier = this.length
    for (const search of this.searches) frontier = Math.min(frontier, this.advance(search, sure, ends, found))
    found.sort((one, other) => one.start - other.start || other.end - one.end)
    const matches = found.filter((match) => match.start < frontier)
    this.ready = found.slice(matches.length)
    this.frontier = frontier
    this.trim()
    return { matches, frontier }
  }

  /** Adds the matches that start before `sure`; gives where this rule's next one may start. */
  private advance(search: Search, sure: number, ends: boolean, found: Array<Match>): number {
    const { rule } = search
    while (search.next <= this.length) {
      rule.expression.lastIndex = search.next - this.base
      const match = rule.expression.exec(this.text)
      if (match === null) break
      const start = this.base + match.index
      const end = start + match[0].length
      if (start >= sure) break
      if (end === start) {
        search.next = Math.max(search.next, this.after(start))
        continue
      }
      if (!ends && end === this.length && rule.action !== "block") {
        // It may go on. Looking again each time would cost the square of a long match.
        search.next = start
        this.again = end + (end - start) / 8
        return start
      }
      found.push({ start, end, rule })
      search.next = end
    }
    // After an end that was none, a match may have begun before it.
    search.next = Math.max(search.next, ends ? this.boundary(Math.max(0, sure - this.window)) : sure)
    return Math.max(sure, search.next)
  }

  /** The place itself, or the one before it when that would cut a character in two. */
  private boundary(place: number): number {
    const code = this.text.charCodeAt(place - this.base - 1)
    return code >= 0xd800 && code <= 0xdbff ? place - 1 : place
  }

  private after(place: number): number {
    return place + ((this.text.codePointAt(place - this.base) ?? 0) > 0xffff ? 2 : 1)
  }

  /** Keeps as much before the next match as patterns may look back. */
  private trim(): void {
    let from = this.length
    for (const search of this.searches) from = Math.min(from, search.next)
    const dropped = from - this.window - 1 - this.base
    if (dropped < slack) return
    this.text = this.text.slice(dropped)
    this.base += dropped
  }
}
