import { assert, describe, it } from "@effect/vitest"
import { Chunk, Effect, Layer, Redacted, Schema, Stream } from "effect"
import { blockProblems } from "../../scripts/conformance/blocks.ts"
import { Anthropic, Cascade, LLM, LLMError, OpenAI, Prompt, Usage } from "../../src/index.ts"
import { FakeProvider, TestLLM } from "../../src/testing/index.ts"
import * as UndiciHttpClient from "../../src/UndiciHttpClient.ts"

const reset = new LLMError.ProviderError({ provider: "a", model: "m", reason: new LLMError.Transport() })
const broken = (text: string) => TestLLM.text(text, { failure: reset })

const cascade = (...entries: ReadonlyArray<TestLLM.Entry>) => {
  const asked: Array<LLM.Request<unknown, unknown>> = []
  const members = entries.map((entry, index) =>
    TestLLM.layer((request) => {
      asked.push(request)
      return entry
    }, { provider: "abc".charAt(index) })
  )
  const [first, ...others] = members
  if (first === undefined) throw new Error("no members")
  return { asked, live: Cascade.layer([first, ...others], { midStream: "continue" }) }
}

const read = (live: Layer.Layer<LLM.LLM>) =>
  Stream.runCollect(LLM.streamText({ prompt: "Count to six" })).pipe(
    Effect.map(Chunk.toReadonlyArray),
    Effect.provide(live)
  )

describe("midStream: continue", () => {
  it.effect("the next member goes on with the text; the parts show where, the answer is one", () =>
    Effect.gen(function*() {
      const usage = { inputTokens: 10, outputTokens: 4 }
      const { asked, live } = cascade(broken("one two three "), TestLLM.text("four five six", { usage }))
      const parts = yield* read(live)
      const shown = parts.map((part) =>
        part._tag === "TextDelta" ? part.delta
          : part._tag === "Seam" ? `[${part.from.provider}>${part.to.provider}]` : ""
      ).join("")
      assert.strictEqual(shown, "one two three [a>b]four five six")
      const seam = parts.find((part) => part._tag === "Seam")
      assert.deepInclude(seam, { error: "Transport", at: 14 })

      const last = parts.at(-1)
      const response = last?._tag === "Finish" ? last.response : undefined
      assert.strictEqual(response?.content, "one two three four five six")
      assert.strictEqual(response?.text, response?.content)
      assert.deepStrictEqual(response?.message, Prompt.assistant([Prompt.text("one two three four five six")]))
      assert.deepStrictEqual(response?.attempts.map(({ error, provider }) => [provider, error]), [
        ["a", "Transport"],
        ["b", undefined]
      ])
      assert.deepStrictEqual(blockProblems(parts), [])
      assert.deepStrictEqual(response?.warnings.map(({ code }) => code), ["cost-incomplete", "continued"])

      // The text ends without space, which some wires refuse.
      assert.deepStrictEqual(asked[1]?.prompt, [Prompt.user("Count to six"), Prompt.assistant("one two three")])
    }))

  it.effect.each<[shown: string, next: ReadonlyArray<string>, whole: string]>([
    ["one ", [" ", "four"], "one four"],
    ["one ", ["four"], "one four"],
    ["one", [" ", "two"], "one two"],
    ["def f():\n", ["\n", "    return 1"], "def f():\n    return 1"],
    ["def f():\n", ["    return 1"], "def f():\n    return 1"],
    ["def f():\n  ", ["\n    ", "return 1"], "def f():\n    return 1"],
    ["- a\n", ["\n", "  ", "- b"], "- a\n  - b"],
    ["one.\n", ["\n\n", "two."], "one.\n\ntwo."],
    ["one.\n\n", ["\n", "two."], "one.\n\ntwo."],
    ["one ", ["\n", "  ", "four"], "one \n  four"]
  ])(
    "space at the seam that was shown is not shown again, any other is kept: %j, %j",
    ([shown, next, whole]) =>
      Effect.gen(function*() {
        const { live } = cascade(broken(shown), TestLLM.text("", { chunks: next }))
        const { text } = yield* LLM.collect(LLM.streamText({ prompt: "Hi" })).pipe(Effect.provide(live))
        assert.strictEqual(text, whole)
      })
  )

  it.effect("several seams; when nobody is left, the error of the first break has all of the text", () =>
    Effect.gen(function*() {
      const { live } = cascade(broken("one "), broken("two "), TestLLM.text("three"))
      const parts = yield* read(live)
      assert.strictEqual(parts.filter((part) => part._tag === "Seam").length, 2)
      const last = parts.at(-1)
      assert.strictEqual(last?._tag === "Finish" ? last.response.text : "", "one two three")

      const failing = cascade(broken("one "), broken("two "))
      const error = yield* Effect.flip(read(failing.live))
      assert.strictEqual(error._tag === "ProviderError" ? error.partial : "", "one two ")
    }))

  it.effect("a continuation that is refused leaves the first error", () =>
    Effect.gen(function*() {
      const invalid = new LLMError.InvalidRequestError({
        provider: "b",
        model: "m",
        reason: "Rejected",
        description: "no prefill"
      })
      const { asked, live } = cascade(broken("one "), invalid, TestLLM.text("never"))
      const error = yield* Effect.flip(read(live))
      assert.strictEqual(LLMError.tagOf(error), "Transport")
      assert.lengthOf(asked, 2)
    }))

  it.effect("values and tool calls that broke off are not continued", () =>
    Effect.gen(function*() {
      const object = cascade(broken("{\"name\": \"A"), TestLLM.object({ name: "Ada" }))
      const schema = Schema.Struct({ name: Schema.String })
      const failed = yield* Effect.flip(
        LLM.collect(LLM.streamObject({ prompt: "Who?", schema })).pipe(Effect.provide(object.live))
      )
      assert.strictEqual(LLMError.tagOf(failed), "Transport")

      const calling = cascade(
        TestLLM.toolCalls([{ name: "add", arguments: { a: 1 } }], { failure: reset }),
        TestLLM.text("never")
      )
      assert.strictEqual(LLMError.tagOf(yield* Effect.flip(read(calling.live))), "Transport")
      assert.deepStrictEqual([object.asked.length, calling.asked.length], [1, 1])
    }))

  it.scopedLive("over the wire: the conversation ends with the assistant's words, and usage adds up", () =>
    Effect.gen(function*() {
      const primary = yield* FakeProvider.make()
      const backup = yield* FakeProvider.make()
      yield* primary.script(FakeProvider.reset({ afterEvents: 4 }))
      yield* backup.script(FakeProvider.text("and the rest", { usage: { inputTokens: 7, outputTokens: 3 } }))
      const apiKey = Redacted.make("k")
      const live = Cascade.layer([
        Anthropic.layer({ model: "claude-sonnet-4-5", baseUrl: primary.url, apiKey }),
        OpenAI.layer({ model: "gpt-4.1", baseUrl: backup.url, apiKey })
      ], { midStream: "continue" }).pipe(Layer.provide(UndiciHttpClient.layer))
      const answer = yield* LLM.collect(LLM.streamText({ prompt: "Tell me" })).pipe(Effect.provide(live))
      const [request] = yield* backup.requests
      const said = answer.text.slice(0, -"and the rest".length)
      assert.isNotEmpty(said.trim())
      assert.include(JSON.stringify(request?.body), JSON.stringify(said.trimEnd()))
      assert.isAtLeast(answer.usage.inputTokens, Usage.empty.inputTokens + 7)
      assert.deepStrictEqual(answer.attempts.map(({ provider }) => provider), ["anthropic", "openai"])
    }))
})
