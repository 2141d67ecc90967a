import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import * as json from "../../../src/internal/json/values.ts"

const value = (text: string) => {
  const found = json.find(text)
  return found._tag === "Found" ? found.value : `none: ${found.message}`
}

describe("json.find", () => {
  it("takes the text as it is before it looks for anything inside", () => {
    assert.deepStrictEqual(value("{\"code\": \"```json\\n[1]\\n```\"}"), { code: "```json\n[1]\n```" })
    assert.strictEqual(value("\"[1]\""), "[1]")
    assert.strictEqual(value(" 12 "), 12)
  })

  it("looks inside a fence, with and without a language", () => {
    assert.deepStrictEqual(value("Here you are:\n```json\n{\"a\": 1}\n```\nDone."), { a: 1 })
    assert.deepStrictEqual(value("```\n[1, 2]\n```"), [1, 2])
  })

  it("takes the first balanced value out of prose, brackets in strings not counted", () => {
    assert.deepStrictEqual(value("The answer is {\"a\": \"}{\", \"b\": [\"]\"]} as you see {\"c\": 2}"), {
      a: "}{",
      b: ["]"]
    })
  })

  it("finds nothing in what is cut off, has a trailing comma, or holds no JSON", () => {
    assert.match(String(value("{\"a\": [1, 2")), /^none/)
    assert.match(String(value("{\"a\": 1,}")), /^none/)
    assert.match(String(value("no json here")), /^none/)
  })

  it("does not quote the answer in its message", () => {
    assert.notInclude(String(value("secret-secret {]")), "secret")
  })

  it("refuses what is nested too deep instead of running out of stack", () => {
    const deep = "[".repeat(100_000) + "]".repeat(100_000)
    assert.match(String(value(deep)), /nested deeper than 500/)
    assert.match(String(value(`see ${deep}`)), /nested deeper than 500/)
    assert.isArray(value("[".repeat(400) + "]".repeat(400)))
  })

  it.prop(
    "reads any JSON with any prose around a fence",
    [fc.jsonValue(), fc.constantFrom("json", "")],
    ([given, label]) => {
      const text = JSON.stringify(given)
      assert.deepStrictEqual(value(text), JSON.parse(text))
      if (!text.includes("```")) {
        assert.deepStrictEqual(
          value(`Sure!\n\`\`\`${label}\n${text}\n\`\`\``),
          JSON.parse(text)
        )
      }
    }
  )
})

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
