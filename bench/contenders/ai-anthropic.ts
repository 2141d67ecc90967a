import { createAnthropic } from "@ai-sdk/anthropic"
import { client } from "../aiSdk.ts"
import { claude } from "../data.ts"
import { fromPromises, serve } from "../harness.ts"

await serve(fromPromises((baseURL) => client(createAnthropic({ apiKey: "sk-test", baseURL })(claude))))
