/** Names and values of spans and metrics: OpenTelemetry's GenAI conventions, 1.41 by default, newer ones on request. */
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as MetricBoundaries from "effect/MetricBoundaries"
import * as MetricKey from "effect/MetricKey"
import * as MetricLabel from "effect/MetricLabel"
import type * as Tracer from "effect/Tracer"
import type { Options, Settings } from "../../LLM.ts"
import type { LLMError } from "../../LLMError.ts"
import { tagOf } from "../../LLMError.ts"
import type { Response } from "../../Response.ts"
import { withoutMedia } from "../json/withoutMedia.ts"
import { withRunning } from "./runtime.ts"

/** The value of OTEL_SEMCONV_STABILITY_OPT_IN that asks for the newest names. */
const optInToLatest = "gen_ai_latest_experimental"

/**
 * Every name in one table: 1.41 (opentelemetry.io, semantic-conventions v1.41) and the newest ones
 * (semantic-conventions-genai, 2026-11). A name is undefined where a version has none.
 */
const names = {
  operation: ["gen_ai.operation.name", "gen_ai.operation.name"],
  provider: ["gen_ai.provider.name", "gen_ai.provider.name"],
  requestModel: ["gen_ai.request.model", "gen_ai.request.model"],
  stream: [undefined, "gen_ai.request.stream"],
  temperature: ["gen_ai.request.temperature", "gen_ai.request.temperature"],
  topP: ["gen_ai.request.top_p", "gen_ai.request.top_p"],
  maxTokens: ["gen_ai.request.max_tokens", "gen_ai.request.max_tokens"],
  stop: ["gen_ai.request.stop_sequences", "gen_ai.request.stop_sequences"],
  seed: ["gen_ai.request.seed", "gen_ai.request.seed"],
  outputType: ["gen_ai.output.type", "gen_ai.output.type"],
  responseModel: ["gen_ai.response.model", "gen_ai.response.model"],
  responseId: ["gen_ai.response.id", "gen_ai.response.id"],
  finishReasons: ["gen_ai.response.finish_reasons", "gen_ai.response.finish_reasons"],
  timeToFirstChunk: [undefined, "gen_ai.response.time_to_first_chunk"],
  inputTokens: ["gen_ai.usage.input_tokens", "gen_ai.usage.input_tokens"],
  outputTokens: ["gen_ai.usage.output_tokens", "gen_ai.usage.output_tokens"],
  cacheRead: ["gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read.input_tokens"],
  cacheCreation: ["gen_ai.usage.cache_creation.input_tokens", "gen_ai.usage.cache_write.input_tokens"],
  reasoning: [undefined, "gen_ai.usage.reasoning.output_tokens"],
  inputMessages: ["gen_ai.input.messages", "gen_ai.input.messages"],
  outputMessages: ["gen_ai.output.messages", "gen_ai.output.messages"],
  durationMetric: ["gen_ai.client.operation.duration", "gen_ai.client.inference.duration"],
  tokensMetric: ["gen_ai.client.token.usage", "gen_ai.client.token.usage"],
  firstChunkMetric: [
    "gen_ai.client.operation.time_to_first_chunk",
    "gen_ai.client.inference.time_to_first_chunk"
  ]
} as const

type Name = keyof typeof names

/** Values of `gen_ai.provider.name` that differ from our provider names. */
const providerNames: Readonly<Record<string, string>> = {
  gemini: "gcp.gemini",
  vertex: "gcp.vertex_ai",
  bedrock: "aws.bedrock",
  "bedrock-mantle": "aws.bedrock",
  azure: "azure.ai.openai",
  mistral: "mistral_ai",
  xai: "x_ai",
  moonshot: "moonshot_ai"
}

export interface Telemetry {
  readonly spanName: string
  readonly captureContent: boolean
  readonly requestAttributes: (options: Options, output: string, stream: boolean) => Record<string, unknown>
  readonly onResponse: (span: Tracer.Span, response: Response<unknown>) => void
  readonly onError: (span: Tracer.Span, error: LLMError) => void
  readonly record: (outcome: {
    readonly duration: Duration.Duration
    readonly response?: Response<unknown> | undefined
    readonly error?: string | undefined
  }) => Effect.Effect<void>
}

interface Place {
  readonly provider: string
  readonly model: string
  /** Undefined where no server is asked. */
  readonly url?: URL | undefined
  readonly settings: Settings
}

export const make = (place: Place): Effect.Effect<Telemetry> =>
  Effect.map(
    Effect.orElseSucceed(Config.string("OTEL_SEMCONV_STABILITY_OPT_IN"), () => ""),
    (optIn) => makeFor(place, optIn.split(",").includes(optInToLatest) ? 1 : 0)
  )

const makeFor = (place: Place, version: 0 | 1): Telemetry => {
  const options = { ...place, captureContent: place.settings.captureContent ?? false }
  const provider = providerNames[options.provider] ?? options.provider
  const set = (into: Record<string, unknown>, name: Name, value: unknown) => {
    const key = names[name][version]
    if (key !== undefined && value !== undefined) into[key] = value
  }
  const put = (span: Tracer.Span, name: Name, value: unknown) => {
    const key = names[name][version]
    if (key !== undefined) span.attribute(key, value)
  }
  const base: Record<string, unknown> = {}
  set(base, "operation", "chat")
  set(base, "provider", provider)
  set(base, "requestModel", options.model)
  const tags: Readonly<Record<string, string>> = {
    [names.operation[version]]: "chat",
    [names.provider[version]]: provider,
    [names.requestModel[version]]: options.model
  }
  const metrics = makeMetrics(version, tags)
  if (options.url !== undefined) {
    base["server.address"] = options.url.hostname
    base["server.port"] = Number(options.url.port) || (options.url.protocol === "http:" ? 80 : 443)
  }
  return {
    spanName: `chat ${options.model}`,
    captureContent: options.captureContent,
    requestAttributes: (request, output, stream) => {
      const attributes = { ...base }
      set(attributes, "outputType", output === "text" ? "text" : "json")
      set(attributes, "temperature", request.temperature)
      set(attributes, "topP", request.topP)
      set(attributes, "maxTokens", request.maxTokens)
      set(attributes, "stop", request.stop)
      set(attributes, "seed", request.seed)
      if (stream) set(attributes, "stream", true)
      if (options.captureContent) set(attributes, "inputMessages", withoutMedia(request.prompt))
      return attributes
    },
    onResponse: (span, response) => {
      put(span, "responseModel", response.model)
      if (response.id._tag === "Some") put(span, "responseId", response.id.value)
      put(span, "finishReasons", [response.finishReason])
      put(span, "inputTokens", response.usage.inputTokens)
      put(span, "outputTokens", response.usage.outputTokens)
      put(span, "cacheRead", response.usage.cachedInputTokens)
      put(span, "cacheCreation", response.usage.cacheCreationTokens)
      put(span, "reasoning", response.usage.reasoningTokens)
      if (response.timeToFirstToken._tag === "Some") {
        put(span, "timeToFirstChunk", Duration.toSeconds(response.timeToFirstToken.value))
      }
      if (response.cost._tag === "Some") span.attribute("effect_majordomo.cost.usd", response.cost.value.total)
      span.attribute("effect_majordomo.request_id", response.requestId)
      span.attribute("effect_majordomo.attempts", response.attempts.length)
      if (options.captureContent) put(span, "outputMessages", withoutMedia([response.message]))
    },
    onError: (span, error) => {
      span.attribute("error.type", tagOf(error))
      if (error.requestId !== undefined) span.attribute("effect_majordomo.provider_request_id", error.requestId)
    },
    record: metrics
  }
}

// Boundaries as the conventions give them.
const seconds = MetricBoundaries.fromIterable([
  0.01,
  0.02,
  0.04,
  0.08,
  0.16,
  0.32,
  0.64,
  1.28,
  2.56,
  5.12,
  10.24,
  20.48,
  40.96,
  81.92
])
const tokens = MetricBoundaries.fromIterable([
  1,
  4,
  16,
  64,
  256,
  1024,
  4096,
  16384,
  65536,
  262144,
  1048576,
  4194304,
  16777216,
  67108864
])

const makeMetrics = (version: 0 | 1, tags: Readonly<Record<string, string>>): Telemetry["record"] => {
  // The labels are part of the key: a metric that is tagged afterwards makes a new key for every update.
  const tagged = (
    name: string,
    boundaries: MetricBoundaries.MetricBoundaries,
    extra: ReadonlyArray<readonly [string, string]>
  ) =>
    Metric.fromMetricKey(
      MetricKey.taggedWithLabels(
        MetricKey.histogram(name, boundaries),
        [...Object.entries(tags), ...extra].map(([key, value]) => MetricLabel.make(key, value))
      )
    )
  const duration = tagged(names.durationMetric[version], seconds, [])
  const input = tagged(names.tokensMetric[version], tokens, [["gen_ai.token.type", "input"]])
  const output = tagged(names.tokensMetric[version], tokens, [["gen_ai.token.type", "output"]])
  const firstChunk = tagged(names.firstChunkMetric[version], seconds, [])
  return ({ duration: elapsed, error, response }) =>
    withRunning(({ metricLabels }) => {
      // What `Metric.update` would do, several at once.
      const labels = metricLabels()
      const took = Duration.toSeconds(elapsed)
      if (response === undefined) {
        duration.unsafeUpdate(took, error === undefined ? labels : [...labels, MetricLabel.make("error.type", error)])
        return Effect.void
      }
      duration.unsafeUpdate(took, labels)
      input.unsafeUpdate(response.usage.inputTokens, labels)
      output.unsafeUpdate(response.usage.outputTokens, labels)
      if (response.timeToFirstToken._tag === "Some") {
        firstChunk.unsafeUpdate(Duration.toSeconds(response.timeToFirstToken.value), labels)
      }
      return Effect.void
    })
}

/** Runs with a span, or without one when nobody would see it. */
export const withSpan = <A, E, R>(
  name: string,
  options: () => Tracer.SpanOptions,
  use: (span: Tracer.Span | undefined) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  withRunning(({ traced }) =>
    traced() ? Effect.useSpan(name, { ...options(), captureStackTrace: false }, use) : use(undefined)
  )
