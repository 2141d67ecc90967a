/** What models cannot do, as far as it is known. An unknown model is let through. Source: vendors' pages, 2026-11. */

const openAINoSampling = /^(gpt-5|o1|o3|o4-mini|codex)/
const anthropicNoSampling =
  /^claude-(opus-5|fable-5|sonnet-5|opus-4-[678]|sonnet-4-6|sonnet-4-5-20250929|haiku-4-5-20251001)/
const otherNoSampling: ReadonlyArray<readonly [provider: string, model: RegExp]> = [
  ["moonshot", /^kimi-(k2\.6|k3)/],
  ["baseten", /^moonshotai\/Kimi-K3$/],
  ["bedrock-mantle", /^/]
]

/** The model takes temperature and topP. */
export const sampling = (provider: string, model: string): boolean =>
  !openAINoSampling.test(model) && !anthropicNoSampling.test(model) &&
  !otherNoSampling.some(([name, pattern]) => name === provider && pattern.test(model))

const anthropicNative = /^claude-(opus-5|fable-5|sonnet-5|opus-4-[5678]|sonnet-4-[56]|haiku-4-5)/

/** The Anthropic model takes `output_config.format`. */
export const anthropicStructured = (model: string): boolean => anthropicNative.test(model)

/** The Anthropic model thinks adaptively, steered by an effort; older ones need a token budget. */
export const anthropicAdaptive = (model: string): boolean =>
  /^claude-(opus-5|fable-5|mythos|sonnet-5|opus-4-[678]|sonnet-4-6)/.test(model)

/** The Anthropic model thinks adaptively only: it takes no token budget, and need not be told not to think. */
export const anthropicAdaptiveOnly = (model: string): boolean =>
  /^claude-(opus-5|fable-5|mythos|sonnet-5|opus-4-[78])/.test(model)

const anthropicThinks = /^claude-(3-7|opus-4|sonnet-4|haiku-4-5|opus-5|sonnet-5|fable-5)/

/** The Anthropic model can think at all. */
export const anthropicReasons = (model: string): boolean => anthropicThinks.test(model) || !/^claude-/.test(model)

/** Output ceiling of older Anthropic models, in tokens. */
export const anthropicMaxTokens = (model: string): number | undefined =>
  /^claude-3-(opus|sonnet|haiku)/.test(model)
    ? 4096
    : /^claude-3-5/.test(model)
    ? 8192
    : /^claude-opus-4-(0|1|2025)/.test(model)
    ? 32000
    : undefined

/** Output ceiling on Bedrock, in tokens, beyond which a request is rejected; elsewhere the model's own is the default. */
export const bedrockMaxTokens = (model: string): number | undefined =>
  /meta\.llama4-(maverick|scout)-17b-instruct/.test(model) ? 8192 : /deepseek\.r1/.test(model) ? 32_768 : undefined

/** The OpenAI model reasons; undefined when it is not one of OpenAI's own names. */
export const openAIReasons = (model: string): boolean | undefined =>
  /^(o\d|gpt-5|codex)/.test(model) ? !/^gpt-5(\.\d)?-chat/.test(model)
    : /^(gpt-(?!oss)|chatgpt-)/.test(model) ? false : undefined

/** Hosted web search: false where it is known to be missing. */
export const webSearch = (wire: "openai" | "anthropic" | "gemini", model: string): boolean => {
  switch (wire) {
    case "openai":
      return !/^gpt-/.test(model) ||
        /^(gpt-5\.6-|gpt-5\.5$|gpt-5\.4(-mini)?$|gpt-5(-mini)?$|gpt-4\.1(-mini)?$|gpt-4o)/.test(
          model.replace(/-20\d\d-\d\d-\d\d$/, "")
        )
    case "anthropic":
      return !/^claude-(3-|opus-4-(0|1|2)|sonnet-4-(0|2)|fable-5)/.test(model)
    case "gemini":
      return !/^gemini-(1|2\.0|2\.5-flash-lite)/.test(model)
  }
}

/** `claude-sonnet-4-5-20250929` of `us.anthropic.claude-sonnet-4-5-20250929-v1:0`; undefined for other vendors' models. */
export const claudeName = (model: string): string | undefined =>
  /(?:^|[./])anthropic\.(claude-.+?)(?:-v\d+(?::.*)?)?$/.exec(model)?.[1]
