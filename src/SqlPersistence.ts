/**
 * Where a `Cache` keeps its answers, in a table `llm_cache` of any SQLite or PostgreSQL database that a `SqlClient` of
 * `@effect/sql` reaches. The table is made when it is not there; what is too old is deleted every hour.
 *
 * @since 0.1.0
 */
import * as Persistence from "@effect/experimental/Persistence"
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"

interface Row {
  readonly key: string
  readonly value: string
}

const Json = Schema.parseJson()
const encode = Schema.encode(Json)
const decode = Schema.decode(Json)

const make: Effect.Effect<Persistence.BackingPersistence, SqlError, SqlClient.SqlClient | Scope.Scope> = Effect.gen(
  function*() {
    const sql = yield* SqlClient.SqlClient
    yield* sql.unsafe(
      `CREATE TABLE IF NOT EXISTS llm_cache (store_id TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
        expires_at BIGINT, PRIMARY KEY (store_id, key))`
      // PostgreSQL may say of one that another program makes just now that it is there.
    ).pipe(Effect.retry({ times: 3 }))
    const cleaned = Effect.flatMap(
      Clock.currentTimeMillis,
      (now) => sql`DELETE FROM llm_cache WHERE expires_at <= ${now}`
    )
    yield* Effect.forkScoped(
      Effect.repeat(
        Effect.catchAll(cleaned, (error) => Effect.logWarning("old answers are still in llm_cache", error.message)),
        Schedule.spaced("1 hour")
      )
    )

    const store = (storeId: string): Persistence.BackingPersistenceStore => {
      const failing = (method: string) => <A, E>(effect: Effect.Effect<A, E>) =>
        Effect.mapError(effect, (cause) => Persistence.PersistenceBackingError.make(method, cause))

      const found = (keys: ReadonlyArray<string>) =>
        Effect.gen(function*() {
          if (keys.length === 0) return []
          const now = yield* Clock.currentTimeMillis
          const rows = yield* sql<Row>`SELECT key, value FROM llm_cache WHERE store_id = ${storeId}
            AND ${sql.in("key", keys)} AND (expires_at IS NULL OR expires_at > ${now})`
          const values = new Map<string, unknown>()
          for (const { key, value } of rows) values.set(key, yield* decode(value))
          return keys.map((key) => values.has(key) ? Option.some(values.get(key)) : Option.none())
        })

      const set = (key: string, value: unknown, ttl: Option.Option<Duration.Duration>) =>
        Effect.gen(function*() {
          const now = yield* Clock.currentTimeMillis
          const text = yield* encode(value)
          const millis = Option.map(ttl, Duration.toMillis)
          const expiresAt = Option.isSome(millis) && millis.value < Infinity ? Math.ceil(now + millis.value) : null
          yield* sql`INSERT INTO llm_cache (store_id, key, value, expires_at)
            VALUES (${storeId}, ${key}, ${text}, ${expiresAt})
            ON CONFLICT (store_id, key) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at`
        })

      return {
        get: (key) => failing("get")(Effect.map(found([key]), ([value]) => value ?? Option.none())),
        getMany: (keys) => failing("getMany")(found(keys)),
        set: (key, value, ttl) => failing("set")(set(key, value, ttl)),
        setMany: (entries) =>
          failing("setMany")(Effect.forEach(entries, ([key, value, ttl]) => set(key, value, ttl), { discard: true })),
        remove: (key) =>
          failing("remove")(
            Effect.asVoid(sql`DELETE FROM llm_cache WHERE store_id = ${storeId} AND key = ${key}`)
          ),
        clear: failing("clear")(Effect.asVoid(sql`DELETE FROM llm_cache WHERE store_id = ${storeId}`))
      }
    }

    return Persistence.BackingPersistence.of({
      [Persistence.BackingPersistenceTypeId]: Persistence.BackingPersistenceTypeId,
      make: (storeId) => Effect.succeed(store(storeId))
    })
  }
)

/**
 * The store of a `Cache`. Several programs may share it.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { SqliteClient } from "@effect/sql-sqlite-node"
 * import { OpenAI } from "effect-majordomo"
 * import * as Cache from "effect-majordomo/Cache"
 * import * as SqlPersistence from "effect-majordomo/SqlPersistence"
 * import { Layer } from "effect"
 *
 * const live = Cache.layer({ timeToLive: "1 hour" }).pipe(
 *   Layer.provide(OpenAI.layer({ model: "gpt-4.1" })),
 *   Layer.provide(SqlPersistence.layer),
 *   Layer.provide(SqliteClient.layer({ filename: "cache.db" }))
 * )
 * ```
 */
export const layer: Layer.Layer<Persistence.ResultPersistence, SqlError, SqlClient.SqlClient> = Layer.provide(
  Persistence.layerResult,
  Layer.scoped(Persistence.BackingPersistence, make)
)
