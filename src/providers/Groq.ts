/**
 * Groq. Only some models take a schema; the others get it in the prompt, in JSON mode. Its Compound models search the web
 * by themselves. Source: console.groq.com/docs, 2026-11.
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
export const preset: OpenAICompatible.Preset = hosts.groq

/**
 * The key comes from `GROQ_API_KEY` when it is not given.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Groq } from "effect-majordomo"
 *
 * const live = Groq.layer({ model: "openai/gpt-oss-120b" })
 * ```
 */
export const layer: OpenAICompatible.Constructor<ModelOf<"groq">> = OpenAICompatible.layerPreset(preset)

/**
 * The same with options from the configuration.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig: OpenAICompatible.ConfigConstructor = OpenAICompatible.layerConfigPreset(preset)
