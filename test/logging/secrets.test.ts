import { FileSystem } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { assert, it } from "@effect/vitest"
import { type Console, Effect, Layer, Logger, Stream } from "effect"
import { LLM } from "../../src/index.ts"
import * as BodyStore from "../../src/logging/BodyStore.ts"
import * as ConsoleRequestLog from "../../src/logging/ConsoleRequestLog.ts"
import * as JsonLinesRequestLog from "../../src/logging/JsonLinesRequestLog.ts"
import * as Logging from "../../src/logging/Logging.ts"
import * as RequestLog from "../../src/logging/RequestLog.ts"
import { FakeProvider } from "../../src/testing/index.ts"
import { claude, key } from "./setup.ts"

const other = "sk-extra-9b8a7c6d"

it.scopedLive("no key in a row, a body, a spool file, a line of a console or a log", () =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const directory = yield* fs.makeTempDirectoryScoped()
    const fake = yield* FakeProvider.make()
    yield* fake.script(
      FakeProvider.text("Hi"),
      FakeProvider.text(`your key is ${key}`),
      FakeProvider.status(401, { body: JSON.stringify({ error: { message: `wrong key ${key} or ${other}` } }) }),
      FakeProvider.status(500, { body: key }),
      FakeProvider.status(500, { body: key }),
      FakeProvider.stall({ afterEvents: 1 })
    )
    const lines: Array<string> = []
    const console: Console.Console = {
      ...(yield* Effect.console),
      log: (...args) => Effect.sync(() => void lines.push(args.map(String).join(" ")))
    }
    const down = Layer.succeed(RequestLog.RequestLog, {
      write: () =>
        Effect.fail(new RequestLog.RequestLogError({ sink: "test", reason: "Unavailable", description: "down" }))
    })
    const path = `${directory}/calls.jsonl`
    const sinks = RequestLog.layerFanOut([ConsoleRequestLog.layer, JsonLinesRequestLog.layer({ path }), down])
    const live = Logging.layer({
      durability: "durable",
      spool: { directory: `${directory}/spool` },
      closeTimeout: "50 millis"
    }).pipe(
      Layer.provide(claude(fake.url)),
      Layer.provide(sinks),
      Layer.provideMerge(BodyStore.layerMemory)
    )
    const stored = yield* Effect.gen(function*() {
      const extraHeaders = { "X-Api-Key": key, authorization: `Bearer ${other}` }
      yield* LLM.generateText({ prompt: "Hello", extraHeaders })
      yield* LLM.generateText({ prompt: `my key is ${key}` })
      yield* Effect.flip(LLM.generateText({ prompt: "Hello", extraHeaders }))
      yield* Effect.flip(LLM.generateText({ prompt: "Hello" }))
      yield* LLM.streamText({ prompt: "Hello" }).pipe(Stream.take(1), Stream.runDrain)
      const written = Effect.zipRight(Effect.sleep("5 millis"), BodyStore.objects)
      return yield* Effect.repeat(written, { until: ({ size }) => size >= 9 })
    }).pipe(
      Effect.provide(live),
      Effect.withConsole(console),
      Effect.provide(
        Logger.replace(Logger.defaultLogger, Logger.make(({ message }) => void lines.push(String(message))))
      )
    )
    const files = yield* fs.readDirectory(directory, { recursive: true })
    const texts = yield* Effect.forEach(
      files.filter((name) => /\.(seg|jsonl)$/.test(name)),
      (name) => fs.readFileString(`${directory}/${name}`)
    )
    assert.isAbove(texts.length, 1)
    const everything = [...lines, ...texts, ...stored.values()].join("\n")
    assert.include(everything, "canary")
    assert.include(everything, "wrong key <redacted>")
    assert.notInclude(everything, key)
    assert.notInclude(everything, other)
  }).pipe(Effect.provide(NodeContext.layer)))
