/** The functions of `ai` over one of its providers. */
import { generateText, jsonSchema, type LanguageModel, Output, streamText } from "ai"
import { catalogueJsonSchema, prompt } from "./data.ts"
import type { PromiseClient } from "./harness.ts"

const schema = jsonSchema<{ items: Array<unknown> }>(catalogueJsonSchema as Parameters<typeof jsonSchema>[0])

export const client = (model: LanguageModel): PromiseClient => ({
  call: async () => (await generateText({ model, prompt })).text,
  object: async () => (await generateText({ model, prompt, output: Output.object({ schema }) })).output,
  stream: async (onText, abortSignal) => {
    for await (const delta of streamText({ model, prompt, ...(abortSignal && { abortSignal }) }).textStream) {
      onText(delta)
    }
  }
})
