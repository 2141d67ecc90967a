/** Testing a program that asks a model: scripted answers without HTTP, and a real server with faults on demand. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as LLM from "effect-majordomo/LLM"
import * as FakeProvider from "effect-majordomo/testing/FakeProvider"
import * as TestLLM from "effect-majordomo/testing/TestLLM"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
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
