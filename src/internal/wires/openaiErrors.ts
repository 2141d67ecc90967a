/** Errors and counts as both wires of OpenAI write them. Source: its reference and recorded traffic, 2026-11. */
import type { JsonObject } from "../../Prompt.ts"
import type { Usage } from "../../Usage.ts"
import { extended, type Problem, type ProblemKind } from "./serving.ts"

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

/** Tokens written to a cache, under the name that some hosts have for them; OpenAI itself counts none. */
export const cacheWritten = ({ cacheCreationTokens }: Usage): JsonObject =>
  cacheCreationTokens === 0 ? {} : { cache_write_tokens: cacheCreationTokens }

export const statusOf = ({ kind }: Problem): number => rows[kind][0]

/** What an event says, which has no type of error beside its code. */
export const codeOf = ({ kind }: Problem): string => kind === "invalid" ? "invalid_request_error" : rows[kind][2]

export const error = (problem: Problem): JsonObject => {
  const [, type, code] = rows[problem.kind]
  return {
    error: { message: problem.message, type, param: problem.parameter ?? null, code },
    ...extended(problem)
  }
}
