/** The providers that `Models` knows by name. */
import { hosts } from "../../internal/hosts/rows.ts"
import * as capabilities from "../../internal/models/capabilities.ts"
import type { Provider } from "../../Models.ts"
import * as Anthropic from "../Anthropic.ts"
import * as AzureOpenAI from "../AzureOpenAI.ts"
import * as Bedrock from "../Bedrock.ts"
import * as BedrockMantle from "../BedrockMantle.ts"
import * as Cohere from "../Cohere.ts"
import * as Gemini from "../Gemini.ts"
import * as OpenAI from "../OpenAI.ts"
import * as OpenAICompatible from "../OpenAICompatible.ts"
import * as aws from "./aws.ts"

/** A provider of a preset: what it can do is what its row says. */
export const fromPreset = (
  row: OpenAICompatible.Preset,
  layer: OpenAICompatible.Constructor = OpenAICompatible.layerPreset(row)
): Provider => {
  const { webSearch } = row
  return {
    layer,
    module: row.module ?? "OpenAICompatible",
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

/** Layers that do more than their host's row says. */
const own: Readonly<Record<string, OpenAICompatible.Constructor>> = { azure: AzureOpenAI.layer }

/** The catalog entries of hosts, from their rows alone. */
export const fromRows = (
  rows: Readonly<Record<string, OpenAICompatible.Preset>>
): Readonly<Record<string, Provider>> =>
  Object.fromEntries(
    Object.entries(rows).map(([name, row]) => [name, fromPreset(row, Object.hasOwn(own, name) ? own[name] : undefined)])
  )

const ofVendors: Readonly<Record<string, Provider>> = {
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
  }
}

export const providers: Readonly<Record<string, Provider>> = { ...ofVendors, ...fromRows(hosts) }
