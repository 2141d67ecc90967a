import { NodeContext } from "@effect/platform-node"
import { assert, it } from "@effect/vitest"
import { Effect, Layer, Schedule } from "effect"
import { type ChildProcessByStdio, spawn } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import type { Readable } from "node:stream"
import { fileURLToPath } from "node:url"
import * as JsonLinesRequestLog from "../../src/logging/JsonLinesRequestLog.ts"
import * as Logging from "../../src/logging/Logging.ts"
import * as PgRequestLog from "../../src/logging/PgRequestLog.ts"
import type { RequestLog, RequestLogError } from "../../src/logging/RequestLog.ts"
import * as SqliteRequestLog from "../../src/logging/SqliteRequestLog.ts"
import { FakeProvider, TestLLM } from "../../src/testing/index.ts"
import { folder, Server } from "./databases.ts"
import * as postgres from "./postgres.ts"

// `npm run soak` for the long version.
const isLong = process.env["SOAK"] !== undefined
const kills = isLong ? 20 : 2
const calls = isLong ? 20_000 : 3_000

const program = fileURLToPath(new URL("child.ts", import.meta.url))

interface Answered {
  readonly id: string
  /** ms since the epoch. */
  readonly at: number
}

/** Runs the program, kills it at a random moment, and gives all the answers it had. */
const killed = (args: ReadonlyArray<string>) =>
  Effect.async<ReadonlyArray<Answered>, Error>((resume) => {
    const child: ChildProcessByStdio<null, Readable, Readable> = spawn(
      process.execPath,
      ["--import", "tsx", program, ...args, String(calls)],
      { stdio: ["ignore", "pipe", "pipe"] }
    )
    const target = 1 + Math.floor(Math.random() * calls * 0.9)
    let printed = ""
    let lines = 0
    let said = ""
    child.stdout.on("data", (chunk) => {
      const text = String(chunk)
      printed += text
      lines += text.split("\n").length - 1
      if (lines >= target) child.kill("SIGKILL")
    })
    child.stderr.on("data", (text) => said += String(text))
    child.on("close", (_, signal) => {
      const whole = printed.slice(0, printed.lastIndexOf("\n")).split("\n")
      const answers = whole.map((line) => {
        const [id = "", at = ""] = line.split(" ")
        return { id, at: Number(at) }
      })
      resume(signal === "SIGKILL" ? Effect.succeed(answers) : Effect.fail(new Error(said)))
    })
    return Effect.sync(() => child.kill("SIGKILL"))
  })

interface Sink {
  readonly target: string
  readonly layer: Layer.Layer<RequestLog, RequestLogError>
  readonly ids: Effect.Effect<ReadonlyArray<string>>
}

const jsonLines = (path: string): Sink => ({
  target: join(path, "calls.jsonl"),
  layer: Layer.provide(JsonLinesRequestLog.layer({ path: join(path, "calls.jsonl") }), NodeContext.layer),
  ids: Effect.sync(() =>
    readFileSync(join(path, "calls.jsonl"), "utf8").split("\n").filter((line) => line !== "").map((line): string =>
      JSON.parse(line).requestId
    )
  )
})
