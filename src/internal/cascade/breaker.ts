/** The circuit breaker of one member: closed, open for a while, then half open for probes. */
import * as Duration from "effect/Duration"
import * as Metric from "effect/Metric"
import * as MetricLabel from "effect/MetricLabel"
import type { BreakerOptions } from "../../Cascade.ts"

/** 0 closed, 1 half open, 2 open. */
const states = Metric.gauge("llm_cascade_breaker", {
  description: "State of a cascade's circuit breaker: 0 closed, 1 half open, 2 open"
})

export class Breaker {
  /** ms since the epoch of the failures in a row, oldest first. */
  private failures: ReadonlyArray<number> = []
  /** ms since the epoch; undefined while closed. */
  private openUntil: number | undefined = undefined
  private probes = 0
  private readonly limit: number
  private readonly window: number
  private readonly cooldown: number
  private readonly maxProbes: number
  private readonly labels: ReadonlyArray<MetricLabel.MetricLabel>

  constructor(options: BreakerOptions, labels: Readonly<Record<string, string>>) {
    this.limit = options.failures
    this.window = Duration.toMillis(options.window)
    this.cooldown = Duration.toMillis(options.cooldown)
    this.maxProbes = options.halfOpen ?? 1
    this.labels = Object.entries(labels).map(([key, value]) => MetricLabel.make(key, value))
    this.report(0)
  }

  allows(now: number): boolean {
    return this.openUntil === undefined || (now >= this.openUntil && this.probes < this.maxProbes)
  }

  /** When calls may go again, ms since the epoch. */
  get until(): number | undefined {
    return this.openUntil
  }

  /** A call goes to the member; true when it is a probe. */
  enter(): boolean {
    if (this.openUntil === undefined) return false
    this.probes++
    this.report(1)
    return true
  }

  /** The member answered. */
  succeeded(probe: boolean): void {
    this.left(probe)
    // A call from before it opened says nothing about now.
    if (this.openUntil !== undefined && !probe) return
    this.failures = []
    if (probe) this.close()
  }

  failed(probe: boolean, now: number): void {
    this.left(probe)
    if (this.openUntil !== undefined && !probe) return
    this.failures = [...this.failures.filter((at) => now - at < this.window), now]
    if (!probe && this.failures.length < this.limit) return
    this.openUntil = now + this.cooldown
    this.report(2)
  }

  /** The call ended without a verdict. */
  left(probe: boolean): void {
    if (probe) this.probes = Math.max(0, this.probes - 1)
  }

  private close(): void {
    this.openUntil = undefined
    this.report(0)
  }

  private report(state: number): void {
    states.unsafeUpdate(state, this.labels)
  }
}
