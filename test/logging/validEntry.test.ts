import { assert, describe, it } from "@effect/vitest"
import { Effect, FastCheck as fc, Schema } from "effect"
import { LLM } from "../../src/index.ts"
import * as record from "../../src/logging/internal/record.ts"
import { valid } from "../../src/logging/internal/validEntry.ts"
import * as Logging from "../../src/logging/Logging.ts"
import { Entry } from "../../src/logging/RequestLog.ts"
import { anyEntry } from "./entries.ts"
import { row, scripted } from "./setup.ts"

const id = () => "00000000-0000-7000-8000-00000000beef"
const now = 1_760_000_000_000
const isEntry = Schema.is(Entry)

/** A row with fields that its type does not allow, as plain JavaScript gives them. */
const broken = (fields: Readonly<Record<string, unknown>>): Entry => Object.assign({ ...row(1) }, fields)

describe("a row when it is made", () => {
  it("that is as it should be stays the same object", () => {
    const entry = row(1, { metadata: { Feature: "chat" }, totalCost: "0.000000000001" })
    assert.strictEqual(valid(entry, now, id).entry, entry)
  })

  for (
    const [field, given, kept] of [
      ["inputTokens", 10.5, 11],
      ["inputTokens", -5, 0],
      ["outputTokens", 1e30, Number.MAX_SAFE_INTEGER],
      ["outputTokens", 12n, 12],
      ["cachedTokens", Number.NaN, 0],
      ["responseTime", Infinity, 0],
      ["timestamp", Number.NaN, now],
      ["timestamp", 1e30, 8000 * 365.25 * 86_400_000],
      ["model", "a\ud800b", "a\ufffdb"],
      ["model", "m".repeat(5000), `${"m".repeat(499)}…`],
      ["model", undefined, "unknown"],
      ["totalCost", 0.25, "0.25"],
      ["totalCost", 1e-9, "0.000000001"],
      ["totalCost", "a lot", undefined],
      ["totalCost", `0.${"3".repeat(40)}`, `0.${"3".repeat(24)}`],
      ["statusCode", 1e12, 999],
      ["status", "great", "error"],
      ["requestId", "mine", id()],
      ["attempts", undefined, []]
    ] as const
  ) {
    it(`${field}: ${String(given).slice(0, 20)} is ${String(kept).slice(0, 20)}, and that is said`, () => {
      const { changed, entry } = valid(broken({ [field]: given }), now, id)
      assert.deepStrictEqual(entry[field], kept)
      assert.deepStrictEqual(changed, [field])
      assert.isTrue(isEntry(entry))
    })
  }

  it("counts that had to be changed are not what was billed", () => {
    assert.isTrue(valid(broken({ inputTokens: -5 }), now, id).entry.usagePartial)
  })

  it("whatever is in it, can be written, and comes back from the spool", () => {
    const wild = fc.tuple(
      anyEntry,
      fc.dictionary(fc.constantFrom(...Object.keys(Entry.fields), "other"), fc.anything({ withBigInt: true }))
    )
    fc.assert(fc.property(wild, ([entry, fields]) => {
      const made = valid(Object.assign({ ...entry }, fields), now, id).entry
      const kept = record.decode(record.encode({ entry: made, bodies: undefined }))
      assert.deepStrictEqual(JSON.parse(JSON.stringify(kept?.entry)), JSON.parse(JSON.stringify(made)))
    }))
  })

  it("of a version that did not look is repaired when it is read back", () => {
    const kept = record.decode(JSON.stringify({ ...row(1), inputTokens: 10.5 }))
    assert.deepInclude(kept?.entry, { inputTokens: 11, usagePartial: true })
  })
})

it.scoped("what a redactor makes of a row comes through", () =>
  Effect.gen(function*() {
    const { entries, run } = yield* scripted(["ok"], {
      redact: (entry) => Object.assign({ ...entry }, { inputTokens: 7n, metadata: { n: 1, text: "\ud800" } })
    })
    yield* run(Effect.zipRight(LLM.generateText({ prompt: "Hello" }), Logging.flush))
    const [entry] = yield* entries
    assert.deepInclude(entry, { inputTokens: 7, metadata: { n: "1", text: "\ufffd" } })
  }))
