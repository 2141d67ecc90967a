/**
 * Prices of hosts and models that `@pydantic/genai-prices` 0.1.8 does not have: USD per million tokens, as input, output
 * and what else there is. Source: the hosts' price pages, 2026-11.
 */
import type { Price } from "../../Pricing.ts"

type Row = readonly [model: string, input: number, cachedInput: number | undefined, output: number, cacheWrite?: number]

export const hosts: Readonly<Record<string, ReadonlyArray<Row>>> = {
  together: [
    ["deepseek-ai/DeepSeek-V4-Pro", 2.1, undefined, 4.4],
    ["moonshotai/Kimi-K2.6", 1.2, undefined, 4.5],
    ["moonshotai/Kimi-K3", 3, 0.3, 15],
    ["Qwen/Qwen3.6-Plus", 0.5, undefined, 3],
    ["Qwen/Qwen3.5-9B", 0.1, undefined, 0.15],
    ["Qwen/Qwen3-235B-A22B-fp8-tput", 0.2, undefined, 0.6],
    ["zai-org/GLM-5.1", 1.4, undefined, 4.4],
    ["zai-org/GLM-5.2", 1.4, 0.26, 4.4],
    ["zai-org/GLM-5", 1, undefined, 3.2],
    ["thinkingmachines/Inkling", 1, 0.17, 4.05]
  ],
  nebius: [
    ["deepseek-ai/DeepSeek-V4-Pro", 1.75, undefined, 3.5],
    ["moonshotai/Kimi-K2.6", 0.95, undefined, 4],
    ["moonshotai/Kimi-K3", 3, undefined, 15],
    ["zai-org/GLM-5.1", 1.4, undefined, 4.4],
    ["zai-org/GLM-5.2", 1.4, undefined, 4.4]
  ],
  deepinfra: [
    ["deepseek-ai/DeepSeek-V4-Pro", 1.3, 0.1, 2.6],
    ["moonshotai/Kimi-K2.6", 0.75, 0.15, 3.5],
    ["moonshotai/Kimi-K3", 2.85, 0.285, 14.25],
    ["zai-org/GLM-5.1", 1.05, 0.205, 3.5],
    ["zai-org/GLM-5.2", 0.75, 0.14, 2.4],
    ["thinkingmachines/Inkling", 0.95, 0.16, 4.05]
  ],
  novita: [
    ["deepseek/deepseek-v4-pro", 1.6, 0.135, 3.2],
    ["moonshotai/kimi-k2.6", 0.8, 0.16, 3.4],
    ["moonshotai/kimi-k3", 3, 0.3, 15],
    ["zai-org/glm-5.1", 1.38, 0.26, 4.4],
    ["zai-org/glm-5.2", 1.4, 0.26, 4.4]
  ],
  bedrock: [
    ["moonshot.kimi-k2-thinking", 0.6, undefined, 2.5],
    ["moonshotai.kimi-k2.5", 0.6, undefined, 3],
    ["nvidia.nemotron-nano-12b-v2", 0.06, undefined, 0.23],
    ["deepseek.v3.2", 0.62, undefined, 1.85],
    ["anthropic.claude-haiku-4-5", 1, 0.1, 5, 1.25]
  ]
}

/** By `provider/model` in lower case: some hosts answer with another spelling than they are asked with. */
export const overlay: ReadonlyMap<string, Price> = new Map(
  Object.entries(hosts).flatMap(([provider, rows]) =>
    rows.map(([model, input, cachedInput, output, cacheWrite]) =>
      [`${provider}/${model}`.toLowerCase(), { input, output, cachedInput, cacheWrite }] as const
    )
  )
)
