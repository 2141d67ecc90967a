/** What failed tries come to, so that the answer or the last failure can say it. */
import * as Cost from "../Cost.ts"
import * as LLMError from "../LLMError.ts"
import * as Usage from "../Usage.ts"

export interface Tally {
  readonly attempts: ReadonlyArray<LLMError.LLMError["attempts"][number]>
  usage: Usage.Usage
  cost: Cost.Cost
}

/** Adds what a failure was billed. */
export const charge = (tally: Tally, error: LLMError.LLMError): void => {
  if ("usage" in error && error.usage !== undefined) tally.usage = Usage.add(tally.usage, error.usage)
  if ("cost" in error && error.cost !== undefined) tally.cost = Cost.add(tally.cost, error.cost)
}

/** The last failure, with every try and what all of them were billed. */
export const final = <E extends LLMError.LLMError>(tally: Tally, error: E): E =>
  LLMError.withAttempts(
    error,
    tally.attempts,
    tally.usage === Usage.empty ? undefined : { usage: tally.usage, cost: tally.cost }
  )
