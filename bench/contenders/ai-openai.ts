import { createOpenAI } from "@ai-sdk/openai"
import { client } from "../aiSdk.ts"
import { model } from "../data.ts"
import { fromPromises, serve } from "../harness.ts"

await serve(fromPromises((baseURL) => client(createOpenAI({ apiKey: "sk-test", baseURL }).chat(model))))
