/**
 * What an answer costs. Prices are those of `@pydantic/genai-prices` and of hosts that it lacks, with the user's own on
 * top; a cost that the provider reports itself wins over all.
 *
 * @since 0.1.0
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import * as BigDecimal from "effect/BigDecimal"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Cost from "./Cost.ts"
import { type List, listOf, preload, type Rates } from "./internal/pricing/listed.ts"
import { overlay } from "./internal/pricing/priceList.ts"
import * as remote from "./internal/pricing/remotePrices.ts"
import * as Usage from "./Usage.ts"

/**
 * A price list entry: USD per million tokens, and USD per call for `webSearch` and `request`. A cache rate left out
 * means that such tokens cost like any other input.
 *
 * @since 0.1.0
 * @category models
 */
export interface Price {
  /** USD per million tokens of the prompt. */
  readonly input: number
  /** USD per million tokens of the answer, reasoning included. */
  readonly output: number
  /** USD per million tokens read from a cache. Default: like `input`. */
  readonly cachedInput?: number | undefined
  /** USD per million tokens written to a cache. Default: like `input`. */
  readonly cacheWrite?: number | undefined
  /** USD per million tokens written to a cache for an hour. Default: like `cacheWrite`. */
  readonly cacheWrite1h?: number | undefined
  /** USD per web search. */
  readonly webSearch?: number | undefined
  /** USD per request. */
  readonly request?: number | undefined
}

/**
 * What is to be priced. `at` decides among dated prices.
 *
 * @since 0.1.0
 * @category models
 */
export interface Query {
  /** Who answered. */
  readonly provider: string
  /** The model that answered. */
  readonly model: string
  /** Another provider's name, whose list prices apply: of a host that resells, or runs, its models. */
  readonly prices?: string | undefined
  /** Tokens of the answer. */
  readonly usage: Usage.Usage
  /** Part of `usage.cacheCreationTokens` kept for an hour. */
  readonly cacheCreation1hTokens?: number | undefined
  /** The part of the input that is sound. */
  readonly inputAudioTokens?: number | undefined
  /** The part of the output that is sound. */
  readonly outputAudioTokens?: number | undefined
  /** Web searches that were made. Default 0. */
  readonly webSearches?: number | undefined
  /** The service tier the answer names, where prices depend on it. */
  readonly serviceTier?: string | undefined
  /** When the call was made: prices may depend on it. */
  readonly at: Date
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /** The cost, or none when no price is known. Never fails. */
  readonly cost: (query: Query) => Effect.Effect<Option.Option<Cost.Cost>>
  /** Starts loading what `cost` needs for a provider, or for all of them, without waiting. */
  readonly preload: (provider?: string) => void
  /** Where the prices come from and how old they are. */
  readonly status?: Effect.Effect<Status> | undefined
}

/**
 * What is known of the prices in use.
 *
 * @since 0.1.0
 * @category models
 */
export interface Status {
  /** `"built-in"`, `"custom"`, or the address they are fetched from, without its query. */
  readonly source: string
  /** What the source calls this list. */
  readonly version: Option.Option<string>
  /** Since the last good list came; none while there is none. */
  readonly age: Option.Option<Duration.Duration>
  /** How many prices the source gave. */
  readonly prices: number
  /** Why the last refresh brought nothing. */
  readonly error: Option.Option<string>
  /** Prices of the last refresh that moved further than is plausible. */
  readonly jumps: ReadonlyArray<Jump>
}

/**
 * A price that moved further than is plausible.
 *
 * @since 0.1.0
 * @category models
 */
export interface Jump {
  /** `"provider/model"`. */
  readonly model: string
  /** Which of its prices. */
  readonly rate: keyof Price
  /** What it was. */
  readonly from: number
  /** What it is. */
  readonly to: number
}

/**
 * The prices in use. A reference with a default: never a requirement.
 *
 * @since 0.1.0
 * @category references
 */
export class Pricing extends Context.Reference<Pricing>()("effect-majordomo/Pricing", {
  defaultValue: (): Service => make()
}) {}

/**
 * Prices with the user's own on top: `overrides` by `"provider/model"` or `"model"`; a date at the end of the answering
 * model's name does not matter. `base: "none"` knows nothing but the overrides.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Pricing } from "effect-majordomo"
 *
 * const prices = Pricing.layer({ overrides: { "openai/gpt-4.1": { input: 1.5, output: 6 } } })
 * ```
 */
export const layer = (options?: Options): Layer.Layer<never> => layerService(make(options))

/**
 * Prices of the program's own making.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerService = (service: Service): Layer.Layer<never> =>
  // A reference is never required, so providing it gives nothing that a type could show.
  Layer.succeed(Pricing, service) as Layer.Layer<never>

/**
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** Prices of one's own, by `"provider/model"` or `"model"`. */
  readonly overrides?: Readonly<Record<string, Price>> | undefined
  /** `"genai-prices"` (default) or `"none"`. */
  readonly base?: "genai-prices" | "none" | undefined
}

/**
 * @since 0.1.0
 * @category constructors
 */
export const make = (options?: Options): Service => makeOver(options, () => undefined)

/** Looked up in this order: overrides, what was fetched, prices that the list lacks, the list. */
const makeOver = (options: Options | undefined, fetched: () => ReadonlyMap<string, Price> | undefined): Service => {
  const overrides = new Map(Object.entries(options?.overrides ?? {}))
  const builtIn = options?.base !== "none"
  return {
    preload: builtIn ? preload : () => {},
    status: Effect.succeed({ ...unknownStatus, source: builtIn ? "built-in" : "custom", prices: overrides.size }),
    cost: (query) => {
      const own = find(overrides, query)
      if (own !== undefined) return Effect.succeed(calculate(query, fromPrice(own), "override"))
      const given = find(fetched(), query) ??
        (builtIn ? find(overlay, { ...query, provider: query.prices ?? query.provider }) : undefined)
      if (given !== undefined) return Effect.succeed(calculate(query, fromPrice(given), "prices"))
      if (!builtIn) return Effect.succeedNone
      const list = listOf(query.prices ?? query.provider)
      if (list === undefined) return Effect.succeedNone
      if (!(list instanceof Promise)) return Effect.succeed(fromList(list, query))
      return Effect.matchEffect(Effect.tryPromise(() => list), {
        onFailure: () =>
          Effect.as(
            Effect.logWarning("the price list could not be loaded; costs are unknown until it can"),
            Option.none()
          ),
        onSuccess: (loaded) => Effect.succeed(fromList(loaded, query))
      })
    }
  }
}

const unknownStatus: Status = {
  source: "custom",
  version: Option.none(),
  age: Option.none(),
  prices: 0,
  error: Option.none(),
  jumps: []
}

const find = (prices: ReadonlyMap<string, Price> | undefined, { model, provider }: Query): Price | undefined => {
  if (prices === undefined || prices.size === 0) return undefined
  const bare = model.replace(/[-@](20\d\d-?\d\d-?\d\d)$/, "")
  for (const name of [`${provider}/${model}`, `${provider}/${bare}`, model, bare]) {
    const price = prices.get(name) ?? prices.get(name.toLowerCase())
    if (price !== undefined) return price
  }
  return undefined
}

/**
 * What a call of this size would cost now, or at another time; none when no price is known. Counts left out are 0.
 *
 * @since 0.1.0
 * @category estimates
 * @example
 * ```ts
 * import { Pricing } from "effect-majordomo"
 *
 * const estimate = Pricing.quote("anthropic", "claude-haiku-4-5", { inputTokens: 12_000, outputTokens: 800 })
 * ```
 */
export const quote = (
  provider: string,
  model: string,
  usage: Partial<Usage.Usage>,
  at?: Date
): Effect.Effect<Option.Option<Cost.Cost>> =>
  Effect.gen(function*() {
    const now = yield* Clock.currentTimeMillis
    const pricing = yield* Pricing
    const { inputTokens = 0, outputTokens = 0 } = usage
    const all = { ...Usage.empty, totalTokens: inputTokens + outputTokens, ...usage }
    return yield* pricing.cost({ provider, model, usage: all, at: at ?? new Date(now) })
  })

/**
 * How many tokens a model reads and writes at most, as far as the built-in list knows.
 *
 * @since 0.1.0
 * @category accessors
 */
export const contextWindow = (provider: string, model: string): Effect.Effect<Option.Option<number>> =>
  Effect.map(
    Effect.option(Effect.tryPromise(async () => await listOf(provider))),
    Option.flatMap((list) => Option.fromNullable(list?.contextOf(model)))
  )

/**
 * Where the prices in use come from, their version and age.
 *
 * @since 0.1.0
 * @category accessors
 */
export const status: Effect.Effect<Status> = Effect.flatMap(
  Pricing,
  (pricing) => pricing.status ?? Effect.succeed(unknownStatus)
)

/**
 * @since 0.1.0
 * @category models
 */
export interface RemoteOptions extends Options {
  /** JSON of the form `{ version?, prices: { "provider/model": Price } }`. */
  readonly url: string
  /** Between refreshes. Default 1 hour. */
  readonly refresh?: Duration.DurationInput | undefined
  /** For one refresh. Default 10 seconds. */
  readonly timeout?: Duration.DurationInput | undefined
  /** A price that moves by more than this factor is reported, in the log and in `status`. Default 3. */
  readonly maxFactor?: number | undefined
}

/**
 * Prices from an address, under the overrides and over the built-in ones, refreshed while the layer lives. The first
 * list is waited for; a refresh that fails or brings nonsense changes nothing but `status`, and is tried again.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Pricing } from "effect-majordomo"
 *
 * const prices = Pricing.layerRemote({ url: "https://prices.acme.example/llm.json", refresh: "15 minutes" })
 * ```
 */
export const layerRemote = (options: RemoteOptions): Layer.Layer<never, never, HttpClient.HttpClient> =>
  Layer.scoped(
    Pricing,
    Effect.map(remote.start(options), (source): Service => ({
      ...makeOver(options, source.prices),
      status: source.status
    }))
    // A reference is never required, so providing it gives nothing that a type could show.
  ) as Layer.Layer<never, never, HttpClient.HttpClient>

/**
 * The cost of a usage at a price, for estimates and tests.
 *
 * @since 0.1.0
 * @category conversions
 */
export const costAt = (price: Price, usage: Usage.Usage): Cost.Cost =>
  tokensAt({ provider: "", model: "", usage, at: new Date(0) }, fromPrice(price), undefined, "override")

const fromList = (list: List, query: Query): Option.Option<Cost.Cost> => {
  const rates = list.ratesOf(query.model, query.at)
  return rates === undefined ? Option.none() : calculate(query, rates, "prices")
}

const fromPrice = (price: Price): Rates => ({
  input_mtok: price.input,
  output_mtok: price.output,
  cache_read_mtok: price.cachedInput,
  cache_write_mtok: price.cacheWrite,
  cache_write_1h_mtok: price.cacheWrite1h,
  web_searches_kcount: price.webSearch === undefined ? undefined : price.webSearch * 1000,
  requests_kcount: price.request === undefined ? undefined : price.request * 1000
})

const decimals = new Map<number, BigDecimal.BigDecimal>()

// Prices are decimal numbers with few digits; their shortest notation is the exact price.
const decimal = (number: number): BigDecimal.BigDecimal => {
  let value = decimals.get(number)
  if (value === undefined) decimals.set(number, value = BigDecimal.unsafeFromNumber(number))
  return value
}

const per = (amount: number, price: BigDecimal.BigDecimal, digits: number): BigDecimal.BigDecimal =>
  // Tokens are whole; a fractional count can only come from a provider's own arithmetic.
  BigDecimal.multiply(price, BigDecimal.make(BigInt(Math.round(amount)), digits))

/** USD per thousand web searches, where the list has none. Source: vendors' price pages, 2026-11. */
const searchPrices: Readonly<Record<string, number>> = { anthropic: 10, gemini: 35, vertex: 35, openai: 10 }

/** What a tier costs of the list price. Source: developers.openai.com, ai.google.dev, 2026-11. */
const tiers: Readonly<Record<string, number>> = { flex: 0.5, batch: 0.5 }

/** Tiers whose price differs from model to model. */
const unpricedTiers: ReadonlyArray<string> = ["priority", "scale"]

/** None where a part of the bill has no known price: never a made-up 0. */
const calculate = (query: Query, price: Rates, source: Cost.Source): Option.Option<Cost.Cost> => {
  const tier = query.serviceTier ?? "default"
  if (source === "prices" && unpricedTiers.includes(tier)) return Option.none()
  const perSearch = price["web_searches_kcount"] ?? searchPrices[query.prices ?? query.provider]
  if ((query.webSearches ?? 0) > 0 && perSearch === undefined) return Option.none()
  return Option.some(tokensAt(query, price, perSearch, source, source === "prices" ? tiers[tier] : undefined))
}

const tokensAt = (
  query: Query,
  price: Rates,
  perSearch: Rates[string],
  source: Cost.Source,
  share?: number
): Cost.Cost => {
  const { usage } = query
  // A tier applies to the whole call, chosen by its input.
  const rate = (key: string) => at(price[key])
  const at = (value: Rates[string]): BigDecimal.BigDecimal | undefined => {
    if (value === undefined || typeof value === "number") return value === undefined ? undefined : decimal(value)
    let chosen = value.base
    for (const tier of value.tiers) if (usage.inputTokens > tier.start) chosen = tier.price
    return decimal(chosen)
  }
  const scaled = (amount: BigDecimal.BigDecimal) =>
    share === undefined ? amount : BigDecimal.multiply(amount, decimal(share))
  const zero = BigDecimal.make(0n, 0)
  const inputRate = rate("input_mtok") ?? zero
  const write1h = Math.min(query.cacheCreation1hTokens ?? 0, usage.cacheCreationTokens)
  const writeRate = rate("cache_write_mtok") ?? inputRate
  const fresh = usage.inputTokens - usage.cachedInputTokens - usage.cacheCreationTokens
  const audio = Math.min(query.inputAudioTokens ?? 0, fresh)
  let input = per(fresh - audio, inputRate, 6)
  if (audio > 0) input = BigDecimal.sum(input, per(audio, rate("input_audio_mtok") ?? inputRate, 6))
  if (usage.cachedInputTokens > 0) {
    input = BigDecimal.sum(input, per(usage.cachedInputTokens, rate("cache_read_mtok") ?? inputRate, 6))
  }
  if (usage.cacheCreationTokens > 0) {
    input = BigDecimal.sum(input, per(usage.cacheCreationTokens - write1h, writeRate, 6))
    if (write1h > 0) input = BigDecimal.sum(input, per(write1h, rate("cache_write_1h_mtok") ?? writeRate, 6))
  }
  const outputRate = rate("output_mtok") ?? zero
  const audioOut = Math.min(query.outputAudioTokens ?? 0, usage.outputTokens - usage.reasoningTokens)
  let output = per(usage.outputTokens - usage.reasoningTokens - audioOut, outputRate, 6)
  if (usage.reasoningTokens > 0) {
    output = BigDecimal.sum(output, per(usage.reasoningTokens, rate("output_reasoning_mtok") ?? outputRate, 6))
  }
  if (audioOut > 0) output = BigDecimal.sum(output, per(audioOut, rate("output_audio_mtok") ?? outputRate, 6))
  const searches = query.webSearches ?? 0
  const perRequest = rate("requests_kcount")
  let tools = searches === 0 ? zero : per(searches, at(perSearch) ?? zero, 3)
  if (perRequest !== undefined) tools = BigDecimal.sum(tools, per(1, perRequest, 3))
  return Cost.make({ input: scaled(input), output: scaled(output), tools, source })
}
