/** Whether another provider waits for its turn: then nobody waits to try this one again. */
import * as Context from "effect/Context"

export class CascadeOwnsRetries extends Context.Reference<CascadeOwnsRetries>()("effect-majordomo/CascadeOwnsRetries", {
  defaultValue: () => false
}) {}

/** The environment of a call after which another provider can be asked. */
export const retriedByCascade = <R>(context: Context.Context<R>): Context.Context<R> =>
  Context.add(context, CascadeOwnsRetries, true)

/** The environment of a call that nobody else can answer any more: part of the answer is out. */
export const retriedByMember = <R>(context: Context.Context<R>): Context.Context<R> =>
  Context.add(context, CascadeOwnsRetries, false)
