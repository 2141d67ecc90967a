import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import { Repeated } from "../../../src/internal/json/repeated.ts"
import { parse } from "../../../src/internal/json/values.ts"
import { runs } from "../../runs.ts"

/** Events as a host writes them: one shape, one string that changes, and now and then something else. */
const text = fc.oneof(
  fc.string(),
  fc.string({ unit: fc.constantFrom("\"", "\\", "\n", "a", "{", "}", ":", ",", "é", "\u2028") }),
  fc.constantFrom("__proto__", "content", "\",\"content\":\"", "\u{10fffd}effect-majordomo\u{10fffd}")
)

const shape = fc.record({
  fixed: fc.dictionary(fc.oneof(text, fc.constant("__proto__")), fc.oneof(fc.jsonValue(), text), { maxKeys: 3 }),
  key: fc.oneof(fc.constant("content"), fc.constant("__proto__"), text),
  depth: fc.integer({ min: 0, max: 3 }),
  spaced: fc.boolean()
})

const event = (of: typeof shape extends fc.Arbitrary<infer A> ? A : never, own: string): string => {
  let inner = `${JSON.stringify(of.key)}:${of.spaced ? " " : ""}${JSON.stringify(own)}`
  for (let depth = 0; depth < of.depth; depth++) inner = `"a":[{${inner}}]`
  const fixed = JSON.stringify(of.fixed)
  return fixed === "{}" ? `{${inner}}` : `${fixed.slice(0, -1)},${inner}}`
}

describe("events that are alike", () => {
  it("give what a parser gives, whatever changes in them", () => {
    fc.assert(
      fc.property(
        fc.array(shape, { minLength: 1, maxLength: 3 }),
        fc.array(fc.tuple(fc.nat(), text, fc.integer({ min: 0, max: 9 })), { minLength: 1, maxLength: 40 }),
        (shapes, events) => {
          const repeated = new Repeated()
          for (const [which, own, odd] of events) {
            const of = shapes[odd === 0 ? which % shapes.length : 0]
            if (of === undefined) continue
            const written = event(of, own)
            const cut = odd === 1 ? written.slice(0, -1) : written
            assert.deepStrictEqual(repeated.parse(cut), parse(cut), cut)
          }
        }
      ),
      { numRuns: runs(500, 20_000) }
    )
  })

  it("do not share what changes", () => {
    const repeated = new Repeated()
    const seen = ["a", "b", "c", "d"].map((own) => repeated.parse(`{"x":[{"content":"${own}"}],"y":{}}`))
    assert.deepStrictEqual(seen, ["a", "b", "c", "d"].map((own) => ({ x: [{ content: own }], y: {} })))
  })

  it("a name that comes twice counts as it does for a parser", () => {
    const repeated = new Repeated()
    for (const own of ["a", "b", "c"]) {
      const first = `{"content":"${own}","content":"last"}`
      const last = `{"content":"first","content":"${own}"}`
      assert.deepStrictEqual(repeated.parse(first), { content: "last" })
      assert.deepStrictEqual(repeated.parse(last), { content: own })
    }
  })
})
