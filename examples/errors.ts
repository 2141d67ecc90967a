/** Typed errors, retries through Schedule, three timeouts. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as LLM from "effect-majordomo/LLM"
import * as Response from "effect-majordomo/Response"
import * as FakeProvider from "effect-majordomo/testing/FakeProvider"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Match from "effect/Match"
import { anthropic } from "./shared.ts"

const advice = (error: { readonly _tag: string; readonly message: string }) =>
  Console.log(`${error._tag}: ${error.message}`)

const program = Effect.gen(function*() {
  // Two overloads, then an answer: the default policy tries three times.
  const answer = yield* LLM.generateText({ prompt: "Hello" })
  yield* Console.log(Response.describeAttempts(answer.attempts))

  // What another try cannot mend surfaces at once, with its type.
  yield* LLM.generateText({ prompt: "Hello" }).pipe(
    Effect.catchTags({
      ProviderError: (error) =>
        Match.value(error.reason).pipe(
          Match.tag("Authentication", () => Console.log("check the key:", error.message)),
          Match.tag("RateLimited", ({ retryAfter }) => Console.log("later", retryAfter)),
          Match.orElse(() => Effect.fail(error))
        ),
      InvalidRequestError: (error) => Console.log("the request is wrong:", error.parameter)
    })
  )

  yield* Effect.catchAll(LLM.generateText({ prompt: "Something you may not ask" }), advice)

  // The error says which limit was hit.
  yield* Effect.catchAll(
    LLM.collect(LLM.streamText({ prompt: "Hello", timeouts: { betweenTokens: "300 millis" } })),
    advice
  )

  // Refused before anything is sent.
  yield* Effect.catchAll(LLM.generateText({ prompt: "Hello", temperature: Number.NaN }), advice)
})

program.pipe(
  Effect.provide(anthropic(
    FakeProvider.status(529),
    FakeProvider.status(529),
    FakeProvider.text("Here I am."),
    FakeProvider.status(401),
    FakeProvider.refusal("No."),
    FakeProvider.stall({ afterEvents: 1 })
  )),
  NodeRuntime.runMain
)
