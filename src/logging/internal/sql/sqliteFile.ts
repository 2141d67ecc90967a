/** Whether the file that was opened is still the one of its name: writes into one that is gone go nowhere. */
import * as Effect from "effect/Effect"
import { closeSync, openSync, statSync } from "node:fs"
import { RequestLogError, type Service } from "../../RequestLog.ts"

const identityOf = (filename: string): string | undefined => {
  try {
    const { dev, ino } = statSync(filename)
    return `${dev}:${ino}`
  } catch {
    return undefined
  }
}

/** A database that no other connection sees: it is gone with its own. */
export const isTransient = (filename: string): boolean => filename === "" || filename.startsWith(":memory:")

/** Rows are for this user alone where the file is made anew: SQLite gives its own files beside it the same mode. */
export const made = (filename: string): void => {
  if (isTransient(filename)) return
  try {
    closeSync(openSync(filename, "ax", 0o600))
  } catch {
    // It is there already, or cannot be made: who opens it says why.
  }
}

/** The sink as long as the file is there. A batch counts as written only when it still was afterwards. */
export const watched = (filename: string, sink: Service): Service => {
  const opened = identityOf(filename)
  if (opened === undefined) return sink
  const checked = Effect.suspend(() =>
    identityOf(filename) === opened ? Effect.void : Effect.fail(
      new RequestLogError({
        sink: "sqlite",
        reason: "Unavailable",
        description: `${filename} was deleted or replaced while it was in use; put it back, or start the program again`
      })
    )
  )
  return {
    write: (batch) => Effect.zipRight(checked, Effect.zipRight(sink.write(batch), checked)),
    health: Effect.zipRight(checked, sink.health ?? Effect.void)
  }
}
