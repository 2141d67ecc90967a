/**
 * Nebius Token Factory. Source: docs.tokenfactory.nebius.com, 2026-11.
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
export const preset: OpenAICompatible.Preset = hosts.nebius

/**
 * The key comes from `NEBIUS_API_KEY` when it is not given.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Nebius } from "effect-majordomo"
 *
 * const live = Nebius.layer({ model: "zai-org/GLM-5.2" })
 * ```
 */
export const layer: OpenAICompatible.Constructor<ModelOf<"nebius">> = OpenAICompatible.layerPreset(preset)

/**
 * The same with options from the configuration.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig: OpenAICompatible.ConfigConstructor = OpenAICompatible.layerConfigPreset(preset)
