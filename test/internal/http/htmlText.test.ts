import { assert, describe, it } from "@effect/vitest"
import { htmlText } from "../../../src/internal/http/htmlText.ts"

describe("htmlText", () => {
  it("is what a page says, and any other text as it is", () => {
    assert.strictEqual(
      htmlText("<!DOCTYPE html><html><STYLE>a{}</STYLE><h1>502 Bad\n Gateway</h1><script>1 < 2</script><p>nginx</p>"),
      "502 Bad Gateway nginx"
    )
    assert.strictEqual(htmlText("no page: 1 < 2"), "no page: 1 < 2")
  })

  it.each(["<", ">", "<script>", "<style", "</script", "<a ", " ", "\n", "&", "\""])(
    "searches no further than the head of a page, however it is made: %j",
    (unit) => {
      let searches = 0
      const { indexOf } = String.prototype
      const counted = Object.assign(String.prototype, {
        indexOf(this: string, text: string, from?: number) {
          searches++
          return indexOf.call(this, text, from)
        }
      })
      try {
        htmlText(`<html>${unit.repeat(5_000_000 / unit.length)}`)
      } finally {
        Object.assign(counted, { indexOf })
      }
      assert.isBelow(searches, 100_000)
    }
  )
})
