/** Whether another provider waits for its turn: then nobody waits to try this one again. */
import * as Context from "effect/Context"

export class AnotherWaits extends Context.Reference<AnotherWaits>()("effect-majordomo/AnotherWaits", {
  defaultValue: () => false
}) {}

/** The environment of a call after which another provider can be asked. */
export const anotherWaits = <R>(context: Context.Context<R>): Context.Context<R> =>
  Context.add(context, AnotherWaits, true)

/** The environment of a call that nobody else can answer any more: part of the answer is out. */
export const nobodyWaits = <R>(context: Context.Context<R>): Context.Context<R> =>
  Context.add(context, AnotherWaits, false)
