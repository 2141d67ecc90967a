/** What the tries of a call came to, so that its answer, its failure and its row can say it. */
import * as Option from "effect/Option"
import * as Cost from "../../Cost.ts"
import * as LLMError from "../../LLMError.ts"
import type { Attempt, Response, Warning } from "../../Response.ts"
import * as Usage from "../../Usage.ts"
import type { Running } from "./tryEnd.ts"

/** What something was billed, as far as it is known. */
export interface Billed {
  readonly usage?: Usage.Usage | undefined
  /** USD; undefined where no price is known. */
  readonly cost?: Cost.Cost | undefined
  /** More may have been billed than this. */
  readonly usagePartial?: boolean | undefined
}

export class Ledger {
  readonly attempts: Array<Attempt> = []
  /** The try under way. */
  running: Running | undefined = undefined
  usage = Usage.empty
  /** USD, of what has a price. */
  known = Cost.zeroUSD
  /** Something was billed that has no known price. */
  isUnpriced = false
  /** More may have been billed than is known. */
  isPartial = false

  add({ cost, usage, usagePartial }: Billed): void {
    if (usagePartial === true) this.isPartial = true
    if (usage !== undefined) this.usage = Usage.add(this.usage, usage)
    if (cost !== undefined) this.known = Cost.add(this.known, cost)
    else if (usage !== undefined && usage.totalTokens > 0) this.isUnpriced = true
  }

  addError(error: LLMError.LLMError): void {
    this.attempts.push(...error.attempts)
    this.add(error)
  }

  addResponse(response: Response<unknown>): void {
    this.attempts.push(...response.attempts)
    this.add({
      usage: response.usage,
      cost: Option.getOrUndefined(response.cost),
      usagePartial: response.warnings.some((warning) => warning.code === "cost-incomplete")
    })
    if (Option.isNone(response.cost)) this.isUnpriced = true
  }

  addAll(other: Ledger): void {
    this.attempts.push(...other.attempts)
    this.usage = Usage.add(this.usage, other.usage)
    this.known = Cost.add(this.known, other.known)
    this.isUnpriced ||= other.isUnpriced
    this.isPartial ||= other.isPartial
  }

  /** USD of all of it: unknown plus known is unknown. */
  get cost(): Cost.Cost | undefined {
    return this.isUnpriced ? undefined : this.known
  }

  /** Nothing known is not nothing billed. */
  get billed(): Billed {
    const isEmpty = this.usage === Usage.empty && this.known === Cost.zeroUSD
    return {
      usage: isEmpty ? undefined : this.usage,
      cost: isEmpty ? undefined : this.cost,
      usagePartial: this.isPartial ? true : undefined
    }
  }

  /** What an answer has to say about its `cost`. */
  get warnings(): ReadonlyArray<Warning> {
    const warnings: Array<Warning> = []
    if (this.isPartial) {
      const message = "a try that broke or was given up may have been billed more than is known of it"
      warnings.push({ code: "cost-incomplete", message, cost: this.known })
    }
    if (this.isUnpriced && this.known.total > 0) {
      const message = `not everything that was billed has a known price; what has one came to $${this.known.total}`
      warnings.push({ code: "unknown-price", message, cost: this.known })
    }
    return warnings
  }

  /** The last failure, with every try and what all of them were billed. */
  final<E extends LLMError.LLMError>(error: E): E {
    return LLMError.withAttempts(error, [...this.attempts], this.billed)
  }
}
