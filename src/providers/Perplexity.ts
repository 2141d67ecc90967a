/**
 * Perplexity, whose models always search the web. Source: docs.perplexity.ai, 2026-11.
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
export const preset: OpenAICompatible.Preset = hosts.perplexity

/**
 * The key comes from `PERPLEXITY_API_KEY` when it is not given.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Perplexity } from "effect-majordomo"
 *
 * const live = Perplexity.layer({ model: "sonar" })
 * ```
 */
export const layer: OpenAICompatible.Constructor<ModelOf<"perplexity">> = OpenAICompatible.layerPreset(preset)

/**
 * The same with options from the configuration.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig: OpenAICompatible.ConfigConstructor = OpenAICompatible.layerConfigPreset(preset)
