/**
 * Fireworks. It rejects `thinking` together with an effort: turned off or given a budget, only `thinking` is sent. Source:
 * docs.fireworks.ai, 2026-11.
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
export const preset: OpenAICompatible.Preset = hosts.fireworks

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
export const layer: OpenAICompatible.Constructor<ModelOf<"fireworks">> = OpenAICompatible.layerPreset(preset)

/**
 * The same with options from the configuration.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig: OpenAICompatible.ConfigConstructor = OpenAICompatible.layerConfigPreset(preset)
