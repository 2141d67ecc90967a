/**
 * For programs without Effect: async functions, streams as `AsyncIterable`, errors as classes, `AbortSignal`. Behind it are
 * the same layers: cascades, retries, prices, logs. The package has it as one file with Effect inside: its error classes are
 * not those of `LLMError`, so a program that uses both entries asks for `_tag`, or `LLMError.isLLMError`.
 *
 * @since 0.1.0
 */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import type * as HttpClient from "@effect/platform/HttpClient"
import type * as Arr from "effect/Array"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as edge from "./adapters/internal/edge/edge.ts"
import * as Cascade from "./Cascade.ts"
import type { CallEnd, Options, RunToolsOptions } from "./LLM.ts"
import * as LLM from "./LLM.ts"
import type { LLMError, ToolStepsExceededError } from "./LLMError.ts"
import * as Logging from "./logging/Logging.ts"
import type { RequestLog } from "./logging/RequestLog.ts"
import * as Models from "./Models.ts"
import * as Output from "./Output.ts"
import type * as Prompt from "./Prompt.ts"
import type * as Response from "./Response.ts"
import * as Tool from "./Tool.ts"
import type { Usage } from "./Usage.ts"

export {
  /** @since 0.1.0 */
  ConfigurationError,
  /** @since 0.1.0 */
  ContentFilteredError,
  /** @since 0.1.0 */
  HookBlockedError,
  /** @since 0.1.0 */
  InvalidRequestError,
  /** @since 0.1.0 */
  ProviderError,
  /** @since 0.1.0 */
  ResponseParsingError,
  /** @since 0.1.0 */
  ResponseTruncatedError,
  /** @since 0.1.0 */
  ToolStepsExceededError
} from "./LLMError.ts"

/**
 * USD.
 *
 * @since 0.1.0
 * @category models
 */
export interface Dollars {
  /** USD for the prompt's tokens, cache included. */
  readonly input: number
  /** USD for the answer's tokens, reasoning included. */
  readonly output: number
  /** USD for what is billed per call. */
  readonly tools: number
  /** USD, all of it. */
  readonly total: number
}

/**
 * One answer. What is not known is undefined.
 *
 * @since 0.1.0
 * @category models
 */
export interface Answer<out A> {
  /** What was asked for: text, JSON or a value of the schema. */
  readonly content: A
  /** The visible answer, as the model wrote it. */
  readonly text: string
  /** What the model showed of its thoughts. */
  readonly reasoning: string | undefined
  /** Tools the model calls, in order. */
  readonly toolCalls: ReadonlyArray<Response.ToolCall>
  /** Append it to the prompt to go on. */
  readonly message: Prompt.AssistantMessage
  /** Why it ended, in one vocabulary for all providers. */
  readonly finishReason: Response.FinishReason
  /** Tokens of all tries. */
  readonly usage: Usage
  /** USD; undefined when no price is known. */
  readonly cost: Dollars | undefined
  /** Who answered. */
  readonly provider: string
  /** The model that answered, as the provider reports it. */
  readonly model: string
  /** Our id of the call (UUIDv7). */
  readonly requestId: string
  /** From the call to its end, in ms. */
  readonly durationMs: number
  /** Every try. */
  readonly attempts: ReadonlyArray<
    { readonly provider: string; readonly model: string; readonly error?: string | undefined }
  >
  /** What the caller should know. */
  readonly warnings: ReadonlyArray<Response.Warning>
}

/**
 * The answer of a tool loop: sums over all steps, and the whole conversation.
 *
 * @since 0.1.0
 * @category models
 */
export interface ToolsAnswer<out A> extends Answer<A> {
  /** The whole conversation: append to it to go on. */
  readonly messages: ReadonlyArray<Prompt.Message>
}

/**
 * How a call ended: what `log` is told.
 *
 * @since 0.1.0
 * @category models
 */
export interface LogEntry
  extends Pick<CallEnd, "requestId" | "outcome" | "provider" | "model" | "streamed" | "usage" | "labels">
{
  /** USD, as far as it is known. */
  readonly cost: Dollars | undefined
  /** From the call to its end, in ms. */
  readonly durationMs: number
  /** What it failed with. */
  readonly error: LLMError | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface CreateOptions {
  /** `"provider/model"` or an alias; the next one answers when one fails. Editors complete those that are known. */
  readonly models: Arr.NonEmptyReadonlyArray<Models.Name | Models.Alias>
  /** By provider. Default: the environment's, as `ANTHROPIC_API_KEY`. */
  readonly apiKeys?: Readonly<Record<string, string>> | undefined
  /** Options of every model's layer: `baseUrl`, `timeouts`, `defaultHeaders`, `retry` … */
  readonly options?: Omit<Models.Options, "apiKey"> | undefined
  /** Told the end of every call; or a sink of `effect-majordomo/logging/…`, which gets a row for each. */
  readonly log?: ((entry: LogEntry) => void) | Layer.Layer<RequestLog, unknown> | undefined
  /** Default: global `fetch`. In Node a call over `UndiciHttpClient.layer` takes a third of the CPU time. */
  readonly httpClient?: Layer.Layer<HttpClient.HttpClient> | undefined
}

/**
 * Options of a call, and the signal that ends it.
 *
 * @since 0.1.0
 * @category models
 */
export interface CallOptions extends Options {
  /** Gives the call up, and closes its connection. */
  readonly signal?: AbortSignal | undefined
}

/**
 * A part of a stream: text, reasoning and calls as they come, what tools gave, and the answer at the end.
 *
 * @since 0.1.0
 * @category models
 */
export type Part<A> = Response.ContentPart | Response.Seam | Response.ToolResult | {
  readonly _tag: "Finish"
  readonly response: A
}

/**
 * A tool whose handler is an async function; `tool` makes one.
 *
 * @since 0.1.0
 * @category models
 */
export type AsyncTool = Tool.Executable<unknown, never>

type ToolOptions = CallOptions & Pick<RunToolsOptions<ReadonlyArray<AsyncTool>>, "tools" | "maxSteps" | "concurrency">

/**
 * What `createLLM` gives.
 *
 * @since 0.1.0
 * @category models
 */
export interface PromiseLLM {
  /** Asks for text. */
  readonly generateText: (options: CallOptions) => Promise<Answer<string>>
  /** Asks for any JSON. */
  readonly generateJson: (options: CallOptions) => Promise<Answer<Prompt.JsonValue>>
  /** Asks for a value of a schema. */
  readonly generateObject: {
    <A, I>(options: CallOptions & { readonly schema: Schema.Schema<A, I> }): Promise<Answer<A>>
    <A>(options: CallOptions & { readonly schema: Output.StandardSchema<A> }): Promise<Answer<A>>
  }
  /** Streams text. */
  readonly streamText: (options: CallOptions) => AsyncIterable<Part<Answer<string>>>
  /** Streams a value of a schema: partial objects, then the decoded one. */
  readonly streamObject: {
    <A, I>(options: CallOptions & { readonly schema: Schema.Schema<A, I> }): AsyncIterable<Part<Answer<A>>>
    <A>(options: CallOptions & { readonly schema: Output.StandardSchema<A> }): AsyncIterable<Part<Answer<A>>>
  }
  /** Lets the model call tools until it answers. */
  readonly runTools: (options: ToolOptions) => Promise<ToolsAnswer<string>>
  /** The same as a stream. */
  readonly streamTools: (options: ToolOptions) => AsyncIterable<Part<ToolsAnswer<string>>>
  /** Ends what is open and writes what is still to be logged. */
  readonly close: () => Promise<void>
}

/**
 * An LLM for programs without Effect. Functions reject with the classes of this module (`ProviderError` …), a layer that
 * cannot be built with `ConfigurationError` on the first call, an aborted call with the signal's reason.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { createLLM } from "effect-majordomo/promise"
 *
 * const llm = createLLM({ models: ["anthropic/claude-sonnet-5", "openai/gpt-4.1"], log: (end) => console.log(end.cost) })
 *
 * const main = async () => {
 *   const { text } = await llm.generateText({ prompt: "Why is the sky blue?" })
 *   for await (const part of llm.streamText({ prompt: `In one line: ${text}` })) {
 *     if (part._tag === "TextDelta") console.log(part.delta)
 *   }
 *   await llm.close()
 * }
 * ```
 */
export const createLLM = (options: CreateOptions): PromiseLLM => {
  const runtime = ManagedRuntime.make(layerOf(options))
  const at = edge.managed(runtime)
  const same = <E>(error: E): E => error

  const once = <A, B>(
    { signal, ...options }: CallOptions,
    ask: (options: Options) => Effect.Effect<A, LLMError | ToolStepsExceededError, LLM.LLM>,
    plain: (answer: A) => B
  ): Promise<B> => edge.promise(at, Effect.map(ask(options), plain), same, signal)

  const parts = <A, B>(
    { signal, ...options }: CallOptions,
    ask: (options: Options) => Stream.Stream<Part<A> | Response.StepEnd, LLMError | ToolStepsExceededError, LLM.LLM>,
    plain: (answer: A) => B
  ): AsyncIterable<Part<B>> => ({
    // Each reader has a call of its own.
    [Symbol.asyncIterator]: () =>
      edge.iterable(edge.open(at, Stream.filterMap(ask(options), told(plain)), same, signal))
  })

  return {
    generateText: (options) => once(options, LLM.generateText, toAnswer),
    generateJson: (options) => once(options, LLM.generateJson, toAnswer),
    generateObject: <A, I>({ schema, ...options }: CallOptions & { readonly schema: AnySchema<A, I> }) =>
      once(options, (options) => LLM.generate({ ...options, output: Output.of(schema) }), toAnswer<A>),
    streamText: (options) => parts(options, LLM.streamText, toAnswer<string>),
    streamObject: <A, I>({ schema, ...options }: CallOptions & { readonly schema: AnySchema<A, I> }) =>
      parts(options, (options) => LLM.stream({ ...options, output: Output.of(schema) }), toAnswer<A>),
    runTools: ({ concurrency, maxSteps, tools, ...options }) =>
      once(options, (options) => LLM.runTools({ ...options, tools, maxSteps, concurrency }), toToolsAnswer),
    streamTools: ({ concurrency, maxSteps, tools, ...options }) =>
      parts(options, (options) => LLM.streamTools({ ...options, tools, maxSteps, concurrency }), toToolsAnswer<string>),
    close: () => runtime.dispose()
  }
}

type AnySchema<A, I> = Schema.Schema<A, I> | Output.StandardSchema<A>

/**
 * A tool whose handler is an async function; `parameters` is a schema of zod, arktype, Effect or another library. What it
 * throws is told to the model.
 *
 * @since 0.1.0
 * @category constructors
 */
export const tool: {
  <A, I>(options: ToolDefinition<A> & { readonly parameters: Schema.Schema<A, I> }): AsyncTool
  <A>(options: ToolDefinition<A> & { readonly parameters: Output.StandardSchema<A> }): AsyncTool
} = <A, I>({ execute, ...options }: ToolDefinition<A> & { readonly parameters: AnySchema<A, I> }): AsyncTool =>
  Tool.make({
    ...options,
    handler: (input: A) =>
      // What a handler throws is its own matter. @effect-diagnostics-next-line unknownInEffectCatch:off
      Effect.tryPromise({ try: async (signal) => execute(input, { signal }), catch: (error) => error })
  })

/**
 * @since 0.1.0
 * @category models
 */
export interface ToolDefinition<in A> {
  /** What the model calls it: 1 to 64 characters of `[a-zA-Z0-9_-]`. */
  readonly name: string
  /** What it does and when to use it, for the model. */
  readonly description?: string | undefined
  /** Have the provider hold the arguments to the schema, where it can. */
  readonly strict?: boolean | undefined
  /** Its result is shown to the model as JSON. The signal aborts when the call is given up. */
  readonly execute: (input: A, context: { readonly signal: AbortSignal }) => unknown
}

// ── plain values ────────────────────────────────────────────────────────────────────────────────────────────────────

const dollars = (cost: CallEnd["cost"]): Dollars | undefined =>
  Option.getOrUndefined(Option.map(cost, ({ input, output, tools, total }) => ({ input, output, tools, total })))

const toAnswer = <A>(answer: Response.Response<A>): Answer<A> => ({
  content: answer.content,
  text: answer.text,
  reasoning: Option.getOrUndefined(answer.reasoning),
  toolCalls: answer.toolCalls,
  message: answer.message,
  finishReason: answer.finishReason,
  usage: answer.usage,
  cost: dollars(answer.cost),
  provider: answer.provider,
  model: answer.model,
  requestId: answer.requestId,
  durationMs: Duration.toMillis(answer.duration),
  attempts: answer.attempts.map(({ error, model, provider }) => ({ provider, model, error })),
  warnings: answer.warnings
})

const toToolsAnswer = <A>(answer: LLM.ToolsResponse<A>): ToolsAnswer<A> => ({
  ...toAnswer(answer),
  messages: answer.messages
})

const told = <A, B>(plain: (answer: A) => B) => (part: Part<A> | Response.StepEnd): Option.Option<Part<B>> => {
  switch (part._tag) {
    case "Finish":
      return Option.some({ _tag: "Finish", response: plain(part.response) })
    case "StepEnd":
      return Option.none()
    default:
      return Option.some(part)
  }
}

const toEntry = (end: CallEnd): LogEntry => ({
  requestId: end.requestId,
  outcome: end.outcome,
  provider: end.provider,
  model: end.model,
  streamed: end.streamed,
  usage: end.usage,
  labels: end.labels,
  cost: dollars(end.cost),
  durationMs: Duration.toMillis(end.duration),
  error: Option.getOrUndefined(end.error)
})

// ── layers ──────────────────────────────────────────────────────────────────────────────────────────────────────────

const layerOf = (options: CreateOptions): Layer.Layer<LLM.LLM, unknown> => {
  const { apiKeys = {}, httpClient = FetchHttpClient.layer, log, models: [first, ...others] } = options
  const one = (name: string) => {
    const key = apiKeys[name.slice(0, Math.max(0, name.indexOf("/")))]
    const given = { ...options.options, ...(key === undefined ? {} : { apiKey: Redacted.make(key) }) }
    return name.includes("/") ? Models.layer(name, given) : Models.layerAlias(name, given)
  }
  const live = (others.length === 0 ? one(first) : Cascade.layer([one(first), ...others.map(one)])).pipe(
    Layer.provide(httpClient)
  )
  if (log === undefined) return live
  return typeof log === "function"
    ? LLM.onEnd((end) => Effect.sync(() => log(toEntry(end)))).pipe(Layer.provide(live))
    : Logging.layer().pipe(Layer.provide(live), Layer.provide(log))
}
