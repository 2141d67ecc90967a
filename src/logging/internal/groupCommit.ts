/** Rows that must be on disk before their calls go on: all that wait share one write and one sync. */
import * as Effect from "effect/Effect"
import type { Item } from "./item.ts"
import type { Spool } from "./spool.ts"

interface Waiting {
  readonly item: Item
  resume: (() => void) | undefined
  /** Nobody needs to wait any more. */
  isOver: boolean
}

export class GroupCommit {
  private readonly spool: Spool
  /** Takes rows that are on disk, and those that the disk took not. */
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

  /** Returns when the row is on disk, or known not to be taken there; it goes on to `push` in either case. */
  commit(item: Item): Effect.Effect<void> {
    if (this.phase === "closed") {
      this.push(item)
      return Effect.void
    }
    const waiting: Waiting = { item, resume: undefined, isOver: false }
    this.queue.push(waiting)
    this.some.unsafeOpen()
    const written = Effect.async<void>((resume) => {
      if (waiting.isOver) return resume(Effect.void)
      waiting.resume = () => resume(Effect.void)
    })
    // An interrupted call does not wait for a disk: its row is taken care of without it.
    return Effect.matchCause(Effect.interruptible(written), { onFailure: () => {}, onSuccess: () => {} })
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
      onFailure: ({ message }) => this.told(message),
      onSuccess: (segment) => {
        for (const { item } of group) item.segment = segment
        return this.told(undefined)
      }
    }).pipe(Effect.map(() => {
      this.queue.splice(0, group.length)
      for (const waiting of group) {
        this.push(waiting.item)
        waiting.isOver = true
        waiting.resume?.()
      }
    }))
  }
}
