/** Where replicas meet: who has spent what, who may hand out what. In memory for one process; see `sqlStore` for many. */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type { Booking } from "../../../logging/RequestLog.ts"
import { book, type Lease, type Report, settle } from "./ledger.ts"
import type { Window } from "./window.ts"

export interface Ask {
  readonly account: string
  readonly window: Window
  /** Who reports: what one has spent is summed up over its reports. */
  readonly holder: string
  readonly report: Report
}

export interface Answer {
  /** By all replicas. */
  readonly used: bigint
  readonly granted: bigint
}

/** The store does not answer. */
export class StoreError extends Data.TaggedError("StoreError")<{ readonly description: string }> {}

export interface Store {
  /** How long a grant is good for without being renewed, ms. `Infinity`: nobody else is there. */
  readonly lifetime: number
  /** Exactly once each: a report that was heard already changes nothing. */
  readonly report: (asks: ReadonlyArray<Ask>, now: number) => Effect.Effect<ReadonlyArray<Answer>, StoreError>
  /** What rows say that replicas had spent, those that are no more included. */
  readonly book: (bookings: ReadonlyArray<Booking>, now: number) => Effect.Effect<void, StoreError>
  /** True for the first who says that a threshold was passed, and for nobody else. */
  readonly claim: (account: string, window: Window, threshold: number) => Effect.Effect<boolean, StoreError>
  /** What was spent in a window, by the accounts whose names begin so. */
  readonly usage: (
    prefix: string,
    now: number
  ) => Effect.Effect<ReadonlyArray<{ readonly account: string; readonly used: bigint }>, StoreError>
}

interface Kept {
  used: bigint
  readonly leases: Map<string, Lease & { readonly at: number }>
  readonly claimed: Set<number>
}

const hour = 3_600_000
/** What was told by one who is no more is remembered for so long: a row may still say it again, ms. */
export const remembered = 30 * 24 * hour

/**
 * How long a window is kept when it is over: calls that began in it are still booked. One that is long outlives a clock that
 * has gone ahead by a day, ms.
 */
export const restOf = ({ ends, starts }: Window): number => ends - starts > 60_000 ? 48 * hour : hour

/** Of each replica the last sum of each account that is still kept, in one order. */
export const lastOf = (bookings: ReadonlyArray<Booking>, now: number): ReadonlyArray<Booking> => {
  const last = new Map<string, Booking>()
  for (const booking of bookings) {
    if (booking.ends + hour < now) continue
    const id = `${booking.account} ${booking.starts} ${booking.holder}`
    const known = last.get(id)
    if (known === undefined || BigInt(known.spent) < BigInt(booking.spent)) last.set(id, booking)
  }
  return [...last].sort(([a], [b]) => a < b ? -1 : 1).map(([, booking]) => booking)
}

/** What several replicas of one process share. */
export class Ledgers {
  readonly windows = new Map<string, Map<number, Kept & { readonly ends: number }>>()
  private sweptAt = 0

  at(account: string, window: Window): Kept {
    let byStart = this.windows.get(account)
    if (byStart === undefined) this.windows.set(account, byStart = new Map())
    let kept = byStart.get(window.starts)
    if (kept === undefined) {
      kept = { used: 0n, leases: new Map(), claimed: new Set(), ends: window.ends }
      byStart.set(window.starts, kept)
    }
    return kept
  }

  /** A window that has long passed is forgotten; a call that began in it may still have to be booked for an hour. */
  sweep(now: number): void {
    if (now - this.sweptAt < 60_000) return
    this.sweptAt = now
    for (const [account, byStart] of this.windows) {
      for (const [starts, { ends, leases, used }] of byStart) {
        for (const [holder, { at, granted }] of leases) {
          if (granted === 0n && at + remembered < now) leases.delete(holder)
        }
        if (ends + restOf({ starts, ends }) < now || (used === 0n && leases.size === 0)) byStart.delete(starts)
      }
      if (byStart.size === 0) this.windows.delete(account)
    }
  }
}

export const memory = (
  options: {
    readonly ledgers?: Ledgers | undefined
    /** Ms. Default: grants do not end. */
    readonly lifetime?: number | undefined
    /** A question is answered with one part in so many of what is free. Default 1: all of it. */
    readonly share?: bigint | undefined
  } = {}
): Store => {
  const { ledgers = new Ledgers(), lifetime = Number.POSITIVE_INFINITY, share = 1n } = options
  return {
    lifetime,
    report: (asks, now) =>
      Effect.sync(() => {
        ledgers.sweep(now)
        return asks.map(({ account, holder, report, window }) => {
          const kept = ledgers.at(account, window)
          let granted = 0n
          for (const [name, lease] of kept.leases) {
            if (name === holder || lease.until <= now) continue
            granted += lease.granted
            // Who gave it this end has a clock that has been put back since; it is renewed, or ends now as others do.
            if (lease.until > now + lifetime) kept.leases.set(name, { ...lease, until: now + lifetime })
          }
          const entry = settle({ used: kept.used, granted, own: kept.leases.get(holder) }, report, share)
          kept.used = entry.used
          kept.leases.set(holder, { told: entry.told, granted: entry.granted, until: now + lifetime, at: now })
          return entry
        })
      }),
    book: (bookings, now) =>
      Effect.sync(() => {
        for (const { account, ends, holder, spent, starts } of lastOf(bookings, now)) {
          const kept = ledgers.at(account, { starts, ends })
          const own = kept.leases.get(holder)
          const { granted, told, used } = book({ used: kept.used, own }, BigInt(spent))
          kept.used = used
          kept.leases.set(holder, { told, granted, until: own?.until ?? now, at: now })
        }
      }),
    claim: (account, window, threshold) =>
      Effect.sync(() => {
        const { claimed } = ledgers.at(account, window)
        if (claimed.has(threshold)) return false
        claimed.add(threshold)
        return true
      }),
    usage: (prefix, now) =>
      Effect.sync(() => {
        const found: Array<{ readonly account: string; readonly used: bigint }> = []
        for (const [account, byStart] of ledgers.windows) {
          if (!account.startsWith(prefix)) continue
          for (const [starts, { ends, used }] of byStart) if (starts <= now && now < ends) found.push({ account, used })
        }
        return found
      })
  }
}
