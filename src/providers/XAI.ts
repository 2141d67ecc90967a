/**
 * xAI over Chat Completions. Models that reason take no stop sequences, and most take no effort. Source: docs.x.ai, 2026-11.
 *
 * @since 0.1.0
 */
import * as OpenAICompatible from "./OpenAICompatible.ts"

const twoEfforts = OpenAICompatible.efforts("low", "high")
const efforts = OpenAICompatible.efforts("none", "low", "medium", "high")

/**
 * @since 0.1.0
 * @category presets
 */
export const preset: OpenAICompatible.Preset = OpenAICompatible.preset({
  name: "xai",
  baseUrl: "https://api.x.ai",
  keyVariable: "XAI_API_KEY",
  reasons: (model) => /^grok-(3-mini|4\.3|latest)/.test(model) || !/^grok-/.test(model),
  reasoning: (reasoning, model) => (model.startsWith("grok-3-mini") ? twoEfforts : efforts)(reasoning),
  stop: (model) => /non-reasoning|^grok-[23](-(?!mini)|$)/.test(model) || !/^grok-/.test(model)
})

/**
 * The key comes from `XAI_API_KEY` when it is not given.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { XAI } from "effect-majordomo"
 *
 * const live = XAI.layer({ model: "grok-4.3" })
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
