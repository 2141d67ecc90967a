import { assert, describe, it } from "@effect/vitest"
import { Duration } from "effect"
import * as errors from "../../../src/internal/http/errors.ts"
import type { LLMError } from "../../../src/LLMError.ts"
import { tagOf } from "../../../src/LLMError.ts"

const error = (status: number, body: unknown, headers: Record<string, string> = {}): LLMError =>
  errors.toLLMError({
    provider: "p",
    model: "m",
    status,
    facts: errors.readErrorBody(body) ?? { message: String(body) },
    headers,
    now: 0,
    body: JSON.stringify(body),
    scrub: (text) => text
  })

const kind = (status: number, body: unknown): string => {
  const failure = error(status, body)
  return failure._tag === "InvalidRequestError" ? failure.reason : tagOf(failure)
}

const openai = (message: string, type?: string, code?: string | number) => ({ error: { message, type, code } })
const anthropic = (type: string, message = "x") => ({ type: "error", error: { type, message } })
const google = (status: string, code: number, message = "x") => ({ error: { code, status, message } })

describe("classification, body before status", () => {
  it.each([
    ["Authentication", 401, openai("x", "invalid_request_error", "invalid_api_key")],
    ["Authentication", 401, "<html>nope</html>"],
    ["Authentication", 400, openai("Incorrect API key provided: sk-1***2")],
    ["Authentication", 400, google("INVALID_ARGUMENT", 400, "API key not valid. Please pass a valid API key.")],
    ["Authentication", 400, { code: "invalid-argument", error: "Incorrect API key provided." }],
    ["Authentication", 401, anthropic("authentication_error")],
    ["PermissionDenied", 403, anthropic("permission_error")],
    ["PermissionDenied", 403, google("PERMISSION_DENIED", 403)],
    ["PermissionDenied", 403, openai("Forbidden", "invalid_request_error", "forbidden")],
    ["ModelNotFound", 404, anthropic("not_found_error")],
    ["ModelNotFound", 400, openai("The model does not exist", "invalid_request_error", "model_not_found")],
    ["ModelNotFound", 410, openai("gone")],
    ["ModelNotFound", 400, { message: "The provided model identifier is invalid." }],
    ["ModelNotFound", 400, { object: "error", message: "Invalid model: x", type: "invalid_model", code: "1500" }],
    ["QuotaExceeded", 402, openai("Payment required")],
    ["QuotaExceeded", 429, openai("You exceeded your current quota", "insufficient_quota", "insufficient_quota")],
    ["QuotaExceeded", 400, anthropic("invalid_request_error", "Your credit balance is too low to access the API.")],
    ["RateLimited", 429, openai("Rate limit reached", "tokens", "rate_limit_exceeded")],
    ["RateLimited", 429, anthropic("rate_limit_error")],
    ["RateLimited", 429, google("RESOURCE_EXHAUSTED", 429, "You exceeded your current quota, please check your plan.")],
    ["RateLimited", 200, openai("slow", "rate_limit_error")],
    ["Timeout", 408, openai("x")],
    ["Timeout", 504, google("DEADLINE_EXCEEDED", 504)],
    ["Overloaded", 529, anthropic("overloaded_error", "Overloaded")],
    ["Overloaded", 200, anthropic("overloaded_error", "Overloaded")],
    ["Overloaded", 503, google("UNAVAILABLE", 503)],
    ["Overloaded", 503, openai("The engine is currently overloaded, please try again later")],
    ["ServerError", 500, anthropic("api_error")],
    ["ServerError", 500, google("INTERNAL", 500)],
    ["ServerError", 502, "<html>Bad gateway</html>"],
    ["ServerError", 409, openai("conflict")],
    ["ServerError", 200, openai("something nobody has seen")],
    ["ContextLengthExceeded", 400, openai("x", "invalid_request_error", "context_length_exceeded")],
    ["ContextLengthExceeded", 400, anthropic("invalid_request_error", "prompt is too long: 210000 tokens > 200000")],
    ["ContextLengthExceeded", 413, anthropic("request_too_large", "prompt is too long")],
    [
      "ContextLengthExceeded",
      400,
      google("INVALID_ARGUMENT", 400, "The input token count (9) exceeds the maximum number of tokens allowed (8).")
    ],
    ["Rejected", 400, openai("Unsupported value", "invalid_request_error", "unsupported_value")],
    ["Rejected", 422, { detail: [{ msg: "field required", loc: ["body"] }] }],
    ["Rejected", 413, openai("too large")],
    ["Rejected", 400, google("INVALID_ARGUMENT", 400)],
    ["ContentFilteredError", 400, { error: { code: "content_filter", message: "x", innererror: {} } }]
  ])("%s from %i %j", (expected, status, body) => {
    assert.strictEqual(kind(status, body), expected)
  })
})

describe("what an error carries", () => {
  it("reads every shape of body", () => {
    const message = (body: unknown) => errors.readErrorBody(body)?.message
    assert.strictEqual(message({ error: { message: "a" } }), "a")
    assert.strictEqual(message({ error: "b" }), "b")
    assert.strictEqual(message({ message: "c" }), "c")
    assert.strictEqual(message({ detail: "d" }), "d")
    assert.strictEqual(message([{ error: { message: "e" } }]), "e")
    assert.strictEqual(message({ hello: 1 }), undefined)
  })

  it("reads the error that OpenRouter wraps", () => {
    const facts = errors.readErrorBody({
      error: {
        code: 429,
        message: "Provider returned error",
        metadata: { raw: "{\"error\":{\"message\":\"upstream\",\"type\":\"rate_limit_error\"}}" }
      }
    })
    assert.strictEqual(facts?.message, "Provider returned error: upstream")
    assert.strictEqual(facts?.type, "rate_limit_error")
  })

  it("names the categories of an Azure filter", () => {
    const failure = error(400, {
      error: {
        code: "content_filter",
        message: "x",
        innererror: { content_filter_result: { hate: { filtered: true }, violence: { filtered: false } } }
      }
    })
    assert.strictEqual(failure._tag === "ContentFilteredError" ? failure.category : "", "hate")
  })

  const wait = (headers: Record<string, string>, body: unknown = openai("x")) => {
    const failure = error(429, body, headers)
    return failure._tag === "ProviderError" && failure.retryAfter !== undefined
      ? Duration.toMillis(failure.retryAfter)
      : undefined
  }

  it("reads retry-after in seconds, as a date, in ms, and Google's RetryInfo", () => {
    assert.strictEqual(wait({ "retry-after": "7" }), 7000)
    assert.strictEqual(wait({ "retry-after": "0.5" }), 500)
    assert.strictEqual(wait({ "retry-after": new Date(9000).toUTCString() }), 9000)
    assert.strictEqual(wait({ "retry-after-ms": "250", "retry-after": "1" }), 250)
    assert.strictEqual(wait({ "retry-after-ms": "0", "retry-after": "1" }), 1000)
    assert.strictEqual(wait({ "retry-after": "soon" }), undefined)
    assert.strictEqual(wait({}), undefined)
    assert.strictEqual(errors.retryInfoOf({ details: [{}, { retryDelay: "34.4s" }] }), 34_400)
  })

  it("keeps the start of a long body only", () => {
    const failure = error(500, { error: { message: "x".repeat(10_000) } })
    assert.isBelow(failure.message.length, 2500)
    assert.isBelow("body" in failure ? failure.body?.length ?? 0 : 0, 4200)
  })
})

it.each([
  [421, "ServerError"],
  [425, "ServerError"],
  [499, "Timeout"],
  [420, "ServerError"],
  [460, "ServerError"],
  [400, "Rejected"],
  [413, "Rejected"],
  [422, "Rejected"]
])("%i is the host's own affair unless it says that the request is wrong: %s", (status, expected) => {
  assert.strictEqual(kind(status, openai("what the host says")), expected)
})
