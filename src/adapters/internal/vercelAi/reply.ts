/** What a model of `ai` answers, as an answer of ours. */
import type {
  LanguageModelV4Content,
  LanguageModelV4FinishReason,
  LanguageModelV4GenerateResult,
  LanguageModelV4StreamPart,
  LanguageModelV4Usage,
  SharedV4ProviderMetadata,
  SharedV4Warning
} from "@ai-sdk/provider"
import { toJson } from "../../../internal/json/toJson.ts"
import { asJsonObject, parseArguments } from "../../../internal/json/values.ts"
import type { FunctionAnswer, FunctionFacts, FunctionPart } from "../../../LLM.ts"
import type * as Prompt from "../../../Prompt.ts"
import type { Warning } from "../../../Response.ts"
import type { Usage } from "../../../Usage.ts"
import { theirs } from "./call.ts"

export const toAnswer = (result: LanguageModelV4GenerateResult): FunctionAnswer => ({
  content: withCitations(result.content.flatMap(toPart), result.content.filter((part) => part.type === "source")),
  ...facts(result.finishReason, result.usage, result.warnings),
  model: result.response?.modelId,
  id: result.response?.id
})

const kept = (metadata: SharedV4ProviderMetadata | undefined) =>
  metadata === undefined ? {} : { providerMetadata: { [theirs]: asJsonObject(toJson(metadata)) } }

const toPart = (part: LanguageModelV4Content): ReadonlyArray<Prompt.AssistantPart> => {
  switch (part.type) {
    case "text":
    case "reasoning":
      return [{ type: part.type, text: part.text, ...kept(part.providerMetadata) }]
    case "tool-call":
      return part.providerExecuted === true ? [asProviderPart(part)] : [toCall(part)]
    case "source":
      return []
    case "custom":
    case "file":
    case "reasoning-file":
    case "tool-result":
    case "tool-approval-request":
      return [asProviderPart(part)]
  }
}

type Call = Extract<LanguageModelV4Content, { type: "tool-call" }>

const toCall = (part: Call): Prompt.ToolCallPart => ({
  type: "tool-call",
  id: part.toolCallId,
  name: part.toolName,
  arguments: parseArguments(part.input),
  ...(part.input === "" ? {} : { rawArguments: part.input }),
  ...kept(part.providerMetadata)
})

/** What only its provider knows goes back as the part of a prompt that it is there. */
const asProviderPart = (part: LanguageModelV4Content): Prompt.ProviderPart => {
  const { providerMetadata, ...rest } = part
  const options = providerMetadata === undefined ? {} : { providerOptions: providerMetadata }
  const inPrompt = part.type === "tool-call"
    ? { ...rest, input: parseArguments(part.input) }
    : part.type === "tool-result"
    ? {
      type: part.type,
      toolCallId: part.toolCallId,
      toolName: part.toolName,
      output: { type: part.isError === true ? "error-json" : "json", value: part.result }
    }
    : rest
  return { type: "provider", wire: theirs, value: { part: toJson({ ...inPrompt, ...options }) } }
}

/** What it cites has no place of its own: it stays with the last text. */
const withCitations = (
  parts: ReadonlyArray<Prompt.AssistantPart>,
  sources: ReadonlyArray<LanguageModelV4Content>
): ReadonlyArray<Prompt.AssistantPart> => {
  const last = parts.map((part) => part.type).lastIndexOf("text")
  if (sources.length === 0 || last === -1) return parts
  return parts.map((part, i) => i === last && part.type === "text" ? cited(part, sources) : part)
}

const cited = (part: Prompt.TextPart, sources: ReadonlyArray<LanguageModelV4Content>): Prompt.TextPart => ({
  ...part,
  citations: sources.flatMap((source) =>
    source.type !== "source"
      ? []
      : [{
        ...(source.sourceType === "url" ? { url: source.url } : {}),
        ...(source.title === undefined ? {} : { title: source.title })
      }]
  )
})

const facts = (
  { raw, unified }: LanguageModelV4FinishReason,
  usage: LanguageModelV4Usage,
  warnings: ReadonlyArray<SharedV4Warning>
): FunctionFacts => ({
  finishReason: unified === "error" || unified === "interrupted" ? "other" : unified,
  rawFinishReason: raw ?? unified,
  filter: unified === "content-filter" ? raw ?? "content-filter" : undefined,
  usage: toUsage(usage),
  warnings: warnings.map(toWarning)
})

const toUsage = ({ inputTokens, outputTokens }: LanguageModelV4Usage): Partial<Usage> | undefined =>
  inputTokens.total === undefined && outputTokens.total === undefined ? undefined : {
    inputTokens: inputTokens.total ?? 0,
    outputTokens: outputTokens.total ?? 0,
    cachedInputTokens: inputTokens.cacheRead ?? 0,
    cacheCreationTokens: inputTokens.cacheWrite ?? 0,
    reasoningTokens: outputTokens.reasoning ?? 0
  }

const toWarning = (warning: SharedV4Warning): Warning => {
  switch (warning.type) {
    case "unsupported":
    case "compatibility":
      return {
        code: "dropped-parameter",
        message: `${warning.feature}${warning.details === undefined ? "" : `: ${warning.details}`}`
      }
    case "deprecated":
      return { code: "deprecated-model", message: warning.message }
    case "other":
      return { code: "other", message: warning.message }
  }
}

/** Reads the parts of a stream. */
export class Reading {
  /** What the provider says in place of a part. */
  failure: { readonly error: unknown } | undefined = undefined
  isComplete = false
  private readonly places = new Map<string, number>()
  private readonly texts = new Map<string, string>()
  private readonly names = new Map<string, string>()
  private readonly metadata = new Map<string, SharedV4ProviderMetadata>()
  private readonly sources: Array<LanguageModelV4Content> = []
  private warnings: ReadonlyArray<SharedV4Warning> = []
  private model: string | undefined = undefined
  private id: string | undefined = undefined
  /** Texts whose end waits for what they cite. */
  private lastText: { readonly index: number; readonly part: Prompt.TextPart } | undefined = undefined

  read(part: LanguageModelV4StreamPart): ReadonlyArray<FunctionPart> {
    switch (part.type) {
      case "stream-start":
        this.warnings = part.warnings
        return []
      case "response-metadata":
        this.model = part.modelId ?? this.model
        this.id = part.id ?? this.id
        return []
      case "text-start":
      case "reasoning-start":
        this.keep(part)
        this.place(part.id)
        return this.endText()
      case "text-delta":
      case "reasoning-delta":
        this.keep(part)
        this.texts.set(part.id, (this.texts.get(part.id) ?? "") + part.delta)
        return [{
          _tag: part.type === "text-delta" ? "TextDelta" : "ReasoningDelta",
          index: this.place(part.id),
          delta: part.delta
        }]
      case "text-end": {
        const text: Prompt.TextPart = {
          type: "text",
          text: this.texts.get(part.id) ?? "",
          ...kept(this.keep(part))
        }
        const ended = this.endText()
        this.lastText = { index: this.place(part.id), part: text }
        return this.closing(part.id, ended)
      }
      case "reasoning-end":
        return this.closing(part.id, [{
          _tag: "BlockEnd",
          index: this.place(part.id),
          part: { type: "reasoning", text: this.texts.get(part.id) ?? "", ...kept(this.keep(part)) }
        }])
      case "tool-input-start":
        this.names.set(part.id, part.toolName)
        return part.providerExecuted === true ? [] : [
          ...this.endText(),
          { _tag: "ToolCallDelta", index: this.place(part.id), id: part.id, name: part.toolName, delta: "" }
        ]
      case "tool-input-delta":
        return !this.places.has(part.id) ? [] : [{
          _tag: "ToolCallDelta",
          index: this.place(part.id),
          id: part.id,
          name: this.names.get(part.id) ?? "",
          delta: part.delta
        }]
      case "tool-call":
        return [
          ...this.endText(),
          ...(part.providerExecuted === true
            ? [{ _tag: "BlockEnd" as const, part: asProviderPart(part) }]
            : [{ _tag: "BlockEnd" as const, index: this.place(part.toolCallId), part: toCall(part) }])
        ]
      case "source":
        this.sources.push(part)
        return []
      case "custom":
      case "file":
      case "reasoning-file":
      case "tool-result":
      case "tool-approval-request":
        return [...this.endText(), { _tag: "BlockEnd", part: asProviderPart(part) }]
      case "error":
        this.failure = { error: part.error }
        return []
      case "finish": {
        this.isComplete = true
        const end = facts(part.finishReason, part.usage, this.warnings)
        return [...this.endText(), { _tag: "End", ...end, model: this.model, id: this.id }]
      }
      case "tool-input-end":
      case "raw":
      case "ping":
        return []
    }
  }

  private place(id: string): number {
    const known = this.places.get(id)
    if (known !== undefined) return known
    this.places.set(id, this.count)
    return this.count++
  }
  private count = 0

  /** A signature may come with any piece of its block. */
  private keep(
    { id, providerMetadata }: { readonly id: string; readonly providerMetadata?: SharedV4ProviderMetadata | undefined }
  ): SharedV4ProviderMetadata | undefined {
    const known = this.metadata.get(id)
    if (providerMetadata === undefined) return known
    const merged = { ...known }
    for (const [name, value] of Object.entries(providerMetadata)) merged[name] = { ...merged[name], ...value }
    this.metadata.set(id, merged)
    return merged
  }

  /** Some providers use an id again for the next block. */
  private closing(id: string, parts: ReadonlyArray<FunctionPart>): ReadonlyArray<FunctionPart> {
    this.places.delete(id)
    this.texts.delete(id)
    this.metadata.delete(id)
    return parts
  }

  private endText(): ReadonlyArray<FunctionPart> {
    if (this.lastText === undefined) return []
    const { index, part } = this.lastText
    this.lastText = undefined
    return [{ _tag: "BlockEnd", index, part: this.sources.length === 0 ? part : cited(part, this.sources.splice(0)) }]
  }
}
