/** What hooks are made of: rules for patterns, and guards, which are programs. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { Cost } from "../../Cost.ts"
import type {
  Decision,
  Hook,
  MakeOptions,
  NewRequest,
  Phase,
  RegexOptions,
  RequestView,
  ResponseView
} from "../../Hooks.ts"
import type { JsonValue } from "../../Prompt.ts"
import type { Usage } from "../../Usage.ts"
import type { Rule } from "./matcher.ts"

export interface Patterns {
  readonly _tag: "Patterns"
  readonly name: string
  readonly phases: ReadonlySet<Phase>
  readonly rules: ReadonlyArray<Rule>
}

/** A decision, and what it was billed. */
export interface Outcome<To> {
  readonly decision: Decision<To>
  readonly usage?: Usage | undefined
  readonly cost?: Cost | undefined
}

export interface Guard {
  readonly _tag: "Guard"
  readonly name: string
  readonly failClosed: boolean
  readonly holds: boolean
  readonly before: ((view: RequestView) => Effect.Effect<Outcome<NewRequest>, unknown>) | undefined
  readonly after: ((view: ResponseView) => Effect.Effect<Outcome<JsonValue>, unknown>) | undefined
}

export type Made = Patterns | Guard

export const patterns = (options: RegexOptions): Hook => {
  const { action, name = "regex", on, pattern, replacement = "[redacted]" } = options
  const expressions = [...(pattern === undefined ? [] : [pattern]), ...(options.patterns ?? [])]
  const made: Patterns = {
    _tag: "Patterns",
    name,
    phases: phasesOf(on),
    rules: expressions.map((expression) => ({
      action,
      replacement,
      // One of our own: its state is ours, and it finds all there are.
      expression: new RegExp(expression.source, `${expression.flags.replace(/[gy]/g, "")}g`)
    }))
  }
  return { name, make: () => Effect.succeed(made) }
}

export const phasesOf = (on: Phase | "both"): ReadonlySet<Phase> => new Set(on === "both" ? ["before", "after"] : [on])

export const guard = <R>(options: MakeOptions<R>): Hook<never, R> => {
  const { after, before, failClosed = false, name, streams } = options
  return {
    name,
    make: () =>
      Effect.map(Effect.context<R>(), (context): Guard => {
        const run = <View, To>(decide: ((view: View) => Effect.Effect<Decision<To>, unknown, R>) | undefined) =>
          decide === undefined ? undefined : (view: View) =>
            Effect.suspend(() => decide(view)).pipe(
              Effect.map((decision): Outcome<To> => ({ decision })),
              provideUnder(context)
            )
        return { _tag: "Guard", name, failClosed, holds: streams === "hold", before: run(before), after: run(after) }
      })
  }
}

/** Provides what was there when the layer was built; what the call has itself (its metadata) wins. */
export const provideUnder =
  <R>(context: Context.Context<R>) => <A, E>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E> =>
    Effect.mapInputContext(effect, (own: Context.Context<never>) => Context.merge(context, own))
