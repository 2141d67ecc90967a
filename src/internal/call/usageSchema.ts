/** Schemas of what is stored with answers and failures. */
import * as Schema from "effect/Schema"
import type { Usage } from "../../Usage.ts"

export const UsageField: Schema.Schema<Usage> = Schema.Struct({
  inputTokens: Schema.Number,
  outputTokens: Schema.Number,
  cachedInputTokens: Schema.Number,
  cacheCreationTokens: Schema.Number,
  reasoningTokens: Schema.Number,
  totalTokens: Schema.Number
})
