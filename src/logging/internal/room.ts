/** What memory holds: rows and bytes of them, and the calls that wait for room. */
import * as Effect from "effect/Effect"
import type { Item } from "./item.ts"

export interface Capacity {
  readonly rows: number
  readonly bytes: number
}

export class Room {
  rows = 0
  bytes = 0
  private readonly capacity: Capacity
  private waiting: Array<() => void> = []
  private isOpen = true

  constructor(capacity: Capacity) {
    this.capacity = capacity
  }

  /** Whether there is room within so many times the capacity. */
  has(times: number): boolean {
    return this.rows < this.capacity.rows * times && this.bytes < this.capacity.bytes * times
  }

  take(item: Item): void {
    this.rows++
    this.bytes += item.bytes
  }

  left(items: ReadonlyArray<Item>): void {
    for (const { bytes } of items) this.bytes -= bytes
    this.rows -= items.length
    this.wake()
  }

  /** Returns when there is room, or never will be. */
  made(times: number): Effect.Effect<void> {
    return Effect.repeat(
      Effect.async<void>((resume) => {
        if (!this.isOpen || this.has(times)) return resume(Effect.void)
        this.waiting.push(() => resume(Effect.void))
      }),
      { until: () => this.has(times) || !this.isOpen }
    )
  }

  /** Nobody waits any more. */
  close(): void {
    this.isOpen = false
    this.wake()
  }

  private wake(): void {
    const waiting = this.waiting
    this.waiting = []
    for (const resume of waiting) resume()
  }
}
