/**
 * A program in trouble: callers that read to the end, stop early, fail while they read or are interrupted, over a sink that
 * fails often. It prints the number of each call that has ended.
 */
import { NodeContext, NodeRuntime } from "@effect/platform-node"
import { Console, Context, Effect, Layer, Random, Redacted, Stream } from "effect"
import { LLM, OpenAIChat } from "effect-majordomo"
import * as Logging from "effect-majordomo/logging/Logging"
import { RequestLog, RequestLogError } from "effect-majordomo/logging/RequestLog"
import * as SqliteRequestLog from "effect-majordomo/logging/SqliteRequestLog"
import * as UndiciHttpClient from "../../src/UndiciHttpClient.ts"

const [url = "", directory = "", filename = "", prefix = "", callers = "16"] = process.argv.slice(2)

const options = (n: string) => ({ prompt: `call ${n}`, metadata: { n } })

const kinds: ReadonlyArray<(n: string) => Effect.Effect<unknown, unknown, LLM.LLM>> = [
  (n) => LLM.generateText(options(n)),
  (n) => Stream.runDrain(LLM.streamText(options(n))),
  (n) => Stream.runDrain(Stream.take(LLM.streamText(options(n)), 2)),
  (n) => Stream.runDrain(Stream.tap(LLM.streamText(options(n)), () => Effect.fail("the socket is closed"))),
  (n) => Effect.timeoutOption(Stream.runDrain(LLM.streamText(options(n))), "4 millis"),
  (n) => Effect.timeoutOption(LLM.generateText(options(n)), "4 millis")
]

let count = 0
const call = Effect.suspend(() => {
  const n = `${prefix}-${++count}`
  const kind = kinds[count % kinds.length]
  return kind === undefined ? Effect.void : Effect.zipRight(Effect.exit(kind(n)), Console.log(n))
})

const flapping = Layer.map(SqliteRequestLog.layer({ filename }), (context) => {
  const { write } = Context.get(context, RequestLog)
  const away = new RequestLogError({ sink: "test", reason: "Unavailable", description: "away" })
  return Context.make(RequestLog, {
    write: (batch) => Effect.flatMap(Random.next, (at) => at < 0.4 ? Effect.fail(away) : write(batch))
  })
})

const live = Logging.layer({
  durability: "durable",
  flushInterval: "20 millis",
  capacity: { rows: 200 },
  spool: { directory, segmentBytes: 50_000, staleAfter: "1 second" }
}).pipe(
  Layer.provide(OpenAIChat.layer({ model: "gpt-4.1", baseUrl: url, apiKey: Redacted.make("no-key-needed") })),
  Layer.provide(flapping),
  Layer.provide([UndiciHttpClient.layer, NodeContext.layer])
)

Effect.replicateEffect(Effect.forever(call), Number(callers), { concurrency: "unbounded", discard: true }).pipe(
  Effect.provide(live),
  NodeRuntime.runMain
)
