/** Rows of the table as they were written, a page at a time: after a place in time, not after a number of rows. */
import type * as SqlClient from "@effect/sql/SqlClient"
import { SqlError } from "@effect/sql/SqlError"
import type { Fragment } from "@effect/sql/Statement"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { asArray, asNumber, asObject, asString, parse } from "../../../internal/json/values.ts"
import type { Filter } from "../../LogReader.ts"
import { Attempt, type Entry } from "../../RequestLog.ts"
import { names } from "./columns.ts"
import { toLogError } from "./failures.ts"
import { dialectOf, where } from "./report.ts"

type Row = Readonly<Record<string, unknown>>

export interface Found {
  readonly entry: Entry
  /** Its place: the next page begins after it. */
  readonly cursor: string
}

const precise = (sql: SqlClient.SqlClient): Fragment =>
  dialectOf(sql) === "pg"
    ? sql`to_char("timestamp" AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`
    : sql`"timestamp"`

const idText = (sql: SqlClient.SqlClient): Fragment => dialectOf(sql) === "pg" ? sql`request_id::text` : sql`request_id`

const Place = Schema.parseJson(Schema.Tuple(Schema.String, Schema.String))
const readPlace = Schema.decodeUnknownOption(Place)

const placeOf = (cursor: string): Effect.Effect<readonly [string, string], SqlError> => {
  const text = Option.getOrUndefined(Option.flatMap(Either.getRight(Encoding.decodeBase64UrlString(cursor)), readPlace))
  return text === undefined
    ? Effect.fail(
      new SqlError({ message: "this is no page of the log", cause: new Error("this is no page of the log") })
    )
    : Effect.succeed(text)
}

const conditions = (sql: SqlClient.SqlClient, filter: Filter): ReadonlyArray<Fragment> => {
  const contains = (text: string) =>
    dialectOf(sql) === "pg"
      ? sql`position(lower(${text}) IN lower(error_message)) > 0`
      : sql`instr(lower(error_message), lower(${text})) > 0`
  return [
    where(sql, { ...filter, from: filter.since, to: filter.until }),
    ...(filter.key === undefined ? [] : [sql`(api_key_alias = ${filter.key} OR api_key_hash = ${filter.key})`]),
    ...(filter.majordomoApiKeyId === undefined ? [] : [sql`majordomo_api_key_id = ${filter.majordomoApiKeyId}`]),
    ...(filter.errorType === undefined ? [] : [sql`error_type = ${filter.errorType}`]),
    ...(filter.errorText === undefined ? [] : [contains(filter.errorText)]),
    ...(filter.longerThan === undefined ? [] : [sql`response_time > ${filter.longerThan}`]),
    ...(filter.traceId === undefined ? [] : [sql`trace_id = ${filter.traceId}`])
  ]
}

export const page = (
  sql: SqlClient.SqlClient,
  filter: Filter,
  after: string | undefined,
  limit: number
): Effect.Effect<ReadonlyArray<Found>, SqlError> =>
  Effect.gen(function*() {
    const wanted = [...conditions(sql, filter)]
    if (after !== undefined) {
      const [time, id] = yield* placeOf(after)
      const at = dialectOf(sql) === "pg" ? sql`${time}::timestamptz` : sql`${time}`
      // The first half is what an index on the time is good for.
      wanted.push(sql`"timestamp" <= ${at} AND ("timestamp" < ${at} OR ${idText(sql)} < ${id})`)
    }
    const rows = yield* sql<Row>`SELECT ${sql.literal(names)}, ${precise(sql)} AS place FROM llm_requests
      WHERE ${sql.and(wanted)} ORDER BY "timestamp" DESC, ${idText(sql)} DESC LIMIT ${limit}`
    return rows.map((row) => ({
      entry: entryOf(row),
      cursor: Encoding.encodeBase64Url(JSON.stringify([String(row["place"]), String(row["request_id"])]))
    }))
  })

const isUuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

export const row = (sql: SqlClient.SqlClient, requestId: string): Effect.Effect<Entry | undefined, SqlError> =>
  isUuid.test(requestId)
    ? Effect.map(
      sql<Row>`SELECT ${sql.literal(names)} FROM llm_requests WHERE request_id = ${requestId} LIMIT 1`,
      ([found]) => found === undefined ? undefined : entryOf(found)
    )
    : Effect.succeed(undefined)

/** Tries follow their call within its time: an index on that finds them. */
export const attempts = (
  sql: SqlClient.SqlClient,
  call: Entry
): Effect.Effect<ReadonlyArray<Entry>, SqlError> => {
  const end = call.timestamp + call.responseTime * 1000 + 3_600_000
  return Effect.map(
    sql<Row>`SELECT ${sql.literal(names)} FROM llm_requests WHERE parent_id = ${call.requestId}
      AND "timestamp" >= ${new Date(call.timestamp - 1000).toISOString()}
      AND "timestamp" <= ${new Date(end).toISOString()} ORDER BY "timestamp", request_id LIMIT 1000`,
    (rows) => rows.map(entryOf)
  )
}

export const describe = (error: unknown): string => {
  const { description } = toLogError("postgres")(error)
  return /no such (table|column)|relation "llm_requests" does not exist/.test(description)
    ? `${description}; it is not a log of majordomo`
    : description
}

const readAttempts = Schema.decodeUnknownOption(Schema.Array(Attempt))

const json = (value: unknown): unknown => typeof value === "string" ? parse(value) : value

/** What another program left out is not made up: counts are 0, names are unknown. */
const entryOf = (found: Row): Entry => {
  const text = (name: string) => asString(found[name])
  const exact = (name: string) => found[name] === null || found[name] === undefined ? undefined : String(found[name])
  const number = (name: string) => asNumber(exact(name))
  const flag = (name: string) => found[name] === true || found[name] === 1 || found[name] === 1n
  const status = text("status")
  const stamp = found["timestamp"]
  return {
    requestId: String(found["request_id"]),
    kind: text("kind") === "attempt" ? "attempt" : "call",
    parentId: text("parent_id"),
    provider: text("provider") ?? "unknown",
    model: text("model") ?? "unknown",
    requestedModel: text("requested_model") ?? text("model") ?? "unknown",
    timestamp: stamp instanceof Date ? stamp.getTime() : Date.parse(String(stamp)),
    responseTime: number("response_time") ?? 0,
    timeToFirstToken: number("time_to_first_token"),
    inputTokens: number("input_tokens") ?? 0,
    outputTokens: number("output_tokens") ?? 0,
    cachedTokens: number("cached_tokens") ?? 0,
    cacheCreationTokens: number("cache_creation_tokens") ?? 0,
    reasoningTokens: number("reasoning_tokens") ?? 0,
    usagePartial: flag("usage_partial"),
    inputCost: exact("input_cost"),
    outputCost: exact("output_cost"),
    toolUseCost: exact("tool_use_cost"),
    totalCost: exact("total_cost"),
    status: status === "error" || status === "cancelled" ? status : "success",
    errorType: text("error_type"),
    errorMessage: text("error_message"),
    finishReason: text("finish_reason"),
    streamed: flag("streamed"),
    cached: flag("cached"),
    attempts: Option.getOrElse(readAttempts(asArray(json(found["attempts"]))), () => []),
    storageRequestKey: text("storage_request_key"),
    storageResponseKey: text("storage_response_key"),
    storageError: text("storage_error"),
    apiKeyHash: text("api_key_hash"),
    apiKeyAlias: text("api_key_alias"),
    metadata: Object.fromEntries(
      Object.entries(asObject(json(found["raw_metadata"]))).map(([label, value]) => [
        label,
        typeof value === "string" ? value : JSON.stringify(value)
      ])
    ),
    majordomoApiKeyId: text("majordomo_api_key_id"),
    requestPath: text("request_path"),
    requestMethod: text("request_method"),
    statusCode: number("status_code"),
    traceId: text("trace_id"),
    spanPath: text("span_path"),
    spanName: text("span_name"),
    client: text("client"),
    bytesIn: number("bytes_in"),
    bytesOut: number("bytes_out"),
    timeToFirstByte: number("time_to_first_byte"),
    estimatedInputTokens: number("estimated_input_tokens")
  }
}
