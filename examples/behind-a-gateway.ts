/** Requests through a gateway: a base URL, headers with precedence, labels that say who a call is for. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as LLM from "effect-majordomo/LLM"
import * as Metadata from "effect-majordomo/Metadata"
import * as Anthropic from "effect-majordomo/providers/Anthropic"
import * as OpenAI from "effect-majordomo/providers/OpenAI"
import * as FakeProvider from "effect-majordomo/testing/FakeProvider"
import * as UndiciHttpClient from "effect-majordomo/UndiciHttpClient"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"

const ask = (prompt: string) => LLM.generateText({ prompt, extraHeaders: { "X-Request-Id": "42" } })

const program = Effect.gen(function*() {
  // Stands for the gateway; in production: MAJORDOMO_GATEWAY_URL and MAJORDOMO_API_KEY.
  const gateway = yield* FakeProvider.make()
  const headers = Metadata.buildExtraHeaders({ feature: "search", userId: "ada" }, {
    key: Redacted.make("mdm_sk_demo")
  })
  const common = { baseUrl: gateway.url, defaultHeaders: headers, apiKey: Redacted.make("no-key-needed") }

  // One address serves every provider: each adds its own path.
  for (
    const layer of [
      Anthropic.layer({ ...common, model: "claude-sonnet-5" }),
      OpenAI.layer({ ...common, model: "gpt-4.1-mini" })
    ]
  ) {
    yield* ask("Hello").pipe(
      LLM.withHeaders({ "X-Majordomo-Step": "greeting" }),
      LLM.withMetadata({ feature: "search" }),
      Effect.provide(layer.pipe(Layer.provide(UndiciHttpClient.layer)))
    )
  }
  for (const { headers, path } of yield* gateway.requests) {
    const shown = Object.entries(headers).filter(([name]) => /^x-(majordomo-(?!key)|request)/.test(name))
    yield* Console.log(path, Object.fromEntries(shown))
  }
})

program.pipe(Effect.scoped, NodeRuntime.runMain)
