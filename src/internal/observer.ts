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
