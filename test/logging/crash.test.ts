import { FileSystem } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { assert, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import * as JsonLinesRequestLog from "../../src/logging/JsonLinesRequestLog.ts"
import * as Logging from "../../src/logging/Logging.ts"
import { FakeProvider, TestLLM } from "../../src/testing/index.ts"

const program = fileURLToPath(new URL("child.ts", import.meta.url))

/** Starts the program, kills it when it has printed so many ids, and gives all it has printed. */
const killedAfter = (ids: number, args: ReadonlyArray<string>) =>
  Effect.async<ReadonlyArray<string>, Error>((resume) => {
    const child = spawn(process.execPath, ["--import", "tsx", program, ...args], { stdio: ["ignore", "pipe", "pipe"] })
    let printed = ""
    let said = ""
    child.stdout.on("data", (text) => {
      printed += String(text)
      if (printed.split("\n").length > ids) child.kill("SIGKILL")
    })
    child.stderr.on("data", (text) => said += String(text))
    child.on("close", (_, signal) =>
      resume(
        signal === "SIGKILL"
          ? Effect.succeed(printed.slice(0, printed.lastIndexOf("\n")).split("\n"))
          : Effect.fail(new Error(said))
      ))
    return Effect.sync(() => child.kill("SIGKILL"))
  })

it.scopedLive(
  "kill -9: every answer that was handed over has its row, once, after the next start",
  () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const directory = yield* fs.makeTempDirectoryScoped()
      const fake = yield* FakeProvider.make({ respond: () => FakeProvider.text("Hi") })
      const path = `${directory}/calls.jsonl`
      const written = Effect.map(
        fs.readFileString(path),
        (text) => text.split("\n").filter((line) => line !== "").map((line): string => JSON.parse(line).requestId)
      )
      const answered: Array<string> = []
      for (const ids of [150, 40]) answered.push(...(yield* killedAfter(ids, [fake.url, directory])))
      assert.isAtLeast(answered.length, 190)
      const next = Logging.layer({ spool: { directory: `${directory}/spool`, staleAfter: "1 second" } }).pipe(
        Layer.provide([TestLLM.layer([]), JsonLinesRequestLog.layer({ path })])
      )
      yield* Effect.provide(
        Effect.repeat(Effect.zipRight(Effect.sleep("50 millis"), written), {
          until: (rows) => answered.every((id) => rows.includes(id))
        }),
        next
      )
      const rows = yield* written
      assert.strictEqual(new Set(rows).size, rows.length)
      const left = yield* fs.readDirectory(`${directory}/spool`)
      assert.deepStrictEqual(left.filter((name) => name.endsWith(".seg")), [])
    }).pipe(Effect.provide(NodeContext.layer)),
  30_000
)
