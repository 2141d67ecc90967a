/** Rows for the tests of sinks. */
import { FastCheck as fc } from "effect"
import { uuidv7 } from "../../src/internal/call/uuid.ts"
import type { Entry } from "../../src/logging/RequestLog.ts"

export const november = Date.UTC(2026, 10, 21, 12)

export const entry = (fields: Partial<Entry> = {}): Entry => ({
  requestId: uuidv7(fields.timestamp ?? november),
  kind: "call",
  provider: "anthropic",
  model: "claude-sonnet-4-5",
  requestedModel: "claude-sonnet-4-5",
  timestamp: november,
  responseTime: 1.25,
  inputTokens: 100,
  outputTokens: 20,
  cachedTokens: 0,
  cacheCreationTokens: 0,
  reasoningTokens: 0,
  usagePartial: false,
  inputCost: "0.0003",
  outputCost: "0.0003",
  toolUseCost: "0",
  totalCost: "0.0006",
  status: "success",
  finishReason: "stop",
  streamed: false,
  cached: false,
  attempts: [{ provider: "anthropic", model: "claude-sonnet-4-5", duration: 1.2, status: 200 }],
  metadata: {},
  ...fields
})

// What a model or a user may put into a text: quotes, SQL, NUL, halves of surrogate pairs, the word for it.
const text = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.constantFrom(
    "'; DROP TABLE llm_requests; --",
    "a\0b",
    "\\u0000",
    "\ud800",
    "{\"a\":1}",
    "NULL",
    "{}",
    "a,\"b\"\\"
  ),
  fc.array(fc.constantFrom("\\", "\\u0000", "\0", "\ud83d", "\ude00", "\"", "u0000"), { maxLength: 6 }).map((parts) =>
    parts.join("")
  )
)
const maybe = <A>(arbitrary: fc.Arbitrary<A>) => fc.option(arbitrary, { nil: undefined })
const tokens = fc.nat({ max: 2_000_000 })
const decimal = fc.tuple(fc.nat({ max: 1_000 }), fc.nat({ max: 999_999_999 })).map(([whole, part]) =>
  `${whole}.${String(part).padStart(12, "0")}`
)

export const anyEntry: fc.Arbitrary<Entry> = fc.record({
  kind: fc.constantFrom("call" as const, "attempt" as const),
  parentId: maybe(fc.constant("0190163d-8694-739b-aea5-966c26f8ad91")),
  provider: text,
  model: text,
  requestedModel: text,
  timestamp: fc.integer({ min: Date.UTC(2026, 8, 1), max: Date.UTC(2026, 11, 1) }),
  responseTime: fc.double({ min: 0, max: 1e5, noNaN: true }),
  timeToFirstToken: maybe(fc.double({ min: 0, max: 1e5, noNaN: true })),
  inputTokens: tokens,
  outputTokens: tokens,
  cachedTokens: tokens,
  cacheCreationTokens: tokens,
  reasoningTokens: tokens,
  usagePartial: fc.boolean(),
  inputCost: maybe(decimal),
  outputCost: maybe(decimal),
  toolUseCost: maybe(decimal),
  totalCost: maybe(decimal),
  status: fc.constantFrom("success" as const, "error" as const, "cancelled" as const),
  errorType: maybe(text),
  errorMessage: maybe(text),
  finishReason: maybe(text),
  streamed: fc.boolean(),
  cached: fc.boolean(),
  attempts: fc.array(fc.record({ provider: text, model: text, duration: fc.constant(0.5), error: text }), {
    maxLength: 2
  }),
  storageError: maybe(text),
  metadata: fc.dictionary(text, text, { maxKeys: 3 }),
  statusCode: maybe(fc.integer({ min: 100, max: 599 }))
}).map((fields) => entry(fields))
