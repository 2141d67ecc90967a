/**
 * The service: ask a model for text, JSON, an object or a stream of tokens. A `Layer` decides who answers.
 *
 * @since 0.1.0
 */
import type * as Headers from "@effect/platform/Headers"
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { Cost } from "./Cost.ts"
import * as elements from "./internal/call/arrayElements.ts"
import type { Call, Driver, KeyFacts } from "./internal/call/driver.ts"
import * as answering from "./internal/call/functions.ts"
import { logFailure } from "./internal/call/logFailure.ts"
import * as ending from "./internal/call/onEnd.ts"
import { unwrap } from "./internal/call/openedStream.ts"
import * as overHttp from "./internal/call/overHttp.ts"
import { scoped } from "./internal/call/withContext.ts"
import * as headers from "./internal/http/headers.ts"
import { withFields } from "./internal/objects/withFields.ts"
import * as toolLoop from "./internal/tools/loop.ts"
import type { ConfigurationError, LLMError, ToolStepsExceededError } from "./LLMError.ts"
import * as Errors from "./LLMError.ts"
import * as Metadata from "./Metadata.ts"
import * as Output from "./Output.ts"
import type * as Prompt from "./Prompt.ts"
import type {
  Attempt,
  BlockEnd,
  ContentPart,
  Finish,
  FinishReason,
  ReasoningDelta,
  Response,
  Seam,
  StepEnd,
  StreamPart,
  TextDelta,
  ToolCallDelta,
  ToolCallPart,
  ToolResult,
  Warning
} from "./Response.ts"
import type * as Retry from "./Retry.ts"
import type * as Tool from "./Tool.ts"
import type { Usage } from "./Usage.ts"

export type {
  /**
   * The pure functions of a wire and where to send them: what `make` takes.
   *
   * @since 0.1.0
   * @category drivers
   */
  Driver
} from "./internal/call/driver.ts"

/**
 * How much the model should think. A provider that knows only one of the two gets it derived from the other where that
 * is possible; what it cannot do is a warning on the answer, or `Unsupported`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Reasoning {
  /** How hard to think; `"none"` turns it off where that is possible. */
  readonly effort?: "none" | "minimal" | "low" | "medium" | "high" | "xhigh" | "max" | undefined
  /** Tokens the model may think for. */
  readonly budgetTokens?: number | undefined
}

/**
 * Three limits, each with its own error phase. Default: 5 minutes to the headers or the first byte of a try, 5 minutes
 * between the bytes of any body (also of an error or a redirect) and between the tokens of a stream; no `total`. These
 * hold whatever the HTTP client's own limits are; a shorter one of the client's holds too.
 *
 * @since 0.1.0
 * @category models
 */
export interface Timeouts {
  /** The whole call: every try and the waits between them. */
  readonly total?: Duration.DurationInput | undefined
  /** From sending a try to its first content; where the answer is not streamed, to its first byte. */
  readonly firstToken?: Duration.DurationInput | undefined
  /**
   * From one content part to the next, while the program is waiting for it; where the answer is not streamed, from its
   * headers and any of its bytes to the next.
   */
  readonly betweenTokens?: Duration.DurationInput | undefined
}

/**
 * What callers ask. Only what is given is sent.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** What is asked: a text, or messages with text, pictures, files, tool calls and their results. */
  readonly prompt: Prompt.Input
  /** Instructions that stand before the prompt. */
  readonly system?: string | undefined
  /** 0 to 2. */
  readonly temperature?: number | undefined
  /** 0 to 1. */
  readonly topP?: number | undefined
  /**
   * Tokens of the answer at most. Default: what the provider allows by itself; Anthropic's API wants a number, and
   * gets 16,000, or 64,000 for a stream.
   */
  readonly maxTokens?: number | undefined
  /** Texts at which the answer ends; they are not part of it. */
  readonly stop?: ReadonlyArray<string> | undefined
  /** The same seed and request give the same answer, as far as the provider can. */
  readonly seed?: number | undefined
  /** Sample from so many of the likeliest tokens only; where the provider has no such field, a warning says so. */
  readonly topK?: number | undefined
  /** -2 to 2; above 0, what was said at all becomes less likely. Where there is no such field, a warning says so. */
  readonly presencePenalty?: number | undefined
  /** -2 to 2; above 0, what was said often becomes less likely. Where there is no such field, a warning says so. */
  readonly frequencyPenalty?: number | undefined
  /** How much the model should think. Default: as the model does by itself. */
  readonly reasoning?: Reasoning | undefined
  /** Tools the model may call. `generateText` gives their calls back; `runTools` runs them. */
  readonly tools?: ReadonlyArray<Tool.Any> | undefined
  /** Whether the model may, must not, or must call a tool, or which. Default: it may. */
  readonly toolChoice?: "auto" | "none" | "required" | { readonly tool: string } | undefined
  /** False: one tool call an answer at most. Where the provider cannot be told, a warning says so. */
  readonly parallelToolCalls?: boolean | undefined
  /** Let the provider search the web; billed per search. */
  readonly webSearch?: boolean | undefined
  /** This request only; wins over `withHeaders` and `defaultHeaders`. */
  readonly extraHeaders?: Headers.Input | undefined
  /** Labels of this call for logs and hooks, on top of `withMetadata`. */
  readonly metadata?: Metadata.Metadata | undefined
  /** Limits of this call, over those of the layer. */
  readonly timeouts?: Timeouts | undefined
  /**
   * How often an answer that does not match is sent back with what is wrong, to be mended. Default 0. Not for streams,
   * whose parts are out by then.
   */
  readonly repair?: number | undefined
  /**
   * Merged last into the provider's own request body, objects deeply. An object under a provider's name, as in
   * `{ anthropic: { … } }`, reaches only that provider; a cascade sends the rest to every member.
   */
  readonly providerOptions?: Readonly<Record<string, unknown>> | undefined
}

/**
 * Options and the wanted output.
 *
 * @since 0.1.0
 * @category models
 */
export interface Request<out A, out R = never> extends Options {
  /** What the answer should be: text, JSON, or a value of a schema. */
  readonly output: Output.Output<A, R>
}

/**
 * Two primitives; everything else is made of them.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /** Name of the provider: `"anthropic"`. */
  readonly provider: string
  /** The model that is asked for. */
  readonly model: string
  /** Asks, and waits for the whole answer. */
  readonly generate: <A, R = never>(request: Request<A, R>) => Effect.Effect<Response<A>, LLMError, R>
  /** Asks, and gives the parts as they come; `Finish` is last. */
  readonly stream: <A, R = never>(request: Request<A, R>) => Stream.Stream<StreamPart<A>, LLMError, R>
}

/**
 * @since 0.1.0
 * @category services
 */
export class LLM extends Context.Tag("effect-majordomo/LLM")<LLM, Service>() {}

// ── accessors ───────────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * Asks for text.
 *
 * @since 0.1.0
 * @category accessors
 * @example
 * ```ts
 * import { LLM } from "effect-majordomo"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const answer = yield* LLM.generateText({ prompt: "Why is the sky blue?" })
 *   yield* Effect.log(answer.text)
 * })
 * ```
 */
export const generateText = (options: Options): Effect.Effect<Response<string>, LLMError, LLM> =>
  generate(withFields(options, { output: Output.text }))

/**
 * Asks for any JSON.
 *
 * @since 0.1.0
 * @category accessors
 */
export const generateJson = (options: Options): Effect.Effect<Response<Prompt.JsonValue>, LLMError, LLM> =>
  generate(withFields(options, { output: Output.json }))

/**
 * Asks for a value of a `Schema`, or of a schema of zod, arktype or another library (see `Output.standard`).
 *
 * @since 0.1.0
 * @category accessors
 * @example
 * ```ts
 * import { LLM } from "effect-majordomo"
 * import { Effect, Schema } from "effect"
 *
 * const Person = Schema.Struct({ name: Schema.String, age: Schema.Int })
 * const program = LLM.generateObject({ prompt: "Ada Lovelace died at 36.", schema: Person }).pipe(
 *   Effect.map(({ content }) => content.age)
 * )
 * ```
 */
export function generateObject<A, I, R>(
  options: Options & { readonly schema: Schema.Schema<A, I, R> }
): Effect.Effect<Response<A>, LLMError, LLM | R>
export function generateObject<A>(
  options: Options & { readonly schema: Output.StandardSchema<A> }
): Effect.Effect<Response<A>, LLMError, LLM>
export function generateObject<A, I, R>(
  options: Options & { readonly schema: Schema.Schema<A, I, R> | Output.StandardSchema<A> }
): Effect.Effect<Response<A>, LLMError, LLM | R> {
  const { schema, ...rest } = options
  return generate(withFields(rest, { output: Output.of(schema) }))
}

/**
 * Asks for a value of a raw JSON Schema; `content` is validated and has its keys sorted.
 *
 * @since 0.1.0
 * @category accessors
 */
export const generateJsonSchema = (
  options: Options & {
    readonly jsonSchema: Prompt.JsonObject
    readonly name?: string | undefined
    readonly description?: string | undefined
  }
): Effect.Effect<Response<Prompt.JsonValue>, LLMError, LLM> => {
  const { description, jsonSchema, name, ...rest } = options
  return generate(withFields(rest, { output: Output.jsonSchema(jsonSchema, { name, description }) }))
}

/**
 * Asks for any output.
 *
 * @since 0.1.0
 * @category accessors
 */
export const generate = <A, R = never>(request: Request<A, R>): Effect.Effect<Response<A>, LLMError, LLM | R> =>
  Effect.flatMap(LLM, (llm) => llm.generate(request))

/**
 * Streams text.
 *
 * @since 0.1.0
 * @category accessors
 * @example
 * ```ts
 * import { LLM } from "effect-majordomo"
 * import { Console, Stream } from "effect"
 *
 * const program = LLM.streamText({ prompt: "Count to ten." }).pipe(
 *   LLM.textOf,
 *   Stream.runForEach((delta) => Console.log(delta))
 * )
 * ```
 */
export const streamText = (options: Options): Stream.Stream<StreamPart<string>, LLMError, LLM> =>
  stream(withFields(options, { output: Output.text }))

/**
 * Streams a value of a `Schema`: partial objects as they grow, then the decoded one in `Finish`.
 *
 * @since 0.1.0
 * @category accessors
 */
export function streamObject<A, I, R>(
  options: Options & { readonly schema: Schema.Schema<A, I, R> }
): Stream.Stream<StreamPart<A>, LLMError, LLM | R>
export function streamObject<A>(
  options: Options & { readonly schema: Output.StandardSchema<A> }
): Stream.Stream<StreamPart<A>, LLMError, LLM>
export function streamObject<A, I, R>(
  options: Options & { readonly schema: Schema.Schema<A, I, R> | Output.StandardSchema<A> }
): Stream.Stream<StreamPart<A>, LLMError, LLM | R> {
  const { schema, ...rest } = options
  return stream(withFields(rest, { output: Output.of(schema) }))
}

/**
 * Streams a list: each element, decoded, as soon as it is complete. The schema of an element may be of another library.
 *
 * @since 0.1.0
 * @category accessors
 * @example
 * ```ts
 * import { LLM } from "effect-majordomo"
 * import { Console, Schema, Stream } from "effect"
 *
 * const City = Schema.Struct({ name: Schema.String, people: Schema.Int })
 * const program = LLM.streamArray({ prompt: "Ten large cities", schema: City }).pipe(
 *   Stream.runForEach((city) => Console.log(city.name, city.people))
 * )
 * ```
 */
export function streamArray<A, I, R>(
  options: Options & { readonly schema: Schema.Schema<A, I, R> }
): Stream.Stream<A, LLMError, LLM | R>
export function streamArray<A>(
  options: Options & { readonly schema: Output.StandardSchema<A> }
): Stream.Stream<A, LLMError, LLM>
export function streamArray<A, I, R>(
  options: Options & { readonly schema: Schema.Schema<A, I, R> | Output.StandardSchema<A> }
): Stream.Stream<A, LLMError, LLM | R> {
  const { schema, ...rest } = options
  return Stream.unwrap(Effect.map(LLM, (llm) => elements.of(llm, rest, schema)))
}

/**
 * Streams any output.
 *
 * @since 0.1.0
 * @category accessors
 */
export const stream = <A, R = never>(request: Request<A, R>): Stream.Stream<StreamPart<A>, LLMError, LLM | R> =>
  unwrap(Effect.map(LLM, (llm) => llm.stream(request)))

/**
 * Just the text of a stream.
 *
 * @since 0.1.0
 * @category streams
 */
export const textOf = <A, E, R>(
  self: Stream.Stream<StreamPart<A> | ToolsStreamPart<A>, E, R>
): Stream.Stream<string, E, R> =>
  Stream.filterMap(self, (part) => part._tag === "TextDelta" ? Option.some(part.delta) : Option.none())

/**
 * Runs a stream to its end and gives what `generate` would have given. A stream that ends without `Finish` is a
 * `Transport` failure: something in between dropped it.
 *
 * @since 0.1.0
 * @category streams
 */
export const collect = <A, E, R>(
  self: Stream.Stream<StreamPart<A>, E, R>
): Effect.Effect<Response<A>, E | Errors.ProviderError, R> =>
  Effect.suspend(() => {
    let response: Response<A> | undefined
    // By chunks: a fold over parts recurses for each of them.
    const read = Stream.runForEachChunk(self, (parts) => {
      for (const part of parts) if (part._tag === "Finish") response = part.response
      return Effect.void
    })
    return Effect.flatMap(read, () =>
      response === undefined
        ? Effect.fail(Errors.withoutFinish())
        : Effect.succeed(response))
  })

// ── tools ───────────────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * @since 0.1.0
 * @category tools
 */
export interface RunToolsOptions<
  out T extends ReadonlyArray<Tool.Executable<unknown, unknown>>,
  out F extends "tell-model" | "fail" = "tell-model"
> extends Omit<Options, "tools"> {
  /** Tools with handlers. */
  readonly tools: T
  /** Answers asked of the model at most. Default 8. */
  readonly maxSteps?: number | undefined
  /** What a failing handler does: its error is told to the model (default), or fails the call. */
  readonly onToolError?: F | undefined
  /** Handlers run side by side; this many at most. Default no limit. */
  readonly concurrency?: number | undefined
}

/**
 * The last answer of a tool loop. `usage` and `cost` are the sums over all steps.
 *
 * @since 0.1.0
 * @category tools
 */
export interface ToolsResponse<out A> extends Response<A> {
  /** Every answer in order, the last one included. */
  readonly steps: ReadonlyArray<Response<unknown>>
  /** The whole conversation: append to it to go on. */
  readonly messages: ReadonlyArray<Prompt.Message>
}

/**
 * The end of a streamed tool loop.
 *
 * @since 0.1.0
 * @category tools
 */
export interface ToolsFinish<out A> extends Finish<A> {
  /** The last answer, with all steps and the sums of what they took. */
  readonly response: ToolsResponse<A>
}

/**
 * One part of a streamed tool loop: the parts of each answer, its end, what the tools gave, and one `Finish`, which is
 * last.
 *
 * @since 0.1.0
 * @category tools
 */
export type ToolsStreamPart<A> = ContentPart | Seam | ToolResult | StepEnd | ToolsFinish<A>

/**
 * Lets the model call tools until it answers. Handlers run side by side; their errors and requirements are in the type.
 * Usage and cost of all steps add up. With `output`, only the last answer is decoded.
 *
 * @since 0.1.0
 * @category tools
 * @example
 * ```ts
 * import { LLM, Tool } from "effect-majordomo"
 * import { Effect, Schema } from "effect"
 *
 * const add = Tool.make({
 *   name: "add",
 *   description: "Adds two numbers",
 *   parameters: Schema.Struct({ a: Schema.Number, b: Schema.Number }),
 *   handler: ({ a, b }) => Effect.succeed(a + b)
 * })
 *
 * const program = LLM.runTools({ prompt: "What is 2 + 3?", tools: [add], maxSteps: 4 })
 * ```
 */
export function runTools<
  const T extends ReadonlyArray<Tool.Executable<unknown, unknown>>,
  A,
  R = never,
  F extends "tell-model" | "fail" = "tell-model"
>(
  options: RunToolsOptions<T, F> & {
    /** What the last answer should be. */
    readonly output: Output.Output<A, R>
  }
): Effect.Effect<ToolsResponse<A>, ToolsError<T, F>, LLM | R | RequirementsOf<T[number]>>
export function runTools<
  const T extends ReadonlyArray<Tool.Executable<unknown, unknown>>,
  F extends "tell-model" | "fail" = "tell-model"
>(
  options: RunToolsOptions<T, F>
): Effect.Effect<ToolsResponse<string>, ToolsError<T, F>, LLM | RequirementsOf<T[number]>>
export function runTools(
  options: RunToolsOptions<ReadonlyArray<Tool.Executable<unknown, unknown>>, "tell-model" | "fail"> & {
    readonly output?: Output.Output<unknown, unknown>
  }
): Effect.Effect<ToolsResponse<unknown>, unknown, unknown> {
  const { output = Output.text, ...rest } = options
  return Effect.flatMap(LLM, (llm) => toolLoop.run(llm, rest, output))
}

/**
 * The tool loop as a stream: text, reasoning and calls as they come, what each tool gave as soon as it has, the end of
 * every step, and one `Finish` with the sums of usage and cost. `runTools` is the same without the pieces.
 *
 * @since 0.1.0
 * @category tools
 * @example
 * ```ts
 * import { LLM, Tool } from "effect-majordomo"
 * import { Console, Effect, Schema, Stream } from "effect"
 *
 * const add = Tool.make({
 *   name: "add",
 *   parameters: Schema.Struct({ a: Schema.Number, b: Schema.Number }),
 *   handler: ({ a, b }) => Effect.succeed(a + b)
 * })
 *
 * const program = LLM.streamTools({ prompt: "What is 2 + 3?", tools: [add] }).pipe(
 *   Stream.runForEach((part) =>
 *     part._tag === "TextDelta"
 *       ? Console.log(part.delta)
 *       : part._tag === "ToolResult"
 *       ? Console.log(part.part.name, part.part.result)
 *       : Effect.void
 *   )
 * )
 * ```
 */
export function streamTools<
  const T extends ReadonlyArray<Tool.Executable<unknown, unknown>>,
  A,
  R = never,
  F extends "tell-model" | "fail" = "tell-model"
>(
  options: RunToolsOptions<T, F> & {
    /** What the last answer should be. */
    readonly output: Output.Output<A, R>
  }
): Stream.Stream<ToolsStreamPart<A>, ToolsError<T, F>, LLM | R | RequirementsOf<T[number]>>
export function streamTools<
  const T extends ReadonlyArray<Tool.Executable<unknown, unknown>>,
  F extends "tell-model" | "fail" = "tell-model"
>(
  options: RunToolsOptions<T, F>
): Stream.Stream<ToolsStreamPart<string>, ToolsError<T, F>, LLM | RequirementsOf<T[number]>>
export function streamTools(
  options: RunToolsOptions<ReadonlyArray<Tool.Executable<unknown, unknown>>, "tell-model" | "fail"> & {
    readonly output?: Output.Output<unknown, unknown>
  }
): Stream.Stream<ToolsStreamPart<unknown>, unknown, unknown> {
  const { output = Output.text, ...rest } = options
  return Stream.unwrap(Effect.map(LLM, (llm) => toolLoop.stream(llm, rest, output)))
}

/**
 * What a tool loop fails with: the handlers' errors only with `onToolError: "fail"`.
 *
 * @since 0.1.0
 * @category tools
 */
export type ToolsError<T extends ReadonlyArray<unknown>, F> =
  | LLMError
  | ToolStepsExceededError
  | (F extends "fail" ? ErrorOf<T[number]> : never)

/**
 * The error of a tool's handler.
 *
 * @since 0.1.0
 * @category tools
 */
export type ErrorOf<T> = T extends Tool.Executable<infer E, infer _R> ? E : never

/**
 * What a tool's handler requires.
 *
 * @since 0.1.0
 * @category tools
 */
export type RequirementsOf<T> = T extends Tool.Executable<infer _E, infer R> ? R : never

// ── providers and decorators ────────────────────────────────────────────────────────────────────────────────────────

/**
 * Options that every provider layer takes.
 *
 * @since 0.1.0
 * @category drivers
 */
export interface Settings {
  /** Sent with every request; loses against `withHeaders` and `extraHeaders`. */
  readonly defaultHeaders?: Headers.Input | undefined
  /** Replaces the default policy; see `Retry`. */
  readonly retry?: Retry.Policy | undefined
  /** Limits of every call; a call's own win. What each applies to is said at each. */
  readonly timeouts?: Timeouts | undefined
  /** Fields of the provider's own request body for every call, under the request's own `providerOptions`. */
  readonly providerOptions?: Options["providerOptions"] | undefined
  /** How structured answers are asked for, where the provider's own choice is not wanted. */
  readonly structured?: "native" | "tool" | "json-mode" | "prompt" | undefined
  /** Largest answer in bytes. Default 64 MiB. */
  readonly maxResponseBytes?: number | undefined
  /** Largest event of a stream in bytes. Default 10 MiB. */
  readonly maxEventBytes?: number | undefined
  /** Put prompts and answers into spans. Default false. */
  readonly captureContent?: boolean | undefined
  /** Send `traceparent` to the provider. Default false. */
  readonly propagateTrace?: boolean | undefined
  /** Keep the HTTP client's own spans, with secret headers redacted. Default false. */
  readonly httpSpans?: boolean | undefined
  /** Warnings that every answer of this layer carries. */
  readonly warnings?: ReadonlyArray<Warning> | undefined
}

/**
 * Makes a service of a driver: spans, metrics, metadata, headers, retries, timeouts, prices, warnings and decoding.
 *
 * @since 0.1.0
 * @category drivers
 */
export const make = <S>(
  driver: Driver<S>,
  settings: Settings = {}
): Effect.Effect<Service, ConfigurationError, HttpClient.HttpClient> => overHttp.make(driver, settings)

/**
 * What functions are asked: the request, checked, with its prompt as messages.
 *
 * @since 0.1.0
 * @category models
 */
export interface FunctionCall
  extends Pick<Call, "provider" | "model" | "stream" | "options" | "messages" | "system" | "tools" | "format" | "warn">
{}

/**
 * How an answer of functions ended, and what it took.
 *
 * @since 0.1.0
 * @category models
 */
export interface FunctionFacts {
  /** Default `"stop"`, `"tool-calls"` when tools are called. */
  readonly finishReason?: FinishReason | undefined
  /** The model's own word for why it ended. */
  readonly rawFinishReason?: string | undefined
  /** Tokens; without it the answer has a `usage-missing` warning. */
  readonly usage?: Partial<Usage> | undefined
  /** USD. Default: by the price list, for the provider and model; `null` when there is no such thing as a price. */
  readonly cost?: number | Cost | null | undefined
  /** The model that answered. Default: the one that was asked. */
  readonly model?: string | undefined
  /** The model's own id of the answer. */
  readonly id?: string | undefined
  /** The model refuses with these words: the call fails with `ContentFilteredError`. */
  readonly refusal?: string | undefined
  /** A safety block, by its category. */
  readonly filter?: string | undefined
  /** What the caller should know. */
  readonly warnings?: ReadonlyArray<Warning> | undefined
}

/**
 * A whole answer of functions: text, thoughts and calls, or the parts themselves.
 *
 * @since 0.1.0
 * @category models
 */
export interface FunctionAnswer extends FunctionFacts {
  /** The visible answer. */
  readonly text?: string | undefined
  /** What the model thought. */
  readonly reasoning?: string | undefined
  /** Tools it calls. */
  readonly toolCalls?: ReadonlyArray<Omit<Prompt.ToolCallPart, "type">> | undefined
  /** Further parts, each of them whole, after those above. */
  readonly content?: ReadonlyArray<Prompt.AssistantPart> | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface FunctionEnd extends FunctionFacts {
  readonly _tag: "End"
}

/**
 * A part of a streamed answer of functions. A string is text; places need not be counted. The end of the stream is the
 * end of the answer.
 *
 * @since 0.1.0
 * @category models
 */
export type FunctionPart =
  | string
  | Uncounted<TextDelta>
  | Uncounted<ReasoningDelta>
  | Uncounted<ToolCallDelta>
  | Uncounted<ToolCallPart>
  | Uncounted<BlockEnd>
  | FunctionEnd

/**
 * @since 0.1.0
 * @category models
 */
export type Uncounted<Part> = Omit<Part, "index"> & { readonly index?: number | undefined }

/**
 * How `fromFunctions` gets its answers: one of the two is enough.
 *
 * @since 0.1.0
 * @category models
 */
export interface Functions {
  /** Name on answers, and for the price list. */
  readonly provider: string
  /** The model's name on answers. */
  readonly model: string
  /** Gives the whole answer. */
  readonly generate?: ((call: FunctionCall) => Effect.Effect<string | FunctionAnswer, LLMError>) | undefined
  /** Gives the answer in parts. */
  readonly stream?: ((call: FunctionCall) => Stream.Stream<FunctionPart, LLMError>) | undefined
}

/**
 * An LLM without HTTP: a model in the process, an adapter to another library, a script. Decoding, prices, spans, tries
 * and time limits are those of any provider.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { LLM } from "effect-majordomo"
 * import { Effect } from "effect"
 *
 * const echo = LLM.fromFunctions({
 *   provider: "local",
 *   model: "echo",
 *   generate: ({ messages }) => Effect.succeed(`You sent ${messages.length} messages.`)
 * })
 *
 * const program = LLM.generateText({ prompt: "Hello" }).pipe(Effect.provide(echo))
 * ```
 */
export const fromFunctions = (functions: Functions, settings: Settings = {}): Layer.Layer<LLM> =>
  Layer.effect(LLM, answering.make(functions, settings))

/**
 * A layer that wraps the `LLM` it is given. `f` may use services and fail. It is built anew for each `LLM` it is
 * provided with, so one decorator may stand around several members of a cascade.
 *
 * @since 0.1.0
 * @category decorators
 * @example
 * ```ts
 * import { LLM } from "effect-majordomo"
 * import { Effect } from "effect"
 *
 * const brief = LLM.decorate((llm) =>
 *   Effect.succeed({ ...llm, generate: (request) => llm.generate({ ...request, maxTokens: 200 }) }))
 * ```
 */
export const decorate = <E, R>(f: (service: Service) => Effect.Effect<Service, E, R>): Layer.Layer<LLM, E, R | LLM> =>
  // Layers are shared by reference, whatever they are provided with.
  Layer.fresh(Layer.effect(LLM, Effect.flatMap(LLM, f)))

/**
 * How a call ended: what `onEnd` is told.
 *
 * @since 0.1.0
 * @category models
 */
export interface CallEnd {
  /** Our id of the call (UUIDv7), as on its answer and in its log row. */
  readonly requestId: string
  /** `cancelled`: interrupted, or its reader stopped before the end. */
  readonly outcome: "success" | "error" | "cancelled"
  /** Who served the call, or was last asked. */
  readonly provider: string
  /** The model that served it, or was last asked. */
  readonly model: string
  /** The model that was asked for. */
  readonly requestedModel: string
  /** Whether it was a stream. */
  readonly streamed: boolean
  /** ms since the epoch. */
  readonly startedAt: number
  /** From the call to its end, all tries and waits included. */
  readonly duration: Duration.Duration
  /** From the call to the first content; streams only. */
  readonly timeToFirstToken: Option.Option<Duration.Duration>
  /** Tokens, as far as they are known, of every try. */
  readonly usage: Usage
  /** USD of `usage`; none when nothing is known to have been billed, or a price is not known. */
  readonly cost: Option.Option<Cost>
  /** More may have been billed than `usage` and `cost` say. */
  readonly usagePartial: boolean
  /** Every try, the one that was given up included. */
  readonly attempts: ReadonlyArray<Attempt>
  /** `withMetadata` and the call's own, keys in header case. */
  readonly labels: Metadata.Metadata
  /** What was asked. */
  readonly request: Request<unknown, unknown>
  /** The answer, when there is one. */
  readonly response: Option.Option<Response<unknown>>
  /** What it failed with, when it failed. */
  readonly error: Option.Option<LLMError>
  /** The kind of a bug, when the call ended by one: never its message, which may quote the prompt. */
  readonly defect: Option.Option<string>
  /** Text of an answer that did not come to its end. */
  readonly partialText: Option.Option<string>
  /** The key it went out with, as far as logs may know it. */
  readonly key: KeyFacts | undefined
}

/**
 * Tells how every call of the `LLM` below ended, once each: answers, failures, interruptions and streams whose reader
 * stopped. An answer waits for it; what it does cannot change or fail the call. Calls that a hook or a decorator makes on
 * the way are calls of their own: watch their `LLM` to hear of them.
 *
 * @since 0.1.0
 * @category decorators
 * @example
 * ```ts
 * import { Anthropic, LLM } from "effect-majordomo"
 * import { Effect, Layer, Metric } from "effect"
 *
 * const dollars = Metric.counter("llm_dollars")
 *
 * const live = LLM.onEnd(({ cost }) => cost._tag === "Some" ? Metric.incrementBy(dollars, cost.value.total) : Effect.void)
 *   .pipe(Layer.provide(Anthropic.layer({ model: "claude-sonnet-5" })))
 * ```
 */
export const onEnd = <R = never>(
  f: (end: CallEnd) => Effect.Effect<void, never, R>
): Layer.Layer<LLM, never, LLM | R> =>
  decorate((llm) =>
    Effect.map(Effect.context<R>(), (context) =>
      ending.decorate(llm, () => (end) =>
        Effect.catchAllCause(
          Effect.mapInputContext(f(end), (own: Context.Context<never>) => Context.merge(own, context)),
          (cause) => logFailure("what was to be told of the end of a call failed", cause)
        )))
  )

/**
 * Labels every call inside an effect or a stream. Inner labels win over outer ones, those of the call over both.
 *
 * @since 0.1.0
 * @category scoping
 * @example
 * ```ts
 * import { LLM } from "effect-majordomo"
 *
 * const program = LLM.generateText({ prompt: "Hello" }).pipe(LLM.withMetadata({ feature: "greeting", userId: "42" }))
 * ```
 */
export const withMetadata = (metadata: Metadata.Metadata): Scoped =>
  scoped((context) =>
    Context.add(context, Metadata.Current, { ...Context.get(context, Metadata.Current), ...metadata })
  )

/**
 * Adds headers to every call inside an effect or a stream: over `defaultHeaders`, under `extraHeaders`.
 *
 * @since 0.1.0
 * @category scoping
 */
export const withHeaders = (input: Headers.Input): Scoped =>
  scoped((context) =>
    Context.add(context, Metadata.CurrentHeaders, {
      ...Context.get(context, Metadata.CurrentHeaders),
      ...headers.lowerCased(input)
    })
  )

/**
 * Works on effects and streams alike.
 *
 * @since 0.1.0
 * @category scoping
 */
export type Scoped = <A extends Effect.Effect<unknown, unknown, unknown> | Stream.Stream<unknown, unknown, unknown>>(
  self: A
) => A
