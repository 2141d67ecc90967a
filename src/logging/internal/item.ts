/** A row on its way to the sink. */
import type { Bodies } from "../BodyStore.ts"
import type { Entry } from "../RequestLog.ts"
import type { Segment } from "./spool.ts"

export interface Item {
  entry: Entry
  /** What it takes in memory, about. */
  readonly bytes: number
  /** What is still to be stored; made when it is needed, away from the call. */
  bodies: (() => Bodies) | undefined
  /** Where it is on disk, too. */
  segment: Segment | undefined
  /** Its number in the order of coming; 0 for what comes back from the spool. */
  order: number
}
