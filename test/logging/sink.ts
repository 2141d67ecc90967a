/** A sink that does what a test says. */
import { type Duration, Effect, Layer, Random, Ref } from "effect"
import { RequestLog, RequestLogError } from "../../src/logging/RequestLog.ts"
import type { Entry, Service } from "../../src/logging/RequestLog.ts"

export type Mood =
  | { readonly _tag: "Up" }
  | { readonly _tag: "Down" }
  | { readonly _tag: "Slow"; readonly delay: Duration.DurationInput }
  | { readonly _tag: "Hangs" }
  | { readonly _tag: "Dies" }
  /** Fails a share of its writes, at random. */
  | { readonly _tag: "Flaps"; readonly share: number }
  /** Fails on every batch with such a row. */
  | { readonly _tag: "Chokes"; readonly on: (entry: Entry) => boolean; readonly as: RequestLogError["reason"] }

export const up: Mood = { _tag: "Up" }
export const down: Mood = { _tag: "Down" }

const failure = (reason: RequestLogError["reason"]) =>
  new RequestLogError({ sink: "test", reason, description: "connection refused" })

export const make = (initial: Mood = up) =>
  Effect.gen(function*() {
    const mood = yield* Ref.make(initial)
    const batches: Array<ReadonlyArray<Entry>> = []
    let tries = 0
    const service: Service = {
      write: (batch) =>
        Effect.flatMap(Ref.get(mood), (now) => {
          tries++
          const take = Effect.sync(() => void batches.push(batch))
          switch (now._tag) {
            case "Up":
              return take
            case "Down":
              return Effect.fail(failure("Unavailable"))
            case "Slow":
              return Effect.delay(take, now.delay)
            case "Hangs":
              return Effect.never
            case "Dies":
              return Effect.dieMessage("a bug of the sink")
            case "Flaps":
              return Effect.flatMap(Random.next, (at) => at < now.share ? Effect.fail(failure("Unavailable")) : take)
            case "Chokes":
              return batch.some(now.on) ? Effect.fail(failure(now.as)) : take
          }
        })
    }
    return {
      layer: Layer.succeed(RequestLog, service),
      service,
      set: (next: Mood) => Ref.set(mood, next),
      batches,
      /** Labels `n` of the rows, as they were written. */
      numbers: () => batches.flatMap((batch) => batch.map(({ metadata }) => Number(metadata["N"]))),
      tries: () => tries
    }
  })
