/** Limits at the gateway's door: what a request is charged to, what its client is told, what its row settles. */
import * as BigDecimal from "effect/BigDecimal"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { withFields } from "../../../internal/objects/withFields.ts"
import type * as Logging from "../../../logging/Logging.ts"
import type { Service as Pricing } from "../../../Pricing.ts"
import * as Usage from "../../../Usage.ts"
import type { ApiKey } from "../../ApiKeys.ts"
import type { Admitted, Known } from "../admission/admission.ts"
import type { End, Exchange } from "../record.ts"
import type { Refusal } from "../refusal.ts"
import type { Dialect } from "../target.ts"
import type { Lease, Real, Refused, Standing } from "./charge.ts"
import { tokensOf } from "./estimate.ts"
import type { Limiter } from "./limiter.ts"
import * as money from "./money.ts"
import { messageOf, secondsOf } from "./refused.ts"
import { compile, type Compiled, type Facts, type Rule } from "./rule.ts"

/** The LLM that answers, where it is no provider that is passed on to. */
interface Asked {
  readonly provider: string
  readonly model: string
}

export interface Gate {
  /**
   * Holds what the request may take, or says why it may not. The lease is in `known` from then on. Gives what goes on: where
   * a budget is spent that knows a cheaper model, that one.
   */
  readonly admit: (
    exchange: Exchange,
    allowed: Admitted,
    /** None: it cannot be asked for this. */
    cheaper: (name: string) => Effect.Effect<Option.Option<Admitted>>
  ) => Effect.Effect<Admitted, Refusal>
  /** Books what it took, as its row says; gives the row with what is to be booked by it where this process dies. */
  readonly settle: (lease: Lease, end: End, entry: Logging.Recorded) => Effect.Effect<Logging.Recorded>
}

/** Nothing is generated for them, and nothing billed. */
const free: ReadonlySet<string> = new Set(["GET", "HEAD", "DELETE", "OPTIONS"])

const compiledKeys = new WeakMap<ReadonlyArray<Rule>, ReadonlyArray<Compiled>>()

/** A key's own rules; they are read anew when the key is. */
export const rulesOfKey = ({ id, limits }: ApiKey): ReadonlyArray<Compiled> => {
  if (limits === null) return []
  const known = compiledKeys.get(limits)
  if (known !== undefined) return known
  const compiled = limits.map((rule) => compile(rule, id))
  compiledKeys.set(limits, compiled)
  return compiled
}

const factsOf = ({ known: { key, model, target }, labels, request }: Exchange, asked: Asked | undefined): Facts => ({
  own: key === undefined ? undefined : rulesOfKey(key),
  key: key?.id,
  owner: key?.owner ?? undefined,
  provider: asked?.provider ?? target?.upstream.provider ?? "majordomo",
  model,
  labels,
  isPaid: !free.has(request.method ?? "GET")
})

const askedOf = (allowed: Admitted): Asked | undefined => allowed._tag === "Unified" ? allowed.llm : undefined

export const make = (limiter: Limiter, pricing: Pricing): Gate => {
  const held = (exchange: Exchange, allowed: Admitted, isDegraded: boolean): Effect.Effect<Admitted, Refused> =>
    Effect.gen(function*() {
      const { known } = exchange
      const asked = askedOf(allowed)
      const facts = withFields(factsOf(exchange, asked), { isDegraded })
      const tokens = tokensOf(known.body, known.bytesIn)
      const usd = limiter.needsPrice(facts) ? yield* priceOf(pricing, placeOf(known, asked), tokens) : 0n
      yield* limiter.admit(facts, { tokens: BigInt(tokens.input + tokens.output), usd }, (lease) => {
        known.lease = lease
      })
      return allowed
    })
  return {
    admit: (exchange, allowed, cheaper) => {
      const { known } = exchange
      if (limiter.isEmpty && (known.key?.limits ?? null) === null) return Effect.succeed(allowed)
      return held(exchange, allowed, false).pipe(
        Effect.catchAll((refused) => {
          const { degrade: name, rule } = refused
          const { model: asked } = known
          if (name === undefined) return Effect.fail(refused)
          return Effect.flatMap(cheaper(name), (found) => {
            if (Option.isNone(found)) return Effect.fail(refused)
            known.degraded = { name, rule, from: asked }
            return held(exchange, found.value, true)
          })
        }),
        Effect.mapError((refused) => refusalOf(refused, known.dialect))
      )
    },
    settle: (lease, end, entry) =>
      Effect.map(
        lease.settle(end._tag === "Refused" ? undefined : realOf(entry)),
        (bookings) => bookings.length === 0 ? entry : withFields(entry, { bookings })
      )
  }
}

interface Place extends Asked {
  readonly prices?: string | undefined
}

const placeOf = ({ model, target }: Known, asked: Asked | undefined): Place | undefined => {
  if (asked !== undefined) return asked
  if (model === undefined || target === undefined) return undefined
  const { prices, provider } = target.upstream
  return { provider, model, prices }
}

const priceOf = (
  pricing: Pricing,
  place: Place | undefined,
  { input, output }: { readonly input: number; readonly output: number }
): Effect.Effect<bigint> =>
  place === undefined ? Effect.succeed(0n) : Effect.flatMap(Clock.currentTimeMillis, (now) =>
    Effect.map(
      pricing.cost({
        provider: place.provider,
        model: place.model,
        prices: place.prices,
        usage: { ...Usage.empty, inputTokens: input, outputTokens: output, totalTokens: input + output },
        at: new Date(now)
      }),
      Option.match({ onNone: () => 0n, onSome: ({ exact }) => money.ofAmount(exact.total) })
    ))

const realOf = ({ cached, inputTokens, outputTokens, totalCost, usagePartial }: Logging.Recorded): Real => ({
  // The usage of a remembered answer is that of the call that was made for it.
  tokens: cached === true ? 0n : BigInt((inputTokens ?? 0) + (outputTokens ?? 0)),
  usd: totalCost === undefined
    ? undefined
    : Option.getOrUndefined(Option.map(BigDecimal.fromString(totalCost), money.ofAmount)),
  isPartial: usagePartial === true
})

// ── what clients are told ───────────────────────────────────────────────────────────────────────────────────────────

/** As OpenAI writes it: 450ms, 12s, 1m30s. */
const spanOf = (ms: number): string => {
  if (ms < 1000) return `${Math.max(0, Math.ceil(ms))}ms`
  const seconds = Math.ceil(ms / 1000)
  return seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${seconds % 60}s`
}

const standings = (nearest: ReadonlyArray<Standing>, dialect: Dialect, now: number): Record<string, string> => {
  const found: Record<string, string> = {}
  for (const { dimension, limit, remaining, reset } of nearest) {
    found[`x-ratelimit-limit-${dimension}`] = String(limit)
    found[`x-ratelimit-remaining-${dimension}`] = String(remaining)
    found[`x-ratelimit-reset-${dimension}`] = spanOf(reset)
    if (dialect !== "anthropic") continue
    found[`anthropic-ratelimit-${dimension}-limit`] = String(limit)
    found[`anthropic-ratelimit-${dimension}-remaining`] = String(remaining)
    found[`anthropic-ratelimit-${dimension}-reset`] = new Date(now + reset).toISOString()
  }
  return found
}

const nothing: Readonly<Record<string, string>> = {}

/** On the answer of a request that was admitted. */
export const headersOf = (
  { degraded, dialect, lease }: Known,
  now: number
): Readonly<Record<string, string>> => {
  // Its cheaper model may be under no rule at all.
  const lower = degraded === undefined ? nothing : { "x-majordomo-degraded": `${degraded.name};limit=${degraded.rule}` }
  if (lease === undefined) return lower
  const budgets = lease.budgets.map(({ part, rule }) => `${rule};used=${part}`)
  return {
    ...standings(lease.nearest, dialect, now),
    ...lower,
    ...(lease.shadowed.length === 0 ? {} : { "x-majordomo-limit-shadow": lease.shadowed.join(", ") }),
    ...(budgets.length === 0 ? {} : { "x-majordomo-budget": budgets.join(", ") })
  }
}

const refusalOf = (refused: Refused, dialect: Dialect): Refusal => {
  const { at, dimension, nearest, reason, retryAfter, rule } = refused
  const message = messageOf(refused)
  const headers = { "x-majordomo-limit": rule, ...standings(nearest, dialect, at) }
  if (reason === "storeAway") {
    return { status: 503, code: "gateway_unavailable", message, headers: { ...headers, "retry-after": "5" } }
  }
  if (dimension === "usd") return { status: 402, code: "budget_exceeded", message, headers }
  if (reason === "tooLarge") return { status: 413, code: "request_too_large", message, headers }
  const wait = String(secondsOf(retryAfter))
  return { status: 429, code: "rate_limited", message, headers: { ...headers, "retry-after": wait } }
}
