/** A gateway in this process: a request goes through it, and its row says who asked, what it took, and what it cost. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as ApiKeys from "effect-majordomo/gateway/ApiKeys"
import * as Gateway from "effect-majordomo/gateway/Gateway"
import * as Logging from "effect-majordomo/logging/Logging"
import * as LogReader from "effect-majordomo/logging/LogReader"
import * as FakeProvider from "effect-majordomo/testing/FakeProvider"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const program = Effect.gen(function*() {
  const { url } = yield* Gateway.Gateway
  const keys = yield* ApiKeys.ApiKeys
  const { secret } = yield* keys.create({ name: "search-team", models: ["gpt-4.1*"] })

  // Any client in any language would do: an address, a key, labels.
  const response = yield* Effect.promise(() =>
    fetch(`${url}/v1/chat/completions`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        "x-majordomo-key": Redacted.value(secret),
        "x-majordomo-feature": "search",
        "x-majordomo-user-id": "ada"
      },
      body: JSON.stringify({ model: "gpt-4.1-mini", messages: [{ role: "user", content: "Why is the sky blue?" }] })
    })
  )
  yield* Console.log(response.status, (yield* Effect.promise(() => response.json())).choices[0].message.content)

  yield* Logging.flush
  const { rows: [row] } = yield* LogReader.page({})
  yield* Console.log(row?.majordomoApiKeyId, row?.metadata, row?.inputTokens, row?.outputTokens, row?.totalCost)
})

// Stands for OpenAI; in production the provider's own address is known.
const live = Layer.unwrapEffect(Effect.map(FakeProvider.FakeProvider, (fake) => {
  const directory = mkdtempSync(join(tmpdir(), "majordomo-example-"))
  return Gateway.layer({
    port: 0,
    admin: { port: 0 },
    database: join(directory, "majordomo.db"),
    log: { spool: join(directory, "spool") },
    providers: { openai: { baseUrl: fake.url, key: Redacted.make("sk-kept-by-the-gateway") } }
  })
})).pipe(Layer.provide(FakeProvider.layer()))

program.pipe(Effect.provide(live), NodeRuntime.runMain)
