/** Official clients through a gateway: its address, its key, and whom a call is for. */
import Anthropic from "@anthropic-ai/sdk"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Clients from "effect-majordomo/adapters/Clients"
import * as FakeProvider from "effect-majordomo/testing/FakeProvider"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import OpenAI from "openai"

const program = Effect.gen(function*() {
  // Stands for the gateway; in production `MAJORDOMO_GATEWAY_URL` and `MAJORDOMO_API_KEY` say both.
  const gateway = yield* FakeProvider.make()
  yield* gateway.script(FakeProvider.text("Hello from one."), FakeProvider.text("Hello from the other."))
  const options = { gatewayUrl: gateway.url, key: "mdm_sk_example", feature: "greeting", userId: "42" }

  const openai = new OpenAI({ apiKey: "of-the-provider", ...Clients.openai(options) })
  const anthropic = new Anthropic({ apiKey: "of-the-provider", ...Clients.anthropic(options) })
  const messages = [{ role: "user" as const, content: "Hi" }]

  const one = yield* Effect.promise(() => openai.chat.completions.create({ model: "gpt-4.1-mini", messages }))
  const other = yield* Effect.promise(() =>
    anthropic.messages.create({ model: "claude-sonnet-5", max_tokens: 100, messages })
  )
  yield* Console.log(one.choices[0]?.message.content, other.content[0])
  for (const { headers, path } of yield* gateway.requests) {
    yield* Console.log(path, headers["x-majordomo-feature"], headers["x-majordomo-user-id"])
  }
})

program.pipe(Effect.scoped, NodeRuntime.runMain)
