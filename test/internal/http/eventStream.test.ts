import { assert, describe, it } from "@effect/vitest"
import { Int64 } from "@smithy/eventstream-codec"
import { FastCheck as fc } from "effect"
import * as eventStream from "../../../src/internal/http/eventStream.ts"
import { FramingError, type WireEvent } from "../../../src/internal/http/framing.ts"
import { event, exception, frame, join } from "../../frames.ts"

const read = (pieces: ReadonlyArray<Uint8Array>, maxEventBytes = 1_000_000): ReadonlyArray<WireEvent> => {
  const framing = eventStream.make({ maxEventBytes })
  return [...pieces.flatMap((piece) => [...framing.push(piece)]), ...framing.end()]
}

const cut = (bytes: Uint8Array, points: ReadonlyArray<number>): ReadonlyArray<Uint8Array> => {
  const ends = [...new Set([...points.map((point) => point % (bytes.length + 1)), bytes.length])].sort((a, b) => a - b)
  return ends.map((end, i) => bytes.slice(ends[i - 1] ?? 0, end))
}

const damaged = (bytes: Uint8Array, at: number): Uint8Array =>
  bytes.map((byte, i) => i === (at < 0 ? bytes.length + at : at) ? byte ^ 1 : byte)

describe("event stream", () => {
  it("reads events, exceptions and errors; passes over messages of another kind", () => {
    const text = (value: string) => ({ type: "string", value }) as const
    assert.deepStrictEqual(
      read([
        event("messageStart", { role: "assistant" }),
        exception("throttlingException", { message: "slow" }),
        frame({ ":message-type": text("error"), ":error-code": text("Broken"), ":error-message": text("why") }, ""),
        frame({ ":message-type": text("news") }, "{}"),
        frame({}, "{}")
      ]),
      [
        { event: "messageStart", data: "{\"role\":\"assistant\"}" },
        { event: "exception:throttlingException", data: "{\"message\":\"slow\"}" },
        { event: "exception:Broken", data: "{\"message\":\"why\"}" }
      ]
    )
  })

  it("passes over headers of every other type", () => {
    const bytes = frame({
      yes: { type: "boolean", value: true },
      no: { type: "boolean", value: false },
      byte: { type: "byte", value: 1 },
      short: { type: "short", value: 2 },
      integer: { type: "integer", value: 3 },
      long: { type: "long", value: Int64.fromNumber(4) },
      binary: { type: "binary", value: new Uint8Array([1, 2, 3]) },
      timestamp: { type: "timestamp", value: new Date(0) },
      uuid: { type: "uuid", value: "00000000-0000-4000-8000-000000000000" },
      ":message-type": { type: "string", value: "event" },
      ":event-type": { type: "string", value: "a" }
    }, "é")
    assert.deepStrictEqual(read([bytes]), [{ event: "a", data: "é" }])
  })

  it.prop("gives the same events however the bytes are cut", [
    fc.array(fc.record({ event: fc.string(), data: fc.string({ unit: "grapheme" }) }), { maxLength: 8 }),
    fc.array(fc.nat(3000), { maxLength: 40 })
  ], ([events, points]) => {
    const source = join(events.map(({ data, event: type }) => event(type, data)))
    const expected = events.map(({ data, event }) => ({ event, data: JSON.stringify(data) }))
    assert.deepStrictEqual(read(cut(source, points)), expected)
  }, { fastCheck: { numRuns: 300 } })

  it("survives a cut at every single byte, also inside the head of a frame", () => {
    const source = join([event("a", "🙂é"), event("b", ""), exception("c", { message: "x" })])
    const whole = read([source])
    assert.strictEqual(whole.length, 3)
    for (let i = 0; i <= source.length; i++) assert.deepStrictEqual(read([source.slice(0, i), source.slice(i)]), whole)
    assert.deepStrictEqual(read(Array.from(source, (byte) => new Uint8Array([byte]))), whole)
  })

  it("notices every damaged byte", () => {
    const bytes = event("a", { text: "hello" })
    for (let i = 0; i < bytes.length; i++) {
      assert.throws(() => read([damaged(bytes, i)]), FramingError, undefined, `${i}`)
    }
    assert.throws(() => read(Array.from(damaged(bytes, -1), (byte) => new Uint8Array([byte]))), FramingError)
  })

  it("gives the events before a damaged frame, then fails for good", () => {
    const framing = eventStream.make({ maxEventBytes: 1000 })
    assert.deepStrictEqual(framing.push(join([event("a", 1), damaged(event("b", 2), -5), event("c", 3)])), [
      { event: "a", data: "1" }
    ])
    assert.throws(() => framing.push(event("d", 4)), FramingError)
    assert.throws(() => framing.end(), FramingError)
  })

  it("refuses a frame past the limit as soon as its head is there", () => {
    const bytes = event("a", "x".repeat(1000))
    const framing = eventStream.make({ maxEventBytes: bytes.length - 1 })
    assert.deepStrictEqual(framing.push(bytes.subarray(0, 11)), [])
    assert.throws(() => framing.push(bytes.subarray(11, 12)), FramingError, /larger/)
    assert.strictEqual(read([bytes], bytes.length).length, 1)
  })

  it("leaves a frame that is cut off unsaid", () => {
    assert.deepStrictEqual(read([event("a", 1), event("b", 2).subarray(0, 30)]), [{ event: "a", data: "1" }])
  })
})
