/**
 * A sink for development: one line per call on the console.
 *
 * @since 0.1.0
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type Entry, RequestLog } from "./RequestLog.ts"

/**
 * A row in one line: `anthropic/claude-sonnet-5 success 0.83 s, 120 + 30 tokens, $0.00081 [0190…]`.
 *
 * @since 0.1.0
 * @category conversions
 */
export const format = (entry: Entry): string => {
  const outcome = entry.errorType === undefined ? entry.status : `${entry.status} ${entry.errorType}`
  const cost = entry.totalCost === undefined ? "" : `, $${entry.totalCost}`
  const who = `${entry.provider}/${entry.model}`
  const tokens = `${entry.inputTokens} + ${entry.outputTokens} tokens`
  return harmless(`${who} ${outcome} ${entry.responseTime.toFixed(2)} s, ${tokens}${cost} [${entry.requestId}]`)
}

/** What a provider calls itself may hold codes that move a terminal's cursor. */
const harmless = (line: string): string =>
  // oxlint-disable-next-line no-control-regex -- these are what is looked for
  line.replace(/[\u0000-\u001f\u007f-\u009f]/g, "\ufffd")

/**
 * The layer.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<RequestLog> = Layer.succeed(RequestLog, {
  write: (batch) => Effect.forEach(batch, (entry) => Console.log(format(entry)), { discard: true })
})
