/**
 * Rows on disk until a sink has them: append-only segments, each owned by one process at a time.
 *
 * `{owner}.alive` holds the time of the owner's last sign of life, `{owner}.{stamp}.seg` its records. A process claims the
 * segments of an owner without a sign of life by renaming them, which only one can. Stamps sort by time.
 */
import type * as PlatformError from "@effect/platform/Error"
import type * as FileSystem from "@effect/platform/FileSystem"
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Metric from "effect/Metric"
import * as Scope from "effect/Scope"
import { timeOf, uuidv7 } from "../../internal/call/uuid.ts"
import type { Entry } from "../RequestLog.ts"
import { FairLock } from "./fairLock.ts"
import * as frames from "./frames.ts"
import * as metrics from "./metrics.ts"
import * as record from "./record.ts"

export interface Settings {
  readonly directory: string
  readonly maxBytes: number
  readonly segmentBytes: number
  readonly fsync: boolean
  /** ms without a sign of life after which an owner is gone. */
  readonly staleAfter: number
}

export class SpoolError extends Data.TaggedError("SpoolError")<{ readonly description: string }> {
  override get message(): string {
    return this.description
  }
}

/** A file of records. It goes when no row is held and none is only there. */
export interface Segment {
  path: string
  readonly stamp: string
  bytes: number
  /** Keys of its rows that are in memory, too, and not written yet. */
  readonly held: Set<string>
  /** Its rows that are nowhere else. */
  waiting: number
  /** When the first of those came, ms since the epoch. */
  waitingSince: number
  /** Keys of its rows that are written, or on disk elsewhere: they are not read back. */
  readonly done: Set<string>
  damaged: boolean
}

interface Writing {
  readonly segment: Segment
  readonly file: FileSystem.File
  readonly scope: Scope.CloseableScope
}

/** So many records are read back before others get the processor. */
const decodedAtOnce = 200

/** Rows for this user alone: they have labels and messages in them, and may have bodies. */
const fileMode = 0o600
const folderMode = 0o700

const segmentAt = (path: string, stamp: string): Segment => ({
  path,
  stamp,
  bytes: 0,
  held: new Set(),
  waiting: 0,
  waitingSince: 0,
  done: new Set(),
  damaged: false
})

const toSpoolError = (error: PlatformError.PlatformError) => new SpoolError({ description: error.message })

export class Spool {
  private readonly fs: FileSystem.FileSystem
  private readonly settings: Settings
  private readonly lock = new FairLock()
  private owner = ""
  private lastBeat = 0
  private segments: Array<Segment> = []
  private writing: Writing | undefined

  constructor(fs: FileSystem.FileSystem, settings: Settings) {
    this.fs = fs
    this.settings = settings
  }

  /** Takes the directory into use, with what others have left in it. */
  static make(fs: FileSystem.FileSystem, settings: Settings): Effect.Effect<Spool, SpoolError, Scope.Scope> {
    const spool = new Spool(fs, settings)
    const start = Effect.zipRight(
      fs.makeDirectory(`${settings.directory}/aside`, { recursive: true, mode: folderMode }),
      Effect.zipRight(spool.own, spool.adopt)
    )
    return Effect.as(
      Effect.acquireRelease(Effect.mapError(start, toSpoolError), () => spool.close),
      spool
    )
  }

  get bytes(): number {
    return this.segments.reduce((sum, { bytes }) => sum + bytes, 0)
  }

  get hasReplay(): boolean {
    return this.segments.some(({ waiting }) => waiting > 0)
  }

  /** Rows that are only here. */
  get waiting(): number {
    return this.segments.reduce((sum, { waiting }) => sum + waiting, 0)
  }

  /** When the oldest of them came, ms since the epoch. */
  get waitingSince(): number | undefined {
    const oldest = this.segments.reduce(
      (least, { waiting, waitingSince }) => waiting > 0 ? Math.min(least, waitingSince) : least,
      Infinity
    )
    return oldest === Infinity ? undefined : oldest
  }

  /** Bodies are the first that have to go: the other half is for rows. */
  get hasRoomForBodies(): boolean {
    return this.bytes < this.settings.maxBytes / 2
  }

  /** Appends rows, on disk when it returns. The segment counts them as held. */
  append(records: ReadonlyArray<record.Kept>): Effect.Effect<Segment, SpoolError> {
    const bytes = frames.encode(records.map(record.encode))
    const appended = Effect.suspend(() =>
      this.bytes + bytes.length > this.settings.maxBytes
        ? Effect.fail(new SpoolError({ description: `the spool has reached ${this.settings.maxBytes} bytes` }))
        : Effect.map(Effect.mapError(this.write(bytes), toSpoolError), (segment) => {
          for (const { entry } of records) segment.held.add(entry.requestId)
          return segment
        })
    )
    return Effect.uninterruptible(this.lock.within(appended))
  }

  private write(bytes: Uint8Array): Effect.Effect<Segment, PlatformError.PlatformError> {
    return Effect.flatMap(this.current, ({ file, segment }) => {
      const written = this.settings.fsync ? Effect.zipRight(file.writeAll(bytes), file.sync) : file.writeAll(bytes)
      return Effect.tapError(written, () => this.undo).pipe(
        Effect.zipRight(this.isStillOwner),
        Effect.flatMap((isStillOwner) => {
          if (!isStillOwner) return Effect.zipRight(this.disown, Effect.zipRight(this.own, this.write(bytes)))
          segment.bytes += bytes.length
          return Effect.succeed(segment)
        })
      )
    })
  }

  /** The segment to append to: a new one when the last is full. */
  private get current(): Effect.Effect<Writing, PlatformError.PlatformError> {
    return Effect.suspend(() => {
      const { writing } = this
      if (writing !== undefined && writing.segment.bytes < this.settings.segmentBytes) return Effect.succeed(writing)
      return Effect.zipRight(this.seal, this.opened)
    })
  }

  private get opened(): Effect.Effect<Writing, PlatformError.PlatformError> {
    return Effect.gen(this, function*() {
      const stamp = uuidv7(yield* Clock.currentTimeMillis)
      const scope = yield* Scope.make()
      const segment = segmentAt(this.pathOf(stamp), stamp)
      const file = yield* Scope.extend(this.fs.open(segment.path, { flag: "ax", mode: fileMode }), scope)
      // A name is on disk only when its directory is.
      if (this.settings.fsync) {
        yield* Effect.ignore(Effect.scoped(Effect.flatMap(this.fs.open(this.settings.directory), ({ sync }) => sync)))
      }
      this.segments.push(segment)
      return this.writing = { segment, file, scope }
    })
  }

  /** Takes back a half-written record, so that what follows it can be read. */
  private get undo(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { writing } = this
      return writing === undefined
        ? Effect.void
        : Effect.catchAll(writing.file.truncate(writing.segment.bytes), () => this.seal)
    })
  }

  /** Ends the segment that is written; the next row opens another. */
  private get seal(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { writing } = this
      if (writing === undefined) return Effect.void
      this.writing = undefined
      return Effect.zipRight(Scope.close(writing.scope, Exit.void), this.discard(writing.segment))
    })
  }

  // ── rows ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Rows that were held are in the sink, or on disk elsewhere. */
  release(segment: Segment, keys: ReadonlyArray<string>): Effect.Effect<void> {
    for (const key of keys) {
      segment.held.delete(key)
      segment.done.add(key)
    }
    return this.discard(segment)
  }

  /** Rows that were held leave the memory: they are only here now. */
  evict(segment: Segment, { requestId, timestamp }: Entry): void {
    if (segment.waiting === 0 || timestamp < segment.waitingSince) segment.waitingSince = timestamp
    segment.held.delete(requestId)
    segment.waiting++
  }

  private discard(segment: Segment): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (segment.held.size > 0 || segment.waiting > 0 || segment === this.writing?.segment) return Effect.void
      if (!this.segments.includes(segment)) return Effect.void
      this.segments = this.segments.filter((other) => other !== segment)
      const gone = segment.damaged
        ? this.fs.rename(segment.path, this.asidePath(`${segment.stamp}.seg`))
        : this.fs.remove(segment.path, { force: true })
      return Effect.catchAll(
        gone,
        (error) => Effect.logWarning(`a file of the log spool is done with and stays: ${error.message}`)
      )
    })
  }

  /** The rows of the oldest segment that has any only there; they count as held now. */
  get load(): Effect.Effect<
    { readonly segment: Segment; readonly records: ReadonlyArray<record.Kept> } | undefined
  > {
    const taken = this.lock.within(Effect.gen(this, function*() {
      const segment = this.segments.find(({ waiting }) => waiting > 0)
      if (segment === undefined) return undefined
      if (segment === this.writing?.segment) yield* this.seal
      return segment
    }))
    // A sealed file is read beside the appends: only this reader takes from it.
    return Effect.uninterruptible(
      Effect.flatMap(taken, (segment) => segment === undefined ? Effect.succeed(undefined) : this.read(segment))
    )
  }

  private read(segment: Segment) {
    return Effect.gen(this, function*() {
      const bytes = yield* Effect.option(this.fs.readFile(segment.path))
      if (bytes._tag === "None") {
        this.segments = this.segments.filter((other) => other !== segment)
        segment.waiting = 0
        yield* Effect.logError("a file of the log spool cannot be read and is left where it is", segment.path)
        return { segment, records: [] }
      }
      const { bad, texts } = frames.decode(bytes.value)
      const found = new Map<string, record.Kept>()
      let unreadable = 0
      for (let start = 0; start < texts.length; start += decodedAtOnce) {
        for (const text of texts.slice(start, start + decodedAtOnce)) {
          const kept = record.decode(text)
          if (kept === undefined) {
            unreadable++
            continue
          }
          const { requestId } = kept.entry
          // A row that comes twice has its bodies the second time.
          if (!segment.done.has(requestId) && !segment.held.has(requestId)) found.set(requestId, kept)
        }
        yield* Effect.yieldNow()
      }
      const corrupt = bad + unreadable
      if (corrupt > 0) {
        segment.damaged = true
        yield* Metric.incrementBy(metrics.corrupt, corrupt)
        yield* Effect.logWarning(`${corrupt} places in a file of the log spool cannot be read; it is kept in aside/`)
      }
      const records = [...found.values()]
      segment.waiting = 0
      for (const key of found.keys()) segment.held.add(key)
      yield* Metric.incrementBy(metrics.replayed, records.length)
      if (records.length === 0) yield* this.discard(segment)
      return { segment, records }
    })
  }

  /** Keeps a row that no sink takes, with the reason. */
  setAside(entry: Entry, reason: string): Effect.Effect<void, SpoolError> {
    const line = `${JSON.stringify({ reason, entry })}\n`
    return Effect.mapError(
      this.fs.writeFileString(this.asidePath(`${this.owner}.rejected.jsonl`), line, { flag: "a", mode: fileMode }),
      toSpoolError
    )
  }

  // ── owners ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Signs of life, and looking for what others have left, as long as the scope lasts. */
  tended(onTurn: () => void): Effect.Effect<never> {
    const turn = Effect.uninterruptible(this.lock.within(Effect.zipRight(this.beat, this.adopt)))
    const quietly = Effect.catchAll(turn, (error) => Effect.logDebug(`the log spool: ${error.message}`))
    const interval = Effect.sleep(Duration.millis(this.settings.staleAfter / 3))
    return Effect.forever(Effect.zipRight(interval, Effect.map(quietly, onTurn)))
  }

  private get own(): Effect.Effect<void, PlatformError.PlatformError> {
    return Effect.flatMap(Clock.currentTimeMillis, (now) => {
      this.owner = uuidv7(now)
      return this.sign(now)
    })
  }

  private sign(now: number): Effect.Effect<void, PlatformError.PlatformError> {
    const path = this.alivePath(this.owner)
    return Effect.map(
      Effect.zipRight(
        this.fs.writeFileString(`${path}.new`, String(now), { mode: fileMode }),
        this.fs.rename(`${path}.new`, path)
      ),
      () => {
        this.lastBeat = now
      }
    )
  }

  private get beat(): Effect.Effect<void, PlatformError.PlatformError> {
    return Effect.flatMap(this.isStillOwner, (isStillOwner) =>
      isStillOwner
        ? Effect.flatMap(Clock.currentTimeMillis, (now) => this.sign(now))
        : Effect.zipRight(this.disown, this.own))
  }

  /** After a long pause another process may have taken us for dead. */
  private get isStillOwner(): Effect.Effect<boolean> {
    return Effect.flatMap(Clock.currentTimeMillis, (now) =>
      now - this.lastBeat < this.settings.staleAfter / 2
        ? Effect.succeed(true)
        : Effect.orElseSucceed(this.fs.exists(this.alivePath(this.owner)), () => true))
  }

  /** Our segments are another's now, and so are the rows in them; those in memory are still ours. */
  private get disown(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { writing } = this
      this.writing = undefined
      for (const segment of this.segments) segment.waiting = 0
      this.segments = []
      return writing === undefined ? Effect.void : Scope.close(writing.scope, Exit.void)
    })
  }

  private get adopt(): Effect.Effect<void, PlatformError.PlatformError> {
    return Effect.gen(this, function*() {
      const names = yield* this.fs.readDirectory(this.settings.directory)
      const owners = new Set(
        names.flatMap((name) => /^([0-9a-f-]{36})\.(?:[0-9a-f-]{36}\.seg|alive|alive\.new)$/.exec(name)?.[1] ?? [])
      )
      owners.delete(this.owner)
      for (const owner of owners) {
        if (yield* this.isAlive(owner)) continue
        for (const name of names) {
          const stamp = new RegExp(`^${owner}\\.([0-9a-f-]{36})\\.seg$`).exec(name)?.[1]
          if (stamp !== undefined) yield* Effect.ignore(this.claim(`${this.settings.directory}/${name}`, stamp))
        }
        yield* Effect.ignore(this.fs.remove(this.alivePath(owner), { force: true }))
        // Half of a sign of life is what a process leaves that died while it gave one, or has while it gives its first.
        const isYoung = Math.abs((yield* Clock.currentTimeMillis) - timeOf(owner)) <= this.settings.staleAfter
        if (!isYoung) yield* Effect.ignore(this.fs.remove(`${this.alivePath(owner)}.new`, { force: true }))
      }
      this.segments.sort((a, b) => a.stamp < b.stamp ? -1 : 1)
    })
  }

  private isAlive(owner: string): Effect.Effect<boolean> {
    return Effect.flatMap(
      Clock.currentTimeMillis,
      (now) =>
        Effect.match(this.fs.readFileString(this.alivePath(owner)), {
          onFailure: (error) => !(error._tag === "SystemError" && error.reason === "NotFound"),
          onSuccess: (text) => {
            const at = Number(text)
            return text !== "" && Math.abs(now - at) <= this.settings.staleAfter
          }
        })
    )
  }

  private claim(from: string, stamp: string): Effect.Effect<void, PlatformError.PlatformError> {
    const path = this.pathOf(stamp)
    return Effect.map(Effect.zipRight(this.fs.rename(from, path), this.fs.readFile(path)), (content) => {
      const segment = segmentAt(path, stamp)
      segment.bytes = content.length
      // A damaged one may say too few: it is read all the same.
      segment.waiting = Math.max(1, frames.count(content))
      segment.waitingSince = timeOf(stamp)
      this.segments.push(segment)
    })
  }

  /** What is left is for the next process, at once. */
  private get close(): Effect.Effect<void> {
    return Effect.zipRight(this.seal, Effect.ignore(this.fs.remove(this.alivePath(this.owner))))
  }

  private pathOf(stamp: string): string {
    return `${this.settings.directory}/${this.owner}.${stamp}.seg`
  }

  private alivePath(owner: string): string {
    return `${this.settings.directory}/${owner}.alive`
  }

  private asidePath(name: string): string {
    return `${this.settings.directory}/aside/${name}`
  }
}
