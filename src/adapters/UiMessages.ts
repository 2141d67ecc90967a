/**
 * Chat pages: the UI message stream (version 1) that `useChat` of the AI SDK reads, made of a stream of ours, and the
 * messages that such a page sends.
 *
 * @since 0.1.0
 */
import type * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Effect from "effect/Effect"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import type { ToolsStreamPart } from "../LLM.ts"
import { InvalidRequestError } from "../LLMError.ts"
import type * as Prompt from "../Prompt.ts"
import type { Response as Answer, StreamPart } from "../Response.ts"
import * as body from "./internal/events/body.ts"
import * as reader from "./internal/uiMessages/reader.ts"
import * as writer from "./internal/uiMessages/writer.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Options<in E = unknown> extends body.ResponseOptions {
  /** Id of the answer's message. Default: the page makes one. */
  readonly messageId?: string | undefined
  /**
   * What the page is told of a failure; undefined is a bug. Default: a sentence that says nothing of what happened, since
   * errors name providers and models.
   */
  readonly onError?: ((error: E | undefined) => string) | undefined
  /** What the page is told of a tool that failed. Default: a sentence without its error. */
  readonly onToolError?: ((result: Prompt.ToolResultPart) => string) | undefined
  /** The message's `metadata` when it ends: its cost, say. Default none. */
  readonly metadata?: ((response: Answer<unknown>) => Prompt.JsonObject) | undefined
  /** Show the model's thoughts. Default true. */
  readonly reasoning?: boolean | undefined
}

/**
 * Streams of answers and of tool loops.
 *
 * @since 0.1.0
 * @category models
 */
export type Answers<A, E, R> = Stream.Stream<StreamPart<A> | ToolsStreamPart<A>, E, R>

const headers = { "x-vercel-ai-ui-message-stream": "v1" }

const bytes = <A, E, R>(stream: Answers<A, E, R>, options: Options<E>) =>
  body.bytes(stream, () =>
    writer.make<A, E>({
      messageId: options.messageId,
      error: options.onError ?? (() => "The answer could not be completed."),
      toolError: options.onToolError ?? (() => "The tool failed."),
      metadata: options.metadata,
      reasoning: options.reasoning ?? true
    }))

/**
 * The stream as a web `Response`. It runs while the page reads; when the page leaves, the calls behind it are
 * interrupted. Run it with a runtime that outlives it (`ManagedRuntime`): a layer provided to this effect alone is closed
 * before the body is read.
 *
 * @since 0.1.0
 * @category responses
 * @example
 * ```ts
 * import { Anthropic, LLM, Tool } from "effect-majordomo"
 * import * as UiMessages from "effect-majordomo/adapters/UiMessages"
 * import * as UndiciHttpClient from "effect-majordomo/UndiciHttpClient"
 * import { Effect, Layer, ManagedRuntime, Schema } from "effect"
 *
 * const runtime = ManagedRuntime.make(
 *   Anthropic.layer({ model: "claude-sonnet-5" }).pipe(Layer.provide(UndiciHttpClient.layer))
 * )
 * const clock = Tool.make({ name: "clock", parameters: Schema.Struct({}), handler: () => Effect.sync(() => Date()) })
 *
 * // A handler of Next.js, Hono, Bun, Deno, a worker.
 * export const POST = (request: Request): Promise<Response> =>
 *   runtime.runPromise(Effect.gen(function*() {
 *     const { messages } = yield* UiMessages.read(yield* Effect.promise(() => request.json()))
 *     return yield* UiMessages.toResponse(LLM.streamTools({ prompt: messages, tools: [clock] }), { signal: request.signal })
 *   }))
 * ```
 */
export const toResponse = <A, E, R>(
  stream: Answers<A, E, R>,
  options: Options<E> = {}
): Effect.Effect<Response, never, R> => body.toResponse(bytes(stream, options), headers, options)

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
  body.toServerResponse(bytes(stream, options), headers, options)

const Sent = Schema.Struct({ id: Schema.optional(Schema.String), messages: Schema.Array(reader.Message) })
const decode = Schema.decodeUnknown(Sent)

/**
 * What a page with `useChat` sends, as a prompt: text, files, what tools answered, and the signatures of thoughts that went
 * out with them. A message with instructions (role `system`) is refused: those are the program's own. What a page sends can
 * be made up: whoever must trust a conversation keeps it himself.
 *
 * @since 0.1.0
 * @category requests
 */
export const read = (
  sent: unknown
): Effect.Effect<
  { readonly id: string | undefined; readonly messages: ReadonlyArray<Prompt.Message> },
  InvalidRequestError
> =>
  decode(sent).pipe(
    Effect.map(({ id, messages }) => ({ id, messages: reader.toPrompt(messages) })),
    Effect.mapError((error) =>
      new InvalidRequestError({
        provider: "page",
        model: "unknown",
        reason: "InvalidPrompt",
        description: `the messages are not those of a chat page: ${
          ParseResult.ArrayFormatter.formatErrorSync(error).slice(0, 1).map(({ path }) => path.join(".")).join()
        }`
      })
    )
  )
