/** A member of a cascade and what is known of its health. */
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { Candidate } from "../../Balance.ts"
import type { Service } from "../../LLM.ts"
import type { LLMError } from "../../LLMError.ts"
import type { Account } from "../call/account.ts"
import type { Breaker } from "./breaker.ts"
import { Latencies } from "./latencies.ts"

export class Member implements Candidate {
  readonly service: Service
  readonly breaker: Breaker | undefined
  readonly latencies = new Latencies()
  /** Calls that run now. */
  inFlight = 0
  measuredAt = 0

  constructor(service: Service, breaker: Breaker | undefined) {
    this.service = service
    this.breaker = breaker
  }

  get provider(): string {
    return this.service.provider
  }

  get model(): string {
    return this.service.model
  }

  get latency(): Option.Option<Duration.Duration> {
    return Option.map(Option.fromNullable(this.latencies.average), Duration.millis)
  }

  allows(now: number): boolean {
    return this.breaker === undefined || this.breaker.allows(now)
  }
}

/** One member asked within one call. Its outcome is told once. */
export class Visit {
  readonly member: Member
  /** ms since the epoch. */
  readonly startedAt: number
  /** What the member has come to, where it is one of several at once. */
  account: Account | undefined = undefined
  /** What it opened to read a stream, from before there is any. */
  scope: Scope.CloseableScope | undefined = undefined
  private readonly probe: boolean
  private isOver = false

  constructor(member: Member, now: number) {
    this.member = member
    this.startedAt = now
    this.probe = member.breaker?.enter() ?? false
    member.inFlight++
  }

  /** The answer, or its first content, is there. */
  answered(now: number): void {
    this.member.latencies.add(now - this.startedAt)
    this.member.measuredAt = now
  }

  succeeded(): void {
    if (this.end()) this.member.breaker?.succeeded(this.probe)
  }

  failed(error: LLMError, now: number): void {
    if (!this.end()) return
    if (isOutage(error)) this.member.breaker?.failed(this.probe, now)
    else this.member.breaker?.succeeded(this.probe)
  }

  /** Interrupted, or no longer read. */
  left(): void {
    if (this.end()) this.member.breaker?.left(this.probe)
  }

  private end(): boolean {
    if (this.isOver) return false
    this.isOver = true
    this.member.inFlight--
    return true
  }
}

/** Says something about the member, and not about the request. */
const isOutage = (error: LLMError): boolean =>
  error._tag === "ProviderError" && error.reason._tag !== "Unsupported" && error.reason._tag !== "CircuitOpen"
