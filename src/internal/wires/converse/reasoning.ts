/** How models on Bedrock are told to think: each vendor has its own fields beside those of Converse. */
import type { Call } from "../../call/driver.ts"
import type { Loose } from "../../json/values.ts"
import * as capabilities from "../../models/capabilities.ts"
import { lowerThinking } from "../claudeThinking.ts"

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
  const claude = capabilities.claudeName(call.model)
  if (claude !== undefined) return lowerThinking(call, claude, maxTokens)
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
