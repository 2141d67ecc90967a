/** All providers, what each can do, and what a call would cost at some of them. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Models from "effect-majordomo/Models"
import * as Pricing from "effect-majordomo/Pricing"
import * as Config from "effect/Config"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"

const hasKey = ({ keyOptional, keyVariables }: Models.Row) =>
  keyOptional
    ? Effect.succeed("not needed")
    : Effect.map(
      Effect.forEach(keyVariables, (variable) => Effect.option(Config.redacted(variable))),
      (found) => found.some(Option.isSome) ? "set" : keyVariables.join(" or ")
    )

const program = Effect.gen(function*() {
  const rows = yield* Effect.forEach(Models.list(), (row) =>
    Effect.map(hasKey(row), (key) => ({
      provider: row.provider,
      layer: row.module,
      key,
      api: row.wire,
      schema: row.structured,
      "web search": row.webSearch
    })))
  yield* Console.table(rows)

  // What 10,000 tokens in and 1,000 out would cost with each model of an alias.
  const targets = yield* Models.resolve("deepseek-v4-pro")
  for (const { model, provider } of targets) {
    const cost = yield* Pricing.quote(provider, model, { inputTokens: 10_000, outputTokens: 1_000 })
    yield* Console.log(
      `${provider}/${model}`,
      Option.match(cost, {
        onNone: () => "no price is known",
        onSome: ({ total }) => `$${total}`
      })
    )
  }
})

NodeRuntime.runMain(program)
