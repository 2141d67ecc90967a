/** The program that is killed: makes calls with durable logging and prints the id of each answer. */
import { NodeContext, NodeHttpClient, NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer, Redacted } from "effect"
import { LLM, OpenAI } from "effect-majordomo"
import * as JsonLinesRequestLog from "effect-majordomo/logging/JsonLinesRequestLog"
import * as Logging from "effect-majordomo/logging/Logging"

const [url = "", directory = ""] = process.argv.slice(2)

const call = Effect.flatMap(LLM.generateText({ prompt: "Hello" }), ({ requestId }) => Console.log(requestId))

const live = Logging.layer({
  durability: "durable",
  flushInterval: "200 millis",
  spool: { directory: `${directory}/spool`, segmentBytes: 20_000, staleAfter: "1 second" }
}).pipe(
  Layer.provide(OpenAI.layer({ model: "gpt-4.1", baseUrl: url, apiKey: Redacted.make("no-key-needed") })),
  Layer.provide(JsonLinesRequestLog.layer({ path: `${directory}/calls.jsonl` })),
  Layer.provide([NodeHttpClient.layerUndici, NodeContext.layer])
)

Effect.all(Array.from({ length: 8 }, () => Effect.forever(call)), { concurrency: "unbounded" }).pipe(
  Effect.provide(live),
  NodeRuntime.runMain
)
