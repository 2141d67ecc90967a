import { FileSystem } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { type Console, Effect, Layer, Schema } from "effect"
import * as ConsoleRequestLog from "../../src/logging/ConsoleRequestLog.ts"
import * as JsonLinesRequestLog from "../../src/logging/JsonLinesRequestLog.ts"
import * as RequestLog from "../../src/logging/RequestLog.ts"
import { row } from "./setup.ts"
import * as sinks from "./sink.ts"

const write = (...rows: readonly [RequestLog.Entry, ...ReadonlyArray<RequestLog.Entry>]) =>
  Effect.flatMap(RequestLog.RequestLog, (log) => log.write(rows))

describe("JSON lines", () => {
  const file = Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const path = `${yield* fs.makeTempDirectoryScoped()}/calls.jsonl`
    const rows = Effect.flatMap(fs.readFileString(path), (text) =>
      Effect.forEach(
        text.split("\n").filter((line) => line !== ""),
        (line) => Schema.decode(Schema.parseJson(RequestLog.Entry))(line)
      ))
    return { fs, path, rows, layer: JsonLinesRequestLog.layer({ path }) }
  })

  it.scoped("one row a line, each once, also after another start", () =>
    Effect.gen(function*() {
      const { layer, rows } = yield* file
      yield* Effect.provide(Effect.zipRight(write(row(1), row(2)), write(row(2), row(3))), layer)
      yield* Effect.provide(write(row(3), row(4)), layer)
      assert.deepStrictEqual(yield* rows, [row(1), row(2), row(3), row(4)])
    }).pipe(Effect.provide(NodeContext.layer)))

  it.scoped("rows are for this user alone", () =>
    Effect.gen(function*() {
      const { fs, layer, path } = yield* file
      yield* Effect.provide(write(row(1)), layer)
      assert.strictEqual((yield* fs.stat(path)).mode & 0o777, 0o600)
    }).pipe(Effect.provide(NodeContext.layer)))

  it.scoped("half a line that a crash left goes", () =>
    Effect.gen(function*() {
      const { fs, layer, path, rows } = yield* file
      yield* Effect.provide(write(row(1)), layer)
      yield* fs.writeFileString(path, JSON.stringify(row(2)).slice(0, 30), { flag: "a" })
      yield* Effect.provide(write(row(2)), layer)
      assert.deepStrictEqual(yield* rows, [row(1), row(2)])
    }).pipe(Effect.provide(NodeContext.layer)))

  it.scoped("a file that cannot be opened says which", () =>
    Effect.gen(function*() {
      const layer = JsonLinesRequestLog.layer({ path: "/nowhere/at/all/calls.jsonl" })
      const error = yield* Effect.flip(Effect.provide(write(row(1)), layer))
      assert.include(error.message, "/nowhere/at/all/calls.jsonl")
    }).pipe(Effect.provide(NodeContext.layer)))
})

describe("several sinks", () => {
  it.effect("each gets every row once, also when one of them fails meanwhile", () =>
    Effect.gen(function*() {
      const a = yield* sinks.make()
      const b = yield* sinks.make(sinks.down)
      const c = yield* sinks.make()
      const layer = RequestLog.layerFanOut([a.layer, b.layer, c.layer])
      yield* Effect.gen(function*() {
        assert.strictEqual((yield* Effect.flip(write(row(1), row(2)))).reason, "Unavailable")
        yield* Effect.flip(write(row(1), row(2), row(3)))
        yield* b.set(sinks.up)
        yield* write(row(1), row(2), row(3))
        yield* write(row(4))
      }).pipe(Effect.provide(layer))
      for (const sink of [a, b, c]) assert.deepStrictEqual(sink.batches.flat(), [row(1), row(2), row(3), row(4)])
    }))

  it.effect("one alone is itself", () =>
    Effect.gen(function*() {
      const sink = yield* sinks.make()
      yield* Effect.provide(write(row(1)), RequestLog.layerFanOut([sink.layer]))
      assert.deepStrictEqual(sink.batches, [[row(1)]])
    }))
})

describe("the console", () => {
  it("shows a row in one line", () => {
    const line = ConsoleRequestLog.format(row(1, { status: "error", errorType: "RateLimited", totalCost: "0.0001" }))
    assert.strictEqual(
      line,
      "anthropic/claude-sonnet-4-5 error RateLimited 0.50 s, 10 + 5 tokens, $0.0001 [00000000-0000-7000-8000-000000000001]"
    )
  })

  it.effect("whatever a provider calls itself moves no cursor and makes no line of its own", () =>
    Effect.gen(function*() {
      const lines: Array<unknown> = []
      const console: Console.Console = {
        ...(yield* Effect.console),
        log: (...said) => Effect.sync(() => void lines.push(...said))
      }
      const forged = row(1, {
        provider: "p\u001b[2J",
        model: "m\r\nanthropic/m success 0.00 s, 0 + 0 tokens, $0",
        status: "error",
        errorType: "\u009b31m\u0007\u007f"
      })
      yield* Effect.provide(write(forged), ConsoleRequestLog.layer).pipe(Effect.withConsole(console))
      assert.strictEqual(lines.length, 1)
      // oxlint-disable-next-line no-control-regex -- these are what must not be there
      assert.notMatch(String(lines[0]), /[\u0000-\u001f\u007f-\u009f]/)
      assert.include(String(lines[0]), "[2J")
    }))
})

describe("memory", () => {
  it.effect("has each row once", () =>
    Effect.gen(function*() {
      yield* write(row(1), row(1), row(2))
      assert.deepStrictEqual(yield* RequestLog.entries, [row(1), row(2)])
    }).pipe(Effect.provide(Layer.fresh(RequestLog.layerMemory))))
})
