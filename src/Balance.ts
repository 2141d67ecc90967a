/**
 * Load balancing: several members share the calls, and stand in for each other.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Hash from "effect/Hash"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Cascade from "./Cascade.ts"
import { labelsOf } from "./internal/call/labels.ts"
import * as cascade from "./internal/cascade/layer.ts"
import { withoutMedia } from "./internal/json/withoutMedia.ts"
import type { LLM, Options as CallOptions } from "./LLM.ts"
import { ConfigurationError } from "./LLMError.ts"
import * as Metadata from "./Metadata.ts"
import * as Pricing from "./Pricing.ts"

/**
 * A member as a strategy sees it, at the moment of a call.
 *
 * @since 0.1.0
 * @category models
 */
export interface Candidate {
  /** The provider's name. */
  readonly provider: string
  /** The model it is asked for. */
  readonly model: string
  /** Calls it works on now. */
  readonly inFlight: number
  /** Time to its first content: a moving average. None before its first answer. */
  readonly latency: Option.Option<Duration.Duration>
  /** When it last began to answer, ms since the epoch; 0 before. */
  readonly measuredAt: number
}

/**
 * Who is asked for a call, best first; the next one only when those before failed. Run once per layer: what it
 * remembers is shared by the calls of that layer.
 *
 * @since 0.1.0
 * @category models
 */
export type Strategy = <C extends Candidate>(
  candidates: ReadonlyArray<C>
) => Effect.Effect<(request: CallOptions) => Effect.Effect<ReadonlyArray<C>>, ConfigurationError>

/**
 * @since 0.1.0
 * @category models
 */
export interface Options extends Cascade.Options {
  /** Default `roundRobin`. */
  readonly strategy?: Strategy | undefined
}

// ── strategies ──────────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * In turn.
 *
 * @since 0.1.0
 * @category strategies
 */
export const roundRobin: Strategy = (candidates) =>
  Effect.sync(() => {
    let turn = 0
    return () =>
      Effect.sync(() => {
        const start = turn++ % candidates.length
        return [...candidates.slice(start), ...candidates.slice(0, start)]
      })
  })

/**
 * In proportion to the weights, evenly mixed: of `[3, 1]` the second gets every fourth call. A weight of 0 only stands
 * in for the others.
 *
 * @since 0.1.0
 * @category strategies
 */
export const weighted = (weights: ReadonlyArray<number>): Strategy => (candidates) => {
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  const valid = weights.length === candidates.length && total > 0 &&
    weights.every((weight) => Number.isFinite(weight) && weight >= 0)
  if (!valid) {
    const description = `Balance.weighted takes a weight of 0 or more for each of the ${candidates.length} members, ` +
      `not all 0; it got [${weights.join(", ")}]`
    return Effect.fail(new ConfigurationError({ description }))
  }
  return Effect.sync(() => {
    // Each call credits everybody's weight and charges the one who is asked the sum of them.
    const shares = candidates.map((candidate, index) => ({ candidate, weight: weights[index] ?? 0, credit: 0 }))
    return () =>
      Effect.sync(() => {
        for (const share of shares) share.credit += share.weight
        const ordered = [...shares].sort((a, b) => Number(b.weight > 0) - Number(a.weight > 0) || b.credit - a.credit)
        const [first] = ordered
        if (first !== undefined) first.credit -= total
        return ordered.map(({ candidate }) => candidate)
      })
  })
}

/**
 * The one that begins to answer soonest, lately, with regard to the calls it works on. One that has not been heard of
 * for `forget` (default 1 minute) gets the next call, so that nobody is slow for ever. A failure is no latency: give a
 * `breaker` too, so that members that fail are skipped.
 *
 * @since 0.1.0
 * @category strategies
 */
export const leastLatency = (options?: { readonly forget?: Duration.DurationInput | undefined }): Strategy => {
  const forget = Duration.toMillis(options?.forget ?? "1 minute")
  return <C extends Candidate>(candidates: ReadonlyArray<C>) =>
    Effect.succeed(() =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        const known = ({ latency, measuredAt }: C) => now - measuredAt > forget ? Option.none() : latency
        const fastest = Math.min(...candidates.map((candidate) => Option.match(known(candidate), millisOr(Infinity))))
        return sorted(candidates, (candidate) => {
          // One call at a time finds out about a member that is not known.
          const guess = candidate.inFlight === 0 ? 0 : fastest === Infinity ? 1 : fastest
          return Option.match(known(candidate), millisOr(guess)) * (candidate.inFlight + 1)
        })
      })
    )
}

const millisOr = (other: number) => ({ onNone: () => other, onSome: Duration.toMillis })

// Characters of a token, roughly, in English.
const tokenLength = 4

/**
 * The cheapest for the call, by the price list: its prompt's length, and `maxTokens` or `outputTokens` (default 500)
 * for the answer. Members without a price come last. `prices` says of providers by their name whose list is theirs, where
 * it is not their own.
 *
 * @since 0.1.0
 * @category strategies
 */
export const cheapest = (options?: {
  readonly outputTokens?: number | undefined
  readonly prices?: Readonly<Record<string, string>> | undefined
}): Strategy =>
(candidates) =>
  Effect.succeed((request) => {
    const listOf = (provider: string) => options?.prices?.[provider] ?? provider
    const usage = {
      inputTokens: Math.ceil((withoutMedia(request.prompt).length + (request.system?.length ?? 0)) / tokenLength),
      outputTokens: request.maxTokens ?? options?.outputTokens ?? 500
    }
    return Effect.map(
      Effect.forEach(
        candidates,
        (candidate) =>
          Effect.map(Pricing.quote(listOf(candidate.provider), candidate.model, usage), (cost) => ({
            candidate,
            price: Option.match(cost, { onNone: () => Infinity, onSome: ({ total }) => total })
          }))
      ),
      (priced) => sorted(priced, ({ price }) => price).map(({ candidate }) => candidate)
    )
  })

/**
 * Calls with the same label go to the same member, for as long as it answers: a user's conversation stays where the
 * provider has it cached. Another member moves as few of them as possible. Calls without the label go in turn.
 *
 * @since 0.1.0
 * @category strategies
 */
export const sticky = (label: string): Strategy => {
  const key = Metadata.toHeaderCase(label)
  return <C extends Candidate>(candidates: ReadonlyArray<C>) =>
    Effect.map(roundRobin(candidates), (inTurn) => {
      const names = candidates.map(({ model, provider }, index) => {
        const name = `${provider}/${model}`
        const before = candidates.slice(0, index).filter((other) => `${other.provider}/${other.model}` === name)
        return { candidate: candidates[index], hash: Hash.string(`${name}#${before.length}`) }
      })
      return (request: CallOptions) =>
        Effect.flatMap(Metadata.Current, (scoped) => {
          const value = labelsOf(scoped, request.metadata)[key]
          if (value === undefined) return inTurn(request)
          const hash = Hash.string(value)
          return Effect.succeed(
            sorted(names, (name) => mixed(name.hash ^ mixed(hash))).flatMap(({ candidate }) => candidate ?? [])
          )
        })
    })
}

/** Spreads the bits of a hash (the finalizer of MurmurHash3), so that similar names rank differently. */
const mixed = (hash: number): number => {
  let bits = hash
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b)
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35)
  return (bits ^ (bits >>> 16)) >>> 0
}

const sorted = <A>(items: ReadonlyArray<A>, score: (item: A) => number): ReadonlyArray<A> =>
  items.map((item) => ({ item, score: score(item) })).sort((a, b) => a.score - b.score).map(({ item }) => item)

// ── layers ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * Shares the calls among the members. When one fails, the next one is asked, as in a cascade: everything a `Cascade`
 * can do, it does too.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Balance, Bedrock, Anthropic, Cascade, OpenAI } from "effect-majordomo"
 *
 * const claude = Balance.layer([
 *   Anthropic.layer({ model: "claude-sonnet-5" }),
 *   Bedrock.layer({ model: "us.anthropic.claude-sonnet-5", region: "us-east-1" })
 * ], { strategy: Balance.weighted([3, 1]) })
 *
 * const live = Cascade.layer([claude, OpenAI.layer({ model: "gpt-4.1" })])
 * ```
 */
export const layer = <const Members extends readonly [Cascade.Member, ...ReadonlyArray<Cascade.Member>]>(
  members: Members,
  options: Options = {}
): Layer.Layer<LLM, Layer.Layer.Error<Members[number]> | ConfigurationError, Layer.Layer.Context<Members[number]>> =>
  // What members fail with and need is known of each; a list of them has the union.
  cascade.layer(members, options.strategy ?? roundRobin, options) as Layer.Layer<
    LLM,
    Layer.Layer.Error<Members[number]> | ConfigurationError,
    Layer.Layer.Context<Members[number]>
  >
