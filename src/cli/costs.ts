/** `majordomo costs`: who spent what. */
import * as BigDecimal from "effect/BigDecimal"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { amountToString } from "../Cost.ts"
import * as CostReport from "../logging/CostReport.ts"
import { dimensionOf } from "../logging/internal/dimension.ts"
import * as database from "./database.ts"
import { print, printError, printJson, Screen, UsageError } from "./screen.ts"
import { selected, type Wanted } from "./selection.ts"
import * as table from "./table.ts"

export interface Options extends Wanted {
  readonly by: string
  readonly limit: number
  readonly db: string
  readonly json: boolean
}

const dollars = (cost: BigDecimal.BigDecimal): string => `$${amountToString(cost)}`

const grouped = (count: number): string => String(count).replace(/\B(?=(\d{3})+$)/g, ",")

const cellsOf = (totals: CostReport.Totals): ReadonlyArray<string> => [
  grouped(totals.requests),
  grouped(totals.errors),
  grouped(totals.inputTokens),
  grouped(totals.outputTokens),
  dollars(totals.cost)
]

const barCells = 20

export const run = (options: Options) =>
  Effect.gen(function*() {
    const names = options.by.split(",").map((name) => name.trim()).filter((name) => name !== "")
    if (names.length === 0) return yield* new UsageError({ message: "--by names nothing: feature, model, day …" })
    const filter = yield* selected(options)
    const { isColoured, width } = yield* Screen
    const [rows, total] = yield* Effect.provide(
      database.asked(
        options.db,
        Effect.all([
          CostReport.totals({ ...filter, by: names.map(dimensionOf), limit: options.limit }),
          Effect.map(CostReport.totals(filter), ([all]) => all)
        ])
      ),
      database.layerReading(options.db)
    )
    if (options.json) {
      return yield* printJson({ rows: rows.map((row) => toJson(row, names)), total: total && toJson(total, []) })
    }
    if (rows.length === 0 || total === undefined) return yield* printError("no calls match")

    const style = table.styleOf(isColoured)
    const largest = rows.reduce((most, { cost }) => BigDecimal.max(most, cost), BigDecimal.make(0n, 0))
    const right = (title: string) => ({ title, align: "right" as const })
    const found = table.lines(
      [
        ...names.map((title) => ({ title })),
        ...["requests", "errors", "input", "output", "cost"].map(right)
      ],
      [
        ...rows.map((row) => [...row.group.map((value) => value ?? "(none)"), ...cellsOf(row)]),
        [...names.map((_, index) => index === 0 ? "total" : ""), ...cellsOf(total)]
      ],
      style,
      1
    )
    for (const [index, line] of found.entries()) {
      const row = rows[index - 1]
      const drawn = row === undefined ? "" : style.accent(table.bar(shareOf(row.cost, largest), barCells))
      yield* print(table.fitted(drawn === "" ? line : `${line}  ${drawn}`, width))
    }
    const shown = rows.reduce((sum, { requests }) => sum + requests, 0)
    if (shown < total.requests) {
      yield* printError(
        `${grouped(total.requests - shown)} calls are in groups left out (${grouped(rows.leftOut)} of them)`
      )
    }
    const { partial, unpriced } = CostReport.uncertainty(total)
    if (total.unpriced > 0) {
      yield* printError(
        `${grouped(total.unpriced)} calls (${percent(unpriced)}) have no known price and are not in cost`
      )
    }
    if (total.partial > 0) {
      yield* printError(
        `${grouped(total.partial)} calls (${
          percent(partial)
        }) ended before all was counted: of them the known part is in cost`
      )
    }
  })

const percent = (share: number): string => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`

const shareOf = (cost: BigDecimal.BigDecimal, largest: BigDecimal.BigDecimal): number =>
  Option.match(BigDecimal.divide(cost, largest), { onNone: () => 0, onSome: BigDecimal.unsafeToNumber })

const toJson = ({ cost, group, partialCost, ...counts }: CostReport.Totals, names: ReadonlyArray<string>) => ({
  ...Object.fromEntries(names.map((name, index) => [name, group[index] ?? null])),
  ...counts,
  cost: amountToString(cost),
  partialCost: amountToString(partialCost)
})
