/** `majordomo gateway`: runs it until it is told to end. */
import type * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as AdminTokens from "../gateway/AdminTokens.ts"
import * as ApiKeys from "../gateway/ApiKeys.ts"
import * as Gateway from "../gateway/Gateway.ts"
import * as GatewayConfig from "../gateway/GatewayConfig.ts"
import { nameOf } from "./database.ts"
import { CommandError, print, printError, Screen } from "./screen.ts"
import * as telemetry from "./telemetry.ts"

export interface Options {
  readonly config: Option.Option<string>
  readonly check: boolean
}

/** What the file and the environment say. */
export const configured = (
  config: Option.Option<string>
): Effect.Effect<GatewayConfig.File, CommandError, FileSystem.FileSystem> =>
  Effect.mapError(
    GatewayConfig.load(config),
    (error) =>
      new CommandError({
        message: error._tag === "ConfigurationError" ? error.message : `the environment: ${String(error)}`
      })
  )

const lines = (url: string, key: string | undefined): ReadonlyArray<string> => [
  "Point a client at it:",
  `  export OPENAI_BASE_URL=${url}/v1 ANTHROPIC_BASE_URL=${url}`,
  `  and send the header  X-Majordomo-Key: ${key ?? "mdm_sk_… (majordomo keys create)"}`
]

/** The first key and the first token of a database that has none; they are shown now and never again. */
const firstKeys = Effect.gen(function*() {
  const apiKeys = yield* ApiKeys.ApiKeys
  const adminTokens = yield* AdminTokens.AdminTokens
  if ((yield* adminTokens.count) > 0 || (yield* apiKeys.list).length > 0) return undefined
  const { secret } = yield* apiKeys.create({ name: "first" })
  return { key: Redacted.value(secret), token: Redacted.value(yield* adminTokens.create("first", "admin")) }
})

export const run = ({ check, config }: Options) =>
  Effect.gen(function*() {
    const { accessLog = true, ...file } = yield* configured(config)
    if (check) {
      yield* Effect.mapError(Gateway.check(file), ({ message }) => new CommandError({ message }))
      return yield* print("the configuration is in order")
    }
    const { log, untilInterrupted } = yield* Screen
    const running = Effect.gen(function*() {
      const { adminUrl, url } = yield* Gateway.Gateway
      yield* printError(
        `majordomo gateway on ${url}, administrators on ${adminUrl}, ${nameOf(file.database ?? "majordomo.db")}`
      )
      const first = yield* Effect.catchAll(firstKeys, (error) => Effect.as(Effect.logWarning(error.message), undefined))
      if (first !== undefined) {
        yield* printError(`The first key, shown only now:          ${first.key}`)
        yield* printError(`The first admin token, shown only now:  ${first.token}`)
      }
      for (const line of lines(url, first?.key)) yield* printError(line)
      yield* untilInterrupted
      return yield* Effect.never
    })
    const live = Gateway.layer({ ...file, accessLog: accessLog ? log : undefined })
    return yield* Effect.mapError(
      Effect.provide(running, Layer.provide(live, telemetry.layer)),
      (error) => new CommandError({ message: error.message })
    )
  })
