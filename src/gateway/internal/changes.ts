/**
 * What one replica has changed, and the others should know: PostgreSQL tells them at once. Who must know looks for itself
 * every few seconds all the same, which is all that there is over SQLite.
 */
import type { SqlClient } from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"

export type What = "keys" | "settings"

const channel = "majordomo_gateway"

/** What is heard of changes, by what they are about. */
class Changes
  extends Context.Tag("effect-majordomo/gateway/Changes")<Changes, Map<string, Set<Effect.Effect<void>>>>()
{}

/** In a transaction it is told when that is done. */
export const announce = (sql: SqlClient, what: What): Effect.Effect<void, SqlError> =>
  sql.onDialectOrElse({
    pg: () => Effect.asVoid(sql`SELECT pg_notify(${channel}, ${what})`),
    orElse: () => Effect.void
  })

/** Does something whenever it is heard of, where anything is heard. */
export const heard = (what: What, act: Effect.Effect<void>): Effect.Effect<void, never, Scope.Scope> =>
  Effect.flatMap(Effect.serviceOption(Changes), (changes) => {
    if (Option.isNone(changes)) return Effect.void
    const acts = changes.value.get(what) ?? new Set()
    changes.value.set(what, acts)
    return Effect.acquireRelease(
      Effect.sync(() => acts.add(act)),
      () => Effect.sync(() => acts.delete(act))
    )
  })

/** A connection that was lost is missed at last then: nothing tells of it. */
const lease = "1 minute"

/** Listens as long as the layer lives. */
export const layer = (
  connect: Effect.Effect<
    { readonly listen: (channel: string) => Stream.Stream<string, SqlError>; readonly cut: Effect.Effect<void> },
    unknown,
    Scope.Scope
  >
): Layer.Layer<Changes> =>
  Layer.scoped(
    Changes,
    Effect.gen(function*() {
      const acts = new Map<string, Set<Effect.Effect<void>>>()
      const listening = Effect.scoped(Effect.flatMap(connect, ({ cut, listen }) =>
        Stream.runForEach(
          listen(channel),
          (what) => Effect.forEach(acts.get(what) ?? [], (act) => act, { discard: true })
        ).pipe(
          // Its farewell would wait for an answer.
          Effect.disconnect,
          Effect.timeoutOption(lease),
          Effect.ensuring(cut)
        )))
      yield* Effect.forkScoped(
        Effect.repeat(Effect.catchAllCause(listening, () => Effect.void), Schedule.spaced("1 second"))
      )
      return acts
    })
  )
