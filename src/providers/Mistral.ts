/**
 * Mistral. Unknown fields are rejected, and usage comes at the end of a stream without asking. Source: docs.mistral.ai,
 * 2026-11.
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
export const preset: OpenAICompatible.Preset = hosts.mistral

/**
 * The key comes from `MISTRAL_API_KEY` when it is not given.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Mistral } from "effect-majordomo"
 *
 * const live = Mistral.layer({ model: "mistral-small-latest" })
 * ```
 */
export const layer: OpenAICompatible.Constructor<ModelOf<"mistral">> = OpenAICompatible.layerPreset(preset)

/**
 * The same with options from the configuration.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig: OpenAICompatible.ConfigConstructor = OpenAICompatible.layerConfigPreset(preset)
