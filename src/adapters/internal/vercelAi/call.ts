/** A request of ours as call options of a model of `ai`. */
import type {
  JSONObject,
  LanguageModelV4CallOptions,
  LanguageModelV4FilePart,
  LanguageModelV4Message,
  LanguageModelV4ToolResultOutput,
  SharedV4ProviderOptions
} from "@ai-sdk/provider"
import { isObject } from "../../../internal/json/values.ts"
import type { FunctionCall } from "../../../LLM.ts"
import type * as Prompt from "../../../Prompt.ts"

/** The name under which what its provider keeps with a part stays with ours. */
export const theirs = "vercel-ai"

export const toCallOptions = (call: FunctionCall, abortSignal: AbortSignal): LanguageModelV4CallOptions => {
  const { format, options, tools } = call
  const dropped = (name: string, given: unknown) => {
    if (given !== undefined && given !== false) {
      call.warn("dropped-parameter", `a model of ai has no field for ${name}; it was left out`)
    }
  }
  dropped("reasoning.budgetTokens", options.reasoning?.budgetTokens)
  dropped("webSearch", options.webSearch)
  dropped("parallelToolCalls", options.parallelToolCalls)
  return {
    prompt: [
      ...call.system.map((part): LanguageModelV4Message => ({
        role: "system",
        content: part.text,
        ...cacheOptions(part.cache)
      })),
      ...call.messages.flatMap(toMessages)
    ],
    abortSignal,
    ...given({
      maxOutputTokens: options.maxTokens,
      temperature: options.temperature,
      topP: options.topP,
      topK: options.topK,
      presencePenalty: options.presencePenalty,
      frequencyPenalty: options.frequencyPenalty,
      stopSequences: options.stop === undefined ? undefined : [...options.stop],
      seed: options.seed,
      reasoning: options.reasoning?.effort,
      headers: headersOf(options.extraHeaders),
      providerOptions: providerOptionsOf(options.providerOptions, dropped),
      toolChoice: toToolChoice(options.toolChoice)
    }),
    ...(tools.length === 0 ? {} : {
      tools: tools.map(({ description, name, schema, strict }) => ({
        type: "function" as const,
        name,
        inputSchema: schema,
        ...given({ description, strict })
      }))
    }),
    ...(format.type === "text" ? {} : format.type === "json" ? { responseFormat: { type: "json" as const } } : {
      responseFormat: {
        type: "json" as const,
        schema: format.schema,
        name: format.name,
        ...given({ description: format.description })
      }
    })
  }
}

/** The fields that are there. */
const given = <A extends object>(fields: A): { [K in keyof A]?: Exclude<A[K], undefined> } =>
  // What is left out is exactly what is undefined.
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [K in keyof A]?: Exclude<A[K], undefined>
  }

const toToolChoice = (choice: FunctionCall["options"]["toolChoice"]): LanguageModelV4CallOptions["toolChoice"] =>
  choice === undefined ? undefined
    : typeof choice === "string" ? { type: choice } : { type: "tool", toolName: choice.tool }

const headersOf = (input: FunctionCall["options"]["extraHeaders"]): Record<string, string | undefined> | undefined => {
  if (input === undefined) return undefined
  const entries: Iterable<readonly [string, unknown]> = Symbol.iterator in input ? input : Object.entries(input)
  return Object.fromEntries(
    [...entries].map(([name, value]) => [name, Array.isArray(value) ? value.join(", ") : String(value)])
  )
}

/** Options of `ai` stand under a provider's name. */
const providerOptionsOf = (
  options: FunctionCall["options"]["providerOptions"],
  dropped: (name: string, given: unknown) => void
): SharedV4ProviderOptions | undefined => {
  if (options === undefined) return undefined
  const named: SharedV4ProviderOptions = {}
  for (const [name, value] of Object.entries(options)) {
    if (isObject(value)) named[name] = value as JSONObject // Options of a JSON body are JSON.
    else dropped(`providerOptions.${name} without a provider's name`, value)
  }
  return named
}

/** What came from the provider goes back to it. */
const keptOptions = (part: { readonly providerMetadata?: Prompt.ProviderMetadata | undefined }) => {
  const own = part.providerMetadata?.[theirs]
  if (own === undefined) return {}
  const providerOptions: SharedV4ProviderOptions = {}
  for (const [provider, value] of Object.entries(own)) {
    if (isObject(value)) providerOptions[provider] = value as JSONObject
  }
  return Object.keys(providerOptions).length === 0 ? {} : { providerOptions }
}

const cacheOptions = (cache: "5m" | "1h" | undefined) =>
  cache === undefined
    ? {}
    : {
      providerOptions: { anthropic: { cacheControl: { type: "ephemeral", ...(cache === "1h" ? { ttl: "1h" } : {}) } } }
    }

const toMessages = (message: Prompt.Message): ReadonlyArray<LanguageModelV4Message> => {
  switch (message.role) {
    case "system":
      return [{
        role: "system",
        content: typeof message.content === "string"
          ? message.content
          : message.content.map(({ text }) => text).join("\n")
      }]
    case "user":
      return [{
        role: "user",
        content: typeof message.content === "string"
          ? [{ type: "text", text: message.content }]
          : message.content.map((part) =>
            part.type === "text" ? { type: "text", text: part.text, ...cacheOptions(part.cache) } : toFile(part)
          )
      }]
    case "assistant":
      return [{
        role: "assistant",
        content: typeof message.content === "string"
          ? [{ type: "text", text: message.content }]
          : message.content.flatMap(toAssistantPart)
      }]
    case "tool":
      return [{
        role: "tool",
        content: message.content.map((part) => ({
          type: "tool-result",
          toolCallId: part.id,
          toolName: part.name,
          output: toOutput(part)
        }))
      }]
  }
}

type TheirAssistantPart = Extract<LanguageModelV4Message, { role: "assistant" }>["content"][number]

const toAssistantPart = (part: Prompt.AssistantPart): ReadonlyArray<TheirAssistantPart> => {
  switch (part.type) {
    case "text":
    case "reasoning":
      return [{ type: part.type, text: part.text, ...keptOptions(part) }]
    case "tool-call":
      return [{
        type: "tool-call",
        toolCallId: part.id,
        toolName: part.name,
        input: part.arguments,
        ...keptOptions(part)
      }]
    case "provider": {
      // Only what a model of `ai` made is known to it; it was a part of this very shape.
      const { part: value } = part.value
      return part.wire.startsWith(`${theirs}:`) && isObject(value) ? [value as unknown as TheirAssistantPart] : []
    }
  }
}

const toOutput = (part: Prompt.ToolResultPart): LanguageModelV4ToolResultOutput => {
  const { isError, media = [], result } = part
  if (media.length > 0) {
    const text = typeof result === "string" ? result : JSON.stringify(result)
    return {
      type: "content",
      value: [
        { type: "text", text },
        ...media.map((item) => {
          const { data, mediaType } = toFile(item)
          return { type: "file" as const, data, mediaType }
        })
      ]
    }
  }
  return typeof result === "string"
    ? { type: isError === true ? "error-text" : "text", value: result }
    : { type: isError === true ? "error-json" : "json", value: result }
}

const toFile = (part: Prompt.ImagePart | Prompt.FilePart): LanguageModelV4FilePart => ({
  type: "file",
  mediaType: part.mediaType ?? "image/*",
  data: part.media.type === "url"
    ? { type: "url", url: new URL(part.media.url), originalUrl: part.media.url }
    : { type: "data", data: part.media.type === "bytes" ? part.media.bytes : part.media.base64 },
  ...(part.type === "file" && part.filename !== undefined ? { filename: part.filename } : {}),
  ...cacheOptions(part.cache)
})
