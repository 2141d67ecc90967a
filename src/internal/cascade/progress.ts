/** How far one logical call has come: who was asked, what that took, who is left. */
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Cost from "../../Cost.ts"
import type { Request } from "../../LLM.ts"
import * as LLMError from "../../LLMError.ts"
import type { Attempt, Response, Warning } from "../../Response.ts"
import * as Usage from "../../Usage.ts"
import { charge, type Ledger } from "../call/ledger.ts"
import { billedOf, interrupted, triesOf } from "../call/unanswered.ts"
import { type Member, Visit } from "./member.ts"

export class Progress implements Ledger {
  attempts: ReadonlyArray<Attempt> = []
  warnings: ReadonlyArray<Warning> = []
  usage = Usage.empty
  cost = Cost.zeroUSD
  private readonly waiting: Array<Member>
  private readonly members: ReadonlyArray<Member>
  private readonly clock: Clock.Clock
  private readonly startedAt: bigint
  private readonly total: number

  constructor(clock: Clock.Clock, { timeouts }: Request<unknown, unknown>, members: ReadonlyArray<Member>) {
    this.clock = clock
    this.members = members
    this.waiting = [...members]
    this.startedAt = clock.unsafeCurrentTimeNanos()
    this.total = timeouts?.total === undefined ? Infinity : Duration.toMillis(timeouts.total)
  }

  /** ms since the epoch. */
  get now(): number {
    return this.clock.unsafeCurrentTimeMillis()
  }

  private get elapsed(): Duration.Duration {
    return Duration.nanos(this.clock.unsafeCurrentTimeNanos() - this.startedAt)
  }

  /** ms until the limit of the whole call. */
  private get left(): number {
    return this.total - Duration.toMillis(this.elapsed)
  }

  get isOver(): boolean {
    return this.left < 1
  }

  /** The next member that may be asked. */
  take(): Visit | undefined {
    for (;;) {
      const member = this.waiting.shift()
      if (member === undefined) return undefined
      if (member.allows(this.now)) return new Visit(member, this.now)
    }
  }

  get retriedByCascade(): boolean {
    return this.waiting.some((member) => member.allows(this.now))
  }

  /** The request for a member, with the time that is left. */
  remaining<A, R>(request: Request<A, R>): Request<A, R> {
    return this.total === Infinity || this.left === this.total
      ? request
      : { ...request, timeouts: { ...request.timeouts, total: Duration.millis(Math.max(1, this.left)) } }
  }

  add(error: LLMError.LLMError): void {
    this.attempts = [...this.attempts, ...error.attempts]
    charge(this, error)
  }

  /** A member lost against a faster one, and is no longer waited for. What it was billed by then is known in part. */
  addLost({ member: { service: { model, provider } }, sessions, startedAt }: Visit): Effect.Effect<void> {
    const tries = triesOf(sessions?.all ?? [])
    const duration = Duration.millis(this.now - startedAt)
    this.attempts = [
      ...this.attempts,
      ...(tries.length === 0 ? [{ provider, model, duration, error: interrupted }] : tries)
    ]
    const message = `${provider}/${model} was asked too and interrupted; the cost has what it was known to bill by then`
    this.warnings = [...this.warnings, { code: "cost-incomplete", message }]
    return Effect.map(billedOf(sessions?.all ?? []), (spent) => charge(this, spent))
  }

  /** A member answered after a faster one had. */
  addSpare(response: Response<unknown>): void {
    this.attempts = [...this.attempts, ...response.attempts]
    this.usage = Usage.add(this.usage, response.usage)
    this.cost = Cost.add(this.cost, Option.getOrElse(response.cost, () => Cost.zeroUSD))
  }

  response<A>(response: Response<A>): Response<A> {
    if (this.attempts.length === 0) return response
    const duration = this.elapsed
    const waited = Duration.subtract(duration, response.duration)
    return {
      ...response,
      attempts: [...this.attempts, ...response.attempts],
      usage: Usage.add(this.usage, response.usage),
      cost: Option.map(response.cost, (own) => Cost.add(this.cost, own)),
      duration,
      timeToFirstToken: Option.map(response.timeToFirstToken, (own) => Duration.sum(own, waited)),
      warnings: this.warnings.length === 0 ? response.warnings : [...this.warnings, ...response.warnings]
    }
  }

  /** Every member is held back by its breaker. */
  get circuitOpen(): LLMError.ProviderError {
    const [first] = this.members
    return new LLMError.ProviderError({
      provider: first?.service.provider ?? "unknown",
      model: first?.service.model ?? "unknown",
      reason: new LLMError.CircuitOpen({
        until: Math.min(...this.members.map(({ breaker }) => breaker?.until ?? Infinity))
      }),
      description: this.members.length === 1
        ? "it kept failing, and is not asked for a while"
        : `it and the other members (${this.members.length - 1}) kept failing, and are not asked for a while`
    })
  }
}
