/**
 * OpenRouter. What it bills comes with the answer and is its cost; web search is a plug-in. Source: openrouter.ai/docs,
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
export const preset: OpenAICompatible.Preset = hosts.openrouter

/**
 * The key comes from `OPENROUTER_API_KEY` when it is not given.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { OpenRouter } from "effect-majordomo"
 *
 * const live = OpenRouter.layer({ model: "anthropic/claude-haiku-4.5" })
 * ```
 */
export const layer: OpenAICompatible.Constructor<ModelOf<"openrouter">> = OpenAICompatible.layerPreset(preset)

/**
 * The same with options from the configuration.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig: OpenAICompatible.ConfigConstructor = OpenAICompatible.layerConfigPreset(preset)
