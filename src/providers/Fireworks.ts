/**
 * Fireworks. It rejects `thinking` together with an effort: turned off or given a budget, only `thinking` is sent. Source:
 * docs.fireworks.ai, 2026-11.
 *
 * @since 0.1.0
 */
import * as OpenAICompatible from "./OpenAICompatible.ts"

const efforts = OpenAICompatible.efforts("low", "medium", "high", "xhigh", "max")

/**
 * @since 0.1.0
 * @category presets
 */
export const preset: OpenAICompatible.Preset = OpenAICompatible.preset({
  name: "fireworks",
  baseUrl: "https://api.fireworks.ai",
  prefix: "/inference/v1",
  keyVariable: "FIREWORKS_API_KEY",
  reasoning: (reasoning) =>
    reasoning.effort === "none"
      ? { thinking: { type: "disabled" } }
      : reasoning.effort === undefined && reasoning.budgetTokens !== undefined
      ? { thinking: { type: "enabled", budget_tokens: reasoning.budgetTokens } }
      : efforts(reasoning)
})

/**
 * The key comes from `FIREWORKS_API_KEY` when it is not given.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Fireworks } from "effect-majordomo"
 *
 * const live = Fireworks.layer({ model: "accounts/fireworks/models/deepseek-v4-pro" })
 * ```
 */
export const layer: OpenAICompatible.Constructor = OpenAICompatible.layerPreset(preset)

/**
 * The same with options from the configuration.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig: OpenAICompatible.ConfigConstructor = OpenAICompatible.layerConfigPreset(preset)
