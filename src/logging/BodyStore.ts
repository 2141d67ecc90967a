/**
 * Where the bodies of calls go: what was asked and what was answered, as JSON, under the id of the log row.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

/**
 * The bodies of one call.
 *
 * @since 0.1.0
 * @category models
 */
export interface Bodies {
  /** The id of the call: the key of its row. */
  readonly requestId: string
  /** JSON text. */
  readonly request: string
  /** JSON text; absent when there was no answer at all. */
  readonly response?: string | undefined
}

/**
 * Where bodies were put.
 *
 * @since 0.1.0
 * @category models
 */
export interface Keys {
  /** Where the request is. */
  readonly requestKey: string
  /** Where the answer is; absent when there was none. */
  readonly responseKey?: string | undefined
}

/**
 * A store. Putting the same bodies again gives the same keys.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /** Keeps the bodies of a call. */
  readonly put: (bodies: Bodies) => Effect.Effect<Keys, BodyStoreError>
  /** The JSON text under a key that `put` gave; none when it is not there (any more). */
  readonly get: (key: string) => Effect.Effect<Option.Option<string>, BodyStoreError>
  /** Takes what is under a key away; one that is not there is no failure. A store without it keeps what it has. */
  readonly remove?: ((key: string) => Effect.Effect<void, BodyStoreError>) | undefined
  /**
   * Where `put` puts the bodies of this call, both of them. What was stored though its row does not say so (a process that
   * was killed, one of two bodies that failed) is removed by it. Without it only what rows name is removed.
   */
  readonly keysOf?: ((requestId: string) => Keys) | undefined
}

/**
 * @since 0.1.0
 * @category services
 */
export class BodyStore extends Context.Tag("effect-majordomo/logging/BodyStore")<BodyStore, Service>() {}

/**
 * The bodies of a call could not be stored. Its row is written all the same and says why.
 *
 * @since 0.1.0
 * @category errors
 */
export class BodyStoreError
  extends Schema.TaggedError<BodyStoreError>("effect-majordomo/logging/BodyStoreError")("BodyStoreError", {
    /** Which store: `"file"`, `"s3"`. */
    store: Schema.String,
    /** What it said; without the bodies. */
    description: Schema.String,
    cause: Schema.optional(Schema.Defect)
  })
{
  override get message(): string {
    return `the ${this.store} body store: ${this.description}`
  }
}

/**
 * The keys of a call: `{prefix}/{requestId}/request.json` and `response.json`.
 *
 * @since 0.1.0
 * @category conversions
 */
export const keysOf = (bodies: Bodies, prefix = ""): Keys => {
  const folder = prefix === "" || prefix.endsWith("/") ? `${prefix}${bodies.requestId}`
    : `${prefix}/${bodies.requestId}`
  return {
    requestKey: `${folder}/request.json`,
    ...(bodies.response === undefined ? {} : { responseKey: `${folder}/response.json` })
  }
}

/**
 * What `layerMemory` holds: JSON text by key.
 *
 * @since 0.1.0
 * @category services
 */
export class Memory extends Context.Tag("effect-majordomo/logging/BodyStore/Memory")<Memory, {
  readonly objects: Effect.Effect<ReadonlyMap<string, string>>
}>() {}

/**
 * The bodies that `layerMemory` has, by key.
 *
 * @since 0.1.0
 * @category accessors
 */
export const objects: Effect.Effect<ReadonlyMap<string, string>, never, Memory> = Effect.flatMap(
  Memory,
  (memory) => memory.objects
)

/**
 * A store that keeps its bodies in memory, for tests.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerMemory: Layer.Layer<BodyStore | Memory> = Layer.effectContext(Effect.sync(() => {
  const kept = new Map<string, string>()
  return Context.make(BodyStore, {
    put: (bodies) =>
      Effect.sync(() => {
        const keys = keysOf(bodies)
        kept.set(keys.requestKey, bodies.request)
        if (bodies.response !== undefined && keys.responseKey !== undefined) kept.set(keys.responseKey, bodies.response)
        return keys
      }),
    get: (key) => Effect.sync(() => Option.fromNullable(kept.get(key))),
    remove: (key) => Effect.sync(() => void kept.delete(key)),
    keysOf: (requestId) => keysOf({ requestId, request: "", response: "" })
  }).pipe(Context.add(Memory, { objects: Effect.sync(() => new Map(kept)) }))
}))
