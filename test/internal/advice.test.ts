import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect } from "effect"
import { afterEach, vi } from "vitest"
import { LLM, LLMError } from "../../src/index.ts"
import { TestLLM } from "../../src/testing/index.ts"

afterEach(() => {
  vi.unstubAllGlobals()
})

describe("what an error advises", () => {
  const overloaded = new LLMError.ProviderError({
    provider: "anthropic",
    model: "claude-sonnet-5",
    reason: new LLMError.Overloaded()
  })
  const attempt = (provider: string) => ({ provider, model: "m", duration: Duration.zero, error: "Overloaded" })

  it("is a second provider, unless one was asked already", () => {
    const alone = LLMError.withAttempts(overloaded, [attempt("anthropic"), attempt("anthropic")])
    assert.match(alone.message, /try again later, or add a second provider$/)
    const last = LLMError.withAttempts(overloaded, [attempt("openai"), attempt("anthropic")])
    assert.match(last.message, /try again later$/)
  })

  it.effect("is another way to ask, where code from strings is forbidden", () =>
    Effect.gen(function*() {
      vi.stubGlobal("Function", function() {
        throw new EvalError("Code generation from strings disallowed for this context")
      })
      const asked = LLM.generateJsonSchema({ prompt: "", jsonSchema: { type: "object", title: "forbidden" } })
      const error = yield* Effect.flip(Effect.provide(asked, TestLLM.layer(["{}"])))
      assert.include(error.message, "LLM.generateObject")
    }))
})
