/**
 * The way of rows from calls to the sink. Calls put them into `front` and go on; a writer takes batches from its head.
 * When that is half full, later rows go through `tail` into the spool, and come back when `front` has room, in order.
 * In the durable mode every row is in the spool before its call goes on.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Metric from "effect/Metric"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import { liveClock } from "../../internal/call/runtime.ts"
import { withSpan } from "../../internal/call/telemetry.ts"
import { uuidv7 } from "../../internal/call/uuid.ts"
import type { Delivery } from "./delivery.ts"
import { GroupCommit } from "./groupCommit.ts"
import type { Item } from "./item.ts"
import * as metrics from "./metrics.ts"
import { type Capacity, Room } from "./room.ts"
import { type Spilled, spilled } from "./spill.ts"
import type { Segment, Spool } from "./spool.ts"
import { valid } from "./validEntry.ts"

export interface Settings {
  readonly delivery: Delivery
  readonly spool: Spool | undefined
  readonly durable: boolean
  readonly batchSize: number
  readonly flushInterval: Duration.Duration
  readonly capacity: Capacity
  readonly onFull: "suspend" | "drop"
  readonly closeLimit: Duration.Duration
}

export interface Health {
  /** Whether the last batch was taken. */
  readonly sink: "ok" | "failing"
  /** `off`: rows are kept in memory only. */
  readonly spool: "off" | "ok" | "failing"
  /** Rows in memory. */
  readonly queued: number
  readonly queuedBytes: number
  /** Rows that are on disk only. */
  readonly spooled: number
  /** Of the spool's files; in the durable mode rows that are in memory are there, too. */
  readonly spooledBytes: number
  /** When the call of the oldest row began that waits in memory or on disk, ms since the epoch; undefined: none waits. */
  readonly oldest: number | undefined
  /** Rows the sink has taken. */
  readonly written: number
  /** Rows the sink never takes, kept in the spool's folder `aside`. */
  readonly setAside: number
  /** Rows that are lost. */
  readonly dropped: number
  /** What the sink or the spool said last, while it fails. */
  readonly problem: string | undefined
}

const spillRows = 500
const spillBytes = 4 * 1024 * 1024
const loadBelow = 0.25
const firstBackoff = 100
const longestBackoff = 10_000
const spillPause = "1 second"
/** Interrupted calls are not held up until memory is so many times as full as it may be. */
const grace = 2
/** Of the time to close, for the sink; the rest is for the spool. */
const shareOfSink = 0.7
const leastForSpool = 250

/** Work for many calls at once: a trace of its own, under none of theirs. */
const spanned = <A, E, R>(name: string, rows: number, work: () => Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  withSpan(name, () => ({ root: true, attributes: { "effect_majordomo.logging.rows": rows } }), work)

// A program that ends is waited for.
const within = <A>(effect: Effect.Effect<A>, limit: Duration.DurationInput) =>
  Effect.withClock(Effect.timeoutOption(Effect.interruptible(effect), limit), liveClock)

export class Pipeline {
  private readonly settings: Settings
  private readonly room: Room
  private front: Array<Item> = []
  private tail: Array<Item> = []
  /** Later rows go to the spool until the earlier ones are written. */
  private behind = false
  private spilling = false
  /** Everything is read back but what is spilled just now: no more is. */
  private turning = false
  private flushes: Array<{ readonly upTo: number; readonly resume: () => void }> = []
  private order = 0
  private failures = 0
  private phase: "open" | "closing" | "closed" = "open"
  private written = 0
  private setAside = 0
  private dropped = 0
  private sinkProblem: string | undefined
  private spoolProblem: string | undefined
  private readonly changed = new Set<string>()
  private readonly some = Effect.unsafeMakeLatch(false)
  private readonly hurry = Effect.unsafeMakeLatch(false)
  private readonly spill = Effect.unsafeMakeLatch(false)
  private readonly commits: GroupCommit | undefined

  constructor(settings: Settings) {
    this.settings = settings
    this.room = new Room(settings.capacity)
    this.commits = settings.spool === undefined || !settings.durable ? undefined : new GroupCommit({
      spool: settings.spool,
      push: (item) => this.push(item),
      told: (problem) => problem === undefined ? this.spoolWorks : this.spoolFails(problem)
    })
    if (settings.spool?.hasReplay === true) this.some.unsafeOpen()
  }

  /** Runs in the scope; its end flushes. */
  static make(settings: Settings): Effect.Effect<Pipeline, never, Scope.Scope> {
    return Effect.gen(function*() {
      const pipeline = new Pipeline(settings)
      const { spool } = settings
      const fibers = [yield* Effect.forkScoped(pipeline.drain)]
      if (spool !== undefined) {
        fibers.push(yield* Effect.forkScoped(pipeline.spillAll), yield* Effect.forkScoped(pipeline.watch(spool)))
      }
      const committer = pipeline.commits === undefined
        ? undefined
        : yield* Effect.forkScoped(pipeline.commits.run)
      yield* Effect.addFinalizer(() => pipeline.close(fibers, committer))
      return pipeline
    })
  }

  // ── calls ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Takes a row, inside an effect that runs: where nothing is to be waited for, it is taken when this returns. It waits only
   * in the durable mode, and where there is no place left and none may be dropped.
   */
  offer(item: Item, now: number): Effect.Effect<void> {
    if (this.phase === "closed") return this.drop(1, "the log is closed")
    item.order = ++this.order
    const fresh = this.checked(item, now)
    const taken = this.room.has(1) ? this.take(item) : Effect.uninterruptible(
      Effect.flatMap(this.waited, (isIn) => isIn ? this.take(item) : Effect.void)
    )
    return fresh.length === 0 ? taken : Effect.zipRight(
      Effect.logWarning(`rows of the LLM log have values that no database takes, which are changed: ${fresh}`),
      taken
    )
  }

  /** Makes it one that sinks take; gives the names of what was changed and never was before. */
  private checked(item: Item, now: number): ReadonlyArray<string> {
    const { changed, entry } = valid(item.entry, now, () => uuidv7(now))
    item.entry = entry
    if (changed.length === 0) return changed
    const fresh = changed.filter((name) => !this.changed.has(name))
    for (const name of fresh) this.changed.add(name)
    return fresh
  }

  /** Into memory; first to disk, where it must be there. */
  private take(item: Item): Effect.Effect<void> {
    this.room.take(item)
    if (this.commits === undefined) {
      this.push(item)
      return Effect.void
    }
    return Effect.uninterruptible(this.commits.commit(item))
  }

  /** Returns when there is room; false when the row is dropped. */
  private get waited(): Effect.Effect<boolean> {
    if (this.settings.onFull === "drop") return Effect.as(this.drop(1, "no room"), false)
    return Effect.flatMap(Effect.exit(Effect.interruptible(this.room.made(1))), (exit) => {
      const waited = exit._tag === "Success" ? Effect.void : this.room.made(grace)
      return Effect.flatMap(
        waited,
        () => this.phase === "closed" ? Effect.as(this.drop(1, "the log is closed"), false) : Effect.succeed(true)
      )
    })
  }

  private push(item: Item): void {
    const { batchSize, capacity, spool } = this.settings
    if (this.phase === "closed") {
      this.tail.push(item)
      return
    }
    const isFull = this.front.length >= capacity.rows / 2 || this.room.bytes >= capacity.bytes / 2
    if (spool !== undefined && isFull) this.behind = true
    if (this.behind) {
      this.tail.push(item)
      if (isFull || this.tail.length >= capacity.rows / 2) this.turning = false
      this.spill.unsafeOpen()
      return
    }
    this.front.push(item)
    if (this.front.length === 1) this.some.unsafeOpen()
    else if (this.front.length === batchSize) this.hurry.unsafeOpen()
  }

  private drop(rows: number, why: string): Effect.Effect<void> {
    const first = this.dropped === 0
    this.dropped += rows
    return Effect.zipRight(
      Metric.incrementBy(metrics.dropped, rows),
      first ? Effect.logError(`rows of the LLM log are lost from now on: ${why}`) : Effect.void
    )
  }

  // ── the writer ────────────────────────────────────────────────────────────────────────────────────────────────────

  private get drain(): Effect.Effect<void> {
    const turn = Effect.suspend(() => {
      this.some.unsafeClose()
      if (this.front.length > 0 || this.loadable) return Effect.zipRight(this.gathered, this.batch)
      if (this.caughtUp()) return Effect.void
      this.answerFlushes()
      // The end may have come before this turn did.
      if (this.phase !== "open" && this.isEmpty) return Effect.void
      return Effect.zipRight(this.updated, this.some.await)
    })
    return Effect.repeat(turn, { while: () => this.phase === "open" || !this.isEmpty })
  }

  private get isEmpty(): boolean {
    return this.front.length === 0 && this.tail.length === 0 && this.settings.spool?.hasReplay !== true
  }

  private get loadable(): boolean {
    return this.failures === 0 && this.front.length < this.settings.capacity.rows * loadBelow &&
      this.settings.spool?.hasReplay === true
  }

  /** Everything spilled is written: rows go the short way again. */
  private caughtUp(): boolean {
    if (!this.behind || this.settings.spool?.hasReplay === true) return false
    this.turning = true
    if (this.spilling) return false
    this.turning = false
    this.behind = false
    this.front = this.tail
    this.tail = []
    return this.front.length > 0
  }

  /** A batch is full, or its first row has waited long enough. */
  private get gathered(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const isUrgent = this.front.length >= this.settings.batchSize || this.flushes.length > 0 ||
        this.phase !== "open" || this.failures > 0 || this.loadable
      if (isUrgent) return Effect.void
      this.hurry.unsafeClose()
      return Effect.raceFirst(Effect.sleep(this.settings.flushInterval), this.hurry.await)
    })
  }

  private get batch(): Effect.Effect<void> {
    return Effect.gen(this, function*() {
      if (this.loadable) yield* this.reload
      const items = this.front.slice(0, this.settings.batchSize)
      if (items.length === 0) return
      const { delivery } = this.settings
      const outcome = yield* spanned(
        "Logging.write",
        items.length,
        () => Effect.zipRight(delivery.storeBodies(items), Effect.either(delivery.write(items, this.failures)))
      )
      if (outcome._tag === "Right") return yield* this.wrote(items, outcome.right)
      if (this.failures === 0) yield* Effect.logWarning(outcome.left.message)
      this.failures++
      this.sinkProblem = outcome.left.message
      this.turning = false
      this.spill.unsafeOpen()
      yield* this.updated
      yield* this.backoff
    })
  }

  private get reload(): Effect.Effect<void> {
    const { spool } = this.settings
    if (spool === undefined) return Effect.void
    const load = spanned("Logging.replay", spool.waiting, () => spool.load)
    return Effect.map(load, (loaded) => {
      if (loaded === undefined) return
      for (const { bodies, entry } of loaded.records) {
        const length = (bodies?.request.length ?? 0) + (bodies?.response?.length ?? 0)
        const item: Item = {
          entry,
          bytes: 600 + (entry.errorMessage?.length ?? 0) + length,
          bodies: bodies === undefined ? undefined : () => bodies,
          segment: loaded.segment,
          order: 0
        }
        this.room.take(item)
        this.front.push(item)
      }
    })
  }

  private wrote(
    items: ReadonlyArray<Item>,
    { lost, setAside }: { readonly setAside: number; readonly lost: number }
  ): Effect.Effect<void> {
    return Effect.suspend(() => {
      const taken = items.length - setAside - lost
      this.front.splice(0, items.length)
      this.written += taken
      this.setAside += setAside
      this.room.left(items)
      const recovered = this.failures > 0
      this.failures = 0
      this.sinkProblem = undefined
      this.answerFlushes()
      return Effect.all([
        Metric.incrementBy(metrics.written, taken),
        lost === 0 ? Effect.void : this.drop(lost, "the sink does not take them, and they can be kept nowhere"),
        this.released(items),
        this.updated,
        recovered ? Effect.logInfo("the LLM log is written again") : Effect.void
      ], { discard: true })
    })
  }

  private released(items: ReadonlyArray<Item>): Effect.Effect<void> {
    const { spool } = this.settings
    if (spool === undefined) return Effect.void
    const held = new Map<Segment, Array<string>>()
    for (const { entry, segment } of items) {
      if (segment === undefined) continue
      const keys = held.get(segment)
      if (keys === undefined) held.set(segment, [entry.requestId])
      else keys.push(entry.requestId)
    }
    return Effect.forEach(held, ([segment, keys]) => spool.release(segment, keys), { discard: true })
  }

  private get backoff(): Effect.Effect<void> {
    return Effect.flatMap(Random.next, (random) => {
      const wait = Math.min(longestBackoff, firstBackoff * 2 ** (this.failures - 1)) * (0.8 + 0.4 * random)
      this.hurry.unsafeClose()
      return Effect.raceFirst(Effect.sleep(Duration.millis(wait)), this.hurry.await)
    })
  }

  private get updated(): Effect.Effect<void> {
    return Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const { oldest, queued, spooled } = this.health
      return Effect.all([
        Metric.set(metrics.queued, queued),
        Metric.set(metrics.onDisk, spooled),
        Metric.set(metrics.oldest, oldest === undefined ? 0 : Math.max(0, now - oldest) / 1000)
      ], { discard: true })
    })
  }

  // ── the spool ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Moves the tail into the spool. */
  private get spillAll(): Effect.Effect<void> {
    const turn = Effect.suspend(() => {
      if (this.tail.length > 0 && !this.turning) return this.spillSome
      this.spill.unsafeClose()
      return this.spill.await
    })
    return Effect.forever(turn)
  }

  private get spillSome(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { spool } = this.settings
      if (spool === undefined) return Effect.void
      let count = 0
      for (let bytes = 0; count < Math.min(spillRows, this.tail.length) && bytes < spillBytes; count++) {
        bytes += this.tail[count]?.bytes ?? 0
      }
      const items = this.tail.slice(0, count)
      this.spilling = true
      const moved = Effect.map(spilled(spool, items), (outcome) => {
        this.tail.splice(0, items.length, ...outcome.left)
        this.room.left(outcome.moved)
        return outcome
      })
      return Effect.uninterruptible(moved).pipe(
        Effect.ensuring(Effect.sync(() => {
          this.spilling = false
          this.some.unsafeOpen()
        })),
        Effect.flatMap((outcome) => this.toldOf(outcome))
      )
    })
  }

  private toldOf({ left, problem }: Spilled): Effect.Effect<void> {
    if (problem === undefined) return this.spoolWorks
    return Effect.zipRight(
      this.spoolFails(problem),
      left.length === 0 ? Effect.void : Effect.sleep(spillPause)
    )
  }

  private get spoolWorks(): Effect.Effect<void> {
    return Effect.sync(() => {
      this.spoolProblem = undefined
    })
  }

  private spoolFails(problem: string): Effect.Effect<void> {
    return Effect.suspend(() => {
      const first = this.spoolProblem === undefined
      this.spoolProblem = problem
      return first ? Effect.logError(`the log spool takes no rows, they stay in memory: ${problem}`) : Effect.void
    })
  }

  /** Rows of other processes may turn up at any time. */
  private watch(spool: Spool): Effect.Effect<never> {
    return spool.tended(() => {
      if (spool.hasReplay) this.some.unsafeOpen()
    })
  }

  // ── flush, health, close ──────────────────────────────────────────────────────────────────────────────────────────

  /** Returns when the sink has every row offered so far. */
  get flush(): Effect.Effect<void> {
    return Effect.async((resume) => {
      this.flushes.push({ upTo: this.order, resume: () => resume(Effect.void) })
      this.hurry.unsafeOpen()
      this.some.unsafeOpen()
    })
  }

  private answerFlushes(): void {
    if (this.flushes.length === 0 || this.settings.spool?.hasReplay === true) return
    const waiting = [...this.front, ...this.tail, ...this.commits?.items ?? []]
    const oldest = waiting.reduce((least, { order }) => Math.min(least, order), Infinity)
    const done = this.flushes.filter(({ upTo }) => upTo < oldest)
    this.flushes = this.flushes.filter(({ upTo }) => upTo >= oldest)
    for (const { resume } of done) resume()
  }

  get health(): Health {
    const { spool } = this.settings
    return {
      sink: this.failures === 0 ? "ok" : "failing",
      spool: spool === undefined ? "off" : this.spoolProblem === undefined ? "ok" : "failing",
      queued: this.room.rows,
      queuedBytes: this.room.bytes,
      spooled: spool?.waiting ?? 0,
      spooledBytes: spool?.bytes ?? 0,
      oldest: leastOf([this.front[0]?.entry.timestamp, this.tail[0]?.entry.timestamp, spool?.waitingSince]),
      written: this.written,
      setAside: this.setAside,
      dropped: this.dropped,
      problem: this.sinkProblem ?? this.spoolProblem
    }
  }

  private close(
    fibers: ReadonlyArray<Fiber.RuntimeFiber<unknown>>,
    committer: Fiber.RuntimeFiber<unknown> | undefined
  ): Effect.Effect<void> {
    return Effect.gen(this, function*() {
      const limit = Duration.toMillis(this.settings.closeLimit)
      const began = yield* liveClock.currentTimeMillis
      const left = (share: number) =>
        Effect.map(liveClock.currentTimeMillis, (now) => Math.max(leastForSpool, share * limit - (now - began)))
      this.phase = "closing"
      this.turning = false
      this.room.close()
      this.commits?.close()
      for (const latch of [this.some, this.hurry, this.spill]) latch.unsafeOpen()
      const [drain] = fibers
      const ended = Effect.gen(this, function*() {
        if (committer !== undefined) yield* Fiber.await(committer)
        this.some.unsafeOpen()
        if (drain !== undefined) yield* Fiber.await(drain)
      })
      yield* within(ended, limit * shareOfSink)
      this.phase = "closed"
      // A write that cannot be interrupted is not waited for.
      yield* within(Fiber.interruptAll(fibers), Math.min(leastForSpool, yield* left(1)))
      yield* this.leave(yield* left(1))
    })
  }

  /** What is left goes into the spool. */
  private leave(limit: number): Effect.Effect<void> {
    return Effect.gen(this, function*() {
      const items = [...this.front, ...this.tail]
      this.front = []
      this.tail = []
      this.room.left(items)
      if (items.length === 0) return
      const { spool } = this.settings
      const kept = spool === undefined ? undefined : yield* spilledWithin(spool, items, limit)
      const lost = kept === undefined ? items.length : kept.left.length
      if (lost > 0) return yield* this.drop(lost, `closed with ${lost} rows that the sink had not taken`)
      yield* Effect.logWarning(`${items.length} rows of the LLM log are in the spool for the next start`)
    })
  }
}

const leastOf = (times: ReadonlyArray<number | undefined>): number | undefined =>
  times.reduce((least, time) => time === undefined || (least !== undefined && least <= time) ? least : time, undefined)

/** A disk that hangs is not waited for either. */
const spilledWithin = (spool: Spool, items: ReadonlyArray<Item>, limit: number): Effect.Effect<Spilled | undefined> =>
  Effect.flatMap(
    Effect.forkDaemon(spilled(spool, items)),
    (fiber) =>
      Effect.map(
        within(Fiber.await(fiber), limit),
        (ended): Spilled | undefined => ended._tag === "Some" ? valueOf(ended.value) : undefined
      )
  )

const valueOf = (exit: Exit.Exit<Spilled>): Spilled | undefined => exit._tag === "Success" ? exit.value : undefined
