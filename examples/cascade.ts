/** Failover: the primary is down, the second answers, and the answer lists every attempt. */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect } from "effect"
import { Cascade, LLM, Response } from "effect-majordomo"
import { FakeProvider } from "effect-majordomo/testing"
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

program.pipe(
  Effect.provide(Cascade.layer([
    anthropic(FakeProvider.status(529), FakeProvider.inBandError()),
    openai(FakeProvider.text("The second is here."), FakeProvider.text("And here."))
  ])),
  NodeRuntime.runMain
)
