/** One recorded case through the public API, compared with what a client should have understood. */
import type { HttpClient } from "@effect/platform"
import { Clock, Duration, Effect, Either, type Layer, Option, Redacted, Stream } from "effect"
import { Anthropic, Gemini, LLM, LLMError, OpenAI, OpenAIChat, OpenAICompatible, Output, Retry } from "effect-majordomo"
import type { Prompt, Response } from "effect-majordomo"
import { isDeepStrictEqual } from "node:util"
import * as Bedrock from "../../src/providers/Bedrock.ts"
import * as Cohere from "../../src/providers/Cohere.ts"
import { blockProblems } from "./blocks.ts"
import type { Case, Expectation } from "./cases.ts"

type ProviderLayer = Layer.Layer<LLM.LLM, LLMError.ConfigurationError, HttpClient.HttpClient>

const options = (item: Case, baseUrl: string) => ({
  model: item.requestModel ?? "unknown",
  apiKey: Redacted.make("conformance-key"),
  baseUrl: `${baseUrl}/v1`,
  retry: Retry.none
})

/** The provider layer of a dialect, under the host's name. */
export const layerOf = (item: Case, baseUrl: string): ProviderLayer | undefined => {
  const common = options(item, baseUrl)
  const { provider } = item
  switch (item.dialect) {
    case "openai-chat":
      return provider === "openai-chat" || provider === "openai"
        ? OpenAIChat.layer(common)
        : OpenAICompatible.layer({ ...common, provider })
    case "openai-responses":
      return OpenAI.layer(provider === "openai-responses" || provider === "openai" ? common : { ...common, provider })
    case "anthropic":
      return Anthropic.layer(provider === "anthropic" ? common : { ...common, provider })
    case "gemini":
      return Gemini.layer(provider === "gemini" ? common : { ...common, provider })
    case "cohere":
      return Cohere.layer(provider === "cohere" ? common : { ...common, provider })
    case "bedrock":
      return Bedrock.layer({ ...common, region: "us-east-1", ...(provider === "bedrock" ? {} : { provider }) })
    default:
      return undefined
  }
}

export interface Answer {
  readonly response: Response.Response<unknown>
  readonly parts: ReadonlyArray<Response.StreamPart<unknown>>
}

export const run = (item: Case, output: Output.Output<unknown>, prompt = "conformance") =>
  Effect.gen(function*() {
    const llm = yield* LLM.LLM
    const request = { prompt, output }
    if (!item.stream) return { response: yield* llm.generate(request), parts: [] } satisfies Answer
    const parts = Array.from(yield* Stream.runCollect(llm.stream(request)))
    const response = yield* LLM.collect(Stream.fromIterable(parts))
    return { response, parts } satisfies Answer
  })

/** Prices depend on the time of the call: the clock stands where the expectation was made. */
const at = (time: string | undefined): Clock.Clock => {
  const clock = Clock.make()
  const millis = Date.parse(time ?? "2026-11-20T12:00:00.000Z")
  // A clock is a class instance: its methods live on the prototype.
  return Object.create(clock, {
    unsafeCurrentTimeMillis: { value: () => millis },
    currentTimeMillis: { value: Effect.succeed(millis) }
  })
}

/** What differs, one line each; nothing when the case passes. */
export const check = (
  item: Case,
  baseUrl: string
): Effect.Effect<ReadonlyArray<string>, never, HttpClient.HttpClient> => {
  const layer = layerOf(item, baseUrl)
  if (layer === undefined) return Effect.succeed([`no provider for the dialect ${item.dialect}`])
  const { expect } = item
  const asked = (output: Output.Output<unknown>) =>
    run(item, output).pipe(
      Effect.provide(layer),
      Effect.withClock(at(expect.cost?.at)),
      Effect.timeout("20 seconds"),
      Effect.either
    )
  return Effect.gen(function*() {
    const result = yield* asked(Output.text)
    const problems: Array<string> = []
    if (Either.isLeft(result)) {
      const error = result.left
      if (LLMError.isLLMError(error)) compareError(item, error, problems)
      else problems.push(`failed with ${error._tag}: ${error.message}`)
    } else compareAnswer(item, result.right, problems)
    const schema = schemaOf(item)
    if (schema !== undefined && problems.length === 0 && Either.isRight(result)) {
      const structured = yield* asked(Output.jsonSchema(schema))
      compareStructured(item, structured, problems)
    }
    return problems
  })
}

// ── answers ─────────────────────────────────────────────────────────────────────────────────────────────────────────

const compareAnswer = (item: Case, { parts, response }: Answer, problems: Array<string>) => {
  const { expect } = item
  const differ = (what: string, actual: unknown, expected: unknown) => {
    if (!isDeepStrictEqual(actual, expected)) problems.push(`${what}: ${show(actual)}, expected ${show(expected)}`)
  }
  if (expect.error !== null) problems.push(`answered, expected the error ${show(expect.error)}`)
  if (expect.refusal !== null) problems.push(`answered, expected the refusal ${show(expect.refusal)}`)
  differ("text", response.text, expect.text ?? "")
  differ("reasoning", Option.getOrNull(response.reasoning), expect.reasoning === "" ? null : expect.reasoning)
  differ("finishReason", Option.getOrNull(response.rawFinishReason), expect.finishReason)
  if (expect.model !== null) differ("model", response.model, expect.model)
  if (expect.responseId !== null) differ("id", Option.getOrNull(response.id), expect.responseId)
  compareUsage(item, response, differ)
  compareCost(item, response, problems)
  compareToolCalls(expect, response.toolCalls, differ)
  if (item.stream) {
    compareParts(response, parts, differ)
    problems.push(...blockProblems(parts))
  }
}

export type Differ = (what: string, actual: unknown, expected: unknown) => void

export const compareParts = (
  response: Response.Response<unknown>,
  parts: ReadonlyArray<Response.StreamPart<unknown>>,
  differ: Differ
) => {
  const joined = (tag: "TextDelta" | "ReasoningDelta") =>
    parts.map((part) => part._tag === tag ? part.delta : "").join("")
  differ("joined text deltas", joined("TextDelta"), response.text)
  differ("joined reasoning deltas", joined("ReasoningDelta"), Option.getOrElse(response.reasoning, () => ""))
  differ(
    "tool call parts",
    parts.flatMap((part) => part._tag === "ToolCallPart" ? [part.call] : []),
    response.toolCalls
  )
  differ("place of Finish", parts.findIndex((part) => part._tag === "Finish"), parts.length - 1)
}

export const compareUsage = (item: Case, response: Response.Response<unknown>, differ: Differ) => {
  const reported = item.expect.usage
  if (reported === null) {
    differ("usage warning", response.warnings.some((warning) => warning.code === "usage-missing"), true)
    return
  }
  const count = (name: string) => Number(reported[name] ?? 0)
  const cacheOnTop = item.dialect === "anthropic" || item.dialect === "bedrock"
  const input = count("inputTokens") + count("toolUsePromptTokens") +
    (cacheOnTop ? count("cachedInputTokens") + count("cacheCreationTokens") : 0)
  const reasoningOnTop = item.dialect === "gemini" || item.tags.includes("reasoning-not-in-output-tokens")
  const output = count("outputTokens") + (reasoningOnTop ? count("reasoningTokens") : 0)
  const cached = Math.min(count("cachedInputTokens"), input)
  differ("usage", response.usage, {
    inputTokens: input,
    outputTokens: output,
    cachedInputTokens: cached,
    cacheCreationTokens: Math.min(count("cacheCreationTokens"), input - cached),
    reasoningTokens: Math.min(count("reasoningTokens"), output),
    totalTokens: input + output
  })
}

const near = (a: number, b: number) => Math.abs(a - b) <= 1e-12 + 1e-9 * Math.abs(b)

const compareCost = (item: Case, response: Response.Response<unknown>, problems: Array<string>) => {
  const { expect } = item
  const cost = Option.getOrUndefined(response.cost)
  const reported = expect.usage?.["providerCost"]
  if (typeof reported === "number") {
    if (cost?.source !== "provider" || !near(cost.total, reported)) {
      problems.push(`cost: ${show(cost)}, expected the provider's ${reported}`)
    }
    return
  }
  // The provider's own figure wins over the price list, wherever in its answer it stands.
  if (cost?.source === "provider" && JSON.stringify(item.response).includes(`cost\\":${cost.total}`)) return
  if (cost?.source === "provider" && JSON.stringify(item.response).includes(`"cost":${cost.total}`)) return
  if (expect.cost !== null) {
    // The expectation is the list price; these tiers cost half of it.
    const share = /"service_?tier\\?":\s*\\?"(flex|batch)/i.test(JSON.stringify(item.response)) ? 0.5 : 1
    if (
      cost === undefined || !near(cost.input, expect.cost.input_price * share) ||
      !near(cost.output, expect.cost.output_price * share)
    ) problems.push(`cost: ${show(cost)}, expected ${show(expect.cost)}`)
  } else if (expect.costByRequestedModelOnly !== undefined && cost !== undefined && cost.source !== "provider") {
    problems.push(`cost: ${show(cost)}, expected none: the model that answered has no price`)
  }
}

const compareToolCalls = (expect: Expectation, calls: ReadonlyArray<Response.ToolCall>, differ: Differ) => {
  differ(
    "tool calls",
    calls.map((call, i) => {
      const wanted = expect.toolCalls[i]
      return {
        id: wanted?.id === null || wanted?.id === "" ? wanted.id : call.id,
        name: call.name,
        arguments: call.arguments,
        rawArguments: wanted?.rawArguments === null || call.rawArguments === undefined
          ? wanted?.rawArguments ?? null
          : call.rawArguments
      }
    }),
    expect.toolCalls.map(({ arguments: args, id, name, rawArguments }) => ({ id, name, arguments: args, rawArguments }))
  )
}

// ── errors ──────────────────────────────────────────────────────────────────────────────────────────────────────────

const compareError = (item: Case, error: LLMError.LLMError, problems: Array<string>) => {
  const { expect } = item
  const kind = LLMError.tagOf(error)
  if (expect.error === null) {
    if (error._tag === "ContentFilteredError") {
      if (expect.refusal !== null && error.text !== expect.refusal) problems.push(`refusal: ${show(error.text)}`)
      const filtered = expect.refusal !== null || expect.blockReason != null ||
        /filter|safety|refusal|block|guardrail|recitation|prohibited|spii/i.test(expect.finishReason ?? "")
      if (!filtered) problems.push(`withheld as ${error.category}, expected an answer`)
      return
    }
    if (error._tag === "ResponseTruncatedError") {
      if (!item.tags.includes("length-truncated")) problems.push("truncated, expected an answer")
      if ((expect.text ?? "").trim() !== "" || expect.toolCalls.length > 0) {
        problems.push("truncated in spite of content")
      }
      const output = expect.usage?.["outputTokens"]
      if (typeof output === "number" && error.outputTokens < output) problems.push(`outputTokens ${error.outputTokens}`)
      return
    }
    problems.push(`failed: ${error.message}`)
    return
  }
  const wanted = kindOf(expect.error)
  if (!wanted.includes(kind) && !(error._tag === "InvalidRequestError" && wanted.includes(error.reason))) {
    problems.push(`${kind}: ${error.message}; expected ${wanted.join(" or ")} for ${show(expect.error)}`)
  }
  const { message, requestId } = expect.error
  if (requestId != null && error.requestId !== requestId) problems.push(`requestId ${error.requestId}`)
  if ("description" in error && message !== null && !(error.description ?? "").includes(message)) {
    problems.push(`message ${show(error.description)}, expected ${show(message)}`)
  }
  const delay = /^([\d.]+)s$/.exec(expect.error.retryDelay ?? "")?.[1]
  const wait = delay ?? (/^\d+(\.\d+)?$/.test(expect.error.retryAfter ?? "") ? expect.error.retryAfter : undefined)
  if (wait != null && error._tag === "ProviderError" && error.isRetryable) {
    const actual = error.retryAfter === undefined ? undefined : Duration.toSeconds(error.retryAfter)
    if (actual === undefined || !near(actual, Number(wait))) problems.push(`retryAfter ${actual}, expected ${wait}`)
  }
}

/** The kinds of failure an error may be, from its status and words. */
const kindOf = (error: NonNullable<Expectation["error"]>): ReadonlyArray<string> => {
  const words = `${error.type ?? ""} ${error.code ?? ""} ${error.message ?? ""}`
  const status = error.status === 200 && typeof error.code === "number" ? error.code : error.status ?? 0
  if (/content_filter|content_policy/.test(words)) return ["ContentFilteredError"]
  if (/context (length|size|window)|too many|too long|exceed_context/i.test(words) && status < 429) {
    return ["ContextLengthExceeded"]
  }
  if (status === 401 || /api.?key/i.test(words)) return ["Authentication"]
  if (status === 402 || /insufficient|credit balance/i.test(words)) return ["QuotaExceeded"]
  if (status === 403) return ["PermissionDenied"]
  if (
    status === 404 || /model_not_found|invalid.model|model (identifier|names?)|requested model.*not exist/i.test(words)
  ) return ["ModelNotFound"]
  if (status === 429) return ["RateLimited", "QuotaExceeded"]
  if (status === 408 || status === 504) return ["Timeout"]
  if (status === 503 || status === 529 || /overloaded/.test(words)) return ["Overloaded"]
  if (status >= 500) return ["ServerError", "Overloaded"]
  if (status >= 400) return ["InvalidRequestError"]
  return ["ServerError", "RateLimited", "Overloaded", "Timeout", "InvalidRequestError"]
}

// ── structured answers ──────────────────────────────────────────────────────────────────────────────────────────────

/** The schema of the recorded request, where it asked for a structured answer and got one. */
export const schemaOf = (item: Case): Prompt.JsonObject | undefined => {
  if (!item.kind.startsWith("structured") || item.request.body == null || item.expect.text === null) return undefined
  const body = object(item.request.body)
  const format = object(object(body["text"])["format"])
  const candidates = [
    object(object(body["response_format"])["json_schema"])["schema"],
    object(body["response_format"])["schema"],
    format["schema"],
    object(object(body["output_config"])["format"])["schema"],
    object(body["generationConfig"])["responseJsonSchema"]
  ]
  const found = candidates.find((candidate) => Object.keys(object(candidate)).length > 0)
  // Recorded requests are JSON.
  return found === undefined ? undefined : found as Prompt.JsonObject
}

const object = (value: unknown): Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : {}

export const compareStructured = (
  item: Case,
  result: Either.Either<Answer, { readonly message: string }>,
  problems: Array<string>
) => {
  const text = item.expect.text ?? ""
  const cut = item.tags.includes("length-truncated")
  if (Either.isLeft(result)) {
    if (!cut) problems.push(`structured: ${result.left.message}`)
    return
  }
  if (cut) problems.push("structured: answered, expected a truncation")
  let expected: unknown
  try {
    expected = JSON.parse(text)
  } catch {
    return
  }
  if (!isDeepStrictEqual(result.right.response.content, expected)) {
    problems.push(`structured: ${show(result.right.response.content)}, expected ${show(expected)}`)
  }
  const last = result.right.parts.filter((part) => part._tag === "ObjectDelta").at(-1)
  if (item.stream && last !== undefined && !isDeepStrictEqual(last.partial, expected)) {
    problems.push(`structured: last partial ${show(last.partial)}, expected ${show(expected)}`)
  }
}

export const show = (value: unknown): string => {
  const text = JSON.stringify(value, (_, field: unknown) => typeof field === "bigint" ? String(field) : field) ?? "none"
  return text.length > 300 ? `${text.slice(0, 300)}…` : text
}
