import { assert, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { Cascade, Hooks, LLM, OpenAIChat, Retry } from "../../src/index.ts"
import { chatAnswer, jsonResponse, stub } from "../stub.ts"

it.live("a judge inside a cascade keeps its own retries, a member after which another waits does not", () =>
  Effect.gen(function*() {
    const options = {
      model: "gpt-4.1-mini",
      apiKey: Redacted.make("k-123456"),
      retry: Retry.make({ base: "1 millis" })
    }
    const busy = () => jsonResponse({}, { status: 503 })
    const judges = stub(busy, busy, () => jsonResponse(chatAnswer("{\"reason\":\"fine\",\"pass\":true}")))
    const first = stub(busy)
    const last = stub(() => jsonResponse(chatAnswer("Hello")))
    const judge = Hooks.judge({
      llm: OpenAIChat.layer(options).pipe(Layer.provide(judges.layer)),
      criteria: "polite",
      on: "before",
      failClosed: true
    })
    const member = OpenAIChat.layer(options).pipe(Layer.provide(first.layer))
    const live = Cascade.layer([
      Hooks.layer([judge]).pipe(Layer.provide(member)),
      OpenAIChat.layer(options).pipe(Layer.provide(last.layer))
    ])
    const answer = yield* LLM.generateText({ prompt: "Hi" }).pipe(Effect.provide(live))
    assert.strictEqual(answer.text, "Hello")
    assert.deepStrictEqual([judges, first, last].map(({ sent }) => sent.length), [3, 1, 1])
  }))
