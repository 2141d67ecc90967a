/** What failed tries come to, so that the answer or the last failure can say it. */
import * as Cost from "../Cost.ts"
import * as LLMError from "../LLMError.ts"
import * as Usage from "../Usage.ts"

export interface Tally {
  readonly attempts: ReadonlyArray<LLMError.LLMError["attempts"][number]>
  usage: Usage.Usage
  cost: Cost.Cost
}

/** Adds what a failure, or an end without an answer, was billed. */
export const charge = (tally: Tally, billed: LLMError.LLMError | Billed): void => {
  if ("usage" in billed && billed.usage !== undefined) tally.usage = Usage.add(tally.usage, billed.usage)
  if ("cost" in billed && billed.cost !== undefined) tally.cost = Cost.add(tally.cost, billed.cost)
}

interface Billed {
  readonly usage: Usage.Usage
  readonly cost: Cost.Cost | undefined
}

/** The last failure, with every try and what all of them were billed. */
export const final = <E extends LLMError.LLMError>(tally: Tally, error: E): E =>
  LLMError.withAttempts(
    error,
    tally.attempts,
    tally.usage === Usage.empty ? undefined : { usage: tally.usage, cost: tally.cost }
  )
