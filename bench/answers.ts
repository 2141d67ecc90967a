/** What a provider would have answered, without a network: only what stands around it is measured. */
import { LLM } from "effect-majordomo"
import * as Cost from "effect-majordomo/Cost"
import * as BigDecimal from "effect/BigDecimal"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"

let answered = 0
const text = "A short answer."
const cost = Cost.make({
  input: BigDecimal.unsafeFromString("0.000375"),
  output: BigDecimal.unsafeFromString("0.0021"),
  source: "prices"
})

const answer = () => ({
  content: text,
  text,
  reasoning: Option.none(),
  toolCalls: [],
  message: { role: "assistant" as const, content: text },
  finishReason: "stop" as const,
  rawFinishReason: Option.some("end_turn"),
  usage: {
    inputTokens: 125,
    outputTokens: 140,
    cachedInputTokens: 0,
    cacheCreationTokens: 0,
    reasoningTokens: 0,
    totalTokens: 265
  },
  cost: Option.some(cost),
  provider: "anthropic",
  model: "claude-sonnet-4-5",
  requestedModel: "claude-sonnet-4-5",
  id: Option.some("msg_1"),
  requestId: `0190b3a2-0000-7000-8000-${String(answered++).padStart(12, "0")}`,
  // When the provider had answered.
  duration: Duration.millis(performance.now()),
  timeToFirstToken: Option.none(),
  attempts: [{ provider: "anthropic", model: "claude-sonnet-4-5", duration: Duration.millis(829), status: 200 }],
  routed: Option.none(),
  warnings: []
})

export const provider = (delay: Effect.Effect<void>) =>
  Layer.succeed(LLM.LLM, {
    provider: "anthropic",
    model: "claude-sonnet-4-5",
    // The answer is what a request for text gets; nothing here asks for more.
    generate: () => Effect.map(delay, answer) as never,
    stream: () => Stream.empty
  })
