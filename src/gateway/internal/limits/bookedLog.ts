/**
 * Rows book what they say of budgets when they are written. A process tells what it has spent every second by itself; of one
 * that died before it did, the rows that it left in its spool say so.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { RequestLog, RequestLogError } from "../../../logging/RequestLog.ts"
import { LimitStore } from "./limitStore.ts"

export const layer: Layer.Layer<RequestLog, never, LimitStore | RequestLog> = Layer.effect(
  RequestLog,
  Effect.gen(function*() {
    const log = yield* RequestLog
    const { book } = yield* LimitStore
    return {
      ...log,
      // Written first, then booked: what fails in between comes again, and neither is done twice.
      write: (batch) =>
        Effect.zipRight(
          log.write(batch),
          Effect.suspend(() => {
            const bookings = batch.flatMap(({ bookings = [] }) => bookings)
            return bookings.length === 0 ? Effect.void : Effect.flatMap(Clock.currentTimeMillis, (now) =>
              Effect.mapError(
                book(bookings, now),
                ({ description }) => new RequestLogError({ sink: "limits", reason: "Unavailable", description })
              ))
          })
        )
    }
  })
)
