import { Error as PlatformError, FileSystem } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Layer, Option, Scope, TestClock } from "effect"
import { LLM } from "../../src/index.ts"
import { type Settings, Spool } from "../../src/logging/internal/spool.ts"
import * as Logging from "../../src/logging/Logging.ts"
import type * as RequestLog from "../../src/logging/RequestLog.ts"
import { TestLLM } from "../../src/testing/index.ts"
import { row } from "./setup.ts"
import * as sinks from "./sink.ts"

const rows = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => row(from + i))
const ids = (entries: ReadonlyArray<RequestLog.Entry>) => entries.map(({ timestamp }) => timestamp - 1_760_000_000_000)
const range = (from: number, to: number) => ids(rows(from, to))

const temporary = Effect.flatMap(FileSystem.FileSystem, (fs) => fs.makeTempDirectoryScoped())

/** A spool as one process has it; `die` is the end of a process that has no time for anything. */
const open = (directory: string, settings: Partial<Settings> = {}) =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const scope = yield* Scope.make()
    const options = { directory, maxBytes: 1e9, segmentBytes: 1e6, fsync: false, staleAfter: 15_000, ...settings }
    const spool = yield* Scope.extend(Spool.make(fs, options), scope)
    return { spool, close: Scope.close(scope, Exit.void) }
  })

const loadAll = (spool: Spool): Effect.Effect<ReadonlyArray<RequestLog.Entry>> =>
  Effect.flatMap(spool.load, (loaded) =>
    loaded === undefined
      ? Effect.succeed([])
      : Effect.flatMap(
        spool.release(loaded.segment, loaded.records.map(({ entry }) => entry.requestId)),
        () => Effect.map(loadAll(spool), (rest) => [...loaded.records.map(({ entry }) => entry), ...rest])
      ))

const kept = (entries: ReadonlyArray<RequestLog.Entry>) => entries.map((entry) => ({ entry, bodies: undefined }))

const append = (spool: Spool, entries: ReadonlyArray<RequestLog.Entry>) =>
  Effect.map(spool.append(kept(entries)), (segment) => {
    for (const entry of entries) spool.evict(segment, entry)
  })

const segmentsIn = (directory: string) =>
  Effect.flatMap(
    FileSystem.FileSystem,
    (fs) =>
      Effect.map(fs.readDirectory(directory), (names) =>
        names.filter((name) => name.endsWith(".seg")).map((name) => `${directory}/${name}`))
  )

/** A disk that takes so many bytes and then only a part of what it is given. */
const smallDisk = (fs: FileSystem.FileSystem, capacity: number) => {
  const disk = { left: capacity }
  const full = new PlatformError.SystemError({
    module: "FileSystem",
    method: "writeAll",
    reason: "Unknown",
    description: "ENOSPC: no space left on device"
  })
  const limited = (file: FileSystem.File): FileSystem.File =>
    new Proxy(file, {
      get: (target, name) =>
        name === "writeAll"
          ? (bytes: Uint8Array) => {
            const fits = bytes.subarray(0, disk.left)
            disk.left -= fits.length
            return Effect.zipRight(target.writeAll(fits), fits.length < bytes.length ? Effect.fail(full) : Effect.void)
          }
          : name === "truncate"
          ? target.truncate.bind(target)
          : Reflect.get(target, name, target)
    })
  return {
    disk,
    fs: {
      ...fs,
      open: (path: string, options?: FileSystem.OpenFileOptions) => Effect.map(fs.open(path, options), limited)
    }
  }
}

describe("the spool", () => {
  it.scoped("gives rows back in order, over segments, and leaves nothing behind", () =>
    Effect.gen(function*() {
      const directory = yield* temporary
      const { close, spool } = yield* open(directory, { segmentBytes: 2000 })
      for (let i = 0; i < 50; i += 5) yield* append(spool, rows(i, i + 5))
      assert.isAbove((yield* segmentsIn(directory)).length, 3)
      assert.deepStrictEqual(ids(yield* loadAll(spool)), range(0, 50))
      yield* close
      assert.deepStrictEqual(yield* Effect.flatMap(FileSystem.FileSystem, (fs) => fs.readDirectory(directory)), [
        "aside"
      ])
    }).pipe(Effect.provide(NodeContext.layer)))

  it.scoped("what a process that was killed has left belongs to the next, once", () =>
    Effect.gen(function*() {
      const directory = yield* temporary
      const dead = yield* open(directory)
      yield* append(dead.spool, rows(0, 10))
      const early = yield* open(directory)
      assert.isFalse(early.spool.hasReplay)
      yield* TestClock.adjust("16 seconds")
      const [a, b] = yield* Effect.all([open(directory), open(directory)], { concurrency: 2 })
      const found = [...(yield* loadAll(a.spool)), ...(yield* loadAll(b.spool))]
      assert.deepStrictEqual(ids(found), range(0, 10))
    }).pipe(Effect.provide(NodeContext.layer)))

  it.scoped("a process that lives keeps its rows, however long", () =>
    Effect.gen(function*() {
      const directory = yield* temporary
      const first = yield* open(directory)
      yield* append(first.spool, rows(0, 3))
      const tending = yield* Effect.fork(first.spool.tended(() => {}))
      for (let i = 0; i < 10; i++) {
        yield* TestClock.adjust("5 seconds")
        // Signs of life are written in real time.
        yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 20)))
      }
      const second = yield* open(directory)
      assert.isFalse(second.spool.hasReplay)
      yield* Effect.sync(() => tending.unsafeInterruptAsFork(tending.id()))
    }).pipe(Effect.provide(NodeContext.layer)))

  it.scoped("a process that slept so long that it was taken for dead writes anew; nothing is lost", () =>
    Effect.gen(function*() {
      const directory = yield* temporary
      const sleeper = yield* open(directory)
      yield* append(sleeper.spool, rows(0, 3))
      yield* TestClock.adjust("1 minute")
      const heir = yield* open(directory)
      assert.deepStrictEqual(ids(yield* loadAll(heir.spool)), range(0, 3))
      yield* append(sleeper.spool, rows(3, 5))
      assert.deepStrictEqual(ids(yield* loadAll(sleeper.spool)), range(3, 5))
    }).pipe(Effect.provide(NodeContext.layer)))

  it.scoped("a damaged file gives what is whole and is kept aside", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const directory = yield* temporary
      const first = yield* open(directory)
      yield* append(first.spool, rows(0, 5))
      yield* first.close
      const [path = ""] = yield* segmentsIn(directory)
      const bytes = yield* fs.readFile(path)
      bytes[Math.floor(bytes.length / 2)] = 0
      yield* fs.writeFile(path, bytes)
      const second = yield* open(directory)
      assert.deepStrictEqual(ids(yield* loadAll(second.spool)), [0, 1, 3, 4])
      assert.lengthOf(yield* fs.readDirectory(`${directory}/aside`), 1)
      assert.lengthOf(yield* segmentsIn(directory), 0)
    }).pipe(Effect.provide(NodeContext.layer)))

  it.scoped("a full disk takes back the half row and goes on when there is room", () =>
    Effect.gen(function*() {
      const real = yield* FileSystem.FileSystem
      const { disk, fs } = smallDisk(real, 2000)
      const directory = yield* temporary
      const { spool } = yield* Effect.provideService(open(directory), FileSystem.FileSystem, fs)
      yield* append(spool, rows(0, 2))
      assert.include((yield* Effect.flip(spool.append(kept(rows(2, 9))))).message, "ENOSPC")
      disk.left = 1e6
      yield* append(spool, rows(9, 11))
      assert.deepStrictEqual(ids(yield* loadAll(spool)), [0, 1, 9, 10])
      assert.lengthOf(yield* real.readDirectory(`${directory}/aside`), 0)
    }).pipe(Effect.provide(NodeContext.layer)))

  it.scoped("whoever appends in a loop does not keep out who reads back, nor signs of life", () =>
    Effect.gen(function*() {
      const directory = yield* temporary
      const { spool } = yield* open(directory)
      yield* append(spool, rows(0, 5))
      let appended = 0
      const appending = Effect.forever(
        Effect.tap(
          Effect.suspend(() => append(spool, rows(++appended * 10, appended * 10 + 1))),
          () => Effect.yieldNow()
        )
      )
      const fibers = yield* Effect.all([Effect.fork(appending), Effect.fork(appending), Effect.fork(appending)])
      yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 20)))
      const before = appended
      const loaded = yield* spool.load
      assert.isAtLeast(loaded?.records.length ?? 0, 5)
      assert.isBelow(appended - before, 200)
      for (const fiber of fibers) yield* Fiber.interrupt(fiber)
    }).pipe(Effect.provide(NodeContext.layer)))

  it.scoped("reads back only what is nowhere else, each row once, with the bodies that came later", () =>
    Effect.gen(function*() {
      const { spool } = yield* open(yield* temporary)
      const [a, b, c, d] = [row(0), row(1), row(2), row(3)]
      const segment = yield* spool.append(kept([a, b, c, d]))
      yield* spool.release(segment, [a.requestId])
      spool.evict(segment, b)
      const bodies = { requestId: c.requestId, request: "{}", response: undefined }
      const second = yield* spool.append([{ entry: c, bodies }])
      spool.evict(second, c)
      assert.strictEqual(spool.waiting, 2)
      const loaded = yield* spool.load
      assert.deepStrictEqual(loaded?.records.map(({ bodies, entry }) => [entry.requestId, bodies?.request]), [
        [b.requestId, undefined],
        [c.requestId, "{}"]
      ])
      assert.strictEqual(spool.waiting, 0)
    }).pipe(Effect.provide(NodeContext.layer)))

  it.scoped("leaves no sign of life of the dead, not even half of one; files are for this user alone", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const directory = `${yield* temporary}/spool`
      yield* fs.makeDirectory(directory)
      yield* fs.writeFileString(`${directory}/0190163d-8694-739b-aea5-966c26f8ad91.alive.new`, "12")
      const { spool } = yield* open(directory)
      yield* append(spool, rows(0, 1))
      const names = yield* fs.readDirectory(directory)
      assert.deepStrictEqual(names.filter((name) => name.endsWith(".new")), [])
      for (const name of names) {
        const { mode, type } = yield* fs.stat(`${directory}/${name}`)
        assert.strictEqual(mode & 0o777, type === "Directory" ? 0o700 : 0o600, name)
      }
    }).pipe(Effect.provide(NodeContext.layer)))

  it.scoped("another that starts at this moment keeps the half of its first sign of life", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const directory = `${yield* temporary}/spool`
      yield* fs.makeDirectory(directory)
      const half = "00000000-0001-739b-aea5-966c26f8ad91.alive.new"
      yield* fs.writeFileString(`${directory}/${half}`, "1")
      yield* open(directory)
      assert.include(yield* fs.readDirectory(directory), half)
    }).pipe(Effect.provide(NodeContext.layer)))

  it.scoped("takes no more than it may", () =>
    Effect.gen(function*() {
      const { spool } = yield* open(yield* temporary, { maxBytes: 2000 })
      yield* append(spool, rows(0, 2))
      assert.include((yield* Effect.flip(spool.append(kept(rows(2, 9))))).message, "2000 bytes")
    }).pipe(Effect.provide(NodeContext.layer)))
})

/** A disk where nothing can be written: root may write where others may not. */
const readOnly = Layer.effect(
  FileSystem.FileSystem,
  Effect.map(FileSystem.FileSystem, (fs): FileSystem.FileSystem => ({
    ...fs,
    makeDirectory: (path) =>
      Effect.fail(
        new PlatformError.SystemError({
          module: "FileSystem",
          method: "makeDirectory",
          reason: "PermissionDenied",
          pathOrDescriptor: path,
          description: "EROFS: read-only file system"
        })
      )
  }))
).pipe(Layer.provide(NodeContext.layer))

const start = (sink: { readonly layer: Layer.Layer<RequestLog.RequestLog> }, options: Logging.DurableOptions) =>
  Logging.layer(options).pipe(
    Layer.provide(TestLLM.layer(["ok"], { repeat: true })),
    Layer.provide(sink.layer)
  )

const ask = LLM.generateText({ prompt: "Hello" })

describe("durable", () => {
  it.scopedLive("a row is in the spool before its answer is handed over, and leaves it when the sink has it", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const directory = yield* temporary
      const sink = yield* sinks.make(sinks.down)
      const live = start(sink, { durability: "durable", spool: { directory }, closeTimeout: "20 millis" })
      yield* Effect.gen(function*() {
        const answers = yield* Effect.all(Array.from({ length: 20 }, () => ask), { concurrency: 20 })
        const [path = ""] = yield* segmentsIn(directory)
        const text = new TextDecoder().decode(yield* fs.readFile(path))
        for (const { requestId } of answers) assert.include(text, requestId)
        yield* sink.set(sinks.up)
        yield* Logging.flush
        assert.sameMembers(
          sink.batches.flat().map(({ requestId }) => requestId),
          answers.map(({ requestId }) => requestId)
        )
      }).pipe(Effect.provide(live))
      assert.deepStrictEqual(yield* fs.readDirectory(directory), ["aside"])
    }).pipe(Effect.provide(NodeContext.layer)))

  it.scopedLive("a layer that ends at once ends, whatever its fibers had got to", () =>
    Effect.gen(function*() {
      const sink = yield* sinks.make()
      for (const use of [Effect.void, Effect.yieldNow(), Effect.repeatN(Effect.yieldNow(), 3)]) {
        const live = start(sink, { durability: "durable", spool: { directory: yield* temporary } })
        // The end of a layer cannot be interrupted, so a test can only be left behind by it.
        const ended = yield* Effect.timeoutOption(Effect.disconnect(Effect.provide(use, live)), "2 seconds")
        assert.isTrue(Option.isSome(ended))
      }
    }).pipe(Effect.provide(NodeContext.layer)))

  it.scopedLive("a call that is interrupted has its row too", () =>
    Effect.gen(function*() {
      const sink = yield* sinks.make()
      const live = Logging.layer({ durability: "durable", spool: { directory: yield* temporary } }).pipe(
        Layer.provide(TestLLM.layer([TestLLM.delay("1 hour", "late")])),
        Layer.provide(sink.layer)
      )
      yield* Effect.gen(function*() {
        assert.isTrue(Option.isNone(yield* Effect.timeoutOption(ask, "20 millis")))
        yield* Logging.flush
      }).pipe(Effect.provide(live))
      assert.deepStrictEqual(sink.batches.flat().map(({ status }) => status), ["cancelled"])
    }).pipe(Effect.provide(NodeContext.layer)))

  it.scopedLive("one sync for all that wait", () =>
    Effect.gen(function*() {
      const real = yield* FileSystem.FileSystem
      let syncs = 0
      const counting: FileSystem.FileSystem = {
        ...real,
        open: (path, options) =>
          Effect.map(real.open(path, options), (file) =>
            new Proxy(file, {
              get: (target, name) => {
                if (name === "sync") syncs++
                const value = Reflect.get(target, name, target)
                return typeof value === "function" ? value.bind(target) : value
              }
            }))
      }
      const sink = yield* sinks.make()
      const live = start(sink, { durability: "durable", spool: { directory: yield* temporary } })
      yield* Effect.all(Array.from({ length: 200 }, () => ask), { concurrency: "unbounded" }).pipe(
        Effect.provide(live),
        Effect.provideService(FileSystem.FileSystem, counting)
      )
      assert.isBelow(syncs, 20)
      assert.strictEqual(sink.batches.flat().length, 200)
    }).pipe(Effect.provide(NodeContext.layer)))

  it.scopedLive("without room on the disk, rows stay in memory and no call fails", () =>
    Effect.gen(function*() {
      const real = yield* FileSystem.FileSystem
      const { fs } = smallDisk(real, 2500)
      const sink = yield* sinks.make(sinks.down)
      const directory = yield* temporary
      const live = start(sink, { durability: "durable", spool: { directory } })
      yield* Effect.gen(function*() {
        for (let i = 0; i < 20; i++) yield* ask
        assert.deepInclude(yield* Logging.health, { spool: "failing", queued: 20, dropped: 0 })
        yield* sink.set(sinks.up)
        yield* Logging.flush
      }).pipe(Effect.provide(live), Effect.provideService(FileSystem.FileSystem, fs))
      assert.strictEqual(sink.batches.flat().length, 20)
    }).pipe(Effect.provide(NodeContext.layer)))

  it.scopedLive("a directory that cannot be used: an error where it is needed, a warning where it is not", () =>
    Effect.gen(function*() {
      const sink = yield* sinks.make()
      const spool = { directory: "/var/spool/llm" }
      const error = yield* Effect.flip(
        Effect.provide(ask, start(sink, { durability: "durable", spool }).pipe(Layer.provide(readOnly)))
      )
      assert.strictEqual(error._tag, "ConfigurationError")
      assert.include(error.message, "/var/spool/llm")
      const buffered = Logging.layer({ spool }).pipe(
        Layer.provide([TestLLM.layer(["ok"]), sink.layer, readOnly])
      )
      yield* Effect.provide(ask, buffered)
      assert.strictEqual(sink.batches.flat().length, 1)
    }))
})
