/** What the writer of rows counts. */
import * as Metric from "effect/Metric"
import * as MetricBoundaries from "effect/MetricBoundaries"

const counter = (name: string, description: string) =>
  Metric.counter(`effect_majordomo.logging.${name}`, { description, incremental: true })

export const queued = Metric.gauge("effect_majordomo.logging.queued", { description: "rows in memory" })
export const onDisk = Metric.gauge("effect_majordomo.logging.on_disk", {
  description: "rows that are in the spool only"
})
export const oldest = Metric.gauge("effect_majordomo.logging.oldest", {
  description: "seconds since the oldest waiting row's call began"
})
export const written = counter("written", "rows the sink took")
export const spooled = counter("spooled", "rows put into the spool")
export const replayed = counter("replayed", "rows read back from the spool")
export const dropped = counter("dropped", "rows lost, by choice or for want of any place")
export const rejected = counter("rejected", "rows set aside because the sink never takes them")
export const corrupt = counter("corrupt", "stretches of spool files that could not be read")
export const failures = counter("failures", "writes the sink did not take")

/** Seconds a batch takes to be written. */
export const latency = Metric.histogram(
  "effect_majordomo.logging.batch_latency",
  MetricBoundaries.fromIterable([0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30])
)
