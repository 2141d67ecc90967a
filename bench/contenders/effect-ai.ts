import * as OpenAiClient from "@effect/ai-openai/OpenAiClient"
import * as OpenAiLanguageModel from "@effect/ai-openai/OpenAiLanguageModel"
import * as LanguageModel from "@effect/ai/LanguageModel"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { model, prompt } from "../data.ts"
import { Catalogue, fromEffects } from "../effects.ts"
import { serve } from "../harness.ts"

await serve(fromEffects({
  layer: (apiUrl) =>
    OpenAiLanguageModel.layer({ model }).pipe(
      Layer.provide(OpenAiClient.layer({ apiUrl, apiKey: Redacted.make("sk-test") })),
      Layer.provide(NodeHttpClient.layerUndici)
    ),
  call: Effect.map(LanguageModel.generateText({ prompt }), ({ text }) => text),
  object: Effect.map(LanguageModel.generateObject({ prompt, schema: Catalogue }), ({ value }) => value),
  texts: LanguageModel.streamText({ prompt }).pipe(
    Stream.chunks,
    Stream.map((parts) => {
      let count = 0
      for (const part of parts) if (part.type === "text-delta") count++
      return count
    })
  )
}))
