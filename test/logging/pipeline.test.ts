import { FileSystem } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Duration, Effect, Exit, Fiber, Layer, Metric, Option, Random, Scope, TestClock } from "effect"
import { setImmediate } from "node:timers/promises"
import { LLM } from "../../src/index.ts"
import * as BodyStore from "../../src/logging/BodyStore.ts"
import * as metrics from "../../src/logging/internal/metrics.ts"
import * as Logging from "../../src/logging/Logging.ts"
import { RequestLog } from "../../src/logging/RequestLog.ts"
import { TestLLM } from "../../src/testing/index.ts"
import * as sinks from "./sink.ts"

/** What waits for a socket or a disk has its turn, as it has between the calls of a program. */
const nextTurn = Effect.promise(() => setImmediate())

const settled = Effect.repeatN(Effect.yieldNow(), 50)

const directory = Effect.flatMap(FileSystem.FileSystem, (fs) => fs.makeTempDirectoryScoped())

/** Logging over an endless script; calls are numbered by their labels. */
const start = (
  sink: { readonly layer: Layer.Layer<RequestLog> },
  options: Logging.Options | Logging.DurableOptions = {},
  store?: Layer.Layer<BodyStore.BodyStore>
) =>
  Effect.gen(function*() {
    const scope = yield* Scope.make()
    yield* Effect.addFinalizer(() => Scope.close(scope, Exit.void))
    const all = { closeTimeout: "20 millis", ...options } as const
    const logging = all.durability === "durable" ? Logging.layer(all) : Logging.layer(all)
    const live = logging.pipe(
      Layer.provide(TestLLM.layer(["ok"], { repeat: true })),
      Layer.provide(sink.layer),
      Layer.provide(NodeContext.layer)
    )
    const context = yield* Layer.buildWithScope(store === undefined ? live : Layer.provide(live, store), scope)
    let count = 0
    return {
      call: (times = 1) =>
        Effect.repeatN(
          Effect.suspend(() => LLM.generateText({ prompt: "Hello", metadata: { n: String(count++) } })),
          times - 1
        ).pipe(Effect.provide(context)),
      flush: Effect.provide(Logging.flush, context),
      health: Effect.provide(Logging.health, context),
      close: Scope.close(scope, Exit.void)
    }
  })

const range = (length: number) => Array.from({ length }, (_, i) => i)

describe("the writer", () => {
  it.scoped("writes what has come in one batch, after the flush interval", () =>
    Effect.gen(function*() {
      const sink = yield* sinks.make()
      const { call } = yield* start(sink, { flushInterval: "1 second" })
      yield* call(5)
      yield* settled
      assert.lengthOf(sink.batches, 0)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(sink.batches.map(({ length }) => length), [5])
    }))

  it.scoped("does not wait when a batch is full, nor on flush, nor at the end", () =>
    Effect.gen(function*() {
      const sink = yield* sinks.make()
      const { call, close, flush } = yield* start(sink, { flushInterval: "1 hour", batchSize: 3 })
      yield* call(3)
      yield* settled
      assert.deepStrictEqual(sink.batches.map(({ length }) => length), [3])
      yield* call(2)
      yield* flush
      assert.deepStrictEqual(sink.batches.map(({ length }) => length), [3, 2])
      yield* call(1)
      yield* close
      assert.deepStrictEqual(sink.numbers(), range(6))
    }))

  it.scoped("keeps rows while the sink is down, and calls do not notice", () =>
    Effect.gen(function*() {
      const sink = yield* sinks.make(sinks.down)
      const { call, health } = yield* start(sink)
      yield* call(20)
      yield* TestClock.adjust("1 minute")
      yield* call(20)
      yield* TestClock.adjust("1 minute")
      assert.deepInclude(yield* health, { sink: "failing", queued: 40, dropped: 0 })
      assert.isBelow(sink.tries(), 50)
      yield* sink.set(sinks.up)
      yield* TestClock.adjust("15 seconds")
      assert.deepStrictEqual(sink.numbers(), range(40))
      assert.deepInclude(yield* health, { sink: "ok", queued: 0, problem: undefined })
    }))

  it.scoped("takes a sink that hangs or has a bug for one that is down", () =>
    Effect.gen(function*() {
      const sink = yield* sinks.make({ _tag: "Hangs" })
      const { call, health } = yield* start(sink, { writeTimeout: "5 seconds" })
      yield* call()
      yield* TestClock.adjust("6 seconds")
      assert.strictEqual((yield* health).sink, "failing")
      yield* sink.set({ _tag: "Dies" })
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* health).sink, "failing")
      yield* sink.set(sinks.up)
      yield* TestClock.adjust("15 seconds")
      assert.deepStrictEqual(sink.numbers(), [0])
    }))

  it.scoped("a slow sink slows no call", () =>
    Effect.gen(function*() {
      const sink = yield* sinks.make({ _tag: "Slow", delay: "10 seconds" })
      const { call } = yield* start(sink, { batchSize: 10 })
      yield* call(100)
      yield* TestClock.adjust("2 minutes")
      assert.deepStrictEqual(sink.numbers(), range(100))
    }))

  for (const as of ["Rejected", "Unavailable"] as const) {
    it.scopedLive(`a row that is never taken (${as}) is set aside; all others are written`, () =>
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const folder = yield* directory
        const sink = yield* sinks.make({ _tag: "Chokes", as, on: ({ metadata }) => metadata["N"] === "7" })
        const { call, flush, health } = yield* start(sink, { spool: { directory: folder } })
        yield* call(20)
        yield* flush
        const written = new Set(sink.numbers())
        assert.deepStrictEqual([...written].sort((a, b) => a - b), range(20).filter((n) => n !== 7))
        const [file] = yield* fs.readDirectory(`${folder}/aside`)
        const aside = JSON.parse(yield* fs.readFileString(`${folder}/aside/${file}`))
        assert.strictEqual(aside.entry.metadata.N, "7")
        assert.include(aside.reason, "connection refused")
        yield* call(3)
        yield* flush
        assert.strictEqual((yield* health).sink, "ok")
      }).pipe(Effect.provide(NodeContext.layer)))
  }

  it.scopedLive("a sink that fails half of the time takes every row; none is set aside", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const folder = yield* directory
      const sink = yield* sinks.make({ _tag: "Flaps", share: 0.5 })
      const { call, flush, health } = yield* start(sink, { spool: { directory: folder }, batchSize: 8 })
      yield* call(100)
      yield* Effect.timeout(flush, "60 seconds")
      assert.deepStrictEqual([...new Set(sink.numbers())].sort((a, b) => a - b), range(100))
      assert.deepStrictEqual(yield* fs.readDirectory(`${folder}/aside`), [])
      assert.deepInclude(yield* health, { written: 100, setAside: 0, dropped: 0, queued: 0, oldest: undefined })
    }).pipe(
      Effect.provide(NodeContext.layer),
      Effect.withRandom(Random.make("flaps"))
    ), 90_000)

  it.scopedLive("health tells apart what is written, set aside, lost, in memory and on disk, and since when", () =>
    Effect.gen(function*() {
      const sink = yield* sinks.make({ _tag: "Chokes", as: "Rejected", on: ({ metadata }) => metadata["N"] === "3" })
      const { call, flush, health } = yield* start(sink, {
        spool: { directory: yield* directory },
        capacity: { rows: 20 }
      })
      const before = yield* Clock.currentTimeMillis
      yield* call(5)
      yield* flush
      assert.deepInclude(yield* health, { written: 4, setAside: 1, dropped: 0, queued: 0, spooled: 0 })
      yield* sink.set(sinks.down)
      yield* call(50)
      const full = yield* Effect.repeat(Effect.zipRight(Effect.sleep("2 millis"), health), {
        until: ({ queued, sink }) => queued === 10 && sink === "failing"
      })
      assert.deepInclude(full, { sink: "failing", queued: 10, spooled: 40, written: 4 })
      assert.isAtLeast(full.oldest ?? 0, before)
    }).pipe(Effect.provide(NodeContext.layer)))
})

describe("when memory is full", () => {
  it.scopedLive("rows go to the spool and come back in order", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const folder = yield* directory
      const sink = yield* sinks.make(sinks.down)
      const { call, close, flush, health } = yield* start(sink, {
        spool: { directory: folder, segmentBytes: 4000 },
        capacity: { rows: 20 }
      })
      yield* call(200)
      yield* Effect.repeat(Effect.zipRight(Effect.sleep("2 millis"), health), { until: ({ queued }) => queued === 10 })
      assert.isAbove((yield* health).spooledBytes, 10_000)
      yield* sink.set(sinks.up)
      yield* flush
      assert.deepStrictEqual(sink.numbers(), range(200))
      assert.deepInclude(yield* health, { queued: 0, spooledBytes: 0, dropped: 0 })
      yield* call(5)
      yield* flush
      assert.deepStrictEqual(sink.numbers(), range(205))
      yield* close
      assert.deepStrictEqual(yield* fs.readDirectory(folder), ["aside"])
    }).pipe(Effect.provide(NodeContext.layer)))

  it.scoped("calls wait where nothing may be lost, and go on when there is room", () =>
    Effect.gen(function*() {
      const sink = yield* sinks.make(sinks.down)
      const { call, health } = yield* start(sink, { capacity: { rows: 10 } })
      yield* call(10)
      const waiting = yield* Effect.fork(call(5))
      yield* TestClock.adjust("1 minute")
      assert.isTrue(Option.isNone(yield* Fiber.poll(waiting)))
      yield* sink.set(sinks.up)
      yield* TestClock.adjust("15 seconds")
      yield* Fiber.join(waiting)
      yield* TestClock.adjust("15 seconds")
      assert.deepStrictEqual(sink.numbers(), range(15))
      assert.strictEqual((yield* health).dropped, 0)
    }))

  it.scoped("a call that waits can be interrupted; its row is kept", () =>
    Effect.gen(function*() {
      const sink = yield* sinks.make(sinks.down)
      const { call, health } = yield* start(sink, { capacity: { rows: 1 } })
      yield* call()
      const waiting = yield* Effect.fork(call())
      yield* settled
      yield* Fiber.interrupt(waiting)
      assert.strictEqual((yield* health).queued, 2)
    }))

  it.scoped("calls that are interrupted count: memory has an end", () =>
    Effect.gen(function*() {
      const sink = yield* sinks.make(sinks.down)
      const { call, health } = yield* start(sink, { capacity: { rows: 10 } })
      yield* call(10)
      const waiting = yield* Effect.forEach(range(50), () => Effect.fork(call()))
      yield* settled
      for (const fiber of waiting) yield* Effect.fork(Fiber.interrupt(fiber))
      yield* settled
      assert.strictEqual((yield* health).queued, 20)
      yield* sink.set(sinks.up)
      yield* TestClock.adjust("1 minute")
      yield* Fiber.awaitAll(waiting)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(sink.numbers().length, 60)
    }))

  it.scopedLive(
    "under a load that does not end, a backlog is read back, and rows go the short way again",
    () =>
      Effect.gen(function*() {
        const sink = yield* sinks.make(sinks.down)
        const { call, health } = yield* start(sink, {
          spool: { directory: yield* directory, segmentBytes: 20_000 },
          capacity: { rows: 40 }
        })
        yield* call(400)
        const load = yield* Effect.fork(Effect.forever(Effect.zipRight(call(), Effect.sleep("1 millis"))))
        const load2 = yield* Effect.fork(Effect.forever(Effect.zipRight(call(), nextTurn)))
        yield* Effect.repeat(Effect.zipRight(Effect.sleep("5 millis"), health), {
          until: ({ spooled }) => spooled > 300
        })
        yield* sink.set(sinks.up)
        yield* Effect.repeat(Effect.zipRight(Effect.sleep("1 millis"), health), {
          until: ({ spooled, spooledBytes }) => spooled === 0 && spooledBytes === 0
        }).pipe(Effect.timeout("20 seconds"))
        yield* Fiber.interrupt(load)
        yield* Fiber.interrupt(load2)
      }).pipe(Effect.provide(NodeContext.layer)),
    30_000
  )

  it.scoped("rows are dropped and counted where the program chose that", () =>
    Effect.gen(function*() {
      const sink = yield* sinks.make(sinks.down)
      const before = yield* Metric.value(metrics.dropped)
      const { call, health } = yield* start(sink, { capacity: { rows: 10 }, strategy: "drop" })
      yield* call(25)
      assert.deepInclude(yield* health, { queued: 10, dropped: 15 })
      assert.strictEqual((yield* Metric.value(metrics.dropped)).count - before.count, 15)
    }))

  it.scoped("bytes count, bodies too", () =>
    Effect.gen(function*() {
      const sink = yield* sinks.make(sinks.down)
      const { call, health } = yield* start(
        sink,
        { capacity: { bytes: 50_000 }, strategy: "drop" },
        BodyStore.layerMemory
      )
      yield* call(100)
      assert.isBelow((yield* health).queued, 80)
      assert.isAbove((yield* health).dropped, 20)
    }))
})

describe("the end of the layer", () => {
  it.scopedLive("leaves in the spool what the sink has not taken; the next one writes it", () =>
    Effect.gen(function*() {
      const folder = yield* directory
      const spool = { directory: folder }
      const sink = yield* sinks.make(sinks.down)
      const first = yield* start(sink, { spool, closeTimeout: "50 millis" })
      yield* first.call(10)
      yield* first.close
      yield* sink.set(sinks.up)
      const second = yield* start(sink, { spool })
      yield* second.flush
      assert.deepStrictEqual(sink.numbers(), range(10))
    }).pipe(Effect.provide(NodeContext.layer)))

  it.scopedLive("without a spool: what is lost is counted", () =>
    Effect.gen(function*() {
      const sink = yield* sinks.make(sinks.down)
      const { call, close, health } = yield* start(sink, { closeTimeout: "20 millis" })
      yield* call(4)
      yield* close
      assert.deepInclude(yield* health, { queued: 0, dropped: 4 })
    }))
})

describe("a layer that ends beside something that hangs", () => {
  it.scopedLive("ends in its time, with the rows in the spool", () =>
    Effect.gen(function*() {
      const folder = yield* directory
      const stuck = Layer.succeed(RequestLog, { write: () => Effect.uninterruptible(Effect.never) })
      const store = Layer.succeed(BodyStore.BodyStore, { put: () => Effect.never, get: () => Effect.succeedNone })
      const first = yield* start({ layer: stuck }, { spool: { directory: folder }, closeTimeout: "1 second" }, store)
      yield* first.call(10)
      const [time] = yield* Effect.timed(first.close)
      assert.isBelow(Duration.toSeconds(time), 3)
      const sink = yield* sinks.make()
      const second = yield* start(sink, { spool: { directory: folder } })
      yield* second.flush
      assert.deepStrictEqual(sink.numbers(), range(10))
    }).pipe(Effect.provide(NodeContext.layer)))
})

describe("a body store that fails", () => {
  it.scoped("costs no row: the row says so", () =>
    Effect.gen(function*() {
      const sink = yield* sinks.make()
      let asked = 0
      const store = Layer.succeed(BodyStore.BodyStore, {
        put: () => {
          asked++
          return asked === 1
            ? Effect.fail(new BodyStore.BodyStoreError({ store: "test", description: "no space" }))
            : Effect.die(new TypeError("secret"))
        },
        get: () => Effect.succeedNone
      })
      const { call, flush } = yield* start(sink, {}, store)
      yield* call(3)
      yield* flush
      // For a while it is not asked again.
      yield* call(2)
      yield* flush
      assert.deepStrictEqual(
        sink.batches.flat().map(({ storageError, storageRequestKey }) => [
          storageError,
          storageRequestKey
        ]),
        [
          ["the test body store: no space", undefined],
          ["a bug: TypeError", undefined],
          ["a bug: TypeError", undefined],
          ["the body store was not available", undefined],
          ["the body store was not available", undefined]
        ]
      )
      assert.strictEqual(asked, 3)
    }))

  it.scopedLive(
    "that hangs makes no call wait while the spool has room; bodies wait on disk, not in memory",
    () =>
      Effect.gen(function*() {
        let hangs = true
        const stored: Array<string> = []
        const store = Layer.succeed(BodyStore.BodyStore, {
          put: (bodies: BodyStore.Bodies) =>
            hangs ? Effect.never : Effect.sync(() => {
              stored.push(bodies.requestId)
              return BodyStore.keysOf(bodies)
            }),
          get: () => Effect.succeedNone
        })
        for (const durability of ["durable", "buffered"] as const) {
          hangs = true
          stored.length = 0
          const sink = yield* sinks.make()
          const folder = yield* directory
          const options = { spool: { directory: folder }, capacity: { rows: 100 }, closeTimeout: "500 millis" } as const
          const first = yield* start(sink, durability === "durable" ? { ...options, durability } : options, store)
          yield* first.call(1000)
          const full = yield* Effect.repeat(Effect.zipRight(Effect.sleep("2 millis"), first.health), {
            until: ({ spooled }) => spooled >= 900
          })
          assert.isAtMost(full.queued, 100)
          yield* first.close
          hangs = false
          const second = yield* start(sink, options, store)
          yield* second.flush
          assert.strictEqual(new Set(stored).size, 1000)
          const rows = new Map(sink.batches.flat().map((row) => [row.requestId, row]))
          assert.strictEqual(rows.size, 1000)
          for (const { storageRequestKey } of rows.values()) assert.isDefined(storageRequestKey)
          yield* second.close
        }
      }).pipe(Effect.provide(NodeContext.layer)),
    30_000
  )

  it.scoped("that hangs holds up nobody for long", () =>
    Effect.gen(function*() {
      const sink = yield* sinks.make()
      const store = Layer.succeed(BodyStore.BodyStore, { put: () => Effect.never, get: () => Effect.succeedNone })
      const { call } = yield* start(sink, {}, store)
      yield* call(3)
      yield* TestClock.adjust("31 seconds")
      assert.deepStrictEqual(sink.numbers(), range(3))
    }))
})
