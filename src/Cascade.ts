/**
 * Failover: the first member that answers.
 *
 * @since 0.1.0
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import * as cascade from "./internal/cascade/layer.ts"
import type { NonEmpty } from "./internal/cascade/service.ts"
import type { LLM } from "./LLM.ts"
import type { ConfigurationError, LLMError } from "./LLMError.ts"
import * as Models from "./Models.ts"

/**
 * When a member that keeps failing is skipped, and when it is tried again. What counts is every `ProviderError` but
 * `Unsupported`, also one in the middle of a stream; refusals and bad requests are answers.
 *
 * @since 0.1.0
 * @category models
 */
export interface BreakerOptions {
  /** Failures in a row that open the breaker. */
  readonly failures: number
  /** They count only within this time. */
  readonly window: Duration.DurationInput
  /** How long the member is skipped before it is probed, and again after a probe that failed. */
  readonly cooldown: Duration.DurationInput
  /** Probes at once after that; other calls skip the member until one has answered. Default 1. */
  readonly halfOpen?: number | undefined
}

/**
 * When a slow member gets company.
 *
 * @since 0.1.0
 * @category models
 */
export interface HedgeOptions {
  /**
   * Without content for this long, the next member is asked too. A percentile is of the times to the first content of
   * that member's last 128 answers; until there are 20, `initially` is the delay.
   */
  readonly after:
    | Duration.DurationInput
    | { readonly percentile: number; readonly initially: Duration.DurationInput }
  /** Members beside the first one that may be asked at the same time. Default 1. */
  readonly max?: number | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * Failures after which the next member is asked. Default: `ProviderError`, and `ResponseParsingError`, which means
   * that the retries and repairs of the member were used up. After any other the next one would fail, or bill, alike.
   */
  readonly failoverOn?: ((error: LLMError) => boolean) | undefined
  /**
   * Who makes a try again: only the member after which no other waits (`"last"`, default), or every member by its own
   * `retry` before the next one is asked (`"each"`). A failure that does not move on is always its member's to retry.
   */
  readonly memberRetries?: "last" | "each" | undefined
  /**
   * Leave out, with a warning in the log, a member that cannot be built (no key). Default false: the layer fails. It also
   * fails when there is none left.
   */
  readonly skipUnavailable?: boolean | undefined
  /**
   * Skips a member that keeps failing. Its state belongs to the built layer and is told as the gauge
   * `llm_cascade_breaker` (0 closed, 1 half open, 2 open; labels `provider`, `model`, `member`). When every member is
   * skipped, the call fails with the reason `CircuitOpen`. Default: none.
   */
  readonly breaker?: BreakerOptions | undefined
  /**
   * Asks the next member too when one is slow to begin; the first content wins, and the others are interrupted. They
   * are among the attempts as `"Interrupted"`. The cost has what they were known to bill by then, which may be nothing: a
   * warning `cost-incomplete` says so.
   * Default: none.
   */
  readonly hedge?: HedgeOptions | undefined
  /**
   * What happens when a stream of text breaks off. `"fail"` (default): the error surfaces, with the text so far.
   * `"continue"`: the next member gets the conversation and that text as the start of its answer, and goes on; a `Seam`
   * part says where. Made for models that take a prefilled answer; others may begin anew. Tool calls and objects are
   * never continued.
   */
  readonly midStream?: "fail" | "continue" | undefined
}

/**
 * A member: any layer of an `LLM`, another cascade too.
 *
 * @since 0.1.0
 * @category models
 */
export type Member = Layer.Layer<LLM, unknown, unknown>

/**
 * Asks the members in order until one answers. The answer says who gave it and lists every attempt, those of members
 * that failed first; its usage and cost are the sums. When all fail, the last error has the attempts of all.
 *
 * A member after which another can be asked does not sit out a backoff: it is tried once, and only the last one is
 * tried again as configured. A stream moves on until its first part is out; after that the error surfaces, with the
 * text so far. `timeouts.total` of a call bounds all members together.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Anthropic, Cascade, OpenAI } from "effect-majordomo"
 *
 * const live = Cascade.layer([
 *   Anthropic.layer({ model: "claude-sonnet-5" }),
 *   OpenAI.layer({ model: "gpt-4.1" })
 * ])
 * ```
 */
export const layer = <const Members extends readonly [Member, ...ReadonlyArray<Member>]>(
  members: Members,
  options?: Options
): Layer.Layer<LLM, Layer.Layer.Error<Members[number]>, Layer.Layer.Context<Members[number]>> =>
  // What members fail with and need is known of each; a list of them has the union.
  cascade.layer(members, cascade.inOrder, options) as Layer.Layer<
    LLM,
    Layer.Layer.Error<Members[number]>,
    Layer.Layer.Context<Members[number]>
  >

/**
 * Options for all members.
 *
 * @since 0.1.0
 * @category models
 */
export interface ModelsOptions extends Omit<Models.Options, "apiKey">, Options {
  /** Keys by provider; the others come from the configuration. */
  readonly apiKeys?: Readonly<Record<string, Redacted.Redacted>> | undefined
}

/**
 * A cascade of models by name, as `[provider, model]` or `"provider/model"`.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Cascade } from "effect-majordomo"
 *
 * const live = Cascade.layerModels([["anthropic", "claude-sonnet-5"], "openai/gpt-4.1"], {
 *   timeouts: { total: "1 minute" }
 * })
 * ```
 */
export const layerModels = (
  models: NonEmpty<Models.Name | readonly [provider: Models.ProviderName, model: string]>,
  options: ModelsOptions = {}
): Layer.Layer<LLM, ConfigurationError, HttpClient.HttpClient> => {
  const { apiKeys = {}, breaker, failoverOn, hedge, memberRetries, midStream, skipUnavailable, ...common } = options
  const member = (named: string | readonly [string, string]) => {
    const target = typeof named === "string"
      ? Models.parse(named)
      : Either.right({ provider: named[0], model: named[1] })
    return Layer.unwrapEffect(Effect.map(target, ({ model, provider }) => {
      const apiKey = Object.hasOwn(apiKeys, provider) ? apiKeys[provider] : undefined
      return Models.layer(provider, model, { ...common, ...(apiKey === undefined ? {} : { apiKey }) })
    }))
  }
  const [first, ...others] = models
  return cascade.layer([member(first), ...others.map(member)], cascade.inOrder, {
    breaker,
    failoverOn,
    hedge,
    memberRetries,
    midStream,
    skipUnavailable
  })
}
