/** Which parts of a budget are spent: what clients are told by a header, and who asked for it by a webhook. */
import type { Account } from "./account.ts"
import type { Charge, Entry } from "./charge.ts"
import type { Rule } from "./rule.ts"
import type { Window } from "./window.ts"

/** A part of a budget is spent. */
export interface Passed {
  readonly rule: Rule
  /** The key whose own rule it is. */
  readonly key: string | undefined
  readonly scope: string
  readonly threshold: number
  readonly used: bigint
  readonly limit: bigint
  readonly window: Window
}

const defaultThresholds: ReadonlyArray<number> = [0.5, 0.8, 1]
const million = 1_000_000n

/** Those of an account that were not passed when it was last asked. */
export const newlyPassed = ({ account, limit: { dimension, key, rule }, scope }: Entry): ReadonlyArray<Passed> => {
  if (dimension !== "usd") return []
  const found: Array<Passed> = []
  const thresholds = [...rule.thresholds ?? defaultThresholds].sort((a, b) => a - b)
  for (; account.alerted < thresholds.length; account.alerted++) {
    const threshold = thresholds[account.alerted] ?? 1
    const { limit, used, window } = account
    if (used * million < limit * BigInt(Math.round(threshold * Number(million)))) break
    found.push({ rule, key, scope, threshold, used, limit, window })
  }
  return found
}

const partOf = ({ limit, used }: Account): number => Number(used * 100n / limit) / 100

/** Budgets of which more than the first threshold is spent. */
export const budgetsOf = (charges: ReadonlyArray<Charge>) => {
  const found: Array<{ readonly rule: string; readonly part: number }> = []
  for (const { entry: { account, limit: { dimension, rule } } } of charges) {
    if (dimension !== "usd") continue
    const part = partOf(account)
    if (part >= Math.min(...rule.thresholds ?? defaultThresholds)) found.push({ rule: rule.name, part })
  }
  return found
}
