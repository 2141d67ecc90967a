/** What an answer cost: the provider's own bill where it gives one, else the price list. */
import * as BigDecimal from "effect/BigDecimal"
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Cost from "../../Cost.ts"
import type { Service as PricingService } from "../../Pricing.ts"
import type { Completion, ProviderCost } from "./completion.ts"

export interface Routed {
  readonly provider: string
  readonly model: string
}

/** Where and when the price of an answer is looked up. */
export interface Place {
  readonly provider: string
  readonly model: string
  /** Whose list prices apply, where it is not the provider's own. */
  readonly prices?: string | undefined
  readonly pricing: PricingService
  readonly clock: Clock.Clock
}

/** USD; none when there is no usage, or no price for it. */
export const priceOf = (
  place: Place,
  completion: Completion,
  routed?: Routed | undefined
): Effect.Effect<Option.Option<Cost.Cost>> => {
  const { usage } = completion
  if (completion.cost !== undefined) return Effect.succeed(completion.cost)
  if (usage === undefined) return Effect.succeedNone
  const reported = plausible(completion.providerCost)
  const prices = place.pricing.cost({
    provider: routed?.provider ?? place.provider,
    model: routed?.model ?? completion.model ?? place.model,
    prices: routed === undefined ? place.prices : undefined,
    usage,
    cacheCreation1hTokens: completion.rawUsage?.cacheCreation1h,
    inputAudioTokens: completion.rawUsage?.inputAudio,
    outputAudioTokens: completion.rawUsage?.outputAudio,
    // What a provider bills in one sum is compared with the tokens alone.
    webSearches: reported === undefined ? completion.webSearches : 0,
    serviceTier: completion.serviceTier,
    at: new Date(place.clock.unsafeCurrentTimeMillis())
  })
  // The provider's own bill is the better figure; the price list only tells how it splits.
  return reported === undefined
    ? prices
    : Effect.map(prices, (listed) => Option.some(billed(reported, listed, completion.webSearches)))
}

const billed = (reported: ProviderCost, listed: Option.Option<Cost.Cost>, searches: number): Cost.Cost => {
  const total = reportedAmount(reported.total)
  const split = reported.input !== undefined && reported.output !== undefined
    ? { input: reportedAmount(reported.input), output: reportedAmount(reported.output) }
    : Option.getOrUndefined(Option.map(listed, (cost) => cost.exact))
  if (split !== undefined) {
    const rest = BigDecimal.round(
      BigDecimal.subtract(total, BigDecimal.sum(split.input, split.output)),
      { scale: 12 }
    )
    const fits = BigDecimal.isZero(rest) ||
      (BigDecimal.isPositive(rest) && (searches > 0 || reported.input !== undefined))
    if (fits) return Cost.make({ input: split.input, output: split.output, tools: rest, total, source: "provider" })
  }
  return Cost.make({ total, source: "provider" })
}

/** Nobody pays back: a bill below zero, or of no size, is none. */
const plausible = (cost: ProviderCost | undefined): ProviderCost | undefined => {
  if (cost === undefined || !isAmount(cost.total)) return undefined
  const { input, output, total } = cost
  return { total, input: isAmount(input) ? input : undefined, output: isAmount(output) ? output : undefined }
}

const isAmount = (dollars: number | undefined): dollars is number =>
  dollars !== undefined && dollars >= 0 && dollars < Infinity

/** Doubles bring digits that nobody meant: a millionth of a millionth of a dollar is enough. */
const reportedAmount = (dollars: number): BigDecimal.BigDecimal =>
  BigDecimal.round(BigDecimal.unsafeFromNumber(dollars), { scale: 12 })
