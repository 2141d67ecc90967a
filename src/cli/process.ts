/** The command's process: where it writes to, what it ends with, and who may end it. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import { createInterface } from "node:readline"
import { text } from "node:stream/consumers"
import { setFlagsFromString } from "node:v8"
import type { Service } from "./screen.ts"

// A server that waits must not forget what it has learned to do fast: the next thousands of requests would cost twice.
if (process.argv[2] === "gateway") setFlagsFromString("--no-memory-reducer")

/** Whoever read our output has gone, or a person has ended what only a person can end. */
let isExpected = false

/** Whoever started us wants us to end. */
let isTerminated = false
process.once("SIGTERM", () => {
  isTerminated = true
})

// Without a listener a closed pipe would end the process in the middle of things.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {})

const writing = (stream: NodeJS.WriteStream) => (text: string): Effect.Effect<void> =>
  Effect.async((resume) => {
    stream.write(text, (error) => {
      if (error == null) return resume(Effect.void)
      isExpected = true
      resume(Effect.interrupt)
    })
  })

/** Lines that a person types, also ahead of the question. */
const openLines = () => {
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  const typed: Array<string> = []
  let isClosed = false
  let waiting: ((line: Option.Option<string>) => void) | undefined
  const serve = () => {
    if (waiting === undefined || (typed.length === 0 && !isClosed)) return
    const answer = waiting
    waiting = undefined
    answer(Option.fromNullable(typed.shift()))
  }
  terminal.on("line", (line) => {
    typed.push(line)
    serve()
  })
  terminal.on("close", () => {
    isClosed = true
    serve()
  })
  // What reads the terminal key by key also gets this one.
  terminal.on("SIGINT", () => process.kill(process.pid, "SIGINT"))
  return {
    close: () => terminal.close(),
    next: (question: string, answer: (line: Option.Option<string>) => void) => {
      waiting = answer
      if (!isClosed) {
        terminal.setPrompt(question)
        terminal.prompt()
      }
      serve()
    }
  }
}

const screen: Service = {
  write: writing(process.stdout),
  writeError: writing(process.stderr),
  log: (line) => process.stdout.write(`${line}\n`),
  isTerminal: process.stdout.isTTY,
  isColoured: process.stdout.isTTY && (process.env["NO_COLOR"] ?? "") === "",
  width: process.stdout.isTTY ? process.stdout.columns : undefined,
  input: Effect.suspend(() =>
    process.stdin.isTTY
      ? Effect.succeed(Option.none<string>())
      : Effect.asSome(Effect.promise(() => text(process.stdin)))
  ),
  lines: Effect.map(
    Effect.acquireRelease(Effect.sync(openLines), (lines) => Effect.sync(() => lines.close())),
    (lines) => (question) => Effect.async((resume) => lines.next(question, (line) => resume(Effect.succeed(line))))
  ),
  untilInterrupted: Effect.sync(() => {
    isExpected = true
  })
}

const program = (version: string): Effect.Effect<number> =>
  Effect.gen(function*() {
    const { main } = yield* Effect.tryPromise(() => import("./main.ts"))
    return yield* main({ arguments: process.argv, version, screen })
  }).pipe(
    Effect.catchTag("UnknownException", ({ error }) => {
      const message = error instanceof Error ? error.message : String(error)
      return Effect.as(screen.writeError(`majordomo: ${message}\n`), 1)
    })
  )

let code = 0

export const start = (version: string): void =>
  NodeRuntime.runMain(
    program(version).pipe(
      Effect.map((ended) => {
        code = ended
      }),
      Effect.tapErrorCause((cause) =>
        Cause.isInterrupted(cause) ? Effect.void : screen.writeError(`majordomo: a bug: ${Cause.pretty(cause)}\n`)
      )
    ),
    {
      disableErrorReporting: true,
      disablePrettyLogger: true,
      // As a shell counts: 130 is Ctrl-C, 143 is SIGTERM.
      teardown: (exit, onExit) =>
        onExit(
          Exit.match(exit, {
            onSuccess: () => code,
            onFailure: (cause) => !Cause.isInterruptedOnly(cause) ? 1 : isTerminated ? 143 : isExpected ? 0 : 130
          })
        )
    }
  )
