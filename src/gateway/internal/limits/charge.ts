/** What a call is charged, to which accounts: held from the moment it is admitted, settled when it has ended. */
import type * as Deferred from "effect/Deferred"
import type * as Effect from "effect/Effect"
import type { Booking } from "../../../logging/RequestLog.ts"
import type { Account } from "./account.ts"
import type { Dimension, Limit } from "./rule.ts"
import type { Window } from "./window.ts"

/** What a call is expected to take at most, or at least. */
export interface Estimate {
  readonly tokens: bigint
  /** Millionths of a millionth of a dollar; 0n where no price is known. */
  readonly usd: bigint
}

/** What it took, as far as it is known. */
export interface Real {
  readonly tokens: bigint
  /** Undefined: not known. */
  readonly usd: bigint | undefined
  /** More may be billed than is known. */
  readonly isPartial: boolean
}

export interface Refused {
  readonly _tag: "Refused"
  readonly rule: string
  readonly dimension: Dimension
  readonly reason: "spent" | "tooLarge" | "storeAway"
  readonly limit: bigint
  readonly remaining: bigint
  readonly window: Window
  /** Ms since the epoch. */
  readonly at: number
  /** Ms until another try may go well; undefined: none will. */
  readonly retryAfter: number | undefined
  /** Who answers instead. */
  readonly degrade: string | undefined
  /** Of the nearest limits. */
  readonly nearest: ReadonlyArray<Standing>
}

/** How a caller stands with a limit. */
export interface Standing {
  readonly dimension: Dimension
  readonly limit: bigint
  readonly remaining: bigint
  /** Ms. */
  readonly reset: number
}

export interface Lease {
  readonly _tag: "Lease"
  readonly nearest: ReadonlyArray<Standing>
  /** Budgets of which more than the first threshold is spent, and how much of them: 0.83. */
  readonly budgets: ReadonlyArray<{ readonly rule: string; readonly part: number }>
  /** Rules that would have refused it, were they not on trial. */
  readonly shadowed: ReadonlyArray<string>
  /** Once, however often it is said. Undefined: nothing was sent. Gives what its row says of budgets. */
  readonly settle: (real: Real | undefined) => Effect.Effect<ReadonlyArray<Booking>>
}

/** An account as calls of this process use it. */
export interface Entry {
  readonly account: Account
  /** As it stands now; it may have been changed since the account was opened. */
  limit: Limit
  readonly scope: string
  readonly holder: string
  /** The store is being asked about it. */
  asking: Deferred.Deferred<void> | undefined
}

export interface Charge {
  readonly entry: Entry
  readonly amount: bigint
  /** It is booked, and refuses nothing. */
  readonly isExempt: boolean
}

export const tookOf = (dimension: Dimension, held: bigint, real: Real): bigint => {
  switch (dimension) {
    case "requests":
      return 1n
    case "concurrent":
      return 0n
    case "tokens":
      return real.isPartial && held > real.tokens ? held : real.tokens
    case "usd":
      // What is not known is not free: the estimate stands for it.
      if (real.usd === undefined) return real.isPartial || real.tokens > 0n ? held : 0n
      return real.isPartial && held > real.usd ? held : real.usd
  }
}

/** What a replica has spent of budgets by now. */
export const bookingsOf = (charges: ReadonlyArray<Charge>): ReadonlyArray<Booking> => {
  const found: Array<Booking> = []
  for (
    const { entry: { account: { name, spent, window: { ends, starts } }, holder, limit: { dimension } } } of charges
  ) {
    if (dimension === "usd" && spent > 0n) found.push({ account: name, starts, ends, holder, spent: String(spent) })
  }
  return found
}

/** Of each dimension the limit of which least is left. */
export const nearestOf = (charges: ReadonlyArray<Charge>, now: number): ReadonlyArray<Standing> => {
  const nearest = new Map<Dimension, Standing>()
  for (const { entry: { account, limit: { dimension, rule } } } of charges) {
    if (rule.mode === "shadow" || dimension === "usd" || dimension === "concurrent") continue
    const standing = { dimension, limit: account.limit, remaining: account.remaining, reset: account.window.ends - now }
    const known = nearest.get(dimension)
    if (known === undefined || standing.remaining < known.remaining) nearest.set(dimension, standing)
  }
  return [...nearest.values()]
}
