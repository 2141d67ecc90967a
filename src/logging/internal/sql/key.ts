/** The unique key by which a row that comes again is known: ours, or one that somebody else's table has, or a new one. */
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import { RequestLogError } from "../../RequestLog.ts"
import { type Dialect } from "./columns.ts"
import { type Sink, toLogError } from "./failures.ts"
import { table } from "./migrations.ts"

const columnsOf = (found: string): string => found.split(",").sort().join(",")

/** The columns of every unique index that holds for all rows at once. */
const uniqueIndexes = (
  sql: SqlClient.SqlClient,
  dialect: Dialect
): Effect.Effect<ReadonlyArray<string>, SqlError> =>
  Effect.map(
    dialect === "pg"
      ? sql<{ found: string }>`SELECT array_to_string(ARRAY(
            SELECT a.attname FROM unnest((i.indkey::int2[])[0:i.indnkeyatts - 1]) AS k
            JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k), ',') AS found
          FROM pg_index i WHERE i.indrelid = ${table}::regclass AND i.indisunique AND i.indisvalid AND i.indimmediate
            AND i.indpred IS NULL AND i.indexprs IS NULL`
      : sql<{ found: string }>`SELECT (SELECT group_concat(name) FROM pragma_index_info(l.name)) AS found
          FROM pragma_index_list(${table}) AS l WHERE l."unique" = 1 AND l.partial = 0`,
    (rows) => rows.map(({ found }) => columnsOf(found ?? ""))
  )

/** What rows are unique by. Fails with the statement to run where the table has no such key and takes none. */
export const ensure = (
  dialect: Dialect,
  sink: Sink,
  isPartitioned: boolean
): Effect.Effect<string, RequestLogError, SqlClient.SqlClient> =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const found = yield* Effect.mapError(uniqueIndexes(sql, dialect), toLogError(sink))
    if (found.includes("request_id")) return "request_id"
    if (dialect === "pg" && found.includes("request_id,timestamp")) return `request_id, "timestamp"`
    // The key of a partitioned table has the column it is partitioned by.
    const key = isPartitioned ? `request_id, "timestamp"` : "request_id"
    const statement = `CREATE UNIQUE INDEX ${table}_key ON ${table} (${key})`
    yield* Effect.mapError(sql.unsafe(statement), (error) => {
      const { description, reason } = toLogError(sink)(error)
      return reason === "Unavailable" && !/index|column|constraint|\(42/i.test(description)
        ? new RequestLogError({ sink, reason, description })
        : new RequestLogError({
          sink,
          reason: "Rejected",
          description:
            `the table ${table} has no unique key by which a row that comes again is known, and takes none: ` +
            `${description}. Take out what is there twice, then run: ${statement}`
        })
    })
    return key
  })
