/** Versions of settings in the database: one is never changed, the last one counts. */
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { ParseError } from "effect/ParseResult"
import * as Schema from "effect/Schema"
import { Settings } from "../../GatewayConfig.ts"
import * as changes from "../changes.ts"
import { Millis } from "../database.ts"

export const Version = Schema.Struct({
  /** 0 is the configuration file. */
  version: Millis,
  at: Millis,
  who: Schema.String,
  settings: Schema.parseJson(Settings)
})

export type Version = typeof Version.Type

type Failure = SqlError | ParseError

export interface Versions {
  /** The number of the last one; 0 where there is none. */
  readonly last: Effect.Effect<number, Failure>
  readonly find: (version: number) => Effect.Effect<Option.Option<Version>, Failure>
  /** The newest first. */
  readonly page: (limit: number, before: number | undefined) => Effect.Effect<ReadonlyArray<Version>, Failure>
  /** None: there is another last one than was expected. */
  readonly add: (
    settings: Settings,
    who: string,
    expected: number | undefined
  ) => Effect.Effect<Option.Option<Version>, Failure>
}

const decode = Schema.decodeUnknown(Schema.Array(Version))
const encode = Schema.encode(Schema.parseJson(Settings))

export const make: Effect.Effect<Versions, never, SqlClient.SqlClient> = Effect.map(SqlClient.SqlClient, (sql) => {
  const last = Effect.map(
    sql<{ version: unknown }>`SELECT MAX(version) AS version FROM gateway_settings`,
    ([row]) => Number(row?.version ?? 0)
  )
  return {
    last,
    find: (version) =>
      Effect.map(
        Effect.flatMap(sql`SELECT * FROM gateway_settings WHERE version = ${version}`, decode),
        ([found]) => Option.fromNullable(found)
      ),
    page: (limit, before = Number.MAX_SAFE_INTEGER) =>
      Effect.flatMap(
        sql`SELECT * FROM gateway_settings WHERE version < ${before} ORDER BY version DESC LIMIT ${limit}`,
        decode
      ),
    add: (settings, who, expected) =>
      Effect.gen(function*() {
        const before = yield* last
        if (expected !== undefined && expected !== before) return Option.none()
        const at = yield* Clock.currentTimeMillis
        const version = before + 1
        // Of two that come at the same time one is the next.
        const added = yield* sql`INSERT INTO gateway_settings ${
          sql.insert({ version, at, who, settings: yield* encode(settings) })
        } ON CONFLICT (version) DO NOTHING RETURNING version`
        if (added.length === 0) return Option.none()
        yield* changes.announce(sql, "settings")
        return Option.some({ version, at, who, settings })
      })
  }
})
