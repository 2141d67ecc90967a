/** From what a provider sends to a typed error. The body decides before the status; see the table in the README. */
import * as Duration from "effect/Duration"
import * as LLMError from "../../LLMError.ts"
import { clip } from "../bytes/clip.ts"
import type { ErrorFacts } from "../call/completion.ts"
import { asArray, asNumber, asObject, asString, isObject, type Loose, parse } from "../json/values.ts"

type HeaderMap = Readonly<Record<string, string>>

const requestIdHeaders = [
  "request-id",
  "x-request-id",
  "x-amzn-requestid",
  "mistral-correlation-id",
  "apim-request-id",
  "x-goog-request-id",
  "cf-ray",
  "x-majordomo-request-id"
]

export const requestIdOf = (headers: HeaderMap): string | undefined => {
  for (const name of requestIdHeaders) if (headers[name] !== undefined) return headers[name]
  return undefined
}

/**
 * The wait the headers ask for, ms: `retry-after-ms`, or `retry-after` in seconds or as a date. What is negative, past or
 * cannot be read asks for nothing.
 */
export const retryAfterOf = (headers: HeaderMap, now: number): number | undefined => {
  const millis = positive(asNumber(headers["retry-after-ms"]))
  // Some hosts send retry-after-ms: 0 beside retry-after: 1; the longer one is meant.
  if (millis !== undefined && millis > 0) return millis
  const value = headers["retry-after"]
  const seconds = asNumber(value)
  if (seconds !== undefined) return positive(seconds * 1000) ?? millis
  const date = value === undefined ? Number.NaN : Date.parse(value)
  return date > now ? date - now : millis
}

const positive = (millis: number | undefined): number | undefined =>
  millis !== undefined && millis >= 0 ? millis : undefined

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
      code: [code(error["code"]) ?? inner?.code, ...reasonsOf(error)].filter((part) => part !== undefined).join(" ") ||
        undefined,
      message: [asString(error["message"]), inner?.message ?? raw].filter((part) => part !== undefined).join(": "),
      parameter: asString(error["param"]),
      status: asNumber(error["code"]) ?? asNumber(error["status"]),
      requestId: asString(body["request_id"]),
      filter: filterOf(error)
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

/** Why Google refuses, beside the status. */
const reasonsOf = (error: Loose): ReadonlyArray<string> =>
  asArray(error["details"]).flatMap((detail) => asString(asObject(detail)["reason"]) ?? [])

const filterCodes: ReadonlyArray<unknown> = ["content_filter", "content_policy_violation", "invalid_prompt"]

/** The provider's word for a safety block. */
const filterOf = (error: Loose): string | undefined => {
  if (filterCodes.includes(error["code"])) return filterCategories(error) ?? String(error["code"])
  const message = (asString(error["message"]) ?? "").slice(0, maxMessage)
  return /blocked by content filtering policy/i.test(message) ? "content_filter" : undefined
}

const filterCategories = (error: Loose): string | undefined => {
  const result = asObject(asObject(error["innererror"])["content_filter_result"])
  const hit = Object.keys(result).filter((name) => asObject(result[name])["filtered"] === true)
  return hit.length === 0 ? undefined : hit.join(", ")
}

/** Google's `RetryInfo` among the details of an error: `"34.4s"`, in ms. */
export const retryInfoOf = (error: unknown): number | undefined => {
  for (const detail of asArray(asObject(error)["details"])) {
    const delay = asString(asObject(detail)["retryDelay"])
    const seconds = delay === undefined ? undefined : asNumber(delay.endsWith("s") ? delay.slice(0, -1) : delay)
    if (seconds !== undefined) return seconds * 1000
  }
  return undefined
}

type Kind = LLMError.Reason["_tag"] | "ContextLengthExceeded" | "InvalidRequest"

// Labels are a provider's own words for the error, so they are searched first and freely. Messages may quote the
// caller, so only whole phrases count there.
const label = {
  quota: /insufficient_(quota|balance|funds|credits?)|budget_exceeded|billing_|quota_?exceeded|payment_required/i,
  badKey:
    /invalid[_-]api[_-]key|api_key_invalid|authentication|unauthenticated|unauthorized|unrecognizedclient|expiredtoken|invalidsignature|incompletesignature/i,
  permission: /permission|forbidden|accessdenied|access_denied/i,
  noModel:
    /model_(not_found|not_available|decommissioned)|invalid_model|deploymentnotfound|not_found_error|resourcenotfound/i,
  overloaded: /overloaded|service_?unavailable|\bunavailable\b|modelnotready/i,
  rate: /rate_?limit|resource_exhausted|throttl|too_?many_?requests/i,
  timeout: /deadline_exceeded|timeout/i,
  failed: /modelerror|modelstreamerror/i,
  context: /context_length|exceed_context|too_many_prompt_tokens/i,
  invalid: /invalid_request|invalid_argument|invalid-argument|validation|bad_request/i
} as const

const phrase = {
  quota:
    /credit balance is too low|out of credits|all available credits|insufficient (quota|balance|funds|credits?)|payment required|spend(ing)? limit|specified api usage limits|credits are depleted/i,
  badKey:
    /(incorrect|invalid) (x-)?api[ -]?key|api key (not valid|not found|expired|is invalid)|invalid authentication credentials|no auth credentials/i,
  noModel:
    /\b(model|deployment)\b[^.]{0,80}(not found|does not exist|not exist|has been (retired|deprecated|decommissioned))|is not a valid model|^invalid model:|model identifier is invalid|supported api model names|no such model|unknown model|on-demand throughput/i,
  context:
    /maximum context|context (length|window|limit|size)|prompt is too long|too many (prompt )?tokens|exceeds the (maximum|available)[^.]{0,40}(token|context)|input (is )?too long|total length of all messages is too long|tokens \+ `?max_(new_)?tokens`? must be/i,
  rate: /rate limit|too many requests/i,
  overloaded: /overloaded|slow down|at capacity|over capacity|no healthy upstream/i
} as const

const maxLabel = 512
const maxMessage = 8192

/** Which kind of failure an error is. */
export const classify = (status: number, facts: ErrorFacts): Kind => {
  // What a provider means stands at the beginning; patterns run on no more than that.
  const name = `${(facts.type ?? "").slice(0, maxLabel)} ${(facts.code ?? "").slice(0, maxLabel)}`
  const message = (facts.message ?? "").slice(0, maxMessage)
  const effective = status >= 400 ? status : facts.status ?? status
  const isClients = effective < 500
  if (label.quota.test(name) || (isClients && facts.retryAfter === undefined && phrase.quota.test(message))) {
    return "QuotaExceeded"
  }
  if (label.badKey.test(name) || (isClients && phrase.badKey.test(message))) return "Authentication"
  if (label.permission.test(name)) return "PermissionDenied"
  if (label.noModel.test(name) || (isClients && effective !== 429 && phrase.noModel.test(message))) {
    return "ModelNotFound"
  }
  if (label.overloaded.test(name)) return "Overloaded"
  if (label.rate.test(name)) return "RateLimited"
  if (label.timeout.test(name)) return "Timeout"
  if (label.failed.test(name)) return "ServerError"
  if (label.context.test(name) || (isClients && effective !== 429 && phrase.context.test(message))) {
    return "ContextLengthExceeded"
  }
  if (effective >= 400) return byStatus(effective, message)
  if (label.invalid.test(name)) return "InvalidRequest"
  if (phrase.rate.test(message)) return "RateLimited"
  if (phrase.overloaded.test(message)) return "Overloaded"
  // An error inside a 200 that names nothing we know: the provider failed, not the request.
  return "ServerError"
}

/** Statuses that say that the request itself is wrong. Any other below 500 is the host's own affair. */
const callers: ReadonlySet<number> = new Set([400, 405, 406, 411, 412, 413, 414, 415, 416, 417, 422, 428, 431, 451])

const byStatus = (status: number, message: string): Kind => {
  switch (status) {
    case 401:
      return "Authentication"
    case 402:
      return "QuotaExceeded"
    case 403:
      return "PermissionDenied"
    case 404:
    case 410:
      return "ModelNotFound"
    case 408:
    case 499:
    case 504:
    case 524:
      return "Timeout"
    case 409:
    case 421:
    case 424:
    case 425:
      return "ServerError"
    case 429:
      return "RateLimited"
    case 503:
    case 529:
      return "Overloaded"
    default:
      return status < 500 && callers.has(status) ? "InvalidRequest"
        : phrase.overloaded.test(message) ? "Overloaded" : "ServerError"
  }
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
  const scrubbed = (text: string | undefined) => text === undefined ? undefined : scrub(text)
  const common = {
    provider: failure.provider,
    model: failure.model,
    status: failure.status,
    requestId: scrubbed(facts.requestId ?? requestIdOf(headers))
  }
  // Scrubbed before it is cut: half of a key would not be found.
  const description = clip(scrub(facts.message ?? "no message"), 2000)
  const body = failure.body === undefined ? undefined : clip(scrub(failure.body), maxBody)
  if (facts.filter !== undefined) {
    return new LLMError.ContentFilteredError({ ...common, category: scrub(facts.filter), text: failure.partial ?? "" })
  }
  const kind = classify(failure.status, facts)
  if (kind === "ContextLengthExceeded" || kind === "InvalidRequest") {
    return new LLMError.InvalidRequestError({
      ...common,
      reason: kind === "InvalidRequest" ? "Rejected" : kind,
      parameter: scrubbed(facts.parameter),
      description,
      body
    })
  }
  const wait = positive(facts.retryAfter) ?? retryAfterOf(headers, failure.now)
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
