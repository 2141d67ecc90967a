/** Where programs without Effect come in: effects as promises, streams as something to pull from. */
import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as ManagedRuntime from "effect/ManagedRuntime"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"

/** Runs effects for callers that wait for a promise. `E` is what building the services may fail with. */
export interface Edge<R, E> {
  readonly exit: <A, E2>(effect: Effect.Effect<A, E2, R>, signal?: AbortSignal) => Promise<Exit.Exit<A, E | E2>>
}

const withSignal = (signal: AbortSignal | undefined) => signal === undefined ? {} : { signal }

/** The services of a layer, built on first use and kept until the runtime is disposed of. */
export const managed = <R, E>(runtime: ManagedRuntime.ManagedRuntime<R, E>): Edge<R, E> => ({
  exit: (effect, signal) => runtime.runPromiseExit(effect, withSignal(signal))
})

/** The services of a program that is running. */
export const within = <R>(runtime: Runtime.Runtime<R>): Edge<R, never> => ({
  exit: (effect, signal) => Runtime.runPromiseExit(runtime)(effect, withSignal(signal))
})

/** What a caller is told of a failure. */
export type ToError<E> = (error: E) => unknown

/** The value, or a rejection: the failure as `toError` tells it, the signal's reason, or the defect itself. */
export const promise = async <A, E, R, E2>(
  edge: Edge<R, E>,
  effect: Effect.Effect<A, E2, R>,
  toError: ToError<E | E2>,
  signal?: AbortSignal
): Promise<A> => {
  const exit = await edge.exit(effect, signal)
  if (Exit.isSuccess(exit)) return exit.value
  throw thrown(exit.cause, toError, signal)
}

const thrown = <E>(cause: Cause.Cause<E>, toError: ToError<E>, signal: AbortSignal | undefined): unknown => {
  const failure = Cause.failureOption(cause)
  if (Option.isSome(failure)) return toError(failure.value)
  if (Cause.isInterruptedOnly(cause)) {
    return signal?.aborted === true ? signal.reason : new DOMException("the call was interrupted", "AbortError")
  }
  return Cause.squash(cause)
}

/** A stream that is open: `next` gives what came, at least one part, or undefined at the end. */
export interface Pulling<A> {
  readonly next: () => Promise<ReadonlyArray<A> | undefined>
  /** Ends it, also while `next` waits. */
  readonly close: () => Promise<void>
  /** Aborts when it ends early. */
  readonly signal: AbortSignal
}

/** Opens a stream; nothing runs before the first `next`. An abort of the signal ends it at once. */
export const open = <A, E, R, E2>(
  edge: Edge<R, E>,
  stream: Stream.Stream<A, E2, R>,
  toError: ToError<E | E2>,
  outer?: AbortSignal
): Pulling<A> => {
  type Pull = Effect.Effect<Chunk.Chunk<A>, Option.Option<E2>, R>
  const ending = new AbortController()
  let opened: { readonly pull: Pull; readonly scope: Scope.CloseableScope } | undefined
  let isOver = false

  const closeScope = async (): Promise<void> => {
    const scope = opened?.scope
    opened = undefined
    if (scope !== undefined) await edge.exit(Scope.close(scope, Exit.void))
  }
  const close = async (reason?: unknown): Promise<void> => {
    isOver = true
    outer?.removeEventListener("abort", onAbort)
    ending.abort(reason)
    await closeScope()
  }
  const onAbort = () => void close(outer?.reason)
  if (outer?.aborted === true) onAbort()
  else outer?.addEventListener("abort", onAbort, { once: true })

  /** The stream is opened within the pull that needs it, so that an interruption finds it open or not begun. */
  const first: Effect.Effect<Chunk.Chunk<A>, Option.Option<E2>, R> = Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(Scope.make(), (scope) =>
      Effect.flatMap(Scope.extend(Stream.toPull(stream), scope), (pull) => {
        opened = { pull, scope }
        return restore(pull)
      }))
  )

  const next = async (): Promise<ReadonlyArray<A> | undefined> => {
    if (ending.signal.aborted) throw ending.signal.reason
    if (isOver) return undefined
    const exit = await edge.exit(opened?.pull ?? first, ending.signal)
    if (Exit.isSuccess(exit)) return Chunk.isEmpty(exit.value) ? next() : Chunk.toReadonlyArray(exit.value)
    isOver = true
    outer?.removeEventListener("abort", onAbort)
    await closeScope()
    const failure = Cause.failureOption(exit.cause)
    if (Option.isSome(failure) && Option.isOption(failure.value)) {
      if (Option.isNone(failure.value)) return undefined
      throw toError(failure.value.value)
    }
    throw thrown(exit.cause as Cause.Cause<E>, toError, ending.signal) // What is no option is of the layer.
  }

  return { next, close: () => close(), signal: ending.signal }
}

/** The same as a `ReadableStream` that reads no further than its reader. */
export const readable = <A>(pulling: Pulling<A>, head: ReadonlyArray<A> = []): ReadableStream<A> =>
  new ReadableStream<A>({
    start: (controller) => {
      for (const part of head) controller.enqueue(part)
      // An abort is seen also while nobody reads.
      pulling.signal.addEventListener("abort", () => fail(controller, pulling.signal.reason), { once: true })
    },
    pull: async (controller) => {
      try {
        const parts = await pulling.next()
        if (parts === undefined) controller.close()
        else for (const part of parts) controller.enqueue(part)
      } catch (error) {
        fail(controller, error)
      }
    },
    cancel: () => pulling.close()
  }, { highWaterMark: 0 })

const fail = (controller: ReadableStreamDefaultController<never>, error: unknown): void => {
  try {
    controller.error(error)
  } catch {
    // Its reader has left: there is nobody to tell.
  }
}

/** The same as an `AsyncIterable`; leaving the loop closes it. */
export async function* iterable<A>(pulling: Pulling<A>): AsyncGenerator<A, void, undefined> {
  try {
    for (let parts = await pulling.next(); parts !== undefined; parts = await pulling.next()) yield* parts
  } finally {
    await pulling.close()
  }
}
