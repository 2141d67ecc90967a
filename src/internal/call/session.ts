/** The start of a logical call: the request checked, lowered and given its headers. Nothing is sent yet. */
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Options, Request, Settings, Timeouts } from "../../LLM.ts"
import * as LLMError from "../../LLMError.ts"
import * as Metadata from "../../Metadata.ts"
import { SchemaFailure } from "../../Output.ts"
import { Pricing, type Service as PricingService } from "../../Pricing.ts"
import * as Prompt from "../../Prompt.ts"
import type * as Response from "../../Response.ts"
import type * as Tool from "../../Tool.ts"
import { clip } from "../bytes/clip.ts"
import * as http from "../http/client.ts"
import * as errors from "../http/errors.ts"
import type { HttpFailure } from "../http/failure.ts"
import * as headers from "../http/headers.ts"
import { formsOf, isSecretHeader, scrub, wordsOf } from "../http/secrets.ts"
import { type Loose, merge } from "../json/values.ts"
import * as providerNames from "../models/providerNames.ts"
import { codec } from "../schema/codec.ts"
import type { Codec } from "../schema/codec.ts"
import { type Dialect, plain } from "../schema/dialect.ts"
import { unsound } from "../schema/sound.ts"
import { accountOf } from "./account.ts"
import { Completion, type ErrorFacts } from "./completion.ts"
import { type Call, type Driver, type KeyFacts, type Lowered, type LoweredTool, Refusal } from "./driver.ts"
import { Ledger } from "./ledger.ts"
import { providerOptionsOf } from "./providerOptions.ts"
import { withRunning } from "./runtime.ts"
import { patience, Silence } from "./silence.ts"
import { uuidv7 } from "./uuid.ts"
import * as validate from "./validate.ts"

/** Where the calls of one provider layer go, and how. */
export interface Upstream<S> {
  readonly driver: Driver<S>
  readonly settings: Settings
  readonly client: http.Execute
  /** Authorisation, the driver's own headers and `defaultHeaders`, merged. */
  readonly fixedHeaders: headers.HeaderMap
  /** Requests with these headers and no body yet. */
  readonly bases: { readonly single: Base; readonly stream: Base }
  readonly limits: { readonly maxResponseBytes: number; readonly maxEventBytes: number }
}

export interface Base {
  readonly request: HttpClientRequest.HttpClientRequest
  readonly headers: headers.HeaderMap
}

/** A request to this address with these headers and no body yet. */
export const makeBase = (
  url: string,
  stream: boolean,
  fixed: headers.HeaderMap,
  gateway: headers.HeaderMap
): Base => {
  const sent = withGateway({ accept: stream ? "text/event-stream" : "application/json", ...fixed }, gateway)
  return { request: HttpClientRequest.make("POST")(url, { headers: sent }), headers: sent }
}

// A gateway must know whose wire this is.
const withGateway = (sent: headers.HeaderMap, gateway: headers.HeaderMap): headers.HeaderMap =>
  sent["x-majordomo-key"] === undefined ? sent : { ...gateway, ...sent }

/** One logical call, whoever answers it, shared by its tries. */
export interface Session {
  readonly provider: string
  readonly model: string
  /** Whose list prices apply, where it is not the provider's own. */
  readonly prices?: string | undefined
  readonly requestId: string
  readonly clock: Clock.Clock
  readonly pricing: PricingService
  readonly startedAt: bigint
  readonly timeouts: Timeouts
  readonly warnings: Array<Response.Warning>
  readonly warn: Call["warn"]
  /** The way back for structured answers. */
  readonly codec: Codec | undefined
  readonly key: KeyFacts | undefined
  readonly scrub: (text: string) => string
  readonly ledger: Ledger
  firstTokenAt: bigint | undefined
}

/** One that is asked over HTTP. */
export interface HttpSession extends Session {
  readonly call: Call
  readonly lowered: Lowered
  readonly httpRequest: HttpClientRequest.HttpClientRequest
  /** How long the try that runs now has heard nothing. */
  silence: Silence
}

const defaultTimeouts: { readonly single: Timeouts; readonly stream: Timeouts } = {
  single: {},
  // A stream may be long, but it must not fall silent.
  stream: { betweenTokens: patience }
}

/** What calls of a layer have in common before anything is sent. */
export interface Place {
  readonly provider: string
  readonly model: string
  readonly settings: Settings
  readonly toolName: RegExp
  readonly strictTools: Dialect | undefined
}

/** What a provider does with a checked call: it may refuse it. */
export type Prepare<S extends Session> = (call: Call, session: Session, headers: headers.HeaderMap) => S

/** `previous` is the same logical call so far, when it is asked again in other words. */
export const open = <S extends Session>(
  place: Place,
  request: Request<unknown, unknown>,
  stream: boolean,
  previous: Session | undefined,
  prepare: Prepare<S>
): Effect.Effect<S, LLMError.LLMError> => {
  const opened = begin(place, request, stream, previous, prepare)
  const schema = request.output.prepare
  return schema === undefined || previous !== undefined
    ? opened
    : Effect.zipRight(Effect.mapError(schema, (failure) => invalidSchema(place, failure)), opened)
}

const invalidSchema = ({ model, provider }: Place, failure: SchemaFailure) =>
  new LLMError.InvalidRequestError({ provider, model, reason: "InvalidSchema", description: failure.message })

const begin = <S extends Session>(
  place: Place,
  request: Request<unknown, unknown>,
  stream: boolean,
  previous: Session | undefined,
  prepare: Prepare<S>
): Effect.Effect<S, LLMError.LLMError> =>
  withRunning(({ clock, context }) => {
    try {
      const warnings = previous?.warnings ?? [...(place.settings.warnings ?? [])]
      const call = callOf(place, request, stream, warnings)
      const pricing = Context.get(context, Pricing)
      const session = prepare(
        call,
        sessionOf(place, request, call, clock, pricing, warnings, previous),
        Context.get(context, Metadata.CurrentHeaders)
      )
      pricing.preload(session.prices ?? session.provider)
      accountOf(request)?.opened(session, previous)
      return Effect.succeed(session)
    } catch (thrown) {
      if (thrown instanceof Refusal) return Effect.fail(thrown.error)
      if (thrown instanceof SchemaFailure) return Effect.fail(invalidSchema(place, thrown))
      throw thrown
    }
  })

/** The request, checked. */
const callOf = (
  { model, provider, settings, strictTools, toolName }: Place,
  request: Request<unknown, unknown>,
  stream: boolean,
  warnings: Array<Response.Warning>
): Call => {
  const invalid: Call["invalid"] = (reason, description, parameter) => {
    throw new Refusal(new LLMError.InvalidRequestError({ provider, model, reason, description, parameter }))
  }
  const warn: Call["warn"] = (code, message) => {
    if (!warnings.some((warning) => warning.message === message)) warnings.push({ code, message })
  }
  const refusal = validate.refusalOf({ provider, model }, request)
  if (refusal !== undefined) throw new Refusal(refusal)
  validate.limits(settings.timeouts, invalid)
  const { format } = request.output
  for (const [schema, parameter] of schemasOf(request)) {
    const problem = unsound(schema)
    if (problem !== undefined) invalid("InvalidSchema", `the schema ${problem}`, parameter)
  }
  const { messages, system } = split(request)
  validate.options(request, toolName, invalid)
  validate.prompt(messages, system, invalid)
  return {
    provider,
    model,
    stream,
    options: request,
    messages,
    system,
    tools: (request.tools ?? []).map((tool) => lowerTool(tool, strictTools, warn)),
    format,
    structured: settings.structured,
    warn,
    unsupported: (feature) => {
      throw new Refusal(new LLMError.ProviderError({ provider, model, reason: new LLMError.Unsupported({ feature }) }))
    },
    invalid
  }
}

const sessionOf = (
  { model, provider, settings }: Place,
  request: Request<unknown, unknown>,
  { stream, warn }: Call,
  clock: Clock.Clock,
  pricing: PricingService,
  warnings: Array<Response.Warning>,
  previous: Session | undefined
): Session => ({
  provider,
  model,
  requestId: previous?.requestId ?? uuidv7(clock.unsafeCurrentTimeMillis()),
  clock,
  pricing,
  startedAt: previous?.startedAt ?? clock.unsafeCurrentTimeNanos(),
  timeouts: timeoutsOf(
    stream ? defaultTimeouts.stream : defaultTimeouts.single,
    settings.timeouts,
    request.timeouts
  ),
  warnings,
  warn,
  codec: undefined,
  key: undefined,
  scrub: (text) => text,
  ledger: previous?.ledger ?? new Ledger(),
  firstTokenAt: undefined
})

/** Lowers the call to the wire and the headers of this request. */
export const overHttp = <S>(upstream: Upstream<S>): Prepare<HttpSession> => (call, session, scoped) => {
  const { driver, settings } = upstream
  const request = call.options
  const lowered = driver.wire.lower(call)
  const options = providerOptionsOf(settings, request, driver)
  const body = options === undefined ? lowered.body : merge(lowered.body, options)
  const base = baseOf(upstream, request, call.stream, scoped, lowered)
  // Field by field: to spread an object of this size takes longer than all that is done above.
  return {
    provider: session.provider,
    model: session.model,
    prices: driver.prices,
    requestId: session.requestId,
    clock: session.clock,
    pricing: session.pricing,
    startedAt: session.startedAt,
    timeouts: session.timeouts,
    warnings: session.warnings,
    warn: session.warn,
    codec: lowered.codec,
    key: driver.key,
    scrub: scrubber(upstream, base),
    ledger: session.ledger,
    firstTokenAt: session.firstTokenAt,
    call,
    lowered,
    httpRequest: HttpClientRequest.setBody(base.request, bodyOf(body, call.invalid)),
    silence: new Silence(session.clock, session.timeouts, call.stream)
  }
}

const schemasOf = ({ output: { format }, tools = [] }: Request<unknown, unknown>) => [
  ...(format.type === "schema" ? [[format.schema, "output"] as const] : []),
  ...tools.map(({ name, parameters }) => [parameters, `tools.${name}`] as const)
]

const lowerTool = (tool: Tool.Any, dialect: Dialect | undefined, warn: Call["warn"]): LoweredTool => {
  const strict = tool.strict === true && dialect !== undefined ? codec(tool.parameters, dialect) : undefined
  if (tool.strict === true && strict === undefined) {
    warn("dropped-parameter", `the schema of the tool ${tool.name} cannot be held to strictly; it is sent as it is`)
  }
  const made = strict ?? codec(tool.parameters, plain)
  return {
    name: tool.name,
    description: tool.description,
    strict: tool.strict === true ? strict !== undefined : tool.strict,
    schema: made?.schema ?? tool.parameters,
    codec: made
  }
}

/** System messages at the head of the prompt are the system prompt; later ones stay where they are. */
const split = (
  options: Options
): { readonly messages: ReadonlyArray<Prompt.Message>; readonly system: ReadonlyArray<Prompt.TextPart> } => {
  const all = Prompt.toMessages(options.prompt)
  const system = options.system === undefined ? [] : [Prompt.text(options.system)]
  let head = 0
  for (; head < all.length; head++) {
    const message = all[head]
    if (message?.role !== "system") break
    system.push(...Prompt.textsOf(message))
  }
  return { messages: head === 0 ? all : all.slice(head), system: system.filter((part) => part.text !== "") }
}

const bodyOf = (body: Loose, invalid: Call["invalid"]) => {
  try {
    return http.jsonBody(body)
  } catch (error) {
    // A bigint or a cycle, which only the caller's own values can bring.
    return invalid("InvalidParameter", `the request cannot be written as JSON: ${String(error)}`, "providerOptions")
  }
}

/** The request with the headers of this call, where it has any of its own. */
const baseOf = <S>(
  upstream: Upstream<S>,
  request: Options,
  stream: boolean,
  scoped: headers.HeaderMap,
  lowered: Lowered
): Base => {
  const base = stream ? upstream.bases.stream : upstream.bases.single
  const { headers: own } = lowered
  if (own === undefined && request.extraHeaders === undefined && isEmpty(scoped)) return base
  const merged = headers.merge(own, upstream.fixedHeaders, scoped, request.extraHeaders)
  if (merged._tag === "Ok") {
    return makeBase(base.request.url, stream, merged.headers, gatewayHeaders(upstream.driver))
  }
  throw new Refusal(
    new LLMError.InvalidRequestError({
      provider: upstream.driver.provider,
      model: upstream.driver.model,
      reason: "InvalidHeader",
      parameter: merged.header,
      description: merged.message
    })
  )
}

/** Those of the request win over those of the layer; an undefined one says nothing. */
const timeoutsOf = (otherwise: Timeouts, layer: Timeouts = {}, request: Timeouts = {}): Timeouts => ({
  total: request.total ?? layer.total ?? otherwise.total,
  firstToken: request.firstToken ?? layer.firstToken ?? otherwise.firstToken,
  betweenTokens: request.betweenTokens ?? layer.betweenTokens ?? otherwise.betweenTokens
})

const isEmpty = (map: headers.HeaderMap): boolean => {
  for (const _ in map) return false
  return true
}

export const gatewayHeaders = <S>(driver: Driver<S>): headers.HeaderMap => ({
  ...driver.gatewayHeaders,
  "x-majordomo-provider": driver.provider
})

/** Takes the secrets of these headers out of a text, however the provider quotes them. */
const scrubber = <S>({ driver, fixedHeaders }: Upstream<S>, base: Base) => {
  let secrets: ReadonlyArray<string> | undefined
  return (text: string): string => {
    secrets ??= secretsOf([fixedHeaders, base.headers], [...http.secretHeaders, ...Object.keys(driver.auth)])
    return scrub(text, secrets)
  }
}

const secretsOf = (
  sources: ReadonlyArray<headers.HeaderMap>,
  names: ReadonlyArray<string>
): ReadonlyArray<string> =>
  formsOf(sources.flatMap((source) =>
    Object.entries(source)
      .filter(([name]) => isSecretHeader(name) || names.some((known) => known.toLowerCase() === name))
      .flatMap(([, value]) => wordsOf(value))
  ))

export const newCompletion = (session: HttpSession, emitting: boolean): Completion => {
  const { call, ledger: { running }, lowered, provider, requestId } = session
  const completion = new Completion({
    owner: provider,
    // Short: some wires take ids of 40 characters at most.
    callIdPrefix: `call_${requestId.slice(-12)}_`,
    emitting,
    answerTool: lowered.answerTool,
    restoreArguments: (name, value) => call.tools.find((tool) => tool.name === name)?.codec?.restore(value) ?? value
  })
  if (running !== undefined) running.completion = completion
  return completion
}

// ── failures of a call ──────────────────────────────────────────────────────────────────────────────────────────────

interface Answer {
  readonly status: number
  readonly headers: headers.HeaderMap
}

/** The typed error of what an error body or an in-band error says. */
export const failed = (
  session: Session,
  answer: Answer,
  facts: ErrorFacts,
  body: string | undefined,
  partial?: string | undefined
): LLMError.LLMError => {
  const { ledger: { running }, provider } = session
  // Nobody else is believed.
  if (running !== undefined && provider === providerNames.gateway) running.gateway = facts.gateway
  return errors.toLLMError({
    provider,
    model: session.model,
    status: answer.status,
    headers: answer.headers,
    facts,
    body,
    partial,
    now: session.clock.unsafeCurrentTimeMillis(),
    scrub: session.scrub
  })
}

export const malformed = (
  session: Session,
  answer: Answer,
  description: string,
  body: string | undefined,
  partial?: string | undefined
): LLMError.ProviderError =>
  providerError(session, new LLMError.MalformedResponse(), description, {
    status: answer.status,
    requestId: errors.requestIdOf(answer.headers),
    body: body === undefined ? undefined : clip(session.scrub(body), errors.maxBody),
    partial
  })

export const httpFailed = (
  session: HttpSession,
  failure: HttpFailure,
  answer?: Answer | undefined,
  partial?: string | undefined
): LLMError.ProviderError => {
  const { expired } = session.silence
  if (expired !== undefined && failure.kind === "transport") {
    return timedOut(session, expired.phase, expired.limit, partial)
  }
  return providerError(
    session,
    failure.kind === "transport" ? new LLMError.Transport() : new LLMError.MalformedResponse(),
    failure.description,
    {
      status: answer?.status,
      requestId: answer === undefined ? undefined : errors.requestIdOf(answer.headers),
      partial
    }
  )
}

export const timedOut = (
  session: Session,
  phase: LLMError.Timeout["phase"],
  limit: Duration.DurationInput | undefined,
  partial?: string | undefined
): LLMError.ProviderError =>
  providerError(
    session,
    new LLMError.Timeout({ phase }),
    limit === undefined
      ? undefined
      : `${phase === "total" ? "not done" : "nothing came"} after ${Duration.format(limit)}`,
    { partial }
  )

const providerError = (
  session: Session,
  reason: LLMError.Reason,
  description: string | undefined,
  facts: {
    readonly status?: number | undefined
    readonly requestId?: string | undefined
    readonly body?: string | undefined
    readonly partial?: string | undefined
  }
): LLMError.ProviderError =>
  new LLMError.ProviderError({
    provider: session.provider,
    model: session.model,
    reason,
    description: description === undefined ? undefined : session.scrub(description),
    ...facts
  })
