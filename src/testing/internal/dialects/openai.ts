/** What both wires of OpenAI have in common: headers, tool choice and errors. */
import type { Asked, Dialect } from "../dialect.ts"
import type { ErrorKind } from "../reply.ts"

export const headers: Dialect["headers"] = (number) => ({
  "x-request-id": `req_fake_${number}`,
  "openai-processing-ms": "12",
  "openai-version": "2020-10-01"
})

export const toolChoice = (choice: unknown, forced: string | undefined): Asked["toolChoice"] =>
  forced !== undefined ? { tool: forced } : choice === "none" || choice === "required" ? choice : "auto"

interface Row {
  readonly type: string
  readonly code: string
  readonly message: string
  readonly param?: string | undefined
}

const rows: Readonly<Record<ErrorKind, Row>> = {
  invalid: {
    type: "invalid_request_error",
    code: "unsupported_value",
    param: "temperature",
    message: "Unsupported value: 'temperature' does not support 3 with this model."
  },
  "context-length": {
    type: "invalid_request_error",
    code: "context_length_exceeded",
    param: "messages",
    message: "This model's maximum context length is 128000 tokens. However, your messages resulted in 200000 tokens."
  },
  authentication: {
    type: "invalid_request_error",
    code: "invalid_api_key",
    message: "Incorrect API key provided. You can find your API key at https://platform.openai.com/account/api-keys."
  },
  quota: {
    type: "insufficient_quota",
    code: "insufficient_quota",
    message: "You exceeded your current quota, please check your plan and billing details."
  },
  permission: {
    type: "request_forbidden",
    code: "unsupported_country_region_territory",
    message: "Country, region, or territory not supported"
  },
  "not-found": {
    type: "invalid_request_error",
    code: "model_not_found",
    param: "model",
    message: "The requested model does not exist or you do not have access to it."
  },
  "rate-limited": {
    type: "requests",
    code: "rate_limit_exceeded",
    message: "Rate limit reached for requests per min (RPM): Limit 500, Used 500, Requested 1."
  },
  timeout: { type: "server_error", code: "timeout", message: "The request timed out." },
  server: {
    type: "server_error",
    code: "server_error",
    message: "The server had an error while processing your request. Sorry about that!"
  },
  overloaded: {
    type: "service_unavailable_error",
    code: "server_is_overloaded",
    message: "Our servers are currently overloaded. Please try again later."
  }
}

/** Code and message of an error, where they stand alone. */
export const errorParts = (kind: ErrorKind): { readonly code: string; readonly message: string } => {
  const { code, message } = rows[kind]
  return { code, message }
}

export const error: Dialect["error"] = (kind) => {
  const { code, message, param, type } = rows[kind]
  return { error: { message, type, param: param ?? null, code } }
}
