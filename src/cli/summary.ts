/** What is said of an answer beside it. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Cost from "../Cost.ts"
import type { Response } from "../Response.ts"
import { harmless, printError, type Screen } from "./screen.ts"

/** Who answered, and what it took. */
export const summary = (response: Response<unknown>): string => {
  const { cost, duration, model, provider, usage } = response
  const tokens = `${usage.inputTokens} + ${usage.outputTokens} tokens`
  const price = Option.match(cost, { onNone: () => "cost unknown", onSome: Cost.format })
  return `${provider}/${model}  ${(Duration.toMillis(duration) / 1000).toFixed(2)} s  ${tokens}  ${price}`
}

export const warnings = (response: Response<unknown>): Effect.Effect<void, never, Screen> =>
  Effect.forEach(response.warnings, ({ message }) => printError(`warning: ${harmless(message)}`), { discard: true })
