/**
 * A conversation that keeps its history: ask, and the question and the answer are in it. With tools, their calls and
 * results too (`Tool.withApproval` has a call allowed first). The history is plain data with a `Schema`, to be stored and gone on
 * with elsewhere.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as ParseResult from "effect/ParseResult"
import * as Ref from "effect/Ref"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { LLM, RequirementsOf, RunToolsOptions, ToolsError, ToolsResponse, ToolsStreamPart } from "./LLM.ts"
import * as LLMModule from "./LLM.ts"
import * as Prompt from "./Prompt.ts"
import type * as Tool from "./Tool.ts"

/**
 * What a conversation is made with: options of every call in it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options<
  out T extends ReadonlyArray<Tool.Executable<unknown, unknown>> = readonly [],
  out F extends "tell-model" | "fail" = "tell-model"
> extends Omit<RunToolsOptions<T, F>, "prompt" | "tools"> {
  /** Tools the model may call; they are run until it answers. Default none. */
  readonly tools?: T | undefined
  /** What was said before. */
  readonly history?: ReadonlyArray<Prompt.Message> | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Chat<out T extends ReadonlyArray<unknown>, out F> {
  /** Everything said so far. */
  readonly history: Effect.Effect<ReadonlyArray<Prompt.Message>>
  /** The same as text, to store it: `Chat.fromJson` goes on from there. */
  readonly toJson: Effect.Effect<string, ParseResult.ParseError>
  /** Says something and waits for the answer. When it fails or is interrupted, nothing was said. */
  readonly send: (
    message: Prompt.UserMessage["content"]
  ) => Effect.Effect<ToolsResponse<string>, ToolsError<T, F>, LLM | RequirementsOf<T[number]>>
  /** The same as a stream; the history has it when the stream has ended. */
  readonly stream: (
    message: Prompt.UserMessage["content"]
  ) => Stream.Stream<ToolsStreamPart<string>, ToolsError<T, F>, LLM | RequirementsOf<T[number]>>
}

/**
 * Starts a conversation, or goes on with one. One question at a time: a second one waits for the first one's answer.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Chat } from "effect-majordomo"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const chat = yield* Chat.make({ system: "You are terse." })
 *   yield* chat.send("My name is Ada.")
 *   const { text } = yield* chat.send("What is my name?")
 *   return [text, yield* chat.toJson]
 * })
 * ```
 */
export const make = <
  const T extends ReadonlyArray<Tool.Executable<unknown, unknown>> = readonly [],
  F extends "tell-model" | "fail" = "tell-model"
>(options: Options<T, F> = {}): Effect.Effect<Chat<T, F>> =>
  Effect.gen(function*() {
    const { history = [], tools, ...rest } = options
    const said = yield* Ref.make(history)
    const turn = yield* Effect.makeSemaphore(1)
    const asked = (message: Prompt.UserMessage["content"], before: ReadonlyArray<Prompt.Message>) => ({
      ...rest,
      // Without tools there are none: what `T` says of an absent list.
      tools: tools ?? ([] as unknown as T),
      prompt: [...before, Prompt.user(message)]
    })
    return {
      history: Ref.get(said),
      toJson: Effect.flatMap(Ref.get(said), encode),
      send: (message) =>
        turn.withPermits(1)(
          Effect.tap(
            Effect.flatMap(Ref.get(said), (before) => LLMModule.runTools<T, F>(asked(message, before))),
            ({ messages }) => Ref.set(said, messages)
          )
        ),
      stream: (message) =>
        Stream.unwrapScoped(Effect.gen(function*() {
          yield* Effect.acquireRelease(turn.take(1), () => turn.release(1))
          const before = yield* Ref.get(said)
          return LLMModule.streamTools<T, F>(asked(message, before)).pipe(
            Stream.tap((part) => part._tag === "Finish" ? Ref.set(said, part.response.messages) : Effect.void)
          )
        }))
    }
  })

const Stored = Schema.parseJson(Prompt.Conversation)
const encode = Schema.encode(Stored)

/**
 * The history that `toJson` wrote.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromJson: (text: string) => Effect.Effect<ReadonlyArray<Prompt.Message>, ParseResult.ParseError> = Schema
  .decode(Stored)
