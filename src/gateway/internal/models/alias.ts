/** A name of the configuration, as its file says it: who answers to it, what guards it, what is remembered of it. */
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Balance from "../../../Balance.ts"
import type * as Cascade from "../../../Cascade.ts"
import * as Hooks from "../../../Hooks.ts"

const said = (description: string) => ({ description })

export const Time = Schema.String.pipe(
  Schema.filter((text) =>
    Option.isSome(Duration.decodeUnknown(text)) || `"${text}" is no duration such as "30 seconds" or "5 minutes"`
  )
).annotations({ jsonSchema: { type: "string", examples: ["30 seconds", "5 minutes"] } })

const Breaker = Schema.Struct({
  failures: Schema.optional(Schema.Int.pipe(Schema.positive())).annotations(said("In a row that open it. Default 5.")),
  window: Schema.optional(Time).annotations(said("They count only within this time. Default 1 minute.")),
  cooldown: Schema.optional(Time).annotations(said("Until a probe is let through. Default 30 seconds.")),
  halfOpen: Schema.optional(Schema.Int.pipe(Schema.positive())).annotations(said("Probes at once. Default 1."))
})

const HedgeAfter = Schema.Union(
  Time,
  Schema.Struct({
    percentile: Schema.Number.pipe(Schema.greaterThan(0), Schema.lessThan(100)).annotations(
      said("Of the times to the first content of that model's last 128 answers.")
    ),
    initially: Time.annotations(said("Until there are 20 of them."))
  })
)

const Strategy = Schema.Union(
  Schema.Literal("roundRobin", "leastLatency", "cheapest"),
  Schema.Struct({
    weighted: Schema.Array(Schema.NonNegative).pipe(
      Schema.filter((weights) => weights.some((weight) => weight > 0) || "one weight at least is above 0")
    ).annotations(said("A weight for each model, in their order; 0 only stands in for the others."))
  }),
  Schema.Struct({
    sticky: Schema.NonEmptyString.annotations(said("The label whose calls stay together: \"user-id\"."))
  })
)

const compiles = (
  { flags = "", patterns }: { readonly flags?: string | undefined; readonly patterns: ReadonlyArray<string> }
) => {
  for (const pattern of patterns) {
    try {
      RegExp(pattern, flags)
    } catch {
      return `"${pattern}" with the flags "${flags}" is no regular expression of JavaScript`
    }
  }
  return true
}

const Hook = Schema.Struct({
  name: Schema.optional(Schema.NonEmptyString).annotations(said("What errors and the log call it. Default \"regex\".")),
  patterns: Schema.NonEmptyArray(Schema.NonEmptyString).annotations(said("Regular expressions of JavaScript.")),
  flags: Schema.optional(Schema.String.pipe(Schema.pattern(/^[imsuv]*$/))).annotations(said("\"i\": in either case.")),
  action: Schema.Literal("block", "warn", "redact").annotations(
    said("block is a 400, warn a line in the log, redact puts the replacement in the place of what matches.")
  ),
  on: Schema.Literal("before", "after", "both").annotations(said("The prompt, the answer, or both.")),
  replacement: Schema.optional(Schema.String).annotations(said("Default \"[redacted]\"."))
}).pipe(Schema.filter(compiles))

const Cache = Schema.Struct({
  timeToLive: Schema.optional(Time).annotations(said("How long an answer is good for. Default 1 day.")),
  scope: Schema.optional(Schema.Array(Schema.NonEmptyString)).annotations(
    said("Labels that separate callers: [\"user-id\"]. Default: all labels.")
  ),
  shared: Schema.optional(Schema.Boolean).annotations(
    said("Keys share answers. Default false: each key has answers of its own.")
  )
})

const common = {
  breaker: Schema.optional(Breaker).annotations(said("Skips a model that keeps failing. Default: none.")),
  hedgeAfter: Schema.optional(HedgeAfter).annotations(
    said("Without content for so long, the next model is asked too; the first content wins. Default: never.")
  ),
  memberRetries: Schema.optional(Schema.Literal("last", "each")).annotations(
    said("Who is tried again: the model after which no other waits (default), or each before the next one is asked.")
  ),
  midStream: Schema.optional(Schema.Literal("fail", "continue")).annotations(
    said("A stream of text that breaks off is an error (default), or is gone on with by the next model.")
  ),
  hooks: Schema.optional(Schema.Array(Hook)).annotations(said("Patterns to look for in prompts and answers.")),
  cache: Schema.optional(Cache).annotations(said("Answers are kept in the database. Default: none are."))
}

const listed = Schema.NonEmptyArray(Schema.String)

const CascadeAlias = Schema.Struct({
  cascade: listed.annotations(said("Models as \"provider/model\": the next one answers where one cannot.")),
  ...common
})

const BalanceAlias = Schema.Struct({
  balance: listed.annotations(
    said("Models as \"provider/model\" that share the calls; the next one answers where one cannot.")
  ),
  strategy: Schema.optional(Strategy).annotations(said("Default roundRobin.")),
  ...common
}).pipe(
  Schema.filter(({ balance, strategy }) =>
    typeof strategy !== "object" || !("weighted" in strategy) || strategy.weighted.length === balance.length ||
    `weighted takes one weight for each of the ${balance.length} models`
  )
)

export const Alias = Schema.Union(Schema.String, CascadeAlias, BalanceAlias)

export type Alias = typeof Alias.Type

type Whole = Exclude<Alias, string>

const detailsOf = (alias: Alias): Whole | undefined => typeof alias === "string" ? undefined : alias

export const modelsOf = (alias: Alias): ReadonlyArray<string> =>
  typeof alias === "string" ? [alias] : "cascade" in alias ? alias.cascade : alias.balance

const timeOf = (text: string | undefined, otherwise: string): Duration.Duration =>
  Option.getOrElse(Duration.decodeUnknown(text ?? otherwise), () => Duration.zero)

/** How several models stand in for each other. */
export const cascadeOptionsOf = (alias: Alias): Cascade.Options => {
  const details = detailsOf(alias)
  const { breaker, hedgeAfter, memberRetries, midStream } = details ?? {}
  return {
    midStream,
    memberRetries,
    hedge: hedgeAfter === undefined ? undefined : {
      after: typeof hedgeAfter === "string"
        ? timeOf(hedgeAfter, "0 millis")
        : { percentile: hedgeAfter.percentile, initially: timeOf(hedgeAfter.initially, "0 millis") }
    },
    breaker: breaker === undefined ? undefined : {
      failures: breaker.failures ?? 5,
      window: timeOf(breaker.window, "1 minute"),
      cooldown: timeOf(breaker.cooldown, "30 seconds"),
      halfOpen: breaker.halfOpen
    }
  }
}

/**
 * Who of them is asked first; undefined: the first that is named. `isThere` says by their place which are asked at all:
 * some may lack a key. `prices` are names of price lists by those of providers.
 */
export const strategyOf = (
  alias: Alias,
  isThere: (place: number) => boolean,
  prices: Readonly<Record<string, string>>
): Balance.Strategy | undefined => {
  if (typeof alias === "string" || !("balance" in alias)) return undefined
  const { strategy = "roundRobin" } = alias
  if (typeof strategy !== "string") {
    if ("sticky" in strategy) return Balance.sticky(strategy.sticky)
    const weights = strategy.weighted.filter((_, place) => isThere(place))
    return weights.some((weight) => weight > 0) ? Balance.weighted(weights) : Balance.roundRobin
  }
  switch (strategy) {
    case "roundRobin":
      return Balance.roundRobin
    case "leastLatency":
      return Balance.leastLatency()
    case "cheapest":
      return Balance.cheapest({ prices })
  }
}

export const hooksOf = (alias: Alias): ReadonlyArray<Hooks.Hook> =>
  (detailsOf(alias)?.hooks ?? []).map(({ action, flags, name, on, patterns, replacement }) =>
    Hooks.regex({ name, action, on, replacement, patterns: patterns.map((pattern) => new RegExp(pattern, flags)) })
  )

export const isGuarded = (alias: Alias): boolean => (detailsOf(alias)?.hooks ?? []).length > 0

/** Its prompts hold what the model must not see: nobody keeps them as they came. */
export const redactsPrompts = (alias: Alias): boolean =>
  detailsOf(alias)?.hooks?.some(({ action, on }) => action !== "warn" && on !== "after") === true

export const cacheOf = (
  alias: Alias
): {
  readonly timeToLive: Duration.Duration
  readonly scope: ReadonlyArray<string> | undefined
  readonly isShared: boolean
} | undefined => {
  const cache = detailsOf(alias)?.cache
  return cache === undefined
    ? undefined
    : { timeToLive: timeOf(cache.timeToLive, "1 day"), scope: cache.scope, isShared: cache.shared === true }
}
