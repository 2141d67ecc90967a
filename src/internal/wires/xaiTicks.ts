/** What xAI says an answer cost. Source: docs.x.ai, usage, 2026-11. */
import { asNumber, type Loose } from "../json/values.ts"

/** USD: 10^10 ticks are one dollar. Resellers send 0, which is no price. */
export const dollarsOfTicks = (usage: Loose): number | undefined => {
  const ticks = asNumber(usage["cost_in_usd_ticks"])
  return ticks !== undefined && ticks > 0 ? ticks / 1e10 : undefined
}
