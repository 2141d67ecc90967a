/** The text of an answer as it is shown while it grows, against the value that is decoded of the whole. */
import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import { restore } from "../../../src/internal/schema/restore.ts"
import { RestoredText } from "../../../src/internal/schema/restoredText.ts"
import type { JsonObject, JsonValue } from "../../../src/Prompt.ts"

const place: JsonObject = {
  type: "object",
  properties: {
    name: { type: "string" },
    note: { type: "string" },
    height: { type: ["number", "null"] },
    near: { type: "array", items: { $ref: "#/$defs/place" } },
    by: { type: "object", additionalProperties: { $ref: "#/$defs/place" } },
    pair: { type: "array", prefixItems: [{ type: "string" }, { $ref: "#/$defs/place" }] }
  },
  required: ["name"]
}
const schema: JsonObject = { ...place, $defs: { place } }

const word = fc.oneof(fc.string({ maxLength: 8 }), fc.constantFrom("null", "\\", "\"", "{\"note\":null}", "],", "🎉"))
const { value } = fc.letrec<{ readonly value: JsonValue }>((tie) => ({
  value: fc.record(
    {
      name: fc.option(word),
      note: fc.option(word),
      "no\"te": fc.constant(null),
      height: fc.option(fc.double({ noNaN: true, noDefaultInfinity: true })),
      near: fc.option(fc.array(fc.option(tie("value")), { maxLength: 2 })),
      by: fc.option(fc.dictionary(word, fc.option(tie("value")), { maxKeys: 2 })),
      pair: fc.option(fc.tuple(fc.option(word), fc.option(tie("value"))))
    },
    { requiredKeys: [] }
    // All that is in it is JSON.
  ).map((made) => made as JsonValue)
}))

const shown = (text: string, sizes: ReadonlyArray<number>, root = schema, takesLists = false): string => {
  const restored = new RestoredText(root, { takesLists })
  let out = ""
  for (let from = 0, i = 0; from < text.length; i++) {
    const size = sizes[i % sizes.length] ?? 1
    out += restored.push(text.slice(from, from + size))
    from += size
  }
  return out
}

const sizes = fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 5 })

describe("text that grows", () => {
  it("comes to the value that is decoded, however it is cut and laid out", () =>
    fc.assert(
      fc.property(value, sizes, fc.constantFrom(0, 2), fc.constantFrom("", "\n```", "\n\nThat is all."), (
        written,
        cut,
        indent,
        after
      ) => {
        const text = shown(`${indent === 0 ? "" : "\n"}${JSON.stringify(written, null, indent)}${after}`, cut)
        assert.deepStrictEqual(JSON.parse(text), restore(schema, schema, JSON.parse(JSON.stringify(written))))
      }),
      { numRuns: 500 }
    ))

  it("goes out as it came where nothing is absent", () =>
    fc.assert(fc.property(fc.jsonValue(), sizes, (written, cut) => {
      const text = JSON.stringify({ written }, null, 2)
      assert.strictEqual(shown(text, cut), text)
      const list = JSON.stringify([written])
      assert.strictEqual(shown(list, cut, {}, true), list)
    })))

  it("shows at once what cannot change any more", () => {
    const restored = new RestoredText(schema, { takesLists: false })
    assert.strictEqual(restored.push("{\"name\": \"Pa"), "{\"name\": \"Pa")
    assert.strictEqual(restored.push("ris\", \"note\": nul"), "ris\"")
    assert.strictEqual(restored.push("l, \"height\": null"), ", \"height\": null")
    assert.strictEqual(restored.push(" }"), " }")
  })

  it("is none of a value where it begins with words, and what is broken stays as it is", () => {
    const words = new RestoredText(schema, { takesLists: false })
    assert.strictEqual(words.push("  ```json\n{\"name\":1}"), "")
    assert.isTrue(words.isForeign)
    assert.strictEqual(new RestoredText(schema, { takesLists: false }).push("[1]"), "")
    assert.strictEqual(shown("{\"name\" \"x\", \"note\": null}", [3]), "{\"name\" \"x\", \"note\": null}")
    assert.strictEqual(shown("{name: null}", [1]), "{name: null}")
    assert.strictEqual(shown("{\"note\": nothing}", [4]), "{\"note\": nothing}")
  })
})
