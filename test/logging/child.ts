/**
 * The program that is killed: makes calls with logging. It prints the id of each answer it has, and `wrote` when a batch
 * is written, in the order in which that happens.
 */
import { NodeContext, NodeRuntime } from "@effect/platform-node"
import { Console, Context, Effect, Layer, Redacted } from "effect"
import { LLM, OpenAI } from "effect-majordomo"
import * as JsonLinesRequestLog from "effect-majordomo/logging/JsonLinesRequestLog"
import * as Logging from "effect-majordomo/logging/Logging"
import * as PgRequestLog from "effect-majordomo/logging/PgRequestLog"
import { RequestLog } from "effect-majordomo/logging/RequestLog"
import * as SqliteRequestLog from "effect-majordomo/logging/SqliteRequestLog"
import * as UndiciHttpClient from "../../src/UndiciHttpClient.ts"

const [url = "", directory = "", target = "", durability = "durable", calls = "1000"] = process.argv.slice(2)

const call = Effect.flatMap(LLM.generateText({ prompt: "Hello" }), ({ requestId }) => Console.log(requestId))

const sink = target.startsWith("postgres:")
  ? PgRequestLog.layer({ url: target })
  : target.endsWith(".db")
  ? SqliteRequestLog.layer({ filename: target })
  : JsonLinesRequestLog.layer({ path: target })

const watched = Layer.map(sink, (context) => {
  const { write } = Context.get(context, RequestLog)
  return Context.make(RequestLog, { write: (batch) => Effect.zipLeft(write(batch), Console.log("wrote")) })
})

const options = {
  flushInterval: "50 millis",
  batchSize: 10_000,
  spool: { directory, segmentBytes: 100_000, staleAfter: "1 second" }
} as const

const logging = durability === "durable" ? Logging.layer({ durability, ...options }) : Logging.layer(options)

const live = logging.pipe(
  Layer.provide(OpenAI.layer({ model: "gpt-4.1", baseUrl: url, apiKey: Redacted.make("no-key-needed") })),
  Layer.provide(watched),
  Layer.provide([UndiciHttpClient.layer, NodeContext.layer])
)

Effect.replicateEffect(call, Number(calls), { concurrency: 64, discard: true }).pipe(
  Effect.provide(live),
  NodeRuntime.runMain
)
