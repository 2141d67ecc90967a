import { assert, describe, it } from "@effect/vitest"
import { Encoding, Schema } from "effect"
import { Prompt } from "../../../src/index.ts"
import { mediaTypeOf } from "../../../src/internal/wires/parts.ts"

const bytes = (...parts: ReadonlyArray<string | ReadonlyArray<number>>) =>
  Uint8Array.from(
    parts.flatMap((part) => typeof part === "string" ? Array.from(part, (char) => char.charCodeAt(0)) : [...part])
  )

const known: ReadonlyArray<readonly [string, Uint8Array]> = [
  ["image/png", bytes([0x89], "PNG\r\n", [0x1a, 0x0a])],
  ["image/jpeg", bytes([0xff, 0xd8, 0xff, 0xe0])],
  ["image/gif", bytes("GIF89a")],
  ["image/webp", bytes("RIFF", [1, 2, 3, 4], "WEBPVP8 ")],
  ["audio/wav", bytes("RIFF", [1, 2, 3, 4], "WAVEfmt ")],
  ["audio/mpeg", bytes("ID3", [4, 0, 0])],
  ["audio/mpeg", bytes([0xff, 0xfb, 0x90, 0])],
  ["audio/ogg", bytes("OggS", [0])],
  ["audio/flac", bytes("fLaC", [0])],
  ["application/pdf", bytes("%PDF-1.7\n")],
  ["video/mp4", bytes([0, 0, 0, 0x18], "ftypisom")],
  ["image/avif", bytes([0, 0, 0, 0x18], "ftypavif")],
  ["image/heic", bytes([0, 0, 0, 0x18], "ftypheic")]
]

describe("media types", () => {
  it.each(known)("%s from bytes, and from the same in base64", (mediaType, content) => {
    assert.strictEqual(Prompt.image(content).mediaType, mediaType)
    assert.strictEqual(Prompt.image(Encoding.encodeBase64(content)).mediaType, mediaType)
    assert.strictEqual(Prompt.file(content).mediaType, mediaType)
  })

  it("the caller's word counts, then the bytes, then the label of a data: address, then the name", () => {
    const png = bytes([0x89], "PNG\r\n", [0x1a, 0x0a])
    assert.strictEqual(Prompt.file(png, { mediaType: "x/y", filename: "a.pdf" }).mediaType, "x/y")
    assert.strictEqual(Prompt.file(png, { filename: "a.pdf" }).mediaType, "image/png")
    assert.strictEqual(Prompt.file("data:audio/aac;base64,AAAA").mediaType, "audio/aac")
    assert.strictEqual(
      Prompt.image(`data:image/jpeg;base64,${Encoding.encodeBase64(png)}`).mediaType,
      "image/png",
      "a label that the bytes belie"
    )
    assert.strictEqual(Prompt.file(bytes("a,b\n"), { filename: "Table.CSV" }).mediaType, "text/csv")
    assert.strictEqual(Prompt.file("https://example.com/a/talk.mp3?x=1.pdf#y").mediaType, "audio/mpeg")
    assert.strictEqual(Prompt.file(bytes("what")).mediaType, "application/octet-stream")
    assert.isUndefined(Prompt.image(bytes("what")).mediaType)
  })

  it("a picture that was stored without a type is looked at again", () => {
    const jpeg = bytes([0xff, 0xd8, 0xff, 0xe0])
    const stored = Schema.decodeUnknownSync(Prompt.ImagePart)({
      type: "image",
      media: { type: "bytes", bytes: Encoding.encodeBase64(jpeg) }
    })
    assert.strictEqual(mediaTypeOf(stored), "image/jpeg")
    assert.strictEqual(mediaTypeOf(Prompt.image("gs://bucket/a.webp")), "image/webp")
    assert.isUndefined(mediaTypeOf(Prompt.image("gs://bucket/a")))
  })
})
