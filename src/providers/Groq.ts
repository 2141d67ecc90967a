/**
 * Groq. Only some models take a schema; the others get it in the prompt, in JSON mode. Its Compound models search the web
 * by themselves. Source: console.groq.com/docs, 2026-11.
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
  name: "groq",
  baseUrl: "https://api.groq.com",
  prefix: "/openai/v1",
  keyVariable: "GROQ_API_KEY",
  maxTokens: "max_completion_tokens",
  structured: (model) => /gpt-oss|llama-4|kimi-k2/.test(model) ? "native" : "json-mode",
  reasons: (model) => !/llama|compound|gemma/.test(model),
  reasoning: (reasoning, model) =>
    /qwen/.test(model)
      ? reasoning.effort === undefined ? {} : { reasoning_effort: reasoning.effort === "none" ? "none" : "default" }
      : efforts(reasoning),
  webSearch: (model) => /compound/.test(model) ? {} : undefined
})

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
export const layer: OpenAICompatible.Constructor = OpenAICompatible.layerPreset(preset)

/**
 * The same with options from the configuration.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig: OpenAICompatible.ConfigConstructor = OpenAICompatible.layerConfigPreset(preset)
