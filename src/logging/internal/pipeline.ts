/**
 * The way of rows from calls to the sink. Calls put them into `front` and go on; a writer takes batches from its head.
 * When that is half full, later rows go through `tail` into the spool, and come back when `front` has room, in order.
 * In the durable mode every row is in the spool before its call goes on.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Metric from "effect/Metric"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import { liveClock } from "../../internal/call/runtime.ts"
import type { Delivery } from "./delivery.ts"
import { GroupCommit } from "./groupCommit.ts"
import type { Item } from "./item.ts"
import * as metrics from "./metrics.ts"
import type { Segment, Spool } from "./spool.ts"

export interface Settings {
  readonly delivery: Delivery
  readonly spool: Spool | undefined
  readonly durable: boolean
  readonly batchSize: number
  readonly flushInterval: Duration.Duration
  readonly capacity: { readonly rows: number; readonly bytes: number }
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
  readonly spooledBytes: number
  readonly written: number
  readonly dropped: number
  /** What the sink or the spool said last, while it fails. */
  readonly problem: string | undefined
}

const spillRows = 500
const loadBelow = 0.25
const firstBackoff = 100
const longestBackoff = 10_000
const spillPause = "1 second"
const bodiesAtClose = "2 seconds"

// A program that ends is waited for.
const within = <A>(effect: Effect.Effect<A>, limit: Duration.DurationInput) =>
  Effect.withClock(Effect.timeoutOption(Effect.interruptible(effect), limit), liveClock)

/** Rows read back wait in memory too; a segment's worth is at most a few MiB. */
const bytesOf = (text: { readonly errorMessage?: string | undefined }) => 600 + (text.errorMessage?.length ?? 0)

export class Pipeline {
  private readonly settings: Settings
  private front: Array<Item> = []
  private tail: Array<Item> = []
  private bytes = 0
  /** Later rows go to the spool until the earlier ones are written. */
  private behind = false
  private spilling = false
  private room: Array<() => void> = []
  private flushes: Array<{ readonly upTo: number; readonly resume: () => void }> = []
  private order = 0
  private failures = 0
  private phase: "open" | "closing" | "closed" = "open"
  private written = 0
  private dropped = 0
  private sinkProblem: string | undefined
  private spoolProblem: string | undefined
  private readonly some = Effect.unsafeMakeLatch(false)
  private readonly hurry = Effect.unsafeMakeLatch(false)
  private readonly spill = Effect.unsafeMakeLatch(false)
  private readonly commits: GroupCommit | undefined

  constructor(settings: Settings) {
    this.settings = settings
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

  /** Takes a row. It waits only in the durable mode, and where there is no place left and none may be dropped. */
  offer(item: Item): Effect.Effect<void> {
    if (this.phase === "closed") return this.drop(1, "the log is closed")
    item.order = ++this.order
    if (this.commits === undefined) return this.admit(item)
    return Effect.flatMap(this.commits.commit(item), (committed) => committed ? Effect.void : this.admit(item))
  }

  /** Into memory, now or when there is room. */
  private admit(item: Item): Effect.Effect<void> {
    if (this.hasRoom) {
      this.push(item)
      return Effect.void
    }
    if (this.settings.onFull === "drop") return this.drop(1, "no room")
    // An interrupted call is not held up; its row comes in all the same.
    return Effect.flatMap(
      Effect.exit(Effect.interruptible(this.roomMade)),
      () => this.phase === "closed" ? this.drop(1, "the log is closed") : Effect.sync(() => this.push(item))
    )
  }

  private get hasRoom(): boolean {
    return this.front.length + this.tail.length < this.settings.capacity.rows &&
      this.bytes < this.settings.capacity.bytes
  }

  private get roomMade(): Effect.Effect<void> {
    return Effect.repeat(
      Effect.async<void>((resume) => {
        this.room.push(() => resume(Effect.void))
      }),
      { until: () => this.hasRoom || this.phase !== "open" }
    )
  }

  private push(item: Item): void {
    const { batchSize, capacity, spool } = this.settings
    this.bytes += item.bytes
    if (spool !== undefined && (this.front.length >= capacity.rows / 2 || this.bytes >= capacity.bytes / 2)) {
      this.behind = true
    }
    if (this.behind) {
      this.tail.push(item)
      this.spill.unsafeOpen()
      return
    }
    this.front.push(item)
    if (this.front.length === 1) this.some.unsafeOpen()
    else if (this.front.length === batchSize) this.hurry.unsafeOpen()
  }

  private left(items: ReadonlyArray<Item>): void {
    for (const { bytes } of items) this.bytes -= bytes
    const waiting = this.room
    this.room = []
    for (const resume of waiting) resume()
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
    if (!this.behind || this.spilling || this.settings.spool?.hasReplay === true) return false
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
      yield* this.settings.delivery.storeBodies(items)
      const outcome = yield* Effect.either(this.settings.delivery.write(items, this.failures))
      if (outcome._tag === "Right") return yield* this.wrote(items)
      if (this.failures === 0) yield* Effect.logWarning(outcome.left.message)
      this.failures++
      this.sinkProblem = outcome.left.message
      yield* this.updated
      yield* this.backoff
    })
  }

  private get reload(): Effect.Effect<void> {
    return Effect.map(this.settings.spool?.load ?? Effect.succeed(undefined), (loaded) => {
      if (loaded === undefined) return
      for (const entry of loaded.entries) {
        const item = { entry, bytes: bytesOf(entry), bodies: undefined, segment: loaded.segment, order: 0 }
        this.bytes += item.bytes
        this.front.push(item)
      }
    })
  }

  private wrote(items: ReadonlyArray<Item>): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.front.splice(0, items.length)
      this.written += items.length
      this.left(items)
      const recovered = this.failures > 0
      this.failures = 0
      this.sinkProblem = undefined
      this.answerFlushes()
      return Effect.all([
        this.released(items),
        this.updated,
        recovered ? Effect.logInfo("the LLM log is written again") : Effect.void
      ], { discard: true })
    })
  }

  private released(items: ReadonlyArray<Item>): Effect.Effect<void> {
    const { spool } = this.settings
    if (spool === undefined) return Effect.void
    const held = new Map<Segment, number>()
    for (const { segment } of items) if (segment !== undefined) held.set(segment, (held.get(segment) ?? 0) + 1)
    return Effect.forEach(held, ([segment, rows]) => spool.release(segment, rows), { discard: true })
  }

  private get backoff(): Effect.Effect<void> {
    return Effect.flatMap(Random.next, (random) => {
      const wait = Math.min(longestBackoff, firstBackoff * 2 ** (this.failures - 1)) * (0.8 + 0.4 * random)
      this.hurry.unsafeClose()
      return Effect.raceFirst(Effect.sleep(Duration.millis(wait)), this.hurry.await)
    })
  }

  private get updated(): Effect.Effect<void> {
    return Effect.suspend(() => Metric.set(metrics.queued, this.front.length + this.tail.length))
  }

  // ── the spool ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Moves the tail into the spool. */
  private get spillAll(): Effect.Effect<void> {
    const turn = Effect.suspend(() => {
      if (this.tail.length > 0) return this.spillSome
      this.spill.unsafeClose()
      return this.spill.await
    })
    return Effect.forever(turn)
  }

  private get spillSome(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const items = this.tail.slice(0, spillRows)
      this.spilling = true
      const moved = Effect.map(this.keep(items), () => {
        this.spoolProblem = undefined
        this.tail.splice(0, items.length)
        this.left(items)
      })
      return this.settings.delivery.storeBodies(items).pipe(
        Effect.zipRight(Effect.uninterruptible(moved)),
        Effect.ensuring(Effect.sync(() => {
          this.spilling = false
          this.some.unsafeOpen()
        })),
        Effect.catchAll((problem) => Effect.zipRight(this.spoolFails(problem), Effect.sleep(spillPause)))
      )
    })
  }

  /** Rows into the spool, where they are not yet; from then on they are only there. */
  private keep(items: ReadonlyArray<Item>): Effect.Effect<void, string> {
    const { spool } = this.settings
    if (spool === undefined) return Effect.fail("there is none")
    const fresh = items.filter(({ segment }) => segment === undefined)
    const appended = fresh.length === 0
      ? Effect.void
      : Effect.flatMap(spool.append(fresh.map(({ entry }) => entry)), (segment) => {
        spool.evict(segment, fresh.length)
        return Metric.incrementBy(metrics.spooled, fresh.length)
      })
    return Effect.mapBoth(appended, {
      onFailure: ({ message }) => message,
      onSuccess: () => {
        for (const { segment } of items) if (segment !== undefined) spool.evict(segment, 1)
      }
    })
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
      queued: this.front.length + this.tail.length + (this.commits?.items.length ?? 0),
      queuedBytes: this.bytes,
      spooledBytes: spool?.bytes ?? 0,
      written: this.written,
      dropped: this.dropped,
      problem: this.sinkProblem ?? this.spoolProblem
    }
  }

  private close(
    fibers: ReadonlyArray<Fiber.RuntimeFiber<unknown>>,
    committer: Fiber.RuntimeFiber<unknown> | undefined
  ): Effect.Effect<void> {
    return Effect.gen(this, function*() {
      const [drain] = fibers
      this.phase = "closing"
      this.left([])
      this.commits?.close()
      for (const latch of [this.some, this.hurry]) latch.unsafeOpen()
      if (committer !== undefined) yield* Fiber.await(committer)
      this.some.unsafeOpen()
      if (drain !== undefined) {
        yield* within(Fiber.await(drain), this.settings.closeLimit)
      }
      this.phase = "closed"
      yield* Fiber.interruptAll(fibers)
      const items = [...this.front, ...this.tail]
      this.front = []
      this.tail = []
      if (items.length === 0) return
      yield* within(this.settings.delivery.storeBodies(items), bodiesAtClose)
      const kept = yield* Effect.exit(this.keep(items))
      if (Exit.isSuccess(kept)) {
        yield* Effect.logWarning(`${items.length} rows of the LLM log are in the spool for the next start`)
      } else yield* this.drop(items.length, `closed with ${items.length} rows that the sink had not taken`)
    })
  }
}
