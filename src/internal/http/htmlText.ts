/** What a proxy's error page says, without its tags. Every character is read once. */

const hidden: ReadonlyArray<string> = ["script", "style"]

/** So much of a page is looked at: what it says is at its beginning. */
const maxPage = 32_768

export const htmlText = (body: string): string => {
  const page = body.slice(0, maxPage)
  const lower = page.toLowerCase()
  if (!lower.includes("<html") && !lower.includes("<!doctype")) return body
  const pieces: Array<string> = []
  for (let at = 0; at < page.length;) {
    const open = page.indexOf("<", at)
    if (open < 0) {
      pieces.push(page.slice(at))
      break
    }
    pieces.push(page.slice(at, open))
    const tag = hidden.find((name) => lower.startsWith(name, open + 1))
    const close = tag === undefined ? open : lower.indexOf(`</${tag}`, open)
    // What is not closed says nothing more.
    const end = close < 0 ? -1 : page.indexOf(">", close)
    if (end < 0) break
    at = end + 1
  }
  return pieces.join(" ").split(/\s/).filter((word) => word !== "").join(" ")
}
