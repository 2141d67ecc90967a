/** What a report adds up, as SQL over one row of the table: totals by the hour are kept of the same. */
import type { Dialect } from "./columns.ts"

/** Digits after the point in each of the integers that SQLite adds up: it would add doubles otherwise. */
export const costDigits = 9
const costParts = 3

export interface Measure {
  readonly name: string
  readonly of: string
}

/** What another program wrote as a number, in plain digits. */
const decimalText = (column: string): string =>
  `CASE WHEN typeof(${column}) = 'text' AND instr(lower(${column}), 'e') = 0 THEN ${column}
    ELSE printf('%.12f', ${column}) END`

/** SQLite has no decimals: the digits before the point, and three times nine after it. */
const sqliteCost = (sign: string, integer: string, fraction: string): ReadonlyArray<Measure> => [
  { name: "cost_whole", of: `${sign} * CAST(${integer} AS INTEGER)` },
  ...Array.from({ length: costParts }, (_, index) => ({
    name: `cost_${index + 1}`,
    of: `${sign} * CAST(substr(${fraction}, ${index * costDigits + 1}, ${costDigits}) AS INTEGER)`
  }))
]

const zeros = "0".repeat(costDigits * costParts)

const costOf = (at: string): ReadonlyArray<Measure> => {
  const column = `${at}total_cost`
  const digits = `ltrim(${decimalText(column)}, '-')`
  const point = `instr(${digits} || '.', '.')`
  return sqliteCost(
    `CASE WHEN ${column} IS NULL THEN 0 WHEN substr(${decimalText(column)}, 1, 1) = '-' THEN -1 ELSE 1 END`,
    `substr(${digits}, 1, ${point} - 1)`,
    `substr(${digits}, ${point} + 1) || '${zeros}'`
  )
}

/** The same in a trigger, over `costSource`. */
export const costOnce: ReadonlyArray<Measure> = sqliteCost("cost_sign", "cost_integer", "cost_fraction")

/** A cost taken apart once, as a source of one row: a limit keeps SQLite from doing it again for each use. */
export const costSource = (at: string): string => {
  const text = `SELECT ${decimalText(`${at}total_cost`)} AS t LIMIT 1`
  const digits = `SELECT CASE WHEN substr(t, 1, 1) = '-' THEN -1 ELSE 1 END AS cost_sign, ltrim(t, '-') || '.' AS d
    FROM (${text}) LIMIT 1`
  const point = `SELECT cost_sign, d, instr(d, '.') AS p FROM (${digits}) LIMIT 1`
  return `(SELECT cost_sign, substr(d, 1, p - 1) AS cost_integer,
    replace(substr(d, p + 1), '.', '') || '${zeros}' AS cost_fraction
    FROM (${point}) LIMIT 1)`
}

export const costNames: Record<Dialect, ReadonlyArray<string>> = {
  pg: ["cost"],
  sqlite: ["cost_whole", ...Array.from({ length: costParts }, (_, index) => `cost_${index + 1}`)]
}

const flag = (condition: string): string => `CASE WHEN ${condition} THEN 1 ELSE 0 END`

/** `at` names the row: `NEW.`, `r.`. */
export const measures = (dialect: Dialect, at: string): ReadonlyArray<Measure> => {
  const tries = dialect === "pg"
    ? `CASE WHEN jsonb_typeof(${at}attempts) = 'array' THEN jsonb_array_length(${at}attempts) ELSE 0 END`
    : `CASE WHEN json_valid(${at}attempts) THEN json_array_length(${at}attempts) ELSE 0 END`
  const count = (column: string) => `COALESCE(${at}${column}, 0)`
  return [
    { name: "requests", of: "1" },
    { name: "rescued", of: flag(`${at}status = 'success' AND (${tries}) > 1`) },
    { name: "from_cache", of: flag(dialect === "pg" ? `${at}cached` : `${at}cached = 1`) },
    // A failure that used tokens may have been billed, too.
    {
      name: "unpriced",
      of: flag(
        `${at}total_cost IS NULL AND (${at}status = 'success' OR ${count("input_tokens")} + ${
          count("output_tokens")
        } > 0)`
      )
    },
    { name: "input", of: count("input_tokens") },
    { name: "output", of: count("output_tokens") },
    { name: "cached", of: count("cached_tokens") },
    { name: "reasoning", of: count("reasoning_tokens") },
    ...(dialect === "pg" ? [{ name: "cost", of: count("total_cost") }] : costOf(at))
  ]
}

/** A label of a row, by its name in header case. */
export const label = (dialect: Dialect, at: string, name: string): string => {
  const quoted = `'${name.replaceAll("'", "''").replaceAll("\0", "\ufffd")}'`
  if (dialect === "pg") return `${at}raw_metadata->>${quoted}`
  // Others SQLite would take for paths; a plain one is found by an index on the same expression.
  return /^[A-Za-z_][\w-]*$/.test(name)
    ? `${at}raw_metadata->>${quoted}`
    : `(SELECT e.value FROM json_each(${at}raw_metadata) AS e WHERE e.key = ${quoted})`
}

/** Characters of an ISO time in UTC. */
const precision = { hour: 13, day: 10, month: 7 }

export const time = (dialect: Dialect, column: string, step: keyof typeof precision): string =>
  dialect === "pg"
    ? `substr(to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24'), 1, ${precision[step]})`
    : `substr(${column}, 1, ${precision[step]})`

/** Of a column that has hours already. */
export const ofHour = (column: string, step: keyof typeof precision): string =>
  `substr(${column}, 1, ${precision[step]})`

export const isCall = (at: string): string => `COALESCE(${at}kind, 'call') = 'call'`

export const isPartial = (dialect: Dialect, at: string): string =>
  flag(dialect === "pg" ? `${at}usage_partial` : `${at}usage_partial = 1`)
