/** What `/metrics` tells of the gateway, in Effect's own registry. */
import * as Metric from "effect/Metric"
import * as MetricBoundaries from "effect/MetricBoundaries"
import * as MetricKey from "effect/MetricKey"
import * as MetricLabel from "effect/MetricLabel"

const seconds = MetricBoundaries.fromIterable([0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300])

const counter = (name: string, description: string) => MetricKey.counter(name, { description, incremental: true })
const histogram = (name: string, description: string) => MetricKey.histogram(name, seconds, description)

const requests = counter("majordomo_gateway_requests", "Requests that have ended.")
const duration = histogram("majordomo_gateway_request_seconds", "From a request to its end.")
const firstContent = histogram(
  "majordomo_gateway_first_content_seconds",
  "From a request to the first content of its answer."
)
const tokens = counter("majordomo_gateway_tokens", "Tokens that providers have counted.")
const cost = counter("majordomo_gateway_cost_usd", "USD, where a price is known.")
const upstreamErrors = counter("majordomo_gateway_upstream_errors", "Answers of providers that were errors, or broke.")

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

type Labels = Readonly<Record<string, string>>

const labelsOf = (labels: Labels) => Object.entries(labels).map(([name, value]) => MetricLabel.make(name, value))

// A metric of a provider is made once: to tag one at each use costs more than to count with it.
const counts = (key: MetricKey.MetricKey.Counter<number>, labels: Labels) =>
  Metric.fromMetricKey(MetricKey.taggedWithLabels(key, labelsOf(labels)))
const times = (key: MetricKey.MetricKey.Histogram, labels: Labels) =>
  Metric.fromMetricKey(MetricKey.taggedWithLabels(key, labelsOf(labels)))

const make = (provider: string, status: string) => ({
  requests: counts(requests, { provider, status }),
  duration: times(duration, { provider }),
  firstContent: times(firstContent, { provider }),
  input: counts(tokens, { provider, kind: "input" }),
  output: counts(tokens, { provider, kind: "output" }),
  cost: counts(cost, { provider })
})

const made = new Map<string, ReturnType<typeof make>>()

/** Names of providers are those of the configuration, so that nobody outside makes the registry grow. */
const of = (provider: string, status: string) => {
  const name = `${provider} ${status}`
  const known = made.get(name)
  if (known !== undefined) return known
  const metrics = make(provider, status)
  made.set(name, metrics)
  return metrics
}

export const count = (ended: Ended): void => {
  const metric = of(ended.provider, ended.status)
  metric.requests.unsafeUpdate(1, [])
  metric.duration.unsafeUpdate(ended.seconds, [])
  if (ended.firstContent !== undefined) metric.firstContent.unsafeUpdate(ended.firstContent, [])
  if (ended.inputTokens > 0) metric.input.unsafeUpdate(ended.inputTokens, [])
  if (ended.outputTokens > 0) metric.output.unsafeUpdate(ended.outputTokens, [])
  if (ended.costUsd !== undefined) metric.cost.unsafeUpdate(ended.costUsd, [])
  if (ended.upstreamError !== undefined) {
    counts(upstreamErrors, { provider: ended.provider, error: ended.upstreamError }).unsafeUpdate(1, [])
  }
}

const limited = counter("majordomo_gateway_limited", "Requests that a limit refused, or would have (mode shadow).")

/** Names of limits are those of the configuration. */
export const countLimited = (limit: string, dimension: string, mode: string): void =>
  counts(limited, { limit, dimension, mode }).unsafeUpdate(1, [])
