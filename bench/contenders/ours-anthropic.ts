import * as Anthropic from "effect-majordomo/providers/Anthropic"
import * as Redacted from "effect/Redacted"
import { claude } from "../data.ts"
import { fromEffects } from "../effects.ts"
import { serve } from "../harness.ts"
import { client } from "../ours.ts"

await serve(
  fromEffects(client((baseUrl) => Anthropic.layer({ model: claude, baseUrl, apiKey: Redacted.make("sk-test") })))
)
