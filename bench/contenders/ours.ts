import * as OpenAIChat from "effect-majordomo/providers/OpenAIChat"
import * as Redacted from "effect/Redacted"
import { model } from "../data.ts"
import { fromEffects } from "../effects.ts"
import { serve } from "../harness.ts"
import { client } from "../ours.ts"

await serve(fromEffects(client((baseUrl) => OpenAIChat.layer({ model, baseUrl, apiKey: Redacted.make("sk-test") }))))
