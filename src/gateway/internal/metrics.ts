/** What `/metrics` tells of the gateway, in Effect's own registry. */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as MetricBoundaries from "effect/MetricBoundaries"

const seconds = MetricBoundaries.fromIterable([0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300])

const requests = Metric.counter("majordomo_gateway_requests", {
  description: "Requests that have ended.",
  incremental: true
})
const duration = Metric.histogram("majordomo_gateway_request_seconds", seconds, "From a request to its end.")
const firstContent = Metric.histogram(
  "majordomo_gateway_first_content_seconds",
  seconds,
  "From a request to the first content of its answer."
)
const tokens = Metric.counter("majordomo_gateway_tokens", {
  description: "Tokens that providers have counted.",
  incremental: true
})
const cost = Metric.counter("majordomo_gateway_cost_usd", {
  description: "USD, where a price is known.",
  incremental: true
})
const upstreamErrors = Metric.counter("majordomo_gateway_upstream_errors", {
  description: "Answers of providers that were errors, or broke.",
  incremental: true
})
export const open: Metric.Metric.Gauge<number> = Metric.gauge("majordomo_gateway_open_requests", {
  description: "Requests that are running."
})

export interface Ended {
  readonly provider: string
  readonly status: string
  readonly seconds: number
  readonly firstContent: number | undefined
  readonly inputTokens: number
  readonly outputTokens: number
  readonly costUsd: number | undefined
  readonly upstreamError: string | undefined
}

/** Metrics of a provider: tagging one costs more than counting with it. */
const tagged = new Map<string, ReturnType<typeof tag>>()

const tag = (provider: string, status: string) => ({
  requests: Metric.tagged(Metric.tagged(requests, "provider", provider), "status", status),
  duration: Metric.tagged(duration, "provider", provider),
  firstContent: Metric.tagged(firstContent, "provider", provider),
  input: Metric.tagged(Metric.tagged(tokens, "provider", provider), "kind", "input"),
  output: Metric.tagged(Metric.tagged(tokens, "provider", provider), "kind", "output"),
  cost: Metric.tagged(cost, "provider", provider)
})

/** Names of providers are those of the configuration, so that nobody outside makes the registry grow. */
const of = (provider: string, status: string) => {
  const name = `${provider} ${status}`
  const known = tagged.get(name)
  if (known !== undefined) return known
  const made = tag(provider, status)
  tagged.set(name, made)
  return made
}

export const count = (ended: Ended): Effect.Effect<void> =>
  Effect.sync(() => {
    const metric = of(ended.provider, ended.status)
    metric.requests.unsafeUpdate(1, [])
    metric.duration.unsafeUpdate(ended.seconds, [])
    if (ended.firstContent !== undefined) metric.firstContent.unsafeUpdate(ended.firstContent, [])
    if (ended.inputTokens > 0) metric.input.unsafeUpdate(ended.inputTokens, [])
    if (ended.outputTokens > 0) metric.output.unsafeUpdate(ended.outputTokens, [])
    if (ended.costUsd !== undefined) metric.cost.unsafeUpdate(ended.costUsd, [])
    if (ended.upstreamError !== undefined) {
      Metric.tagged(Metric.tagged(upstreamErrors, "provider", ended.provider), "error", ended.upstreamError)
        .unsafeUpdate(1, [])
    }
  })
