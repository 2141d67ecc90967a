import OpenAI from "openai"
import { catalogueJsonSchema, model, prompt } from "../data.ts"
import { fromPromises, serve } from "../harness.ts"

const messages = [{ role: "user" as const, content: prompt }]
const schema = {
  type: "json_schema" as const,
  json_schema: { name: "catalogue", schema: catalogueJsonSchema, strict: true }
}

await serve(fromPromises((baseURL) => {
  const { chat: { completions } } = new OpenAI({ apiKey: "sk-test", baseURL })
  return {
    call: async () => (await completions.create({ model, messages })).choices[0]?.message.content ?? "",
    object: async () => {
      const { choices } = await completions.create({ model, messages, response_format: schema })
      return JSON.parse(choices[0]?.message.content ?? "")
    },
    stream: async (onText, signal) => {
      const options = { model, messages, stream: true as const, stream_options: { include_usage: true } }
      for await (const { choices } of await completions.create(options, signal && { signal })) {
        const delta = choices[0]?.delta.content
        if (delta) onText(delta)
      }
    }
  }
}))
