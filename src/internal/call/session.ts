/** The start of a logical call: the request checked, lowered and given its headers. Nothing is sent yet. */
import type * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Cost from "../../Cost.ts"
import type { Options, Request, Settings, Timeouts } from "../../LLM.ts"
import * as LLMError from "../../LLMError.ts"
import * as Metadata from "../../Metadata.ts"
import { SchemaFailure } from "../../Output.ts"
import { Pricing, type Service as PricingService } from "../../Pricing.ts"
import * as Prompt from "../../Prompt.ts"
import type * as Response from "../../Response.ts"
import type * as Tool from "../../Tool.ts"
import * as Usage from "../../Usage.ts"
import { clip } from "../bytes/clip.ts"
import * as http from "../http/client.ts"
import * as errors from "../http/errors.ts"
import * as headers from "../http/headers.ts"
import { formsOf, scrub, wordsOf } from "../http/secrets.ts"
import { type Loose, merge } from "../json/values.ts"
import { codec } from "../schema/codec.ts"
import { type Dialect, plain } from "../schema/dialect.ts"
import { Completion, type ErrorFacts } from "./completion.ts"
import { type Call, type Driver, type KeyFacts, type Lowered, type LoweredTool, Refusal } from "./driver.ts"
import { Observer } from "./observer.ts"
import { withRunning } from "./runtime.ts"
import { patience, type Silence } from "./silence.ts"
import type { Telemetry } from "./telemetry.ts"
import { uuidv7 } from "./uuid.ts"
import * as validate from "./validate.ts"

/** What all calls of one provider layer share. */
export interface Host<S> {
  readonly driver: Driver<S>
  readonly settings: Settings
  /** A request lives as long as the scope it is sent in. */
  readonly client: HttpClient.HttpClient.With<HttpClientError.HttpClientError, Scope.Scope>
  readonly telemetry: Telemetry
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

/** One logical call, shared by its tries. */
export interface Session {
  readonly call: Call
  readonly lowered: Lowered
  readonly httpRequest: HttpClientRequest.HttpClientRequest
  readonly requestId: string
  readonly clock: Clock.Clock
  readonly pricing: PricingService
  readonly startedAt: bigint
  readonly warnings: Array<Response.Warning>
  readonly attempts: Array<Response.Attempt>
  readonly timeouts: Timeouts
  readonly scrub: (text: string) => string
  /** Billed by tries that gave no answer. */
  usage: Usage.Usage
  cost: Cost.Cost
  firstTokenAt: bigint | undefined
  /** When the try that runs now began. */
  tryingSince: bigint | undefined
  /** What has come of an answer that is in nobody's account yet. */
  completion?: Completion | undefined
  /** How long the try that runs now has heard nothing. */
  silence?: Silence | undefined
  readonly key?: KeyFacts | undefined
}

const defaultTimeouts = {
  single: {},
  // A stream may be long, but it must not fall silent.
  stream: { betweenTokens: patience }
}

export const open = <S>(
  host: Host<S>,
  request: Request<unknown, unknown>,
  stream: boolean,
  /** The same logical call so far, when it is asked again in other words. */
  previous?: Session | undefined
): Effect.Effect<Session, LLMError.LLMError> => {
  const { prepare } = request.output
  const opened = begin(host, request, stream, previous)
  return prepare === undefined || previous !== undefined
    ? opened
    : Effect.zipRight(Effect.mapError(prepare, (failure) => invalidSchema(host, failure)), opened)
}

const invalidSchema = <S>(host: Host<S>, failure: SchemaFailure) =>
  new LLMError.InvalidRequestError({ ...place(host), reason: "InvalidSchema", description: failure.message })

const begin = <S>(
  host: Host<S>,
  request: Request<unknown, unknown>,
  stream: boolean,
  previous: Session | undefined
): Effect.Effect<Session, LLMError.LLMError> =>
  withRunning(({ clock, context }) => {
    try {
      const session = make(host, request, stream, clock, {
        pricing: Context.get(context, Pricing),
        headers: Context.get(context, Metadata.CurrentHeaders)
      }, previous)
      Context.get(context, Observer)?.opened(session, previous)
      return Effect.succeed(session)
    } catch (thrown) {
      if (thrown instanceof Refusal) return Effect.fail(thrown.error)
      if (thrown instanceof SchemaFailure) return Effect.fail(invalidSchema(host, thrown))
      throw thrown
    }
  })

const place = <S>(host: Host<S>) => ({ provider: host.driver.provider, model: host.driver.model })

const make = <S>(
  host: Host<S>,
  request: Request<unknown, unknown>,
  stream: boolean,
  clock: Clock.Clock,
  scoped: { readonly pricing: PricingService; readonly headers: headers.HeaderMap },
  previous: Session | undefined
): Session => {
  const { driver } = host
  const warnings: Array<Response.Warning> = previous?.warnings ?? [...(host.settings.warnings ?? [])]
  const invalid: Call["invalid"] = (reason, description, parameter) => {
    throw new Refusal(new LLMError.InvalidRequestError({ ...place(host), reason, description, parameter }))
  }
  const warn: Call["warn"] = (code, message) => {
    if (!warnings.some((warning) => warning.message === message)) warnings.push({ code, message })
  }
  const { messages, system } = split(request)
  validate.options(request, driver.wire.toolName, invalid)
  validate.prompt(messages, system, invalid)
  const call: Call = {
    ...place(host),
    stream,
    options: request,
    messages,
    system,
    tools: (request.tools ?? []).map((tool) => lowerTool(tool, driver.wire.strictTools, warn)),
    format: request.output.format,
    structured: host.settings.structured,
    warn,
    unsupported: (feature) => {
      throw new Refusal(
        new LLMError.ProviderError({ ...place(host), reason: new LLMError.Unsupported({ feature }) })
      )
    },
    invalid
  }
  const lowered = driver.wire.lower(call)
  const body = request.providerOptions === undefined ? lowered.body : merge(lowered.body, request.providerOptions)
  const base = baseOf(host, request, stream, scoped.headers, lowered)
  scoped.pricing.preload()
  const millis = clock.unsafeCurrentTimeMillis()
  return {
    call,
    lowered,
    httpRequest: HttpClientRequest.setBody(base.request, bodyOf(body, invalid)),
    requestId: previous?.requestId ?? uuidv7(millis),
    clock,
    pricing: scoped.pricing,
    startedAt: previous?.startedAt ?? clock.unsafeCurrentTimeNanos(),
    warnings,
    attempts: previous?.attempts ?? [],
    timeouts: timeoutsOf(
      stream ? defaultTimeouts.stream : defaultTimeouts.single,
      host.settings.timeouts,
      request.timeouts
    ),
    scrub: scrubber([host.fixedHeaders, base.headers], [...http.secretHeaders, ...Object.keys(driver.auth)]),
    usage: previous?.usage ?? Usage.empty,
    cost: previous?.cost ?? Cost.zeroUSD,
    firstTokenAt: undefined,
    tryingSince: undefined,
    completion: undefined,
    key: driver.key
  }
}

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
  host: Host<S>,
  request: Options,
  stream: boolean,
  scoped: headers.HeaderMap,
  lowered: Lowered
): Base => {
  const base = stream ? host.bases.stream : host.bases.single
  const { headers: own } = lowered
  if (own === undefined && request.extraHeaders === undefined && isEmpty(scoped)) return base
  const merged = headers.merge(own, host.fixedHeaders, scoped, request.extraHeaders)
  if (merged._tag === "Ok") {
    return makeBase(base.request.url, stream, merged.headers, gatewayHeaders(host.driver))
  }
  throw new Refusal(
    new LLMError.InvalidRequestError({
      ...place(host),
      reason: "InvalidHeader",
      parameter: merged.header,
      description: merged.message
    })
  )
}

/** Later ones win; an undefined one says nothing. */
const timeoutsOf = (...all: ReadonlyArray<Timeouts | undefined>): Timeouts => ({
  total: lastOf(all.map((timeouts) => timeouts?.total)),
  firstToken: lastOf(all.map((timeouts) => timeouts?.firstToken)),
  betweenTokens: lastOf(all.map((timeouts) => timeouts?.betweenTokens))
})

const lastOf = <A>(values: ReadonlyArray<A | undefined>): A | undefined =>
  values.reduce((last, value) => value ?? last, undefined)

const isEmpty = (map: headers.HeaderMap): boolean => {
  for (const _ in map) return false
  return true
}

export const gatewayHeaders = <S>(driver: Driver<S>): headers.HeaderMap => ({
  ...driver.gatewayHeaders,
  "x-majordomo-provider": driver.provider
})

/** Takes the secrets of these headers out of a text, however the provider quotes them. */
const scrubber = (sources: ReadonlyArray<headers.HeaderMap>, names: ReadonlyArray<string>) => {
  let secrets: ReadonlyArray<string> | undefined
  return (text: string): string => {
    secrets ??= secretsOf(sources, names)
    return scrub(text, secrets)
  }
}

const secretsOf = (
  sources: ReadonlyArray<headers.HeaderMap>,
  names: ReadonlyArray<string>
): ReadonlyArray<string> =>
  formsOf(sources.flatMap((source) => names.flatMap((name) => wordsOf(source[name.toLowerCase()] ?? ""))))

export const newCompletion = (session: Session, emitting: boolean): Completion => {
  const { call, lowered, requestId } = session
  return session.completion = new Completion({
    owner: call.provider,
    // Short: some wires take ids of 40 characters at most.
    callIdPrefix: `call_${requestId.slice(-12)}_`,
    emitting,
    answerTool: lowered.answerTool,
    restoreArguments: (name, value) => call.tools.find((tool) => tool.name === name)?.codec?.restore(value) ?? value
  })
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
): LLMError.LLMError =>
  errors.toLLMError({
    provider: session.call.provider,
    model: session.call.model,
    status: answer.status,
    headers: answer.headers,
    facts,
    body,
    partial,
    now: session.clock.unsafeCurrentTimeMillis(),
    scrub: session.scrub
  })

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
  session: Session,
  failure: http.HttpFailure,
  answer?: Answer | undefined,
  partial?: string | undefined
): LLMError.ProviderError => {
  const expired = session.silence?.expired
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
    { partial, attempts: session.attempts }
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
    readonly attempts?: ReadonlyArray<Response.Attempt> | undefined
  }
): LLMError.ProviderError =>
  new LLMError.ProviderError({
    provider: session.call.provider,
    model: session.call.model,
    reason,
    description: description === undefined ? undefined : session.scrub(description),
    ...facts,
    attempts: facts.attempts ?? []
  })
