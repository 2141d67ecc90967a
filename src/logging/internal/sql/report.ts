/** The statements behind a report: one for both databases, but for how they write a day and add up decimals. */
import type * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import type { Fragment } from "@effect/sql/Statement"
import * as BigDecimal from "effect/BigDecimal"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { toHeaderCase } from "../../../Metadata.ts"
import type { Dimension, Filter, Options, Percentiles, Totals } from "../../CostReport.ts"

/** ms since the epoch. */
interface Bounds {
  readonly from: number | undefined
  readonly to: number | undefined
}

type Wanted = Omit<Filter, "since" | "until"> & Bounds

type Row = Readonly<Record<string, unknown>>

// ── parts of statements ─────────────────────────────────────────────────────────────────────────────────────────────

/** Characters of an ISO time in UTC. */
const precision = { hour: 13, day: 10, month: 7 }

const isPostgres = (sql: SqlClient.SqlClient): boolean => sql.onDialectOrElse({ pg: () => true, orElse: () => false })

const dimension = (sql: SqlClient.SqlClient, by: Dimension): Fragment => {
  if (typeof by === "object") return sql`raw_metadata->>${toHeaderCase(by.label)}`
  switch (by) {
    case "provider":
    case "model":
    case "status":
      return sql`${sql(by)}`
    case "requested-model":
      return sql`requested_model`
    case "error":
      return sql`error_type`
    case "key":
      return sql`COALESCE(api_key_alias, api_key_hash)`
    case "hour":
    case "day":
    case "month": {
      const length = sql.literal(String(precision[by]))
      return isPostgres(sql)
        ? sql`substr(to_char("timestamp" AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24'), 1, ${length})`
        : sql`substr("timestamp", 1, ${length})`
    }
  }
}

export const where = (sql: SqlClient.SqlClient, wanted: Wanted): Fragment => {
  const at = (millis: number) => new Date(millis).toISOString()
  // A row that another program wrote has no kind.
  const conditions = [sql`COALESCE(kind, 'call') = 'call'`]
  if (wanted.from !== undefined) conditions.push(sql`"timestamp" >= ${at(wanted.from)}`)
  if (wanted.to !== undefined) conditions.push(sql`"timestamp" < ${at(wanted.to)}`)
  if (wanted.provider !== undefined) conditions.push(sql`provider = ${wanted.provider}`)
  if (wanted.model !== undefined) conditions.push(sql`model = ${wanted.model}`)
  if (wanted.status !== undefined) conditions.push(sql`status = ${wanted.status}`)
  for (const [label, value] of Object.entries(wanted.labels ?? {})) {
    conditions.push(sql`raw_metadata->>${toHeaderCase(label)} = ${value}`)
  }
  return sql.and(conditions)
}

/** Digits after the point that SQLite's sums keep. */
const scale = 12

/** SQLite would add doubles: what is before the point and what is after it are added as integers instead. */
const sumsOfCosts = (sql: SqlClient.SqlClient): Fragment => {
  if (isPostgres(sql)) return sql`SUM(total_cost)::text AS whole, '0' AS part`
  const point = "instr(total_cost || '.', '.')"
  const whole = `CAST(substr(total_cost, 1, ${point} - 1) AS INTEGER)`
  const part = `CAST(substr(substr(total_cost, ${point} + 1) || '${"0".repeat(scale)}', 1, ${scale}) AS INTEGER)`
  return sql`${sql.literal(`CAST(SUM(${whole}) AS TEXT) AS whole, CAST(SUM(${part}) AS TEXT) AS part`)}`
}

// ── statements ──────────────────────────────────────────────────────────────────────────────────────────────────────

const count = (sql: SqlClient.SqlClient, condition: string) =>
  sql.literal(`SUM(CASE WHEN ${condition} THEN 1 ELSE 0 END)`)

/** The groups as columns g0, g1 … */
const groups = (sql: SqlClient.SqlClient, by: ReadonlyArray<Dimension>): ReadonlyArray<Fragment> =>
  by.map((one, index) => sql`${dimension(sql, one)} AS ${sql.literal(`g${index}`)}`)

const groupNames = (by: ReadonlyArray<Dimension>): string => by.map((_, index) => `g${index}`).join(", ")

const isTime = (by: Dimension | undefined): boolean => by === "hour" || by === "day" || by === "month"

export const totals = (
  sql: SqlClient.SqlClient,
  by: ReadonlyArray<Dimension>,
  wanted: Wanted,
  orderBy: NonNullable<Options["orderBy"]>,
  limit: number
): Effect.Effect<ReadonlyArray<Totals>, SqlError> => {
  const tries = isPostgres(sql) ? "jsonb_array_length(attempts)" : "json_array_length(attempts)"
  const order = {
    cost: "SUM(CAST(total_cost AS double precision)) IS NULL, SUM(CAST(total_cost AS double precision)) DESC",
    requests: "COUNT(*) DESC",
    tokens: "SUM(input_tokens + output_tokens) DESC"
  }[orderBy]
  const names = groupNames(by)
  const ordered = isTime(by[0]) ? names : names === "" ? order : `${order}, ${names}`
  const selected = [
    ...groups(sql, by),
    sql.literal("COUNT(*) AS requests"),
    sql`${count(sql, "status = 'error'")} AS errors`,
    sql`${count(sql, "status = 'cancelled'")} AS cancelled`,
    sql`${count(sql, `status = 'success' AND ${tries} > 1`)} AS rescued`,
    sql`${count(sql, isPostgres(sql) ? "cached" : "cached = 1")} AS from_cache`,
    sql`${count(sql, "status = 'success' AND total_cost IS NULL")} AS unpriced`,
    sql.literal("SUM(input_tokens) AS input, SUM(output_tokens) AS output"),
    sql.literal("SUM(cached_tokens) AS cached, SUM(reasoning_tokens) AS reasoning"),
    sumsOfCosts(sql)
  ]
  return Effect.map(
    sql<Row>`SELECT ${sql.csv(selected)} FROM llm_requests WHERE ${where(sql, wanted)}
      ${sql.literal(names === "" ? "" : `GROUP BY ${names}`)}
      ${sql.literal(`ORDER BY ${ordered}`)} LIMIT ${limit}`,
    (rows) => rows.map((row) => toTotals(row, by))
  )
}

const toTotals = (row: Row, by: ReadonlyArray<Dimension>): Totals => ({
  group: groupOf(row, by),
  requests: Number(row["requests"] ?? 0),
  errors: Number(row["errors"] ?? 0),
  cancelled: Number(row["cancelled"] ?? 0),
  rescued: Number(row["rescued"] ?? 0),
  cached: Number(row["from_cache"] ?? 0),
  unpriced: Number(row["unpriced"] ?? 0),
  inputTokens: Number(row["input"] ?? 0),
  outputTokens: Number(row["output"] ?? 0),
  cachedTokens: Number(row["cached"] ?? 0),
  reasoningTokens: Number(row["reasoning"] ?? 0),
  cost: BigDecimal.normalize(BigDecimal.sum(
    BigDecimal.unsafeFromString(String(row["whole"] ?? "0")),
    BigDecimal.make(BigInt(String(row["part"] ?? "0")), scale)
  ))
})

const groupOf = (row: Row, by: ReadonlyArray<Dimension>): ReadonlyArray<string | null> =>
  by.map((_, index) => {
    const value = row[`g${index}`]
    return value === null || value === undefined ? null : String(value)
  })

/** By rank, which both databases count alike. */
export const percentiles = (
  sql: SqlClient.SqlClient,
  by: ReadonlyArray<Dimension>,
  wanted: Wanted,
  at: ReadonlyArray<number>
): Effect.Effect<ReadonlyArray<Percentiles>, SqlError> => {
  const names = groupNames(by)
  const ranked = (column: string) =>
    sql`SELECT ${
      sql.csv([
        ...groups(sql, by),
        sql.literal(`${column} AS value`),
        sql.literal(`'${column}' AS measure`)
      ])
    } FROM llm_requests WHERE ${where(sql, wanted)} AND ${sql.literal(column)} IS NOT NULL`
  const partition = `PARTITION BY ${[...by.map((_, index) => `g${index}`), "measure"].join(", ")}`
  const positions = sql.literal(
    `ROW_NUMBER() OVER (${partition} ORDER BY value) AS position, COUNT(*) OVER (${partition}) AS total`
  )
  const picked = at.map((share, index) => {
    const found = `CASE WHEN position >= ${share.toFixed(6)} * total THEN value END`
    return sql.literal(`MIN(${found}) AS p${index}`)
  })
  return Effect.map(
    sql<Row>`SELECT ${sql.csv([...(names === "" ? [] : [sql.literal(names)]), sql.literal("measure"), ...picked])}
      FROM (SELECT measured.*, ${positions}
        FROM (${ranked("response_time")} UNION ALL ${ranked("time_to_first_token")}) AS measured) AS ranked
      GROUP BY ${sql.literal(names === "" ? "measure" : `${names}, measure`)}
      ORDER BY ${sql.literal(names === "" ? "measure" : `${names}, measure`)}`,
    (rows) => byGroup(rows, by, at)
  )
}

const byGroup = (
  rows: ReadonlyArray<Row>,
  by: ReadonlyArray<Dimension>,
  at: ReadonlyArray<number>
): ReadonlyArray<Percentiles> => {
  const groups = new Map<string, Percentiles>()
  const none = at.map(() => Option.none<number>())
  for (const row of rows) {
    const group = groupOf(row, by)
    const key = JSON.stringify(group)
    const known = groups.get(key) ?? { group, responseTime: none, timeToFirstToken: none }
    const values = at.map((_, index) => Option.map(Option.fromNullable(row[`p${index}`]), Number))
    groups.set(
      key,
      row["measure"] === "response_time" ? { ...known, responseTime: values } : { ...known, timeToFirstToken: values }
    )
  }
  return [...groups.values()]
}
