/**
 * One limit of one caller in one window, as a process sees it: what it was granted, what running calls hold of that, what
 * they took. Pure arithmetic over whole numbers; who holds must settle.
 */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { steadyMillis } from "../../../internal/call/runtime.ts"
import type { Report } from "./ledger.ts"
import type { Window } from "./window.ts"

/**
 * A time by two clocks, ms: that of the wall, by which windows begin and grants end that others read, and one that goes on
 * whatever is done to that, by which one waits.
 */
export interface Instant {
  readonly wall: number
  readonly steady: number
}

export const instantOf = (clock: Clock.Clock): Instant => ({
  wall: clock.unsafeCurrentTimeMillis(),
  steady: steadyMillis(clock)
})

export const instant: Effect.Effect<Instant> = Effect.clockWith((clock) => Effect.succeed(instantOf(clock)))

/** So many ms later. */
export const after = ({ steady, wall }: Instant, ms: number): Instant => ({ wall: wall + ms, steady: steady + ms })

export class Account {
  readonly name: string
  limit: bigint
  readonly window: Window
  /** All that calls of this process took. */
  spent = 0n
  /** Estimates of the calls that run. */
  held = 0n
  /** What has been said to the store, and what is granted beyond it. */
  private told = 0n
  private granted = 0n
  /** Of the grant: it ends when either clock says so. */
  private until: Instant = { wall: 0, steady: 0 }
  /** Spent by all, when the store last said. */
  private known = 0n
  /** What the store has confirmed. */
  private heard = 0n
  /** There was too little for a call of this size: before this steady time the store is not asked again for one like it. */
  private pausedUntil = 0
  private pausedFrom = 0n
  /** The last call, by the steady clock. */
  usedAt = 0
  /** Thresholds that have been told, of those of its rule. */
  alerted = 0

  constructor(name: string, limit: bigint, window: Window) {
    this.name = name
    this.limit = limit
    this.window = window
  }

  /** From now on there is more, or less: what was granted under the old limit is handed out no more. */
  change(limit: bigint): void {
    this.limit = limit
    this.granted = this.spent - this.told + this.held
    this.pausedUntil = 0
    this.alerted = 0
  }

  /** What all replicas have spent, as far as it is known here. */
  get used(): bigint {
    return this.known + this.spent - this.told
  }

  /** Never below zero. */
  get remaining(): bigint {
    const rest = this.limit - this.used - this.held
    return rest > 0n ? rest : 0n
  }

  /** What is left of the grant. */
  private free({ steady, wall }: Instant): bigint {
    return wall < this.until.wall && steady < this.until.steady ? this.granted - (this.spent - this.told) - this.held
      : 0n
  }

  /** Whether a call of this size may begin without a question. A call of no known size needs that something is left. */
  fits(amount: bigint, now: Instant): boolean {
    const free = this.free(now)
    return amount > 0n ? amount <= free : free > 0n
  }

  /** The same while the store is away: by what is known, within the limit. */
  fitsAlone(amount: bigint): boolean {
    return this.used + this.held + (amount > 0n ? amount : 1n) <= this.limit
  }

  /** Too large for this limit, whatever else happens. */
  neverFits(amount: bigint): boolean {
    return amount > this.limit
  }

  isPaused(amount: bigint, { steady }: Instant): boolean {
    return steady < this.pausedUntil && amount >= this.pausedFrom
  }

  pause(amount: bigint, until: number): void {
    this.pausedFrom = amount
    this.pausedUntil = until
  }

  hold(amount: bigint, { steady }: Instant): void {
    this.held += amount
    this.usedAt = steady
  }

  settle(held: bigint, took: bigint): void {
    this.held -= held
    this.spent += took
  }

  /**
   * What to say to the store for a call that needs so much. From now on the process hands out no more than it says it
   * keeps: whether the store hears it or not, nobody else is granted that.
   */
  report(needs: bigint, isIdle: boolean, now: Instant): Report {
    const free = this.free(now)
    const kept = isIdle || free < 0n ? 0n : free
    this.known = this.used
    this.told = this.spent
    this.granted = this.held + kept
    return { limit: this.limit, spent: this.spent, keeps: this.granted, wants: needs > kept ? needs - kept : 0n }
  }

  /** What the store said to a report. */
  learn(report: Report, answer: { readonly used: bigint; readonly granted: bigint }, until: Instant): void {
    this.known = answer.used
    this.granted = answer.granted
    this.until = until
    this.heard = report.spent
  }

  /** Whether there is something to say: a grant to keep or to give back, or what calls took. */
  get isOpen(): boolean {
    return this.held !== 0n || this.granted !== 0n || this.spent !== this.heard
  }
}
