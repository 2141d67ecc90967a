/**
 * When and how often a call is tried again.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import { type LLMError, retryAfterOf } from "./LLMError.ts"

/**
 * A retry policy: a `Schedule` that gets the error of each failed try. It is asked only while the error is retryable,
 * and replaces the default as a whole.
 *
 * @since 0.1.0
 * @category models
 */
export type Policy = Schedule.Schedule<unknown, LLMError>

/**
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** Tries in all, the first included. Default 3. */
  readonly tries?: number | undefined
  /** Wait before the second try; doubles each time. Default 200 ms. */
  readonly base?: Duration.DurationInput | undefined
  /** Longest wait between two tries, before jitter. Default 10 s. */
  readonly maxDelay?: Duration.DurationInput | undefined
  /** A longer `Retry-After` is not waited for: the error surfaces, so that a cascade can go on. Default 30 s. */
  readonly maxRetryAfter?: Duration.DurationInput | undefined
}

/**
 * Exponential backoff with jitter; a `Retry-After` sets the wait instead.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Anthropic, Retry } from "effect-majordomo"
 *
 * const live = Anthropic.layer({ model: "claude-sonnet-5", retry: Retry.make({ tries: 5, base: "1 second" }) })
 * ```
 */
export const make = (options?: Options): Policy => {
  const cap = Duration.decode(options?.maxRetryAfter ?? "30 seconds")
  return Schedule.exponential(options?.base ?? "200 millis").pipe(
    Schedule.union(Schedule.spaced(options?.maxDelay ?? "10 seconds")),
    // The jitter comes after the cap: before it, the union would cut it off again.
    Schedule.jittered,
    Schedule.intersect(Schedule.recurs((options?.tries ?? 3) - 1)),
    Schedule.zipRight(Schedule.identity<LLMError>()),
    Schedule.modifyDelay((error, delay) => Option.getOrElse(retryAfterOf(error), () => delay)),
    Schedule.whileInput((error: LLMError) =>
      Option.match(retryAfterOf(error), { onNone: () => true, onSome: (wait) => Duration.lessThanOrEqualTo(wait, cap) })
    )
  )
}

/**
 * What providers do when nothing else is said: 3 tries, exponential from 200 ms with jitter, `Retry-After` up to 30 s.
 *
 * @since 0.1.0
 * @category policies
 */
export const standard: Policy = make()

/**
 * One try only.
 *
 * @since 0.1.0
 * @category policies
 */
export const none: Policy = Schedule.stop
