/**
 * Tokens of those who administer the gateway, `mdm_at_…`. Only a SHA-256 of each is stored.
 *
 * @since 0.1.0
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { KeyStoreError } from "./ApiKeys.ts"
import { Millis } from "./internal/database.ts"
import * as token from "./internal/token.ts"

/**
 * What a token may do: read; also keys; everything.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Role = Schema.Literal("read", "keys", "admin")

/**
 * @since 0.1.0
 * @category models
 */
export type Role = typeof Role.Type

/**
 * @since 0.1.0
 * @category models
 */
export interface AdminToken {
  /** Whose it is. */
  readonly name: string
  /** What it may do. */
  readonly role: Role
}

/**
 * What may be known of a token. Times are ms since the epoch.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Listed = Schema.Struct({
  name: Schema.String,
  role: Role,
  createdAt: Millis,
  revokedAt: Schema.NullOr(Millis)
})

/**
 * @since 0.1.0
 * @category models
 */
export interface Listed extends Schema.Schema.Type<typeof Listed> {}

/**
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /** Makes a token, which is shown now or never. */
  readonly create: (name: string, role: Role) => Effect.Effect<Redacted.Redacted, KeyStoreError>
  /** The token behind a secret; none when it opens nothing. */
  readonly verify: (secret: string) => Effect.Effect<Option.Option<AdminToken>, KeyStoreError>
  /** All of them, revoked ones too, the newest first. */
  readonly list: Effect.Effect<ReadonlyArray<Listed>, KeyStoreError>
  /** From now on tokens of this name open nothing, on any replica; gives how many did. */
  readonly revoke: (name: string) => Effect.Effect<number, KeyStoreError>
  /** How many are valid. */
  readonly count: Effect.Effect<number, KeyStoreError>
}

/**
 * @since 0.1.0
 * @category services
 */
export class AdminTokens extends Context.Tag("effect-majordomo/gateway/AdminTokens")<AdminTokens, Service>() {}

const decodeListed = Schema.decodeUnknown(Schema.Array(Listed))
const decode = Schema.decodeUnknown(Schema.Array(Schema.Struct({ name: Schema.String, role: Role })))

const stored = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, KeyStoreError> => {
  const away = () => new KeyStoreError({ description: "the database does not answer" })
  // A connection that fails in the middle is a defect of some drivers.
  return Effect.mapError(Effect.catchAllDefect(effect, away), away)
}

const make = Effect.map(SqlClient.SqlClient, (sql): Service => ({
  create: Effect.fn("AdminTokens.create")(function*(name, role) {
    const secret = token.make("mdm_at_")
    const now = yield* Clock.currentTimeMillis
    yield* stored(
      sql`INSERT INTO gateway_admin_tokens ${sql.insert({ hash: token.hashOf(secret), name, role, created_at: now })}`
    )
    return Redacted.make(secret)
  }),
  verify: (secret) =>
    token.isWellFormed(secret, "mdm_at_")
      ? stored(
        Effect.map(
          Effect.flatMap(
            sql`SELECT name, role FROM gateway_admin_tokens
              WHERE hash = ${token.hashOf(secret)} AND revoked_at IS NULL`,
            decode
          ),
          ([found]) => Option.fromNullable(found)
        )
      )
      : Effect.succeedNone,
  list: stored(
    Effect.flatMap(
      sql`SELECT name, role, created_at AS "createdAt", revoked_at AS "revokedAt" FROM gateway_admin_tokens
        ORDER BY created_at DESC, name`,
      decodeListed
    )
  ),
  revoke: Effect.fn("AdminTokens.revoke")(function*(name) {
    const now = yield* Clock.currentTimeMillis
    const revoked = yield* stored(
      sql`UPDATE gateway_admin_tokens SET revoked_at = ${now} WHERE name = ${name} AND revoked_at IS NULL
        RETURNING name`
    )
    return revoked.length
  }),
  count: stored(
    Effect.map(
      sql<{ n: unknown }>`SELECT COUNT(*) AS n FROM gateway_admin_tokens WHERE revoked_at IS NULL`,
      ([row]) => Number(row?.n ?? 0)
    )
  )
}))

/**
 * Tokens in the table `gateway_admin_tokens`, which `Gateway` makes.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<AdminTokens, never, SqlClient.SqlClient> = Layer.effect(AdminTokens, make)
