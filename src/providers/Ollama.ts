/**
 * Ollama, on this machine or in its cloud. Source: docs.ollama.com, 2026-11.
 *
 * @since 0.1.0
 */
import { hosts } from "../internal/hosts/rows.ts"
import * as OpenAICompatible from "./OpenAICompatible.ts"

/**
 * @since 0.1.0
 * @category presets
 */
export const preset: OpenAICompatible.Preset = hosts.ollama

/**
 * A key is needed only where the server asks for one (`OLLAMA_API_KEY`). The address is `http://localhost:11434` when
 * no `baseUrl` is given.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Ollama } from "effect-majordomo"
 *
 * const live = Ollama.layer({ model: "qwen3" })
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
