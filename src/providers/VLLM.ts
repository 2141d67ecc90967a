/**
 * A vLLM server. Source: docs.vllm.ai, 2026-11.
 *
 * @since 0.1.0
 */
import * as OpenAICompatible from "./OpenAICompatible.ts"

const efforts = OpenAICompatible.efforts("low", "medium", "high")

/**
 * @since 0.1.0
 * @category presets
 */
export const preset: OpenAICompatible.Preset = OpenAICompatible.preset({
  name: "vllm",
  baseUrl: "http://localhost:8000",
  baseUrlVariable: "VLLM_BASE_URL",
  keyVariable: "VLLM_API_KEY",
  keyOptional: true,
  // Thinking is a matter of the chat template.
  reasoning: (reasoning) =>
    reasoning.effort === "none" ? { chat_template_kwargs: { enable_thinking: false } } : efforts(reasoning)
})

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
