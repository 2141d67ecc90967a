/** Batches to a sink: bodies first, then the rows; and finding the row that no sink takes. */
import { isNonEmptyReadonlyArray } from "effect/Array"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import { kindOf } from "../../internal/call/logFailure.ts"
import type * as BodyStore from "../BodyStore.ts"
import * as RequestLog from "../RequestLog.ts"
import type { Item } from "./item.ts"
import * as metrics from "./metrics.ts"

export interface Delivery {
  /** Puts bodies into the store. A row whose bodies are not stored says so. */
  readonly storeBodies: (items: ReadonlyArray<Item>) => Effect.Effect<void>
  /**
   * Writes a batch; the error says that the sink takes none of it now. Rows it never takes are set aside: how many, and
   * how many of those could be kept nowhere.
   */
  readonly write: (
    items: ReadonlyArray<Item>,
    failedBefore: number
  ) => Effect.Effect<Refused, RequestLog.RequestLogError>
}

export interface Refused {
  readonly setAside: number
  readonly lost: number
}

/** For the bodies of a whole batch. */
const storeLimit = "30 seconds"
const storeConcurrency = 32
/** ms for which a store that took nothing is not asked again. */
const storePause = 5000

/** So many failures in a row, and the rows are looked at one by one. */
const patience = 4

/** So often a row is refused before it is believed to be the row's fault. */
const confirmations = 2

/** How unlikely it must be that a row that could be taken failed every time, and how often it is tried for that. */
const doubt = 1e-12
const mostTrials = 100

export const make = (options: {
  readonly sink: RequestLog.Service
  readonly store: BodyStore.Service | undefined
  readonly writeLimit: Duration.DurationInput
  /** Whether the row could be kept. */
  readonly setAside: (entry: RequestLog.Entry, error: RequestLog.RequestLogError) => Effect.Effect<boolean>
}): Delivery => {
  let storeAgainAt = 0
  /** Rows of the batch at hand that were set aside, and whether they are kept: it may come again. */
  const refused = new Map<Item, boolean>()

  const put = (store: BodyStore.Service, item: Item, make: () => BodyStore.Bodies) =>
    Effect.suspend(() => store.put(make())).pipe(
      Effect.sandbox,
      Effect.match({
        onFailure: (cause) => {
          item.entry = { ...item.entry, storageError: describe(cause) }
          return false
        },
        onSuccess: ({ requestKey, responseKey }) => {
          const { storageError: _, ...entry } = item.entry
          item.entry = { ...entry, storageRequestKey: requestKey, storageResponseKey: responseKey }
          return true
        }
      }),
      Effect.tap(() => {
        item.bodies = undefined
      })
    )

  const giveUp = (items: ReadonlyArray<Item>, why: string): void => {
    for (const item of items) {
      if (item.bodies === undefined) continue
      item.entry = { ...item.entry, storageError: why }
      item.bodies = undefined
    }
  }

  const storeBodies = (items: ReadonlyArray<Item>): Effect.Effect<void> => {
    const { store } = options
    const waiting = items.filter(({ bodies }) => bodies !== undefined)
    if (store === undefined || waiting.length === 0) return Effect.void
    return Effect.flatMap(Clock.currentTimeMillis, (now) => {
      if (now < storeAgainAt) return Effect.sync(() => giveUp(waiting, "the body store was not available"))
      let stored = 0
      const puts = Effect.forEach(
        waiting,
        (item) =>
          item.bodies === undefined ? Effect.void : Effect.map(put(store, item, item.bodies), (done) => {
            if (done) stored++
          }),
        { concurrency: storeConcurrency, discard: true }
      )
      return Effect.flatMap(Effect.timeoutOption(puts, storeLimit), () => {
        giveUp(waiting, `the body store was not done after ${storeLimit}`)
        return stored > 0 ? Effect.void : Effect.map(Clock.currentTimeMillis, (then) => {
          storeAgainAt = then + storePause
        })
      })
    })
  }

  const once = (items: ReadonlyArray<Item>): Effect.Effect<void, RequestLog.RequestLogError> => {
    const entries = items.map(({ entry }) => entry)
    if (!isNonEmptyReadonlyArray(entries)) return Effect.void
    return Effect.suspend(() => options.sink.write(entries)).pipe(
      Effect.timeoutFail({
        duration: options.writeLimit,
        onTimeout: () => unavailable(`no answer after ${Duration.format(Duration.decode(options.writeLimit))}`)
      }),
      Effect.sandbox,
      Effect.mapError((cause) => {
        const failure = Either.getOrUndefined(Either.flip(Cause.failureOrCause(cause)))
        return failure ?? unavailable(describe(cause))
      }),
      Metric.trackDurationWith(metrics.latency, Duration.toSeconds),
      Effect.tapError(() => Metric.increment(metrics.failures))
    )
  }

  const refuse = (item: Item, error: RequestLog.RequestLogError) =>
    Effect.zipRight(
      Metric.increment(metrics.rejected),
      Effect.map(options.setAside(item.entry, error), (isKept) => {
        refused.set(item, isKept)
      })
    )

  /** A row that is said to be refused: set aside when the sink says so again. */
  const confirmed = (
    item: Item,
    error: RequestLog.RequestLogError,
    left: number
  ): Effect.Effect<void, RequestLog.RequestLogError> =>
    left === 0 ? refuse(item, error) : Effect.catchAll(once([item]), (next) =>
      next.reason === "Unavailable" ? Effect.fail(next) : confirmed(item, next, left - 1))

  /**
   * A row that the sink says it cannot take now. It is set aside only when it fails so often, beside a witness that is
   * taken in between, that chance cannot be the reason: a sink that fails half of the time fails no row for ever.
   */
  const tried = (
    item: Item,
    error: RequestLog.RequestLogError,
    witness: Item
  ): Effect.Effect<void, RequestLog.RequestLogError> =>
    Effect.gen(function*() {
      let failed = 1
      let asked = 0
      let taken = 0
      while (failed <= mostTrials) {
        // Not in turns: a sink may fail every second time.
        for (let times = yield* Random.nextIntBetween(1, 4); times > 0; times--) {
          asked++
          if (yield* Effect.isSuccess(once([witness]))) taken++
        }
        if (yield* Effect.isSuccess(once([item]))) return
        failed++
        if ((1 - taken / (asked + 1)) ** failed < doubt) return yield* refuse(item, error)
      }
      return yield* error
    })

  /** Halves until the rows that are not taken are alone. */
  const sift = (
    items: ReadonlyArray<Item>,
    error: RequestLog.RequestLogError,
    witness: Item | undefined
  ): Effect.Effect<void, RequestLog.RequestLogError> => {
    const [only, ...others] = items
    if (only === undefined) return Effect.void
    if (others.length === 0) {
      return error.reason === "Rejected"
        ? confirmed(only, error, confirmations)
        : witness === undefined
        ? Effect.fail(error)
        : tried(only, error, witness)
    }
    const middle = items.length >> 1
    const half = (part: ReadonlyArray<Item>) =>
      Effect.catchAll(once(part), (next) =>
        // A sink that has gone away meanwhile rejects nothing.
        witness === undefined && next.reason === "Unavailable" ? Effect.fail(next) : sift(part, next, witness))
    return Effect.zipRight(half(items.slice(0, middle)), half(items.slice(middle)))
  }

  /** A row that is taken alone by a sink that takes no batch: then it is another row's fault. */
  const findWitness = (items: ReadonlyArray<Item>): Effect.Effect<Item | undefined> => {
    const samples = new Set([items[0], items[items.length >> 1], items[items.length - 1]])
    return Effect.map(
      Effect.findFirst(
        samples,
        (item) => item === undefined ? Effect.succeed(false) : Effect.isSuccess(once([item]))
      ),
      Option.getOrUndefined
    )
  }

  const delivered = (items: ReadonlyArray<Item>, failedBefore: number) =>
    Effect.catchAll(once(items), (error) => {
      if (error.reason === "Rejected") return sift(items, error, undefined)
      if (items.length < 2 || failedBefore % patience !== patience - 1) return Effect.fail(error)
      return Effect.flatMap(
        findWitness(items),
        (witness) => witness === undefined ? Effect.fail(error) : sift(items, error, witness)
      )
    })

  return {
    storeBodies,
    write: (items, failedBefore) =>
      Effect.suspend(() => delivered(items.filter((item) => !refused.has(item)), failedBefore)).pipe(
        Effect.map(() => {
          const kept = [...refused.values()].filter((isKept) => isKept).length
          const outcome = { setAside: kept, lost: refused.size - kept }
          refused.clear()
          return outcome
        })
      )
  }
}

const unavailable = (description: string) =>
  new RequestLog.RequestLogError({ sink: "request", reason: "Unavailable", description })

const describe = (cause: Cause.Cause<{ readonly message: string }>): string => {
  const failure = Either.getOrUndefined(Either.flip(Cause.failureOrCause(cause)))
  if (failure !== undefined) return failure.message
  const [defect] = Cause.defects(cause)
  return Cause.isInterrupted(cause) ? "interrupted" : `a bug: ${kindOf(defect)}`
}
