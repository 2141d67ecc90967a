/** Testing a program that asks a model: scripted answers without HTTP, and a real server with faults on demand. */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect } from "effect"
import { LLM } from "effect-majordomo"
import { FakeProvider, TestLLM } from "effect-majordomo/testing"
import { openai } from "./shared.ts"

/** The program under test. */
const summarise = (text: string) =>
  LLM.generateText({ prompt: text, system: "Summarise in one line.", maxTokens: 60 }).pipe(
    Effect.map(({ text }) => text.trim()),
    Effect.catchTag("ContentFilteredError", () => Effect.succeed("(withheld)"))
  )

const withScript = Effect.gen(function*() {
  yield* Console.log(yield* summarise("A long text"))
  const [call] = yield* TestLLM.requests
  yield* Console.log("asked with", call?.request.system, call?.request.maxTokens)
}).pipe(Effect.provide(TestLLM.layer([" A short text. "])))

const withFaults = Effect.gen(function*() {
  yield* Console.log(yield* summarise("Something forbidden"))
  yield* Console.log(yield* summarise("Something else"))
}).pipe(Effect.provide(openai(FakeProvider.refusal("No."), FakeProvider.reset(), FakeProvider.text("After a reset."))))

Effect.all([withScript, withFaults]).pipe(NodeRuntime.runMain)
