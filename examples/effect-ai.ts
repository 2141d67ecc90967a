/** A cascade as the `LanguageModel` of `@effect/ai`: its toolkits and chats, our failover and costs. */
import * as LanguageModel from "@effect/ai/LanguageModel"
import * as AiTool from "@effect/ai/Tool"
import * as Toolkit from "@effect/ai/Toolkit"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as EffectAi from "effect-majordomo/adapters/EffectAi"
import * as Cascade from "effect-majordomo/Cascade"
import * as FakeProvider from "effect-majordomo/testing/FakeProvider"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { anthropic, openai } from "./shared.ts"

const weather = AiTool.make("weather", {
  description: "The weather in a city",
  parameters: { city: Schema.String },
  success: Schema.Struct({ celsius: Schema.Number })
})
const tools = Toolkit.make(weather)

const program = Effect.gen(function*() {
  const asked = yield* LanguageModel.generateText({ prompt: "Weather in Rome?", toolkit: tools })
  yield* Console.log(asked.toolResults.map(({ name, result }) => [name, result]))
  const { value } = yield* LanguageModel.generateObject({
    prompt: "Ada, 36",
    schema: Schema.Struct({ name: Schema.String, age: Schema.Number })
  })
  yield* Console.log(value.name, value.age)
  yield* LanguageModel.streamText({ prompt: "Count" }).pipe(
    Stream.runForEach((part) => part.type === "text-delta" ? Console.log(part.delta) : Effect.void)
  )
})

const down = FakeProvider.status(529)
const live = EffectAi.layer.pipe(Layer.provide(Cascade.layer([
  anthropic(down, down, down),
  openai(
    FakeProvider.toolCalls([{ name: "weather", arguments: { city: "Rome" } }]),
    FakeProvider.json({ name: "Ada", age: 36 }),
    FakeProvider.text("one two three")
  )
])))

program.pipe(
  Effect.provide(live),
  Effect.provide(tools.toLayer({ weather: () => Effect.succeed({ celsius: 21 }) })),
  NodeRuntime.runMain
)
