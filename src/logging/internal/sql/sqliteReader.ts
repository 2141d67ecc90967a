/**
 * A client that only reads a SQLite file, in a thread of its own: the driver answers in the thread that asks, and a report
 * over a million rows would hold up every call of the program.
 */
import type * as Reactivity from "@effect/experimental/Reactivity"
import * as SqlClient from "@effect/sql/SqlClient"
import type { Connection } from "@effect/sql/SqlConnection"
import { SqlError } from "@effect/sql/SqlError"
import * as Statement from "@effect/sql/Statement"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { createRequire } from "node:module"
import { Worker } from "node:worker_threads"

/** Text, so that bundlers leave it alone; `driver` is where better-sqlite3 was found. */
const program = `
const { parentPort, workerData } = require("node:worker_threads")
const Database = require(workerData.driver)
let db
parentPort.on("message", ({ id, sql, params, raw }) => {
  try {
    db ??= new Database(workerData.filename, { readonly: true, fileMustExist: true, timeout: 5000 })
    const statement = db.prepare(sql)
    const rows = !statement.reader ? (statement.run(...params), []) : statement.raw(raw).all(...params)
    parentPort.postMessage({ id, rows })
  } catch (error) {
    parentPort.postMessage({ id, message: String(error.message), code: error.code })
  }
})
`

interface Answer {
  readonly id: number
  readonly rows?: ReadonlyArray<unknown>
  readonly message?: string
  readonly code?: string
}

/** What the driver said, with its code. */
class ReaderError extends Error {
  readonly code: string | undefined
  constructor(message: string, code: string | undefined) {
    super(message)
    this.code = code
  }
}

const driver = (): string => {
  const here = createRequire(import.meta.url)
  return createRequire(here.resolve("@effect/sql-sqlite-node")).resolve("better-sqlite3")
}

const failed = (cause: unknown) => new SqlError({ cause, message: "Failed to execute statement" })

class Thread {
  private readonly filename: string
  private readonly asked = new Map<number, (answer: Effect.Effect<ReadonlyArray<unknown>, SqlError>) => void>()
  private worker: Worker | undefined
  private last = 0

  constructor(filename: string) {
    this.filename = filename
  }

  /** Started by the first question; after its end the next one starts another. */
  private get started(): Worker {
    if (this.worker !== undefined) return this.worker
    const worker = new Worker(program, { eval: true, workerData: { driver: driver(), filename: this.filename } })
    worker.on("message", ({ code, id, message, rows }: Answer) => {
      const resume = this.asked.get(id)
      this.asked.delete(id)
      resume?.(
        rows === undefined ? Effect.fail(failed(new ReaderError(message ?? "failed", code))) : Effect.succeed(rows)
      )
    })
    const ended = (cause: Error) => {
      if (this.worker === worker) this.worker = undefined
      for (const resume of this.asked.values()) resume(Effect.fail(failed(cause)))
      this.asked.clear()
    }
    worker.on("error", ended)
    worker.on("exit", () => ended(new Error("the thread that reads the log has ended")))
    // A program is not kept alive by it.
    worker.unref()
    return this.worker = worker
  }

  ask(sql: string, params: ReadonlyArray<unknown>, raw: boolean): Effect.Effect<ReadonlyArray<unknown>, SqlError> {
    return Effect.async<ReadonlyArray<unknown>, SqlError>((resume) => {
      const id = ++this.last
      try {
        const worker = this.started
        this.asked.set(id, resume)
        worker.ref()
        // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
        worker.postMessage({ id, sql, params, raw })
      } catch (cause) {
        resume(Effect.fail(failed(cause)))
      }
      return Effect.sync(() => this.asked.delete(id))
    }).pipe(Effect.ensuring(Effect.sync(() => {
      if (this.asked.size === 0) this.worker?.unref()
    })))
  }

  get end(): Effect.Effect<void> {
    return Effect.promise(async () => {
      await this.worker?.terminate()
    })
  }
}

type Rows = ReadonlyArray<Readonly<Record<string, unknown>>>

export const make = (
  filename: string
): Effect.Effect<SqlClient.SqlClient, never, Scope.Scope | Reactivity.Reactivity> =>
  Effect.gen(function*() {
    const thread = yield* Effect.acquireRelease(Effect.sync(() => new Thread(filename)), (thread) => thread.end)
    const run = (sql: string, params: ReadonlyArray<unknown>) =>
      Effect.map(thread.ask(sql, params, false), (rows) => rows as Rows) // objects, as asked for
    const connection: Connection = {
      execute: (sql, params, transform) =>
        Effect.map(run(sql, params), (rows) => transform === undefined ? rows : transform(rows)),
      executeRaw: run,
      executeValues: (sql, params) =>
        Effect.map(thread.ask(sql, params, true), (rows) => rows as ReadonlyArray<ReadonlyArray<unknown>>), // arrays
      executeUnprepared: (sql, params, transform) =>
        Effect.map(run(sql, params), (rows) => transform === undefined ? rows : transform(rows)),
      executeStream: () => Stream.fail(failed(new Error("a stream of rows is not supported")))
    }
    return yield* SqlClient.make({
      acquirer: Effect.succeed(connection),
      compiler: Statement.makeCompilerSqlite(),
      spanAttributes: [["db.system.name", "sqlite"]]
    })
  })
