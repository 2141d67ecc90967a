/** The stores of limits, as several replicas have them. */
import { SqlClient } from "@effect/sql"
import { PgClient } from "@effect/sql-pg"
import { SqliteClient } from "@effect/sql-sqlite-node"
import { Context, Effect, Layer, Redacted, Scope } from "effect"
import { join } from "node:path"
import { inject } from "vitest"
import * as database from "../../../src/gateway/internal/database.ts"
import * as redisStore from "../../../src/gateway/internal/limits/redisStore.ts"
import * as sqlStore from "../../../src/gateway/internal/limits/sqlStore.ts"
import * as stores from "../../../src/gateway/internal/limits/store.ts"
import { queryAt } from "../../logging/postgres.ts"
import { temporary } from "../running.ts"

/** Ms: as long as a grant is good for. */
export const lifetime = 5000

/** A store for each replica that asks for one, all of them over the same books. */
export type Shared = Effect.Effect<stores.Store>

export const memory: Effect.Effect<Shared, never, Scope.Scope> = Effect.sync(() => {
  const ledgers = new stores.Ledgers()
  return Effect.sync(() => stores.memory({ ledgers, lifetime, share: 4n }))
})

const over = (client: Layer.Layer<SqlClient.SqlClient, unknown>): Effect.Effect<Shared, never, Scope.Scope> =>
  Effect.gen(function*() {
    const context = yield* Layer.build(client)
    const sql = Context.get(context, SqlClient.SqlClient)
    yield* Effect.provideService(database.migrate, SqlClient.SqlClient, sql)
    return Effect.provideService(sqlStore.make({ lifetime, time: "caller" }), SqlClient.SqlClient, sql)
  }).pipe(Effect.orDie)

export const sqlite: Effect.Effect<Shared, never, Scope.Scope> = Effect.flatMap(
  temporary,
  (directory) => over(SqliteClient.layer({ filename: join(directory, "limits.db") }))
)

let databases = 0

export const postgres: Effect.Effect<Shared, never, Scope.Scope> = Effect.gen(function*() {
  const url = new URL(inject("postgresUrl"))
  const name = `limits_${process.pid}_${databases++}`
  yield* queryAt(url.href, `CREATE DATABASE ${name}`)
  url.pathname = `/${name}`
  return yield* over(PgClient.layer({ url: Redacted.make(url.href), maxConnections: 2 }))
})

/** Over a Redis, apart from what others keep there. */
export const redisAt = (url: string): Effect.Effect<Shared, never, Scope.Scope> =>
  Effect.map(Effect.scope, (scope) => {
    const prefix = `test-${process.pid}-${databases++}`
    return redisStore.make({ url: Redacted.make(url), prefix, lifetime, time: "caller" }).pipe(
      Scope.extend(scope),
      Effect.orDie
    )
  })
