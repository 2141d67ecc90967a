/**
 * The providers' keys that the gateway keeps, so that clients need none: sealed under `MAJORDOMO_ENCRYPTION_KEY`, several
 * to a provider under aliases, sent to that provider's own address and nowhere else.
 *
 * @since 0.1.0
 */
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { ParseError } from "effect/ParseResult"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { uuidv7 } from "../internal/call/uuid.ts"
import * as changes from "./internal/changes.ts"
import { Millis } from "./internal/database.ts"
import type { Keyring } from "./internal/keyring.ts"
import { Refreshed } from "./internal/refreshed.ts"
import { hashOf } from "./internal/token.ts"

/**
 * What may be known of a stored key. Times are ms since the epoch.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ProviderKey = Schema.Struct({
  id: Schema.String,
  provider: Schema.String,
  alias: Schema.String,
  /** The first 16 hex digits of its SHA-256, as in rows. */
  hash: Schema.String,
  createdAt: Millis,
  updatedAt: Millis
})

/**
 * @since 0.1.0
 * @category models
 */
export interface ProviderKey extends Schema.Schema.Type<typeof ProviderKey> {}

/**
 * A stored key cannot be used or kept. `Unavailable`: the database is away. `Locked`: the encryption key is missing or is
 * another one.
 *
 * @since 0.1.0
 * @category errors
 */
export class ProviderKeyError
  extends Schema.TaggedError<ProviderKeyError>("effect-majordomo/gateway/ProviderKeyError")("ProviderKeyError", {
    reason: Schema.Literal("Unavailable", "Locked"),
    description: Schema.String
  })
{
  override get message(): string {
    return `the providers' keys cannot be used: ${this.description}`
  }
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /** Keeps a key; one that is there under this alias is replaced. Default alias `"default"`. */
  readonly set: (
    provider: string,
    secret: Redacted.Redacted,
    alias?: string
  ) => Effect.Effect<ProviderKey, ProviderKeyError>
  /** All of them, without their secrets. */
  readonly list: Effect.Effect<ReadonlyArray<ProviderKey>, ProviderKeyError>
  /** False: there was none. */
  readonly remove: (provider: string, alias?: string) => Effect.Effect<boolean, ProviderKeyError>
  /** The key of a provider under an alias, opened; none when there is none. */
  readonly get: (
    provider: string,
    alias?: string
  ) => Effect.Effect<Option.Option<Opened>, ProviderKeyError>
  /** Seals every key anew under the first encryption key; gives how many were sealed under another. */
  readonly reseal: Effect.Effect<number, ProviderKeyError>
}

/**
 * A stored key, open.
 *
 * @since 0.1.0
 * @category models
 */
export interface Opened {
  /** What the provider is sent. */
  readonly secret: Redacted.Redacted
  /** Its name in logs. */
  readonly alias: string
  /** What rows have of it, instead of the key. */
  readonly hash: string
}

/**
 * @since 0.1.0
 * @category services
 */
export class ProviderKeys extends Context.Tag("effect-majordomo/gateway/ProviderKeys")<ProviderKeys, Service>() {}

const Row = Schema.Struct({ ...ProviderKey.fields, sealed: Schema.String })
const decodeRows = Schema.decodeUnknown(Schema.Array(Row))

const defaultAlias = "default"

const purposeOf = (provider: string, id: string): string => `${provider} ${id}`

const locked = (description: string) => new ProviderKeyError({ reason: "Locked", description })
const unavailable = (description: string) => new ProviderKeyError({ reason: "Unavailable", description })

const guarded = <A>(
  effect: Effect.Effect<A, SqlError | ParseError | ProviderKeyError>
): Effect.Effect<A, ProviderKeyError> =>
  // A connection that fails in the middle is a defect of some drivers.
  Effect.catchAllDefect(effect, () => unavailable("the database does not answer")).pipe(
    Effect.mapError((error) =>
      error._tag === "ProviderKeyError"
        ? error
        : unavailable(
          error._tag === "ParseError" ? "a row of their table cannot be read" : "the database does not answer"
        )
    )
  )

/**
 * @since 0.1.0
 * @category constructors
 */
export const make = (keyring: Option.Option<Keyring>) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const ring = Option.match(keyring, {
      onNone: () =>
        Effect.fail(
          locked("set MAJORDOMO_ENCRYPTION_KEY to 32 bytes in hex or base64: openssl rand -hex 32 makes one")
        ),
      onSome: (ring) => Effect.succeed(ring)
    })
    const all = sql.literal(
      `SELECT id, provider, alias, sealed, hash, created_at AS "createdAt", updated_at AS "updatedAt"
      FROM gateway_provider_keys`
    )
    const find = (provider: string, alias: string) =>
      Effect.map(
        Effect.flatMap(sql`${all} WHERE provider = ${provider} AND alias = ${alias}`, decodeRows),
        ([row]) => row
      )
    const everything = Effect.flatMap(sql`${all} ORDER BY provider, alias`, decodeRows)
    const open = ({ alias, hash, id, provider, sealed }: typeof Row.Type): Effect.Effect<Opened, ProviderKeyError> =>
      Effect.flatMap(ring, (ring) =>
        Either.match(ring.open(sealed, purposeOf(provider, id)), {
          onLeft: (problem) => Effect.fail(locked(`the key of ${provider} (${alias}): ${problem}`)),
          onRight: (secret) => Effect.succeed({ secret, alias, hash })
        }))

    const known = yield* Refreshed.make<Opened, ProviderKeyError>({
      tooSlow: () => unavailable("the database does not answer in time"),
      lookup: (name) => {
        const at = name.indexOf("/")
        return guarded(
          Effect.flatMap(
            find(name.slice(0, at), name.slice(at + 1)),
            (row) => row === undefined ? Effect.succeedNone : Effect.asSome(open(row))
          )
        )
      }
    })

    yield* changes.heard("keys", known.expire)
    const changed = Effect.zipRight(known.forget, guarded(changes.announce(sql, "keys")))

    const service: Service = {
      set: (provider, secret, alias = defaultAlias) =>
        guarded(Effect.gen(function*() {
          const { seal } = yield* ring
          const now = yield* Clock.currentTimeMillis
          const before = yield* find(provider, alias)
          const id = before?.id ?? `pk_${uuidv7(now)}`
          const hash = hashOf(Redacted.value(secret)).slice(0, 16)
          const sealed = seal(secret, purposeOf(provider, id))
          yield* before === undefined
            ? sql`INSERT INTO gateway_provider_keys ${
              sql.insert({ id, provider, alias, sealed, hash, created_at: now, updated_at: now })
            }`
            : sql`UPDATE gateway_provider_keys SET sealed = ${sealed}, hash = ${hash}, updated_at = ${now}
                WHERE id = ${id}`
          return { id, provider, alias, hash, createdAt: before?.createdAt ?? now, updatedAt: now }
        })).pipe(Effect.zipLeft(changed), Effect.withSpan("ProviderKeys.set")),
      list: guarded(
        Effect.map(everything, (rows) => rows.map(({ sealed: _, ...key }): ProviderKey => key))
      ).pipe(Effect.withSpan("ProviderKeys.list")),
      remove: (provider, alias = defaultAlias) =>
        guarded(Effect.gen(function*() {
          const there = yield* find(provider, alias)
          yield* sql`DELETE FROM gateway_provider_keys WHERE provider = ${provider} AND alias = ${alias}`
          return there !== undefined
        })).pipe(Effect.zipLeft(changed), Effect.withSpan("ProviderKeys.remove")),
      get: (provider, alias = defaultAlias) => known.get(`${provider}/${alias}`),
      reseal: guarded(sql.withTransaction(Effect.gen(function*() {
        const { isCurrent, seal } = yield* ring
        const old = (yield* everything).filter(({ sealed }) => !isCurrent(sealed))
        for (const row of old) {
          const { secret } = yield* open(row)
          yield* sql`UPDATE gateway_provider_keys SET sealed = ${seal(secret, purposeOf(row.provider, row.id))}
            WHERE id = ${row.id}`
        }
        return old.length
      }))).pipe(Effect.zipLeft(changed), Effect.withSpan("ProviderKeys.reseal"))
    }
    return service
  })

/**
 * Keys in the table `gateway_provider_keys`, which `Gateway` makes, sealed by a keyring; without one they can be listed
 * and removed.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (keyring: Option.Option<Keyring>): Layer.Layer<ProviderKeys, never, SqlClient.SqlClient> =>
  Layer.scoped(ProviderKeys, make(keyring))
