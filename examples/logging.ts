/** Every call leaves a row, also the ones that fail or are given up; the file has them when the program ends. */
import { FileSystem } from "@effect/platform"
import { NodeContext, NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer, Stream } from "effect"
import { JsonLinesRequestLog, LLM, Logging } from "effect-majordomo"
import { FakeProvider } from "effect-majordomo/testing"
import { anthropic } from "./shared.ts"

const calls = Effect.gen(function*() {
  yield* LLM.generateText({ prompt: "Hello" })
  yield* Effect.ignore(LLM.generateText({ prompt: "Hello again" }))
  // Its reader has enough after the first part.
  yield* LLM.streamText({ prompt: "Tell me a story" }).pipe(Stream.take(1), Stream.runDrain)
}).pipe(LLM.withMetadata({ feature: "example", userId: "42" }))

const program = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const directory = yield* fs.makeTempDirectoryScoped()
  const path = `${directory}/calls.jsonl`
  const live = Logging.layer({ durability: "durable", spool: { directory: `${directory}/spool` } }).pipe(
    Layer.provide(anthropic(
      FakeProvider.text("Hi."),
      FakeProvider.status(401),
      FakeProvider.text("Once upon a time there was a layer.")
    )),
    Layer.provide(JsonLinesRequestLog.layer({ path }))
  )
  yield* Effect.provide(calls, live)
  for (const line of (yield* fs.readFileString(path)).trim().split("\n")) {
    const { errorType = "", metadata, status, totalCost = "unknown" } = JSON.parse(line)
    yield* Console.log(status, errorType, `$${totalCost}`, metadata["Feature"])
  }
})

program.pipe(Effect.scoped, Effect.provide(NodeContext.layer), NodeRuntime.runMain)
