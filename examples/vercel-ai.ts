/** A cascade as a model of the AI SDK: its tools and loops, our failover and costs. */
import { generateText, isStepCount, streamText, tool } from "ai"
import * as VercelAi from "effect-majordomo/adapters/VercelAi"
import * as Cascade from "effect-majordomo/Cascade"
import * as FakeProvider from "effect-majordomo/testing/FakeProvider"
import * as UndiciHttpClient from "effect-majordomo/UndiciHttpClient"
import * as Layer from "effect/Layer"
import { z } from "zod"
import { anthropic, openai } from "./shared.ts"

const call = FakeProvider.toolCalls([{ name: "weather", arguments: { city: "Rome" } }])

const model = VercelAi.model(
  Cascade.layer([
    anthropic(FakeProvider.status(529), FakeProvider.status(529), FakeProvider.status(529)),
    openai(call, FakeProvider.text("21 °C in Rome."), FakeProvider.text("one two three"))
  ]).pipe(Layer.provide(UndiciHttpClient.layer))
)

const weather = tool({
  description: "The weather in a city",
  inputSchema: z.object({ city: z.string() }),
  execute: async ({ city }) => ({ city, celsius: 21 })
})

const answer = await generateText({ model, prompt: "Weather in Rome?", tools: { weather }, stopWhen: isStepCount(3) })
console.log(answer.text, answer.steps.map(({ providerMetadata }) => providerMetadata?.["majordomo"]?.["cost"]))

for await (const piece of streamText({ model, prompt: "Count" }).textStream) console.log(piece)
await model.close()
