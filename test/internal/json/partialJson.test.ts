import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import { PartialJson } from "../../../src/internal/json/partialJson.ts"
import type { JsonValue } from "../../../src/Prompt.ts"

const snapshots = (pieces: ReadonlyArray<string>): ReadonlyArray<JsonValue> => {
  const parser = new PartialJson()
  return pieces.flatMap((piece) => {
    parser.push(piece)
    const snapshot = parser.snapshot()
    return snapshot === undefined ? [] : [snapshot]
  })
}

const cut = (text: string, points: ReadonlyArray<number>): ReadonlyArray<string> => {
  const ends = [...new Set([...points.map((point) => point % (text.length + 1)), text.length])].sort((a, b) => a - b)
  return ends.map((end, i) => text.slice(ends[i - 1] ?? 0, end))
}

/** What is shown later holds all that was shown before: strings and arrays only grow, fields never go away. */
const grows = (before: JsonValue, after: JsonValue): boolean => {
  if (typeof before === "string") return typeof after === "string" && after.startsWith(before)
  if (before === null || typeof before !== "object") return Object.is(before, after)
  if (Array.isArray(before)) {
    return Array.isArray(after) && before.every((item, i) => after[i] !== undefined && grows(item, after[i]))
  }
  return typeof after === "object" && after !== null && !Array.isArray(after) &&
    Object.entries(before).every(([key, value]) => {
      const later = Object.getOwnPropertyDescriptor(after, key)?.value
      return later !== undefined && grows(value, later)
    })
}

const container = fc.oneof(
  fc.array(fc.jsonValue({ maxDepth: 4 }), { maxLength: 6 }),
  fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 4 }), { maxKeys: 6, noNullPrototype: true })
)

describe("PartialJson", () => {
  it("shows fields when their value begins, text as it grows, numbers when they are complete", () => {
    assert.deepStrictEqual(
      snapshots(["{\"na", "me\": \"A", "da\", \"age\": 3", "6, \"tags\": [\"x", "\", tr", "ue]}"]),
      [
        {},
        { name: "A" },
        { name: "Ada" },
        { name: "Ada", age: 36, tags: ["x"] },
        { name: "Ada", age: 36, tags: ["x", true] }
      ]
    )
  })

  it("passes over prose and fences before the value, and stops after it", () => {
    assert.deepStrictEqual(snapshots(["Sure: ```json\n{\"a\": 1}\n``` and {\"b\": 2}"]), [{ a: 1 }])
  })

  it("shows nothing more once the text is no JSON", () => {
    assert.deepStrictEqual(snapshots(["{\"a\": 1, ", "b: 2}", "{\"c\": 3}"]), [{ a: 1 }])
  })

  it("keeps __proto__ a plain field", () => {
    const [value] = snapshots(["{\"__proto__\": {\"x\": 1}}"])
    assert.strictEqual(JSON.stringify(value), "{\"__proto__\":{\"x\":1}}")
    assert.isUndefined(Object.getPrototypeOf(value)["x"])
  })

  it.prop("ends with what JSON.parse reads, and only grows on the way", [
    container,
    fc.constantFrom(undefined, 1),
    fc.array(fc.nat(5000), { maxLength: 40 })
  ], ([value, indent, points]) => {
    const text = JSON.stringify(value, null, indent)
    const seen = snapshots(cut(text, points))
    assert.deepStrictEqual(seen.at(-1), JSON.parse(text))
    for (const [i, snapshot] of seen.entries()) {
      const before = seen[i - 1]
      if (before !== undefined) {
        assert.isTrue(grows(before, snapshot), `${JSON.stringify(before)} → ${JSON.stringify(snapshot)}`)
      }
    }
  }, { fastCheck: { numRuns: 500 } })

  it.prop("reads any escaped string one character at a time", [fc.string({ unit: "binary" })], ([value]) => {
    const escaped = `{"v":"${
      [...value].map((char) =>
        [...Array(char.length).keys()].map((i) => `\\u${char.charCodeAt(i).toString(16).padStart(4, "0")}`).join("")
      ).join("")
    }"}`
    assert.deepStrictEqual(snapshots([...escaped]).at(-1), { v: value })
  })

  it("never writes to a snapshot that was handed out", () => {
    const parser = new PartialJson()
    parser.push("{\"items\": [{\"a\": [1")
    parser.push(", 2")
    const first = parser.snapshot()
    const frozen = JSON.stringify(first)
    parser.push(", 3]}, {\"a\": []}]}")
    assert.strictEqual(JSON.stringify(first), frozen)
    assert.deepStrictEqual(parser.snapshot(), { items: [{ a: [1, 2, 3] }, { a: [] }] })
  })
})
