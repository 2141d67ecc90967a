/**
 * The arithmetic that replicas share: how much of a limit is spent, and how much of the rest each of them may hand out by
 * itself. Pure; a store keeps what it gives and takes.
 *
 * Why not `rate-limiter-flexible`: it counts before a call and cannot hold an estimate and book what a call really took, its
 * stores cost a round trip each call instead of handing out slices, its time is the machine's and not the `Clock`, and it
 * knows neither exact money nor calendars. One arithmetic serves requests, tokens, slots and dollars alike.
 */

/** What a replica has of a limit. */
export interface Lease {
  /** All that it ever said to have spent here. */
  readonly told: bigint
  /** What it may hand out beyond that. */
  readonly granted: bigint
  /** Ms since the epoch: later it holds nothing. */
  readonly until: number
}

/** What a replica says. It may say it twice: what it has spent is a sum from the beginning. */
export interface Report {
  readonly limit: bigint
  readonly spent: bigint
  /** Of its lease, for calls that run and for those to come. */
  readonly keeps: bigint
  /** On top of it, for a call that waits; 0n for none. */
  readonly wants: bigint
}

export interface Books {
  /** By all replicas, as they have said. */
  readonly used: bigint
  /** What the other ones may still hand out. */
  readonly granted: bigint
  readonly own: Lease | undefined
}

export interface Entry {
  readonly used: bigint
  readonly told: bigint
  readonly granted: bigint
}

/**
 * Books what a replica had spent by the time of a row, whoever says so: what it might still hand out is less by as much.
 * What was booked already changes nothing.
 */
export const book = (
  { own, used }: Pick<Books, "own" | "used">,
  spent: bigint
): Entry => {
  const before = own?.told ?? 0n
  const more = max(0n, spent - before)
  return { used: used + more, told: before + more, granted: max(0n, (own?.granted ?? 0n) - more) }
}

const max = (a: bigint, b: bigint): bigint => a > b ? a : b

/**
 * Books what a replica has spent, and gives it what it wants with a share of the rest, so that the next calls need no
 * question. Who is given nothing is told so at once: a part of what a call takes is of no use to it.
 */
export const settle = (books: Books, report: Report, share: bigint): Entry => {
  const before = books.own?.told ?? 0n
  const told = max(before, report.spent)
  const used = books.used + told - before
  const free = report.limit - used - books.granted - report.keeps
  const extra = report.wants <= 0n || free < report.wants ? 0n : report.wants + (free - report.wants) / share
  return { used, told, granted: report.keeps + extra }
}
