/** The end of a try: what the wire understood becomes an answer, or the error that says why it is none. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Cost from "../../Cost.ts"
import type { Request } from "../../LLM.ts"
import * as LLMError from "../../LLMError.ts"
import type { Output, SchemaFailure } from "../../Output.ts"
import type * as Response from "../../Response.ts"
import type * as Usage from "../../Usage.ts"
import * as errors from "../http/errors.ts"
import type { HeaderMap } from "../http/headers.ts"
import { find } from "../json/find.ts"
import * as json from "../json/values.ts"
import type { Codec } from "../schema/codec.ts"
import { outerShape } from "../schema/outerShape.ts"
import type { Completion } from "./completion.ts"
import { priceOf, type Routed } from "./price.ts"
import type { Session } from "./session.ts"

/** How the answer came. */
export interface Received {
  readonly status: number
  readonly headers: HeaderMap
}

/** Ends the try that is running, well or not, and books what it cost. */
export const settle = <A, R>(
  session: Session,
  request: Request<A, R>,
  completion: Completion,
  received: Received
): Effect.Effect<Response.Response<A>, LLMError.LLMError, R> => {
  const { ledger, model: asked, provider } = session
  const { usage } = completion
  const model = completion.model ?? asked
  const { gateway } = completion
  const routed = routedBy(received.headers) ?? gateway
  return Effect.flatMap(priceOf(session, completion, routed), (cost) => {
    const facts: Facts = {
      provider,
      model: asked,
      usage,
      cost: Option.getOrUndefined(cost),
      // An answer that cannot be used and does not say what it took was billed all the same.
      usagePartial: usage === undefined ? true : undefined,
      requestId: errors.requestIdOf(received.headers),
      status: received.status
    }
    if (usage === undefined) {
      session.warn("usage-missing", "the provider reported no token counts; usage is 0")
    } else if (Option.isNone(cost) && completion.cost === undefined) {
      session.warn(
        "unknown-price",
        `no price is known for ${routed?.provider ?? provider}/${
          routed?.model ?? model
        }; give one with Pricing.layer({ overrides })`
      )
    }
    for (const warning of completion.warnings) session.warn(warning.code, warning.message)
    return Effect.map(answerOf(completion, request, session.codec, facts), (content): Response.Response<A> => {
      const now = session.clock.unsafeCurrentTimeNanos()
      // Those of a gateway are what this one was made of.
      if (gateway !== undefined && gateway.attempts.length > 0) ledger.attempts.push(...gateway.attempts)
      else {
        ledger.attempts.push({
          provider,
          model: asked,
          duration: Duration.nanos(now - (ledger.running?.startedAt ?? session.startedAt)),
          status: received.status,
          requestId: facts.requestId
        })
      }
      ledger.running = undefined
      ledger.add({ usage, cost: facts.cost })
      if (Option.isNone(cost)) ledger.isUnpriced = true
      return {
        content,
        text: completion.visibleText,
        reasoning: Option.fromNullable(completion.reasoningText),
        toolCalls: completion.toolCalls,
        message: { role: "assistant", content: completion.content },
        finishReason: finishReasonOf(completion),
        rawFinishReason: Option.fromNullable(completion.rawFinishReason),
        usage: ledger.usage,
        cost: Option.fromNullable(ledger.cost),
        provider: routed?.provider ?? provider,
        model: routed?.model ?? model,
        requestedModel: asked,
        id: Option.fromNullable(completion.id),
        requestId: session.requestId,
        duration: Duration.nanos(now - session.startedAt),
        timeToFirstToken: session.firstTokenAt === undefined
          ? Option.none()
          : Option.some(Duration.nanos(session.firstTokenAt - session.startedAt)),
        attempts: ledger.attempts,
        routed: Option.map(Option.fromNullable(routed), ({ model, provider }) => ({ provider, model })),
        warnings: ledger.isPartial || ledger.isUnpriced
          ? [...session.warnings, ...ledger.warnings]
          : session.warnings
      }
    })
  })
}

/** Wires say "stop" on tool calls, and "tool calls" when the answer came through one. */
export const finishReasonOf = (completion: Completion): Response.FinishReason => {
  const reason = completion.finishReason ?? "other"
  const calls = completion.toolCalls.length > 0
  return reason === "stop" && calls ? "tool-calls" : reason === "tool-calls" && !calls ? "stop" : reason
}

/** What is told of an answer that cannot be used. */
export interface Facts {
  readonly provider: string
  readonly model: string
  readonly usage?: Usage.Usage | undefined
  readonly cost?: Cost.Cost | undefined
  readonly usagePartial?: boolean | undefined
  readonly requestId?: string | undefined
  readonly status?: number | undefined
}

const routedBy = (headers: HeaderMap): Routed | undefined => {
  const provider = headers["x-majordomo-routed-provider"]
  const model = headers["x-majordomo-routed-model"]
  return provider === undefined || model === undefined ? undefined : { provider, model }
}

/** What was asked for, decoded; or why the answer is none. */
export const answerOf = <A, R>(
  completion: Completion,
  request: Request<A, R>,
  codec: Codec | undefined,
  facts: Facts
): Effect.Effect<A, LLMError.LLMError, R> => {
  const failure = verdictOn(completion, request, facts)
  return failure === undefined ? decode(request, completion, codec, facts) : Effect.fail(failure)
}

/** Refused, withheld or cut off: looked at before the text. */
export const verdictOn = (
  completion: Completion,
  { maxTokens, output }: Request<unknown, unknown>,
  facts: Facts
): LLMError.LLMError | undefined => {
  const text = completion.visibleText
  if (completion.refusal !== undefined || completion.filter !== undefined) {
    return new LLMError.ContentFilteredError({
      ...facts,
      category: completion.filter ?? "refusal",
      text: completion.refusal ?? text,
      finishReason: completion.rawFinishReason
    })
  }
  const calls = completion.toolCalls.length > 0
  const useful = output.format.type === "text" ? text.trim() !== "" || calls : output.onToolCalls !== undefined && calls
  if (completion.finishReason === "length" && !useful) {
    return new LLMError.ResponseTruncatedError({
      ...facts,
      maxTokens,
      outputTokens: facts.usage?.outputTokens ?? 0,
      text,
      reasoning: completion.reasoningText
    })
  }
  return undefined
}

const decode = <A, R>(
  { output }: Request<A, R>,
  completion: Completion,
  codec: Codec | undefined,
  facts: Facts
): Effect.Effect<A, LLMError.LLMError, R> => {
  const text = completion.visibleText
  const parsing = (
    reason: LLMError.ResponseParsingError["reason"],
    issues: ReadonlyArray<LLMError.Issue>,
    candidate?: string,
    parseIssue?: unknown
  ) => new LLMError.ResponseParsingError({ ...facts, reason, text, candidate, issues, parseIssue })
  if (output.onToolCalls !== undefined && completion.toolCalls.length > 0) {
    return Effect.succeed(output.onToolCalls.content)
  }
  if (output.format.type === "text") {
    return decodeText(output, text, facts)
  }
  if (text.trim() === "") {
    return Effect.fail(
      completion.toolCalls.length > 0
        ? parsing("ToolCallsOnly", [])
        : parsing("Empty", [{ path: [], message: "no text in the answer" }])
    )
  }
  const shapes = output.format.type !== "schema" ? [] : [output.format.schema, codec?.schema ?? {}].map(outerShape)
  const found = find(text, (value) => shapes.length === 0 || shapes.some((fits) => fits(value)))
  if (found._tag === "NotFound") {
    return Effect.fail(parsing("NotJson", [{ path: [], message: found.message }], found.candidate))
  }
  const value = codec === undefined ? found.value : codec.restore(found.value, found.candidate.includes("null"))
  const decoded = output.decode(value)
  // A null may stand for an absent field or for itself; where unions leave that open, what decodes is right.
  const either = value === found.value ? decoded :
    Effect.catchTag(decoded, "DecodeFailure", (failure) => Effect.mapError(output.decode(found.value), () => failure))
  return Effect.mapError(either, (failure) =>
    failure._tag === "SchemaFailure"
      ? invalidSchema(failure, facts)
      : parsing(isEmpty(value) ? "Empty" : "Mismatch", failure.issues, found.candidate, failure.parseIssue))
}

/** Text as it is, for an output that wants text. */
export const decodeText = <A, R>(
  output: Output<A, R>,
  text: string,
  where: Facts
): Effect.Effect<A, LLMError.LLMError, R> =>
  Effect.mapError(output.decode(text), (failure) =>
    failure._tag === "SchemaFailure"
      ? invalidSchema(failure, where)
      : new LLMError.ResponseParsingError({
        ...where,
        reason: "Mismatch",
        text,
        candidate: text,
        issues: failure.issues,
        parseIssue: failure.parseIssue
      }))

const invalidSchema = (
  { message }: SchemaFailure,
  { model, provider }: { readonly provider: string; readonly model: string }
) => new LLMError.InvalidRequestError({ provider, model, reason: "InvalidSchema", description: message })

/** `{}`, or an object of nothing but nulls: the model had nothing to say. */
const isEmpty = (value: unknown): boolean =>
  value === null || (json.isObject(value) && Object.values(value).every((field) => field === null))
