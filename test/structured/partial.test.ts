import { assert, describe, it } from "@effect/vitest"
import { PartialJson } from "../../src/internal/json/partialJson.ts"
import type { JsonValue } from "../../src/Prompt.ts"

/** Entries of the containers that were still open: those are copied for every snapshot, what is complete is shared. */
const copied = (value: JsonValue, before: Set<JsonValue>): number => {
  if (typeof value !== "object" || value === null || before.has(value)) return 0
  before.add(value)
  const inside: ReadonlyArray<JsonValue> = Object.values(value)
  return 1 + inside.length + inside.reduce<number>((sum, item) => sum + copied(item, before), 0)
}

const cost = (text: string, piece: number): { readonly copied: number; readonly snapshots: number } => {
  const parser = new PartialJson()
  const before = new Set<JsonValue>()
  let [sum, snapshots] = [0, 0]
  for (let i = 0; i < text.length; i += piece) {
    parser.push(text.slice(i, i + piece))
    const snapshot = parser.snapshot()
    if (snapshot === undefined) continue
    snapshots++
    sum += copied(snapshot, before)
  }
  return { copied: sum, snapshots }
}

const list = <A>(n: number, item: (i: number) => A): ReadonlyArray<A> => Array.from({ length: n }, (_, i) => item(i))

const texts: ReadonlyArray<readonly [name: string, text: (n: number) => string]> = [
  ["a list of numbers", (n) => JSON.stringify(list(n, (i) => i % 10))],
  ["a list of objects", (n) => JSON.stringify({ value: list(n, (i) => ({ id: i % 10, tags: ["a", "b"] })) })],
  ["an object of many fields", (n) => JSON.stringify(Object.fromEntries(list(n, (i) => [`k${10_000 + i}`, true])))],
  ["lists of lists", (n) => JSON.stringify(list(n, (i) => list(i % 7, (j) => [j])))],
  [
    "a long list below a long list",
    (n) => JSON.stringify([list(n, () => 0), list(n, () => 0), { a: list(n, () => 0) }])
  ],
  ["one long text", (n) => JSON.stringify({ text: "word ".repeat(n) })]
]

describe("all snapshots of an answer together", () => {
  for (const [name, text] of texts) {
    for (const piece of [1, 37]) {
      it(`copy as much as the text is long: ${name}, ${piece} characters at a time`, () => {
        const [short, long] = [cost(text(2000), piece), cost(text(20_000), piece)]
        const factor = text(20_000).length / text(2000).length
        assert.isAtMost(long.copied / short.copied, 1.2 * factor)
        assert.isAtMost(long.copied, 12 * text(20_000).length)
        // Few enough to be linear, yet enough to show progress.
        assert.isAbove(long.snapshots, 20)
      })
    }
  }
})
