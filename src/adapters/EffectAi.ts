/**
 * `@effect/ai`: an LLM layer as its `LanguageModel`, for programs, toolkits and chats that are written against it. The
 * other way does not exist: its interface has no temperature, token limit, headers or raw JSON Schemas, which would be
 * lost without a word.
 *
 * @since 0.1.0
 */
import * as AiError from "@effect/ai/AiError"
import * as LanguageModel from "@effect/ai/LanguageModel"
import * as AiTool from "@effect/ai/Tool"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { LLM, type Request } from "../LLM.ts"
import type * as LLMError from "../LLMError.ts"
import * as Output from "../Output.ts"
import type { JsonValue } from "../Prompt.ts"
import * as Tool from "../Tool.ts"
import * as parts from "./internal/effectAi/parts.ts"
import { toMessages } from "./internal/effectAi/prompt.ts"

/**
 * The `LLM` below as a `LanguageModel`. Cost, request id and attempts are in the `metadata.majordomo` of the finish part.
 * The signatures that let a model go on from its thoughts are in the `metadata.majordomo` of the parts, and taken from
 * `options.majordomo` of a prompt's parts; `Prompt.fromResponseParts`, and with it `Chat`, leaves them out, so that a chat
 * goes on without the thoughts. An error of ours is the `cause`, where its errors have one.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { LanguageModel } from "@effect/ai"
 * import { Anthropic } from "effect-majordomo"
 * import * as EffectAi from "effect-majordomo/adapters/EffectAi"
 * import * as UndiciHttpClient from "effect-majordomo/UndiciHttpClient"
 * import { Effect, Layer } from "effect"
 *
 * const live = EffectAi.layer.pipe(
 *   Layer.provide(Anthropic.layer({ model: "claude-sonnet-5" })),
 *   Layer.provide(UndiciHttpClient.layer)
 * )
 * const program = LanguageModel.generateText({ prompt: "Hello" }).pipe(Effect.provide(live))
 * ```
 */
export const layer: Layer.Layer<LanguageModel.LanguageModel, never, LLM> = Layer.effect(
  LanguageModel.LanguageModel,
  Effect.flatMap(LLM, (llm) =>
    LanguageModel.make({
      generateText: (options) =>
        Effect.flatMap(toRequest(options), (request) =>
          Effect.mapBoth(llm.generate(request), {
            onFailure: (error) => toAiError(error, "generateText"),
            onSuccess: (answer) => parts.ofAnswer(answer, options.responseFormat.type === "json")
          })),
      streamText: (options) =>
        Stream.unwrap(Effect.map(toRequest(options), (request) => {
          const writer = new parts.Writer()
          return llm.stream(request).pipe(
            Stream.mapConcat((part) => writer.write(part)),
            Stream.mapError((error) => toAiError(error, "streamText"))
          )
        }))
    }))
)

const toRequest = (
  options: LanguageModel.ProviderOptions
): Effect.Effect<Request<Option.Option<JsonValue>>, AiError.AiError> => {
  const own = options.tools.filter((tool) => !AiTool.isProviderDefined(tool))
  const hosted = options.tools.filter(AiTool.isProviderDefined)
  const unknown = hosted.find((tool) => !/web_?search|google_?search/i.test(tool.id))
  if (unknown !== undefined) {
    return Effect.fail(
      new AiError.MalformedInput({
        module: "EffectAi",
        method: "generateText",
        description: `the tool ${unknown.id} belongs to one provider; of those, only web search can be asked for`
      })
    )
  }
  const { responseFormat, toolChoice } = options
  return Effect.succeed({
    prompt: toMessages(options.prompt),
    tools: own.length === 0 ? undefined : own.map((tool) =>
      Tool.make({ name: tool.name, description: tool.description, parameters: tool.parametersSchema })
    ),
    toolChoice: own.length === 0
      ? undefined
      : typeof toolChoice === "string"
      ? toolChoice
      : "tool" in toolChoice
      ? { tool: String(toolChoice.tool) }
      : toolChoice.mode ?? "auto",
    webSearch: hosted.length > 0 ? true : undefined,
    output: Output.orToolCalls(
      responseFormat.type === "text" ? Output.text : asWritten(responseFormat.schema)
    )
  })
}

/** The value is checked here, so that a cascade goes on, and decoded by the library itself. */
const asWritten = (schema: Schema.Schema.Any): Output.Output<JsonValue> => {
  // Its interface does not say what a schema needs; whoever calls has provided it.
  const output = Output.object(schema as Schema.Schema<unknown, unknown>)
  return { format: output.format, decode: (value) => Effect.as(output.decode(value), value) }
}

const toAiError = (error: LLMError.LLMError, method: string): AiError.AiError => {
  const common = { module: "EffectAi", method, description: error.message }
  switch (error._tag) {
    case "InvalidRequestError":
      return new AiError.MalformedInput({ ...common, cause: error })
    case "ResponseParsingError":
    case "ResponseTruncatedError":
      return new AiError.MalformedOutput({ ...common, cause: error })
    case "ContentFilteredError":
    case "HookBlockedError":
      return new AiError.UnknownError({ ...common, cause: error })
    case "ProviderError": {
      const { body, retryAfter, status } = error
      if (status === undefined || status < 400) return new AiError.UnknownError({ ...common, cause: error })
      return new AiError.HttpResponseError({
        ...common,
        reason: "StatusCode",
        request: {
          method: "POST",
          url: `majordomo:${error.provider}/${error.model}`,
          urlParams: [],
          hash: Option.none(),
          headers: {}
        },
        response: {
          status,
          headers: retryAfter === undefined ? {} : { "retry-after": String(Math.ceil(Duration.toSeconds(retryAfter))) }
        },
        ...(body === undefined ? {} : { body })
      })
    }
  }
}
