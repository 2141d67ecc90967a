import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import * as headers from "../../../src/internal/http/headers.ts"

const ok = (checked: headers.Checked) => checked._tag === "Ok" ? checked.headers : checked

describe("headers.merge", () => {
  it("lets later sources win whatever the case of the name", () => {
    assert.deepStrictEqual(ok(headers.merge({ "X-A": "1", b: "1" }, { "x-a": "2" }, [["X-a", "3"]])), {
      "x-a": "3",
      b: "1"
    })
  })

  it.each(["a\r\nb: c", "a\nb", "\u0000", "snowman ☃"])("refuses the value %j without repeating it", (value) => {
    const checked = headers.merge({ "X-Key": value })
    assert.strictEqual(checked._tag, "Invalid")
    if (checked._tag === "Invalid") {
      assert.strictEqual(checked.header, "x-key")
      assert.notInclude(checked.message, value)
    }
  })

  it("refuses a name that is none", () => {
    assert.strictEqual(headers.merge({ "a b": "1" })._tag, "Invalid")
    assert.strictEqual(headers.merge({ "": "1" })._tag, "Invalid")
  })

  const name = fc.constantFrom("x-a", "X-A", "X-a", "authorization", "Authorization", "x-b", "X-B")
  const source = fc.dictionary(name, fc.stringMatching(/^[ -~]{0,10}$/), { noNullPrototype: true })

  it.prop(
    "gives each name the value of the last source that has it",
    [fc.array(source, { maxLength: 4 })],
    ([sources]) => {
      const merged = ok(headers.merge(...sources))
      const expected = new Map(
        sources.flatMap((one) => Object.entries(one).map(([key, value]) => [key.toLowerCase(), value]))
      )
      assert.deepStrictEqual(merged, Object.fromEntries(expected))
    }
  )
})
