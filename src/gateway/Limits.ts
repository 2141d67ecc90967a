/**
 * Rates, slots and budgets: for the gateway in `limits` of its configuration, for programs as a decorator around any LLM.
 *
 * A rule counts the calls of one key, user, feature or label together, and all rules that are about a call apply to it. A
 * call holds an estimate (its prompt's size, `maxTokens`, the price of its model) while it runs, and is booked with what it
 * took when it has ended, however it ended. A budget is never exceeded by more than what nobody could foresee of the calls
 * that ran when it was spent: an answer without `maxTokens` may be as long as the model likes.
 *
 * @since 0.1.0
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { labelsOf } from "../internal/call/labels.ts"
import * as ending from "../internal/call/onEnd.ts"
import { withoutMedia } from "../internal/json/withoutMedia.ts"
import { type CallEnd, LLM, type Request, type Service } from "../LLM.ts"
import * as LLMError from "../LLMError.ts"
import * as Metadata from "../Metadata.ts"
import * as Pricing from "../Pricing.ts"
import * as Usage from "../Usage.ts"
import * as database from "./internal/database.ts"
import type { Estimate, Lease, Real, Refused } from "./internal/limits/charge.ts"
import { Limiter } from "./internal/limits/limiter.ts"
import * as money from "./internal/limits/money.ts"
import * as redisStore from "./internal/limits/redisStore.ts"
import { messageOf } from "./internal/limits/refused.ts"
import * as rules from "./internal/limits/rule.ts"
import { rulesOf } from "./internal/limits/rules.ts"
import * as sqlStore from "./internal/limits/sqlStore.ts"
import * as stores from "./internal/limits/store.ts"

/**
 * A rule, as it stands in `majordomo.json`. Amounts of money are decimal texts, so that they are exact: `"25"`, `"0.50"`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Rule = rules.Rule

/**
 * @since 0.1.0
 * @category models
 */
export interface Rule extends rules.Rule {}

/** Characters of a token, roughly, in English. */
const tokenLength = 4

const estimateOf = (
  llm: Service,
  pricing: Pricing.Service,
  request: Request<unknown, unknown>
): Effect.Effect<Estimate> => {
  const inputTokens = Math.ceil((withoutMedia(request.prompt).length + (request.system?.length ?? 0)) / tokenLength)
  const outputTokens = request.maxTokens ?? 0
  const usage = { ...Usage.empty, inputTokens, outputTokens, totalTokens: inputTokens + outputTokens }
  return Effect.flatMap(Clock.currentTimeMillis, (now) =>
    Effect.map(
      pricing.cost({ provider: llm.provider, model: llm.model, usage, at: new Date(now) }),
      (price): Estimate => ({
        tokens: BigInt(usage.totalTokens),
        usd: Option.match(price, { onNone: () => 0n, onSome: ({ exact }) => money.ofAmount(exact.total) })
      })
    ))
}

const realOf = (end: CallEnd): Real => {
  const isCached = Option.exists(end.response, ({ cached }) => cached === true)
  return {
    tokens: isCached ? 0n : BigInt(end.usage.totalTokens),
    usd: Option.getOrUndefined(Option.map(end.cost, ({ exact }) => money.ofAmount(exact.total))),
    isPartial: end.usagePartial
  }
}

const errorOf = ({ model, provider }: Service, refused: Refused): LLMError.LLMError => {
  const description = messageOf(refused)
  const retryAfter = refused.retryAfter === undefined ? undefined : Duration.millis(refused.retryAfter)
  if (refused.reason === "tooLarge" && refused.dimension !== "usd") {
    return new LLMError.InvalidRequestError({ provider, model, reason: "Rejected", description })
  }
  const reason = refused.reason === "storeAway"
    ? new LLMError.Overloaded({ retryAfter: Duration.seconds(5) })
    : refused.dimension === "usd"
    ? new LLMError.QuotaExceeded({})
    : new LLMError.RateLimited({ retryAfter })
  return new LLMError.ProviderError({ provider, model, reason, description })
}

const limited = (llm: Service, limiter: Limiter, pricing: Pricing.Service): Service => {
  /** Its own LLM for each call, that knows what the call holds. */
  const admitted = (request: Request<unknown, unknown>) =>
    Effect.gen(function*() {
      const facts: rules.Facts = {
        key: undefined,
        owner: undefined,
        provider: llm.provider,
        model: llm.model,
        labels: labelsOf(yield* Metadata.Current, request.metadata),
        isPaid: true
      }
      const estimate = yield* estimateOf(llm, pricing, request)
      return (onHeld: (lease: Lease) => void) =>
        Effect.mapError(limiter.admit(facts, estimate, onHeld), (refused) => errorOf(llm, refused))
    })
  const held = () => {
    let lease: Lease | undefined
    return {
      onHeld: (given: Lease) => {
        lease = given
      },
      llm: ending.decorate(
        llm,
        () => (end) => lease === undefined ? Effect.void : Effect.asVoid(lease.settle(realOf(end)))
      ),
      // What has not been sent is not charged; what was is settled by then.
      release: Effect.suspend(() => lease === undefined ? Effect.void : Effect.asVoid(lease.settle(undefined)))
    }
  }
  return {
    ...llm,
    generate: (request) =>
      Effect.suspend(() => {
        const { llm, onHeld, release } = held()
        return Effect.flatMap(admitted(request), (admit) => admit(onHeld)).pipe(
          Effect.zipRight(llm.generate(request)),
          Effect.ensuring(release)
        )
      }),
    stream: (request) =>
      Stream.suspend(() => {
        const { llm, onHeld, release } = held()
        return Stream.fromEffect(Effect.flatMap(admitted(request), (admit) => admit(onHeld))).pipe(
          Stream.drain,
          Stream.concat(llm.stream(request)),
          Stream.ensuring(release)
        )
      })
  }
}

const layerStore = <R>(
  given: ReadonlyArray<Rule>,
  store: Effect.Effect<stores.Store, LLMError.ConfigurationError, R>
): Layer.Layer<LLM, LLMError.ConfigurationError, LLM | Exclude<R, Scope.Scope>> =>
  // Layers are shared by reference, whatever they are provided with.
  Layer.fresh(Layer.scoped(
    LLM,
    Effect.gen(function*() {
      const known = yield* rulesOf(given)
      if (known.some(({ degrade }) => degrade !== undefined)) {
        return yield* new LLMError.ConfigurationError({
          description:
            "limits: degrade is for gateways; in a program a Cascade asks the next member when a budget is spent"
        })
      }
      const limiter = yield* Limiter.make(known, yield* store)
      return limited(yield* LLM, limiter, yield* Pricing.Pricing)
    })
  ))

/**
 * Holds the calls of an LLM to rules, counted in this process. Over a rate a call fails with `RateLimited` and when to come
 * back, over a budget with `QuotaExceeded`: in a cascade the next member is asked. Labels are those of `LLM.withMetadata`
 * and of the call.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { OpenAI } from "effect-majordomo"
 * import * as Limits from "effect-majordomo/gateway/Limits"
 * import { Layer } from "effect"
 *
 * const live = Limits.layer([
 *   { name: "users", by: "user", requestsPerMinute: 20, concurrent: 2 },
 *   { name: "month", budget: { usd: "500", per: "month", timeZone: "Europe/Berlin" } }
 * ]).pipe(Layer.provide(OpenAI.layer({ model: "gpt-4.1" })))
 * ```
 */
export const layer = (
  rules: ReadonlyArray<Rule>
): Layer.Layer<LLM, LLMError.ConfigurationError, LLM> => layerStore(rules, Effect.sync(() => stores.memory()))

/**
 * The same, counted in a database that processes share, SQLite or PostgreSQL; it makes its tables. Each process hands out
 * a slice of a limit by itself, so that a call does not wait for the database; one that ends without a word gives its
 * slice back after 15 seconds.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerSql = (
  rules: ReadonlyArray<Rule>
): Layer.Layer<LLM, LLMError.ConfigurationError, LLM | SqlClient.SqlClient> =>
  layerStore(
    rules,
    Effect.zipRight(
      Effect.mapError(database.migrate, () =>
        new LLMError.ConfigurationError({ description: "the tables of limits cannot be made" })),
      sqlStore.make()
    )
  )

/**
 * Which Redis counts.
 *
 * @since 0.1.0
 * @category models
 */
export interface RedisOptions {
  /** `redis://user:password@host:6379/0`, `rediss://` for TLS; or the environment variable that has it. */
  readonly url: Redacted.Redacted | { readonly env: string }
  /** What all its keys begin with: letters, digits, and `. _ : -`. Default `majordomo`. */
  readonly prefix?: string | undefined
}

/**
 * The same, counted in a Redis that processes share: one server, or an address behind which one answers, with `ioredis`
 * installed. It should keep what it is told (`appendonly yes`, no eviction): one that forgets knows only what living processes
 * tell it again. While it is away, also when the program starts, each process counts what it knows, or as a rule's
 * `storeAway` says.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { OpenAI } from "effect-majordomo"
 * import * as Limits from "effect-majordomo/gateway/Limits"
 * import { Layer } from "effect"
 *
 * const live = Limits.layerRedis([{ name: "month", budget: { usd: "500", per: "month" } }], {
 *   url: { env: "REDIS_URL" }
 * }).pipe(Layer.provide(OpenAI.layer({ model: "gpt-4.1" })))
 * ```
 */
export const layerRedis = (
  rules: ReadonlyArray<Rule>,
  options: RedisOptions
): Layer.Layer<LLM, LLMError.ConfigurationError, LLM> => layerStore(rules, redisStore.make(options))
