/** The program that is killed: makes calls with logging and prints the id and the time of each answer. */
import { NodeContext, NodeHttpClient, NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer, Redacted } from "effect"
import { LLM, OpenAI } from "effect-majordomo"
import * as JsonLinesRequestLog from "effect-majordomo/logging/JsonLinesRequestLog"
import * as Logging from "effect-majordomo/logging/Logging"
import * as PgRequestLog from "effect-majordomo/logging/PgRequestLog"
import * as SqliteRequestLog from "effect-majordomo/logging/SqliteRequestLog"

const [url = "", directory = "", target = "", durability = "durable", calls = "1000"] = process.argv.slice(2)

const call = Effect.flatMap(
  LLM.generateText({ prompt: "Hello" }),
  ({ requestId }) => Console.log(`${requestId} ${Date.now()}`)
)

const sink = target.startsWith("postgres:")
  ? PgRequestLog.layer({ url: target })
  : target.endsWith(".db")
  ? SqliteRequestLog.layer({ filename: target })
  : JsonLinesRequestLog.layer({ path: target })

const spool = { directory: `${directory}/spool`, segmentBytes: 100_000, staleAfter: "1 second" } as const

const logging = durability === "durable"
  ? Logging.layer({ durability, flushInterval: "200 millis", spool })
  : Logging.layer({ flushInterval: "200 millis", spool })

const live = logging.pipe(
  Layer.provide(OpenAI.layer({ model: "gpt-4.1", baseUrl: url, apiKey: Redacted.make("no-key-needed") })),
  Layer.provide(sink),
  Layer.provide([NodeHttpClient.layerUndici, NodeContext.layer])
)

Effect.replicateEffect(call, Number(calls), { concurrency: 64, discard: true }).pipe(
  Effect.provide(live),
  NodeRuntime.runMain
)
