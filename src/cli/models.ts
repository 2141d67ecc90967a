/** `majordomo models`: providers and aliases, or the models of a provider, with prices. */
import * as BigDecimal from "effect/BigDecimal"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { amountToString } from "../Cost.ts"
import { suggestion } from "../internal/models/closestNames.ts"
import { listOf } from "../internal/pricing/listed.ts"
import type { ConfigurationError } from "../LLMError.ts"
import * as Models from "../Models.ts"
import * as Pricing from "../Pricing.ts"
import { CommandError, print, printJson, Screen } from "./screen.ts"
import * as table from "./table.ts"

export interface Options {
  readonly provider: Option.Option<string>
  readonly json: boolean
}

interface Priced {
  readonly alias?: string | undefined
  readonly model: string
  /** USD per million tokens. */
  readonly input: string | undefined
  readonly output: string | undefined
}

const thousand = BigDecimal.make(1000n, 0)

// A thousand tokens are in the lowest tier of every price.
const priced = (provider: string, model: string, alias?: string): Effect.Effect<Priced> =>
  Effect.map(Pricing.quote(provider, model, { inputTokens: 1000, outputTokens: 1000 }), (cost) => {
    const rate = (part: "input" | "output") =>
      Option.match(cost, {
        onNone: () => undefined,
        onSome: ({ exact }) => amountToString(BigDecimal.multiply(exact[part], thousand))
      })
    return { alias, model: `${provider}/${model}`, input: rate("input"), output: rate("output") }
  })

const dollars = (rate: string | undefined): string => rate === undefined ? "unknown" : `$${rate}`

const perMillion = [
  { title: "input / 1M", align: "right" },
  { title: "output / 1M", align: "right" }
] as const

const ofProvider = (name: string, json: boolean) =>
  Effect.gen(function*() {
    const { isColoured } = yield* Screen
    const providers = Models.list().map(({ provider }) => provider)
    if (!providers.includes(name)) {
      return yield* new CommandError({ message: `there is no provider "${name}"${suggestion(name, providers)}` })
    }
    const list = yield* Effect.promise(async () => listOf(name))
    const rows = yield* Effect.forEach(list?.models ?? [], (model) => priced(name, model))
    if (json) return yield* printJson(rows)
    const cells = rows.map(({ input, model, output }) => [model, dollars(input), dollars(output)])
    for (const line of table.lines([{ title: "model" }, ...perMillion], cells, table.styleOf(isColoured))) {
      yield* print(line)
    }
    if (rows.length === 0) yield* print(`${name} takes any model that its host has; no prices are known`)
  })

const all = (json: boolean) =>
  Effect.gen(function*() {
    const { isColoured } = yield* Screen
    const style = table.styleOf(isColoured)
    const { aliases } = yield* Models.Registry
    const named = yield* Effect.forEach(Object.keys(aliases), (alias) =>
      Effect.flatMap(Models.resolve(alias), (targets) =>
        Effect.forEach(targets, ({ model, provider }) =>
          priced(provider, model, alias))))
    const rows = named.flat()
    const providers = Models.list()
    if (json) {
      return yield* printJson({ providers, aliases: rows })
    }
    const known = providers.map(({ keyOptional, keyVariables, module, provider }) => [
      provider,
      module,
      `${keyVariables.join(" or ")}${keyOptional ? " (optional)" : ""}`
    ])
    for (const line of table.lines([{ title: "provider" }, { title: "layer" }, { title: "key" }], known, style)) {
      yield* print(line)
    }
    yield* print("")
    const cells = rows.map(({ alias = "", input, model, output }, index) => [
      rows[index - 1]?.alias === alias ? "" : alias,
      model,
      dollars(input),
      dollars(output)
    ])
    for (const line of table.lines([{ title: "alias" }, { title: "model" }, ...perMillion], cells, style)) {
      yield* print(line)
    }
  })

export const run = (
  { json, provider }: Options
): Effect.Effect<void, CommandError | ConfigurationError, Screen> =>
  Option.isSome(provider) ? ofProvider(provider.value, json) : all(json)
