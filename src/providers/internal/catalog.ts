/** The providers that `Models` knows by name. */
import * as capabilities from "../../internal/models/capabilities.ts"
import type { Provider } from "../../Models.ts"
import * as Anthropic from "../Anthropic.ts"
import * as AzureOpenAI from "../AzureOpenAI.ts"
import * as Baseten from "../Baseten.ts"
import * as Bedrock from "../Bedrock.ts"
import * as BedrockMantle from "../BedrockMantle.ts"
import * as Cerebras from "../Cerebras.ts"
import * as Cohere from "../Cohere.ts"
import * as DeepInfra from "../DeepInfra.ts"
import * as DeepSeek from "../DeepSeek.ts"
import * as Fireworks from "../Fireworks.ts"
import * as Gemini from "../Gemini.ts"
import * as Groq from "../Groq.ts"
import * as LlamaCpp from "../LlamaCpp.ts"
import * as LMStudio from "../LMStudio.ts"
import * as Majordomo from "../Majordomo.ts"
import * as Mistral from "../Mistral.ts"
import * as Moonshot from "../Moonshot.ts"
import * as Nebius from "../Nebius.ts"
import * as Novita from "../Novita.ts"
import * as Ollama from "../Ollama.ts"
import * as OpenAI from "../OpenAI.ts"
import * as OpenAIChat from "../OpenAIChat.ts"
import * as OpenAICompatible from "../OpenAICompatible.ts"
import * as OpenRouter from "../OpenRouter.ts"
import * as Perplexity from "../Perplexity.ts"
import * as Together from "../Together.ts"
import * as VLLM from "../VLLM.ts"
import * as XAI from "../XAI.ts"
import * as aws from "./aws.ts"

/** A provider of a preset: what it can do is what its row says. */
export const fromPreset = (
  row: OpenAICompatible.Preset,
  layer: OpenAICompatible.Constructor = OpenAICompatible.layerPreset(row),
  module = "OpenAICompatible"
): Provider => {
  const { webSearch } = row
  return {
    layer,
    module,
    wire: "chat-completions",
    baseUrl: row.baseUrl === "" ? "your own" : row.baseUrl,
    keyVariables: row.keyVariable === undefined ? [] : [row.keyVariable],
    keyOptional: row.keyOptional ?? row.keyVariable === undefined,
    structured: row.structured ?? "native",
    // What it does for a model it does not know, it does for all.
    webSearch: webSearch === undefined
      ? false
      : webSearch("any") !== undefined || ((model) => webSearch(model) !== undefined),
    sampling: row.sampling ?? ((model) => capabilities.sampling(row.name, model))
  }
}

const claude = (model: string): string => capabilities.claudeName(model) ?? model

export const providers: Readonly<Record<string, Provider>> = {
  openai: {
    layer: OpenAI.layer,
    module: "OpenAI",
    wire: "responses",
    baseUrl: "https://api.openai.com",
    keyVariables: ["OPENAI_API_KEY"],
    keyOptional: false,
    structured: "native",
    webSearch: (model) => capabilities.webSearch("openai", model),
    sampling: (model) => capabilities.sampling("openai", model)
  },
  "openai-chat": fromPreset(OpenAIChat.preset, OpenAIChat.layer, "OpenAIChat"),
  anthropic: {
    layer: Anthropic.layer,
    module: "Anthropic",
    wire: "messages",
    baseUrl: "https://api.anthropic.com",
    keyVariables: ["ANTHROPIC_API_KEY"],
    keyOptional: false,
    structured: (model) => capabilities.anthropicStructured(model) ? "native" : "tool",
    webSearch: (model) => capabilities.webSearch("anthropic", model),
    sampling: (model) => capabilities.sampling("anthropic", model),
    maxOutputTokens: capabilities.anthropicMaxTokens
  },
  gemini: {
    layer: Gemini.layer,
    module: "Gemini",
    wire: "generate-content",
    baseUrl: "https://generativelanguage.googleapis.com",
    keyVariables: ["GEMINI_API_KEY", "GOOGLE_API_KEY"],
    keyOptional: false,
    structured: "native",
    webSearch: (model) => capabilities.webSearch("gemini", model),
    sampling: () => true
  },
  deepseek: fromPreset(DeepSeek.preset, DeepSeek.layer, "DeepSeek"),
  cohere: {
    layer: Cohere.layer,
    module: "Cohere",
    wire: "cohere",
    baseUrl: "https://api.cohere.com",
    keyVariables: ["CO_API_KEY", "COHERE_API_KEY"],
    keyOptional: false,
    structured: "native",
    webSearch: false,
    sampling: () => true
  },
  bedrock: {
    layer: Bedrock.layer,
    module: "Bedrock",
    wire: "converse",
    baseUrl: "https://bedrock-runtime.{region}.amazonaws.com",
    keyVariables: [aws.keyVariable],
    keyOptional: false,
    structured: "tool",
    webSearch: false,
    sampling: (model) => capabilities.sampling("bedrock", claude(model)),
    maxOutputTokens: capabilities.bedrockMaxTokens
  },
  "bedrock-mantle": {
    layer: BedrockMantle.layer,
    module: "BedrockMantle",
    wire: "messages",
    baseUrl: "https://bedrock-mantle.{region}.api.aws",
    keyVariables: [aws.keyVariable],
    keyOptional: false,
    structured: (model) => capabilities.anthropicStructured(claude(model)) ? "native" : "tool",
    webSearch: false,
    sampling: () => false
  },
  fireworks: fromPreset(Fireworks.preset, Fireworks.layer, "Fireworks"),
  together: fromPreset(Together.preset, Together.layer, "Together"),
  baseten: fromPreset(Baseten.preset, Baseten.layer, "Baseten"),
  nebius: fromPreset(Nebius.preset, Nebius.layer, "Nebius"),
  deepinfra: fromPreset(DeepInfra.preset, DeepInfra.layer, "DeepInfra"),
  moonshot: fromPreset(Moonshot.preset, Moonshot.layer, "Moonshot"),
  novita: fromPreset(Novita.preset, Novita.layer, "Novita"),
  groq: fromPreset(Groq.preset, Groq.layer, "Groq"),
  mistral: fromPreset(Mistral.preset, Mistral.layer, "Mistral"),
  openrouter: fromPreset(OpenRouter.preset, OpenRouter.layer, "OpenRouter"),
  xai: fromPreset(XAI.preset, XAI.layer, "XAI"),
  perplexity: fromPreset(Perplexity.preset, Perplexity.layer, "Perplexity"),
  cerebras: fromPreset(Cerebras.preset, Cerebras.layer, "Cerebras"),
  azure: fromPreset(AzureOpenAI.preset, AzureOpenAI.layer, "AzureOpenAI"),
  ollama: fromPreset(Ollama.preset, Ollama.layer, "Ollama"),
  vllm: fromPreset(VLLM.preset, VLLM.layer, "VLLM"),
  lmstudio: fromPreset(LMStudio.preset, LMStudio.layer, "LMStudio"),
  llamacpp: fromPreset(LlamaCpp.preset, LlamaCpp.layer, "LlamaCpp"),
  majordomo: fromPreset(Majordomo.preset, Majordomo.layer, "Majordomo")
}
