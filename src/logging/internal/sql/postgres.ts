/**
 * Connections to PostgreSQL on which nothing waits for ever. The driver gives a connection back to its pool though it still
 * waits for an answer, the next one to take it waits behind that, and a transaction's BEGIN and ROLLBACK cannot be
 * interrupted: one network that drops what it is given would stop a program for good. Here a connection that is given up while
 * it waits is closed, and so is one that does not begin or end a transaction in time.
 */
import type * as Reactivity from "@effect/experimental/Reactivity"
import * as PgClient from "@effect/sql-pg/PgClient"
import * as SqlClient from "@effect/sql/SqlClient"
import type { Connection } from "@effect/sql/SqlConnection"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Predicate from "effect/Predicate"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import { Socket } from "node:net"
import { liveClock } from "../../../internal/call/runtime.ts"

export interface Postgres {
  readonly sql: SqlClient.SqlClient
  readonly listen: (channel: string) => Stream.Stream<string, SqlError>
  /** Ends all connections at once, whatever they wait for. */
  readonly cut: Effect.Effect<void>
}

/** A statement that was given up is cancelled at the server within this, else its connection is closed, ms. */
const grace = 500
const look = 20
const looks = Schedule.intersect(Schedule.spaced(look), Schedule.recurs(grace / look))
/**
 * The server ends a transaction whose client has gone without a word, and with it its locks. In one message, and of this
 * transaction alone: a pooler between has nothing to remember.
 */
const beginTransaction = "BEGIN; SET LOCAL idle_in_transaction_session_timeout = '15s'"
/** BEGIN, COMMIT and ROLLBACK take no longer. */
const transactionLimit = "15 seconds"

interface Driver {
  /** It waits for no answer. */
  readonly isIdle: () => boolean
  readonly close: () => void
}

/** The driver's connection below one of `@effect/sql`; undefined where it is another one than is known. */
const driverOf = (connection: Connection): Driver | undefined => {
  if (!Predicate.hasProperty(connection, "pg")) return undefined
  const { pg } = connection
  if (!Predicate.hasProperty(pg, "readyForQuery") || !Predicate.hasProperty(pg, "connection")) return undefined
  const { connection: wire } = pg
  return {
    isIdle: () => pg.readyForQuery === true,
    close: () => {
      if (Predicate.hasProperty(wire, "stream") && wire.stream instanceof Socket) wire.stream.destroy()
    }
  }
}

const guarded = (connection: Connection): Connection => {
  const driver = driverOf(connection)
  if (driver === undefined) return connection
  const { close, isIdle } = driver
  const closed = Effect.sync(close)
  const givenUp = Effect.withClock(
    Effect.flatMap(
      Effect.repeat(Effect.sync(isIdle), { until: (is) => is, schedule: looks }),
      () => isIdle() ? Effect.void : closed
    ),
    liveClock
  )
  const leavable = <A>(effect: Effect.Effect<A, SqlError>) =>
    Effect.onInterrupt(Effect.disconnect(effect), () => givenUp)
  const limited = <A>(effect: Effect.Effect<A, SqlError>) =>
    Effect.acquireUseRelease(
      Effect.forkDaemon(Effect.interruptible(Effect.withClock(Effect.delay(closed, transactionLimit), liveClock))),
      () => leavable(effect),
      Fiber.interrupt
    )
  return {
    execute: (...args) => leavable(connection.execute(...args)),
    executeRaw: (...args) => leavable(connection.executeRaw(...args)),
    executeValues: (...args) => leavable(connection.executeValues(...args)),
    executeUnprepared: (...args) => limited(connection.executeUnprepared(...args)),
    executeStream: (...args) => connection.executeStream(...args)
  }
}

/** The driver would lose a connection that comes when nobody waits for it any more. */
const reserved = (client: PgClient.PgClient): Effect.Effect<Connection, SqlError, Scope.Scope> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      yield* Effect.addFinalizer((exit) => Scope.close(scope, exit))
      const coming = yield* Effect.forkDaemon(Scope.extend(client.reserve, scope))
      return guarded(
        yield* Effect.onInterrupt(
          restore(Fiber.join(coming)),
          () => Effect.forkDaemon(Effect.zipRight(Fiber.await(coming), Scope.close(scope, Exit.void)))
        )
      )
    })
  )

export const make = (
  options: PgClient.PgClientConfig
): Effect.Effect<Postgres, SqlError, Scope.Scope | Reactivity.Reactivity> =>
  Effect.gen(function*() {
    const sockets = new Set<Socket>()
    const cut = Effect.sync(() => sockets.forEach((socket) => socket.destroy()))
    // What does not end by itself when the pool ends.
    yield* Effect.addFinalizer(() => cut)
    const client = yield* PgClient.make({
      ...options,
      stream: () => {
        const socket = new Socket()
        sockets.add(socket)
        return socket.once("close", () => sockets.delete(socket))
      }
    })
    const sql = yield* SqlClient.make({
      acquirer: reserved(client),
      beginTransaction,
      compiler: PgClient.makeCompiler(),
      spanAttributes: [["db.system.name", "postgresql"]]
    })
    return { sql, listen: client.listen, cut }
  })
