/** The command as an effect: what it ends with is an exit code. */
import * as Command from "@effect/cli/Command"
import * as ValidationError from "@effect/cli/ValidationError"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as UndiciHttpClient from "../UndiciHttpClient.ts"
import { majordomo } from "./command.ts"
import { harmless, printError, Screen, type Service } from "./screen.ts"

const cli = (version: string) => Command.run(majordomo, { name: "majordomo", version, executable: "majordomo" })

/** What the library has to say is not the command's answer. */
const logger = Logger.replace(
  Logger.defaultLogger,
  Logger.withConsoleError(
    Logger.make(({ logLevel, message }) => `${logLevel.label.toLowerCase()}: ${[message].flat().map(String).join(" ")}`)
  )
)

// oxlint-disable-next-line no-control-regex -- the codes that colour a terminal
const colours = /\u001b\[[0-9;]*m/g

/** The command line's own help is coloured whatever it is written to. */
const withConsole = (screen: Service) => <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.flatMap(Effect.console, (console) => {
    const shown = (texts: ReadonlyArray<unknown>) => {
      const line = `${texts.map(String).join(" ").trimEnd()}\n`
      return screen.isColoured ? line : line.replace(colours, "")
    }
    return Effect.withConsole(effect, {
      ...console,
      log: (...texts) => screen.write(shown(texts)),
      error: (...texts) => screen.writeError(shown(texts))
    })
  })

/** 0 well, 1 failed, 2 told wrongly. */
export const main = (
  options: { readonly arguments: ReadonlyArray<string>; readonly version: string; readonly screen: Service }
): Effect.Effect<number> =>
  cli(options.version)(options.arguments).pipe(
    Effect.as(0),
    Effect.catchAll((error) => {
      // What is wrong with an option has been printed by then.
      if (ValidationError.isValidationError(error)) return Effect.succeed(2)
      return Effect.as(printError(`majordomo: ${harmless(error.message)}`), error._tag === "UsageError" ? 2 : 1)
    }),
    withConsole(options.screen),
    Effect.provide(Layer.mergeAll(
      NodeContext.layer,
      UndiciHttpClient.layer,
      Layer.succeed(Screen, options.screen),
      logger
    ))
  )
