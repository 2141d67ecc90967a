/**
 * US dollars as whole numbers of a millionth of a millionth: exact for every price that is a number of cents for a
 * million tokens, and sums never round. What is finer than that is rounded up.
 */
import * as BigDecimal from "effect/BigDecimal"
import * as Option from "effect/Option"
import { amountToString } from "../../../Cost.ts"

const scale = 12

export const ofAmount = (amount: BigDecimal.BigDecimal): bigint => {
  const digits = scale - amount.scale
  if (digits >= 0) return amount.value * 10n ** BigInt(digits)
  const divisor = 10n ** BigInt(-digits)
  const whole = amount.value / divisor
  return amount.value > whole * divisor ? whole + 1n : whole
}

/** Undefined: this is no decimal number. */
export const ofDecimal = (text: string): bigint | undefined =>
  Option.getOrUndefined(Option.map(BigDecimal.fromString(text), ofAmount))

export const toDecimal = (amount: bigint): string => amountToString(BigDecimal.make(amount, scale))
