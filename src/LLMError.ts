/**
 * What can go wrong with a call, as types. Every message says what happened, where, and what to do next; none holds a
 * prompt, a key or a header.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { Cost } from "./Cost.ts"
import { copyWith } from "./internal/call/copyError.ts"
import { Attempt } from "./Response.ts"
import { Usage } from "./Usage.ts"

// The tree of a schema's complaint lives in memory only.
const InMemory = Schema.optionalToOptional(Schema.Unknown, Schema.Unknown, {
  decode: (value) => value,
  encode: () => Option.none()
})

// Written out, as is `Reason`: what the compiler would work out for every program that catches an error.
const attempts: Schema.PropertySignature<
  ":",
  ReadonlyArray<Attempt>,
  never,
  "?:",
  ReadonlyArray<typeof Attempt.Encoded> | undefined,
  true
> = Schema.optionalWith(Schema.Array(Attempt), { default: () => [] })

const where = {
  provider: Schema.String,
  model: Schema.String,
  attempts,
  status: Schema.optional(Schema.Number),
  requestId: Schema.optional(Schema.String)
}

const billed = {
  usage: Schema.optional(Usage),
  cost: Schema.optional(Cost),
  /** More may have been billed than `usage` and `cost` say: a try broke before it told. */
  usagePartial: Schema.optional(Schema.Boolean)
}

const retryAfter = { retryAfter: Schema.optional(Schema.DurationFromMillis) }

/**
 * Too many requests or tokens for now. `retryAfter` is how long the provider asks to wait.
 *
 * @since 0.1.0
 * @category reasons
 */
export class RateLimited extends Schema.TaggedClass<RateLimited>("effect-majordomo/LLMError/RateLimited")(
  "RateLimited",
  retryAfter
) {}

/**
 * The account has no credit or quota left.
 *
 * @since 0.1.0
 * @category reasons
 */
export class QuotaExceeded extends Schema.TaggedClass<QuotaExceeded>("effect-majordomo/LLMError/QuotaExceeded")(
  "QuotaExceeded",
  {}
) {}

/**
 * The key is missing, wrong or expired.
 *
 * @since 0.1.0
 * @category reasons
 */
export class Authentication extends Schema.TaggedClass<Authentication>("effect-majordomo/LLMError/Authentication")(
  "Authentication",
  {}
) {}

/**
 * The key is good but may not do this.
 *
 * @since 0.1.0
 * @category reasons
 */
export class PermissionDenied
  extends Schema.TaggedClass<PermissionDenied>("effect-majordomo/LLMError/PermissionDenied")("PermissionDenied", {})
{}

/**
 * The provider has no such model, deployment or address.
 *
 * @since 0.1.0
 * @category reasons
 */
export class ModelNotFound extends Schema.TaggedClass<ModelNotFound>("effect-majordomo/LLMError/ModelNotFound")(
  "ModelNotFound",
  {}
) {}

/**
 * The provider is out of capacity for now.
 *
 * @since 0.1.0
 * @category reasons
 */
export class Overloaded extends Schema.TaggedClass<Overloaded>("effect-majordomo/LLMError/Overloaded")(
  "Overloaded",
  retryAfter
) {}

/**
 * The provider failed on its side.
 *
 * @since 0.1.0
 * @category reasons
 */
export class ServerError extends Schema.TaggedClass<ServerError>("effect-majordomo/LLMError/ServerError")(
  "ServerError",
  retryAfter
) {}

/**
 * It took too long. `phase` says which limit: our `total`, `firstToken` or `betweenTokens`, or the provider's own.
 *
 * @since 0.1.0
 * @category reasons
 */
export class Timeout extends Schema.TaggedClass<Timeout>("effect-majordomo/LLMError/Timeout")("Timeout", {
  phase: Schema.Literal("total", "firstToken", "betweenTokens", "provider")
}) {}

/**
 * The connection was refused, reset or ended early.
 *
 * @since 0.1.0
 * @category reasons
 */
export class Transport extends Schema.TaggedClass<Transport>("effect-majordomo/LLMError/Transport")("Transport", {}) {}

/**
 * A success that is not the protocol, or larger than the limit.
 *
 * @since 0.1.0
 * @category reasons
 */
export class MalformedResponse
  extends Schema.TaggedClass<MalformedResponse>("effect-majordomo/LLMError/MalformedResponse")("MalformedResponse", {})
{}

/**
 * The model or the wire cannot do what was asked. Nothing was sent.
 *
 * @since 0.1.0
 * @category reasons
 */
export class Unsupported extends Schema.TaggedClass<Unsupported>("effect-majordomo/LLMError/Unsupported")(
  "Unsupported",
  { feature: Schema.String }
) {}

/**
 * The circuit breaker holds calls back until `until` (ms since the epoch).
 *
 * @since 0.1.0
 * @category reasons
 */
export class CircuitOpen extends Schema.TaggedClass<CircuitOpen>("effect-majordomo/LLMError/CircuitOpen")(
  "CircuitOpen",
  { until: Schema.Number }
) {}

/**
 * Why a provider could not answer.
 *
 * @since 0.1.0
 * @category reasons
 */
export const Reason = Schema.Union(
  RateLimited,
  QuotaExceeded,
  Authentication,
  PermissionDenied,
  ModelNotFound,
  Overloaded,
  ServerError,
  Timeout,
  Transport,
  MalformedResponse,
  Unsupported,
  CircuitOpen
)

/**
 * @since 0.1.0
 * @category reasons
 */
export type Reason =
  | RateLimited
  | QuotaExceeded
  | Authentication
  | PermissionDenied
  | ModelNotFound
  | Overloaded
  | ServerError
  | Timeout
  | Transport
  | MalformedResponse
  | Unsupported
  | CircuitOpen

const reason: Schema.Schema<Reason, typeof Reason.Encoded> = Reason

const retryable: Record<Reason["_tag"], boolean> = {
  RateLimited: true,
  QuotaExceeded: false,
  Authentication: false,
  PermissionDenied: false,
  ModelNotFound: false,
  Overloaded: true,
  ServerError: true,
  Timeout: true,
  Transport: true,
  MalformedResponse: true,
  Unsupported: false,
  CircuitOpen: false
}

const advice: Record<Reason["_tag"], string> = {
  RateLimited: "wait or lower the rate",
  QuotaExceeded: "add credit or raise the quota of this account",
  Authentication: "check the API key",
  PermissionDenied: "check what this API key may do",
  ModelNotFound: "check the model name and the base URL",
  Overloaded: "try again later",
  ServerError: "try again later",
  Timeout: "raise `timeouts`",
  Transport: "check the network and the base URL",
  MalformedResponse: "check that the base URL speaks this provider's protocol",
  Unsupported: "leave it out or choose another model",
  CircuitOpen: "wait until the breaker lets a probe through"
}

/** What another provider would help with, unless one has been asked already. */
const helped: ReadonlyArray<Reason["_tag"]> = ["RateLimited", "Overloaded", "ServerError", "Timeout"]

const adviceOf = ({ attempts, reason }: ProviderError): string =>
  helped.includes(reason._tag) && new Set(attempts.map(({ provider }) => provider)).size < 2
    ? `${advice[reason._tag]}, or add a second provider`
    : advice[reason._tag]

const place = (error: { readonly provider: string; readonly model: string }) => `${error.provider}/${error.model}`

const trace = (error: { readonly status?: number | undefined; readonly requestId?: string | undefined }) => {
  const facts = [
    ...(error.status === undefined ? [] : [`HTTP ${error.status}`]),
    ...(error.requestId === undefined ? [] : [`request ${error.requestId}`])
  ]
  return facts.length === 0 ? "" : ` (${facts.join(", ")})`
}

/**
 * A provider could not answer. This is what moves a cascade on.
 *
 * `description` is the provider's own message, `body` the start of what it sent (secrets taken out), `partial` the
 * text that had arrived when a stream broke.
 *
 * @since 0.1.0
 * @category errors
 * @example
 * ```ts
 * import { LLM } from "effect-majordomo"
 * import { Effect } from "effect"
 *
 * const program = LLM.generateText({ prompt: "Hello" }).pipe(
 *   Effect.catchTag("ProviderError", (error) =>
 *     error.reason._tag === "RateLimited" ? Effect.log("later", error.retryAfter) : Effect.fail(error))
 * )
 * ```
 */
export class ProviderError extends Schema.TaggedError<ProviderError>("effect-majordomo/LLMError/ProviderError")(
  "ProviderError",
  {
    ...where,
    ...billed,
    reason,
    description: Schema.optional(Schema.String),
    body: Schema.optional(Schema.String),
    partial: Schema.optional(Schema.String),
    cause: Schema.optional(Schema.Defect)
  }
) {
  /** Worth another try with the same provider. */
  get isRetryable(): boolean {
    return retryable[this.reason._tag]
  }
  /** How long the provider asks to wait. */
  get retryAfter(): Duration.Duration | undefined {
    return "retryAfter" in this.reason ? this.reason.retryAfter : undefined
  }
  override get message(): string {
    const detail = this.reason._tag === "Unsupported"
      ? `: ${this.reason.feature}`
      : this.reason._tag === "Timeout" && this.reason.phase !== "provider"
      ? `: the ${this.reason.phase} limit`
      : ""
    const description = this.description === undefined ? "" : `: ${this.description}`
    return `${place(this)}: ${this.reason._tag}${detail}${description}${trace(this)}; ${adviceOf(this)}`
  }
}

/**
 * The request itself is wrong. `reason` is `"InvalidParameter"`, `"InvalidPrompt"`, `"InvalidHeader"`,
 * `"InvalidTool"`, `"InvalidSchema"`, `"ContextLengthExceeded"`, or `"Rejected"` when the provider does not say.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidRequestError
  extends Schema.TaggedError<InvalidRequestError>("effect-majordomo/LLMError/InvalidRequestError")(
    "InvalidRequestError",
    {
      ...where,
      ...billed,
      reason: Schema.Literal(
        "InvalidParameter",
        "InvalidPrompt",
        "InvalidHeader",
        "InvalidTool",
        "InvalidSchema",
        "ContextLengthExceeded",
        "Rejected"
      ),
      parameter: Schema.optional(Schema.String),
      description: Schema.String,
      body: Schema.optional(Schema.String)
    }
  )
{
  readonly isRetryable = false
  override get message(): string {
    const parameter = this.parameter === undefined ? "" : ` (${this.parameter})`
    return `${place(this)}: ${this.reason}${parameter}: ${this.description}${trace(this)}`
  }
}

/**
 * The model refused or a safety filter stopped the answer. `category` is the provider's word for why, `text` what it
 * said or had said.
 *
 * @since 0.1.0
 * @category errors
 */
export class ContentFilteredError
  extends Schema.TaggedError<ContentFilteredError>("effect-majordomo/LLMError/ContentFilteredError")(
    "ContentFilteredError",
    {
      ...where,
      ...billed,
      category: Schema.String,
      text: Schema.String,
      finishReason: Schema.optional(Schema.String)
    }
  )
{
  readonly isRetryable = false
  override get message(): string {
    return `${place(this)}: the answer was withheld (${this.category})${trace(this)}; change the prompt`
  }
}

/**
 * The output cap was hit before there was an answer: `outputTokens` of `maxTokens`, the text so far, and what was thought
 * of it.
 *
 * @since 0.1.0
 * @category errors
 */
export class ResponseTruncatedError
  extends Schema.TaggedError<ResponseTruncatedError>("effect-majordomo/LLMError/ResponseTruncatedError")(
    "ResponseTruncatedError",
    {
      ...where,
      ...billed,
      maxTokens: Schema.optional(Schema.Number),
      outputTokens: Schema.Number,
      text: Schema.String,
      reasoning: Schema.optional(Schema.String)
    }
  )
{
  readonly isRetryable = false
  override get message(): string {
    const cap = this.maxTokens === undefined ? "" : ` of ${this.maxTokens}`
    return `${place(this)}: the answer was cut off after ${this.outputTokens}${cap} output tokens${
      trace(this)
    }; raise maxTokens or lower the reasoning effort`
  }
}

/**
 * One thing that is wrong with an answer, and where in it.
 *
 * @since 0.1.0
 * @category models
 */
export const Issue = Schema.Struct({
  path: Schema.Array(Schema.Union(Schema.String, Schema.Number)),
  message: Schema.String
})

/**
 * @since 0.1.0
 * @category models
 */
export type Issue = typeof Issue.Type

/**
 * The answer is not JSON, does not match the schema, or is empty. `text` is the raw answer, `candidate` the part that
 * was tried as JSON, `issues` what is wrong with it, `parseIssue` the schema's own tree of it.
 *
 * @since 0.1.0
 * @category errors
 */
export class ResponseParsingError
  extends Schema.TaggedError<ResponseParsingError>("effect-majordomo/LLMError/ResponseParsingError")(
    "ResponseParsingError",
    {
      ...where,
      ...billed,
      reason: Schema.Literal("NotJson", "Mismatch", "Empty", "ToolCallsOnly"),
      text: Schema.String,
      candidate: Schema.optional(Schema.String),
      issues: Schema.Array(Issue),
      parseIssue: InMemory
    }
  )
{
  /** An empty answer is worth another try; a wrong one is asked again with `repair`. */
  get isRetryable(): boolean {
    return this.reason === "Empty"
  }
  override get message(): string {
    const what = {
      NotJson: "the answer is not JSON",
      Mismatch: "the answer does not match the schema",
      Empty: "the answer is empty",
      ToolCallsOnly: "the model called tools instead of answering; use LLM.runTools"
    }[this.reason]
    const [first, ...others] = this.issues
    const detail = first === undefined
      ? ""
      : `: ${first.path.length === 0 ? "" : `at ${formatPath(first.path)}: `}${first.message}${
        others.length === 0 ? "" : ` (and ${others.length} more)`
      }`
    return `${place(this)}: ${what}${detail}${trace(this)}`
  }
}

/**
 * A hook stopped the call; its verdicts say why.
 *
 * @since 0.1.0
 * @category errors
 */
export class HookBlockedError
  extends Schema.TaggedError<HookBlockedError>("effect-majordomo/LLMError/HookBlockedError")("HookBlockedError", {
    ...where,
    ...billed,
    verdicts: Schema.Array(Schema.Struct({ hook: Schema.String, reason: Schema.String }))
  })
{
  readonly isRetryable = false
  override get message(): string {
    return `${place(this)}: blocked by ${
      this.verdicts.map((verdict) => `${verdict.hook} (${verdict.reason})`).join(", ")
    }`
  }
}

/**
 * Everything a call can fail with.
 *
 * @since 0.1.0
 * @category errors
 */
export type LLMError =
  | ProviderError
  | InvalidRequestError
  | ContentFilteredError
  | ResponseTruncatedError
  | ResponseParsingError
  | HookBlockedError

/**
 * The same as a `Schema`, to store or send failures.
 *
 * @since 0.1.0
 * @category schemas
 */
export const LLMError = Schema.Union(
  ProviderError,
  InvalidRequestError,
  ContentFilteredError,
  ResponseTruncatedError,
  ResponseParsingError,
  HookBlockedError
)

/**
 * A layer cannot be built: a key is missing, a model is unknown. `variable` is the environment variable to set.
 *
 * @since 0.1.0
 * @category errors
 */
export class ConfigurationError
  extends Schema.TaggedError<ConfigurationError>("effect-majordomo/LLMError/ConfigurationError")("ConfigurationError", {
    provider: Schema.optional(Schema.String),
    variable: Schema.optional(Schema.String),
    description: Schema.String
  })
{
  override get message(): string {
    return `${this.provider === undefined ? "" : `${this.provider}: `}${this.description}`
  }
}

/**
 * `LLM.runTools` reached `maxSteps` and the model still calls tools. `messages` is the conversation so far: append to
 * it to go on.
 *
 * @since 0.1.0
 * @category errors
 */
export class ToolStepsExceededError
  extends Schema.TaggedError<ToolStepsExceededError>("effect-majordomo/LLMError/ToolStepsExceededError")(
    "ToolStepsExceededError",
    { ...where, ...billed, maxSteps: Schema.Number, messages: Schema.Array(Schema.Unknown) }
  )
{
  override get message(): string {
    return `${
      place(this)
    }: still calling tools after ${this.maxSteps} steps; raise maxSteps or check the tools' answers`
  }
}

/**
 * @since 0.1.0
 * @category guards
 */
export const isLLMError: (value: unknown) => value is LLMError = Schema.is(Schema.typeSchema(LLMError))

/**
 * Short name of a failure for attempts, logs and metrics: the reason of a `ProviderError`, else the error's tag.
 *
 * @since 0.1.0
 * @category conversions
 */
export const tagOf = (error: LLMError): string => error._tag === "ProviderError" ? error.reason._tag : error._tag

/**
 * The wait a provider asks for, if any.
 *
 * @since 0.1.0
 * @category conversions
 */
export const retryAfterOf = (error: LLMError): Option.Option<Duration.Duration> =>
  error._tag === "ProviderError" ? Option.fromNullable(error.retryAfter) : Option.none()

/**
 * The same error with the given tries on it, and what all of them together were billed.
 *
 * @since 0.1.0
 * @category combining
 */
export const withAttempts = <E extends LLMError>(
  error: E,
  attempts: ReadonlyArray<Attempt>,
  billed?: {
    readonly usage?: Usage | undefined
    readonly cost?: Cost | undefined
    readonly usagePartial?: boolean | undefined
  }
): E => copyWith(error, { attempts, ...billed })

/**
 * The same error with the text that had arrived.
 *
 * @since 0.1.0
 * @category combining
 */
export const withPartial = (error: ProviderError, partial: string): ProviderError => copyWith(error, { partial })

/**
 * A stream that ended without its `Finish` part: something in between dropped it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const withoutFinish = (): ProviderError =>
  new ProviderError({
    provider: "unknown",
    model: "unknown",
    reason: new Transport(),
    description: "the stream ended without its Finish part"
  })

/**
 * A path as people write it: `items[2].name`.
 *
 * @since 0.1.0
 * @category conversions
 */
export const formatPath = (path: ReadonlyArray<string | number>): string =>
  path.reduce<string>(
    (text, step) =>
      typeof step === "number"
        ? `${text}[${step}]`
        : /^[A-Za-z_$][\w$]*$/.test(step)
        ? text === "" ? step : `${text}.${step}`
        : `${text}[${JSON.stringify(step)}]`,
    ""
  )
