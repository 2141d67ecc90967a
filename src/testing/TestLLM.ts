/**
 * An `LLM` from scripted answers, for unit tests of programs that use one: no HTTP, no key, no waiting.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Cost } from "../Cost.ts"
import * as LLM from "../LLM.ts"
import { isLLMError, type LLMError } from "../LLMError.ts"
import * as Metadata from "../Metadata.ts"
import { type JsonValue, toMessages } from "../Prompt.ts"
import type { FinishReason } from "../Response.ts"
import * as Retry from "../Retry.ts"
import type * as Usage from "../Usage.ts"
import { pieces } from "./internal/dialect.ts"

/**
 * One answer of a script: text, what a constructor below makes, or an error to fail with.
 *
 * @since 0.1.0
 * @category models
 */
export type Entry = string | Answer | Delayed | LLMError

/**
 * The answers in order, one per call, or a function that finds one. `index` counts the calls from 0.
 *
 * @since 0.1.0
 * @category models
 */
export type Script = ReadonlyArray<Entry> | ((request: LLM.Request<unknown, unknown>, index: number) => Entry)

/**
 * A part of an answer. Places need not be counted.
 *
 * @since 0.1.0
 * @category models
 */
export type Part = Exclude<LLM.FunctionPart, string | LLM.FunctionEnd>

/**
 * @since 0.1.0
 * @category models
 */
export interface Answer extends AnswerOptions {
  readonly _tag: "Answer"
  /** The parts of the answer to call `index`, from 0. */
  readonly parts: (index: number) => ReadonlyArray<Part>
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Delayed {
  readonly _tag: "Delayed"
  /** How long it waits. */
  readonly duration: Duration.DurationInput
  /** What comes then. */
  readonly entry: Entry
}

/**
 * @since 0.1.0
 * @category models
 */
export interface AnswerOptions {
  /** Default: no tokens. */
  readonly usage?: Partial<Usage.Usage> | undefined
  /** Default: none. */
  readonly cost?: Cost | undefined
  /** Default `"stop"`, `"tool-calls"` when tools are called. */
  readonly finishReason?: FinishReason | undefined
  /** The model refuses with these words: the call fails with `ContentFilteredError`. */
  readonly refusal?: string | undefined
  /** What the call fails with after the parts. */
  readonly failure?: LLMError | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** Default `"test"`. */
  readonly provider?: string | undefined
  /** Default `"test-model"`. */
  readonly model?: string | undefined
  /** When the script is at its end, give its last answer again. Default false: that is a defect. */
  readonly repeat?: boolean | undefined
}

/**
 * One call as the service got it.
 *
 * @since 0.1.0
 * @category models
 */
export interface RecordedRequest {
  /** Which of the two it was. */
  readonly method: "generate" | "stream"
  /** What was asked. */
  readonly request: LLM.Request<unknown, unknown>
  /** The labels of `withMetadata` and those of the call. */
  readonly metadata: Metadata.Metadata
  /** The headers of `withHeaders`. */
  readonly headers: Readonly<Record<string, string>>
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /** Every call so far, in order. */
  readonly requests: Effect.Effect<ReadonlyArray<RecordedRequest>>
}

/**
 * @since 0.1.0
 * @category services
 */
export class TestLLM extends Context.Tag("effect-majordomo/testing/TestLLM")<TestLLM, Service>() {}

/**
 * Every call so far, in order.
 *
 * @since 0.1.0
 * @category accessors
 */
export const requests: Effect.Effect<ReadonlyArray<RecordedRequest>, never, TestLLM> = Effect.flatMap(
  TestLLM,
  (service) => service.requests
)

// ── entries ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * Text; a stream gives it in words, or in `chunks`.
 *
 * @since 0.1.0
 * @category entries
 */
export const text = (
  text: string,
  options?: AnswerOptions & {
    readonly reasoning?: string | undefined
    readonly chunks?: ReadonlyArray<string> | undefined
  }
): Answer => {
  const { chunks = pieces(text), reasoning = "", ...rest } = options ?? {}
  return parts([
    ...pieces(reasoning).map((delta): Part => ({ _tag: "ReasoningDelta", delta })),
    ...chunks.map((delta): Part => ({ _tag: "TextDelta", delta }))
  ], rest)
}

/**
 * A value as JSON text.
 *
 * @since 0.1.0
 * @category entries
 */
export const json = (value: JsonValue, options?: AnswerOptions): Answer => text(JSON.stringify(value), options)

/**
 * The encoded form of an object, as a model would write it.
 *
 * @since 0.1.0
 * @category entries
 */
export const object: (value: JsonValue, options?: AnswerOptions) => Answer = json

/**
 * Tool calls, with text before them if wanted. Ids are counted where none is given.
 *
 * @since 0.1.0
 * @category entries
 */
export const toolCalls = (
  calls: ReadonlyArray<{ readonly name: string; readonly arguments: JsonValue; readonly id?: string | undefined }>,
  options?: AnswerOptions & { readonly text?: string | undefined }
): Answer => {
  const { text: said = "", ...rest } = options ?? {}
  return {
    ...rest,
    _tag: "Answer",
    // Ids must differ within a conversation, whose steps are entries of their own.
    parts: (index) => [
      ...pieces(said).map((delta): Part => ({ _tag: "TextDelta", delta })),
      ...calls.flatMap((call, i) => callParts({ ...call, id: call.id ?? `call_${index + 1}_${i + 1}` }))
    ]
  }
}

const callParts = (
  { arguments: value, id, name }: { readonly name: string; readonly arguments: JsonValue; readonly id: string }
): ReadonlyArray<Part> => {
  const rawArguments = JSON.stringify(value)
  return [
    ...["", ...pieces(rawArguments)].map((delta): Part => ({ _tag: "ToolCallDelta", id, name, delta })),
    { _tag: "ToolCallPart", call: { type: "tool-call", id, name, arguments: value, rawArguments } }
  ]
}

/**
 * The parts of a stream as they are; `generate` gives what they add up to.
 *
 * @since 0.1.0
 * @category entries
 */
export const parts = (parts: ReadonlyArray<Part>, options?: AnswerOptions): Answer => ({
  ...options,
  _tag: "Answer",
  parts: () => parts
})

/**
 * The entry after a while, on the `Clock`: `TestClock.adjust` makes it come.
 *
 * @since 0.1.0
 * @category entries
 */
export const delay = (duration: Duration.DurationInput, entry: Entry): Delayed => ({ _tag: "Delayed", duration, entry })

// ── the service ─────────────────────────────────────────────────────────────────────────────────────────────────────

/** What the script says to one call. */
interface Scripted {
  readonly parts: ReadonlyArray<Part>
  readonly end: LLM.FunctionEnd
  readonly failure: LLMError | undefined
}

const make = (
  script: Script,
  { model = "test-model", provider = "test", repeat = false }: Options
): Effect.Effect<Context.Context<LLM.LLM | TestLLM>, never, Scope.Scope> => {
  const recorded: Array<RecordedRequest> = []

  const play = ({ options: request, stream }: LLM.FunctionCall): Effect.Effect<Scripted, LLMError> =>
    Effect.gen(function*() {
      const index = recorded.length
      const scope = yield* Metadata.Current
      const headers = yield* Metadata.CurrentHeaders
      recorded.push({
        method: stream ? "stream" : "generate",
        request,
        metadata: { ...scope, ...request.metadata },
        headers
      })
      const entry = typeof script === "function"
        ? script(request, index)
        : script[repeat ? Math.min(index, script.length - 1) : index]
      return entry === undefined
        ? yield* Effect.die(exhausted(script.length, index, request))
        : yield* resolve(entry, index)
    })

  const llm = LLM.fromFunctions({
    provider,
    model,
    stream: (call) =>
      Stream.unwrap(Effect.map(play(call), ({ end, failure, parts }) =>
        Stream.concat(
          // One chunk per part, as a slow provider would send them.
          Stream.rechunk(Stream.fromIterable(parts), 1),
          failure === undefined ? Stream.succeed(end) : Stream.fail(failure)
        )))
  }, { retry: Retry.none })
  return Effect.map(Layer.build(llm), Context.add(TestLLM, { requests: Effect.sync(() => [...recorded]) }))
}

const resolve = (entry: Entry, index: number): Effect.Effect<Scripted, LLMError> => {
  if (typeof entry === "string") return resolve(text(entry), index)
  if (isLLMError(entry)) return Effect.fail(entry)
  if (entry._tag === "Delayed") return Effect.zipRight(Effect.sleep(entry.duration), resolve(entry.entry, index))
  const { cost = null, failure, finishReason, refusal, usage = {} } = entry
  return Effect.succeed({
    parts: entry.parts(index),
    end: { _tag: "End", usage, cost, finishReason, refusal },
    failure
  })
}

const exhausted = (length: number, index: number, request: LLM.Request<unknown, unknown>): Error => {
  const last = toMessages(request.prompt).at(-1)
  const said = typeof last?.content === "string" ? last.content : JSON.stringify(last?.content)
  return new Error(
    `TestLLM: the script has ${length} ${length === 1 ? "entry" : "entries"} and call ${index + 1} (${
      JSON.stringify(said.slice(0, 80))
    }) found none; add one, or set repeat: true`
  )
}

/**
 * The layer. It also holds what was asked: see `requests`.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { LLM } from "effect-majordomo"
 * import { TestLLM } from "effect-majordomo/testing"
 * import { Effect, Schema } from "effect"
 *
 * const Person = Schema.Struct({ name: Schema.String })
 *
 * const test = Effect.gen(function*() {
 *   const { content } = yield* LLM.generateObject({ prompt: "Who wrote the first program?", schema: Person })
 *   const [asked] = yield* TestLLM.requests
 *   return [content.name, asked?.request.prompt]
 * }).pipe(Effect.provide(TestLLM.layer([TestLLM.object({ name: "Ada" })])))
 * ```
 */
export const layer = (script: Script, options?: Options): Layer.Layer<LLM.LLM | TestLLM> =>
  Layer.scopedContext(Effect.suspend(() => make(script, options ?? {})))
