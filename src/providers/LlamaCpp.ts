/**
 * llama.cpp's own server. Source: github.com/ggml-org/llama.cpp, 2026-11.
 *
 * @since 0.1.0
 */
import { hosts } from "../internal/hosts/rows.ts"
import * as OpenAICompatible from "./OpenAICompatible.ts"

/**
 * @since 0.1.0
 * @category presets
 */
export const preset: OpenAICompatible.Preset = hosts.llamacpp

/**
 * A key is needed only where the server asks for one (`LLAMA_API_KEY`). The address is `http://localhost:8080` when
 * no `baseUrl` is given.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { LlamaCpp } from "effect-majordomo"
 *
 * const live = LlamaCpp.layer({ model: "default" })
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
