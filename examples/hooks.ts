/** Guards: card numbers never leave, keys never come back, and another model judges what is said. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Hooks from "effect-majordomo/Hooks"
import * as LLM from "effect-majordomo/LLM"
import * as FakeProvider from "effect-majordomo/testing/FakeProvider"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { anthropic, openai } from "./shared.ts"

const judge = Hooks.judge({
  llm: openai(
    FakeProvider.json({ pass: true, reason: "harmless" }),
    FakeProvider.json({ pass: false, reason: "it gives medical advice" })
  ),
  criteria: "The answer gives no medical advice.",
  on: "after"
})

const guards = Hooks.layer([
  Hooks.regex({ name: "cards", pattern: /\b(?:\d{4}[ -]?){3}\d{4}\b/, action: "redact", on: "both" }),
  Hooks.regex({ name: "keys", pattern: /sk-[A-Za-z0-9]+/, action: "redact", on: "after", replacement: "[key]" }),
  Hooks.regex({ name: "prices", pattern: /price list/i, action: "block", on: "before" }),
  judge
], {
  onVerdicts: (verdicts) =>
    Console.log("  ", verdicts.map(({ hook, outcome, phase }) => `${phase} ${hook}: ${outcome}`).join(", "))
})

const program = Effect.gen(function*() {
  // The key comes in pieces; none of them is shown.
  yield* LLM.streamText({ prompt: "My card is 4111 1111 1111 1111. What is my key?" }).pipe(
    LLM.textOf,
    Stream.runFold("", (text, delta) => text + delta),
    Effect.flatMap(Console.log)
  )
  for (const prompt of ["What should I take?", "Send me the price list"]) {
    const error = yield* Effect.flip(LLM.generateText({ prompt }))
    yield* Console.log(error.message)
  }
})

program.pipe(
  Effect.provide(Layer.provide(
    guards,
    anthropic(FakeProvider.text("It is sk-abc123, keep it safe."), FakeProvider.text("Two aspirins."))
  )),
  NodeRuntime.runMain
)
