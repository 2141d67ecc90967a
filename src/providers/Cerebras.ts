/**
 * Cerebras. Source: inference-docs.cerebras.ai, 2026-11.
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
export const preset: OpenAICompatible.Preset = hosts.cerebras

/**
 * The key comes from `CEREBRAS_API_KEY` when it is not given.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Cerebras } from "effect-majordomo"
 *
 * const live = Cerebras.layer({ model: "gpt-oss-120b" })
 * ```
 */
export const layer: OpenAICompatible.Constructor<ModelOf<"cerebras">> = OpenAICompatible.layerPreset(preset)

/**
 * The same with options from the configuration.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig: OpenAICompatible.ConfigConstructor = OpenAICompatible.layerConfigPreset(preset)
