/** `majordomo logs`: the newest calls, one line each. */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { asObject, asString, parse } from "../internal/json/values.ts"
import { columns, names } from "../logging/internal/sql/columns.ts"
import { where } from "../logging/internal/sql/report.ts"
import * as database from "./database.ts"
import { oneLine, print, printJson, Screen } from "./screen.ts"
import { type Selected, selected, type Wanted } from "./selection.ts"
import * as table from "./table.ts"

export interface Options extends Wanted {
  readonly follow: boolean
  readonly limit: number
  readonly db: string
  readonly json: boolean
}

type Row = Readonly<Record<string, unknown>>

/** Values as they are meant, whatever the driver makes of them. */
const read = (found: Row): Row =>
  Object.fromEntries(columns.map(({ name, pg }) => {
    const value = found[name]
    if (value === null || value === undefined) return [name, null]
    switch (pg) {
      case "bigint":
      case "integer":
      case "double precision":
        return [name, Number(value)]
      case "boolean":
        return [name, Boolean(value)]
      case "jsonb":
        return [name, typeof value === "string" ? parse(value) ?? null : value]
      default:
        return [name, value instanceof Date ? value.toISOString() : String(value)]
    }
  }))

/** Newest first. */
const newest = (filter: Selected, limit: number) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) =>
    Effect.map(
      sql<Row>`SELECT ${sql.literal(names)} FROM llm_requests
        WHERE ${where(sql, { ...filter, from: filter.since, to: filter.until })}
        ORDER BY "timestamp" DESC, request_id DESC LIMIT ${limit}`,
      (rows) => rows.map(read)
    ))

const maxMessage = 100

const lineOf = (row: Row, style: table.Style): string => {
  const said = (name: string) => oneLine(String(row[name] ?? ""))
  const status = said("status")
  const labels = Object.entries(asObject(row["raw_metadata"])).map(([label, value]) => `${label}=${String(value)}`)
  const cost = asString(row["total_cost"])
  const message = said("error_message")
  return [
    style.faint(said("timestamp").slice(0, 19).replace("T", " ")),
    status === "success" ? status : style.accent(`${status} ${said("error_type")}`.trim()),
    `${said("provider")}/${said("model")}`,
    `${Number(row["response_time"] ?? 0).toFixed(2)} s`,
    `${said("input_tokens")} + ${said("output_tokens")} tokens`,
    cost !== undefined ? `$${cost}` : status === "success" ? "cost unknown" : "",
    oneLine(labels.join(" ")),
    style.faint(said("request_id")),
    message.length > maxMessage ? `${message.slice(0, maxMessage - 1)}…` : message
  ].filter((part) => part !== "").join("  ")
}

/** A row comes when its call has ended, with the time at which it began: what began so long ago is looked for. */
const window = 15 * 60_000
const maxWindow = 10_000

export const run = (options: Options) =>
  Effect.gen(function*() {
    const filter = yield* selected(options)
    const { isColoured, untilInterrupted } = yield* Screen
    const style = table.styleOf(isColoured)
    const show = (rows: ReadonlyArray<Row>) =>
      Effect.forEach(
        Arr.reverse(rows),
        (row) => options.json ? printJson(row) : print(lineOf(row, style)),
        { discard: true }
      )
    const recent = Effect.flatMap(Clock.currentTimeMillis, (now) =>
      newest({ ...filter, since: Math.max(now - window, filter.since ?? 0) }, maxWindow))
    const idsOf = (rows: ReadonlyArray<Row>) =>
      new Set(rows.map((row) => row["request_id"]))

    const followed = Effect.gen(function*() {
      let seen = idsOf(yield* recent)
      yield* show(yield* newest(filter, options.limit))
      yield* untilInterrupted
      while (true) {
        yield* Effect.sleep("1 second")
        const rows = yield* recent
        yield* show(rows.filter((row) => !seen.has(row["request_id"])))
        seen = idsOf(rows)
      }
    })
    const once = Effect.flatMap(newest(filter, options.limit), show)
    yield* Effect.provide(
      database.asked(options.db, options.follow ? followed : once),
      database.layerReading(options.db)
    )
  })
