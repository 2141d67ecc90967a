/** Tokens as they come, an object as it grows, and a stream that is left early. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as LLM from "effect-majordomo/LLM"
import * as FakeProvider from "effect-majordomo/testing/FakeProvider"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { openai } from "./shared.ts"

const Recipe = Schema.Struct({ title: Schema.String, steps: Schema.Array(Schema.String) })

const program = Effect.gen(function*() {
  // Only the text.
  yield* LLM.streamText({ prompt: "Tell me a story." }).pipe(
    LLM.textOf,
    Stream.runForEach((delta) => Effect.sync(() => process.stdout.write(delta)))
  )
  yield* Console.log("")

  // Every part; the last one is the answer with usage and cost.
  const answer = yield* LLM.streamText({ prompt: "And another." }).pipe(
    Stream.tap((part) => Console.log(part._tag)),
    LLM.collect
  )
  yield* Console.log(`${answer.usage.outputTokens} tokens, first after`, answer.timeToFirstToken)

  // An object that grows.
  yield* LLM.streamObject({ prompt: "How do I boil an egg?", schema: Recipe }).pipe(
    Stream.runForEach((part) =>
      part._tag === "ObjectDelta"
        ? Console.log("so far:", JSON.stringify(part.partial))
        : part._tag === "Finish"
        ? Console.log("decoded:", part.response.content.title)
        : Effect.void
    )
  )

  // Leaving early closes the connection: no token is paid for that nobody reads.
  const start = yield* LLM.streamText({ prompt: "Recite everything." }).pipe(
    LLM.textOf,
    Stream.take(2),
    Stream.mkString
  )
  yield* Console.log(`read only: ${start}`)
})

program.pipe(
  Effect.provide(openai(
    FakeProvider.text("Once upon a time there was a layer."),
    FakeProvider.text("It was provided once, at the edge."),
    FakeProvider.json({ title: "Boiled egg", steps: ["Boil water", "Wait seven minutes"] }),
    FakeProvider.text("Everything, beginning with the first word of the first book.")
  )),
  NodeRuntime.runMain
)
