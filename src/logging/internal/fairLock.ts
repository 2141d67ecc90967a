/** One at a time, in the order of coming: whoever appends in a loop cannot keep out who reads back once. */
import * as Effect from "effect/Effect"

export class FairLock {
  private isTaken = false
  private readonly waiting: Array<() => void> = []

  /** Waiting cannot be interrupted: what is done under it is short. */
  readonly within = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.acquireUseRelease(this.taken, () => effect, () => this.passed)

  private get taken(): Effect.Effect<void> {
    return Effect.async((resume) => {
      if (this.isTaken) {
        this.waiting.push(() => resume(Effect.void))
        return
      }
      this.isTaken = true
      resume(Effect.void)
    })
  }

  /** Handed to the next at once: nobody can take it in between. */
  private get passed(): Effect.Effect<void> {
    return Effect.sync(() => {
      const next = this.waiting.shift()
      if (next === undefined) this.isTaken = false
      else next()
    })
  }
}
