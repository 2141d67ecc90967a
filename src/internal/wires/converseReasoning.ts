/** How models on Bedrock are told to think: each vendor has its own fields beside those of Converse. */
import * as aws from "../aws.ts"
import * as capabilities from "../capabilities.ts"
import type { Call } from "../driver.ts"
import type { Loose } from "../json.ts"

export interface Reasoning {
  readonly fields?: Loose | undefined
  readonly thinks: boolean
  /** The model takes no `inferenceConfig` beside this. */
  readonly excludesInference?: boolean | undefined
}

const noReasoning: Reasoning = { thinks: false }

/** The effort that spends about so many tokens. */
const effortOf = (budget: number): "low" | "medium" | "high" =>
  budget <= 4096 ? "low" : budget <= 12_288 ? "medium" : "high"

/** What `low`, `medium` and `high` have to stand for. */
const threeEfforts: Readonly<Record<string, "low" | "medium" | "high">> = {
  minimal: "low",
  low: "low",
  medium: "medium",
  high: "high",
  xhigh: "high",
  max: "high"
}

export const lowerReasoning = (call: Call, maxTokens: number | undefined): Reasoning => {
  const { budgetTokens, effort } = call.options.reasoning ?? {}
  if (effort === undefined && budgetTokens === undefined) return noReasoning
  const off = effort === "none" || budgetTokens === 0
  const claude = aws.claudeName(call.model)
  if (claude !== undefined) return lowerThinking(call, claude, off, maxTokens)
  const level = budgetTokens === undefined ? threeEfforts[effort ?? "medium"] ?? "medium" : effortOf(budgetTokens)
  // Source: docs.aws.amazon.com/nova, extended thinking, 2026-11.
  if (/amazon\.nova-2/.test(call.model)) {
    if (off) return { fields: { reasoningConfig: { type: "disabled" } }, thinks: false }
    const { stop, temperature, topP } = call.options
    const excludesInference = level === "high"
    if (excludesInference && (maxTokens ?? temperature ?? topP ?? stop) !== undefined) {
      call.warn("dropped-parameter", `${call.model} takes no limits or sampling at high effort; they were not sent`)
    }
    return {
      fields: { reasoningConfig: { type: "enabled", maxReasoningEffort: level } },
      thinks: true,
      excludesInference
    }
  }
  if (/openai\.gpt-oss/.test(call.model)) return { fields: { reasoning_effort: off ? "low" : level }, thinks: true }
  if (/amazon\.(nova|titan)|meta\.llama/.test(call.model)) return off ? noReasoning : call.unsupported("reasoning")
  call.warn("dropped-parameter", `how much ${call.model} thinks cannot be set through Converse; it was not sent`)
  return noReasoning
}

/** Source: docs.aws.amazon.com/bedrock, extended and adaptive thinking, 2026-11. */
const lowerThinking = (call: Call, claude: string, off: boolean, maxTokens: number | undefined): Reasoning => {
  const { budgetTokens, effort } = call.options.reasoning ?? {}
  const only = capabilities.anthropicAdaptiveOnly(claude)
  // The newest models only think when they are asked to, and reject the word.
  if (off && (only || !capabilities.anthropicReasons(claude))) return noReasoning
  if (off) return { fields: { thinking: { type: "disabled" } }, thinks: false }
  if (!capabilities.anthropicReasons(claude)) return call.unsupported("reasoning")
  if (only || (budgetTokens === undefined && capabilities.anthropicAdaptive(claude))) {
    if (budgetTokens !== undefined) {
      call.warn("dropped-parameter", `${call.model} takes no thinking budget; it was given an effort instead`)
    }
    const wanted = effort ?? effortOf(budgetTokens ?? 0)
    const sent = wanted === "minimal" ? "low" : wanted === "xhigh" && !only ? "high" : wanted
    return { fields: { thinking: { type: "adaptive" }, output_config: { effort: sent } }, thinks: true }
  }
  const budget = budgetTokens ?? capabilities.anthropicBudgets[effort ?? "medium"] ?? 8192
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
