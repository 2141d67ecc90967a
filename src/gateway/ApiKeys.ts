/**
 * The gateway's own keys, `mdm_sk_…`: who may call, until when, and what. Only a SHA-256 of a key is stored; the key is
 * shown once, when it is made. Verified keys are at hand, so that a request costs no query, and a revocation is seen by
 * every replica within five seconds.
 *
 * @since 0.1.0
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { SqlError } from "@effect/sql/SqlError"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { ParseError } from "effect/ParseResult"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { flatMapNow, withRunning } from "../internal/call/runtime.ts"
import { uuidv7 } from "../internal/call/uuid.ts"
import type { ConfigurationError } from "../LLMError.ts"
import * as changes from "./internal/changes.ts"
import { Millis, Names } from "./internal/database.ts"
import { type Rule, Rules } from "./internal/limits/rule.ts"
import { rulesOf } from "./internal/limits/rules.ts"
import { Refreshed } from "./internal/refreshed.ts"
import * as token from "./internal/token.ts"

/**
 * Which bodies are kept.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Bodies = Schema.Literal("none", "errors", "all")

/**
 * @since 0.1.0
 * @category models
 */
export type Bodies = typeof Bodies.Type

/**
 * What is known of a key. Times are ms since the epoch; `null` is none.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ApiKey = Schema.Struct({
  /** In rows it is `majordomo_api_key_id`. */
  id: Schema.String,
  name: Schema.String,
  owner: Schema.NullOr(Schema.String),
  createdAt: Millis,
  expiresAt: Schema.NullOr(Millis),
  revokedAt: Schema.NullOr(Millis),
  /** The providers it may call; `null`: all. */
  providers: Names,
  /** The models it may ask for, `*` standing for anything; `null`: all. */
  models: Names,
  /** Limits of its own, beside those of the configuration; `null`: none. */
  limits: Schema.NullOr(Schema.parseJson(Rules)),
  /** Which bodies of its calls are kept; `null`: as the configuration says. */
  bodies: Schema.NullOr(Bodies)
})

/**
 * @since 0.1.0
 * @category models
 */
export interface ApiKey extends Schema.Schema.Type<typeof ApiKey> {}

/**
 * @since 0.1.0
 * @category models
 */
export interface CreateOptions {
  /** What it is called in lists and logs. */
  readonly name: string
  /** Whose it is: a person, a team. */
  readonly owner?: string | undefined
  /** How long it is valid. Default: for ever. */
  readonly expires?: Duration.DurationInput | undefined
  /** Providers it may call. Default: all. */
  readonly providers?: ReadonlyArray<string> | undefined
  /** Models it may ask for, with `*` for anything. Default: all. */
  readonly models?: ReadonlyArray<string> | undefined
  /** Limits of its own: `by` counts within its calls. Default: none but those of the configuration. */
  readonly limits?: ReadonlyArray<Rule> | undefined
  /** Which bodies of its calls are kept, where the gateway has a place for them. Default: as the configuration says. */
  readonly bodies?: Bodies | undefined
}

/**
 * What changes of a key; what is not there stays.
 *
 * @since 0.1.0
 * @category models
 */
export interface ChangeOptions {
  /** None of them: it has no limits of its own any more. */
  readonly limits?: ReadonlyArray<Rule> | undefined
  /** Which bodies of its calls are kept; `null`: as the configuration says. */
  readonly bodies?: Bodies | null | undefined
}

/**
 * A key that was just made. `secret` is shown now or never.
 *
 * @since 0.1.0
 * @category models
 */
export interface Created {
  /** What may be known of it. */
  readonly key: ApiKey
  /** What clients send; shown now or never. */
  readonly secret: Redacted.Redacted
}

/**
 * The keys cannot be read or written now: their database is away. Who sends a key that is not at hand gets 503, not 401.
 *
 * @since 0.1.0
 * @category errors
 */
export class KeyStoreError extends Schema.TaggedError<KeyStoreError>("effect-majordomo/gateway/KeyStoreError")(
  "KeyStoreError",
  { description: Schema.String }
) {
  override get message(): string {
    return `the gateway's keys cannot be reached: ${this.description}`
  }
}

/**
 * There is no key of this id.
 *
 * @since 0.1.0
 * @category errors
 */
export class KeyNotFound extends Schema.TaggedError<KeyNotFound>("effect-majordomo/gateway/KeyNotFound")(
  "KeyNotFound",
  { id: Schema.String }
) {
  override get message(): string {
    return `there is no key ${this.id}; majordomo keys list shows all`
  }
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /** Makes a key. */
  readonly create: (options: CreateOptions) => Effect.Effect<Created, KeyStoreError | ConfigurationError>
  /** All keys, revoked and expired ones too, the newest first. */
  readonly list: Effect.Effect<ReadonlyArray<ApiKey>, KeyStoreError>
  /** From now on it opens nothing: at once in this process, within five seconds in others. */
  readonly revoke: (id: string) => Effect.Effect<ApiKey, KeyStoreError | KeyNotFound>
  /** A new secret for the same key; older ones stay valid for `overlap` (default 24 hours). */
  readonly rotate: (
    id: string,
    options?: { readonly overlap?: Duration.DurationInput | undefined }
  ) => Effect.Effect<Created, KeyStoreError | KeyNotFound>
  /** Seen by every replica within five seconds. */
  readonly change: (
    id: string,
    options: ChangeOptions
  ) => Effect.Effect<ApiKey, KeyStoreError | KeyNotFound | ConfigurationError>
  /** The key of a secret: none when there is no such key, or it is revoked or expired. */
  readonly verify: (secret: string) => Effect.Effect<Option.Option<ApiKey>, KeyStoreError>
}

/**
 * @since 0.1.0
 * @category services
 */
export class ApiKeys extends Context.Tag("effect-majordomo/gateway/ApiKeys")<ApiKeys, Service>() {}

/** A key as one of its secrets opens it. */
interface Opened {
  readonly key: ApiKey
  readonly validUntil: number | null
}

const decodeKeys = Schema.decodeUnknown(Schema.Array(ApiKey))
const decodeOpened = Schema.decodeUnknown(
  Schema.Array(Schema.Struct({ ...ApiKey.fields, validUntil: Schema.NullOr(Millis) }))
)

const away = () => new KeyStoreError({ description: "the database does not answer" })

/** What goes wrong in the database, a connection that fails in the middle included: some drivers call that a defect. */
const stored = <A>(effect: Effect.Effect<A, SqlError | ParseError>): Effect.Effect<A, KeyStoreError> =>
  Effect.catchAllDefect(effect, away).pipe(
    Effect.mapError((error) =>
      error._tag === "ParseError" ? new KeyStoreError({ description: "a row of its table cannot be read" }) : away()
    )
  )

const namesOf = (names: ReadonlyArray<string> | undefined): string | null =>
  names === undefined || names.length === 0 ? null : JSON.stringify(names)

const encodeLimits = Schema.encodeSync(Schema.parseJson(Rules))

const limitsOf = (
  given: ReadonlyArray<Rule> | undefined
): Effect.Effect<ReadonlyArray<Rule> | null, ConfigurationError> =>
  given === undefined || given.length === 0 ? Effect.succeed(null) : rulesOf(given)

const textOf = (limits: ReadonlyArray<Rule> | null): string | null => limits === null ? null : encodeLimits(limits)

const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const columns = sql.literal(
    `k.id, k.name, k.owner, k.created_at AS "createdAt", k.expires_at AS "expiresAt", k.revoked_at AS "revokedAt",
    k.providers, k.models, k.limits, k.bodies`
  )
  const together = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E | KeyStoreError> =>
    Effect.catchIf(
      sql.withTransaction(effect),
      (error): error is Extract<E | SqlError, SqlError> => error instanceof SqlError,
      away
    )

  const keyOf = (id: string) =>
    Effect.flatMap(
      stored(Effect.flatMap(sql`SELECT ${columns} FROM gateway_keys k WHERE k.id = ${id}`, decodeKeys)),
      ([key]) => key === undefined ? Effect.fail(new KeyNotFound({ id })) : Effect.succeed(key)
    )

  const addSecret = (id: string, now: number) => {
    const secret = token.make("mdm_sk_")
    const row = { hash: token.hashOf(secret), key_id: id, shown: token.shownOf(secret), created_at: now }
    return Effect.as(stored(sql`INSERT INTO gateway_key_secrets ${sql.insert(row)}`), Redacted.make(secret))
  }

  const known = yield* Refreshed.make<Opened, KeyStoreError>({
    tooSlow: () => new KeyStoreError({ description: "the database does not answer in time" }),
    lookup: (hash) =>
      Effect.map(
        stored(Effect.flatMap(
          sql`SELECT ${columns}, s.valid_until AS "validUntil" FROM gateway_key_secrets s
            JOIN gateway_keys k ON k.id = s.key_id WHERE s.hash = ${hash}`,
          decodeOpened
        )),
        ([row]) => {
          if (row === undefined) return Option.none()
          const { validUntil, ...key } = row
          return Option.some({ key, validUntil })
        }
      )
  })

  yield* changes.heard("keys", known.expire)
  /** Here at once, elsewhere when it is heard of. */
  const changed = Effect.zipRight(known.forget, stored(changes.announce(sql, "keys")))

  const create = Effect.fn("ApiKeys.create")(function*(options: CreateOptions) {
    const limits = yield* limitsOf(options.limits)
    const now = yield* Clock.currentTimeMillis
    const key: ApiKey = {
      id: `key_${uuidv7(now)}`,
      name: options.name,
      owner: options.owner ?? null,
      createdAt: now,
      expiresAt: options.expires === undefined ? null : now + Math.round(Duration.toMillis(options.expires)),
      revokedAt: null,
      providers: options.providers === undefined || options.providers.length === 0 ? null : options.providers,
      models: options.models === undefined || options.models.length === 0 ? null : options.models,
      limits,
      bodies: options.bodies ?? null
    }
    const row = {
      id: key.id,
      name: key.name,
      owner: key.owner,
      created_at: now,
      expires_at: key.expiresAt,
      providers: namesOf(options.providers),
      models: namesOf(options.models),
      limits: textOf(limits),
      bodies: key.bodies
    }
    const secret = yield* together(
      Effect.zipRight(stored(sql`INSERT INTO gateway_keys ${sql.insert(row)}`), addSecret(key.id, now))
    )
    yield* changed
    return { key, secret }
  })

  const list = stored(
    Effect.flatMap(sql`SELECT ${columns} FROM gateway_keys k ORDER BY k.created_at DESC, k.id DESC`, decodeKeys)
  ).pipe(Effect.withSpan("ApiKeys.list"))

  const revoke = Effect.fn("ApiKeys.revoke")(function*(id: string) {
    const now = yield* Clock.currentTimeMillis
    yield* stored(sql`UPDATE gateway_keys SET revoked_at = ${now} WHERE id = ${id} AND revoked_at IS NULL`)
    yield* changed
    return yield* keyOf(id)
  })

  const rotate = Effect.fn("ApiKeys.rotate")(function*(
    id: string,
    options?: { readonly overlap?: Duration.DurationInput | undefined }
  ) {
    const now = yield* Clock.currentTimeMillis
    const until = now + Math.round(Duration.toMillis(options?.overlap ?? "24 hours"))
    const key = yield* keyOf(id)
    const secret = yield* together(Effect.zipRight(
      stored(
        sql`UPDATE gateway_key_secrets SET valid_until = ${until}
          WHERE key_id = ${id} AND (valid_until IS NULL OR valid_until > ${until})`
      ),
      addSecret(id, now)
    ))
    yield* changed
    return { key, secret }
  })

  const change = Effect.fn("ApiKeys.change")(function*(id: string, options: ChangeOptions) {
    const before = yield* keyOf(id)
    const limits = options.limits === undefined ? before.limits : yield* limitsOf(options.limits)
    const bodies = options.bodies === undefined ? before.bodies : options.bodies
    yield* stored(sql`UPDATE gateway_keys SET limits = ${textOf(limits)}, bodies = ${bodies} WHERE id = ${id}`)
    yield* changed
    return yield* keyOf(id)
  })

  const verify = (secret: string): Effect.Effect<Option.Option<ApiKey>, KeyStoreError> =>
    withRunning(({ clock }) => {
      const hash = token.hashOf(secret)
      // What was seen needs no second look at its shape.
      if (!known.has(hash) && !token.isWellFormed(secret, "mdm_sk_")) return Effect.succeedNone
      return flatMapNow(known.at(hash, clock), (found) =>
        Option.isSome(found) && isValid(found.value, clock.unsafeCurrentTimeMillis())
          ? Effect.succeedSome(found.value.key)
          : Effect.succeedNone)
    })

  return { change, create, list, revoke, rotate, verify } satisfies Service
})

const isValid = ({ key, validUntil }: Opened, now: number): boolean =>
  key.revokedAt === null && (key.expiresAt === null || key.expiresAt > now) && (validUntil === null || validUntil > now)

/**
 * Keys in the tables `gateway_keys` and `gateway_key_secrets`, which `Gateway` makes.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<ApiKeys, never, SqlClient.SqlClient> = Layer.scoped(ApiKeys, make)
