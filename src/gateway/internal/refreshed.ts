/**
 * What a database knows, at hand: a bounded cache for questions that every request asks. Answers are asked again often
 * enough that a change elsewhere is seen within five seconds; while the database is away, what was found stays in use for
 * a quarter of an hour. What was not found is kept apart, so that made-up names push nothing out.
 */
import type * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { steadyMillis, withRunning } from "../../internal/call/runtime.ts"

interface Source<A, E> {
  readonly lookup: (key: string) => Effect.Effect<Option.Option<A>, E>
  /** The failure of a lookup that takes longer than two seconds. */
  readonly tooSlow: () => E
}

interface Known<A> {
  readonly answer: Effect.Effect<Option.Option<A>>
  /** When the database last said so, by the steady clock, ms. */
  readonly at: number
}

const capacity = 10_000
/** From then on it is asked again beside the request, ms. */
const refreshAfter = 2000
/** Longer than this nothing is believed, unless the database is away, ms. */
const freshFor = 5000
const staleFor = 15 * 60_000
const lookupLimit = "2 seconds"
/** After a failure the database is left alone for so long, ms. */
const pause = 1000

export class Refreshed<A, E> {
  private readonly found = new Map<string, Known<A>>()
  private readonly missing = new Map<string, number>()
  private readonly asking = new Map<string, Deferred.Deferred<Option.Option<A>, E>>()
  private awayUntil = 0
  /** What was asked before this process made a change is not learned. */
  private changes = 0
  /** What was asked before a change elsewhere is learned as what is to be asked again. */
  private expiries = 0

  private readonly source: Source<A, E>
  private readonly fibers: FiberSet.FiberSet

  private constructor(source: Source<A, E>, fibers: FiberSet.FiberSet) {
    this.source = source
    this.fibers = fibers
  }

  static make<A, E>(source: Source<A, E>): Effect.Effect<Refreshed<A, E>, never, Scope.Scope> {
    return Effect.map(FiberSet.make(), (fibers) => new Refreshed(source, fibers))
  }

  /** Whether it was found before, however long ago. */
  readonly has = (key: string): boolean => this.found.has(key)

  /** None: the database says that there is none. Fails when it cannot say, and what it once said is too old. */
  readonly get = (key: string): Effect.Effect<Option.Option<A>, E> => withRunning(({ clock }) => this.at(key, clock))

  /** The same, by a clock that is at hand. */
  at(key: string, clock: Clock.Clock): Effect.Effect<Option.Option<A>, E> {
    const now = steadyMillis(clock)
    const known = this.found.get(key)
    if (known !== undefined) {
      const age = now - known.at
      if (age < refreshAfter) return known.answer
      const isAway = now < this.awayUntil
      if (age < freshFor || (isAway && age < staleFor)) {
        return isAway ? known.answer : Effect.zipRight(this.ask(key), known.answer)
      }
      return Effect.flatMap(this.ask(key), Deferred.await).pipe(
        Effect.catchAll((error) => age < staleFor ? known.answer : Effect.fail(error))
      )
    }
    const missed = this.missing.get(key)
    if (missed !== undefined && now - missed < freshFor) return Effect.succeedNone
    return Effect.flatMap(this.ask(key), Deferred.await)
  }

  /** A change that this process made is seen at once. */
  readonly forget: Effect.Effect<void> = Effect.sync(() => {
    this.changes++
    this.found.clear()
    this.missing.clear()
    this.asking.clear()
  })

  /** After a change elsewhere: everything is asked again before it is believed, unless the database is away. */
  readonly expire: Effect.Effect<void> = Effect.clockWith((clock) =>
    Effect.sync(() => {
      const old = steadyMillis(clock) - freshFor
      this.expiries++
      for (const [key, { answer, at }] of this.found) if (at > old) this.found.set(key, { answer, at: old })
      this.missing.clear()
      this.asking.clear()
    })
  )

  /** One question in flight for each key, and it outlives the request that asked first. */
  private ask(key: string): Effect.Effect<Deferred.Deferred<Option.Option<A>, E>> {
    return Effect.suspend(() => {
      const already = this.asking.get(key)
      if (already !== undefined) return Effect.succeed(already)
      return Effect.flatMap(Deferred.make<Option.Option<A>, E>(), (answer) => {
        const { changes, expiries } = this
        this.asking.set(key, answer)
        const asked = this.source.lookup(key).pipe(
          Effect.disconnect,
          Effect.timeoutFail({ duration: lookupLimit, onTimeout: this.source.tooSlow }),
          Effect.tapBoth({
            onFailure: () => this.failed,
            onSuccess: (value) =>
              changes === this.changes ? this.learned(key, value, expiries === this.expiries) : Effect.void
          }),
          Effect.ensuring(Effect.sync(() => {
            if (this.asking.get(key) === answer) this.asking.delete(key)
          })),
          Effect.intoDeferred(answer)
        )
        return Effect.as(FiberSet.run(this.fibers, asked), answer)
      })
    })
  }

  private readonly failed = Effect.clockWith((clock) =>
    Effect.sync(() => {
      this.awayUntil = steadyMillis(clock) + pause
    })
  )

  private learned(key: string, value: Option.Option<A>, isFresh: boolean): Effect.Effect<void> {
    return Effect.clockWith((clock) =>
      Effect.sync(() => {
        this.awayUntil = 0
        // Who asked after the change knows better.
        if (!isFresh && (Option.isNone(value) || this.found.has(key) || this.missing.has(key))) return
        const at = steadyMillis(clock) - (isFresh ? 0 : freshFor)
        if (Option.isSome(value)) {
          this.missing.delete(key)
          put(this.found, key, { answer: Effect.succeed(value), at })
        } else {
          this.found.delete(key)
          put(this.missing, key, at)
        }
      })
    )
  }
}

/** The one that was asked for longest ago goes. */
const put = <V>(map: Map<string, V>, key: string, value: V): void => {
  map.delete(key)
  map.set(key, value)
  if (map.size <= capacity) return
  const oldest = map.keys().next()
  if (oldest.done !== true) map.delete(oldest.value)
}
