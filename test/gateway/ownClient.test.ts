/** Our own client behind a gateway of ours: what a provider must see again of its thoughts goes there and back. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Schema } from "effect"
import { LLM, Majordomo, Prompt, Tool } from "effect-majordomo"
import { FakeProvider } from "effect-majordomo/testing"
import * as UndiciHttpClient from "../../src/UndiciHttpClient.ts"
import { apiKey, overFake, providers, seenAgain, sentLast } from "./unifiedClients.ts"

const weather = Tool.make({ name: "weather", parameters: Schema.Struct({ city: Schema.String }) })

describe.each(Object.keys(providers) as ReadonlyArray<keyof typeof providers>)(
  "our own client, and %s behind",
  (name) => {
    it.scopedLive("tools over two turns, whole and streamed, from a conversation that was stored", () =>
      Effect.gen(function*() {
        const { fake, url } = yield* overFake(name)
        const layer = Majordomo.layer({ model: "any", apiKey, baseUrl: url }).pipe(
          Layer.provide(UndiciHttpClient.layer)
        )
        const question = Prompt.user("Hello")
        for (const streamed of [false, true]) {
          yield* fake.script(
            FakeProvider.toolCalls([{ name: "weather", arguments: { city: "Paris" } }], {
              reasoning: "It is about weather."
            })
          )
          const options = { prompt: [question], tools: [weather] }
          const first = yield* Effect.provide(
            streamed ? LLM.collect(LLM.streamText(options)) : LLM.generateText(options),
            layer
          )
          const [call] = first.toolCalls
          assert.strictEqual(call?.name, "weather")
          if (call === undefined) return
          const conversation = [question, first.message, Prompt.tool([Prompt.toolResult(call, "21")])]
          const stored = yield* Schema.encode(Prompt.Conversation)(conversation)
          const prompt = yield* Schema.decode(Prompt.Conversation)(JSON.parse(JSON.stringify(stored)))
          const second = yield* Effect.provide(LLM.generateText({ prompt, tools: [weather] }), layer)
          assert.include(second.text, "You said")
          const sent = yield* sentLast(fake)
          assert.include(sent, seenAgain[name], `streamed: ${streamed}, ${sent}`)
          assert.include(sent, "Paris")
          assert.include(sent, "21")
        }
      }))

    it.scopedLive("a thought before words goes back, too, unless somebody has changed the words", () =>
      Effect.gen(function*() {
        const { fake, url } = yield* overFake(name)
        const layer = Majordomo.layer({ model: "any", apiKey, baseUrl: url }).pipe(
          Layer.provide(UndiciHttpClient.layer)
        )
        for (const streamed of [false, true]) {
          yield* fake.script(FakeProvider.text("It rains.", { reasoning: "It is about weather." }))
          const options = { prompt: [Prompt.user("Hello")] }
          const first = yield* Effect.provide(
            streamed ? LLM.collect(LLM.streamText(options)) : LLM.generateText(options),
            layer
          )
          const next = (answer: Prompt.Message) =>
            Effect.zipRight(
              Effect.provide(LLM.generateText({ prompt: [...options.prompt, answer, Prompt.user("Why?")] }), layer),
              sentLast(fake)
            )
          const isKept = name === "anthropic" || name === "openai" || name === "bedrock"
          const sent = yield* next(first.message)
          assert.include(sent, "It rains.")
          if (isKept) assert.include(sent, seenAgain[name], `streamed: ${streamed}, ${sent}`)
          const content = typeof first.message.content === "string" ? [] : first.message.content
          const changed = content.map((part) => part.type === "text" ? { ...part, text: "It is dry, they say." } : part)
          const other = yield* next({ role: "assistant", content: changed })
          assert.include(other, "It is dry, they say.")
          assert.notInclude(other, "It rains.")
        }
      }))
  }
)
