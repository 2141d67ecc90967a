/**
 * One `LLM` service for Effect.
 *
 * @since 0.1.0
 */
export * as Cost from "./Cost.ts"
export * as LLM from "./LLM.ts"
export * as LLMError from "./LLMError.ts"
export * as Metadata from "./Metadata.ts"
export * as Output from "./Output.ts"
export * as Pricing from "./Pricing.ts"
export * as Prompt from "./Prompt.ts"
export * as Response from "./Response.ts"
export * as Retry from "./Retry.ts"
export * as Tool from "./Tool.ts"
export * as Usage from "./Usage.ts"
export * as OpenAIChat from "./providers/OpenAIChat.ts"
export * as OpenAICompatible from "./providers/OpenAICompatible.ts"
export * as Anthropic from "./providers/Anthropic.ts"
export * as Gemini from "./providers/Gemini.ts"
export * as OpenAI from "./providers/OpenAI.ts"
export * as Bedrock from "./providers/Bedrock.ts"
export * as BedrockMantle from "./providers/BedrockMantle.ts"
export * as Cohere from "./providers/Cohere.ts"
