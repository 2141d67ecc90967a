/** Rows in columns, numbers to the right. */
import { oneLine } from "./screen.ts"

export interface Column {
  readonly title: string
  readonly align?: "left" | "right" | undefined
}

export interface Style {
  readonly bold: (text: string) => string
  readonly faint: (text: string) => string
  readonly accent: (text: string) => string
}

const between = (code: number, end: number) => (text: string) =>
  text === "" ? text : `\u001b[${code}m${text}\u001b[${end}m`
const plain = (text: string) => text

export const styleOf = (isColoured: boolean): Style =>
  isColoured
    ? { bold: between(1, 22), faint: between(2, 22), accent: between(36, 39) }
    : { bold: plain, faint: plain, accent: plain }

/** What a terminal has, at least for letters: wide ones take two cells. */
const widthOf = (text: string): number => {
  let width = 0
  for (const character of text) width += wide.test(character) ? 2 : /\p{M}/u.test(character) ? 0 : 1
  return width
}

const wide = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Emoji_Presentation}]/u

const maxWidth = 60

const clipped = (text: string): string => {
  const clean = oneLine(text)
  return clean.length <= maxWidth ? clean : `${clean.slice(0, maxWidth - 1)}…`
}

/** Lines: titles, rows. The last rows, `totals` of them, are set off. */
export const lines = (
  columns: ReadonlyArray<Column>,
  rows: ReadonlyArray<ReadonlyArray<string>>,
  style: Style,
  totals = 0
): ReadonlyArray<string> => {
  const cells = [columns.map(({ title }) => title), ...rows].map((row) => row.map(clipped))
  const widths = columns.map((_, index) => Math.max(...cells.map((row) => widthOf(row[index] ?? ""))))
  return cells.map((row, at) => {
    const padded = columns.map(({ align }, index) => {
      const text = row[index] ?? ""
      const space = " ".repeat((widths[index] ?? 0) - widthOf(text))
      return align === "right" ? `${space}${text}` : `${text}${space}`
    })
    const line = padded.join("  ").trimEnd()
    return at === 0 ? style.faint(line) : at >= cells.length - totals ? style.bold(line) : line
  })
}

const eighths = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"]

/** A bar of a share (0 to 1) of so many cells. */
export const bar = (share: number, cells: number): string => {
  const filled = Math.round(share * cells * 8)
  return "█".repeat(filled >> 3) + (eighths[filled & 7] ?? "")
}

// oxlint-disable-next-line no-control-regex -- the codes that colour a terminal
const codes = /\u001b\[[0-9;]*m/g
// oxlint-disable-next-line no-control-regex -- one of them
const code = /^\u001b\[[0-9;]*m/

/** A line that a terminal of this width shows in one; colours take no room. */
export const fitted = (line: string, width: number | undefined): string => {
  if (width === undefined) return line
  let shown = ""
  let used = 0
  let isCut = false
  const whole = widthOf(line.replaceAll(codes, ""))
  if (whole <= width) return line
  for (let rest = line; rest !== "";) {
    const colour = code.exec(rest)?.[0]
    const next = colour ?? String.fromCodePoint(rest.codePointAt(0) ?? 32)
    rest = rest.slice(next.length)
    if (colour !== undefined) shown += colour
    else if (!isCut && used + widthOf(next) > width - 1) {
      shown += "…"
      isCut = true
    } else if (!isCut) {
      shown += next
      used += widthOf(next)
    }
  }
  return shown
}
