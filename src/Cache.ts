/**
 * The same request gets the same answer: a layer that remembers answers in any store of `@effect/experimental`
 * (`Persistence`: memory, files or anything else through `KeyValueStore`, LMDB, Redis). That package is an optional peer;
 * this module is imported by its own path, so that the root does not need it.
 *
 * @since 0.1.0
 */
import type * as Persistence from "@effect/experimental/Persistence"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Metric from "effect/Metric"
import type * as MetricKeyType from "effect/MetricKeyType"
import type * as MetricState from "effect/MetricState"
import * as internal from "./internal/cache/service.ts"
import { scoped } from "./internal/call/withContext.ts"
import * as LLM from "./LLM.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** How long an answer is good for. Default 1 day. */
  readonly timeToLive?: Duration.DurationInput | undefined
  /**
   * Labels of the metadata, in any case, that separate callers: `["user-id"]` gives every user answers of his own. `[]`
   * shares answers between all. Default: all labels, so that nobody gets what was asked under another label.
   */
  readonly scope?: ReadonlyArray<string> | undefined
  /** Requests to look at. Default all; a high temperature makes no difference. */
  readonly when?: ((request: LLM.Request<unknown, unknown>) => boolean) | undefined
  /** Keeps the answers of several caches in one store apart. Default `"effect-majordomo"`. */
  readonly storeId?: string | undefined
}

/**
 * True inside `bypass`.
 *
 * @since 0.1.0
 * @category references
 */
export class Bypass extends Context.Reference<Bypass>()("effect-majordomo/Cache/Bypass", {
  defaultValue: (): boolean => false
}) {}

/**
 * Calls inside the effect or stream neither read the cache nor write to it.
 *
 * @since 0.1.0
 * @category scoping
 * @example
 * ```ts
 * import { LLM } from "effect-majordomo"
 * import * as Cache from "effect-majordomo/Cache"
 *
 * const fresh = LLM.generateText({ prompt: "A poem" }).pipe(Cache.bypass)
 * ```
 */
export const bypass: LLM.Scoped = scoped((context) => Context.add(context, Bypass, true))

/**
 * Answers that came from the cache, those shared between calls at the same time included.
 *
 * @since 0.1.0
 * @category metrics
 */
export const hits: Metric.Metric<
  MetricKeyType.MetricKeyType.Counter<number>,
  number,
  MetricState.MetricState.Counter<number>
> = internal.hits

/**
 * Requests that the cache looked at and sent on.
 *
 * @since 0.1.0
 * @category metrics
 */
export const misses: typeof hits = internal.misses

/**
 * Remembers answers. Requests are the same when provider, model, prompt, media, output and every parameter that shapes
 * the answer are; headers, timeouts and `repair` do not count, labels as `scope` says. Around a cascade, provider and
 * model are those of its first member. Layers of the same model that answer differently (another `baseUrl`) need a
 * `storeId` each. Decorators below the cache see only what is really asked, those around it everything: put `Hooks`
 * around it, so that what is remembered is guarded too.
 *
 * A remembered answer is decoded again by the schema of the call. It has `cached: true`, no cost, no attempts, a
 * `requestId` and a `duration` of its own, and the usage it had. Streams give it as parts and `Finish`, and a stream
 * that was read to its `Finish` is remembered for `generate` too. Only complete answers are: `finishReason` `"stop"` or
 * `"tool-calls"`.
 *
 * Calls at the same time share the answer of the first `generate`; when that one fails, they fail alike, unless the
 * reason was its own (interrupted, its time limit, its schema): then the next one asks. A stream waits for such a call,
 * but nobody waits for a stream, whose reader may be slow. Waiting counts towards `timeouts.total`.
 *
 * A store that fails, holds what cannot be read, or takes longer than a second breaks no call: that is a warning in the
 * log, and the model is asked.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { OpenAI } from "effect-majordomo"
 * import * as Cache from "effect-majordomo/Cache"
 * import { Persistence } from "@effect/experimental"
 * import { NodeKeyValueStore } from "@effect/platform-node"
 * import { Layer } from "effect"
 *
 * const live = Cache.layer({ timeToLive: "1 hour", scope: ["user-id"] }).pipe(
 *   Layer.provide(OpenAI.layer({ model: "gpt-4.1" })),
 *   Layer.provide(Persistence.layerResultKeyValueStore),
 *   Layer.provide(NodeKeyValueStore.layerFileSystem(".cache/llm"))
 * )
 * ```
 */
export const layer = (options?: Options): Layer.Layer<LLM.LLM, never, LLM.LLM | Persistence.ResultPersistence> =>
  Layer.fresh(
    Layer.scoped(LLM.LLM, Effect.flatMap(LLM.LLM, (llm) => internal.make(llm, { ...options, bypass: Bypass })))
  )
