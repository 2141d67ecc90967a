import { assert, describe, it } from "@effect/vitest"
import * as json from "../../../src/internal/json/values.ts"

describe("json.merge", () => {
  it("merges objects deeply and replaces everything else", () => {
    assert.deepStrictEqual(
      json.merge({ a: { b: 1, c: [1] }, d: 1 }, { a: { c: [2], e: null }, d: { f: 1 } }),
      { a: { b: 1, c: [2], e: null }, d: { f: 1 } }
    )
  })
})

describe("json.parseArguments", () => {
  it("takes nothing for no arguments and null for what is no JSON", () => {
    assert.deepStrictEqual(json.parseArguments("  "), {})
    assert.deepStrictEqual(json.parseArguments("{\"a\":1}"), { a: 1 })
    assert.isNull(json.parseArguments("null"))
    assert.isNull(json.parseArguments("{\"a\": \"cut"))
  })
})

describe("json.parse", () => {
  it("refuses what readers could not follow", () => {
    assert.isUndefined(json.parse("[".repeat(200_000) + "]".repeat(200_000)))
    assert.isNull(json.parseArguments("{\"a\":".repeat(20_000) + "1" + "}".repeat(20_000)))
    assert.isArray(json.parse("[".repeat(400) + "]".repeat(400)))
  })
})
