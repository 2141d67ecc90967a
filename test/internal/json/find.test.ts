import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import { find } from "../../../src/internal/json/find.ts"
import { outerShape } from "../../../src/internal/schema/outerShape.ts"

const value = (text: string) => {
  const found = find(text)
  return found._tag === "Found" ? found.value : `none: ${found.message}`
}

describe("find", () => {
  it("takes the text as it is before it looks for anything inside", () => {
    assert.deepStrictEqual(value("{\"code\": \"```json\\n[1]\\n```\"}"), { code: "```json\n[1]\n```" })
    assert.strictEqual(value("\"[1]\""), "[1]")
    assert.strictEqual(value(" 12 "), 12)
  })

  it("looks inside a fence, with and without a language", () => {
    assert.deepStrictEqual(value("Here you are:\n```json\n{\"a\": 1}\n```\nDone."), { a: 1 })
    assert.deepStrictEqual(value("```\n[1, 2]\n```"), [1, 2])
  })

  it("takes the last value out of prose, brackets in strings not counted", () => {
    assert.deepStrictEqual(value("Not {\"c\": 2}, the answer is {\"a\": \"}{\", \"b\": [\"]\"]} as you see."), {
      a: "}{",
      b: ["]"]
    })
  })

  it.each<[text: string, expected: unknown]>([
    ["<think>{\"name\":\"wrong\"}</think>{\"name\":\"Ada\"}", { name: "Ada" }],
    ["<think>a</think>\n<reasoning>{}</reasoning> {\"name\":\"Ada\"}", { name: "Ada" }],
    ["Perhaps {\"name\":\"wrong\"}</think>\n\n{\"name\":\"Ada\"}", { name: "Ada" }],
    ["<think>It is {\"name\":\"Ada\"}", { name: "Ada" }],
    ["{\"html\":\"<think>{}</think>\"}", { html: "<think>{}</think>" }],
    ["For example {\"name\":\"X\"}. The answer: {\"name\":\"Ada\"}", { name: "Ada" }],
    ["The answer: {\"name\":\"Ada\"}. Unlike {\"nome\":\"X\"} or [1].", { name: "Ada" }],
    ["As said [ above: {\"name\":\"Ada\"}", { name: "Ada" }],
    ["It is 5\" [wide {\"name\":\"Ada\"}", { name: "Ada" }],
    ["A { is no \"{ object: {\"name\":\"Ada\"}", { name: "Ada" }],
    ["```python\nprint({\"name\": 1})\n```\n```json\n{\"name\":\"Ada\"}\n```", { name: "Ada" }],
    ["```json\n{\"name\":\"Ada\"}\n```\nRun it:\n```\n{\"name\":\"X\"}\n```", { name: "Ada" }],
    ["```json\n{\"name\":\"X\"}\n```\nNo:\n```json\n{\"name\":\"Ada\"}\n```", { name: "Ada" }],
    ["```json\n{\"name\":\"```js\\n1\\n```\"}\n```", { name: "```js\n1\n```" }],
    ["```json {\"name\":\"Ada\"}``` it is", { name: "Ada" }],
    ["```json\n{\"name\":\"Ada\"}", { name: "Ada" }],
    ["```python\nx = 1\n```json\n{\"name\":\"Ada\"}\n```", { name: "Ada" }]
  ])("%j", (text, expected) => {
    const found = find(text, outerShape({ type: "object", required: [Object.keys(Object(expected))[0] ?? ""] }))
    assert.deepStrictEqual(found._tag === "Found" ? found.value : found.message, expected)
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

describe("find, on what was made to be slow", () => {
  // Every look at a character goes through one of these.
  const looks = (text: string): number => {
    let count = 0
    const { charAt, charCodeAt } = String.prototype
    const counted = <A>(look: (at: number) => A) =>
      function(this: string, at: number): A {
        count++
        return look.call(this, at)
      }
    const instrument = (methods: Pick<string, "charAt" | "charCodeAt">) => Object.assign(String.prototype, methods)
    instrument({ charAt: counted(charAt), charCodeAt: counted(charCodeAt) })
    try {
      find(text)
    } finally {
      instrument({ charAt, charCodeAt })
    }
    return count
  }
  const awkward = [
    "{",
    "[",
    "[[{",
    "{\"a\":",
    "[\"",
    "\"",
    "```",
    "```json\n",
    "\n```a",
    "\n ```",
    "<think>",
    "</think>",
    "{]",
    "[1,",
    "\\"
  ]

  it.each(awkward)("looks at each character a few times: %j", (unit) => {
    const size = 100_000
    const text = unit.repeat(size / unit.length)
    for (const given of [text, `a ${text}`, `${text} {"a":1}`, `\`\`\`json\n${text}`]) {
      assert.isBelow(looks(given) / given.length, 40)
    }
  })
})
