import { assert, describe, it } from "@effect/vitest"
import { Encoding } from "effect"
import { Prompt } from "../../../src/index.ts"
import * as base64 from "../../../src/internal/bytes/base64.ts"
import { withoutMedia } from "../../../src/internal/json/withoutMedia.ts"
import { toBase64 } from "../../../src/internal/wires/parts.ts"

describe("base64", () => {
  it("of any bytes is what Effect's encoder gives, also of a part of a larger buffer", () => {
    const all = Uint8Array.from({ length: 1000 }, (_, i) => i * 7)
    for (const bytes of [all, all.subarray(3, 500), new Uint8Array()]) {
      assert.strictEqual(base64.encode(bytes), Encoding.encodeBase64(bytes))
    }
  })

  it("of a picture is made once", () => {
    let reads = 0
    const bytes = new Uint8Array([1, 2, 3])
    const { media } = Prompt.image(bytes)
    const counted = {
      ...media,
      get bytes() {
        reads++
        return bytes
      }
    }
    if (counted.type !== "bytes") return assert.fail("no bytes")
    const once = { ...counted, type: "bytes" as const }
    assert.strictEqual(toBase64(once), toBase64(once))
    assert.isAtMost(reads, 1)
  })
})

it("media is not written where nobody reads it", () => {
  const prompt = [
    Prompt.user([
      Prompt.text("What is this?"),
      Prompt.image(Buffer.alloc(1_000_000)),
      Prompt.image("iVBOR".repeat(1000))
    ])
  ]
  const written = withoutMedia(prompt)
  assert.include(written, "What is this?")
  assert.isBelow(written.length, 500)
})
