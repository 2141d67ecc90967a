/** The statements behind a report: one for both databases, but for how they write a day and add up decimals. */
import type * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import type { Fragment } from "@effect/sql/Statement"
import * as Arr from "effect/Array"
import * as BigDecimal from "effect/BigDecimal"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { toHeaderCase } from "../../../Metadata.ts"
import type { Dimension, Filter, Groups, Options, Percentiles, Totals } from "../../CostReport.ts"
import type { Dialect } from "./columns.ts"
import { storedText } from "./insert.ts"
import * as measures from "./measures.ts"
import { available, hourly, type Rollups } from "./rollups.ts"

/** ms since the epoch. */
export interface Bounds {
  readonly from: number | undefined
  readonly to: number | undefined
}

export type Wanted = Omit<Filter, "since" | "until"> & Bounds

type Row = Readonly<Record<string, unknown>>

// ── parts of statements ─────────────────────────────────────────────────────────────────────────────────────────────

export const dialectOf = (sql: SqlClient.SqlClient): Dialect =>
  sql.onDialectOrElse({ pg: (): Dialect => "pg", orElse: (): Dialect => "sqlite" })

const dimension = (dialect: Dialect, by: Dimension): string => {
  if (typeof by === "object") return measures.label(dialect, "", toHeaderCase(by.label))
  switch (by) {
    case "provider":
    case "model":
    case "status":
      return by
    case "requested-model":
      return "requested_model"
    case "error":
      return "error_type"
    case "key":
      return "COALESCE(api_key_alias, api_key_hash)"
    case "hour":
    case "day":
    case "month":
      return measures.time(dialect, `"timestamp"`, by)
  }
}

export const iso = (millis: number): string => new Date(millis).toISOString()

export const labelIs = (sql: SqlClient.SqlClient, label: string, value: string): Fragment => {
  const name = toHeaderCase(label)
  if (dialectOf(sql) === "sqlite") return sql`${sql.literal(measures.label("sqlite", "", name))} = ${value}`
  return sql`raw_metadata @> ${JSON.stringify({ [storedText(name)]: storedText(value) })}::jsonb`
}

const times = (wanted: Bounds, sql: SqlClient.SqlClient): ReadonlyArray<Fragment> => [
  ...(wanted.from === undefined ? [] : [sql`"timestamp" >= ${iso(wanted.from)}`]),
  ...(wanted.to === undefined ? [] : [sql`"timestamp" < ${iso(wanted.to)}`])
]

/** What of a filter the hourly totals have, too, and with it which of their columns. */
const equals = (sql: SqlClient.SqlClient, wanted: Wanted): ReadonlyArray<Fragment> => [
  ...(wanted.provider === undefined ? [] : [sql`provider = ${wanted.provider}`]),
  ...(wanted.model === undefined ? [] : [sql`model = ${wanted.model}`]),
  ...(wanted.status === undefined ? [] : [sql`status = ${wanted.status}`])
]

export const where = (sql: SqlClient.SqlClient, wanted: Wanted): Fragment =>
  sql.and([
    // A row that another program wrote has no kind.
    sql.literal(measures.isCall("")),
    ...times(wanted, sql),
    ...equals(sql, wanted),
    ...Object.entries(wanted.labels ?? {}).map(([label, value]) => labelIs(sql, label, value))
  ])

/** The groups as columns g0, g1 … */
const groups = (by: ReadonlyArray<string>): ReadonlyArray<string> => by.map((one, index) => `${one} AS g${index}`)

const groupNames = (by: ReadonlyArray<Dimension>): string => by.map((_, index) => `g${index}`).join(", ")

const isTime = (by: Dimension | undefined): by is "hour" | "day" | "month" =>
  by === "hour" || by === "day" || by === "month"

// ── hourly totals ───────────────────────────────────────────────────────────────────────────────────────────────────

const hour = 3_600_000

/** A column of the hourly totals; none where they do not have it. */
const rolledDimension = (dialect: Dialect, by: Dimension, labels: ReadonlyArray<string>): string | undefined => {
  if (typeof by === "object") {
    const name = toHeaderCase(by.label)
    return labels.includes(name) ? labelOfHour(dialect, name) : undefined
  }
  switch (by) {
    case "provider":
    case "model":
    case "status":
      return by
    case "key":
      return "api_key"
    case "hour":
    case "day":
    case "month":
      return measures.ofHour("hour", by)
    case "requested-model":
    case "error":
      return undefined
  }
}

const labelOfHour = (dialect: Dialect, name: string): string =>
  measures.label(dialect, "", name).replaceAll("raw_metadata", "labels")

interface Split {
  /** Totals of these whole hours: `2026-11-21T08`; undefined: to the end. */
  readonly first: string
  readonly end: string | undefined
  readonly by: ReadonlyArray<string>
  /** Rows of the parts of hours before and after. */
  readonly rest: ReadonlyArray<Bounds>
}

const hourOf = (millis: number): string => iso(millis).slice(0, 13)

/** The whole hours of a question, and what is left of it; none where rows have to be read. */
const split = (
  dialect: Dialect,
  by: ReadonlyArray<Dimension>,
  wanted: Wanted,
  { completeFrom, labels }: Rollups
): Split | undefined => {
  const columns = by.map((one) => rolledDimension(dialect, one, labels))
  const known = columns.filter((column) => column !== undefined)
  const filtered = Object.keys(wanted.labels ?? {}).every((name) => labels.includes(toHeaderCase(name)))
  if (known.length < columns.length || !filtered) return undefined
  const completeAt = completeFrom === "" ? -Infinity : Date.parse(`${completeFrom}:00:00Z`)
  if (Number.isNaN(completeAt)) return undefined
  const from = wanted.from ?? -Infinity
  const first = Math.max(completeAt, Math.ceil(from / hour) * hour)
  const end = wanted.to === undefined ? undefined : Math.floor(wanted.to / hour) * hour
  if (end !== undefined && first >= end) return undefined
  return {
    first: first === -Infinity ? "" : hourOf(first),
    end: end === undefined ? undefined : hourOf(end),
    by: known,
    rest: [
      ...(first === -Infinity || first === from ? [] : [{ from: wanted.from, to: first }]),
      ...(end === undefined || end === wanted.to ? [] : [{ from: end, to: wanted.to }])
    ]
  }
}

// ── totals ──────────────────────────────────────────────────────────────────────────────────────────────────────────

const rolledRows = (
  sql: SqlClient.SqlClient,
  dialect: Dialect,
  { by, end, first }: Split,
  wanted: Wanted
): Fragment => {
  const columns = [
    ...groups(by),
    "status",
    "partial",
    ...measures.measures(dialect, "").map(({ name }) => name)
  ]
  const labels = Object.entries(wanted.labels ?? {}).map(([label, value]) =>
    sql`${sql.literal(labelOfHour(dialect, toHeaderCase(label)))} = ${dialect === "pg" ? storedText(value) : value}`
  )
  const conditions = [
    sql`hour >= ${first}`,
    ...(end === undefined ? [] : [sql`hour < ${end}`]),
    ...equals(sql, wanted),
    ...labels
  ]
  return sql`SELECT ${sql.literal(columns.join(", "))} FROM ${sql(hourly)} WHERE ${sql.and(conditions)}`
}

const singleRows = (
  sql: SqlClient.SqlClient,
  dialect: Dialect,
  by: ReadonlyArray<Dimension>,
  wanted: Wanted
): Fragment => {
  const columns = [
    ...groups(by.map((one) => dimension(dialect, one))),
    "status",
    `${measures.isPartial(dialect, "")} AS partial`,
    ...measures.measures(dialect, "").map(({ name, of }) => `${of} AS ${name}`)
  ]
  return sql`SELECT ${sql.literal(columns.join(", "))} FROM llm_requests WHERE ${where(sql, wanted)}`
}

const summed = (dialect: Dialect): ReadonlyArray<string> => {
  const sum = (name: string, of: string) => dialect === "pg" ? `SUM(${of})::text AS ${name}` : `SUM(${of}) AS ${name}`
  const costs = measures.costNames[dialect]
  const those = (condition: string, of = "requests") => `CASE WHEN ${condition} THEN ${of} ELSE 0 END`
  return [
    ...["requests", "rescued", "from_cache", "unpriced", "input", "output", "cached", "reasoning", ...costs].map((
      name
    ) => sum(`${name}_sum`, name)),
    sum("errors_sum", those("status = 'error'")),
    sum("cancelled_sum", those("status = 'cancelled'")),
    sum("partial_sum", those("partial = 1")),
    ...costs.map((name) => sum(`partial_${name}_sum`, those("partial = 1", name)))
  ]
}

const orders: Record<Dialect, Record<NonNullable<Options["orderBy"]>, string>> = {
  pg: { cost: "SUM(cost) DESC", requests: "SUM(requests) DESC", tokens: "SUM(input + output) DESC" },
  sqlite: {
    cost: "SUM(cost_whole) + SUM(cost_1) / 1e9 + SUM(cost_2) / 1e18 DESC",
    requests: "SUM(requests) DESC",
    tokens: "SUM(input + output) DESC"
  }
}

export const totals = (
  sql: SqlClient.SqlClient,
  by: ReadonlyArray<Dimension>,
  wanted: Wanted,
  orderBy: NonNullable<Options["orderBy"]>,
  limit: number
): Effect.Effect<Groups, SqlError> =>
  Effect.gen(function*() {
    const dialect = dialectOf(sql)
    const rollups = yield* available(sql, dialect)
    const parts = rollups === undefined ? undefined : split(dialect, by, wanted, rollups)
    const sources = parts === undefined
      ? [singleRows(sql, dialect, by, wanted)]
      : [
        rolledRows(sql, dialect, parts, wanted),
        ...parts.rest.map((bounds) => singleRows(sql, dialect, by, { ...wanted, ...bounds }))
      ]
    const names = groupNames(by)
    const isOverTime = isTime(by[0])
    const descending = by.map((_, index) => `g${index} DESC`).join(", ")
    const ordered = isOverTime
      ? descending
      : names === ""
      ? orders[dialect][orderBy]
      : `${orders[dialect][orderBy]}, ${names}`
    const selected = [...(names === "" ? [] : [names]), ...summed(dialect), "COUNT(*) OVER () AS all_groups"]
    const union = sources.slice(1).reduce(
      (all, next) => sql`${all} UNION ALL ${next}`,
      sources[0] ?? singleRows(sql, dialect, by, wanted)
    )
    const rows = yield* sql<Row>`SELECT ${sql.literal(selected.join(", "))} FROM (${union}) AS calls
      ${sql.literal(names === "" ? "" : `GROUP BY ${names} HAVING SUM(requests) > 0`)}
      ${sql.literal(`ORDER BY ${ordered}`)} LIMIT ${limit}`
    const found = rows.map((row) => toTotals(row, by, dialect))
    // The newest are wanted, the oldest first.
    return Object.assign(isOverTime ? Arr.reverse(found) : found, {
      leftOut: Math.max(0, Number(rows[0]?.["all_groups"] ?? 0) - rows.length)
    })
  })

const toTotals = (row: Row, by: ReadonlyArray<Dimension>, dialect: Dialect): Totals => {
  const count = (name: string) => Number(row[`${name}_sum`] ?? 0)
  return {
    group: groupOf(row, by),
    requests: count("requests"),
    errors: count("errors"),
    cancelled: count("cancelled"),
    rescued: count("rescued"),
    cached: count("from_cache"),
    unpriced: count("unpriced"),
    partial: count("partial"),
    inputTokens: count("input"),
    outputTokens: count("output"),
    cachedTokens: count("cached"),
    reasoningTokens: count("reasoning"),
    cost: costOf(row, dialect, ""),
    partialCost: costOf(row, dialect, "partial_")
  }
}

/** The parts of a sum as one number, to the last digit. */
const costOf = (row: Row, dialect: Dialect, prefix: string): BigDecimal.BigDecimal => {
  const parts = measures.costNames[dialect].map((name) => String(row[`${prefix}${name}_sum`] ?? "0"))
  if (dialect === "pg") return BigDecimal.normalize(BigDecimal.unsafeFromString(parts[0] ?? "0"))
  return BigDecimal.normalize(BigDecimal.sumAll(
    parts.map((part, index) => BigDecimal.make(BigInt(part), index * measures.costDigits))
  ))
}

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
        ...groups(by.map((one) => dimension(dialectOf(sql), one))).map((one) => sql.literal(one)),
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
