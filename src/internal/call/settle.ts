/** The end of a try: what the wire understood becomes an answer, or the error that says why it is none. */
import * as BigDecimal from "effect/BigDecimal"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Cost from "../../Cost.ts"
import type { Request } from "../../LLM.ts"
import * as LLMError from "../../LLMError.ts"
import type { Output, SchemaFailure } from "../../Output.ts"
import type * as Response from "../../Response.ts"
import * as Usage from "../../Usage.ts"
import * as errors from "../http/errors.ts"
import type { HeaderMap } from "../http/headers.ts"
import { find } from "../json/find.ts"
import * as json from "../json/values.ts"
import { outerShape } from "../schema/outerShape.ts"
import type { Completion, ProviderCost } from "./completion.ts"
import type { Session } from "./session.ts"

export const settle = <A, R>(
  session: Session,
  request: Request<A, R>,
  completion: Completion,
  answer: { readonly status: number; readonly headers: HeaderMap },
  attemptStartedAt: bigint
): Effect.Effect<Response.Response<A>, LLMError.LLMError, R> => {
  const { call } = session
  const usage = completion.usage
  const model = completion.model ?? call.model
  const routed = routedBy(answer.headers)
  const price = usage === undefined ? Effect.succeedNone : costOf(session, completion, usage, routed, model)
  return Effect.flatMap(price, (cost) => {
    const facts: Facts = { usage, cost, requestId: errors.requestIdOf(answer.headers), status: answer.status }
    const failure = verdict(session, request.output, completion, facts)
    if (failure !== undefined) return Effect.fail(failure)
    if (usage === undefined) call.warn("usage-missing", "the provider reported no token counts; usage is 0")
    else if (Option.isNone(cost)) {
      call.warn(
        "unknown-price",
        `no price is known for ${routed?.provider ?? call.provider}/${
          routed?.model ?? model
        }; give one with Pricing.layer({ overrides })`
      )
    }
    for (const warning of completion.warnings) call.warn(warning.code, warning.message)
    return Effect.map(decode(session, request, completion, facts), (content): Response.Response<A> => {
      const now = session.clock.unsafeCurrentTimeNanos()
      session.attempts.push({
        provider: call.provider,
        model: call.model,
        duration: Duration.nanos(now - attemptStartedAt),
        status: answer.status,
        requestId: facts.requestId
      })
      session.tryingSince = undefined
      session.completion = undefined
      session.usage = Usage.add(session.usage, usage ?? Usage.empty)
      if (cost._tag === "Some") session.cost = Cost.add(session.cost, cost.value)
      return {
        content,
        text: completion.visibleText,
        reasoning: Option.fromNullable(completion.reasoningText),
        toolCalls: completion.toolCalls,
        message: { role: "assistant", content: completion.content },
        finishReason: finishReasonOf(completion),
        rawFinishReason: Option.fromNullable(completion.rawFinishReason),
        usage: session.usage,
        cost: Option.as(cost, session.cost),
        provider: routed?.provider ?? call.provider,
        model: routed?.model ?? model,
        requestedModel: call.model,
        id: Option.fromNullable(completion.id),
        requestId: session.requestId,
        duration: Duration.nanos(now - session.startedAt),
        timeToFirstToken: session.firstTokenAt === undefined
          ? Option.none()
          : Option.some(Duration.nanos(session.firstTokenAt - session.startedAt)),
        attempts: session.attempts,
        routed: Option.fromNullable(routed),
        warnings: session.warnings
      }
    })
  })
}

/** Wires say "stop" on tool calls, and "tool calls" when the answer came through one. */
const finishReasonOf = (completion: Completion): Response.FinishReason => {
  const reason = completion.finishReason ?? "other"
  const calls = completion.toolCalls.length > 0
  return reason === "stop" && calls ? "tool-calls" : reason === "tool-calls" && !calls ? "stop" : reason
}

interface Facts {
  readonly usage: Usage.Usage | undefined
  readonly cost: Option.Option<Cost.Cost>
  readonly requestId: string | undefined
  readonly status: number
}

const common = (session: Session, facts: Facts) => ({
  provider: session.call.provider,
  model: session.call.model,
  usage: facts.usage,
  cost: Option.getOrUndefined(facts.cost),
  requestId: facts.requestId,
  status: facts.status
})

const routedBy = (headers: HeaderMap): { readonly provider: string; readonly model: string } | undefined => {
  const provider = headers["x-majordomo-routed-provider"]
  const model = headers["x-majordomo-routed-model"]
  return provider === undefined || model === undefined ? undefined : { provider, model }
}

export const costOf = (
  session: Session,
  completion: Completion,
  usage: Usage.Usage,
  routed: { readonly provider: string; readonly model: string } | undefined,
  model: string
): Effect.Effect<Option.Option<Cost.Cost>> => {
  const prices = session.pricing.cost({
    provider: routed?.provider ?? session.call.provider,
    model: routed?.model ?? model,
    usage,
    cacheCreation1hTokens: completion.rawUsage?.cacheCreation1h,
    inputAudioTokens: completion.rawUsage?.inputAudio,
    outputAudioTokens: completion.rawUsage?.outputAudio,
    // What a provider bills in one sum is compared with the tokens alone.
    webSearches: completion.providerCost === undefined ? completion.webSearches : 0,
    serviceTier: completion.serviceTier,
    at: new Date(session.clock.unsafeCurrentTimeMillis())
  })
  const reported = completion.providerCost
  // The provider's own bill is the better figure; the price list only tells how it splits.
  return reported === undefined
    ? prices
    : Effect.map(prices, (listed) => Option.some(billed(reported, listed, completion.webSearches)))
}

const billed = (reported: ProviderCost, listed: Option.Option<Cost.Cost>, searches: number): Cost.Cost => {
  const total = BigDecimal.unsafeFromNumber(reported.total)
  const split = reported.input !== undefined && reported.output !== undefined
    ? { input: BigDecimal.unsafeFromNumber(reported.input), output: BigDecimal.unsafeFromNumber(reported.output) }
    : Option.getOrUndefined(Option.map(listed, (cost) => cost.exact))
  if (split !== undefined) {
    const rest = BigDecimal.round(
      BigDecimal.subtract(total, BigDecimal.sum(split.input, split.output)),
      { scale: 12 }
    )
    const fits = BigDecimal.isZero(rest) ||
      (BigDecimal.isPositive(rest) && (searches > 0 || reported.input !== undefined))
    if (fits) return Cost.make({ input: split.input, output: split.output, tools: rest, total, source: "provider" })
  }
  return Cost.make({ total, source: "provider" })
}

/** Refused, withheld or cut off: looked at before the text. */
const verdict = (
  session: Session,
  output: Output<unknown, unknown>,
  completion: Completion,
  facts: Facts
): LLMError.LLMError | undefined => {
  const { call } = session
  const text = completion.visibleText
  if (completion.refusal !== undefined || completion.filter !== undefined) {
    return new LLMError.ContentFilteredError({
      ...common(session, facts),
      category: completion.filter ?? "refusal",
      text: completion.refusal ?? text,
      finishReason: completion.rawFinishReason
    })
  }
  const calls = completion.toolCalls.length > 0
  const useful = call.format.type === "text" ? text.trim() !== "" || calls : output.onToolCalls !== undefined && calls
  if (completion.finishReason === "length" && !useful) {
    return new LLMError.ResponseTruncatedError({
      ...common(session, facts),
      maxTokens: call.options.maxTokens,
      outputTokens: facts.usage?.outputTokens ?? 0,
      text
    })
  }
  return undefined
}

const decode = <A, R>(
  session: Session,
  request: Request<A, R>,
  completion: Completion,
  facts: Facts
): Effect.Effect<A, LLMError.LLMError, R> => {
  const text = completion.visibleText
  const parsing = (
    reason: LLMError.ResponseParsingError["reason"],
    issues: ReadonlyArray<LLMError.Issue>,
    candidate?: string,
    parseIssue?: unknown
  ) => new LLMError.ResponseParsingError({ ...common(session, facts), reason, text, candidate, issues, parseIssue })
  const { output } = request
  if (output.onToolCalls !== undefined && completion.toolCalls.length > 0) {
    return Effect.succeed(output.onToolCalls.content)
  }
  if (output.format.type === "text") {
    return decodeText(output, text, common(session, facts))
  }
  if (text.trim() === "") {
    return Effect.fail(
      completion.toolCalls.length > 0
        ? parsing("ToolCallsOnly", [])
        : parsing("Empty", [{ path: [], message: "no text in the answer" }])
    )
  }
  const { codec } = session.lowered
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
      ? invalidSchema(failure, session.call)
      : parsing(isEmpty(value) ? "Empty" : "Mismatch", failure.issues, found.candidate, failure.parseIssue))
}

/** Text as it is, for an output that wants text. */
export const decodeText = <A, R>(
  output: Output<A, R>,
  text: string,
  where: { readonly provider: string; readonly model: string }
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
