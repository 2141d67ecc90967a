/**
 * What logging costs beside the same call without it: processor time, and how much later an answer is handed over when
 * 64 calls are under way that take 20 to 60 ms each. Without a network, into a sink that does nothing.
 *
 *   npm run bench -- --only logging
 */
import * as NodeContext from "@effect/platform-node/NodeContext"
import { LLM } from "effect-majordomo"
import * as BodyStore from "effect-majordomo/logging/BodyStore"
import * as Logging from "effect-majordomo/logging/Logging"
import * as RequestLog from "effect-majordomo/logging/RequestLog"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { provider } from "./answers.ts"

const nowhere = Layer.succeed(RequestLog.RequestLog, { write: () => Effect.void })

const bodyStore = Layer.succeed(BodyStore.BodyStore, {
  put: (bodies) => Effect.sync(() => BodyStore.keysOf(bodies)),
  get: () => Effect.succeedNone
})

const directory = mkdtempSync(join(tmpdir(), "bench-"))
const durable = (fsync: boolean) =>
  Layer.provide(Logging.layer({ durability: "durable", spool: { directory, fsync } }), [nowhere, NodeContext.layer])

const decorators = {
  "buffered": Layer.provide(Logging.layer(), nowhere),
  "buffered, with bodies": Layer.provide(Logging.layer(), [nowhere, bodyStore]),
  "durable": durable(true),
  "durable, without fsync": durable(false)
}

const call = LLM.generateText({ prompt: "Hello", metadata: { feature: "chat-bot", userId: "42" } })

const median = (values: ReadonlyArray<number>): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN

const atATime = 64
const many = (amount: number, onAnswer: (waited: number) => void) =>
  Effect.forEach(
    Array.from({ length: amount }),
    () => Effect.map(call, ({ duration }) => onAnswer(performance.now() - Duration.toMillis(duration))),
    { concurrency: atATime, discard: true }
  )

const rounds = 7

/** µs of processor time a call. */
const cpu = async (layer: Layer.Layer<LLM.LLM, unknown>, amount: number): Promise<number> => {
  const runtime = ManagedRuntime.make(layer)
  const costs: Array<number> = []
  for (let round = 0; round <= rounds; round++) {
    const before = process.cpuUsage()
    await runtime.runPromise(many(amount, () => {}))
    const { system, user } = process.cpuUsage(before)
    if (round > 0) costs.push((system + user) / amount)
  }
  await runtime.dispose()
  return median(costs)
}

/** µs from the provider's answer to ours. */
const wait = async (layer: Layer.Layer<LLM.LLM, unknown>): Promise<number> => {
  const waits: Array<number> = []
  await Effect.runPromise(Effect.provide(many(6000, (waited) => waits.push(waited)), layer))
  return 1000 * median(waits)
}

const atOnce = provider(Effect.void)
const later = provider(Effect.suspend(() => Effect.sleep(20 + 40 * Math.random())))
const floor = { cpu: await cpu(atOnce, 20_000), wait: await wait(later) }
const rows: Array<string> = []
for (const [name, decorator] of Object.entries(decorators)) {
  const spent = await cpu(Layer.provide(decorator, atOnce), name.startsWith("durable") ? 5000 : 20_000)
  const waited = await wait(Layer.provide(decorator, later))
  rows.push(`| ${name} | +${(spent - floor.cpu).toFixed(1)} µs | +${(waited - floor.wait).toFixed(0)} µs |`)
}
rmSync(directory, { recursive: true })
console.log(`
| logging | CPU a call, ≤ +25 µs buffered | handed over later, ≤ +1000 µs |
| --- | --- | --- |
${rows.join("\n")}`)
