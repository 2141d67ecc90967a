/** A list of prices that is not there when it is wanted: a file that is missing in a bundle, a disk that fails. */
import { assert, it } from "@effect/vitest"
import { Effect, Layer, Option, Redacted } from "effect"
import { LLM, OpenAICompatible } from "../src/index.ts"
import { lists } from "../src/internal/pricing/lists.ts"
import { jsonResponse, stub } from "./stub.ts"

const list = "a list of this test"

/** A list like any other, whose loading fails so many times. */
const failing = (times: number) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      let tries = 0
      Reflect.set(lists, list, () => ++tries <= times ? Promise.reject(new Error("no such file")) : lists["arcee"]?.())
    }),
    () => Effect.sync(() => Reflect.deleteProperty(lists, list))
  )

const answer = () =>
  jsonResponse({
    id: "c",
    model: "deepseek/deepseek-v4-pro",
    choices: [{ message: { content: "Hello" }, finish_reason: "stop" }],
    usage: { prompt_tokens: 1_000_000, completion_tokens: 0 }
  })

it.scoped("an answer without its price list has no cost, and says so; the next one has the list", () =>
  Effect.gen(function*() {
    // Beside the request, and when the price is wanted.
    yield* failing(2)
    const live = OpenAICompatible.layer({
      model: "deepseek/deepseek-v4-pro",
      baseUrl: "http://localhost:1",
      apiKey: Redacted.make("k-123456"),
      prices: list
    }).pipe(Layer.provide(stub(answer).layer))
    const ask = Effect.provide(LLM.generateText({ prompt: "Hello" }), live)
    const first = yield* ask
    assert.strictEqual(first.text, "Hello")
    assert.isTrue(Option.isNone(first.cost))
    assert.deepStrictEqual(first.warnings.map(({ code }) => code), ["unknown-price"])
    const second = yield* ask
    assert.deepStrictEqual(Option.map(second.cost, ({ total }) => total), Option.some(1.74))
  }))
