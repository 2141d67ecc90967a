/**
 * A vLLM server. Source: docs.vllm.ai, 2026-11.
 *
 * @since 0.1.0
 */
import { hosts } from "../internal/hosts/rows.ts"
import * as OpenAICompatible from "./OpenAICompatible.ts"

/**
 * @since 0.1.0
 * @category presets
 */
export const preset: OpenAICompatible.Preset = hosts.vllm

/**
 * A key is needed only where the server asks for one (`VLLM_API_KEY`). The address is `VLLM_BASE_URL`, else
 * `http://localhost:8000`.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { VLLM } from "effect-majordomo"
 *
 * const live = VLLM.layer({ model: "Qwen/Qwen3-8B" })
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
