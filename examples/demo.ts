/**
 * The main job in one program: answer a question, stream one, extract an object, and say what each cost.
 *
 * Talks to every provider whose key is set (OPENAI_API_KEY, ANTHROPIC_API_KEY, GEMINI_API_KEY or GOOGLE_API_KEY) and to
 * OPENAI_COMPATIBLE_BASE_URL; with none of them it starts a fake provider on this machine and says so.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Cost from "effect-majordomo/Cost"
import * as LLM from "effect-majordomo/LLM"
import type * as LLMError from "effect-majordomo/LLMError"
import * as Anthropic from "effect-majordomo/providers/Anthropic"
import * as Gemini from "effect-majordomo/providers/Gemini"
import * as OpenAI from "effect-majordomo/providers/OpenAI"
import * as OpenAICompatible from "effect-majordomo/providers/OpenAICompatible"
import type * as Response from "effect-majordomo/Response"
import * as FakeProvider from "effect-majordomo/testing/FakeProvider"
import * as UndiciHttpClient from "effect-majordomo/UndiciHttpClient"
import * as Config from "effect/Config"
import * as Console from "effect/Console"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"

type Provider = Layer.Layer<LLM.LLM, LLMError.ConfigurationError, HttpClient.HttpClient>

const Person = Schema.Struct({
  name: Schema.String,
  born: Schema.Int.annotations({ description: "Year of birth" }),
  fields: Schema.Array(Schema.String)
}).annotations({ identifier: "Person" })

const real = Effect.gen(function*() {
  const isSet = (variable: string) => Effect.map(Config.option(Config.redacted(variable)), Option.isSome)
  const compatible = yield* Config.option(Config.string("OPENAI_COMPATIBLE_BASE_URL"))
  const model = yield* Config.withDefault(Config.string("OPENAI_COMPATIBLE_MODEL"), "default")
  const apiKey = yield* Config.option(Config.redacted("OPENAI_COMPATIBLE_API_KEY"))
  return [
    ...((yield* isSet("OPENAI_API_KEY")) ? [OpenAI.layer({ model: "gpt-4.1-mini" })] : []),
    ...((yield* isSet("ANTHROPIC_API_KEY")) ? [Anthropic.layer({ model: "claude-haiku-4-5-20251001" })] : []),
    ...((yield* isSet("GEMINI_API_KEY")) || (yield* isSet("GOOGLE_API_KEY"))
      ? [Gemini.layer({ model: "gemini-2.5-flash" })]
      : []),
    ...Option.match(compatible, {
      onNone: () => [],
      onSome: (baseUrl) => [OpenAICompatible.layer({ baseUrl, model, apiKey: Option.getOrUndefined(apiKey) })]
    })
  ] satisfies ReadonlyArray<Provider>
})

const fake = Effect.map(FakeProvider.make(), ({ url }): ReadonlyArray<Provider> => {
  const common = { baseUrl: url, apiKey: Redacted.make("no-key-needed") }
  return [
    OpenAI.layer({ ...common, model: "gpt-4.1-mini" }),
    OpenAICompatible.layer({ ...common, model: "gpt-4.1-nano", provider: "openai" }),
    Anthropic.layer({ ...common, model: "claude-haiku-4-5-20251001" }),
    Gemini.layer({ ...common, model: "gemini-2.5-flash" })
  ]
})

const tour = Effect.gen(function*() {
  const { model, provider } = yield* LLM.LLM
  yield* Console.log(`\n── ${provider}/${model}`)
  const answer = yield* LLM.generateText({ prompt: "Who was Ada Lovelace? One sentence.", maxTokens: 200 })
  yield* Console.log(`answer  ${answer.text}`)

  const streamed = yield* LLM.streamText({ prompt: "Count from one to five in words.", maxTokens: 100 }).pipe(
    Stream.tap((part) =>
      part._tag === "TextDelta" ? Effect.sync(() => process.stdout.write(`[${part.delta}]`)) : Effect.void
    ),
    LLM.collect
  )
  yield* Console.log(`  ← streamed`)

  const person = yield* LLM.generateObject({
    prompt: "Ada Lovelace, born in 1815, worked on mathematics and on the analytical engine.",
    schema: Person
  })
  yield* Console.log(`object  ${JSON.stringify(person.content)}`)
  return [["text", answer], ["stream", streamed], ["object", person]] as const
})

const row = (kind: string, answer: Response.Response<unknown>) => ({
  provider: answer.provider,
  model: answer.model,
  kind,
  tokens: `${answer.usage.inputTokens} in, ${answer.usage.outputTokens} out`,
  cost: Option.match(answer.cost, { onNone: () => "unknown", onSome: Cost.format }),
  latency: `${Math.round(Duration.toMillis(answer.duration))} ms`
})

const program = Effect.gen(function*() {
  const found = yield* real
  const providers = found.length > 0 ? found : yield* fake
  yield* Console.log(
    found.length > 0
      ? `Talking to ${found.length} real provider(s).`
      : "No API key is set: talking to a FAKE provider on this machine, over the real wire formats."
  )
  const answers = yield* Effect.forEach(providers, (provider) =>
    tour.pipe(
      Effect.provide(provider),
      Effect.catchAll((error) => Effect.as(Console.error(`failed: ${error.message}`), []))
    ))
  yield* Console.log("")
  yield* Effect.sync(() => console.table(answers.flat().map(([kind, answer]) => row(kind, answer))))
})

program.pipe(Effect.scoped, Effect.provide(UndiciHttpClient.layer), NodeRuntime.runMain)
