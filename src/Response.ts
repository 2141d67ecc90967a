/**
 * Answers: what a call gives back, whole or in parts.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import { dual } from "effect/Function"
import type * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { Cost, type CostEncoded } from "./Cost.ts"
import * as Prompt from "./Prompt.ts"
import { Usage } from "./Usage.ts"

/**
 * Why the model stopped, in one vocabulary for all providers. The provider's own word is in `rawFinishReason`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const FinishReason = Schema.Literal("stop", "length", "tool-calls", "content-filter", "other")

/**
 * @since 0.1.0
 * @category models
 */
export type FinishReason = typeof FinishReason.Type

/**
 * One try of a call. `error` is the tag of what went wrong (`"RateLimited"`, `"ResponseParsingError"`), absent on the
 * try that answered.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Attempt = Schema.Struct({
  provider: Schema.String,
  model: Schema.String,
  duration: Schema.DurationFromMillis,
  error: Schema.optional(Schema.String),
  status: Schema.optional(Schema.Number),
  requestId: Schema.optional(Schema.String)
}).annotations({ identifier: "Attempt" })

/**
 * @since 0.1.0
 * @category models
 */
export type Attempt = typeof Attempt.Type

/**
 * Something the caller should know about an answer that is otherwise fine.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Warning = Schema.Struct({
  code: Schema.Literal(
    "dropped-parameter",
    "deprecated-model",
    "unknown-price",
    "usage-missing",
    "usage-inconsistent",
    "tool-arguments-invalid",
    "usage-implausible",
    "cost-incomplete",
    "continued",
    "other"
  ),
  message: Schema.String,
  /** USD: of an amount that is not known in full, the part that is. */
  cost: Schema.optional(Cost)
}).annotations({ identifier: "Warning" })

/**
 * @since 0.1.0
 * @category models
 */
export type Warning = typeof Warning.Type

/**
 * A call the model made of one of the caller's tools.
 *
 * @since 0.1.0
 * @category models
 */
export type ToolCall = Prompt.ToolCallPart

/**
 * One answer.
 *
 * @since 0.1.0
 * @category models
 */
export interface Response<out A> {
  /** What was asked for, decoded: text, JSON or an object. */
  readonly content: A
  /** The visible answer as the model wrote it. */
  readonly text: string
  /** What the model thought, where the provider shows it. */
  readonly reasoning: Option.Option<string>
  /** Tools the model calls, in order; empty when there are none. */
  readonly toolCalls: ReadonlyArray<ToolCall>
  /** Append it to the prompt to go on: it carries reasoning signatures and all. */
  readonly message: Prompt.AssistantMessage
  /** Why it ended, in one vocabulary for all providers. */
  readonly finishReason: FinishReason
  /** The provider's own word for the finish reason. */
  readonly rawFinishReason: Option.Option<string>
  /** Tokens, summed over every try that was billed. */
  readonly usage: Usage
  /** USD, summed over every try that was billed; none when no price is known. */
  readonly cost: Option.Option<Cost>
  /** Who really answered. */
  readonly provider: string
  /** The model as the provider reports it; the requested one where it reports none. */
  readonly model: string
  /** The model that was asked for. */
  readonly requestedModel: string
  /** The provider's id of the answer. */
  readonly id: Option.Option<string>
  /** Our id of the call (UUIDv7). */
  readonly requestId: string
  /** From the call to its end, all tries and waits included. */
  readonly duration: Duration.Duration
  /** From the call to the first content; streams only. */
  readonly timeToFirstToken: Option.Option<Duration.Duration>
  /** Every try, the last one being this answer. */
  readonly attempts: ReadonlyArray<Attempt>
  /** Where a routing gateway sent the call (`X-Majordomo-Routed-Provider` and `-Model`). */
  readonly routed: Option.Option<{ readonly provider: string; readonly model: string }>
  /** What the caller should know: a dropped parameter, a retired model, a price that is not known. */
  readonly warnings: ReadonlyArray<Warning>
  /** From a response cache: nothing was asked and `cost` is zero; `usage` is what the answer took when it was made. */
  readonly cached?: boolean | undefined
}

/**
 * A piece of the visible answer.
 *
 * @since 0.1.0
 * @category parts
 */
export interface TextDelta {
  readonly _tag: "TextDelta"
  /** Place of its block in `response.message.content`. */
  readonly index: number
  /** The next piece of text. */
  readonly delta: string
}

/**
 * A piece of the model's reasoning.
 *
 * @since 0.1.0
 * @category parts
 */
export interface ReasoningDelta {
  readonly _tag: "ReasoningDelta"
  /** Place of its block in `response.message.content`. */
  readonly index: number
  /** The next piece of reasoning. */
  readonly delta: string
}

/**
 * A piece of a tool call's arguments, as text. The first one of a call may be empty: it announces the call.
 *
 * @since 0.1.0
 * @category parts
 */
export interface ToolCallDelta {
  readonly _tag: "ToolCallDelta"
  /** Place of its block in `response.message.content`. */
  readonly index: number
  /** The id of the call. */
  readonly id: string
  /** The tool that is called. */
  readonly name: string
  /** The next piece of the arguments, as JSON text. */
  readonly delta: string
}

/**
 * A whole tool call.
 *
 * @since 0.1.0
 * @category parts
 */
export interface ToolCallPart {
  readonly _tag: "ToolCallPart"
  /** Place of its block in `response.message.content`. */
  readonly index: number
  /** The whole call. */
  readonly call: ToolCall
}

/**
 * A JSON or object answer as far as it has come: fields appear and grow, none goes away again.
 *
 * @since 0.1.0
 * @category parts
 */
export interface ObjectDelta {
  readonly _tag: "ObjectDelta"
  /** The value as far as it has come; not decoded. */
  readonly partial: Prompt.JsonValue
}

/**
 * A block of the answer is complete: text, reasoning with its signature, a tool call, what a hosted tool did; with
 * citations and whatever else the provider keeps with it. One for each block, in order: the parts of all of them are
 * `response.message.content`, and the deltas of an index join to the text of its part (`rawArguments` of a tool call).
 *
 * @since 0.1.0
 * @category parts
 */
export interface BlockEnd {
  readonly _tag: "BlockEnd"
  /** Place in `response.message.content`. */
  readonly index: number
  /** The whole block, with its signature, citations and metadata. */
  readonly part: Prompt.AssistantPart
}

/**
 * The end of the stream, always last: what `generate` would have returned.
 *
 * @since 0.1.0
 * @category parts
 */
export interface Finish<out A> {
  readonly _tag: "Finish"
  /** What `generate` would have given. */
  readonly response: Response<A>
}

/**
 * A tool of the program has run: what the model will be told of it. Only in `LLM.streamTools`.
 *
 * @since 0.1.0
 * @category parts
 */
export interface ToolResult {
  readonly _tag: "ToolResult"
  /** Step of the tool loop, from 1. */
  readonly step: number
  /** What the tool gave. */
  readonly part: Prompt.ToolResultPart
}

/**
 * An answer of a tool loop is complete; places begin at 0 again in the next one. Only in `LLM.streamTools`.
 *
 * @since 0.1.0
 * @category parts
 */
export interface StepEnd {
  readonly _tag: "StepEnd"
  /** Step of the tool loop, from 1. */
  readonly step: number
  /** The answer of this step. */
  readonly response: Response<unknown>
}

/**
 * A part that carries content: anything but `Seam` and `Finish`.
 *
 * @since 0.1.0
 * @category parts
 */
export type ContentPart = TextDelta | ReasoningDelta | ToolCallDelta | ToolCallPart | ObjectDelta | BlockEnd

/**
 * Where another provider goes on with a text that broke off: only in a cascade with `midStream: "continue"`.
 *
 * @since 0.1.0
 * @category parts
 */
export interface Seam {
  readonly _tag: "Seam"
  /** Whose stream broke. */
  readonly from: { readonly provider: string; readonly model: string }
  /** Who goes on. */
  readonly to: { readonly provider: string; readonly model: string }
  /** The tag of what broke the stream. */
  readonly error: string
  /** Characters of the answer before it. */
  readonly at: number
}

/**
 * One part of a streamed answer.
 *
 * @since 0.1.0
 * @category parts
 */
export type StreamPart<A> = ContentPart | Seam | Finish<A>

/**
 * A `Response` as it is stored and sent: what is none is absent, durations are milliseconds, amounts exact decimals.
 *
 * @since 0.1.0
 * @category models
 */
export interface ResponseEncoded<out I> {
  readonly content: I
  readonly text: string
  readonly reasoning?: string | undefined
  readonly toolCalls: ReadonlyArray<typeof Prompt.ToolCallPart.Encoded>
  readonly message: typeof Prompt.AssistantMessage.Encoded
  readonly finishReason: FinishReason
  readonly rawFinishReason?: string | undefined
  readonly usage: Usage
  readonly cost?: CostEncoded | undefined
  readonly provider: string
  readonly model: string
  readonly requestedModel: string
  readonly id?: string | undefined
  readonly requestId: string
  readonly duration: number
  readonly timeToFirstToken?: number | undefined
  readonly attempts: ReadonlyArray<typeof Attempt.Encoded>
  readonly routed?: { readonly provider: string; readonly model: string } | undefined
  readonly warnings: ReadonlyArray<typeof Warning.Encoded>
  readonly cached?: boolean | undefined
}

/**
 * The schema of an answer whose content has the given one: for an `HttpApi`, an `Rpc`, a store.
 *
 * @since 0.1.0
 * @category schemas
 * @example
 * ```ts
 * import { HttpApiEndpoint } from "@effect/platform"
 * import { LLMError, Response } from "effect-majordomo"
 * import { Schema } from "effect"
 *
 * const answer = HttpApiEndpoint.post("answer", "/answer")
 *   .setPayload(Schema.Struct({ question: Schema.String }))
 *   .addSuccess(Response.Response(Schema.String))
 *   .addError(LLMError.LLMError, { status: 502 })
 * ```
 */
export const Response = <A, I, R>(
  content: Schema.Schema<A, I, R>
): Schema.Schema<Response<A>, ResponseEncoded<I>, R> =>
  Schema.make(
    Schema.Struct({
      content,
      text: Schema.String,
      reasoning: orNone(Schema.String),
      toolCalls: Schema.Array(Prompt.ToolCallPart),
      message: Prompt.AssistantMessage,
      finishReason: FinishReason,
      rawFinishReason: orNone(Schema.String),
      usage: Usage,
      cost: orNone(Cost),
      provider: Schema.String,
      model: Schema.String,
      requestedModel: Schema.String,
      id: orNone(Schema.String),
      requestId: Schema.String,
      duration: Schema.DurationFromMillis,
      timeToFirstToken: orNone(Schema.DurationFromMillis),
      attempts: Schema.Array(Attempt),
      routed: orNone(Place),
      warnings: Schema.Array(Warning),
      cached: Schema.optional(Schema.Boolean)
    }).ast
  )

const orNone = <A, I>(schema: Schema.Schema<A, I>) => Schema.optionalWith(schema, { as: "Option" })

const Place = Schema.Struct({ provider: Schema.String, model: Schema.String })

/**
 * A `StreamPart` as it is stored and sent.
 *
 * @since 0.1.0
 * @category models
 */
export type StreamPartEncoded<I> =
  | TextDelta
  | ReasoningDelta
  | ToolCallDelta
  | (Omit<ToolCallPart, "call"> & { readonly call: typeof Prompt.ToolCallPart.Encoded })
  | ObjectDelta
  | (Omit<BlockEnd, "part"> & { readonly part: typeof Prompt.AssistantPart.Encoded })
  | Seam
  | { readonly _tag: "Finish"; readonly response: ResponseEncoded<I> }

/**
 * The schema of the parts of a stream whose answer has the given one: for `Ndjson.packSchema`, an `Rpc` that streams.
 *
 * @since 0.1.0
 * @category schemas
 * @example
 * ```ts
 * import { Ndjson } from "@effect/platform"
 * import { LLM, Response } from "effect-majordomo"
 * import { Schema, Stream } from "effect"
 *
 * const lines = LLM.streamText({ prompt: "Count to ten" }).pipe(
 *   Stream.pipeThroughChannel(Ndjson.packSchema(Response.StreamPart(Schema.String))())
 * )
 * ```
 */
export const StreamPart = <A, I, R>(
  content: Schema.Schema<A, I, R>
): Schema.Schema<StreamPart<A>, StreamPartEncoded<I>, R> => {
  const at = { index: Schema.Number }
  const delta = { ...at, delta: Schema.String }
  return Schema.make(
    Schema.Union(
      Schema.TaggedStruct("TextDelta", delta),
      Schema.TaggedStruct("ReasoningDelta", delta),
      Schema.TaggedStruct("ToolCallDelta", { ...delta, id: Schema.String, name: Schema.String }),
      Schema.TaggedStruct("ToolCallPart", { ...at, call: Prompt.ToolCallPart }),
      Schema.TaggedStruct("ObjectDelta", { partial: Prompt.JsonValue }),
      Schema.TaggedStruct("BlockEnd", { ...at, part: Prompt.AssistantPart }),
      Schema.TaggedStruct("Seam", { from: Place, to: Place, error: Schema.String, at: Schema.Number }),
      Schema.TaggedStruct("Finish", { response: Response(content) })
    ).ast
  )
}

/**
 * @since 0.1.0
 * @category guards
 */
export const isTextDelta = <A>(part: StreamPart<A>): part is TextDelta => part._tag === "TextDelta"

/**
 * @since 0.1.0
 * @category guards
 */
export const isFinish = <A>(part: StreamPart<A>): part is Finish<A> => part._tag === "Finish"

/**
 * The answer with other content: everything else stays.
 *
 * @since 0.1.0
 * @category mapping
 */
export const map: {
  <A, B>(f: (content: A) => B): (self: Response<A>) => Response<B>
  <A, B>(self: Response<A>, f: (content: A) => B): Response<B>
} = dual(2, <A, B>(self: Response<A>, f: (content: A) => B): Response<B> => ({ ...self, content: f(self.content) }))

/**
 * The tries of a call in one line: `"anthropic/claude-sonnet-5 Overloaded 210 ms, openai/gpt-4.1 ok 830 ms"`.
 *
 * @since 0.1.0
 * @category conversions
 */
export const describeAttempts = (attempts: ReadonlyArray<Attempt>): string =>
  attempts.map((attempt) =>
    `${attempt.provider}/${attempt.model} ${attempt.error ?? "ok"} ${
      Math.round(Duration.toMillis(attempt.duration))
    } ms`
  ).join(", ")
