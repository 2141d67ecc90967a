/** `majordomo chat`: one question, its answer on stdout, what it took on stderr; without one, a conversation. */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as HashMap from "effect/HashMap"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as LLM from "../LLM.ts"
import * as Logging from "../logging/Logging.ts"
import * as Metadata from "../Metadata.ts"
import * as Models from "../Models.ts"
import type { JsonObject } from "../Prompt.ts"
import * as conversation from "./conversation.ts"
import * as database from "./database.ts"
import { CommandError, harmless, print, printError, Screen, UsageError } from "./screen.ts"
import { summary, warnings } from "./summary.ts"

export interface Options {
  readonly prompt: Option.Option<string>
  readonly model: Option.Option<string>
  readonly alias: Option.Option<string>
  readonly system: Option.Option<string>
  readonly maxTokens: Option.Option<number>
  readonly temperature: Option.Option<number>
  readonly stream: boolean
  readonly jsonSchema: Option.Option<string>
  readonly baseUrl: Option.Option<string>
  readonly label: Option.Option<HashMap.HashMap<string, string>>
  readonly log: Option.Option<string>
}

const defaultAlias = "fast"

const labelsOf = ({ label }: Options): Metadata.Metadata =>
  Object.fromEntries(Option.match(label, { onNone: () => [], onSome: HashMap.toEntries }))

const requestOf = (options: Options) => ({
  system: Option.getOrUndefined(options.system),
  maxTokens: Option.getOrUndefined(options.maxTokens),
  temperature: Option.getOrUndefined(options.temperature),
  metadata: labelsOf(options)
})

/** `-` or nothing: what is piped in. None where a person sits there. */
const promptOf = (said: Option.Option<string>): Effect.Effect<Option.Option<string>, UsageError, Screen> =>
  Effect.gen(function*() {
    const { input } = yield* Screen
    const given = Option.getOrElse(said, () => "-")
    if (given !== "-") return Option.some(given)
    const piped = Option.map(yield* input, (text) => text.trim())
    return Option.contains(piped, "") ? yield* new UsageError({ message: withoutPrompt }) : piped
  })

const withoutPrompt = `there is no prompt: majordomo chat "Why is the sky blue?"`

const modelOf = (options: Options) =>
  Effect.gen(function*() {
    const { alias, baseUrl, model } = options
    if (Option.isSome(model) && Option.isSome(alias)) {
      return yield* new UsageError({ message: "give --model or --alias, not both" })
    }
    const settings: Models.Options = Option.isNone(baseUrl)
      ? {}
      : { baseUrl: baseUrl.value, defaultHeaders: yield* Metadata.headers(labelsOf(options)) }
    return Option.isSome(model)
      ? Models.layer(model.value, settings)
      : Models.layerAlias(Option.getOrElse(alias, () => defaultAlias), settings)
  })

const readSchema = (path: string): Effect.Effect<JsonObject, CommandError, FileSystem.FileSystem> =>
  Effect.flatMap(FileSystem.FileSystem, (fs) => fs.readFileString(path)).pipe(
    Effect.mapError(({ message }) => message),
    Effect.flatMap((text) => Effect.mapError(decodeObject(text), () => "it is not a JSON object")),
    Effect.mapError((problem) => new CommandError({ message: `the schema ${path} cannot be used: ${problem}` }))
  )

// A JSON object is one by being parsed.
const decodeObject = Schema.decodeUnknown(
  Schema.parseJson(Schema.Record({ key: Schema.String, value: Schema.Unknown }))
) as (text: string) => Effect.Effect<JsonObject, unknown>

const answer = (options: Options, prompt: string) =>
  Effect.gen(function*() {
    const { isTerminal, write } = yield* Screen
    const shown = isTerminal ? harmless : (text: string) => text
    const request = { ...requestOf(options), prompt }
    if (Option.isSome(options.jsonSchema)) {
      const jsonSchema = yield* readSchema(options.jsonSchema.value)
      const response = yield* LLM.generateJsonSchema({ ...request, jsonSchema })
      yield* print(JSON.stringify(response.content, null, isTerminal ? 2 : undefined))
      return response
    }
    if (!options.stream) {
      const response = yield* LLM.generateText(request)
      yield* print(shown(response.text))
      return response
    }
    let isOpen = false
    const finished = yield* LLM.streamText(request).pipe(
      Stream.tap((part) => {
        if (part._tag !== "TextDelta") return Effect.void
        isOpen = !part.delta.endsWith("\n")
        return write(shown(part.delta))
      }),
      Stream.runLast,
      // What was said so far stands in a line of its own.
      Effect.ensuring(Effect.suspend(() => isOpen ? write("\n") : Effect.void))
    )
    return Option.flatMap(finished, (part) => part._tag === "Finish" ? Option.some(part.response) : Option.none())
      .pipe(Option.getOrThrow)
  })

export const run = (options: Options) =>
  Effect.gen(function*() {
    if (options.stream && Option.isSome(options.jsonSchema)) {
      return yield* new UsageError({ message: "--stream is for text: leave it out, or --json-schema" })
    }
    const prompt = yield* promptOf(options.prompt)
    if (Option.isNone(prompt) && Option.isSome(options.jsonSchema)) {
      return yield* new UsageError({ message: withoutPrompt })
    }
    const model = yield* modelOf(options)
    const live = Option.isNone(options.log) ? model : Logging.layer().pipe(
      Layer.provide(model),
      Layer.provide(database.layerWriting(options.log.value))
    )
    if (Option.isNone(prompt)) return yield* conversation.run(live, requestOf(options))
    const response = yield* Effect.provide(answer(options, prompt.value), live)
    yield* warnings(response)
    yield* printError(summary(response))
  })
