/** Hedging: a member that is slow to begin gets company, and the first content wins. */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import type { HedgeOptions } from "../../Cascade.ts"
import type { LLMError } from "../../LLMError.ts"
import type { Member, Visit } from "./member.ts"
import type { Progress } from "./progress.ts"
import type { Won } from "./service.ts"

/** Asked of members that raced. */
export interface Racing<X, R> {
  readonly ask: (visit: Visit) => Effect.Effect<X, LLMError, R>
  /** What is done with an answer that came too late. */
  readonly discard: (late: Won<X>) => Effect.Effect<void>
  /** Whether another member should be asked after this failure. */
  readonly movesOn: (error: LLMError) => boolean
  /** What the call fails with; `last` is undefined when nobody was asked. */
  readonly failure: (last: LLMError | undefined) => LLMError
}

type Event<X> =
  | { readonly _tag: "Ended"; readonly visit: Visit; readonly exit: Exit.Exit<X, LLMError> }
  | { readonly _tag: "Due" }

export const race = <X, R>(
  progress: Progress,
  hedge: HedgeOptions,
  racing: Racing<X, R>
): Effect.Effect<Won<X>, LLMError, R> =>
  Effect.scopedWith((scope) =>
    Effect.gen(function*() {
      const events = yield* Queue.unbounded<Event<X>>()
      const running = new Map<Visit, Fiber.Fiber<X, LLMError>>()
      const most = 1 + Math.max(0, hedge.max ?? 1)
      let dueAt = Infinity
      let last: LLMError | undefined

      const start = Effect.suspend(() => {
        const visit = progress.take()
        if (visit === undefined) return Effect.void
        const delay = delayOf(hedge, visit.member)
        dueAt = visit.startedAt + delay
        const asked = Effect.onExit(racing.ask(visit), (exit) => Queue.offer(events, { _tag: "Ended", visit, exit }))
        const timer = Effect.zipRight(Effect.sleep(delay), Queue.offer(events, { _tag: "Due" }))
        const begun = Effect.uninterruptibleMask((restore) =>
          Effect.map(Effect.forkIn(restore(asked), scope), (fiber) => {
            running.set(visit, fiber)
          })
        )
        return Effect.zipRight(begun, Effect.forkIn(timer, scope))
      })
      /** Ends the others. What each ended with, an answer too, is known only then. */
      const endOthers = Effect.uninterruptible(Effect.gen(function*() {
        const others = [...running]
        running.clear()
        for (const [, fiber] of others) yield* Fiber.interruptFork(fiber)
        for (const [visit, fiber] of others) {
          const exit = yield* Fiber.await(fiber)
          // An interruption may take away what had just been opened.
          if (visit.scope !== undefined) yield* Scope.close(visit.scope, Exit.void)
          if (Exit.isSuccess(exit)) yield* racing.discard({ visit, value: exit.value })
          else {
            visit.left()
            const failure = Cause.failureOption(exit.cause)
            if (Option.isSome(failure)) progress.add(failure.value)
            else yield* progress.addLost(visit)
          }
        }
      }))

      const raced = Effect.gen(function*() {
        yield* start
        for (;;) {
          if (running.size === 0) return yield* Effect.fail(racing.failure(last))
          const event = yield* Queue.take(events)
          if (event._tag === "Ended") {
            running.delete(event.visit)
            if (Exit.isSuccess(event.exit)) {
              yield* endOthers
              return { visit: event.visit, value: event.exit.value }
            }
            const failed = Cause.failureOrCause(event.exit.cause)
            if (Either.isRight(failed)) return yield* Effect.failCause(failed.right)
            last = failed.left
            if (!racing.movesOn(last)) {
              yield* endOthers
              return yield* Effect.fail(racing.failure(last))
            }
          }
          if (running.size === 0 || (running.size < most && progress.now >= dueAt)) yield* start
        }
      })
      return yield* Effect.onExit(raced, () => endOthers)
    })
  )

// Fewer say little about the slow ones.
const enough = 20

const delayOf = ({ after }: HedgeOptions, member: Member): number => {
  if (typeof after !== "object" || !("percentile" in after)) return Duration.toMillis(after)
  const seen = member.latencies.count < enough ? undefined : member.latencies.percentile(after.percentile)
  return seen ?? Duration.toMillis(after.initially)
}
