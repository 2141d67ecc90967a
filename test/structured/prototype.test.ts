import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { LLM } from "../../src/index.ts"
import { merge } from "../../src/internal/json/values.ts"
import { TestLLM } from "../../src/testing/index.ts"

const hostile = "{\"name\":\"Ada\",\"map\":{\"__proto__\":{\"admin\":true},\"x\":{\"admin\":false}}}"

describe("__proto__ in what a model writes", () => {
  const schema = Schema.Struct({
    name: Schema.String,
    map: Schema.Record({ key: Schema.String, value: Schema.Struct({ admin: Schema.Boolean }) })
  })

  const untouched = (map: object) => {
    assert.strictEqual(Object.getPrototypeOf(map), Object.prototype)
    assert.isFalse("admin" in map)
    assert.isFalse("admin" in {})
  }

  it.effect("never becomes a prototype, through Schema.Record, whole and streamed", () =>
    Effect.gen(function*() {
      const one = yield* LLM.generateObject({ prompt: "Hello", schema })
      untouched(one.content.map)
      const streamed = yield* LLM.collect(LLM.streamObject({ prompt: "Hello", schema }))
      untouched(streamed.content.map)
    }).pipe(Effect.provide(TestLLM.layer(() => hostile, { repeat: true }))))

  it("merging keeps it a plain field", () => {
    const merged = merge(
      { a: 1 },
      JSON.parse("{\"__proto__\":{\"admin\":true},\"b\":{\"__proto__\":{\"admin\":true}}}")
    )
    untouched(merged)
    untouched(merge({ b: {} }, JSON.parse("{\"b\":{\"__proto__\":{\"admin\":true}}}"))["b"] as object)
  })
})
