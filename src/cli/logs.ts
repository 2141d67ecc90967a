/** `majordomo logs`: the newest calls, one line each. */
import * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { asObject, asString, parse } from "../internal/json/values.ts"
import { columns } from "../logging/internal/sql/columns.ts"
import * as LogReader from "../logging/LogReader.ts"
import type { Entry } from "../logging/RequestLog.ts"
import * as database from "./database.ts"
import { oneLine, print, printJson, Screen } from "./screen.ts"
import { selected, type Wanted } from "./selection.ts"
import * as table from "./table.ts"

export interface Options extends Wanted {
  readonly follow: boolean
  readonly limit: number
  readonly db: string
  readonly json: boolean
}

type Row = Readonly<Record<string, unknown>>

/** A row by the names of its columns. */
const rowOf = (entry: Entry): Row =>
  Object.fromEntries(columns.map(({ name, of, pg }) => {
    const value = of(entry) ?? null
    return [name, pg === "jsonb" && typeof value === "string" ? parse(value) ?? null : value]
  }))

/** Newest first. */
const newest = (filter: LogReader.Filter, limit: number) =>
  Effect.gen(function*() {
    const found: Array<Row> = []
    let after: string | undefined
    do {
      const page: LogReader.Page = yield* LogReader.page(filter, { limit: limit - found.length, after })
      found.push(...page.rows.map(rowOf))
      after = Option.getOrUndefined(page.next)
    } while (after !== undefined && found.length < limit)
    return found
  })

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
    cost !== undefined ? `$${oneLine(cost)}` : status === "success" ? "cost unknown" : "",
    oneLine(labels.join(" ")),
    style.faint(said("request_id")),
    message.length > maxMessage ? `${message.slice(0, maxMessage - 1)}…` : message
  ].filter((part) => part !== "").join("  ")
}

/**
 * A row comes when its call has ended, with the time at which it began: what began so long ago is looked for, and what
 * took longer than that.
 */
const window = 15 * 60_000
const longest = 48 * 3_600_000
const maxWindow = 10_000

export const run = (options: Options) =>
  Effect.gen(function*() {
    const filter = yield* selected(options)
    const { isColoured, untilInterrupted, width } = yield* Screen
    const style = table.styleOf(isColoured)
    const show = (rows: ReadonlyArray<Row>) =>
      Effect.forEach(
        Arr.reverse(rows),
        (row) => options.json ? printJson(row) : print(table.fitted(lineOf(row, style), width)),
        { discard: true }
      )
    const recent = Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const since = (ago: number) => Math.max(now - ago, filter.since ?? 0)
      return Effect.zipWith(
        newest({ ...filter, since: since(window) }, maxWindow),
        newest({ ...filter, since: since(longest), until: now - window, longerThan: window / 2000 }, maxWindow),
        (short, long) => [...short, ...long]
      )
    })
    const idsOf = (rows: ReadonlyArray<Row>) => new Set(rows.map((row) => row["request_id"]))

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
      Layer.provide(LogReader.layer, database.layerReading(options.db))
    )
  })
