/** From what a provider sends to a typed error. The body decides before the status; see the table in the README. */
import * as Duration from "effect/Duration"
import * as LLMError from "../LLMError.ts"
import type { ErrorFacts } from "./completion.ts"
import { asArray, asNumber, asObject, asString, isObject, parse } from "./json.ts"

type HeaderMap = Readonly<Record<string, string>>

const requestIdHeaders = [
  "request-id",
  "x-request-id",
  "x-amzn-requestid",
  "mistral-correlation-id",
  "apim-request-id",
  "x-goog-request-id",
  "cf-ray"
]

export const requestIdOf = (headers: HeaderMap): string | undefined => {
  for (const name of requestIdHeaders) if (headers[name] !== undefined) return headers[name]
  return undefined
}

/** The wait the headers ask for, ms: `retry-after-ms`, or `retry-after` in seconds or as a date. */
export const retryAfterOf = (headers: HeaderMap, now: number): number | undefined => {
  const millis = asNumber(headers["retry-after-ms"])
  // Some hosts send retry-after-ms: 0 beside retry-after: 1; the longer one is meant.
  if (millis !== undefined && millis > 0) return millis
  const value = headers["retry-after"]
  const seconds = asNumber(value)
  if (seconds !== undefined) return Math.max(0, seconds * 1000)
  const date = value === undefined ? Number.NaN : Date.parse(value)
  return Number.isNaN(date) ? millis : Math.max(0, date - now)
}

/** Error bodies in any of the shapes hosts of the OpenAI family use; also what is common to all wires. */
export const readErrorBody = (body: unknown): ErrorFacts | undefined => {
  if (Array.isArray(body)) return readErrorBody(body[0])
  if (!isObject(body)) return undefined
  const error = body["error"]
  if (isObject(error)) {
    // OpenRouter wraps the upstream's own error as text.
    const raw = asString(asObject(error["metadata"])["raw"])
    const inner = raw === undefined ? undefined : readErrorBody(parse(raw))
    return {
      type: asString(error["type"]) ?? asString(error["status"]) ?? inner?.type,
      code: code(error["code"]) ?? inner?.code,
      message: [asString(error["message"]), inner?.message ?? raw].filter((part) => part !== undefined).join(": "),
      parameter: asString(error["param"]),
      status: asNumber(error["code"]) ?? asNumber(error["status"]),
      requestId: asString(body["request_id"]),
      filter: error["code"] === "content_filter" || error["code"] === "content_policy_violation"
        ? filterCategories(error) ?? String(error["code"])
        : undefined
    }
  }
  if (typeof error === "string") {
    return {
      message: asString(body["message"]) ?? error,
      code: code(body["code"]) ?? asString(body["error_type"]),
      type: asString(body["type"])
    }
  }
  const message = asString(body["message"]) ?? detailOf(body["detail"])
  if (message === undefined) return undefined
  return {
    message,
    type: asString(body["type"]) ?? asString(body["error_type"]) ?? asString(body["__type"]),
    code: code(body["code"]),
    parameter: asString(body["param"])
  }
}

const code = (value: unknown): string | undefined => typeof value === "number" ? String(value) : asString(value)

const detailOf = (detail: unknown): string | undefined =>
  asString(detail) ?? (Array.isArray(detail) ? asString(asObject(detail[0])["msg"]) : undefined) ??
    asString(asObject(detail)["message"])

const filterCategories = (error: { readonly [key: string]: unknown }): string | undefined => {
  const result = asObject(asObject(error["innererror"])["content_filter_result"])
  const hit = Object.keys(result).filter((name) => asObject(result[name])["filtered"] === true)
  return hit.length === 0 ? undefined : hit.join(", ")
}

/** Google's `RetryInfo` among the details of an error: `"34.4s"`, in ms. */
export const retryInfoOf = (error: unknown): number | undefined => {
  for (const detail of asArray(asObject(error)["details"])) {
    const delay = asString(asObject(detail)["retryDelay"])
    const seconds = delay === undefined ? undefined : asNumber(delay.replace(/s$/, ""))
    if (seconds !== undefined) return seconds * 1000
  }
  return undefined
}

type Kind = LLMError.Reason["_tag"] | "ContextLengthExceeded" | "InvalidRequest"

const contextLength =
  /context[_ ](length|window|size)|maximum context|prompt is too long|too[_ ]many[_ ](prompt[_ ])?tokens|exceeds the (maximum|available)[^.]{0,40}(token|context)|input (is )?too long|total length of all messages is too long|exceed_context/i
const quota =
  /insufficient[_ ](quota|balance|funds|credits?)|credit balance is too low|billing|exceeded your (current |monthly )?spend|payment required|out of credits/i
const badKey =
  /invalid[_ ]api[_ ]key|incorrect api key|api key not valid|api[_ ]key[_ ]invalid|invalid x-api-key|authentication_error|unauthenticated|unrecognizedclient|invalid authentication|expired (api )?(key|token)/i
const noModel =
  /model_not_found|invalid_model|invalid model|deploymentnotfound|not_found_error|(model|deployment)[^.]{0,80}(not found|does not exist|not exist|has been (retired|deprecated))|model identifier is invalid|supported api model names|no such model|unknown model/i
const overloaded = /overloaded|unavailable|slow[_ ]down|at capacity|over capacity|no healthy upstream/i
const rateLimited = /rate[_ ]?limit|resource_exhausted|throttl|too many requests/i
const timedOut = /deadline_exceeded|timeout|timed out/i

/** Which kind of failure an error is. */
export const classify = (status: number, facts: ErrorFacts): Kind => {
  const label = `${facts.type ?? ""} ${facts.code ?? ""}`
  const message = facts.message ?? ""
  const all = `${label} ${message}`
  const effective = status >= 400 ? status : facts.status ?? status
  if (contextLength.test(all) && effective < 500 && effective !== 429) return "ContextLengthExceeded"
  if (badKey.test(all)) return "Authentication"
  if (effective === 402 || (effective < 500 && quota.test(all))) return "QuotaExceeded"
  if (effective === 401) return "Authentication"
  if (/permission|forbidden|accessdenied/i.test(label)) return "PermissionDenied"
  if (noModel.test(label) || (effective < 500 && noModel.test(message))) return "ModelNotFound"
  if (/overloaded_error|serviceunavailable|^unavailable/i.test(label.trim())) return "Overloaded"
  if (rateLimited.test(label)) return "RateLimited"
  if (timedOut.test(label)) return "Timeout"
  if (/invalid_request_error|invalid_argument|validationexception|bad_request/i.test(label) && effective < 500) {
    return effective === 404 || effective === 410
      ? "ModelNotFound"
      : effective === 403
      ? "PermissionDenied"
      : effective === 429
      ? "RateLimited"
      : "InvalidRequest"
  }
  switch (effective) {
    case 403:
      return "PermissionDenied"
    case 404:
    case 410:
      return "ModelNotFound"
    case 429:
      return "RateLimited"
    case 408:
    case 504:
    case 524:
      return "Timeout"
    case 503:
    case 529:
      return "Overloaded"
    case 409:
    case 500:
    case 502:
      return "ServerError"
  }
  if (/api_error|server_error|internal/i.test(label)) return "ServerError"
  if (effective >= 500) return "ServerError"
  if (rateLimited.test(message)) return "RateLimited"
  if (overloaded.test(all)) return "Overloaded"
  if (effective >= 400) return "InvalidRequest"
  // An error inside a 200 that names nothing we know: the provider failed, not the request.
  return "ServerError"
}

export interface Failure {
  readonly provider: string
  readonly model: string
  /** HTTP status of the answer; 200 for an error inside a stream. */
  readonly status: number
  readonly facts: ErrorFacts
  readonly headers: HeaderMap
  readonly now: number
  /** Start of the body as text. */
  readonly body?: string | undefined
  /** Text that had arrived before the failure. */
  readonly partial?: string | undefined
  readonly scrub: (text: string) => string
}

/** The typed error of an error answer. */
export const toLLMError = (failure: Failure): LLMError.LLMError => {
  const { facts, headers, scrub } = failure
  const common = {
    provider: failure.provider,
    model: failure.model,
    status: failure.status,
    requestId: facts.requestId ?? requestIdOf(headers)
  }
  const description = scrub(clip(facts.message ?? "no message", 2000))
  const body = failure.body === undefined ? undefined : scrub(clip(failure.body, maxBody))
  if (facts.filter !== undefined) {
    return new LLMError.ContentFilteredError({ ...common, category: facts.filter, text: failure.partial ?? "" })
  }
  const kind = classify(failure.status, facts)
  if (kind === "ContextLengthExceeded" || kind === "InvalidRequest") {
    return new LLMError.InvalidRequestError({
      ...common,
      reason: kind === "InvalidRequest" ? "Rejected" : kind,
      parameter: facts.parameter,
      description,
      body
    })
  }
  const wait = facts.retryAfter ?? retryAfterOf(headers, failure.now)
  return new LLMError.ProviderError({
    ...common,
    reason: reasonOf(kind, wait === undefined ? undefined : Duration.millis(wait)),
    description,
    body,
    partial: failure.partial
  })
}

const reasonOf = (
  kind: Exclude<Kind, "ContextLengthExceeded" | "InvalidRequest">,
  retryAfter: Duration.Duration | undefined
): LLMError.Reason => {
  switch (kind) {
    case "RateLimited":
      return new LLMError.RateLimited({ retryAfter })
    case "Overloaded":
      return new LLMError.Overloaded({ retryAfter })
    case "ServerError":
      return new LLMError.ServerError({ retryAfter })
    case "QuotaExceeded":
      return new LLMError.QuotaExceeded()
    case "Authentication":
      return new LLMError.Authentication()
    case "PermissionDenied":
      return new LLMError.PermissionDenied()
    case "ModelNotFound":
      return new LLMError.ModelNotFound()
    case "Timeout":
      return new LLMError.Timeout({ phase: "provider" })
    case "Transport":
      return new LLMError.Transport()
    case "MalformedResponse":
      return new LLMError.MalformedResponse()
    case "Unsupported":
      return new LLMError.Unsupported({ feature: "this request" })
    case "CircuitOpen":
      return new LLMError.CircuitOpen({ until: 0 })
  }
}

/** Characters of a body kept on an error. */
export const maxBody = 4096

export const clip = (text: string, length: number): string =>
  text.length <= length ? text : `${text.slice(0, length)}… (${text.length} characters)`
