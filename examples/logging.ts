/** Every call leaves a row, also the ones that fail or are given up; the file has them when the program ends. */
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as FileSystem from "@effect/platform/FileSystem"
import * as LLM from "effect-majordomo/LLM"
import * as JsonLinesRequestLog from "effect-majordomo/logging/JsonLinesRequestLog"
import * as Logging from "effect-majordomo/logging/Logging"
import * as FakeProvider from "effect-majordomo/testing/FakeProvider"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
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
