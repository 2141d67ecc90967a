/** A row that no call made: the same item as a call's, with what is given. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { uuidv7 } from "../../internal/call/uuid.ts"
import { toHeaderCase } from "../../Metadata.ts"
import type { Recorded, RecordedBodies } from "../Logging.ts"
import type { Entry } from "../RequestLog.ts"
import { capped } from "./bodies.ts"
import { notStored, redactedBy, rowBytes, type Settings } from "./calls.ts"
import { valid } from "./validEntry.ts"

const entryOf = (given: Recorded, now: number): Entry => {
  const otherwise = {
    kind: "call" as const,
    requestedModel: given.model,
    timestamp: now,
    responseTime: 0,
    inputTokens: 0,
    outputTokens: 0,
    cachedTokens: 0,
    cacheCreationTokens: 0,
    reasoningTokens: 0,
    usagePartial: given.inputTokens === undefined || given.outputTokens === undefined,
    streamed: false,
    cached: false,
    attempts: []
  }
  return Object.assign(otherwise, given, {
    requestId: given.requestId ?? uuidv7(given.timestamp ?? now),
    metadata: Object.fromEntries(
      Object.entries(given.metadata ?? {}).map(([label, value]) => [toHeaderCase(label), value])
    )
  })
}

export const record = (
  { bodies: wanted, maxBodyBytes, offer, redact }: Settings,
  given: Recorded,
  bodies: RecordedBodies | undefined
): Effect.Effect<string> =>
  Effect.flatMap(Clock.currentTimeMillis, (now) => {
    const { entry } = valid(entryOf(given, now), now, () => uuidv7(now))
    const { requestId } = entry
    const stored = wanted === "all" || (wanted === "errors" && entry.status !== "success") ? bodies : undefined
    const whole = stored === undefined ? entry : { ...entry, storageError: notStored }
    const offered = offer({
      entry: redact === undefined ? whole : redactedBy(redact, whole),
      bytes: rowBytes + (stored?.request.length ?? 0) + (stored?.response?.length ?? 0),
      bodies: stored === undefined ? undefined : () => ({
        requestId,
        request: capped(stored.request, maxBodyBytes),
        response: stored.response === undefined ? undefined : capped(stored.response, maxBodyBytes)
      }),
      segment: undefined,
      order: 0
    })
    return Effect.as(Effect.uninterruptible(offered), requestId)
  })
