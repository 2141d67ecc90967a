/**
 * What one call comes to below whoever watches it. It travels with the request, so that other calls made on the way (a
 * judge, a decorator that asks another model) are calls of their own and never mix with it.
 */
import * as Effect from "effect/Effect"
import type { Request } from "../../LLM.ts"
import type { LLMError } from "../../LLMError.ts"
import { withFields } from "../objects/withFields.ts"
import { Ledger } from "./ledger.ts"
import type { Session } from "./session.ts"
import { chargeRunning } from "./tryEnd.ts"
import { uuidv7 } from "./uuid.ts"

export class Account {
  /** The calls of providers it came to, in order. */
  private readonly sessions: Array<Session> = []
  private readonly outer: Account | undefined
  private served: Session | undefined
  private id: string | undefined
  private readonly isApart: boolean

  /** `outer` hears of everything; with `isApart` the call has an id of its own all the same. */
  constructor(outer: Account | undefined, isApart = false) {
    this.outer = outer
    this.isApart = isApart
  }

  /** A provider starts a call, or asks again (`previous`) in other words. */
  opened(session: Session, previous: Session | undefined): void {
    const index = previous === undefined ? -1 : this.sessions.indexOf(previous)
    if (index === -1) this.sessions.push(session)
    else this.sessions[index] = session
    this.served = undefined
    this.outer?.opened(session, previous)
  }

  /** Of several that were asked at once, this one's answer is taken. */
  serve(session: Session | undefined): void {
    this.served = session
    this.outer?.serve(session)
  }

  /** The one whose answer is, or would have been, the answer of the call. */
  get current(): Session | undefined {
    return this.served ?? this.sessions.at(-1)
  }

  /** The one that an answer or a failure came from. */
  find(requestId: string): Session | undefined {
    return this.sessions.filter((session) => session.requestId === requestId).at(-1) ?? this.current
  }

  /** What is known of it now, tries that are running included. */
  get soFar(): Effect.Effect<Ledger> {
    return Effect.suspend(() => {
      const total = new Ledger()
      // A call that is asked again in other words goes on in the same ledger.
      const ledgers = new Set(this.sessions.map(({ ledger }) => ledger))
      for (const ledger of ledgers) total.addAll(ledger)
      return Effect.as(Effect.forEach(ledgers, (ledger) => chargeRunning(ledger, total), { discard: true }), total)
    })
  }

  /** The id of its row when it ends without an answer. */
  idOf(error: LLMError | undefined, millis: number): string {
    const known = error === undefined ? this.current?.requestId : callIdOf(error)
    if (known !== undefined) return known
    const id = this.freshId(millis)
    if (error !== undefined) withCallId(error, id)
    return id
  }

  readonly scrub = (text: string): string => this.sessions.reduce((clean, session) => session.scrub(clean), text)

  private freshId(millis: number): string {
    return this.outer !== undefined && !this.isApart ? this.outer.freshId(millis) : this.id ??= uuidv7(millis)
  }
}

// ── on requests ─────────────────────────────────────────────────────────────────────────────────────────────────────

/** After this failure a cascade asks another member: then nobody waits to ask this one again. */
export type MovesOn = (error: LLMError) => boolean

const never: MovesOn = () => false

class Ties {
  readonly account: Account | undefined
  readonly movesOn: MovesOn

  constructor(account: Account | undefined, movesOn: MovesOn) {
    this.account = account
    this.movesOn = movesOn
  }
}

const key = Symbol.for("effect-majordomo/call")

const none = new Ties(undefined, never)

const tiesOf = (request: Request<unknown, unknown>): Ties => {
  const found: unknown = Reflect.get(request, key)
  return found instanceof Ties ? found : none
}

export const accountOf = (request: Request<unknown, unknown>): Account | undefined => tiesOf(request).account

export const movesOn = (request: Request<unknown, unknown>, error: LLMError): boolean => tiesOf(request).movesOn(error)

/** The same request, whose call this account hears of. */
export const withAccount = <A, R>(request: Request<A, R>, account: Account): Request<A, R> =>
  tied(request, new Ties(account, tiesOf(request).movesOn))

/** The same request to a member after which another waits. A cascade around this one may move on all the same. */
export const withMovesOn = <A, R>(request: Request<A, R>, own: MovesOn): Request<A, R> => {
  const { account, movesOn: outer } = tiesOf(request)
  return tied(request, new Ties(account, outer === never ? own : (error) => own(error) || outer(error)))
}

/** The same request where nobody else can answer any more: part of the answer is out. */
export const withoutMovingOn = <A, R>(request: Request<A, R>): Request<A, R> =>
  tied(request, new Ties(tiesOf(request).account, never))

const tied = <A, R>(request: Request<A, R>, ties: Ties): Request<A, R> => withFields(request, { [key]: ties })

// ── on failures ─────────────────────────────────────────────────────────────────────────────────────────────────────

const callId = Symbol.for("effect-majordomo/callId")

/** Our id of the call that failed: copies of the failure keep it. */
export const withCallId = <E extends LLMError>(error: E, id: string): E =>
  Object.defineProperty(error, callId, { value: id, enumerable: false, configurable: true, writable: true })

const callIdOf = (error: LLMError): string | undefined => {
  const found: unknown = Reflect.get(error, callId)
  return typeof found === "string" ? found : undefined
}
