import * as Cascade from "effect-majordomo/Cascade"
import * as OpenAIChat from "effect-majordomo/providers/OpenAIChat"
import * as Redacted from "effect/Redacted"
import { model } from "../data.ts"
import { fromEffects } from "../effects.ts"
import { serve } from "../harness.ts"
import { client } from "../ours.ts"

const member = (baseUrl: string) => OpenAIChat.layer({ model, baseUrl, apiKey: Redacted.make("sk-test") })

// The first member answers: what a cascade costs where it is not needed.
await serve(fromEffects(client((baseUrl) => Cascade.layer([member(baseUrl), member(baseUrl)]))))
