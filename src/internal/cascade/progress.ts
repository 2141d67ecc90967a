/** How far one logical call has come: who was asked, what that took, who is left. */
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Request } from "../../LLM.ts"
import * as LLMError from "../../LLMError.ts"
import type { Response, Warning } from "../../Response.ts"
import { Ledger } from "../call/ledger.ts"
import { interrupted } from "../call/tryEnd.ts"
import { type Member, Visit } from "./member.ts"

export class Progress {
  /** What came of members that did not answer. */
  readonly ledger = new Ledger()
  private warnings: ReadonlyArray<Warning> = []
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
    // One that cannot be read the member refuses.
    this.total = Option.match(Duration.decodeUnknown(timeouts?.total), {
      onNone: () => Infinity,
      onSome: Duration.toMillis
    })
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

  get othersWait(): boolean {
    return this.waiting.some((member) => member.allows(this.now))
  }

  /** The request for a member, with the time that is left. */
  remaining<A, R>(request: Request<A, R>): Request<A, R> {
    return this.total === Infinity || this.left === this.total
      ? request
      : { ...request, timeouts: { ...request.timeouts, total: Duration.millis(Math.max(1, this.left)) } }
  }

  add(error: LLMError.LLMError): void {
    this.ledger.addError(error)
  }

  /** A member lost against a faster one, and is no longer waited for. What it was billed by then is known in part. */
  addLost({ account, member: { service: { model, provider } }, startedAt }: Visit): Effect.Effect<void> {
    const lost = account === undefined ? Effect.succeed(new Ledger()) : account.soFar
    return Effect.map(lost, (ledger) => {
      if (ledger.attempts.length === 0) {
        const duration = Duration.millis(this.now - startedAt)
        ledger.attempts.push({ provider, model, duration, error: interrupted })
      }
      this.ledger.addAll(ledger)
      this.ledger.isPartial = true
      this.warnings = [...this.warnings, {
        code: "cost-incomplete",
        message: `${provider}/${model} was asked too and interrupted; the cost has what it was known to bill by then`
      }]
    })
  }

  /** A member answered after a faster one had. */
  addSpare(response: Response<unknown>): void {
    this.ledger.addResponse(response)
  }

  response<A>(response: Response<A>): Response<A> {
    const { ledger } = this
    if (ledger.attempts.length === 0) return response
    const duration = this.elapsed
    const waited = Duration.subtract(duration, response.duration)
    const total = new Ledger()
    total.addAll(ledger)
    total.addResponse(response)
    const warnings = [...this.warnings, ...response.warnings]
    return {
      ...response,
      attempts: total.attempts,
      usage: total.usage,
      cost: Option.fromNullable(total.cost),
      duration,
      timeToFirstToken: Option.map(response.timeToFirstToken, (own) => Duration.sum(own, waited)),
      // What a lost member's warning says is said once.
      warnings: [
        ...warnings,
        ...total.warnings.filter(({ code }) => !warnings.some((warning) => warning.code === code))
      ]
    }
  }

  /** The last failure, with every try of every member. */
  final<E extends LLMError.LLMError>(error: E): E {
    return this.ledger.final(error)
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
