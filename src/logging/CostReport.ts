/**
 * Who spent what: questions to the table of calls, on SQLite and PostgreSQL alike. Sums of costs are exact.
 *
 * The client of a sink or of `SqliteRequestLog.layerReader` (see `LogReader.layerClient`) holds up nobody. A `SqliteClient`
 * of one's own answers in the thread that asks: the program stands still as long as a question takes.
 *
 * @since 0.1.0
 */
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import type * as BigDecimal from "effect/BigDecimal"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import * as queries from "./internal/sql/report.ts"

/**
 * What rows are grouped by. `{ label }` is a key of the metadata, in any spelling (`"user-id"`, `"userId"`). Days, hours
 * and months are UTC.
 *
 * @since 0.1.0
 * @category models
 */
export type Dimension =
  | "provider"
  | "model"
  | "requested-model"
  | "key"
  | "status"
  | "error"
  | "hour"
  | "day"
  | "month"
  | { readonly label: string }

/**
 * Which calls are asked about. Default: all.
 *
 * @since 0.1.0
 * @category models
 */
export interface Filter {
  /** Calls that began at this time or later: ms since the epoch, or so long ago. */
  readonly since?: number | Duration.Duration | undefined
  /** Calls that began before: ms since the epoch. */
  readonly until?: number | undefined
  /** Calls that this provider served. */
  readonly provider?: string | undefined
  /** Calls that this model served. */
  readonly model?: string | undefined
  /** Calls that ended so. */
  readonly status?: "success" | "error" | "cancelled" | undefined
  /** Labels a call must have, keys in any spelling. */
  readonly labels?: Readonly<Record<string, string>> | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Options extends Filter {
  /** Default: one row for all. */
  readonly by?: Dimension | ReadonlyArray<Dimension> | undefined
  /**
   * Default `"cost"`, largest first; a time dimension that is given first orders the rows by time instead, and the newest
   * of them are kept.
   */
  readonly orderBy?: "cost" | "requests" | "tokens" | undefined
  /** Rows at most. Default 1000. */
  readonly limit?: number | undefined
}

/**
 * The calls of one group.
 *
 * @since 0.1.0
 * @category models
 */
export interface Totals {
  /** The values of the dimensions, in their order; null where a call has none. */
  readonly group: ReadonlyArray<string | null>
  /** All calls. */
  readonly requests: number
  /** Calls that failed. */
  readonly errors: number
  /** Calls that were given up. */
  readonly cancelled: number
  /** Answered, but not at the first try: by a retry, or by another member of a cascade. */
  readonly rescued: number
  /** Answered from a `Cache`, for nothing: their tokens are in the sums, as they once were. */
  readonly cached: number
  /** Calls that used tokens at a price nobody knows, failures included: their cost is not in `cost`. */
  readonly unpriced: number
  /** Calls that ended before their counts were final: of their tokens and costs the known part is in the sums. */
  readonly partial: number
  /** Tokens of prompts, cache included. */
  readonly inputTokens: number
  /** Tokens of answers, reasoning included. */
  readonly outputTokens: number
  /** The part of `inputTokens` that was read from a cache. */
  readonly cachedTokens: number
  /** The part of `outputTokens` spent on thinking. */
  readonly reasoningTokens: number
  /** USD. */
  readonly cost: BigDecimal.BigDecimal
  /** USD, of `cost`: what is known of the calls in `partial`. */
  readonly partialCost: BigDecimal.BigDecimal
}

/**
 * The groups of a report.
 *
 * @since 0.1.0
 * @category models
 */
export interface Groups extends ReadonlyArray<Totals> {
  /** Groups beyond the limit: the smallest, or over time the oldest. */
  readonly leftOut: number
}

/**
 * Seconds; none where nothing was measured.
 *
 * @since 0.1.0
 * @category models
 */
export interface Percentiles {
  /** The values of the dimensions, in their order; null where a call has none. */
  readonly group: ReadonlyArray<string | null>
  /** Of whole calls, one for each percentile that was asked for. */
  readonly responseTime: ReadonlyArray<Option.Option<number>>
  /** Of streams, to their first content, one for each percentile that was asked for. */
  readonly timeToFirstToken: ReadonlyArray<Option.Option<number>>
}

/**
 * Requests, errors, tokens and costs of each group.
 *
 * @since 0.1.0
 * @category reports
 * @example
 * ```ts
 * import * as CostReport from "effect-majordomo/logging/CostReport"
 * import * as LogReader from "effect-majordomo/logging/LogReader"
 * import * as SqliteRequestLog from "effect-majordomo/logging/SqliteRequestLog"
 * import { BigDecimal, Console, Duration, Effect, Layer } from "effect"
 *
 * const database = LogReader.layerClient.pipe(Layer.provide(SqliteRequestLog.layerReader({ filename: "llm_logs.db" })))
 *
 * const program = Effect.gen(function*() {
 *   const users = yield* CostReport.totals({ by: { label: "user-id" }, since: Duration.days(7), limit: 10 })
 *   for (const { cost, group, requests } of users) {
 *     yield* Console.log(group[0] ?? "nobody", requests, BigDecimal.format(cost))
 *   }
 * }).pipe(Effect.provide(database))
 * ```
 */
export const totals = (
  options: Options = {}
): Effect.Effect<Groups, SqlError, SqlClient.SqlClient> =>
  Effect.flatMap(
    prepared(options),
    ({ bounds, by, sql }) =>
      queries.totals(sql, by, { ...options, ...bounds }, options.orderBy ?? "cost", options.limit ?? 1000)
  )

/**
 * The most expensive groups: `totals` with a limit.
 *
 * @since 0.1.0
 * @category reports
 */
export const top = (
  count: number,
  by: Dimension,
  filter: Filter = {}
): Effect.Effect<Groups, SqlError, SqlClient.SqlClient> => totals({ ...filter, by, limit: count })

/**
 * Groups over time, oldest first; where there are more than `limit`, the newest of them. Steps without a call are left
 * out.
 *
 * @since 0.1.0
 * @category reports
 */
export const series = (
  step: "hour" | "day" | "month",
  options: Omit<Options, "orderBy"> = {}
): Effect.Effect<Groups, SqlError, SqlClient.SqlClient> => totals({ ...options, by: [step, ...dimensions(options.by)] })

/**
 * How long answers took: for each of `at` (0 to 1, default 0.5, 0.95 and 0.99) the smallest time that so many of the
 * successful calls did not exceed.
 *
 * @since 0.1.0
 * @category reports
 */
export const percentiles = (
  options: Omit<Options, "orderBy" | "limit" | "status"> & { readonly at?: ReadonlyArray<number> | undefined } = {}
): Effect.Effect<ReadonlyArray<Percentiles>, SqlError, SqlClient.SqlClient> =>
  Effect.flatMap(
    prepared(options),
    ({ bounds, by, sql }) =>
      queries.percentiles(sql, by, { ...options, ...bounds, status: "success" }, options.at ?? [0.5, 0.95, 0.99])
  )

/**
 * The share of calls that failed, and of answers that a further try saved; 0 to 1.
 *
 * @since 0.1.0
 * @category reports
 */
export const rates = (
  { cancelled, errors, requests, rescued }: Totals
): { readonly error: number; readonly rescue: number } => ({
  error: share(errors, requests),
  rescue: share(rescued, requests - errors - cancelled)
})

/**
 * How much of a total is not known to be all: the share of calls whose cost is known in part, and of those at a price
 * nobody knows; 0 to 1. Failures are among them.
 *
 * @since 0.1.0
 * @category reports
 */
export const uncertainty = (
  { partial, requests, unpriced }: Totals
): { readonly partial: number; readonly unpriced: number } => ({
  partial: share(partial, requests),
  unpriced: share(unpriced, requests)
})

const share = (count: number, of: number): number => of === 0 ? 0 : count / of

const dimensions = (by: Options["by"]): ReadonlyArray<Dimension> => by === undefined ? [] : isDimension(by) ? [by] : by

const isDimension = (by: Dimension | ReadonlyArray<Dimension>): by is Dimension => !Array.isArray(by)

const prepared = ({ by, since, until }: Pick<Options, "by" | "since" | "until">) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const now = yield* Clock.currentTimeMillis
    const from = Duration.isDuration(since) ? now - Duration.toMillis(since) : since
    return { sql, by: dimensions(by), bounds: { from, to: until } }
  })
