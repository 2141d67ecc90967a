/**
 * Baseten's model APIs. Source: docs.baseten.co, 2026-11.
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
export const preset: OpenAICompatible.Preset = hosts.baseten

/**
 * The key comes from `BASETEN_API_KEY` when it is not given.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Baseten } from "effect-majordomo"
 *
 * const live = Baseten.layer({ model: "moonshotai/Kimi-K3" })
 * ```
 */
export const layer: OpenAICompatible.Constructor<ModelOf<"baseten">> = OpenAICompatible.layerPreset(preset)

/**
 * The same with options from the configuration.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig: OpenAICompatible.ConfigConstructor = OpenAICompatible.layerConfigPreset(preset)
