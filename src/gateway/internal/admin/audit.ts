/** Who changed what, and when; never a secret. */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { uuidv7 } from "../../../internal/call/uuid.ts"
import { CurrentAdmin } from "../../Admin.ts"
import { Millis } from "../database.ts"

export interface Changed {
  readonly what: string
  readonly subject: string
  readonly before?: object | undefined
  readonly after?: object | undefined
}

const Row = Schema.Struct({
  id: Schema.String,
  at: Millis,
  who: Schema.String,
  what: Schema.String,
  subject: Schema.String,
  before: Schema.NullOr(Schema.parseJson(Schema.Unknown)),
  after: Schema.NullOr(Schema.parseJson(Schema.Unknown))
})
const decode = Schema.decodeUnknown(Schema.Array(Row))

const textOf = (value: object | undefined): string | null => value === undefined ? null : JSON.stringify(value)

export const make = Effect.map(SqlClient.SqlClient, (sql) => ({
  /** A change and its row are there together, or neither is. */
  changing: <A, E, R>(change: Effect.Effect<A, E, R>, told: (result: A) => Changed) =>
    sql.withTransaction(Effect.tap(change, (result) =>
      Effect.gen(function*() {
        const { name } = yield* CurrentAdmin
        const at = yield* Clock.currentTimeMillis
        const { after, before, subject, what } = told(result)
        const row = { id: uuidv7(at), at, who: name, what, subject, before: textOf(before), after: textOf(after) }
        yield* sql`INSERT INTO gateway_audit ${sql.insert(row)}`
      }))),
  /** The newest first. */
  page: (limit: number, after: string | undefined) =>
    Effect.flatMap(
      after === undefined
        ? sql`SELECT * FROM gateway_audit ORDER BY id DESC LIMIT ${limit}`
        : sql`SELECT * FROM gateway_audit WHERE id < ${after} ORDER BY id DESC LIMIT ${limit}`,
      decode
    )
}))
