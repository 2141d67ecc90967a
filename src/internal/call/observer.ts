/** Who wants to know of the calls below: what is known of a call that ends without an answer. */
import * as Context from "effect/Context"
import type { Session } from "./session.ts"

export interface Observing {
  /** A provider starts a call, or asks again (`previous`) in other words. */
  readonly opened: (session: Session, previous: Session | undefined) => void
}

export class Observer extends Context.Reference<Observer>()("effect-majordomo/Observer", {
  defaultValue: (): Observing | undefined => undefined
}) {}

/** Keeps the sessions of the calls below, the last words of each, and tells those further out. */
export class Sessions implements Observing {
  readonly all: Array<Session> = []
  private readonly outer: Observing | undefined

  constructor(outer: Observing | undefined) {
    this.outer = outer
  }

  opened(session: Session, previous: Session | undefined): void {
    const index = previous === undefined ? -1 : this.all.indexOf(previous)
    if (index === -1) this.all.push(session)
    else this.all[index] = session
    this.outer?.opened(session, previous)
  }
}
