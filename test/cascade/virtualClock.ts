/**
 * A clock that jumps to the next sleeper as soon as nobody can run. `TestClock` waits a real timer for every sleeper,
 * which thousands of runs cannot afford.
 */
import { Clock, Duration, Effect, Exit, Fiber } from "effect"
import { setImmediate } from "node:timers/promises"

interface Sleeper {
  readonly at: number
  readonly wake: () => void
}

class VirtualClock implements Clock.Clock {
  readonly [Clock.ClockTypeId]: Clock.ClockTypeId = Clock.ClockTypeId
  readonly currentTimeMillis = Effect.sync(() => this.unsafeCurrentTimeMillis())
  readonly currentTimeNanos = Effect.sync(() => this.unsafeCurrentTimeNanos())
  private now = 0
  private sleepers: ReadonlyArray<Sleeper> = []

  unsafeCurrentTimeMillis(): number {
    return this.now
  }

  unsafeCurrentTimeNanos(): bigint {
    return BigInt(Math.round(this.now * 1_000_000))
  }

  sleep(duration: Duration.Duration): Effect.Effect<void> {
    return Effect.async((resume) => {
      const sleeper: Sleeper = { at: this.now + Duration.toMillis(duration), wake: () => resume(Effect.void) }
      this.sleepers = [...this.sleepers, sleeper]
      return Effect.sync(() => this.remove(sleeper))
    })
  }

  get isIdle(): boolean {
    return !this.sleepers.some(({ at }) => at < Infinity)
  }

  /** Wakes the one that sleeps the shortest. */
  step(): void {
    const [first, ...others] = this.sleepers
    if (first === undefined) return
    const next = others.reduce((soonest, sleeper) => sleeper.at < soonest.at ? sleeper : soonest, first)
    this.now = Math.max(this.now, next.at)
    this.remove(next)
    next.wake()
  }

  private remove(sleeper: Sleeper): void {
    this.sleepers = this.sleepers.filter((other) => other !== sleeper)
  }
}

/** What the effect gives, with the ms it took and who still slept at its end. */
export const run = async <A>(effect: Effect.Effect<A>): Promise<{ readonly value: A; readonly isIdle: boolean }> => {
  const clock = new VirtualClock()
  const fiber = Effect.runFork(Effect.withClock(effect, clock))
  for (;;) {
    // All that can run without waiting has run by then.
    await setImmediate()
    const exit = fiber.unsafePoll()
    if (exit !== null) return { value: Exit.getOrElse(exit, () => stuck("failed")), isIdle: clock.isIdle }
    if (clock.isIdle) {
      await Effect.runPromise(Fiber.interrupt(fiber))
      return stuck("waits for something that never comes")
    }
    clock.step()
  }
}

const stuck = (how: string): never => {
  throw new Error(`the program ${how}`)
}
