/** The command at the terminal of a person. */
import { Effect, Option } from "effect"
import { main } from "../../src/cli/main.ts"

export interface Options {
  /** Cells of a line. Default 80. */
  readonly width?: number
  readonly isColoured?: boolean
  /** What the person says, one for each question, and then Ctrl-D. */
  readonly lines?: ReadonlyArray<string>
}

export const atTerminal = (args: ReadonlyArray<string>, { isColoured = false, lines = [], width = 80 }: Options = {}) =>
  Effect.gen(function*() {
    const left = [...lines]
    let stdout = ""
    let stderr = ""
    const code = yield* main({
      arguments: ["node", "majordomo", ...args],
      version: "0.0.0",
      screen: {
        write: (text) => Effect.sync(() => void (stdout += text)),
        writeError: (text) => Effect.sync(() => void (stderr += text)),
        log: () => {},
        isTerminal: true,
        isColoured,
        width,
        input: Effect.succeedNone,
        lines: Effect.succeed(() => Effect.sync(() => Option.fromNullable(left.shift()))),
        untilInterrupted: Effect.void
      }
    })
    return { code, left, stdout, stderr: stderr.trimEnd().split("\n") }
  })
