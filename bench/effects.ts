/** A contender made of effects: a loop runs inside one fiber, as it would in a program. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { Contender } from "./harness.ts"
import { expectItems, expectText } from "./harness.ts"

export const Catalogue = Schema.Struct({
  title: Schema.String,
  currency: Schema.String,
  items: Schema.Array(Schema.Struct({
    id: Schema.Int,
    name: Schema.String,
    price: Schema.Number,
    inStock: Schema.Boolean,
    tags: Schema.Array(Schema.String),
    maker: Schema.Struct({ name: Schema.String, country: Schema.String })
  }))
})

export interface EffectClient<R> {
  readonly layer: (base: string) => Layer.Layer<R, unknown>
  readonly call: Effect.Effect<string, unknown, R>
  readonly object: Effect.Effect<{ readonly items: ReadonlyArray<unknown> }, unknown, R>
  /** Each element counts the text events of a chunk. */
  readonly texts: Stream.Stream<number, unknown, R>
}

export const fromEffects = <R>({ call, layer, object, texts }: EffectClient<R>): Contender => {
  const runtimes = new Map<string, ManagedRuntime.ManagedRuntime<R, unknown>>()
  const run = <A, E>(base: string, effect: Effect.Effect<A, E, R>) => {
    let runtime = runtimes.get(base)
    if (runtime === undefined) runtimes.set(base, runtime = ManagedRuntime.make(layer(base)))
    return runtime.runPromise(effect)
  }
  const indices = (amount: number) => Array.from({ length: amount }, (_, index) => index)
  return {
    calls: (base, amount, concurrency) =>
      run(base, Effect.forEach(indices(amount), () => Effect.map(call, expectText), { concurrency, discard: true })),
    objects: (base, amount) =>
      run(base, Effect.forEach(indices(amount), () => Effect.map(object, expectItems), { discard: true })),
    streams: (base, amount) =>
      run(
        base,
        Effect.map(
          Effect.forEach(indices(amount), () => Stream.runSum(texts), { concurrency: "unbounded" }),
          (counts) => counts.reduce((sum, count) => sum + count, 0)
        )
      ),
    firstTexts: (base, amount) =>
      run(
        base,
        Effect.forEach(indices(amount), () =>
          Effect.suspend(() => {
            const startedAt = performance.now()
            let first = 0
            return Effect.map(
              Stream.runForEach(texts, (count) =>
                Effect.sync(() => {
                  if (count > 0) first ||= performance.now() - startedAt
                })),
              () => first
            )
          }))
      ),
    open: (base, amount) =>
      run(
        base,
        Effect.gen(function*() {
          const fibers = yield* Effect.forEach(indices(amount), () =>
            Effect.gen(function*() {
              const first = yield* Deferred.make<void>()
              const read = Stream.runForEach(texts, () => Deferred.succeed(first, undefined))
              const fiber = yield* Effect.forkDaemon(
                Effect.onError(read, (cause) => Deferred.failCause(first, cause as never))
              )
              yield* Deferred.await(first)
              return fiber
            }), { concurrency: "unbounded" })
          return () => Effect.runPromise(Fiber.interruptAll(fibers))
        })
      )
  }
}
