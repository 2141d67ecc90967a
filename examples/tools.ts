/** Tools with handlers: Effects with their own errors and requirements, run side by side. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Cost from "effect-majordomo/Cost"
import * as LLM from "effect-majordomo/LLM"
import * as Output from "effect-majordomo/Output"
import * as FakeProvider from "effect-majordomo/testing/FakeProvider"
import * as Tool from "effect-majordomo/Tool"
import * as Console from "effect/Console"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { openai } from "./shared.ts"

class Unknown extends Data.TaggedError("Unknown")<{ readonly message: string }> {}

class Stations
  extends Context.Tag("Stations")<Stations, { readonly read: (city: string) => Effect.Effect<number, Unknown> }>()
{}

const weather = Tool.make({
  name: "weather",
  description: "The temperature in a city, in °C",
  parameters: Schema.Struct({ city: Schema.String }),
  handler: ({ city }) =>
    Effect.map(Effect.flatMap(Stations, (stations) => stations.read(city)), (celsius) => ({ celsius }))
})

const program = Effect.gen(function*() {
  // Needs `Stations`, because the handler does.
  const answer = yield* LLM.runTools({
    prompt: "Is it warmer in Rome or in Oslo?",
    tools: [weather],
    maxSteps: 4,
    output: Output.object(Schema.Struct({ warmer: Schema.String }))
  })
  yield* Console.log(answer.content.warmer, `in ${answer.steps.length} steps`)
  yield* Console.log("cost of all steps:", Option.map(answer.cost, Cost.format))
  for (const message of answer.messages) yield* Console.log(message.role, JSON.stringify(message.content))
})

const stations = Layer.succeed(Stations, {
  read: (city) => city === "Rome" ? Effect.succeed(21) : Effect.fail(new Unknown({ message: `no station in ${city}` }))
})

program.pipe(
  Effect.provide(openai(
    FakeProvider.toolCalls([
      { name: "weather", arguments: { city: "Rome" } },
      { name: "weather", arguments: { city: "Oslo" } }
    ]),
    FakeProvider.json({ warmer: "Rome" })
  )),
  Effect.provide(stations),
  NodeRuntime.runMain
)
