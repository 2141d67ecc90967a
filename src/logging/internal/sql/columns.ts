/** The table of calls: what each column is called, holds, and is in either database. */
import type { Entry } from "../../RequestLog.ts"

export type Dialect = "pg" | "sqlite"

export type Value = string | number | boolean | null

export interface Column {
  readonly name: string
  readonly pg: string
  readonly sqlite: string
  /** The version of the table that brought it. */
  readonly since: 1 | 2 | 3 | 4
  readonly of: (entry: Entry) => Value | undefined
}

const text = (name: string, of: Column["of"], since: Column["since"] = 1): Column => ({
  name,
  pg: "text",
  sqlite: "TEXT",
  since,
  of
})
const count = (name: string, of: Column["of"], since: Column["since"] = 1): Column => ({
  name,
  pg: "bigint",
  sqlite: "INTEGER",
  since,
  of
})
const seconds = (name: string, of: Column["of"], since: Column["since"] = 1): Column => ({
  name,
  pg: "double precision",
  sqlite: "REAL",
  since,
  of
})
// SQLite has no decimals; its sums read the text.
const dollars = (name: string, of: Column["of"]): Column => ({ name, pg: "numeric", sqlite: "TEXT", since: 1, of })
const flag = (name: string, since: Column["since"], of: Column["of"]): Column => ({
  name,
  pg: "boolean",
  sqlite: "INTEGER",
  since,
  of
})
const json = (name: string, of: (entry: Entry) => unknown): Column => ({
  name,
  pg: "jsonb",
  sqlite: "TEXT",
  since: 1,
  of: (entry) => JSON.stringify(of(entry))
})

export const key: Column = { name: "request_id", pg: "uuid", sqlite: "TEXT", since: 1, of: (e) => e.requestId }

export const timestamp: Column = {
  name: "timestamp",
  pg: "timestamptz",
  // ISO 8601 in UTC, which sorts as time does.
  sqlite: "TEXT",
  since: 1,
  of: (entry) => new Date(entry.timestamp).toISOString()
}

export const columns: ReadonlyArray<Column> = [
  key,
  text("provider", (e) => e.provider),
  text("model", (e) => e.model),
  text("requested_model", (e) => e.requestedModel),
  timestamp,
  seconds("response_time", (e) => e.responseTime),
  seconds("time_to_first_token", (e) => e.timeToFirstToken),
  count("input_tokens", (e) => e.inputTokens),
  count("output_tokens", (e) => e.outputTokens),
  count("cached_tokens", (e) => e.cachedTokens),
  count("cache_creation_tokens", (e) => e.cacheCreationTokens),
  count("reasoning_tokens", (e) => e.reasoningTokens),
  dollars("input_cost", (e) => e.inputCost),
  dollars("output_cost", (e) => e.outputCost),
  dollars("tool_use_cost", (e) => e.toolUseCost),
  dollars("total_cost", (e) => e.totalCost),
  text("status", (e) => e.status),
  text("error_type", (e) => e.errorType),
  text("error_message", (e) => e.errorMessage),
  text("finish_reason", (e) => e.finishReason),
  flag("streamed", 1, (e) => e.streamed),
  json("attempts", (e) => e.attempts),
  text("storage_request_key", (e) => e.storageRequestKey),
  text("storage_response_key", (e) => e.storageResponseKey),
  text("api_key_hash", (e) => e.apiKeyHash),
  text("api_key_alias", (e) => e.apiKeyAlias),
  // A question by label counts calls: their tries have none.
  json("raw_metadata", (e) => e.kind === "attempt" ? {} : e.metadata),
  text("majordomo_api_key_id", (e) => e.majordomoApiKeyId),
  text("request_path", (e) => e.requestPath),
  text("request_method", (e) => e.requestMethod),
  { name: "status_code", pg: "integer", sqlite: "INTEGER", since: 1, of: (e) => e.statusCode },
  text("kind", (e) => e.kind, 2),
  text("parent_id", (e) => e.parentId, 2),
  flag("cached", 2, (e) => e.cached),
  flag("usage_partial", 2, (e) => e.usagePartial),
  text("storage_error", (e) => e.storageError, 2),
  text("trace_id", (e) => e.traceId, 3),
  text("span_path", (e) => e.spanPath, 3),
  text("span_name", (e) => e.spanName, 3),
  text("client", (e) => e.client, 3),
  count("bytes_in", (e) => e.bytesIn, 3),
  count("bytes_out", (e) => e.bytesOut, 3),
  seconds("time_to_first_byte", (e) => e.timeToFirstByte, 3),
  count("estimated_input_tokens", (e) => e.estimatedInputTokens, 4)
]

/** Names as SQL: `timestamp` is a keyword in some places. */
export const names = columns.map(({ name }) => `"${name}"`).join(", ")
