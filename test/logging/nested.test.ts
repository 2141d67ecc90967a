/** Two logs: one around the members of a cascade, one around the cascade. */
import { NodeContext } from "@effect/platform-node"
import { assert, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { Cascade, LLM, LLMError } from "../../src/index.ts"
import * as Logging from "../../src/logging/Logging.ts"
import { type Entry, RequestLog } from "../../src/logging/RequestLog.ts"
import { TestLLM } from "../../src/testing/index.ts"

const into = (rows: Array<Entry>) =>
  Layer.succeed(RequestLog, { write: (batch) => Effect.sync(() => void rows.push(...batch)) })
const usage = { inputTokens: 10, outputTokens: 5 }
const overloaded = new LLMError.ProviderError({ provider: "a", model: "m", reason: new LLMError.Overloaded() })

it.scoped("the rows of the members are what was billed; the cascade's row is all of a call", () =>
  Effect.gen(function*() {
    const inner: Array<Entry> = []
    const outer: Array<Entry> = []
    const member = (provider: string, entry: TestLLM.Entry) =>
      Layer.fresh(Logging.layer()).pipe(
        Layer.provide(TestLLM.layer([entry], { provider })),
        Layer.provide([into(inner), NodeContext.layer])
      )
    const live = Layer.fresh(Logging.layer()).pipe(
      Layer.provide(Cascade.layer([member("a", overloaded), member("b", TestLLM.text("Hi", { usage }))])),
      Layer.provide([into(outer), NodeContext.layer])
    )
    const answer = yield* Effect.scoped(
      Effect.flatMap(Layer.build(live), (context) => Effect.provide(LLM.generateText({ prompt: "Hello" }), context))
    )
    const told = (rows: ReadonlyArray<Entry>) => rows.map((row) => [row.provider, row.status, row.inputTokens]).sort()
    assert.deepStrictEqual(told(inner), [["a", "error", 0], ["b", "success", 10]])
    assert.deepStrictEqual(told(outer), [["b", "success", 10]])
    const idsOf = (rows: ReadonlyArray<Entry>, provider: string) =>
      rows.filter((row) => row.provider === provider).map(({ requestId }) => requestId)
    assert.deepStrictEqual([idsOf(inner, "b"), idsOf(outer, "b")], [[answer.requestId], [answer.requestId]])
    // Or it would be taken for the other's row.
    assert.notInclude(idsOf(inner, "a"), answer.requestId)
  }))
