/** Rows that must be on disk before their calls go on: all that wait share one write and one sync. */
import * as Effect from "effect/Effect"
import type { Item } from "./item.ts"
import type { Spool } from "./spool.ts"

interface Waiting {
  readonly item: Item
  /** Undefined when nobody waits any more. */
  resume: ((committed: boolean) => void) | undefined
  isCommitted: boolean | undefined
}

export class GroupCommit {
  private readonly spool: Spool
  /** Takes rows that are on disk, or that nobody waits for. */
  private readonly push: (item: Item) => void
  /** Told of every write: undefined when it went well. */
  private readonly told: (problem: string | undefined) => Effect.Effect<void>
  private readonly queue: Array<Waiting> = []
  private readonly some = Effect.unsafeMakeLatch(false)
  private phase: "open" | "closing" | "closed" = "open"

  constructor(options: {
    readonly spool: Spool
    readonly push: (item: Item) => void
    readonly told: (problem: string | undefined) => Effect.Effect<void>
  }) {
    this.spool = options.spool
    this.push = options.push
    this.told = options.told
  }

  get items(): ReadonlyArray<Item> {
    return this.queue.map(({ item }) => item)
  }

  /** True when the row is on disk and taken care of; false when the disk took it not. */
  commit(item: Item): Effect.Effect<boolean> {
    if (this.phase === "closed") return Effect.succeed(false)
    const waiting: Waiting = { item, resume: undefined, isCommitted: undefined }
    this.queue.push(waiting)
    this.some.unsafeOpen()
    const committed = Effect.async<boolean>((resume) => {
      if (waiting.isCommitted !== undefined) return resume(Effect.succeed(waiting.isCommitted))
      waiting.resume = (done) => resume(Effect.succeed(done))
    })
    return Effect.matchCause(Effect.interruptible(committed), {
      // An interrupted call does not wait for a disk: its row is taken care of without it.
      onFailure: () => {
        waiting.resume = undefined
        return true
      },
      onSuccess: (done) => done
    })
  }

  /** Writes until it is closed and nobody waits. */
  get run(): Effect.Effect<void> {
    const turn = Effect.suspend(() => {
      const group = [...this.queue]
      if (group.length > 0) return this.write(group)
      // The end may have come before this turn did.
      if (this.phase !== "open") return Effect.void
      this.some.unsafeClose()
      return this.some.await
    })
    return Effect.ensuring(
      Effect.repeat(turn, { while: () => this.phase === "open" || this.queue.length > 0 }),
      Effect.sync(() => {
        this.phase = "closed"
      })
    )
  }

  close(): void {
    this.phase = "closing"
    this.some.unsafeOpen()
  }

  private write(group: ReadonlyArray<Waiting>): Effect.Effect<void> {
    return Effect.matchEffect(this.spool.append(group.map(({ item }) => ({ entry: item.entry, bodies: undefined }))), {
      onFailure: ({ message }) => Effect.as(this.told(message), false),
      onSuccess: (segment) => {
        for (const { item } of group) item.segment = segment
        return Effect.as(this.told(undefined), true)
      }
    }).pipe(Effect.map((committed) => {
      this.queue.splice(0, group.length)
      for (const waiting of group) {
        const isAwaited = waiting.resume !== undefined
        if (committed || !isAwaited) this.push(waiting.item)
        waiting.isCommitted = committed || !isAwaited
        waiting.resume?.(committed)
      }
    }))
  }
}
