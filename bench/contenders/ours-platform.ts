import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as OpenAIChat from "effect-majordomo/providers/OpenAIChat"
import * as Redacted from "effect/Redacted"
import { model } from "../data.ts"
import { fromEffects } from "../effects.ts"
import { serve } from "../harness.ts"
import { client } from "../ours.ts"

// Over the HTTP client of Effect's platform: what our own saves.
await serve(
  fromEffects(
    client(
      (baseUrl) => OpenAIChat.layer({ model, baseUrl, apiKey: Redacted.make("sk-test") }),
      NodeHttpClient.layerUndici
    )
  )
)
