/** The command in this process: what it prints and ends with is the same, and a start costs nothing. */
import { ConfigProvider, Effect, Option } from "effect"
import { main } from "../../src/cli/main.ts"
import type { Service } from "../../src/cli/screen.ts"
import type { Ended, Options } from "./command.ts"

const recorded = (args: ReadonlyArray<string>, screen: Omit<Service, "write" | "writeError" | "log">) =>
  Effect.suspend(() => {
    let stdout = ""
    let stderr = ""
    return Effect.map(
      main({
        arguments: ["node", "majordomo", ...args],
        version: "0.0.0",
        screen: {
          ...screen,
          write: (text) => Effect.sync(() => void (stdout += text)),
          writeError: (text) => Effect.sync(() => void (stderr += text)),
          log: (line) => void (stdout += `${line}\n`)
        }
      }),
      (code): Ended => ({ code, stdout, stderr })
    )
  })

/** A process has one working directory. */
const place = Effect.unsafeMakeSemaphore(1)

const within = (cwd: string) => <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  place.withPermits(1)(Effect.acquireUseRelease(
    Effect.sync(() => {
      const before = process.cwd()
      process.chdir(cwd)
      return before
    }),
    () => effect,
    (before) => Effect.sync(() => process.chdir(before))
  ))

/** As `runProcess` does it: told by a script, with nothing in its environment but what is named here. */
export const run = (args: ReadonlyArray<string>, { cwd, env = {}, input = "" }: Options = {}): Effect.Effect<Ended> =>
  recorded(args, {
    isTerminal: false,
    isColoured: false,
    width: undefined,
    input: Effect.succeedSome(input),
    lines: Effect.succeed(() => Effect.succeedNone),
    untilInterrupted: Effect.void
  }).pipe(
    Effect.withConfigProvider(
      ConfigProvider.fromMap(new Map(Object.entries(env)), { pathDelim: "_", seqDelim: "," })
    ),
    cwd === undefined ? (running) => running : within(cwd)
  )

export interface Terminal {
  /** Cells of a line. Default 80. */
  readonly width?: number
  readonly isColoured?: boolean
  /** What the person says, one for each question, and then Ctrl-D. */
  readonly lines?: ReadonlyArray<string>
}

/** At the terminal of a person. */
export const atTerminal = (
  args: ReadonlyArray<string>,
  { isColoured = false, lines = [], width = 80 }: Terminal = {}
) =>
  Effect.suspend(() => {
    const left = [...lines]
    return Effect.map(
      recorded(args, {
        isTerminal: true,
        isColoured,
        width,
        input: Effect.succeedNone,
        lines: Effect.succeed(() => Effect.sync(() => Option.fromNullable(left.shift()))),
        untilInterrupted: Effect.void
      }),
      ({ code, stderr, stdout }) => ({ code, left, stdout, stderr: stderr.trimEnd().split("\n") })
    )
  })
