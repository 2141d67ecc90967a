/**
 * Moonshot. Kimi K3 takes an effort and always thinks; Kimi K2 can only be told whether to. Source:
 * platform.moonshot.ai, 2026-11.
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
export const preset: OpenAICompatible.Preset = hosts.moonshot

/**
 * The key comes from `MOONSHOT_API_KEY` when it is not given.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Moonshot } from "effect-majordomo"
 *
 * const live = Moonshot.layer({ model: "kimi-k3" })
 * ```
 */
export const layer: OpenAICompatible.Constructor<ModelOf<"moonshot">> = OpenAICompatible.layerPreset(preset)

/**
 * The same with options from the configuration.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig: OpenAICompatible.ConfigConstructor = OpenAICompatible.layerConfigPreset(preset)
