/** Where the command writes to and reads from. The edge of the program gives it. */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Scope from "effect/Scope"

export interface Service {
  readonly write: (text: string) => Effect.Effect<void>
  readonly writeError: (text: string) => Effect.Effect<void>
  /** A line of a log: at once, and nobody waits for it. */
  readonly log: (line: string) => void
  readonly isTerminal: boolean
  readonly isColoured: boolean
  /** Cells of a line of the terminal; none where there is no terminal. */
  readonly width: number | undefined
  /** What is piped in; none when a person sits there. */
  readonly input: Effect.Effect<Option.Option<string>>
  /** Asks a person for one line after the other; none when there are no more. */
  readonly lines: Effect.Effect<(question: string) => Effect.Effect<Option.Option<string>>, never, Scope.Scope>
  /** An interruption ends the command well from here on. */
  readonly untilInterrupted: Effect.Effect<void>
}

export class Screen extends Context.Tag("effect-majordomo/cli/Screen")<Screen, Service>() {}

/** The command could not do what it was told; the message says why and what to do. */
export class CommandError extends Data.TaggedError("CommandError")<{ readonly message: string }> {}

/** The command was told wrongly. */
export class UsageError extends Data.TaggedError("UsageError")<{ readonly message: string }> {}

export const print = (line: string): Effect.Effect<void, never, Screen> =>
  Effect.flatMap(Screen, ({ write }) => write(`${line}\n`))

export const printError = (line: string): Effect.Effect<void, never, Screen> =>
  Effect.flatMap(Screen, ({ writeError }) => writeError(`${line}\n`))

export const printJson = (value: unknown): Effect.Effect<void, never, Screen> => print(JSON.stringify(value))

/** Text of models and users may hold codes that move a terminal's cursor. */
export const harmless = (text: string): string =>
  // oxlint-disable-next-line no-control-regex -- these are what is looked for
  text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, "\ufffd")

export const oneLine = (text: string): string => harmless(text).replace(/\s+/g, " ").trim()
