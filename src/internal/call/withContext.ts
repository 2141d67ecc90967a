/** Another context for everything inside an effect or a stream. */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Scoped } from "../../LLM.ts"

export const scoped = (f: <R>(context: Context.Context<R>) => Context.Context<R>): Scoped => <A>(self: A): A =>
  // Both give back what they were given, with another context inside.
  (Effect.isEffect(self)
    ? Effect.mapInputContext(self, f)
    : Stream.mapInputContext(self as Stream.Stream<unknown, unknown, unknown>, f)) as A
