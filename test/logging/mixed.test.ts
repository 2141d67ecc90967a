import { NodeContext } from "@effect/platform-node"
import { assert, it } from "@effect/vitest"
import { Clock, Effect, Layer, Schedule } from "effect"
import { spawn } from "node:child_process"
import { existsSync, readdirSync } from "node:fs"
import { createServer } from "node:http"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Logging from "../../src/logging/Logging.ts"
import * as SqliteRequestLog from "../../src/logging/SqliteRequestLog.ts"
import { TestLLM } from "../../src/testing/index.ts"
import { isSoak } from "../runs.ts"
import { folder, sqliteAt } from "./databases.ts"

// `npm run soak` for the long version.
const isLong = isSoak

const program = fileURLToPath(new URL("../../.tmp/programs/test/logging/mixedChild.js", import.meta.url))

/** What a provider has billed, by the number of the call. */
interface Books {
  readonly url: string
  readonly billed: Map<string, { input: number; output: number; requests: number }>
}

/** Chat Completions in the raw, with books of its own: what it has made is billed, read or not. */
const provider = Effect.acquireRelease(
  Effect.async<{ readonly books: Books; readonly close: () => void }>((resume) => {
    const billed: Books["billed"] = new Map()
    const server = createServer((request, response) => {
      let text = ""
      request.on("data", (chunk) => text += String(chunk))
      request.on("end", () => {
        const { messages, stream } = JSON.parse(text)
        const n = /call (\S+)/.exec(JSON.stringify(messages))?.[1]?.replace(/["\\}\]]+$/, "") ?? ""
        const account = billed.get(n) ?? { input: 0, output: 0, requests: 0 }
        billed.set(n, account)
        account.requests++
        account.input += 10
        const usage = { prompt_tokens: 10, completion_tokens: 3, total_tokens: 13 }
        if (stream !== true) {
          account.output += 3
          response.writeHead(200, { "content-type": "application/json" })
          setTimeout(() =>
            response.end(JSON.stringify({
              id: "1",
              object: "chat.completion",
              model: "gpt-4.1",
              choices: [{ index: 0, message: { role: "assistant", content: "a b c" }, finish_reason: "stop" }],
              usage
            })), Math.random() * 6)
          return
        }
        response.writeHead(200, { "content-type": "text/event-stream" })
        const send = (event: object) =>
          response.write(
            `data: ${JSON.stringify({ id: "1", object: "chat.completion.chunk", model: "gpt-4.1", ...event })}\n\n`
          )
        let sent = 0
        const next = () => {
          if (response.destroyed) return
          if (sent < 3) {
            account.output++
            sent++
            send({ choices: [{ index: 0, delta: { role: "assistant", content: "a " }, finish_reason: null }] })
            setTimeout(next, Math.random() * 3)
            return
          }
          send({ choices: [{ index: 0, delta: {}, finish_reason: "stop" }] })
          send({ choices: [], usage })
          response.end("data: [DONE]\n\n")
        }
        next()
      })
    })
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      const port = typeof address === "object" && address !== null ? address.port : 0
      resume(Effect.succeed({
        books: { url: `http://127.0.0.1:${port}/v1`, billed },
        close: () => {
          server.closeAllConnections()
          server.close()
        }
      }))
    })
  }),
  ({ close }) => Effect.sync(close)
)

/** A process that is killed after so long; the numbers of the calls that had ended by then. */
const killed = (args: ReadonlyArray<string>, millis: number) =>
  Effect.async<ReadonlyArray<string>, Error>((resume) => {
    const child = spawn(process.execPath, [program, ...args], { stdio: ["ignore", "pipe", "pipe"] })
    let printed = ""
    let said = ""
    let timer: ReturnType<typeof setTimeout> | undefined
    child.stdout.on("data", (chunk) => {
      timer ??= setTimeout(() => child.kill("SIGKILL"), millis)
      printed += String(chunk)
    })
    child.stderr.on("data", (chunk) => said += String(chunk))
    child.on("close", (_, signal) => {
      const lines = printed.slice(0, printed.lastIndexOf("\n")).split("\n")
      const ended = lines.filter((line) => /^p\d+-\d+$/.test(line))
      resume(
        signal === "SIGKILL" ? Effect.succeed(ended)
          : Effect.fail(new Error(`ended by itself: ${said}${printed.slice(-500)}`))
      )
    })
    return Effect.sync(() => child.kill("SIGKILL"))
  })

it.scoped(
  "two processes in trouble on one spool, killed again and again: every call once, and its tokens or that they are partial",
  () =>
    Effect.gen(function*() {
      const path = yield* folder
      const [directory, filename] = [join(path, "spool"), join(path, "log.db")]
      const { books } = yield* provider
      const [lives, callers] = isLong ? [12, "64"] : [1, "8"]
      let started = 0
      const life = Effect.suspend(() =>
        killed([books.url, directory, filename, `p${++started}`, callers], isLong ? 4000 + Math.random() * 4000 : 1000)
      )
      const twice = Effect.all([Effect.replicateEffect(life, lives), Effect.replicateEffect(life, lives)], {
        concurrency: 2
      })
      const ended = (yield* twice).flat(2)
      // A start after the last kill, which writes what the others have left.
      yield* Effect.repeat(Effect.sync(() => existsSync(directory) ? readdirSync(directory) : []), {
        until: (names) => !names.some((name) => name.endsWith(".seg")),
        schedule: Schedule.spaced("50 millis")
      }).pipe(
        Effect.zipRight(Logging.flush),
        Effect.timeout("2 minutes"),
        Effect.provide(
          Logging.layer({ spool: { directory, staleAfter: "1 second" } }).pipe(
            Layer.provide([TestLLM.layer([]), SqliteRequestLog.layer({ filename }), NodeContext.layer])
          )
        )
      )
      const rows = yield* sqliteAt(filename).query(
        "SELECT raw_metadata->>'N' AS n, input_tokens, output_tokens, usage_partial, status FROM llm_requests"
      )
      const byCall = new Map(rows.map((row) => [String(row["n"]), row]))
      assert.strictEqual(byCall.size, rows.length, "no call twice")
      // A call that is interrupted does not wait for the disk: a kill may come before its row is there.
      const wasInterrupted = (n: string) => Number(n.split("-")[1]) % 6 >= 4
      const missing = ended.filter((n) => !byCall.has(n) && !wasInterrupted(n))
      const late = ended.filter((n) => !byCall.has(n) && wasInterrupted(n))
      const wrong: Array<unknown> = []
      for (const [n, row] of byCall) {
        const { input, output } = books.billed.get(n) ?? { input: 0, output: 0 }
        const isAll = Number(row["input_tokens"]) === input && Number(row["output_tokens"]) === output
        if (!isAll && row["usage_partial"] !== 1) wrong.push({ n, input, output, row })
      }
      const partial = rows.filter((row) => row["usage_partial"] === 1).length
      if (isLong) {
        process.stderr.write(
          `mixed: ${started} lives, ${ended.length} calls ended, ${rows.length} rows, ${partial} partial, ` +
            `${missing.length} missing, ${late.length} interrupted just before a kill missing, ${wrong.length} wrong\n`
        )
      }
      assert.isAbove(ended.length, 10)
      assert.deepStrictEqual([missing, wrong.slice(0, 5)], [[], []])
      assert.deepStrictEqual(readdirSync(join(directory, "aside")), [])
    }).pipe(Effect.withClock(Clock.make())),
  900_000
)
