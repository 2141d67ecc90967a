/**
 * What replicas share in tables of SQLite or PostgreSQL. A question is one transaction that locks the account it is about, and
 * a process asks when its slice is used up, not for every call.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Booking } from "../../../logging/RequestLog.ts"
import { Millis } from "../database.ts"
import { book, settle } from "./ledger.ts"
import { type Answer, type Ask, lastOf, remembered, restOf, type Store, StoreError } from "./store.ts"
import type { Window } from "./window.ts"

/** SQLite has no decimals and its driver no integers beyond 2^53: amounts go there and back as text. */
const Amount = Schema.BigInt
const rowsOf = <A, I>(fields: Schema.Schema<A, I>) => Schema.decodeUnknown(Schema.Array(fields))
const decodeUsed = rowsOf(Schema.Struct({ used: Amount, at: Schema.NullOr(Millis) }))
const decodeLeases = rowsOf(Schema.Struct({ holder: Schema.String, told: Amount, granted: Amount, until: Millis }))
const decodeUsage = rowsOf(Schema.Struct({ account: Schema.String, used: Amount }))

const away = () => new StoreError({ description: "the database does not answer" })

/** A grant is renewed every second, and outlives a pause of the process or of the database that is shorter, ms. */
const lifetime = 15_000
const share = 4n

export const make = (
  options: {
    readonly lifetime?: number | undefined
    readonly share?: bigint | undefined
    /** Whose time it is that grants end by. Default: PostgreSQL's, which is the same for all replicas. */
    readonly time?: "server" | "caller" | undefined
  } = {}
): Effect.Effect<Store, never, SqlClient.SqlClient> =>
  Effect.map(SqlClient.SqlClient, (sql): Store => {
    const lives = options.lifetime ?? lifetime
    const integer = sql.onDialectOrElse({
      pg: () => (amount: bigint) => sql`CAST(${String(amount)} AS NUMERIC)`,
      orElse: () => (amount: bigint) => sql`CAST(${String(amount)} AS INTEGER)`
    })

    const time = options.time === "caller" ? sql`NULL` : sql.onDialectOrElse({
      pg: () => sql`CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)`,
      orElse: () => sql`NULL`
    })

    /** What is used, and when; nobody else changes it until the transaction ends. */
    const locked = (account: string, { ends, starts }: Window, now: number) =>
      Effect.map(
        Effect.flatMap(
          // Writing first takes the lock, in either database.
          sql`INSERT INTO gateway_limit_windows (account, starts, ends, used) VALUES (${account}, ${starts}, ${ends}, 0)
            ON CONFLICT (account, starts) DO UPDATE SET ends = excluded.ends
            RETURNING CAST(used AS TEXT) AS used, ${time} AS at`,
          decodeUsed
        ),
        ([row]) => ({ used: row?.used ?? 0n, at: row?.at ?? now })
      )
    const setUsed = (account: string, { starts }: Window, used: bigint) =>
      sql`UPDATE gateway_limit_windows SET used = ${integer(used)} WHERE account = ${account} AND starts = ${starts}`

    const one = ({ account, holder, report, window }: Ask, now: number) =>
      Effect.gen(function*() {
        const { at, used } = yield* locked(account, window, now)
        const leases = yield* Effect.flatMap(
          sql`SELECT holder, CAST(told AS TEXT) AS told, CAST(granted AS TEXT) AS granted, valid_until AS "until"
            FROM gateway_limit_leases
            WHERE account = ${account} AND starts = ${window.starts} AND (holder = ${holder} OR valid_until > ${at})`,
          decodeLeases
        )
        const granted = leases.reduce((sum, lease) => lease.holder === holder ? sum : sum + lease.granted, 0n)
        const longest = at + lives
        // Who gave them this end has a clock that has been put back since; they are renewed, or end now as others do.
        if (leases.some(({ until }) => until > longest)) {
          yield* sql`UPDATE gateway_limit_leases SET valid_until = ${longest}
            WHERE account = ${account} AND starts = ${window.starts} AND valid_until > ${longest}`
        }
        const own = leases.find((lease) => lease.holder === holder)
        const entry = settle({ used, granted, own }, report, options.share ?? share)
        if (entry.used !== used) yield* setUsed(account, window, entry.used)
        yield* sql`INSERT INTO gateway_limit_leases (account, starts, holder, told, granted, valid_until)
          VALUES (${account}, ${window.starts}, ${holder}, ${integer(entry.told)}, ${integer(entry.granted)},
            ${longest})
          ON CONFLICT (account, starts, holder) DO UPDATE SET told = excluded.told, granted = excluded.granted,
            valid_until = excluded.valid_until`
        return { used: entry.used, granted: entry.granted }
      })

    const bookOne = ({ account, ends, holder, spent, starts }: Booking, now: number) =>
      Effect.gen(function*() {
        const window = { starts, ends }
        const { at, used } = yield* locked(account, window, now)
        const [own] = yield* Effect.flatMap(
          sql`SELECT holder, CAST(told AS TEXT) AS told, CAST(granted AS TEXT) AS granted, valid_until AS "until"
            FROM gateway_limit_leases WHERE account = ${account} AND starts = ${starts} AND holder = ${holder}`,
          decodeLeases
        )
        const entry = book({ used, own }, BigInt(spent))
        if (entry.used === used) return
        yield* setUsed(account, window, entry.used)
        yield* own === undefined
          ? sql`INSERT INTO gateway_limit_leases (account, starts, holder, told, granted, valid_until)
              VALUES (${account}, ${starts}, ${holder}, ${integer(entry.told)}, 0, ${at})`
          : sql`UPDATE gateway_limit_leases SET told = ${integer(entry.told)}, granted = ${integer(entry.granted)}
              WHERE account = ${account} AND starts = ${starts} AND holder = ${holder}`
      })

    const guarded = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, StoreError> =>
      // A connection that fails in the middle is a defect of some drivers.
      Effect.mapError(Effect.catchAllDefect(effect, away), away)

    const shortRest = restOf({ starts: 0, ends: 0 })
    const longRest = restOf({ starts: 0, ends: Number.MAX_SAFE_INTEGER })
    let sweptAt = 0
    /** Windows that have passed, and what processes that are no more once said. */
    const sweep = (now: number) =>
      Effect.suspend(() => {
        if (now - sweptAt < 3_600_000) return Effect.void
        sweptAt = now
        return Effect.all([
          sql`DELETE FROM gateway_limit_windows
            WHERE ends < ${now - shortRest} AND (ends - starts <= 60000 OR ends < ${now - longRest})`,
          sql`DELETE FROM gateway_limit_alerts WHERE ends < ${now - 3_600_000}`,
          sql`DELETE FROM gateway_limit_leases WHERE valid_until < ${now - 86_400_000} AND (
            valid_until < ${now - remembered} OR NOT EXISTS (SELECT 1 FROM gateway_limit_windows w
              WHERE w.account = gateway_limit_leases.account AND w.starts = gateway_limit_leases.starts))`
        ], { discard: true })
      })

    return {
      lifetime: lives,
      report: (asks, now) => {
        // In one order, so that two transactions do not wait for each other.
        const ordered = asks.map((ask, index) => ({ ask, index })).sort((a, b) =>
          a.ask.account < b.ask.account ? -1
            : a.ask.account > b.ask.account ? 1 : a.ask.window.starts - b.ask.window.starts
        )
        const answers: Array<Answer> = Array.from({ length: asks.length }, () => ({ used: 0n, granted: 0n }))
        return guarded(
          Effect.zipRight(
            sweep(now),
            sql.withTransaction(Effect.forEach(ordered, ({ ask, index }) =>
              Effect.map(one(ask, now), (answer) => {
                answers[index] = answer
              }), { discard: true }))
          )
        ).pipe(Effect.as(answers))
      },
      book: (bookings, now) => {
        const last = lastOf(bookings, now)
        return last.length === 0
          ? Effect.void
          : guarded(sql.withTransaction(Effect.forEach(last, (booking) => bookOne(booking, now), { discard: true })))
      },
      claim: (account, window, threshold) =>
        guarded(Effect.map(
          sql`INSERT INTO gateway_limit_alerts (account, starts, threshold, ends)
            VALUES (${account}, ${window.starts}, ${String(threshold)}, ${window.ends})
            ON CONFLICT (account, starts, threshold) DO NOTHING RETURNING account`,
          (rows) => rows.length === 1
        )),
      usage: (prefix, now) =>
        guarded(Effect.flatMap(
          sql`SELECT account, CAST(used AS TEXT) AS used FROM gateway_limit_windows
            WHERE starts <= ${now} AND ends > ${now} AND SUBSTR(account, 1, ${prefix.length}) = ${prefix}
            ORDER BY gateway_limit_windows.used DESC LIMIT 1000`,
          decodeUsage
        ))
    }
  })
