/** Schemas of what is stored with answers and failures. */
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { type Cost, make as makeCost } from "../../Cost.ts"
import type { Usage } from "../../Usage.ts"

export const UsageField: Schema.Schema<Usage> = Schema.Struct({
  inputTokens: Schema.Number,
  outputTokens: Schema.Number,
  cachedInputTokens: Schema.Number,
  cacheCreationTokens: Schema.Number,
  reasoningTokens: Schema.Number,
  totalTokens: Schema.Number
})

const CostInMemory = Schema.declare((value: unknown): value is Cost => Predicate.hasProperty(value, "exact"))

// Stored as exact decimals.
export const CostField = Schema.transform(
  Schema.Struct({
    input: Schema.BigDecimal,
    output: Schema.BigDecimal,
    tools: Schema.BigDecimal,
    total: Schema.BigDecimal,
    source: Schema.Literal("prices", "override", "provider")
  }),
  CostInMemory,
  { strict: true, decode: makeCost, encode: ({ exact, source }) => ({ ...exact, source }) }
)
