/**
 * Totals of calls by the hour, kept by triggers in the transaction that writes, changes or deletes rows, whoever does:
 * hour × provider × model × key × chosen labels × outcome. Reports read them instead of the rows where the question fits.
 *
 * Of a table that had rows before, hours are added one at a time, the newest first; `complete_from` says how far that is.
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import { toHeaderCase } from "../../../Metadata.ts"
import { columns, type Dialect } from "./columns.ts"
import { costOnce, costSource, isCall, isPartial, label, measures, time } from "./measures.ts"
import { table } from "./migrations.ts"

export const hourly = "llm_requests_hourly"
const state = "llm_rollups"
const version = 1
// Any number will do, so long as every process takes the same.
const lock = 7_680_002

export interface Rollups {
  readonly labels: ReadonlyArray<string>
  /** Hours from this one on are complete: `2026-11-21T08`, or nothing for all. */
  readonly completeFrom: string
}

const names = ["grp", "hour", "provider", "model", "api_key", "labels", "status", "partial"]

const dimensions = (dialect: Dialect, at: string, labels: ReadonlyArray<string>): ReadonlyArray<string> => {
  const chosen = labels.map((name) => `'${name.replaceAll("'", "''")}', ${label(dialect, at, name)}`).join(", ")
  const own = [
    time(dialect, `${at}"timestamp"`, "hour"),
    `${at}provider`,
    `${at}model`,
    `COALESCE(${at}api_key_alias, ${at}api_key_hash)`,
    dialect === "pg" ? `jsonb_build_object(${chosen})` : `json_object(${chosen})`,
    `${at}status`,
    isPartial(dialect, at)
  ]
  const all = own.join(", ")
  // PostgreSQL's indexes take no long texts.
  return [dialect === "pg" ? `md5(jsonb_build_array(${all})::text)` : joined(own), ...own]
}

/** Values as one text: none of them is like another, and nothing is like something. */
const joined = (values: ReadonlyArray<string>): string =>
  values.map((value) => `COALESCE('=' || ${value}, '')`).join(" || char(31) || ")

const sums = (dialect: Dialect) => measures(dialect, "").map(({ name }) => name)

const added = (dialect: Dialect): string =>
  `ON CONFLICT (grp) DO UPDATE SET ${
    sums(dialect).map((name) => `${name} = ${hourly}.${name} + excluded.${name}`).join(", ")
  }`

const target = (dialect: Dialect): string => `INSERT INTO ${hourly} (${[...names, ...sums(dialect)].join(", ")})`

/** Rows of `from` as totals. In one order always, so that two writers do not wait for each other. */
const grouped = (dialect: Dialect, labels: ReadonlyArray<string>, from: string, where: string, sign = ""): string => {
  const own = dimensions(dialect, "r.", labels).map((of, index) => `${of} AS ${names[index] ?? ""}`)
  const each = measures(dialect, "r.").map(({ name, of }) => `${of} AS ${name}_of`)
  return `SELECT ${names.join(", ")}, ${sums(dialect).map((name) => `${sign}SUM(${name}_of)`).join(", ")}
    FROM (SELECT ${[...own, ...each].join(", ")} FROM ${from} AS r WHERE ${isCall("r.")} AND ${where}) AS rows_of
    GROUP BY ${names.join(", ")} ORDER BY grp`
}

const events = { insert: [["NEW", ""]], delete: [["OLD", "-"]], update: [["OLD", "-"], ["NEW", ""]] } as const

const triggers: Record<Dialect, (labels: ReadonlyArray<string>) => ReadonlyArray<string>> = {
  sqlite: (labels) =>
    Object.entries(events).flatMap(([event, rows]) => {
      const bodies = rows.map(([row, sign]) => {
        const once = new Map(costOnce.map(({ name, of }) => [name, of]))
        const values = [
          ...dimensions("sqlite", `${row}.`, labels),
          ...measures("sqlite", `${row}.`).map(({ name, of }) => `${sign}(${once.get(name) ?? of})`)
        ]
        return `${target("sqlite")} SELECT ${values.join(", ")} FROM ${costSource(`${row}.`)} WHERE ${
          isCall(`${row}.`)
        } ${added("sqlite")};`
      })
      return [
        `DROP TRIGGER IF EXISTS ${hourly}_${event}`,
        `CREATE TRIGGER ${hourly}_${event} AFTER ${event} ON ${table} BEGIN ${bodies.join(" ")} END`
      ]
    }),
  pg: (labels) =>
    Object.entries(events).flatMap(([event, rows]) => {
      const tables = rows.map(([row]) => `${row} TABLE AS ${row.toLowerCase()}_rows`).join(" ")
      const bodies = rows.map(([row, sign]) =>
        `${target("pg")} ${grouped("pg", labels, `${row.toLowerCase()}_rows`, "true", sign)} ${added("pg")};`
      )
      return [
        `CREATE OR REPLACE FUNCTION ${hourly}_${event}() RETURNS trigger AS $body$
          BEGIN ${bodies.join(" ")} RETURN NULL; END $body$ LANGUAGE plpgsql`,
        `DROP TRIGGER IF EXISTS ${hourly}_${event} ON ${table}`,
        `CREATE TRIGGER ${hourly}_${event} AFTER ${event} ON ${table} REFERENCING ${tables}
          FOR EACH STATEMENT EXECUTE FUNCTION ${hourly}_${event}()`
      ]
    })
}

const tables: Record<Dialect, ReadonlyArray<string>> = {
  sqlite: [
    `CREATE TABLE IF NOT EXISTS ${hourly} (grp TEXT NOT NULL PRIMARY KEY, hour TEXT, provider TEXT, model TEXT, api_key TEXT,
      labels TEXT, status TEXT, partial INTEGER, ${
      sums("sqlite").map((name) => `${name} INTEGER`).join(", ")
    }) WITHOUT ROWID`
  ],
  pg: [
    `CREATE TABLE IF NOT EXISTS ${hourly} (grp text NOT NULL PRIMARY KEY, hour text COLLATE "C", provider text, model text, api_key text,
      labels jsonb, status text, partial integer,
      ${sums("pg").map((name) => `${name} ${name === "cost" ? "numeric" : "bigint"}`).join(", ")})`,
    `CREATE INDEX IF NOT EXISTS ${hourly}_hour ON ${hourly} (hour)`
  ]
}

/** A table of somebody else's may have other types: it is left without. */
const isOurs = (sql: SqlClient.SqlClient): Effect.Effect<boolean, SqlError> =>
  Effect.map(
    sql<{ name: string; type: string }>`SELECT attname AS name, format_type(atttypid, NULL) AS type FROM pg_attribute
      WHERE attrelid = ${table}::regclass AND attnum > 0 AND NOT attisdropped`,
    (rows) => {
      const types = new Map(rows.map(({ name, type }) => [name, type]))
      return columns.every(({ name, pg }) =>
        name === "request_id" || types.get(name) === (pg === "timestamptz" ? "timestamp with time zone" : pg)
      )
    }
  )

/** An hour after every row that is there. */
const afterAll = (sql: SqlClient.SqlClient): Effect.Effect<string, SqlError> =>
  Effect.map(sql<{ last: unknown }>`SELECT MAX("timestamp") AS last FROM ${sql(table)}`, ([found]) => {
    const last = found?.last
    if (last === null || last === undefined) return ""
    const at = last instanceof Date ? last.getTime() : Date.parse(String(last))
    return Number.isNaN(at) ? "9999" : new Date(at + 3_600_000).toISOString().slice(0, 13)
  })

/** Makes the tables and triggers where they are not there, or keep other labels. */
export const install = (
  sql: SqlClient.SqlClient,
  dialect: Dialect,
  wanted: ReadonlyArray<string>
): Effect.Effect<void, SqlError> => {
  const labels = [...new Set(wanted.map(toHeaderCase))].sort()
  const definition = JSON.stringify({ version, labels })
  return Effect.gen(function*() {
    if (dialect === "pg" && !(yield* isOurs(sql))) return
    if ((yield* read(sql, dialect))?.definition === definition) return
    yield* sql.withTransaction(Effect.gen(function*() {
      if (dialect === "pg") {
        // Writers hold the table and then want the totals: in the other order each would wait for the other.
        yield* sql`SELECT pg_advisory_xact_lock(${lock})`
        yield* sql`LOCK TABLE ${sql(table)} IN ACCESS EXCLUSIVE MODE`
        if ((yield* read(sql, dialect))?.definition === definition) return
      }
      yield* sql.unsafe(
        `CREATE TABLE IF NOT EXISTS ${state} (id integer PRIMARY KEY, definition text NOT NULL, complete_from text NOT NULL)`
      )
      for (const statement of tables[dialect]) yield* sql.unsafe(statement)
      yield* sql.unsafe(`DELETE FROM ${hourly}`)
      for (const statement of triggers[dialect](labels)) yield* sql.unsafe(statement)
      const from = yield* afterAll(sql)
      yield* sql`INSERT INTO ${sql(state)} (id, definition, complete_from) VALUES (1, ${definition}, ${from})
        ON CONFLICT (id) DO UPDATE SET definition = excluded.definition, complete_from = excluded.complete_from`
    }))
  })
}

interface State {
  readonly definition: string
  readonly complete_from: string
}

const read = (sql: SqlClient.SqlClient, dialect: Dialect): Effect.Effect<State | undefined, SqlError> =>
  Effect.gen(function*() {
    const found = dialect === "pg"
      ? yield* sql`SELECT 1 WHERE to_regclass(${state}) IS NOT NULL`
      : yield* sql`SELECT 1 FROM sqlite_master WHERE name = ${state}`
    if (found.length === 0) return undefined
    const [row] = yield* sql<State>`SELECT definition, complete_from FROM ${sql(state)}`
    return row
  })

/** What a report may use. */
export const available = (sql: SqlClient.SqlClient, dialect: Dialect): Effect.Effect<Rollups | undefined, SqlError> =>
  Effect.map(read(sql, dialect), (found) => {
    if (found === undefined) return undefined
    const { labels, version: made } = JSON.parse(found.definition)
    return made === version && Array.isArray(labels)
      ? { labels: labels.map(String), completeFrom: found.complete_from }
      : undefined
  })

/** Adds the newest hour that is not in the totals; whether there may be another. */
const step = (sql: SqlClient.SqlClient, dialect: Dialect): Effect.Effect<boolean, SqlError> =>
  sql.withTransaction(Effect.gen(function*() {
    // A write first: nobody else steps at the same time.
    yield* sql`UPDATE ${sql(state)} SET definition = definition`
    const found = yield* available(sql, dialect)
    if (found === undefined || found.completeFrom === "") return false
    const { completeFrom, labels } = found
    const bound = dialect === "pg" && completeFrom !== "9999" ? `${completeFrom}:00:00Z` : completeFrom
    const before = dialect === "pg" && completeFrom === "9999" ? sql`true` : sql`"timestamp" < ${bound}`
    const [last] = yield* sql<{ hour: string | null }>`SELECT MAX(${
      sql.literal(time(dialect, `"timestamp"`, "hour"))
    }) AS hour FROM ${sql(table)} WHERE "timestamp" = (SELECT MAX("timestamp") FROM ${sql(table)} WHERE ${before})`
    const hour = last?.hour ?? null
    if (hour === null || !/^[\dT: -]{13}$/.test(hour)) {
      yield* sql`UPDATE ${sql(state)} SET complete_from = ''`
      return false
    }
    yield* sql`DELETE FROM ${sql(hourly)} WHERE hour = ${hour}`
    const within = dialect === "pg"
      ? `"timestamp" >= '${hour}:00:00Z' AND "timestamp" < '${hour}:00:00Z'::timestamptz + interval '1 hour'`
      // What begins with the hour.
      : `"timestamp" >= '${hour}' AND "timestamp" < '${hour}~'`
    yield* sql.unsafe(`${target(dialect)} ${grouped(dialect, labels, table, within)}`)
    yield* sql`UPDATE ${sql(state)} SET complete_from = ${hour}`
    return true
  }))

/** Adds what is not in the totals yet, an hour at a time, so that writers and readers get their turns. */
export const complete = (sql: SqlClient.SqlClient, dialect: Dialect): Effect.Effect<void, SqlError> =>
  Effect.asVoid(
    Effect.repeat(Effect.zipLeft(step(sql, dialect), Effect.yieldNow()), { until: (more) => !more })
  )

/** Adds everything up anew. */
export const rebuild = (sql: SqlClient.SqlClient, dialect: Dialect): Effect.Effect<void, SqlError> =>
  Effect.gen(function*() {
    yield* sql.withTransaction(Effect.gen(function*() {
      yield* sql`DELETE FROM ${sql(hourly)}`
      yield* sql`UPDATE ${sql(state)} SET complete_from = ${yield* afterAll(sql)}`
    }))
    yield* complete(sql, dialect)
  })

/** Of a partition that is dropped no trigger hears. */
export const forgetMonth = (sql: SqlClient.SqlClient, month: string): Effect.Effect<void, SqlError> =>
  Effect.flatMap(read(sql, "pg"), (found) =>
    found === undefined
      ? Effect.void
      : Effect.asVoid(sql`DELETE FROM ${sql(hourly)} WHERE hour >= ${month} AND hour < ${`${month}~`}`))
