/** Effect's metrics as the text that Prometheus reads. Source: prometheus.io, exposition format 0.0.4. */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type * as MetricPair from "effect/MetricPair"
import * as MetricState from "effect/MetricState"

type Pair = MetricPair.MetricPair.Untyped

const nameOf = (name: string): string => name.replace(/[^a-zA-Z0-9_:]/g, "_")

const valueOf = (value: number | bigint): string =>
  value === Infinity ? "+Inf" : value === -Infinity ? "-Inf" : String(value)

const escaped = (text: string): string => text.replaceAll("\\", "\\\\").replaceAll("\"", "\\\"").replaceAll("\n", "\\n")

type Labels = ReadonlyArray<readonly [string, string]>

const labelled = (labels: Labels): string =>
  labels.length === 0 ? "" : `{${labels.map(([name, value]) => `${nameOf(name)}="${escaped(value)}"`).join(",")}}`

/** The lines of one series; undefined for a kind that Prometheus has no word for. */
const linesOf = (name: string, labels: Labels, state: unknown): ReadonlyArray<string> | undefined => {
  const line = (suffix: string, value: number | bigint, more: Labels = []) =>
    `${name}${suffix}${labelled([...labels, ...more])} ${valueOf(value)}`
  if (MetricState.isCounterState(state)) return [line("_total", state.count)]
  if (MetricState.isGaugeState(state)) return [line("", state.value)]
  if (MetricState.isHistogramState(state)) {
    return [
      ...state.buckets.map(([limit, count]) => line("_bucket", count, [["le", valueOf(limit)]])),
      ...(state.buckets.at(-1)?.[0] === Infinity ? [] : [line("_bucket", state.count, [["le", "+Inf"]])]),
      line("_sum", state.sum),
      line("_count", state.count)
    ]
  }
  if (MetricState.isFrequencyState(state)) {
    return [...state.occurrences].map(([word, count]) => line("_total", count, [["value", word]]))
  }
  return undefined
}

const typeOf = (state: unknown): string =>
  MetricState.isGaugeState(state) ? "gauge" : MetricState.isHistogramState(state) ? "histogram" : "counter"

/** All metrics of the process. */
export const text: Effect.Effect<string> = Effect.map(Metric.snapshot, (pairs: ReadonlyArray<Pair>) => {
  const families = new Map<string, { readonly help: string; readonly type: string; readonly lines: Array<string> }>()
  for (const { metricKey, metricState } of pairs) {
    const name = nameOf(metricKey.name)
    const labels = metricKey.tags.map(({ key, value }): readonly [string, string] => [key, value])
    const lines = linesOf(name, labels, metricState)
    if (lines === undefined) continue
    const type = typeOf(metricState)
    const family = type === "counter" ? `${name}_total` : name
    const known = families.get(family)
    if (known !== undefined) known.lines.push(...lines)
    else {
      const { description } = metricKey
      families.set(family, {
        help: description._tag === "Some" ? description.value : "",
        type,
        lines: [...lines]
      })
    }
  }
  let all = ""
  for (const [name, { help, lines, type }] of families) {
    if (help !== "") all += `# HELP ${name} ${help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")}\n`
    all += `# TYPE ${name} ${type}\n${lines.join("\n")}\n`
  }
  return all
})
