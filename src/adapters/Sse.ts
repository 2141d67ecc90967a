/**
 * Plain server-sent events, for pages and programs that want no chat protocol: a stream of ours as `text`, `reasoning`,
 * `tool-call`, `tool-result`, `object`, and last `finish` or `error`, each with JSON data.
 *
 * @since 0.1.0
 */
import type * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import type * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Stream from "effect/Stream"
import { toJson } from "../internal/json/toJson.ts"
import type { ToolsStreamPart } from "../LLM.ts"
import type { StreamPart } from "../Response.ts"
import * as body from "./internal/events/body.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Options<in E = unknown> extends body.ResponseOptions {
  /** What the reader is told of a failure; undefined is a bug. Default: a sentence that says nothing of what happened. */
  readonly onError?: ((error: E | undefined) => string) | undefined
}

/**
 * Streams of answers and of tool loops.
 *
 * @since 0.1.0
 * @category models
 */
export type Answers<A, E, R> = Stream.Stream<StreamPart<A> | ToolsStreamPart<A>, E, R>

const { event } = body

const bytes = <A, E, R>(stream: Answers<A, E, R>, options: Options<E>) =>
  body.bytes(stream, () => ({
    // Headers go out with the first byte: a reader knows at once that it is answered.
    start: () => ": \n\n",
    part: write,
    failure: (error: E | undefined) =>
      event({ message: options.onError?.(error) ?? "The answer could not be completed." }, "error"),
    end: () => ""
  }))

const write = <A>(part: StreamPart<A> | ToolsStreamPart<A>): string => {
  switch (part._tag) {
    case "TextDelta":
      return event({ delta: part.delta }, "text")
    case "ReasoningDelta":
      return event({ delta: part.delta }, "reasoning")
    case "ToolCallPart":
      return event({ id: part.call.id, name: part.call.name, arguments: part.call.arguments }, "tool-call")
    case "ToolResult": {
      const { id, isError = false, name, result } = part.part
      // What a tool failed with is for the model: it may name what no reader should know.
      return event({ id, name, isError, ...(isError ? {} : { result }) }, "tool-result")
    }
    case "ObjectDelta":
      return event({ partial: part.partial }, "object")
    case "Finish": {
      const { content, cost, finishReason, model, provider, requestId, text, usage } = part.response
      return event({
        text,
        content: toJson(content),
        finishReason,
        usage,
        cost: Option.match(cost, { onNone: () => null, onSome: ({ total }) => total }),
        provider,
        model,
        requestId
      }, "finish")
    }
    case "ToolCallDelta":
    case "BlockEnd":
    case "StepEnd":
    case "Seam":
      return ""
  }
}

/**
 * The stream as a web `Response`. It runs while it is read; when the reader leaves, the calls behind it are interrupted.
 * Run it with a runtime that outlives it (`ManagedRuntime`).
 *
 * @since 0.1.0
 * @category responses
 * @example
 * ```ts
 * import { LLM } from "effect-majordomo"
 * import * as Sse from "effect-majordomo/adapters/Sse"
 *
 * const response = Sse.toResponse(LLM.streamText({ prompt: "Count to ten" }))
 * ```
 */
export const toResponse = <A, E, R>(
  stream: Answers<A, E, R>,
  options: Options<E> = {}
): Effect.Effect<Response, never, R> => body.toResponse(bytes(stream, options), {}, options)

/**
 * The stream as a response of Effect's server.
 *
 * @since 0.1.0
 * @category responses
 */
export const toServerResponse = <A, E, R>(
  stream: Answers<A, E, R>,
  options: Omit<Options<E>, "signal"> = {}
): Effect.Effect<HttpServerResponse.HttpServerResponse, never, R> =>
  body.toServerResponse(bytes(stream, options), {}, options)
