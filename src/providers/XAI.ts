/**
 * xAI over Chat Completions. Models that reason take no stop sequences, and most take no effort. Source: docs.x.ai, 2026-11.
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
export const preset: OpenAICompatible.Preset = hosts.xai

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
export const layer: OpenAICompatible.Constructor<ModelOf<"xai">> = OpenAICompatible.layerPreset(preset)

/**
 * The same with options from the configuration.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig: OpenAICompatible.ConfigConstructor = OpenAICompatible.layerConfigPreset(preset)
