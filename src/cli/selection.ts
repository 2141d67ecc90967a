/** Which calls a command asks about: `--since`, `--until`, `--where`, `--status`. */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Filter } from "../logging/CostReport.ts"
import { UsageError } from "./screen.ts"

export interface Wanted {
  readonly since?: Option.Option<string> | undefined
  readonly until?: Option.Option<string> | undefined
  /** `label=value` each. */
  readonly where: ReadonlyArray<string>
  readonly status?: Option.Option<NonNullable<Filter["status"]>> | undefined
}

const units = { m: Duration.minutes, h: Duration.hours, d: Duration.days, w: Duration.weeks }

const unitOf = (letter: string | undefined): Duration.Duration =>
  letter === "m" || letter === "h" || letter === "d" || letter === "w" ? units[letter](1) : Duration.zero

/** `7d`, `24h`, `30m` or `2w`; undefined when it is none of these. */
export const spanOf = (text: string): Duration.Duration | undefined => {
  const span = /^(\d{1,9})([mhdw])$/.exec(text)
  return span === null ? undefined : Duration.times(unitOf(span[2]), Number(span[1]))
}

/** `7d`, `24h`, `30m`, `2w`, or a date. */
const timeOf = (option: string, text: string): Effect.Effect<number, UsageError> =>
  Effect.flatMap(Clock.currentTimeMillis, (now) => {
    const ago = spanOf(text)
    if (ago !== undefined) return Effect.succeed(now - Duration.toMillis(ago))
    const at = /^\d{4}-\d\d(-\d\d)?/.test(text) ? Date.parse(text) : Number.NaN
    return Number.isNaN(at)
      ? Effect.fail(
        new UsageError({ message: `${option} ${text}: write 30m, 24h, 7d, 2w or a date such as 2026-11-21T08:00Z` })
      )
      : Effect.succeed(at)
  })

const optionalTime = (option: string, text: Option.Option<string> | undefined) =>
  text === undefined || Option.isNone(text) ? Effect.succeed(undefined) : timeOf(option, text.value)

export type Selected = Omit<Filter, "since"> & { readonly since?: number | undefined }

const isStatus = (text: string): text is NonNullable<Filter["status"]> =>
  text === "success" || text === "error" || text === "cancelled"

/** `provider`, `model` and `status` are columns, every other name is a label. */
export const selected = (wanted: Wanted): Effect.Effect<Selected, UsageError> =>
  Effect.gen(function*() {
    const since = yield* optionalTime("--since", wanted.since)
    const until = yield* optionalTime("--until", wanted.until)
    const labels: Record<string, string> = {}
    const columns: { provider?: string; model?: string; status?: string } = {}
    for (const text of wanted.where) {
      const at = text.indexOf("=")
      if (at < 1) {
        return yield* new UsageError({ message: `--where ${text}: write label=value, such as feature=search` })
      }
      const [name, value] = [text.slice(0, at), text.slice(at + 1)]
      if (name === "provider" || name === "model" || name === "status") columns[name] = value
      else labels[name] = value
    }
    const { model, provider, status } = columns
    if (status !== undefined && !isStatus(status)) {
      return yield* new UsageError({ message: `status=${status}: it is success, error or cancelled` })
    }
    return {
      since,
      until,
      provider,
      model,
      status: wanted.status === undefined ? status : Option.getOrElse(wanted.status, () => status),
      labels
    }
  })
