/** Our functions over one of our providers. */
import type * as HttpClient from "@effect/platform/HttpClient"
import * as LLM from "effect-majordomo/LLM"
import * as UndiciHttpClient from "effect-majordomo/UndiciHttpClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { prompt } from "./data.ts"
import { Catalogue, type EffectClient } from "./effects.ts"

export const client = (
  layer: (base: string) => Layer.Layer<LLM.LLM, unknown, HttpClient.HttpClient>,
  http: Layer.Layer<HttpClient.HttpClient> = UndiciHttpClient.layer
): EffectClient<LLM.LLM> => ({
  layer: (base) => Layer.provide(layer(base), http),
  call: Effect.map(LLM.generateText({ prompt }), ({ text }) => text),
  object: Effect.map(LLM.generateObject({ prompt, schema: Catalogue }), ({ content }) => content),
  texts: LLM.streamText({ prompt }).pipe(
    Stream.chunks,
    Stream.map((parts) => {
      let count = 0
      for (const part of parts) if (part._tag === "TextDelta") count++
      return count
    })
  )
})
