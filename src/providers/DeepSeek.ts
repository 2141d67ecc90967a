/**
 * DeepSeek. It takes JSON mode only, so the schema goes into the prompt; thinking is on by default and is turned off
 * with `reasoning: { effort: "none" }`. Source: api-docs.deepseek.com, 2026-11.
 *
 * @since 0.1.0
 */
import { hosts } from "../internal/hosts/rows.ts"
import type { ModelOf } from "../internal/models/modelNames.ts"
import * as OpenAICompatible from "./OpenAICompatible.ts"

/**
 * @since 0.1.0
 * @category presets
 */
export const preset: OpenAICompatible.Preset = hosts.deepseek

/**
 * The key comes from `DEEPSEEK_API_KEY` when it is not given.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { DeepSeek } from "effect-majordomo"
 *
 * const live = DeepSeek.layer({ model: "deepseek-v4-pro" })
 * ```
 */
export const layer: OpenAICompatible.Constructor<ModelOf<"deepseek">> = OpenAICompatible.layerPreset(preset)

/**
 * The same with options from the configuration.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig: OpenAICompatible.ConfigConstructor = OpenAICompatible.layerConfigPreset(preset)
