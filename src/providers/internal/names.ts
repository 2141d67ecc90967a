/** Names of models: aliases, profiles, and what took the place of retired ones. Source: vendors' pages, 2026-11. */
import type { Options as CallOptions } from "../../LLM.ts"

type Settings = Pick<CallOptions, "reasoning" | "providerOptions">

const fireworks = (model: string): string => `fireworks/accounts/fireworks/models/${model}`

export const aliases = {
  fast: ["anthropic/claude-haiku-4-5-20251001"],
  thinking: ["anthropic/claude-sonnet-5"],
  smart: ["anthropic/claude-opus-4-8"],
  cheap: ["gemini/gemini-2.5-flash-lite"],
  "openai-smart": ["openai/gpt-5.6-sol"],
  "openai-balanced": ["openai/gpt-5.6-terra"],
  "openai-fast": ["openai/gpt-5.6-luna"],
  "resilient-sonnet": ["anthropic/claude-sonnet-5", "openai/gpt-4.1", "gemini/gemini-2.5-pro"],
  "deepseek-v4-pro": [fireworks("deepseek-v4-pro"), "together/deepseek-ai/DeepSeek-V4-Pro"],
  "kimi-k2.6": [fireworks("kimi-k2p6"), "together/moonshotai/Kimi-K2.6"],
  "kimi-k3": [fireworks("kimi-k3"), "together/moonshotai/Kimi-K3"],
  "glm-5.1": [fireworks("glm-5p1"), "together/zai-org/GLM-5.1"],
  "glm-5.2": [fireworks("glm-5p2"), "together/zai-org/GLM-5.2"],
  inkling: [fireworks("inkling"), "together/thinkingmachines/Inkling"],
  "deepseek-v4-pro-reasoning": [
    "fireworks/deepseek-v4-pro-reasoning",
    "together/deepseek-v4-pro-reasoning",
    "anthropic/claude-sonnet-4-6"
  ],
  "deepseek-v4-pro-hard": [
    "fireworks/deepseek-v4-pro-hard",
    "together/deepseek-v4-pro-hard",
    "anthropic/claude-opus-4-7"
  ]
} satisfies Readonly<Record<string, ReadonlyArray<string>>>

export const profiles: Readonly<Record<string, Settings & { readonly model: string }>> = {
  // An effort without thinking: the answer itself is shorter.
  "anthropic/claude-opus-4-8-fast": {
    model: "claude-opus-4-8",
    providerOptions: { output_config: { effort: "low" } }
  },
  "anthropic/claude-opus-4-8-medium": { model: "claude-opus-4-8", reasoning: { effort: "medium" } },
  "anthropic/claude-opus-4-8-deep": { model: "claude-opus-4-8", reasoning: { effort: "xhigh" } },
  "deepseek/deepseek-v4-pro-reasoning": { model: "deepseek-v4-pro", reasoning: { effort: "medium" } },
  "deepseek/deepseek-v4-pro-hard": { model: "deepseek-v4-pro", reasoning: { effort: "high" } },
  "fireworks/deepseek-v4-pro-reasoning": {
    model: "accounts/fireworks/models/deepseek-v4-pro",
    reasoning: { effort: "medium" }
  },
  "fireworks/deepseek-v4-pro-hard": {
    model: "accounts/fireworks/models/deepseek-v4-pro",
    reasoning: { effort: "high" }
  },
  "together/deepseek-v4-pro-reasoning": { model: "deepseek-ai/DeepSeek-V4-Pro", reasoning: { effort: "medium" } },
  "together/deepseek-v4-pro-hard": { model: "deepseek-ai/DeepSeek-V4-Pro", reasoning: { effort: "high" } }
}

const openai: Readonly<Record<string, string>> = {
  "gpt-4o": "gpt-4.1",
  "gpt-4o-mini": "gpt-4.1-mini",
  "gpt-5-pro": "gpt-5.4-pro",
  o1: "o3",
  "o3-mini": "o4-mini"
}

const retiredBy: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  openai,
  "openai-chat": openai,
  anthropic: {
    "claude-3-7-sonnet-20250219": "claude-sonnet-4-6",
    "claude-3-5-haiku-20241022": "claude-haiku-4-5-20251001",
    "claude-3-haiku-20240307": "claude-haiku-4-5-20251001",
    "claude-opus-4-1-20250805": "claude-opus-5",
    "claude-opus-4-20250514": "claude-opus-5",
    "claude-sonnet-4-20250514": "claude-sonnet-5"
  },
  gemini: {
    "gemini-3-pro-preview": "gemini-3.1-pro-preview",
    "gemini-3.1-flash-lite-preview": "gemini-3.1-flash-lite",
    "gemini-2.0-flash": "gemini-2.5-flash",
    "gemini-2.0-flash-lite": "gemini-2.5-flash-lite"
  }
}

export const retired: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries(retiredBy).flatMap(([provider, models]) =>
    Object.entries(models).map(([model, replacement]) => [`${provider}/${model}`, replacement])
  )
)
