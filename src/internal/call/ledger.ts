/** What failed tries come to, so that the answer or the last failure can say it. */
import * as Cost from "../../Cost.ts"
import * as LLMError from "../../LLMError.ts"
import * as Usage from "../../Usage.ts"

export interface Ledger {
  readonly attempts: ReadonlyArray<LLMError.LLMError["attempts"][number]>
  usage: Usage.Usage
  cost: Cost.Cost
}

/** Adds what a failure, or an end without an answer, was billed. */
export const charge = (ledger: Ledger, billed: LLMError.LLMError | Billed): void => {
  if ("usage" in billed && billed.usage !== undefined) ledger.usage = Usage.add(ledger.usage, billed.usage)
  if ("cost" in billed && billed.cost !== undefined) ledger.cost = Cost.add(ledger.cost, billed.cost)
}

interface Billed {
  readonly usage: Usage.Usage
  readonly cost: Cost.Cost | undefined
}

/** The last failure, with every try and what all of them were billed. */
export const final = <E extends LLMError.LLMError>(ledger: Ledger, error: E): E =>
  LLMError.withAttempts(
    error,
    ledger.attempts,
    ledger.usage === Usage.empty ? undefined : { usage: ledger.usage, cost: ledger.cost }
  )
