/** Errors as both wires of OpenAI write them. Source: its reference and recorded traffic, 2026-11. */
import type { JsonObject } from "../../Prompt.ts"
import type { Problem, ProblemKind } from "./serving.ts"

const rows: Readonly<Record<ProblemKind, readonly [status: number, type: string, code: string]>> = {
  invalid: [400, "invalid_request_error", "unsupported_value"],
  "context-length": [400, "invalid_request_error", "context_length_exceeded"],
  authentication: [401, "invalid_request_error", "invalid_api_key"],
  quota: [429, "insufficient_quota", "insufficient_quota"],
  permission: [403, "request_forbidden", "permission_denied"],
  "not-found": [404, "invalid_request_error", "model_not_found"],
  "rate-limited": [429, "requests", "rate_limit_exceeded"],
  timeout: [504, "server_error", "timeout"],
  server: [502, "server_error", "server_error"],
  overloaded: [503, "service_unavailable_error", "server_is_overloaded"]
}

export const statusOf = ({ kind }: Problem): number => rows[kind][0]

export const codeOf = ({ kind }: Problem): string => rows[kind][2]

export const error = (problem: Problem): JsonObject => {
  const [, type, code] = rows[problem.kind]
  return { error: { message: problem.message, type, param: problem.parameter ?? null, code } }
}
