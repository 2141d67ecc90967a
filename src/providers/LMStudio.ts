/**
 * LM Studio. It takes a schema, but no JSON mode without one. Source: lmstudio.ai/docs, 2026-11.
 *
 * @since 0.1.0
 */
import { hosts } from "../internal/hosts/rows.ts"
import * as OpenAICompatible from "./OpenAICompatible.ts"

/**
 * @since 0.1.0
 * @category presets
 */
export const preset: OpenAICompatible.Preset = hosts.lmstudio

/**
 * A key is needed only where the server asks for one (`LM_API_TOKEN`). The address is `http://localhost:1234` when no
 * `baseUrl` is given.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { LMStudio } from "effect-majordomo"
 *
 * const live = LMStudio.layer({ model: "qwen3-8b" })
 * ```
 */
export const layer: OpenAICompatible.Constructor = OpenAICompatible.layerPreset(preset)

/**
 * The same with options from the configuration.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig: OpenAICompatible.ConfigConstructor = OpenAICompatible.layerConfigPreset(preset)
