import Anthropic from "@anthropic-ai/sdk"
import { claude, prompt } from "../data.ts"
import { fromPromises, serve } from "../harness.ts"

const question = { model: claude, max_tokens: 1024, messages: [{ role: "user" as const, content: prompt }] }

await serve(fromPromises((base) => {
  const { messages } = new Anthropic({ apiKey: "sk-test", baseURL: base.replace(/\/v1$/, "") })
  return {
    call: async () => {
      const [block] = (await messages.create(question)).content
      return block?.type === "text" ? block.text : ""
    },
    stream: async (onText, signal) => {
      for await (const event of await messages.create({ ...question, stream: true }, signal && { signal })) {
        if (event.type === "content_block_delta" && event.delta.type === "text_delta") onText(event.delta.text)
      }
    }
  }
}))
