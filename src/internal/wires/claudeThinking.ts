/** How Claude is told to think, on whatever wire. Source: platform.claude.com, extended and adaptive thinking, 2026-11. */
import type { Call } from "../call/driver.ts"
import type { Loose } from "../json/values.ts"
import * as capabilities from "../models/capabilities.ts"

export interface Thinking {
  readonly fields: Loose
  readonly thinks: boolean
}

/** Tokens to think for, by effort, on models that take a budget; about what the vendor's own efforts spend. */
const budgets: Readonly<Record<string, number>> = {
  minimal: 1024,
  low: 2048,
  medium: 8192,
  high: 16_384,
  xhigh: 32_768,
  max: 49_152
}

/** The effort that spends about so many tokens. */
const effortOf = (budget: number): string =>
  Object.entries(budgets).find(([effort, tokens]) => effort !== "minimal" && budget <= tokens)?.[0] ?? "max"

/** What a model that takes a budget may think for, in tokens. */
export const budgetOf = ({ model, options: { reasoning } }: Call): number => {
  if (reasoning === undefined || reasoning.effort === "none" || capabilities.anthropicAdaptive(model)) return 0
  return reasoning.budgetTokens ?? (reasoning.effort === undefined ? 0 : budgets[reasoning.effort] ?? 0)
}

/** `model` is the vendor's own name; `maxTokens` the cap that is sent, if any. */
export const lowerThinking = (call: Call, model: string, maxTokens: number | undefined): Thinking => {
  const { budgetTokens, effort } = call.options.reasoning ?? {}
  if (effort === undefined && budgetTokens === undefined) return { fields: {}, thinks: false }
  const only = capabilities.anthropicAdaptiveOnly(model)
  const reasons = capabilities.anthropicReasons(model)
  if (effort === "none" || budgetTokens === 0) {
    // The newest models only think when they are asked to, and reject the word.
    return { fields: reasons && !only ? { thinking: { type: "disabled" } } : {}, thinks: false }
  }
  if (!reasons) return call.unsupported("reasoning")
  if (only || (budgetTokens === undefined && capabilities.anthropicAdaptive(model))) {
    if (budgetTokens !== undefined) {
      call.warn("dropped-parameter", `${call.model} takes no thinking budget; it was given an effort instead`)
    }
    const wanted = effort ?? effortOf(budgetTokens ?? 0)
    const sent = wanted === "minimal" ? "low" : wanted === "xhigh" && !only ? "high" : wanted
    return { fields: { thinking: { type: "adaptive" }, output_config: { effort: sent } }, thinks: true }
  }
  const budget = budgetTokens ?? budgets[effort ?? "medium"] ?? 8192
  // The budget is part of the cap, and there must be room for an answer.
  const fitting = maxTokens === undefined ? budget : Math.min(budget, maxTokens - 1)
  if (maxTokens !== undefined && fitting < 1024) {
    call.invalid(
      "InvalidParameter",
      `thinking needs at least 1024 tokens and room for the answer; maxTokens is ${maxTokens}`,
      "maxTokens"
    )
  }
  return { fields: { thinking: { type: "enabled", budget_tokens: Math.max(1024, fitting) } }, thinks: true }
}
