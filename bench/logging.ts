/** What logging adds to a call that answers at once, and what a durable call waits. Targets: 25 µs of CPU, 1 ms. */
import * as NodeContext from "@effect/platform-node/NodeContext"
import { LLM } from "effect-majordomo"
import * as Cost from "effect-majordomo/Cost"
import * as BodyStore from "effect-majordomo/logging/BodyStore"
import * as Logging from "effect-majordomo/logging/Logging"
import * as RequestLog from "effect-majordomo/logging/RequestLog"
import * as BigDecimal from "effect/BigDecimal"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

let calls = 0
const text = "A short answer."
const cost = Cost.make({
  input: BigDecimal.unsafeFromString("0.000375"),
  output: BigDecimal.unsafeFromString("0.0021"),
  source: "prices"
})

/** What a provider would have answered: only logging is measured. */
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
  requestId: `0190b3a2-0000-7000-8000-${String(calls++).padStart(12, "0")}`,
  duration: Duration.millis(830),
  timeToFirstToken: Option.none(),
  attempts: [{ provider: "anthropic", model: "claude-sonnet-4-5", duration: Duration.millis(829), status: 200 }],
  routed: Option.none(),
  warnings: []
})

const provider = Layer.succeed(LLM.LLM, {
  provider: "anthropic",
  model: "claude-sonnet-4-5",
  generate: () => Effect.sync(answer) as never,
  stream: () => Stream.empty
})

const nowhere = Layer.succeed(RequestLog.RequestLog, { write: () => Effect.void })

const directory = mkdtempSync(join(tmpdir(), "bench-"))
const layers = {
  "without logging": provider,
  "buffered": Layer.provide(Logging.layer(), [provider, nowhere]),
  "buffered, with bodies": Layer.provide(Logging.layer(), [
    provider,
    nowhere,
    Layer.succeed(BodyStore.BodyStore, {
      put: (bodies) => Effect.sync(() => BodyStore.keysOf(bodies)),
      get: () => Effect.succeedNone
    })
  ]),
  "durable": Logging.layer({ durability: "durable", spool: { directory } }).pipe(
    Layer.provide([provider, nowhere, NodeContext.layer])
  ),
  "durable, no fsync": Logging.layer({ durability: "durable", spool: { directory, fsync: false } }).pipe(
    Layer.provide([provider, nowhere, NodeContext.layer])
  )
}

const call = LLM.generateText({ prompt: "Hello", metadata: { feature: "chat-bot", userId: "42" } })

const median = (values: ReadonlyArray<number>): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN

const rounds = 7
const amount = 20_000
for (const [name, layer] of Object.entries(layers)) {
  const runtime = ManagedRuntime.make(layer)
  const isDurable = name.startsWith("durable")
  const calls = isDurable ? amount / 4 : amount
  const costs: Array<number> = []
  const waits: Array<number> = []
  for (let round = 0; round <= rounds; round++) {
    const before = process.cpuUsage()
    await runtime.runPromise(
      Effect.forEach(
        Array.from({ length: calls }),
        () =>
          Effect.suspend(() => {
            const startedAt = performance.now()
            return Effect.map(call, () => {
              if (round > 0) waits.push(performance.now() - startedAt)
            })
          }),
        { concurrency: 64, discard: true }
      )
    )
    const { system, user } = process.cpuUsage(before)
    if (round > 0) costs.push((system + user) / calls)
  }
  await runtime.dispose()
  console.log(`${name.padEnd(24)} ${median(costs).toFixed(1)} µs CPU a call, ${(median(waits) * 1000).toFixed(0)} µs`)
}
rmSync(directory, { recursive: true })
