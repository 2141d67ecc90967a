/** Hooks and the cache, as types. */
import type { Persistence } from "@effect/experimental"
import type { HttpClient } from "@effect/platform"
import { Context, Data, Effect, type Layer } from "effect"
import type { LLMError } from "effect-majordomo"
import { Cascade, Hooks, LLM, OpenAI } from "effect-majordomo"
import * as Cache from "effect-majordomo/Cache"
import { describe, expect, it } from "tstyche"

class Store extends Context.Tag("Store")<Store, { readonly n: number }>() {}
class Broken extends Data.TaggedError("Broken")<{}> {}

describe("Hooks.layer", () => {
  it("needs and fails with what its hooks do, and the model", () => {
    const regex = Hooks.regex({ pattern: /a/, action: "redact", on: "both" })
    expect(Hooks.layer([regex])).type.toBe<Layer.Layer<LLM.LLM, never, LLM.LLM>>()
    expect(Hooks.layer([
      Hooks.regex({ patterns: [/a/], action: "block", on: "before" }),
      Hooks.make({ name: "own", before: () => Effect.as(Store, Hooks.pass) })
    ])).type.toBe<Layer.Layer<LLM.LLM, never, LLM.LLM | Store>>()
    expect(Hooks.layer([Hooks.judge({ llm: OpenAI.layer({ model: "m" }), criteria: "", on: "after" })])).type.toBe<
      Layer.Layer<LLM.LLM, LLMError.ConfigurationError, LLM.LLM | HttpClient.HttpClient>
    >()
    expect(Hooks.layer([regex], { onVerdicts: () => Effect.zipRight(Store, new Broken()) })).type.toBe<
      Layer.Layer<LLM.LLM, never, LLM.LLM | Store>
    >()
  })

  it("keeps its types inside a cascade", () => {
    const regex = Hooks.regex({ pattern: /a/, action: "redact", on: "both" })
    expect(Cascade.layer([Hooks.layer([regex]), Hooks.layer([Hooks.make({ name: "none" })])])).type.toBe<
      Layer.Layer<LLM.LLM, never, LLM.LLM>
    >()
  })

  it("wants patterns, and decisions that fit the phase", () => {
    expect(Hooks.regex).type.not.toBeCallableWith({ action: "redact", on: "both" })
    expect(Hooks.make).type.toBeCallableWith({
      name: "a",
      before: () => Effect.succeed(Hooks.rewrite({ prompt: "b" }))
    })
    expect(Hooks.make).type.not.toBeCallableWith({ name: "a", before: () => Effect.succeed(Hooks.rewrite(1)) })
    expect(Hooks.make).type.toBeCallableWith({ name: "a", after: () => Effect.succeed(Hooks.rewrite(1)) })
    expect(Hooks.make).type.not.toBeCallableWith({ name: "a", after: () => Effect.succeed("pass") })
  })
})

describe("Cache", () => {
  it("needs a model and a store, and cannot fail", () => {
    expect(Cache.layer()).type.toBe<Layer.Layer<LLM.LLM, never, LLM.LLM | Persistence.ResultPersistence>>()
    const effect = LLM.generateText({ prompt: "" })
    expect(effect.pipe(Cache.bypass)).type.toBe<typeof effect>()
    const stream = LLM.streamText({ prompt: "" })
    expect(stream.pipe(Cache.bypass)).type.toBe<typeof stream>()
  })
})
