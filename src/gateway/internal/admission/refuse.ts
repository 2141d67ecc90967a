/** How the gate says no. */
import * as Effect from "effect/Effect"
import type { Refusal } from "../refusal.ts"

export const refuse = (refusal: Refusal): Effect.Effect<never, Refusal> => Effect.fail(refusal)

export const unavailable = (message: string): Refusal => ({
  status: 503,
  code: "gateway_unavailable",
  message,
  headers: { "retry-after": "5" }
})
