/** How long a member took to its first content, lately. */

const kept = 128

/** Weight of the newest one in the moving average. */
const newest = 0.3

export class Latencies {
  /** ms, the last `kept` ones in a ring. */
  private readonly seen: Array<number> = []
  private next = 0
  /** ms, moving; undefined until something was seen. */
  average: number | undefined = undefined

  add(millis: number): void {
    this.seen[this.next] = millis
    this.next = (this.next + 1) % kept
    this.average = this.average === undefined ? millis : this.average + newest * (millis - this.average)
  }

  get count(): number {
    return this.seen.length
  }

  /** ms; the smallest one that `percent` of those seen do not exceed. */
  percentile(percent: number): number | undefined {
    const sorted = [...this.seen].sort((a, b) => a - b)
    return sorted[Math.min(sorted.length, Math.max(1, Math.ceil(percent / 100 * sorted.length))) - 1]
  }
}
