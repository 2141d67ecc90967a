/** Answers and errors of ours, as `ai` takes them. */
import type {
  LanguageModelV4Content,
  LanguageModelV4FinishReason,
  LanguageModelV4GenerateResult,
  LanguageModelV4Usage,
  SharedV4ProviderMetadata,
  SharedV4Warning
} from "@ai-sdk/provider"
import { APICallError } from "@ai-sdk/provider"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as LLMError from "../../../LLMError.ts"
import type * as Prompt from "../../../Prompt.ts"
import type * as Response from "../../../Response.ts"
import * as UsageModule from "../../../Usage.ts"
import * as facts from "../facts/facts.ts"
import { metadataOf, ours, providerPartKind } from "./metadata.ts"
import * as sources from "./sources.ts"

type Answer = Response.Response<Option.Option<Prompt.JsonValue>>

export const toResult = (
  answer: Answer,
  isStructured: boolean,
  warnings: ReadonlyArray<SharedV4Warning>
): LanguageModelV4GenerateResult => ({
  content: [
    ...answer.message.content === "" ? [] : partsOf(answer.message).flatMap(toContent),
    ...sources.of(partsOf(answer.message))
  ],
  ...(isStructured && Option.isSome(answer.content)
    ? { structuredOutputText: JSON.stringify(answer.content.value) }
    : {}),
  finishReason: toFinishReason(answer),
  usage: toUsage(answer.usage),
  providerMetadata: factsOf(answer),
  response: { ...Option.match(answer.id, { onNone: () => ({}), onSome: (id) => ({ id }) }), modelId: answer.model },
  warnings: [...warnings, ...answer.warnings.map(toWarning)]
})

const partsOf = (message: Prompt.AssistantMessage): ReadonlyArray<Prompt.AssistantPart> =>
  typeof message.content === "string" ? [{ type: "text", text: message.content }] : message.content

const toContent = (part: Prompt.AssistantPart): ReadonlyArray<LanguageModelV4Content> => {
  switch (part.type) {
    case "text":
    case "reasoning":
      return [{ type: part.type, text: part.text, ...metadataOf(part) }]
    case "tool-call":
      return [toToolCall(part)]
    case "provider":
      return [toCustom(part)]
  }
}

export const toCustom = (part: Prompt.ProviderPart) => ({
  type: "custom" as const,
  kind: providerPartKind,
  ...metadataOf(part)
} as const)

export const toToolCall = (part: Prompt.ToolCallPart) => ({
  type: "tool-call" as const,
  toolCallId: part.id,
  toolName: part.name,
  // What is no JSON is shown as it is, so that the program sees what is wrong with it.
  input: part.arguments === null ? part.rawArguments ?? "" : JSON.stringify(part.arguments),
  ...metadataOf(part)
})

export const toFinishReason = (
  answer: Pick<Answer, "finishReason" | "rawFinishReason">
): LanguageModelV4FinishReason => ({
  unified: answer.finishReason,
  raw: Option.getOrUndefined(answer.rawFinishReason)
})

/** Counts nobody reported are not known to be zero. */
export const toUsage = (usage: UsageModule.Usage): LanguageModelV4Usage => {
  const isKnown = usage !== UsageModule.empty && usage.totalTokens > 0
  const { cachedInputTokens, cacheCreationTokens, inputTokens, outputTokens, reasoningTokens } = usage
  const known = (count: number) => isKnown ? count : undefined
  return {
    inputTokens: {
      total: known(inputTokens),
      noCache: known(inputTokens - cachedInputTokens - cacheCreationTokens),
      cacheRead: known(cachedInputTokens),
      cacheWrite: known(cacheCreationTokens)
    },
    outputTokens: {
      total: known(outputTokens),
      text: known(outputTokens - reasoningTokens),
      reasoning: known(reasoningTokens)
    }
  }
}

/** `providerMetadata.majordomo` of an answer. */
export const factsOf = (answer: Answer): SharedV4ProviderMetadata => ({ [ours]: facts.ofAnswer(answer) })

const toWarning = ({ code, message }: Response.Warning): SharedV4Warning => {
  switch (code) {
    case "dropped-parameter":
      return { type: "unsupported", feature: message }
    case "deprecated-model":
      return { type: "deprecated", setting: "model", message }
    default:
      return { type: "other", message }
  }
}

// ── errors ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/** An answer that is none to us and one to `ai`, which has words of its own for cut off, withheld and not matching. */
export interface Shortfall {
  readonly text: string
  readonly finishReason: LanguageModelV4FinishReason
  readonly usage: LanguageModelV4Usage
  readonly providerMetadata: SharedV4ProviderMetadata
  readonly modelId: string
}

export const shortfallOf = (error: LLMError.LLMError): Shortfall | undefined => {
  const is = (unified: LanguageModelV4FinishReason["unified"], raw: string | undefined, text: string): Shortfall => ({
    text,
    finishReason: { unified, raw },
    usage: toUsage("usage" in error && error.usage !== undefined ? error.usage : UsageModule.empty),
    providerMetadata: { [ours]: facts.ofError(error) },
    modelId: error.model
  })
  switch (error._tag) {
    case "ResponseTruncatedError":
      return is("length", undefined, error.text)
    case "ContentFilteredError":
      return is("content-filter", error.finishReason ?? error.category, error.text)
    case "ResponseParsingError":
      // It reads the text again and says what is wrong with it.
      return error.reason === "Mismatch" || error.reason === "NotJson" ? is("stop", undefined, error.text) : undefined
    default:
      return undefined
  }
}

/** Tries are ours: whoever gets this error need not try again. */
export const toApiError = (error: LLMError.LLMError | LLMError.ConfigurationError): APICallError => {
  if (error._tag === "ConfigurationError") {
    return new APICallError({
      message: error.message,
      url: "majordomo:",
      requestBodyValues: {},
      isRetryable: false,
      cause: error
    })
  }
  const wait = Option.getOrUndefined(LLMError.retryAfterOf(error))
  const body = "body" in error ? error.body : undefined
  return new APICallError({
    message: error.message,
    url: `majordomo:${error.provider}/${error.model}`,
    requestBodyValues: {},
    isRetryable: false,
    cause: error,
    data: facts.ofError(error),
    ...(error.status === undefined ? {} : { statusCode: error.status }),
    ...(wait === undefined ? {} : { responseHeaders: { "retry-after": String(Math.ceil(Duration.toSeconds(wait))) } }),
    ...(body === undefined ? {} : { responseBody: body })
  })
}
