/** From memory into the spool: rows with what is still to be stored of them. */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import { kindOf } from "../../internal/call/logFailure.ts"
import type { Bodies } from "../BodyStore.ts"
import type { Item } from "./item.ts"
import * as metrics from "./metrics.ts"
import type { Spool } from "./spool.ts"

export interface Spilled {
  /** Only on disk from now on. */
  readonly moved: ReadonlyArray<Item>
  /** The disk took these not. */
  readonly left: ReadonlyArray<Item>
  readonly problem: string | undefined
}

const noRoom = "the spool had no room for bodies that were not stored yet"

/** The bodies go, the row says why. */
export const withoutBodies = (item: Item, why: string): void => {
  if (item.bodies === undefined) return
  item.bodies = undefined
  item.entry = { ...item.entry, storageError: why }
}

const bodiesOf = (item: Item): Bodies | undefined => {
  try {
    return item.bodies?.()
  } catch (error) {
    withoutBodies(item, `a bug: ${kindOf(error)}`)
    return undefined
  }
}

/** A row that is on disk already is written once more only with its bodies. */
export const spilled = (spool: Spool, items: ReadonlyArray<Item>): Effect.Effect<Spilled> =>
  Effect.suspend(() => {
    if (!spool.hasRoomForBodies) { for (const item of items) withoutBodies(item, noRoom) }
    const written = items.filter(({ bodies, segment }) => segment === undefined || bodies !== undefined)
    if (written.length === 0) return Effect.sync(() => evicted(spool, items))
    const records = written.map((item) => ({ bodies: bodiesOf(item), item })).map(({ bodies, item }) => ({
      entry: item.entry,
      bodies
    }))
    return Effect.matchEffect(spool.append(records), {
      onSuccess: (segment) => {
        const older = written.filter((item) => item.segment !== undefined && item.segment !== segment)
        const released = Effect.forEach(older, (item) =>
          item.segment === undefined ? Effect.void : spool.release(item.segment, [item.entry.requestId]), {
          discard: true
        })
        return released.pipe(
          Effect.zipRight(Metric.incrementBy(metrics.spooled, written.length)),
          Effect.map(() => {
            for (const item of written) {
              item.segment = segment
            }
            return evicted(spool, items)
          })
        )
      },
      onFailure: ({ message }) =>
        Effect.sync(() => {
          const kept = items.filter(({ segment }) =>
            segment !== undefined
          )
          for (const item of kept) withoutBodies(item, noRoom)
          return {
            ...evicted(spool, kept),
            left: items.filter(({ segment }) => segment === undefined),
            problem: message
          }
        })
    })
  })

const evicted = (spool: Spool, items: ReadonlyArray<Item>): Spilled => {
  for (const { entry, segment } of items) if (segment !== undefined) spool.evict(segment, entry)
  return { moved: items, left: [], problem: undefined }
}
