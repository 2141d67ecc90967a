import { assert, describe, it } from "@effect/vitest"
import { Chunk, Effect, FastCheck as fc, Schema, Stream } from "effect"
import { LLM } from "../../../src/index.ts"
import { ReasoningFilter, withoutReasoning } from "../../../src/internal/json/reasoning.ts"
import { TestLLM } from "../../../src/testing/index.ts"

const Person = Schema.Struct({ name: Schema.String })

describe("reasoning in the text", () => {
  it.effect("is never shown as an object that grows", () =>
    Effect.gen(function*() {
      const text = " <think>{\"name\":\"wrong\"}</think>\n<think>{\"name\":\"worse\"}</think> {\"name\":\"Ada\"}"
      for (const size of [1, 3, 1000]) {
        const chunks = text.match(new RegExp(`[\\s\\S]{1,${size}}`, "g")) ?? []
        const parts = yield* Stream.runCollect(LLM.streamObject({ prompt: "Who?", schema: Person })).pipe(
          Effect.provide(TestLLM.layer([TestLLM.text(text, { chunks })]))
        )
        const shown = Chunk.toReadonlyArray(parts).flatMap((part) => part._tag === "ObjectDelta" ? [part.partial] : [])
        assert.notMatch(JSON.stringify(shown), /w/)
        assert.deepStrictEqual(shown.at(-1), { name: "Ada" })
      }
    }))

  it.prop("a text that grows loses what a whole one loses", [
    fc.array(fc.constantFrom("<think>", "</think>", "<thinking>", "</thinking>", "<thin", "{}", " ", "a")),
    fc.integer({ min: 1, max: 9 })
  ], ([pieces, size]) => {
    const text = pieces.join("").trim()
    // Only of a whole text is it known that a tag opens nothing, or is opened by none.
    fc.pre(!/^(?:<think>|<thinking>)/.test(withoutReasoning(text)) && !/^(?!<think)[\s\S]*<\/think/.test(text))
    const filter = new ReasoningFilter()
    let shown = ""
    for (let at = 0; at < text.length; at += size) shown += filter.push(text.slice(at, at + size))
    const whole = withoutReasoning(text)
    assert.isTrue(shown.trim() === whole || ("<thinking>".startsWith(whole) && shown === ""))
  })
})
