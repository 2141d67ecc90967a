/** Our gateway with a key, the meter, and the log in SQLite. */
import { Effect, Layer, Redacted } from "effect"
import * as ApiKeys from "effect-majordomo/gateway/ApiKeys"
import * as Gateway from "effect-majordomo/gateway/Gateway"
import { mkdtempSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { collectWhenTold } from "./collecting.ts"

const { DURABILITY, KEY_FILE = "", PORT, UPSTREAM = "" } = process.env
const directory = mkdtempSync(join(tmpdir(), "majordomo-bench-"))

const live = Gateway.layer({
  port: Number(PORT),
  admin: { port: 0 },
  database: join(directory, "majordomo.db"),
  log: { durability: DURABILITY === "durable" ? "durable" : "buffered", spool: join(directory, "spool") },
  providers: {
    openai: { baseUrl: `${UPSTREAM}/v1` },
    // What is asked for by its name is translated, not passed on.
    acme: { baseUrl: `${UPSTREAM}/v1`, wire: "openai-chat", key: Redacted.make("sk-bench"), prices: "openai" }
  }
})

const key = Effect.gen(function*() {
  const { secret } = yield* (yield* ApiKeys.ApiKeys).create({ name: "bench" })
  writeFileSync(KEY_FILE, Redacted.value(secret))
})

collectWhenTold()
Effect.runFork(Layer.launch(Layer.provideMerge(Layer.effectDiscard(key), live)))
