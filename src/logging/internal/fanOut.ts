/** Several sinks as one, each with its own memory of what it has taken of a batch that failed elsewhere. */
import { isNonEmptyReadonlyArray, type NonEmptyReadonlyArray } from "effect/Array"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Entry, RequestLogError, Service } from "../RequestLog.ts"

/** A sink that leaves out rows it has taken from a batch that failed in another sink. */
interface Branch {
  readonly sink: Service
  readonly taken: Set<string>
}

const write = ({ sink, taken }: Branch, batch: NonEmptyReadonlyArray<Entry>) => {
  const missing = taken.size === 0 ? batch : batch.filter(({ requestId }) => !taken.has(requestId))
  if (!isNonEmptyReadonlyArray(missing)) return Effect.void
  return Effect.tap(sink.write(missing), () => {
    for (const { requestId } of missing) taken.add(requestId)
  })
}

export const make = (sinks: NonEmptyReadonlyArray<Service>): Service => {
  const branches = sinks.map((sink): Branch => ({ sink, taken: new Set() }))
  return {
    write: (batch) =>
      Effect.forEach(branches, (branch) => Effect.exit(write(branch, batch)), { concurrency: "unbounded" }).pipe(
        Effect.flatMap((exits) => {
          const failed = exits.filter(Exit.isFailure)
          const [failure] = failed
          if (failure !== undefined) return worst(failed, failure)
          for (const { taken } of branches) for (const { requestId } of batch) taken.delete(requestId)
          return Effect.void
        })
      ),
    health: Effect.forEach(sinks, ({ health }) => health ?? Effect.void, { discard: true })
  }
}

type Failed = Exit.Failure<void, RequestLogError>

// While one sink is away nobody can say that a row will never be taken.
const worst = (failed: ReadonlyArray<Failed>, first: Failed): Failed =>
  failed.find(({ cause }) => cause._tag !== "Fail" || cause.error.reason === "Unavailable") ?? first
