/** A row that no call made: the same item as a call's, with what is given. */
import * as Effect from "effect/Effect"
import { flatMapNow, withRunning } from "../../internal/call/runtime.ts"
import { uuidv7 } from "../../internal/call/uuid.ts"
import { withFields } from "../../internal/objects/withFields.ts"
import { toHeaderCase } from "../../Metadata.ts"
import type { Recorded, RecordedBodies } from "../Logging.ts"
import type { Entry } from "../RequestLog.ts"
import { capped } from "./bodies.ts"
import { notStored, redactedBy, rowBytes, type Settings } from "./calls.ts"
import { isRequestId, valid } from "./validEntry.ts"

/** Every request through a gateway comes here: one literal, no copying, and no field of a row that it forgets. */
const entryOf = (given: Recorded, now: number): Entry => ({
  requestId: isRequestId(given.requestId) ? given.requestId : uuidv7(now),
  kind: given.kind ?? "call",
  parentId: given.parentId,
  provider: given.provider,
  model: given.model,
  requestedModel: given.requestedModel ?? given.model,
  timestamp: given.timestamp ?? now,
  responseTime: given.responseTime ?? 0,
  timeToFirstToken: given.timeToFirstToken,
  inputTokens: given.inputTokens ?? 0,
  outputTokens: given.outputTokens ?? 0,
  cachedTokens: given.cachedTokens ?? 0,
  cacheCreationTokens: given.cacheCreationTokens ?? 0,
  reasoningTokens: given.reasoningTokens ?? 0,
  usagePartial: given.usagePartial ?? (given.inputTokens === undefined || given.outputTokens === undefined),
  inputCost: given.inputCost,
  outputCost: given.outputCost,
  toolUseCost: given.toolUseCost,
  totalCost: given.totalCost,
  status: given.status,
  errorType: given.errorType,
  errorMessage: given.errorMessage,
  finishReason: given.finishReason,
  streamed: given.streamed ?? false,
  cached: given.cached ?? false,
  attempts: given.attempts ?? [],
  apiKeyHash: given.apiKeyHash,
  apiKeyAlias: given.apiKeyAlias,
  metadata: labelsOf(given.metadata),
  majordomoApiKeyId: given.majordomoApiKeyId,
  requestPath: given.requestPath,
  requestMethod: given.requestMethod,
  statusCode: given.statusCode,
  traceId: given.traceId,
  spanPath: given.spanPath,
  spanName: given.spanName,
  client: given.client,
  bytesIn: given.bytesIn,
  bytesOut: given.bytesOut,
  timeToFirstByte: given.timeToFirstByte,
  estimatedInputTokens: given.estimatedInputTokens,
  bookings: given.bookings
} satisfies Record<keyof Recorded, unknown>)

const labelsOf = (given: Entry["metadata"] = {}): Entry["metadata"] =>
  Object.fromEntries(Object.entries(given).map(([label, value]) => [toHeaderCase(label), value]))

export const record = (
  { bodies: wanted, maxBodyBytes, offer, redact }: Settings,
  given: Recorded,
  bodies: RecordedBodies | undefined
): Effect.Effect<string> =>
  withRunning(({ clock }) => {
    const now = clock.unsafeCurrentTimeMillis()
    const made = entryOf(given, now)
    const { requestId } = made
    const stored = wanted === "all" || (wanted === "errors" && made.status !== "success") ? bodies : undefined
    const whole = stored === undefined ? made : withFields(made, { storageError: notStored })
    const offered = offer({
      // Who redacts sees a row that is as its type says; the writer looks at all of them.
      entry: redact === undefined ? whole : redactedBy(redact, valid(whole, now, () => requestId).entry),
      bytes: rowBytes + (stored?.request.length ?? 0) + (stored?.response?.length ?? 0),
      bodies: stored === undefined ? undefined : () => ({
        requestId,
        request: capped(stored.request, maxBodyBytes),
        response: stored.response === undefined ? undefined : capped(stored.response, maxBodyBytes)
      }),
      segment: undefined,
      order: 0
    }, now)
    return flatMapNow(offered, () => Effect.succeed(requestId))
  })
