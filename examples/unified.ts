/** One endpoint for all: the official clients of OpenAI and Anthropic, answered by a cascade of ours. */
import Anthropic from "@anthropic-ai/sdk"
import { NodeHttpClient, NodeRuntime } from "@effect/platform-node"
import { Console, Context, Effect, Layer, Redacted } from "effect"
import { Anthropic as Claude, Cascade, Gemini } from "effect-majordomo"
import * as Gateway from "effect-majordomo/gateway/Gateway"
import { FakeProvider } from "effect-majordomo/testing"
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
    yield* Layer.build(served.pipe(Layer.provide(NodeHttpClient.layerUndici))),
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
