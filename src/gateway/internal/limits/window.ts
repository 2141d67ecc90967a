/** The time that a limit is for: a minute of the clock, a day or a month of a calendar, or all of it. */
import * as DateTime from "effect/DateTime"

/** From its first millisecond to the one behind its last, since the epoch. */
export interface Window {
  readonly starts: number
  readonly ends: number
}

export const forever: Window = { starts: 0, ends: Number.MAX_SAFE_INTEGER }

const minuteLength = 60_000

/** Minutes begin with those of the clock, so that replicas need not agree on when one began. */
export const minute = (now: number): Window => {
  const starts = Math.floor(now / minuteLength) * minuteLength
  return { starts, ends: starts + minuteLength }
}

/** Days and months of a time zone, those of 23 and 25 hours too. The last one is remembered: calendars are slow. */
export const calendar = (unit: "day" | "month", zone: DateTime.TimeZone): (now: number) => Window => {
  let last: Window = { starts: 0, ends: 0 }
  return (now) => {
    if (now >= last.starts && now < last.ends) return last
    const first = DateTime.startOf(DateTime.unsafeMakeZoned(now, { timeZone: zone }), unit)
    const next = DateTime.startOf(DateTime.add(first, unit === "day" ? { hours: 36 } : { days: 40 }), unit)
    last = { starts: DateTime.toEpochMillis(first), ends: DateTime.toEpochMillis(next) }
    return last
  }
}
