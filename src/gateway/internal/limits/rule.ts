/** A rule of the configuration, and what it asks of a call: which account it is charged to, for how much. */
import * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { toHeaderCase } from "../../../Metadata.ts"
import { matches } from "../pattern.ts"
import { hashOf } from "../token.ts"
import * as money from "./money.ts"
import * as windows from "./window.ts"

const said = (description: string) => ({ description })

/** SQLite's integers end at nine million dollars. */
const maxUsd = 9_000_000n * 10n ** 12n

const Usd = Schema.String.pipe(
  Schema.filter((text) => {
    const amount = money.ofDecimal(text)
    return (amount !== undefined && amount > 0n && amount <= maxUsd) ||
      `"${text}" is no amount such as "25" or "0.50", up to 9000000`
  })
).annotations({ jsonSchema: { type: "string", examples: ["25", "0.50"] } })

const Zone = Schema.String.pipe(
  Schema.filter((name) => Option.isSome(DateTime.zoneFromString(name)) || `"${name}" is no time zone`)
).annotations({ jsonSchema: { type: "string", examples: ["UTC", "Europe/Berlin"] } })

const Count = Schema.Int.pipe(Schema.positive())

export const Budget = Schema.Struct({
  usd: Usd.annotations(said("US dollars, exact: \"25\".")),
  per: Schema.Literal("day", "month", "total"),
  timeZone: Schema.optional(Zone).annotations(said("Whose days and months. Default UTC."))
})

export const Rule = Schema.Struct({
  name: Schema.String.pipe(Schema.pattern(/^[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}$/)).annotations(
    said("What clients and reports are told: letters, digits, blanks, and . _ -")
  ),
  by: Schema.optional(Schema.NonEmptyString).annotations(
    said(
      "Whose calls are counted together: \"key\", \"owner\", \"user\", \"feature\", \"model\", \"provider\", any other label, or \"all\" (default). Calls without that label count together."
    )
  ),
  match: Schema.optional(Schema.Record({ key: Schema.String, value: Schema.String })).annotations(
    said("Only calls that have these: the same names as in by, with * for anything. Default: all calls.")
  ),
  requestsPerMinute: Schema.optional(Count),
  tokensPerMinute: Schema.optional(Count).annotations(said("Tokens of prompts and answers.")),
  concurrent: Schema.optional(Count).annotations(said("Calls that run at the same time.")),
  budget: Schema.optional(Budget),
  mode: Schema.optional(Schema.Literal("enforce", "shadow")).annotations(
    said("shadow only counts and tells what it would have refused. Default enforce.")
  ),
  thresholds: Schema.optional(Schema.Array(Schema.Number.pipe(Schema.between(0, 1)))).annotations(
    said("Parts of the budget at which the webhook is called. Default [0.5, 0.8, 1].")
  ),
  degrade: Schema.optional(Schema.NonEmptyString).annotations(
    said(
      "A name of models, or a \"provider/model\": what the budget has no more for is answered by it. Default: 402. What it takes is booked all the same."
    )
  ),
  storeAway: Schema.optional(Schema.Literal("count", "refuse", "allow")).annotations(
    said(
      "While the database is away: count what this process knows (default), refuse every call, or allow every call."
    )
  )
}).pipe(
  Schema.filter((rule) =>
    rule.requestsPerMinute !== undefined || rule.tokensPerMinute !== undefined || rule.concurrent !== undefined ||
    rule.budget !== undefined || `the rule "${rule.name}" limits nothing`
  ),
  Schema.filter((rule) =>
    rule.degrade === undefined || rule.budget !== undefined ||
    `the rule "${rule.name}" has no budget whose end could degrade anything`
  )
)

export interface Rule extends Schema.Schema.Type<typeof Rule> {}

export const Rules = Schema.Array(Rule).pipe(
  Schema.filter((rules) => {
    const names = rules.map(({ name }) => name)
    const twice = names.find((name, at) => names.indexOf(name) !== at)
    return twice === undefined || `two rules are named "${twice}"`
  })
)

export type Dimension = "requests" | "tokens" | "concurrent" | "usd"

/** Who calls, for what. */
export interface Facts {
  readonly key: string | undefined
  readonly owner: string | undefined
  readonly provider: string
  /** Undefined: it asks for one that cannot be read, which may be any. */
  readonly model: string | undefined
  /** It may cost tokens and money; to look at a list does not. */
  readonly isPaid: boolean
  /** In header case. */
  readonly labels: Readonly<Record<string, string>>
  /** A spent budget has sent it to a cheaper model: budgets that do so refuse it no more. */
  readonly isDegraded?: boolean | undefined
  /** Rules of its key's own. */
  readonly own?: ReadonlyArray<Compiled> | undefined
}

/** One limit of a rule. */
export interface Limit {
  readonly rule: Rule
  /** The key whose own it is. */
  readonly key: string | undefined
  /** What the names of all its accounts begin with. */
  readonly prefix: string
  readonly dimension: Dimension
  readonly amount: bigint
  readonly windowAt: (now: number) => windows.Window
}

export interface Compiled {
  readonly rule: Rule
  readonly limits: ReadonlyArray<Limit>
  /** Undefined: it is not about this call. */
  readonly scopeOf: (facts: Facts) => string | undefined
}

const reader = (name: string): (facts: Facts) => string | undefined => {
  switch (name) {
    case "all":
      return () => ""
    case "key":
      return ({ key }) => key
    case "owner":
      return ({ owner }) => owner
    case "provider":
      return ({ provider }) => provider
    case "model":
      return ({ model }) => model
    case "user":
      return ({ labels }) => labels["User-Id"] ?? labels["User"]
    default: {
      const label = toHeaderCase(name)
      return ({ labels }) => labels[label]
    }
  }
}

/** Longer texts of strangers are kept as their hash. */
const maxScope = 128

const limitsOf = (rule: Rule, key: string | undefined): ReadonlyArray<Limit> => {
  const { budget, concurrent, requestsPerMinute, tokensPerMinute } = rule
  const found: Array<Limit> = []
  const add = (dimension: Dimension, amount: bigint, windowAt: Limit["windowAt"]) =>
    found.push({
      rule,
      key,
      prefix: `${key === undefined ? "" : `${key}/`}${rule.name}/${dimension}/${rule.by ?? "all"}/`,
      dimension,
      amount,
      windowAt
    })
  if (requestsPerMinute !== undefined) add("requests", BigInt(requestsPerMinute), windows.minute)
  if (tokensPerMinute !== undefined) add("tokens", BigInt(tokensPerMinute), windows.minute)
  if (concurrent !== undefined) add("concurrent", BigInt(concurrent), () => windows.forever)
  if (budget !== undefined) {
    const zone = Option.getOrElse(DateTime.zoneFromString(budget.timeZone ?? "UTC"), () => DateTime.zoneMakeOffset(0))
    add(
      "usd",
      money.ofDecimal(budget.usd) ?? 0n,
      budget.per === "total" ? () => windows.forever : windows.calendar(budget.per, zone)
    )
  }
  return found
}

export const compile = (rule: Rule, key?: string): Compiled => {
  const read = reader(rule.by ?? "all")
  const wanted = Object.entries(rule.match ?? {}).map(([name, pattern]) => ({ name, read: reader(name), pattern }))
  return {
    rule,
    limits: limitsOf(rule, key),
    scopeOf: (facts) => {
      for (const { name, pattern, read } of wanted) {
        const value = read(facts)
        if (value === undefined && name === "model" && facts.isPaid) continue
        if (value === undefined || !matches(pattern, value)) return undefined
      }
      const scope = read(facts) ?? ""
      return scope.length > maxScope ? `sha256:${hashOf(scope)}` : scope
    }
  }
}
