/** How hosts are told how much to think. */
import type { Reasoning } from "../../LLM.ts"

/**
 * `reasoning_effort` for a host that knows only some efforts, given from the lowest to the highest: the nearest one that
 * is not below what is wanted, else the highest. `"none"` is never made up.
 *
 * @since 0.1.0
 * @category presets
 */
export const efforts =
  (...known: ReadonlyArray<Effort>) => (reasoning: Reasoning): Readonly<Record<string, unknown>> => {
    const { effort } = reasoning
    if (effort === undefined) return {}
    if (effort === "none") return known.includes("none") ? { reasoning_effort: "none" } : {}
    const wanted = allEfforts.indexOf(effort)
    const found = known.find((one) => one !== "none" && allEfforts.indexOf(one) >= wanted) ?? known[known.length - 1]
    return { reasoning_effort: found }
  }

/**
 * `efforts` for a host whose models think only when `thinking` says so, and stop at `"none"`.
 *
 * @since 0.1.0
 * @category presets
 */
export const thinking = (
  ...known: ReadonlyArray<Effort>
): (reasoning: Reasoning) => Readonly<Record<string, unknown>> => {
  const effort = efforts(...known)
  return (reasoning) =>
    reasoning.effort === "none"
      ? { thinking: { type: "disabled" } }
      : reasoning.effort === undefined
      ? {}
      : { thinking: { type: "enabled" }, ...effort(reasoning) }
}

type Effort = NonNullable<Reasoning["effort"]>

const allEfforts: ReadonlyArray<Effort> = ["none", "minimal", "low", "medium", "high", "xhigh", "max"]
