/** `majordomo spool`: what waits on disk for the log's database, and writing it. */
import type { PlatformError } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as delivery from "../logging/internal/delivery.ts"
import * as frames from "../logging/internal/frames.ts"
import { Spool } from "../logging/internal/spool.ts"
import { RequestLog } from "../logging/RequestLog.ts"
import * as database from "./database.ts"
import { CommandError, print, printJson } from "./screen.ts"

export interface Options {
  readonly directory: string
  readonly json: boolean
}

const staleAfter = 15_000

interface Waiting {
  readonly segments: number
  readonly rows: number
  readonly bytes: number
  /** Rows of these in files of a process that is running. */
  readonly inUse: number
  /** Files that could not be read in full, and rows that no sink takes. */
  readonly aside: { readonly files: number; readonly rows: number }
}

const look = (directory: string): Effect.Effect<Waiting, CommandError, FileSystem.FileSystem> =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const now = yield* Clock.currentTimeMillis
    const files = yield* fs.readDirectory(directory)
    const living = new Set<string>()
    for (const name of files.filter((name) => name.endsWith(".alive"))) {
      const at = Number(yield* Effect.orElseSucceed(fs.readFileString(`${directory}/${name}`), () => "0"))
      if (Math.abs(now - at) <= staleAfter) living.add(name.slice(0, -".alive".length))
    }
    let rows = 0
    let bytes = 0
    let inUse = 0
    const segments = files.filter((name) => name.endsWith(".seg"))
    for (const name of segments) {
      // One that has been written meanwhile is gone.
      const content = yield* Effect.orElseSucceed(fs.readFile(`${directory}/${name}`), () => new Uint8Array())
      const found = frames.decode(content).texts.length
      rows += found
      bytes += content.length
      if (living.has(name.slice(0, name.indexOf(".")))) inUse += found
    }
    const aside = yield* Effect.orElseSucceed(fs.readDirectory(`${directory}/aside`), () => [])
    let refused = 0
    for (const name of aside.filter((name) => name.endsWith(".jsonl"))) {
      const text = yield* Effect.orElseSucceed(fs.readFileString(`${directory}/aside/${name}`), () => "")
      refused += text.split("\n").length - 1
    }
    const damaged = aside.filter((name) => name.endsWith(".seg")).length
    return { segments: segments.length, rows, bytes, inUse, aside: { files: damaged, rows: refused } }
  }).pipe(Effect.mapError((error: PlatformError) =>
    new CommandError({
      message: error._tag === "SystemError" && error.reason === "NotFound"
        ? `there is no spool in ${directory}`
        : `the spool in ${directory} cannot be read: ${error.message}`
    })
  ))

const describe = ({ aside, bytes, inUse, rows, segments }: Waiting): ReadonlyArray<string> => [
  `${rows} rows wait in ${segments} files (${bytes} bytes)`,
  ...(inUse === 0 ? [] : [`${inUse} of them belong to a process that is running, which writes them itself`]),
  ...(aside.rows + aside.files === 0
    ? []
    : [`aside: ${aside.rows} rows that the database did not take, ${aside.files} files that are damaged`])
]

export const status = ({ directory, json }: Options) =>
  Effect.gen(function*() {
    const waiting = yield* look(directory)
    if (json) return yield* printJson(waiting)
    for (const line of describe(waiting)) yield* print(line)
  })

const batch = 500

/** Rows have the same keys every time: what is written already is left as it is. */
const write = (directory: string) =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const sink = yield* RequestLog
    const spool = yield* Spool.make(fs, {
      directory,
      maxBytes: Number.MAX_SAFE_INTEGER,
      segmentBytes: 4 * 1024 * 1024,
      fsync: true,
      staleAfter
    })
    // The files taken over stay ours while this goes on.
    yield* Effect.forkScoped(spool.tended(() => {}))
    const { write } = delivery.make({
      sink,
      store: undefined,
      writeLimit: "30 seconds",
      setAside: (entry, error) => Effect.orDie(Effect.as(spool.setAside(entry, error.message), true))
    })
    let refused = 0
    let written = 0
    for (let next = yield* spool.load; next !== undefined; next = yield* spool.load) {
      const { records, segment } = next
      for (let start = 0; start < records.length; start += batch) {
        const items = records.slice(start, start + batch).map(({ entry }) => ({
          entry,
          bytes: 0,
          bodies: undefined,
          segment,
          order: 0
        }))
        const done = yield* Effect.tapError(write(items, 0), () =>
          Effect.sync(() => {
            for (const { entry } of records.slice(start)) spool.evict(segment, entry)
          }))
        yield* spool.release(segment, items.map(({ entry }) => entry.requestId))
        refused += done.setAside
        written += items.length - done.setAside
      }
    }
    return { written, refused }
  })

export const replay = ({ db, directory, json }: Options & { readonly db: string }) =>
  Effect.gen(function*() {
    yield* look(directory)
    const done = yield* Effect.provide(Effect.scoped(write(directory)), database.layerWriting(db))
    const left = yield* look(directory)
    if (json) return yield* printJson({ ...done, left: left.rows })
    yield* print(`${done.written} rows written to ${database.nameOf(db)}`)
    for (const line of done.refused + left.rows === 0 ? [] : describe(left)) yield* print(line)
  })
