/**
 * Token counts, normalised over every provider.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
export type { Cost } from "./Cost.ts"

/**
 * Tokens of one answer. `inputTokens` counts all of the prompt, cache reads and writes included; `outputTokens` counts
 * reasoning too. `cachedInputTokens` and `cacheCreationTokens` are parts of the former, `reasoningTokens` of the
 * latter. A count the provider did not report is 0.
 *
 * @since 0.1.0
 * @category models
 */
export interface Usage {
  /** All tokens of the prompt, cache reads and writes included. */
  readonly inputTokens: number
  /** All tokens of the answer, reasoning included. */
  readonly outputTokens: number
  /** The part of `inputTokens` that was read from a cache. */
  readonly cachedInputTokens: number
  /** The part of `inputTokens` that was written to a cache. */
  readonly cacheCreationTokens: number
  /** The part of `outputTokens` spent on thinking. */
  readonly reasoningTokens: number
  /** Prompt and answer together. */
  readonly totalTokens: number
}

/**
 * @since 0.1.0
 * @category schemas
 */
export const Usage: Schema.Schema<Usage> = Schema.Struct({
  inputTokens: Schema.Number,
  outputTokens: Schema.Number,
  cachedInputTokens: Schema.Number,
  cacheCreationTokens: Schema.Number,
  reasoningTokens: Schema.Number,
  totalTokens: Schema.Number
}).annotations({ identifier: "Usage" })

/**
 * No tokens: the neutral element of `add`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const empty: Usage = {
  inputTokens: 0,
  outputTokens: 0,
  cachedInputTokens: 0,
  cacheCreationTokens: 0,
  reasoningTokens: 0,
  totalTokens: 0
}

/**
 * Adds two usages field by field.
 *
 * @since 0.1.0
 * @category combining
 * @example
 * ```ts
 * import { Usage } from "effect-majordomo"
 *
 * const step = { ...Usage.empty, inputTokens: 10, outputTokens: 2, totalTokens: 12 }
 * console.log(Usage.add(step, step).totalTokens) // 24
 * ```
 */
export const add = (self: Usage, that: Usage): Usage =>
  self === empty ? that : that === empty ? self : {
    inputTokens: self.inputTokens + that.inputTokens,
    outputTokens: self.outputTokens + that.outputTokens,
    cachedInputTokens: self.cachedInputTokens + that.cachedInputTokens,
    cacheCreationTokens: self.cacheCreationTokens + that.cacheCreationTokens,
    reasoningTokens: self.reasoningTokens + that.reasoningTokens,
    totalTokens: self.totalTokens + that.totalTokens
  }

/**
 * The sum of any number of usages.
 *
 * @since 0.1.0
 * @category combining
 */
export const sum = (usages: Iterable<Usage>): Usage => {
  let total = empty
  for (const usage of usages) total = add(total, usage)
  return total
}
