import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import { FramingError, type WireEvent } from "../../../src/internal/http/framing.ts"
import * as sse from "../../../src/internal/http/sse.ts"

const encoder = new TextEncoder()

const read = (pieces: ReadonlyArray<Uint8Array>, maxEventBytes = 1_000_000): ReadonlyArray<WireEvent> => {
  const framing = sse.make({ maxEventBytes })
  return [...pieces.flatMap((piece) => [...framing.push(piece)]), ...framing.end()]
}

const cut = (bytes: Uint8Array, points: ReadonlyArray<number>): ReadonlyArray<Uint8Array> => {
  const ends = [...new Set([...points.map((point) => point % (bytes.length + 1)), bytes.length])].sort((a, b) => a - b)
  return ends.map((end, i) => bytes.slice(ends[i - 1] ?? 0, end))
}

const text = (source: string) => read([encoder.encode(source)])

describe("sse", () => {
  it("reads events, multi-line data, comments and fields without a space", () => {
    assert.deepStrictEqual(text(": hello\nevent: a\ndata: 1\ndata:2\nid: 7\nretry: 10\n\n:ping\n\ndata\n\n"), [
      { event: "a", data: "1\n2" },
      { event: "", data: "" }
    ])
  })

  it("passes over a BOM at the start only", () => {
    assert.deepStrictEqual(text("\ufeffdata: \ufeffx\n\n"), [{ event: "", data: "\ufeffx" }])
  })

  it("keeps the last event when its blank line, or its line end, is missing", () => {
    assert.deepStrictEqual(text("data: 1\n\ndata: 2\n"), [{ event: "", data: "1" }, { event: "", data: "2" }])
    assert.deepStrictEqual(text("data: 1\n\ndata: é"), [{ event: "", data: "1" }, { event: "", data: "é" }])
  })

  it("does not let the name of one event leak into the next", () => {
    assert.deepStrictEqual(text("event: ping\n\ndata: 1\n\n"), [{ event: "", data: "1" }])
  })

  it("replaces broken UTF-8 instead of failing", () => {
    const broken = new Uint8Array([...encoder.encode("data: a"), 0xc3, 0x28, 0x0a, 0x0a])
    assert.deepStrictEqual(read([broken]), [{ event: "", data: "a\ufffd(" }])
    assert.deepStrictEqual(read([new Uint8Array([...encoder.encode("data: a"), 0xe2, 0x82])]), [
      { event: "", data: "a\ufffd" }
    ])
  })

  it("refuses an event past the limit, on one line, over many lines, and before its line ends", () => {
    const limit = (source: string) => assert.throws(() => read([encoder.encode(source)], 100), FramingError)
    limit(`data: ${"x".repeat(101)}\n\n`)
    limit(Array.from({ length: 20 }, () => "data: 123456\n").join(""))
    limit(`data: ${"x".repeat(200)}`)
    assert.strictEqual(read([encoder.encode(`data: ${"x".repeat(90)}\n\n`.repeat(20))], 100).length, 20)
  })

  const lineEnd = fc.constantFrom("\n", "\r\n", "\r")
  const payload = fc.string({ unit: "grapheme", maxLength: 20 }).map((value) => value.replace(/[\r\n\ufeff]/g, ""))
  const event = fc.record({
    event: fc.constantFrom("", "message", "error"),
    lines: fc.array(payload, { minLength: 1, maxLength: 3 }),
    comment: fc.boolean()
  })

  it.prop("gives the same events however the bytes are cut", [
    fc.array(event, { maxLength: 8 }),
    lineEnd,
    fc.array(fc.nat(2000), { maxLength: 40 })
  ], ([events, eol, points]) => {
    const source = events.map(({ comment, event, lines }) =>
      [
        ...(comment ? [": keep-alive"] : []),
        ...(event === "" ? [] : [`event: ${event}`]),
        ...lines.map((line) => `data: ${line}`),
        "",
        ""
      ].join(eol)
    ).join("")
    const expected = events.map(({ event, lines }) => ({ event, data: lines.join("\n") }))
    assert.deepStrictEqual(read(cut(encoder.encode(source), points)), expected)
  }, { fastCheck: { numRuns: 500 } })

  it("survives a cut at every single byte", () => {
    const source = encoder.encode("\ufeffevent: a\r\ndata: 🙂é\r\ndata: b\r\n\r\n: c\r\rdata: \"x\"\n\ndata: end")
    const whole = read([source])
    for (let i = 0; i <= source.length; i++) assert.deepStrictEqual(read([source.slice(0, i), source.slice(i)]), whole)
    assert.deepStrictEqual(read(Array.from(source, (byte) => new Uint8Array([byte]))), whole)
  })
})
