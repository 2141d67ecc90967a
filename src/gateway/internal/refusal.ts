/** Answers of the gateway itself that are errors, as the client's library expects them. */
import type { Dialect } from "./target.ts"

/** Why a request was not passed on, or broke on the way. */
export type Code =
  | "invalid_api_key"
  | "permission_denied"
  | "invalid_request"
  | "not_found"
  | "request_too_large"
  | "rate_limited"
  | "budget_exceeded"
  | "gateway_unavailable"
  | "upstream_unreachable"
  | "upstream_timeout"
  | "stream_interrupted"

export interface Refusal {
  readonly status: number
  readonly code: Code
  /** What happened, where, and what to do; without a secret. */
  readonly message: string
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** The field of the body that is wrong. */
  readonly parameter?: string | undefined
}

/** What a row calls it: the names that errors of calls have. */
export const errorTypes: Readonly<Record<Code, string>> = {
  invalid_api_key: "Authentication",
  permission_denied: "PermissionDenied",
  invalid_request: "InvalidRequestError",
  not_found: "InvalidRequestError",
  request_too_large: "InvalidRequestError",
  rate_limited: "RateLimited",
  budget_exceeded: "QuotaExceeded",
  gateway_unavailable: "Overloaded",
  upstream_unreachable: "Transport",
  upstream_timeout: "Timeout",
  stream_interrupted: "Transport"
}

const openAITypes: Readonly<Record<number, string>> = {
  401: "authentication_error",
  402: "insufficient_quota",
  403: "permission_error",
  429: "rate_limit_error"
}

const anthropicTypes: Readonly<Record<number, string>> = {
  400: "invalid_request_error",
  401: "authentication_error",
  402: "billing_error",
  403: "permission_error",
  404: "not_found_error",
  413: "request_too_large",
  429: "rate_limit_error",
  503: "overloaded_error",
  504: "timeout_error"
}

const googleStatus: Readonly<Record<number, string>> = {
  400: "INVALID_ARGUMENT",
  401: "UNAUTHENTICATED",
  402: "FAILED_PRECONDITION",
  403: "PERMISSION_DENIED",
  404: "NOT_FOUND",
  413: "INVALID_ARGUMENT",
  429: "RESOURCE_EXHAUSTED",
  503: "UNAVAILABLE",
  504: "DEADLINE_EXCEEDED"
}

const amazonTypes: Readonly<Record<number, string>> = {
  400: "ValidationException",
  401: "UnrecognizedClientException",
  402: "ServiceQuotaExceededException",
  403: "AccessDeniedException",
  404: "ResourceNotFoundException",
  413: "ValidationException",
  429: "ThrottlingException",
  503: "ServiceUnavailableException",
  504: "ModelTimeoutException"
}

/** The object that a client's library finds in an error. */
const bodyOf = (dialect: Dialect, { code, message, parameter, status }: Refusal, requestId: string): object => {
  switch (dialect) {
    case "openai":
      return {
        error: {
          message,
          type: openAITypes[status] ?? (status < 500 ? "invalid_request_error" : "server_error"),
          param: parameter ?? null,
          code
        }
      }
    case "anthropic":
      return { type: "error", error: { type: anthropicTypes[status] ?? "api_error", message }, request_id: requestId }
    case "gemini":
      return { error: { code: status, message, status: googleStatus[status] ?? "INTERNAL" } }
    case "cohere":
      return { id: requestId, message }
    case "bedrock":
      return { message }
  }
}

export const answerOf = (
  dialect: Dialect,
  refusal: Refusal,
  requestId: string
): { readonly headers: Readonly<Record<string, string>>; readonly body: string } => ({
  headers: {
    "content-type": "application/json",
    ...(dialect === "bedrock"
      ? { "x-amzn-errortype": amazonTypes[refusal.status] ?? "InternalServerException" }
      : {}),
    ...refusal.headers
  },
  body: JSON.stringify(bodyOf(dialect, refusal, requestId))
})

/** The last event of a stream that broke. */
export const eventOf = (
  wire: string | undefined,
  dialect: Dialect,
  refusal: Refusal,
  requestId: string
): string => {
  if (wire === "responses") {
    const { code, message } = refusal
    return `event: error\ndata: ${JSON.stringify({ type: "error", code, message, param: null })}\n\n`
  }
  const data = JSON.stringify(bodyOf(dialect, refusal, requestId))
  return dialect === "anthropic" ? `event: error\ndata: ${data}\n\n` : `data: ${data}\n\n`
}

/** The exception of an event stream of Amazon's. */
export const amazonException = (refusal: Refusal): { readonly type: string; readonly payload: string } => ({
  type: refusal.status === 504 ? "modelTimeoutException" : "modelStreamErrorException",
  payload: JSON.stringify({ message: refusal.message })
})
