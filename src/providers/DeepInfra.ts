/**
 * DeepInfra. Source: deepinfra.com/docs, 2026-11.
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
export const preset: OpenAICompatible.Preset = hosts.deepinfra

/**
 * The key comes from `DEEPINFRA_API_KEY` when it is not given.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { DeepInfra } from "effect-majordomo"
 *
 * const live = DeepInfra.layer({ model: "zai-org/GLM-5.2" })
 * ```
 */
export const layer: OpenAICompatible.Constructor<ModelOf<"deepinfra">> = OpenAICompatible.layerPreset(preset)

/**
 * The same with options from the configuration.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig: OpenAICompatible.ConfigConstructor = OpenAICompatible.layerConfigPreset(preset)
