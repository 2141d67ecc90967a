/** A prompt of `ai` as messages of ours. */
import type {
  JSONObject,
  LanguageModelV4FilePart,
  LanguageModelV4Message,
  LanguageModelV4Prompt,
  LanguageModelV4ToolResultOutput,
  LanguageModelV4ToolResultPart,
  SharedV4FileData,
  SharedV4ProviderOptions
} from "@ai-sdk/provider"
import * as Array from "effect/Array"
import { toJson } from "../../../internal/json/toJson.ts"
import { isObject } from "../../../internal/json/values.ts"
import * as Prompt from "../../../Prompt.ts"
import { carried, metadataField, ours, providerPartKind, textFields } from "./metadata.ts"

/** What cannot be said of it. */
export type Unsupported = (feature: string, details?: string) => void

export const toMessages = (
  prompt: LanguageModelV4Prompt,
  unsupported: Unsupported
): ReadonlyArray<Prompt.Message> => prompt.flatMap((message) => toMessage(message, unsupported))

const toMessage = (message: LanguageModelV4Message, unsupported: Unsupported): ReadonlyArray<Prompt.Message> => {
  switch (message.role) {
    case "system":
      return [{ role: "system", content: [Prompt.text(message.content, cacheOf(message.providerOptions))] }]
    case "user":
      return [Prompt.user(lastCached(
        message.content.flatMap((part) => {
          if (part.type === "text") return [Prompt.text(part.text, cacheOf(part.providerOptions))]
          const file = toFile(part, unsupported)
          return file === undefined ? [] : [file]
        }),
        message.providerOptions
      ))]
    case "assistant":
      return [Prompt.assistant(message.content.flatMap((part): ReadonlyArray<Prompt.AssistantPart> => {
        switch (part.type) {
          case "text":
            // Empty text only carries what belongs to it.
            return [{
              ...Prompt.text(part.text, cacheOf(part.providerOptions)),
              ...textFields(part.providerOptions)
            }]
          case "reasoning":
            return [{ type: "reasoning", text: part.text, ...metadataField(part.providerOptions) }]
          case "tool-call": {
            const { rawArguments } = carried(part.providerOptions)
            return [{
              type: "tool-call",
              id: part.toolCallId,
              name: part.toolName,
              arguments: toJson(part.input),
              ...(rawArguments === undefined ? {} : { rawArguments }),
              ...metadataField(part.providerOptions)
            }]
          }
          case "custom": {
            const kept = part.kind === providerPartKind ? carried(part.providerOptions).part : undefined
            if (kept === undefined) unsupported(`parts of kind ${part.kind}`)
            return kept === undefined ? [] : [kept]
          }
          case "file":
          case "reasoning-file":
          case "tool-result":
            unsupported(`${part.type} in an assistant's message`, "it is left out")
            return []
        }
      }))]
    case "tool": {
      const results = message.content.flatMap((part) => {
        if (part.type === "tool-result") return [toResult(part, unsupported)]
        // Whether a call may run is decided in the program; its result says the rest.
        return []
      })
      return results.length === 0 ? [] : [Prompt.tool(results)]
    }
  }
}

const toResult = (part: LanguageModelV4ToolResultPart, unsupported: Unsupported): Prompt.ToolResultPart => {
  const call = { id: part.toolCallId, name: part.toolName }
  const { output } = part
  switch (output.type) {
    case "text":
      return Prompt.toolResult(call, output.value)
    case "json":
      return Prompt.toolResult(call, toJson(output.value))
    case "error-text":
      return Prompt.toolResult(call, output.value, { isError: true })
    case "error-json":
      return Prompt.toolResult(call, toJson(output.value), { isError: true })
    case "execution-denied":
      return Prompt.toolResult(call, output.reason ?? "the user did not allow this call", { isError: true })
    case "content":
      return fromContent(call, output.value, unsupported)
  }
}

const fromContent = (
  call: { readonly id: string; readonly name: string },
  content: Extract<LanguageModelV4ToolResultOutput, { readonly type: "content" }>["value"],
  unsupported: Unsupported
): Prompt.ToolResultPart => {
  const texts: Array<string> = []
  const media: Array<Prompt.ImagePart | Prompt.FilePart> = []
  for (const item of content) {
    if (item.type === "text") texts.push(item.text)
    else if (item.type === "custom") unsupported("custom content in a tool's result", "it is left out")
    else {
      const file = toFile(item, unsupported)
      if (file?.type === "text") texts.push(file.text)
      else if (file !== undefined) media.push(file)
    }
  }
  return Prompt.toolResult(call, texts.join("\n"), media.length === 0 ? {} : { media })
}

const toFile = (
  part: Pick<LanguageModelV4FilePart, "data" | "filename" | "mediaType" | "providerOptions">,
  unsupported: Unsupported
): Prompt.TextPart | Prompt.ImagePart | Prompt.FilePart | undefined => {
  const source = sourceOf(part.data)
  if (source === undefined) {
    unsupported("files by a provider's reference", "upload ids of one provider mean nothing to another")
    return undefined
  }
  if (part.data.type === "text") return Prompt.text(part.data.text, cacheOf(part.providerOptions))
  const { mediaType } = part
  const known = mediaType.includes("*") || !mediaType.includes("/") ? {} : { mediaType }
  return mediaType.startsWith("image")
    ? Prompt.image(source, { ...known, ...detailOf(part.providerOptions), ...cacheOf(part.providerOptions) })
    : Prompt.file(source, {
      ...known,
      ...cacheOf(part.providerOptions),
      ...(part.filename === undefined ? {} : { filename: part.filename })
    })
}

const sourceOf = (data: SharedV4FileData): Uint8Array | string | URL | undefined => {
  switch (data.type) {
    case "data":
      return data.data
    case "url":
      return data.originalUrl ?? data.url
    case "text":
      return data.text
    case "reference":
      return undefined
  }
}

const object = (value: unknown): JSONObject => isObject(value) ? value as JSONObject : {} // Options are JSON.

type Caching = { readonly cache?: "5m" | "1h" }

/** How long to cache up to here: our own word, or that of the Anthropic provider of `ai`. */
const cacheOf = (options: SharedV4ProviderOptions | undefined): Caching => {
  const own = options?.[ours]?.["cache"]
  if (own === "5m" || own === "1h") return { cache: own }
  const theirs = object(options?.["anthropic"]?.["cacheControl"] ?? options?.["anthropic"]?.["cache_control"])
  return theirs["type"] === "ephemeral" ? { cache: theirs["ttl"] === "1h" ? "1h" : "5m" } : {}
}

const detailOf = (options: SharedV4ProviderOptions | undefined): { readonly detail?: "low" | "high" | "auto" } => {
  const detail = options?.[ours]?.["detail"] ?? options?.["openai"]?.["imageDetail"]
  return detail === "low" || detail === "high" || detail === "auto" ? { detail } : {}
}

type UserPart = Prompt.TextPart | Prompt.ImagePart | Prompt.FilePart

/** What is said of a message is said of its last part. */
const lastCached = (parts: ReadonlyArray<UserPart>, options: SharedV4ProviderOptions | undefined) => {
  const caching = cacheOf(options)
  return caching.cache === undefined || !Array.isNonEmptyReadonlyArray(parts)
    ? parts
    : [...parts.slice(0, -1), { ...Array.lastNonEmpty(parts), ...caching }]
}
