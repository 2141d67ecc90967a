/** Why a call was not admitted, in words. */
import type { Refused } from "./charge.ts"
import * as money from "./money.ts"

const nouns = { requests: "requests a minute", tokens: "tokens a minute", concurrent: "requests at the same time" }

/** Whole seconds, at least one. */
export const secondsOf = (ms: number | undefined): number => Math.max(1, Math.ceil((ms ?? 1000) / 1000))

/** Later no date is. */
const lastTime = 8.64e15

export const messageOf = ({ dimension, limit, reason, remaining, retryAfter, rule, window }: Refused): string => {
  if (reason === "storeAway") {
    return `the database of limits cannot be reached, and "${rule}" lets nothing pass meanwhile; try again`
  }
  if (dimension === "usd") {
    const again = window.ends > lastTime ? "" : `; it begins anew at ${new Date(window.ends).toISOString()}`
    const budget = `the budget "${rule}" of ${money.toDecimal(limit)} USD`
    return remaining === 0n
      ? `${budget} is spent${again}`
      : `${budget} has ${money.toDecimal(remaining)} USD left, less than this request may cost${again}`
  }
  return reason === "tooLarge"
    ? `the limit "${rule}" is ${limit} ${nouns[dimension]}, and this request alone may take more; ` +
      "make it shorter, or ask for a shorter answer"
    : `the limit "${rule}" of ${limit} ${nouns[dimension]} is reached; try again in ${secondsOf(retryAfter)} s`
}
