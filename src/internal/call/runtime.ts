/** The one place that looks inside Effect's runtime: what a running fiber knows, without a step to ask for each. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DefaultServices from "effect/DefaultServices"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as FiberRef from "effect/FiberRef"
import * as FiberRefs from "effect/FiberRefs"
import type * as MetricLabel from "effect/MetricLabel"
import * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"

export interface Running {
  readonly context: Context.Context<never>
  readonly clock: Clock.Clock
  /** Somebody reads spans. */
  readonly traced: () => boolean
  readonly metricLabels: () => ReadonlyArray<MetricLabel.MetricLabel>
}

/** Time of the machine, not of the program: for what waits for a socket or a disk. */
export const liveClock: Clock.Clock = Clock.make()

// Nobody reads the spans of the tracer that is there when no other is given.
const nativeTracer = Context.get(DefaultServices.liveServices, Tracer.Tracer)

/** Ms by a clock that nobody puts ahead or back. */
export const steadyMillis = (clock: Clock.Clock): number => Number(clock.unsafeCurrentTimeNanos() / 1_000_000n)

export const withRunning = <A, E, R>(f: (running: Running) => Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.withFiberRuntime((fiber) =>
    f({
      context: fiber.currentContext,
      clock: Context.getOrElse(fiber.currentDefaultServices, Clock.Clock, () => liveClock),
      traced: () =>
        fiber.getFiberRef(FiberRef.currentTracerEnabled) &&
        Context.get(fiber.currentDefaultServices, Tracer.Tracer) !== nativeTracer,
      metricLabels: () => Array.from(fiber.getFiberRef(FiberRef.currentMetricLabels))
    })
  )

const isThere = <A, E, R>(effect: Effect.Effect<A, E, R>): effect is Exit.Exit<A, E> => Exit.isExit(effect)

/**
 * As `Effect.flatMap`, without a step where the value is there already, as most of what a request asks for is. `f` may run
 * at once: for use inside an effect that runs.
 */
export const flatMapNow = <A, E, R, B, E2, R2>(
  effect: Effect.Effect<A, E, R>,
  f: (value: A) => Effect.Effect<B, E2, R2>
): Effect.Effect<B, E | E2, R | R2> =>
  isThere(effect) && Exit.isSuccess(effect) ? f(effect.value) : Effect.flatMap(effect, f)

/** What a fiber can do that its type does not say. */
interface Settable {
  readonly setFiberRefs: (refs: FiberRefs.FiberRefs) => void
}

const isSettable = <F extends object>(fiber: F): fiber is F & Settable =>
  "setFiberRefs" in fiber && typeof fiber.setFiberRefs === "function"

/**
 * Runs in a context of its own, with one fiber reference set. What `Effect.locally` and `Effect.mapInputContext` do, in a
 * fourth of their steps: every request goes through here.
 */
export const confined = <A, E, R, V>(
  effect: Effect.Effect<A, E, R>,
  contextOf: (context: Context.Context<never>) => Context.Context<R>,
  ref: FiberRef.FiberRef<V>,
  valueOf: (before: V) => V
): Effect.Effect<A, E> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.withFiberRuntime((fiber) => {
      if (!isSettable(fiber)) {
        return Effect.locallyWith(Effect.mapInputContext(restore(effect), contextOf), ref, valueOf)
      }
      const outer = fiber.getFiberRef(FiberRef.currentContext)
      const before = fiber.getFiberRef(ref)
      const id = fiber.id()
      // Both at once: each change copies all references of the fiber.
      const set = (context: Context.Context<never>, value: V) =>
        fiber.setFiberRefs(FiberRefs.updateManyAs(fiber.getFiberRefs(), {
          entries: [[FiberRef.currentContext, [[id, context]]], [ref, [[id, value]]]]
        }))
      set(contextOf(outer), valueOf(before))
      const leave = () => set(outer, before)
      // What it needs is in the context that it runs in.
      return Effect.matchCauseEffect(restore(effect) as Effect.Effect<A, E>, {
        onFailure: (cause) => {
          leave()
          return Effect.failCause(cause)
        },
        onSuccess: (value) => {
          leave()
          return Effect.succeed(value)
        }
      })
    })
  )

const programsClock = Context.get(DefaultServices.liveServices, Clock.Clock)
// Beyond this, timers of the machine fire at once.
const longestTimer = 2 ** 31 - 1

/**
 * Runs an effect in the scope after so many ms, or never when it is cancelled. A fiber that sleeps beside every call would
 * cost more than the call, so on the machine's own clock this is a timer, and there is a fiber only when it fires.
 */
export const later = (scope: Scope.Scope, millis: number, effect: Effect.Effect<void>): Effect.Effect<() => void> =>
  withRunning(({ clock }) =>
    clock === programsClock
      ? Effect.withFiberRuntime((fiber) => {
        // oxlint-disable-next-line no-restricted-globals -- the program's clock is this one, see above
        const timer = setTimeout(() => {
          const runtime = Runtime.updateFiberRefs(Runtime.defaultRuntime, () => fiber.getFiberRefs())
          Runtime.runFork(runtime, effect, { scope })
        }, Math.min(millis, longestTimer))
        return Effect.succeed(() => clearTimeout(timer))
      })
      : Effect.map(
        Effect.forkIn(Effect.interruptible(Effect.delay(effect, Math.min(millis, longestTimer))), scope),
        (sleeper) => () => sleeper.unsafeInterruptAsFork(FiberId.none)
      )
  )
