/** Names that were mistyped. */

/** The known name that takes the fewest edits, if they are few enough to be a slip. */
export const closest = (name: string, known: ReadonlyArray<string>): string | undefined => {
  let best: string | undefined
  let least = Math.max(1, Math.floor(name.length / 3)) + 1
  for (const one of known) {
    const distance = editDistance(name.toLowerCase(), one.toLowerCase())
    if (distance < least) {
      best = one
      least = distance
    }
  }
  return best
}

/** `; did you mean "x"? There is a, b, c`. */
export const suggestion = (name: string, known: ReadonlyArray<string>): string => {
  const near = closest(name, known)
  const all = known.length === 0 ? "there is none" : `there is ${known.join(", ")}`
  return near === undefined ? `; ${all}` : `; did you mean "${near}"? ${all[0]?.toUpperCase()}${all.slice(1)}`
}

const editDistance = (a: string, b: string): number => {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const swap = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(swap, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}
