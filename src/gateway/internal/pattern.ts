/** Patterns with stars, for what strangers send: piece by piece, since it is no input for regular expressions. */

export const matches = (pattern: string, text: string): boolean => {
  const pieces = pattern.split("*")
  const [first = "", ...others] = pieces
  if (others.length === 0) return pattern === text
  if (!text.startsWith(first)) return false
  let at = first.length
  const last = others.pop() ?? ""
  for (const piece of others) {
    const found = text.indexOf(piece, at)
    if (found < 0) return false
    at = found + piece.length
  }
  return text.length - last.length >= at && text.endsWith(last)
}
