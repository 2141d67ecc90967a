/** A response cache: the second time costs nothing. The store is memory here; files, LMDB and Redis are other layers. */
import * as Persistence from "@effect/experimental/Persistence"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Cache from "effect-majordomo/Cache"
import * as Cost from "effect-majordomo/Cost"
import * as LLM from "effect-majordomo/LLM"
import * as FakeProvider from "effect-majordomo/testing/FakeProvider"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { anthropic } from "./shared.ts"

const show = (prompt: string) =>
  Effect.flatMap(
    LLM.generateText({ prompt }),
    ({ cached, cost, text }) =>
      Console.log(
        text,
        cached === true ? "(cached)" : "(asked)",
        Option.getOrElse(Option.map(cost, Cost.format), () => "")
      )
  )

const program = Effect.gen(function*() {
  yield* show("Hello")
  yield* show("Hello")
  yield* show("Hello").pipe(Cache.bypass)
  yield* LLM.streamText({ prompt: "Hello" }).pipe(
    Stream.runForEach((part) => Console.log(part._tag))
  )
})

const live = Cache.layer({ timeToLive: "1 hour" }).pipe(
  Layer.provide(anthropic(FakeProvider.text("Good morning."), FakeProvider.text("Good evening."))),
  Layer.provide(Persistence.layerResultMemory)
)

program.pipe(Effect.provide(live), NodeRuntime.runMain)
