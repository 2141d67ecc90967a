import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import { crc32 } from "../../src/internal/bytes/crc32.ts"
import * as frames from "../../src/logging/internal/frames.ts"

const texts = fc.array(fc.string({ maxLength: 40, unit: "binary" }), { maxLength: 12 })

describe("records of a spool file", () => {
  it("come back as they were, in order", () => {
    fc.assert(fc.property(texts, (all) => {
      assert.deepStrictEqual(frames.decode(frames.encode(all)), { texts: all, bad: 0 })
    }))
  })

  it("cut anywhere: every whole record before the cut", () => {
    fc.assert(fc.property(texts, fc.nat(), (all, at) => {
      const bytes = frames.encode(all)
      const cut = bytes.length === 0 ? 0 : at % (bytes.length + 1)
      const ends = all.map((_, i) => frames.encode(all.slice(0, i + 1)).length)
      const { bad, texts } = frames.decode(bytes.subarray(0, cut))
      assert.deepStrictEqual(texts, all.slice(0, ends.filter((end) => end <= cut).length))
      assert.strictEqual(bad, cut === 0 || ends.includes(cut) ? 0 : 1)
    }))
  })

  it("any byte changed: at most that record is lost, and it is told", () => {
    const change = fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 }))
    fc.assert(
      fc.property(fc.array(fc.string({ unit: "binary" }), { minLength: 1, maxLength: 12 }), change, (all, [at, by]) => {
        const bytes = frames.encode(all)
        const place = at % bytes.length
        bytes[place] = (bytes[place] ?? 0) ^ by
        const hit = all.findIndex((_, i) => frames.encode(all.slice(0, i + 1)).length > place)
        const { bad, texts } = frames.decode(bytes)
        assert.deepStrictEqual(texts, all.filter((_, i) => i !== hit))
        assert.strictEqual(bad, 1)
      }),
      { numRuns: 500 }
    )
  })

  it("rubbish between records is skipped", () => {
    fc.assert(fc.property(fc.uint8Array({ minLength: 1, maxLength: 30 }), (rubbish) => {
      const bytes = new Uint8Array([...frames.encode(["a"]), ...rubbish, ...frames.encode(["b"])])
      assert.deepStrictEqual(frames.decode(bytes), { texts: ["a", "b"], bad: 1 })
    }))
  })

  it("whose sum is right and whose text is none stop nobody", () => {
    const [good, bad] = [frames.encode(["good"]), frames.encode(["bad!"])]
    // The bytes of another text that is none, under their own sum.
    bad.set([0xff, 0xfe, 0xfd, 0xfc], bad.length - 4)
    new DataView(bad.buffer).setUint32(8, crc32(bad.subarray(bad.length - 4)))
    const all = new Uint8Array([...good, ...bad, ...good])
    assert.deepStrictEqual(frames.decode(all).texts, ["good", "good"])
    assert.strictEqual(frames.count(all), 3)
  })
})
