/** One endpoint for all: the official clients of OpenAI and Anthropic, answered by a cascade of ours. */
import Anthropic from "@anthropic-ai/sdk"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Cascade from "effect-majordomo/Cascade"
import * as Gateway from "effect-majordomo/gateway/Gateway"
import * as Claude from "effect-majordomo/providers/Anthropic"
import * as Gemini from "effect-majordomo/providers/Gemini"
import * as FakeProvider from "effect-majordomo/testing/FakeProvider"
import * as UndiciHttpClient from "effect-majordomo/UndiciHttpClient"
import * as Console from "effect/Console"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import OpenAI from "openai"

const program = Effect.gen(function*() {
  // Stands for both providers; the first of them is overloaded.
  const fake = yield* FakeProvider.make()
  yield* fake.script(FakeProvider.status(529))
  const common = { baseUrl: fake.url, apiKey: Redacted.make("no-key-needed") }
  const cascade = Cascade.layer([
    Claude.layer({ ...common, model: "claude-sonnet-5" }),
    Gemini.layer({ ...common, model: "gemini-2.5-pro" })
  ])
  const served = Gateway.serve(cascade, { port: 0, keys: [Redacted.make("mdm_sk_demo")] })
  const { url } = Context.get(
    yield* Layer.build(served.pipe(Layer.provide(UndiciHttpClient.layer))),
    Gateway.Gateway
  )

  const openai = new OpenAI({ baseURL: `${url}/v1`, apiKey: "mdm_sk_demo" })
  const { data, response } = yield* Effect.promise(() =>
    openai.chat.completions.create({ model: "ours", messages: [{ role: "user", content: "Hello" }] }).withResponse()
  )
  yield* Console.log("openai:", data.choices[0]?.message.content, "from", response.headers.get("x-majordomo-provider"))

  const anthropic = new Anthropic({ baseURL: url, apiKey: "mdm_sk_demo" })
  const message = yield* Effect.promise(() =>
    anthropic.messages.stream({ model: "ours", max_tokens: 100, messages: [{ role: "user", content: "Hello" }] })
      .finalMessage()
  )
  yield* Console.log("anthropic:", message.content)
})

program.pipe(Effect.scoped, NodeRuntime.runMain)
