/**
 * Hosts that speak Chat Completions, a row each: name, address, key, quirks. Layers, the catalog of names, the table of
 * the manual, prices and the tests of every host come from here; a host more is a row more, and nothing else.
 */
import * as capabilities from "../models/capabilities.ts"
import { efforts, thinking } from "./efforts.ts"
import type { Preset } from "./preset.ts"

const fireworksEfforts = efforts("low", "medium", "high", "xhigh", "max")
const moonshotEfforts = efforts("low", "high", "max")
const groqEfforts = efforts("low", "medium", "high")
const xaiTwoEfforts = efforts("low", "high")
const xaiEfforts = efforts("none", "low", "medium", "high")
const vllmEfforts = efforts("low", "medium", "high")
const llamacppEfforts = efforts("low", "medium", "high")

const rows = <const Name extends string>(all: Readonly<Record<Name, Preset>>): Readonly<Record<Name, Preset>> => all

export const hosts = rows({
  /** Source: developers.openai.com, 2026-11. */
  "openai-chat": {
    name: "openai",
    module: "OpenAIChat",
    baseUrl: "https://api.openai.com",
    keyVariable: "OPENAI_API_KEY",
    maxTokens: "max_completion_tokens",
    topK: false,
    reasons: (model) => capabilities.openAIReasons(model) !== false,
    // Reasoning models take no stop sequences.
    stop: (model) => capabilities.openAIReasons(model) !== true
  },
  /** Source: api-docs.deepseek.com, 2026-11. */
  deepseek: {
    name: "deepseek",
    module: "DeepSeek",
    baseUrl: "https://api.deepseek.com",
    prefix: "",
    keyVariable: "DEEPSEEK_API_KEY",
    structured: "json-mode",
    reasoning: thinking("low", "medium", "high", "max")
  },
  /** Source: docs.fireworks.ai, 2026-11. */
  fireworks: {
    name: "fireworks",
    module: "Fireworks",
    baseUrl: "https://api.fireworks.ai",
    prefix: "/inference/v1",
    keyVariable: "FIREWORKS_API_KEY",
    reasoning: (reasoning) =>
      reasoning.effort === "none"
        ? { thinking: { type: "disabled" } }
        : reasoning.effort === undefined && reasoning.budgetTokens !== undefined
        ? { thinking: { type: "enabled", budget_tokens: reasoning.budgetTokens } }
        : fireworksEfforts(reasoning)
  },
  /** Source: docs.together.ai, 2026-11. */
  together: {
    name: "together",
    module: "Together",
    baseUrl: "https://api.together.xyz",
    keyVariable: "TOGETHER_API_KEY",
    reasoning: thinking("low", "medium", "high")
  },
  /** Source: docs.baseten.co, 2026-11. */
  baseten: {
    name: "baseten",
    module: "Baseten",
    baseUrl: "https://inference.baseten.co",
    keyVariable: "BASETEN_API_KEY",
    structured: (model) => model === "deepseek-ai/DeepSeek-V4-Pro" ? "json-mode" : "native"
  },
  /** Source: docs.tokenfactory.nebius.com, 2026-11. */
  nebius: {
    name: "nebius",
    module: "Nebius",
    baseUrl: "https://api.tokenfactory.nebius.com",
    keyVariable: "NEBIUS_API_KEY",
    structured: (model) => model === "moonshotai/Kimi-K2.6" ? "json-mode" : "native"
  },
  /** Source: deepinfra.com/docs, 2026-11. */
  deepinfra: {
    name: "deepinfra",
    module: "DeepInfra",
    baseUrl: "https://api.deepinfra.com",
    prefix: "/v1/openai",
    keyVariable: "DEEPINFRA_API_KEY",
    structured: (model) => model === "thinkingmachines/Inkling" ? "json-mode" : "native"
  },
  /** Source: platform.moonshot.ai, 2026-11. */
  moonshot: {
    name: "moonshot",
    module: "Moonshot",
    baseUrl: "https://api.moonshot.ai",
    keyVariable: "MOONSHOT_API_KEY",
    reasons: (model) => !model.startsWith("moonshot-v1"),
    reasoning: (reasoning, model) =>
      model.startsWith("kimi-k3")
        ? moonshotEfforts(reasoning)
        : reasoning.effort === undefined
        ? {}
        : { thinking: { type: reasoning.effort === "none" ? "disabled" : "enabled" } }
  },
  /** Source: novita.ai/docs, 2026-11. */
  novita: {
    name: "novita",
    module: "Novita",
    baseUrl: "https://api.novita.ai",
    prefix: "/openai/v1",
    keyVariable: "NOVITA_API_KEY",
    structured: (model) => /^(deepseek\/deepseek-v4-pro|zai-org\/glm-5\.1)$/.test(model) ? "json-mode" : "native"
  },
  /** Source: console.groq.com/docs, 2026-11. */
  groq: {
    name: "groq",
    module: "Groq",
    baseUrl: "https://api.groq.com",
    prefix: "/openai/v1",
    keyVariable: "GROQ_API_KEY",
    maxTokens: "max_completion_tokens",
    structured: (model) => /gpt-oss|llama-4|kimi-k2/.test(model) ? "native" : "json-mode",
    reasons: (model) => !/llama|compound|gemma/.test(model),
    reasoning: (reasoning, model) =>
      /qwen/.test(model)
        ? reasoning.effort === undefined ? {} : { reasoning_effort: reasoning.effort === "none" ? "none" : "default" }
        : groqEfforts(reasoning),
    webSearch: (model) => /compound/.test(model) ? {} : undefined
  },
  /** Source: docs.mistral.ai, 2026-11. */
  mistral: {
    name: "mistral",
    module: "Mistral",
    baseUrl: "https://api.mistral.ai",
    keyVariable: "MISTRAL_API_KEY",
    streamUsage: false,
    rename: { seed: "random_seed" },
    reasoning: efforts("none", "high")
  },
  /** Source: openrouter.ai/docs, 2026-11. */
  openrouter: {
    name: "openrouter",
    module: "OpenRouter",
    baseUrl: "https://openrouter.ai",
    prefix: "/api/v1",
    keyVariable: "OPENROUTER_API_KEY",
    // It takes one of the two.
    reasoning: ({ budgetTokens, effort }) =>
      budgetTokens !== undefined && effort !== "none"
        ? { reasoning: { max_tokens: budgetTokens } }
        : effort === undefined
        ? {}
        : { reasoning: { effort: effort === "max" ? "xhigh" : effort } },
    webSearch: () => ({ plugins: [{ id: "web" }] })
  },
  /** Source: docs.x.ai, 2026-11. */
  xai: {
    name: "xai",
    module: "XAI",
    baseUrl: "https://api.x.ai",
    keyVariable: "XAI_API_KEY",
    reasons: (model) => /^grok-(3-mini|4\.3|latest)/.test(model) || !/^grok-/.test(model),
    reasoning: (reasoning, model) => (model.startsWith("grok-3-mini") ? xaiTwoEfforts : xaiEfforts)(reasoning),
    stop: (model) => /non-reasoning|^grok-[23](-(?!mini)|$)/.test(model) || !/^grok-/.test(model)
  },
  /** Source: docs.perplexity.ai, 2026-11. */
  perplexity: {
    name: "perplexity",
    module: "Perplexity",
    baseUrl: "https://api.perplexity.ai",
    prefix: "",
    keyVariable: "PERPLEXITY_API_KEY",
    jsonObject: false,
    reasons: (model) => /reasoning|research/.test(model),
    reasoning: efforts("minimal", "low", "medium", "high"),
    webSearch: () => ({})
  },
  /** Source: inference-docs.cerebras.ai, 2026-11. */
  cerebras: {
    name: "cerebras",
    module: "Cerebras",
    baseUrl: "https://api.cerebras.ai",
    keyVariable: "CEREBRAS_API_KEY",
    maxTokens: "max_completion_tokens",
    reasoning: efforts("none", "low", "medium", "high")
  },
  /** Source: learn.microsoft.com/azure/ai-foundry/openai, 2026-11. */
  azure: {
    name: "azure",
    module: "AzureOpenAI",
    // Everybody has an address of their own.
    baseUrl: "",
    baseUrlVariable: "AZURE_OPENAI_ENDPOINT",
    prefix: "/openai/v1",
    keyVariable: "AZURE_OPENAI_API_KEY",
    keyHeader: "api-key",
    maxTokens: "max_completion_tokens",
    topK: false,
    reasons: (model) => capabilities.openAIReasons(model) !== false,
    stop: (model) => capabilities.openAIReasons(model) !== true
  },
  /** Source: docs.ollama.com, 2026-11. */
  ollama: {
    name: "ollama",
    module: "Ollama",
    baseUrl: "http://localhost:11434",
    keyVariable: "OLLAMA_API_KEY",
    keyOptional: true,
    reasoning: efforts("none", "low", "medium", "high")
  },
  /** Source: docs.vllm.ai, 2026-11. */
  vllm: {
    name: "vllm",
    module: "VLLM",
    baseUrl: "http://localhost:8000",
    baseUrlVariable: "VLLM_BASE_URL",
    keyVariable: "VLLM_API_KEY",
    keyOptional: true,
    // Thinking is a matter of the chat template.
    reasoning: (reasoning) =>
      reasoning.effort === "none" ? { chat_template_kwargs: { enable_thinking: false } } : vllmEfforts(reasoning)
  },
  /** Source: lmstudio.ai/docs, 2026-11. */
  lmstudio: {
    name: "lmstudio",
    module: "LMStudio",
    baseUrl: "http://localhost:1234",
    keyVariable: "LM_API_TOKEN",
    keyOptional: true,
    jsonObject: false
  },
  /** Source: github.com/ggml-org/llama.cpp, 2026-11. */
  llamacpp: {
    name: "llamacpp",
    module: "LlamaCpp",
    baseUrl: "http://localhost:8080",
    keyVariable: "LLAMA_API_KEY",
    keyOptional: true,
    // Thinking is a matter of the chat template.
    reasoning: (reasoning) =>
      reasoning.effort === "none"
        ? { chat_template_kwargs: { enable_thinking: false } }
        : llamacppEfforts(reasoning)
  },
  /** A Majordomo gateway that decides itself where a model is served. */
  majordomo: {
    name: "majordomo",
    module: "Majordomo",
    baseUrl: "http://localhost:7680",
    baseUrlVariable: "MAJORDOMO_GATEWAY_URL",
    keyVariable: "MAJORDOMO_API_KEY",
    keyHeader: "x-majordomo-key",
    cacheControl: true,
    reasoning: ({ budgetTokens, effort }) => ({
      ...(effort === undefined ? {} : { reasoning_effort: effort }),
      ...(budgetTokens === undefined ? {} : { reasoning: { max_tokens: budgetTokens } })
    }),
    webSearch: () => ({ web_search_options: {} }),
    headers: (model) => ({ "x-majordomo-provider": "majordomo", "x-majordomo-model": model })
  }
})
