/** One partition for each month (UTC): made when its first row comes, dropped when its last one is too old. */
import type * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type { Entry } from "../../RequestLog.ts"
import { erase } from "./erase.ts"
import { table } from "./migrations.ts"
import * as rollups from "./rollups.ts"

interface Month {
  readonly name: string
  readonly from: string
  readonly to: string
}

const monthOf = (timestamp: number): Month => {
  const date = new Date(timestamp)
  const start = (offset: number) => new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + offset, 1))
  const from = start(0).toISOString()
  return { name: `${table}_${from.slice(0, 4)}_${from.slice(5, 7)}`, from, to: start(1).toISOString() }
}

/** A check violation without a constraint: the row has no place. The message may be in any language. */
const lacksPartition = ({ cause }: SqlError): boolean =>
  Predicate.hasProperty(cause, "code") && cause.code === "23514" &&
  !(Predicate.hasProperty(cause, "constraint") && cause.constraint !== undefined)

// Any number will do, so long as every process takes the same.
const lock = 7_680_001

export class Partitions {
  private readonly sql: SqlClient.SqlClient
  readonly isPartitioned: boolean
  private readonly known = new Set<string>()

  constructor(sql: SqlClient.SqlClient, isPartitioned: boolean) {
    this.sql = sql
    this.isPartitioned = isPartitioned
  }

  /** A table that somebody else made may have none. */
  static make(sql: SqlClient.SqlClient): Effect.Effect<Partitions, SqlError> {
    return Effect.map(
      sql<{ kind: string }>`SELECT relkind AS kind FROM pg_class WHERE oid = ${table}::regclass`,
      ([found]) => new Partitions(sql, found?.kind === "p")
    )
  }

  /** Makes what these rows need. */
  private ensure(batch: ReadonlyArray<Entry>): Effect.Effect<void, SqlError> {
    if (!this.isPartitioned) return Effect.void
    const months = new Map<string, Month>()
    for (const { timestamp } of batch) {
      const month = monthOf(timestamp)
      if (!this.known.has(month.name)) months.set(month.name, month)
    }
    if (months.size === 0) return Effect.void
    const { sql } = this
    const created = Effect.forEach(
      months.values(),
      ({ from, name, to }) =>
        sql.unsafe(
          `CREATE TABLE IF NOT EXISTS ${name} PARTITION OF ${table} FOR VALUES FROM ('${from}') TO ('${to}')`
        ),
      { discard: true }
    )
    return Effect.map(this.locked(created), () => {
      for (const name of months.keys()) this.known.add(name)
    })
  }

  /** Writes rows with `insert`, where a month that is known may have been dropped by another process since. */
  writing(
    batch: ReadonlyArray<Entry>,
    insert: Effect.Effect<void, SqlError>
  ): Effect.Effect<void, SqlError> {
    const ensured = Effect.suspend(() => Effect.zipRight(this.ensure(batch), insert))
    return Effect.catchIf(ensured, lacksPartition, () => {
      this.known.clear()
      return ensured
    })
  }

  /** Drops the months that ended before. Of a table without partitions the rows are deleted. */
  drop(before: number): Effect.Effect<void, SqlError> {
    const { sql } = this
    if (!this.isPartitioned) {
      return Effect.asVoid(erase(sql, sql`"timestamp" < ${new Date(before).toISOString()}`, undefined))
    }
    const oldest = monthOf(before).name
    const found = sql<
      { name: string }
    >`SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
      WHERE i.inhparent = ${table}::regclass`
    const dropped = Effect.flatMap(found, (partitions) =>
      Effect.forEach(
        // Names sort as months do; others are somebody else's.
        partitions.filter(({ name }) => /^llm_requests_\d{4}_\d{2}$/.test(name) && name < oldest),
        ({ name }) =>
          Effect.all([
            sql`DROP TABLE ${sql(name)}`,
            rollups.forgetMonth(sql, name.slice(-7).replace("_", "-")),
            Effect.sync(() => this.known.delete(name))
          ], { discard: true }),
        { discard: true }
      ))
    return this.locked(dropped)
  }

  /** Alone among all processes. */
  private locked<A>(change: Effect.Effect<A, SqlError>): Effect.Effect<A, SqlError> {
    return this.sql.withTransaction(Effect.zipRight(this.sql`SELECT pg_advisory_xact_lock(${lock})`, change))
  }
}
