/** Failover: the primary is down, breaks off or is slow; the second answers, and the answer lists every attempt. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Cascade from "effect-majordomo/Cascade"
import * as LLM from "effect-majordomo/LLM"
import * as Response from "effect-majordomo/Response"
import * as FakeProvider from "effect-majordomo/testing/FakeProvider"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { anthropic, openai } from "./shared.ts"

const program = Effect.gen(function*() {
  const answer = yield* LLM.generateText({ prompt: "Hello" })
  yield* Console.log(`${answer.provider}: ${answer.text}`)
  yield* Console.log(Response.describeAttempts(answer.attempts))

  // A stream moves on too, until its first part is out.
  const streamed = yield* LLM.collect(LLM.streamText({ prompt: "Hello again" }))
  yield* Console.log(`${streamed.provider}: ${streamed.text}`)
  yield* Console.log(Response.describeAttempts(streamed.attempts))
})

/** The second one goes on where the first breaks off. */
const continued = Stream.runForEach(
  LLM.streamText({ prompt: "Tell me a story" }),
  (part) =>
    part._tag === "TextDelta"
      ? Console.log(part.delta)
      : part._tag === "Seam"
      ? Console.log(`[${part.from.provider} broke off (${part.error}), ${part.to.provider} goes on]`)
      : Effect.void
).pipe(
  Effect.provide(Cascade.layer([
    anthropic(FakeProvider.reset({ afterEvents: 2, reply: FakeProvider.text("Once upon a time there was") })),
    openai(FakeProvider.text("a library."))
  ], { midStream: "continue" }))
)

/** A slow provider gets company. */
const hedged = Effect.flatMap(
  LLM.generateText({ prompt: "Quick!" }),
  ({ attempts }) => Console.log(Response.describeAttempts(attempts))
).pipe(
  Effect.provide(Cascade.layer([
    anthropic(FakeProvider.stall({ before: "headers" })),
    openai(FakeProvider.text("Here."))
  ], { hedge: { after: "100 millis" } }))
)

program.pipe(
  Effect.provide(Cascade.layer([
    anthropic(FakeProvider.status(529), FakeProvider.inBandError()),
    openai(FakeProvider.text("The second is here."), FakeProvider.text("And here."))
  ])),
  Effect.zipRight(continued),
  Effect.zipRight(hedged),
  NodeRuntime.runMain
)
