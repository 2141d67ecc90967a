/** The decorator: each call leaves one row, however it ends. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { kindOf } from "../../internal/call/logFailure.ts"
import * as onEnd from "../../internal/call/onEnd.ts"
import { flatMapNow, withRunning } from "../../internal/call/runtime.ts"
import { withFields } from "../../internal/objects/withFields.ts"
import type { CallEnd, Service } from "../../LLM.ts"
import type { Origin } from "../Logging.ts"
import type { Entry } from "../RequestLog.ts"
import * as bodies from "./bodies.ts"
import type { Item } from "./item.ts"
import * as rows from "./rows.ts"

export class CurrentOrigin
  extends Context.Reference<CurrentOrigin>()("effect-majordomo/logging/Logging/CurrentOrigin", {
    defaultValue: (): Origin => ({})
  })
{}

export interface Settings {
  readonly attempts: boolean
  readonly redact: ((entry: Entry) => Entry) | undefined
  readonly bodies: "all" | "none" | "errors"
  readonly maxBodyBytes: number
  /** Inside an effect that runs; `now` is ms since the epoch. */
  readonly offer: (item: Item, now: number) => Effect.Effect<void>
}

export const rowBytes = 700

/** What a row says of bodies whose store has not been asked yet: it is read only after a crash. */
export const notStored = "the process ended before the bodies were stored"

export const decorate = (llm: Service, settings: Settings): Service =>
  onEnd.decorate(llm, (context) => {
    const origin = Context.get(context, CurrentOrigin)
    return (end, scrub) => {
      // Whatever happens here, the call goes on.
      try {
        return record(settings, end, origin, scrub)
      } catch (error) {
        return Effect.logError("a call could not be logged", kindOf(error))
      }
    }
  })

const record = (
  settings: Settings,
  end: CallEnd,
  origin: Origin,
  scrub: (text: string) => string
): Effect.Effect<void> => {
  const { attempts, bodies: wanted, offer } = settings
  const row = rows.ofEnd(end, origin)
  const stores = wanted === "all" || (wanted === "errors" && row.status !== "success")
  const item = itemOf(
    settings,
    stores ? withFields(row, { storageError: notStored }) : row,
    stores ? end : undefined,
    scrub
  )
  const tries = attempts
    ? rows.ofAttempts(row).map((entry) => itemOf(settings, entry, undefined, scrub))
    : []
  return withRunning(({ clock }) => {
    const now = clock.unsafeCurrentTimeMillis()
    return flatMapNow(offer(item, now), () => Effect.forEach(tries, (each) => offer(each, now), { discard: true }))
  })
}

const itemOf = (
  { maxBodyBytes, redact }: Settings,
  row: Entry,
  end: CallEnd | undefined,
  scrub: (text: string) => string
): Item => {
  const entry = redact === undefined ? row : redactedBy(redact, row)
  if (end === undefined) return { entry, bytes: rowBytes, bodies: undefined, segment: undefined, order: 0 }
  const text = Option.match(end.response, {
    onNone: () => Option.getOrElse(end.partialText, () => ""),
    onSome: ({ text }) => text
  })
  return {
    entry,
    bytes: rowBytes + bodies.weigh(end.request.prompt) + text.length,
    bodies: () =>
      bodies.make({ requestId: entry.requestId, labels: entry.metadata, end, scrub, maxBytes: maxBodyBytes }),
    segment: undefined,
    order: 0
  }
}

/** What a redactor that fails would have taken out is not known: all free text goes, the row stays. */
export const redactedBy = (redact: (entry: Entry) => Entry, entry: Entry): Entry => {
  try {
    const { kind, parentId, requestId } = entry
    return { ...redact(entry), requestId, kind, parentId }
  } catch {
    return {
      ...entry,
      errorMessage: "redact failed: the texts of this row are left out",
      metadata: {},
      apiKeyAlias: undefined,
      requestPath: undefined
    }
  }
}
