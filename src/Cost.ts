/**
 * Money: what one answer cost, in US dollars. The arithmetic is exact decimal; plain numbers are for reading.
 *
 * @since 0.1.0
 */
import * as BigDecimal from "effect/BigDecimal"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"

/**
 * Where the figure comes from: the price list, the user's own price, or the provider's own bill.
 *
 * @since 0.1.0
 * @category models
 */
export type Source = "prices" | "override" | "provider"

/**
 * The exact amounts behind a `Cost`, in USD.
 *
 * @since 0.1.0
 * @category models
 */
export interface Amounts {
  /** For the prompt's tokens, cache reads and writes included. */
  readonly input: BigDecimal.BigDecimal
  /** For the answer's tokens, reasoning included. */
  readonly output: BigDecimal.BigDecimal
  /** For what is billed per call: web searches, requests. */
  readonly tools: BigDecimal.BigDecimal
  /** All of it. */
  readonly total: BigDecimal.BigDecimal
}

/**
 * The cost of an answer in USD. `input` and `output` are the tokens, `tools` what is billed per call (a web search).
 * The numbers are the doubles nearest to `exact`; sums are made on `exact`, never on the numbers.
 *
 * @since 0.1.0
 * @category models
 */
export interface Cost {
  /** USD for the prompt's tokens, cache reads and writes included. */
  readonly input: number
  /** USD for the answer's tokens, reasoning included. */
  readonly output: number
  /** USD for what is billed per call: web searches, requests. */
  readonly tools: number
  /** USD, all of it. `Cost.format` prints it as dollars. */
  readonly total: number
  /** Where the figure comes from. */
  readonly source: Source
  /** The same as exact decimals: what sums are made of. */
  readonly exact: Amounts
}

const zero = BigDecimal.make(0n, 0)

/**
 * Builds a `Cost` from exact amounts. `total` defaults to the sum of the parts; a provider that bills only a total
 * gives it alone.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Cost } from "effect-majordomo"
 * import { BigDecimal } from "effect"
 *
 * const cost = Cost.make({ input: BigDecimal.unsafeFromString("0.0012"), source: "prices" })
 * console.log(cost.total) // 0.0012
 * ```
 */
export const make = (parts: {
  readonly input?: BigDecimal.BigDecimal | undefined
  readonly output?: BigDecimal.BigDecimal | undefined
  readonly tools?: BigDecimal.BigDecimal | undefined
  readonly total?: BigDecimal.BigDecimal | undefined
  readonly source: Source
}): Cost => {
  const input = parts.input ?? zero
  const output = parts.output ?? zero
  const tools = parts.tools ?? zero
  const total = parts.total ?? BigDecimal.sum(BigDecimal.sum(input, output), tools)
  return {
    input: toNumber(input),
    output: toNumber(output),
    tools: toNumber(tools),
    total: toNumber(total),
    source: parts.source,
    exact: { input, output, tools, total }
  }
}

/**
 * Stored and sent as exact decimals, which are strings.
 *
 * @since 0.1.0
 * @category models
 */
export interface CostEncoded {
  readonly input: string
  readonly output: string
  readonly tools: string
  readonly total: string
  readonly source: Source
}

/**
 * A `Cost` as exact decimals.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Cost: Schema.Schema<Cost, CostEncoded> = Schema.transform(
  Schema.Struct({
    input: Schema.BigDecimal,
    output: Schema.BigDecimal,
    tools: Schema.BigDecimal,
    total: Schema.BigDecimal,
    source: Schema.Literal("prices", "override", "provider")
  }).annotations({ identifier: "Cost" }),
  Schema.declare((value: unknown): value is Cost => Predicate.hasProperty(value, "exact")),
  { strict: true, decode: (parts) => make(parts), encode: ({ exact, source }) => ({ ...exact, source }) }
)

const maxExact = BigInt(Number.MAX_SAFE_INTEGER)

// Two exact doubles divided give the nearest double; the general way goes through text.
const toNumber = (amount: BigDecimal.BigDecimal): number =>
  amount.scale >= 0 && amount.scale <= 22 && amount.value <= maxExact && amount.value >= -maxExact
    ? Number(amount.value) / 10 ** amount.scale
    : BigDecimal.unsafeToNumber(amount)

/**
 * Nothing spent: the neutral element of `add`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const zeroUSD: Cost = make({ source: "prices" })

/**
 * Adds two costs exactly. The source of the sum is the common one; where they differ it is `"provider"` only if both
 * say so, else `"prices"`.
 *
 * @since 0.1.0
 * @category combining
 */
export const add = (self: Cost, that: Cost): Cost => {
  if (self === zeroUSD) return that
  if (that === zeroUSD) return self
  return make({
    input: BigDecimal.sum(self.exact.input, that.exact.input),
    output: BigDecimal.sum(self.exact.output, that.exact.output),
    tools: BigDecimal.sum(self.exact.tools, that.exact.tools),
    total: BigDecimal.sum(self.exact.total, that.exact.total),
    source: self.source === that.source ? self.source : "prices"
  })
}

/**
 * The sum of any number of costs, exact and in any order.
 *
 * @since 0.1.0
 * @category combining
 */
export const sum = (costs: Iterable<Cost>): Cost => {
  let total = zeroUSD
  for (const cost of costs) total = add(total, cost)
  return total
}

/**
 * The exact total as a decimal string in USD, for databases and invoices: `"0.00012"`.
 *
 * @since 0.1.0
 * @category conversions
 */
export const toDecimalString = (cost: Cost): string => amountToString(cost.exact.total)

/**
 * The total for people: `"$0.00012"`, six digits after the point at most.
 *
 * @since 0.1.0
 * @category conversions
 */
export const format = (cost: Cost): string => `$${amountToString(BigDecimal.round(cost.exact.total, { scale: 6 }))}`

/**
 * An exact amount as a decimal string, never with an exponent: `"0.00000012"`.
 *
 * @since 0.1.0
 * @category conversions
 */
export const amountToString = (amount: BigDecimal.BigDecimal): string => {
  // BigDecimal.format switches to exponents for small amounts, which no database column takes.
  const { scale, value } = BigDecimal.normalize(amount)
  if (scale <= 0) return (value * 10n ** BigInt(-scale)).toString()
  const digits = (value < 0n ? -value : value).toString().padStart(scale + 1, "0")
  const point = digits.length - scale
  return `${value < 0n ? "-" : ""}${digits.slice(0, point)}.${digits.slice(point)}`
}
