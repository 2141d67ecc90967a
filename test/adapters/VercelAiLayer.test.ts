import { createAnthropic } from "@ai-sdk/anthropic"
import { createOpenAI } from "@ai-sdk/openai"
import { assert, describe, it } from "@effect/vitest"
import { Chunk, Deferred, Duration, Effect, Fiber, Option, Schema, Stream } from "effect"
import * as http from "node:http"
import type { AddressInfo } from "node:net"
import * as VercelAi from "../../src/adapters/VercelAi.ts"
import { Cascade, LLM, Prompt, Retry, Tool } from "../../src/index.ts"
import { FakeProvider } from "../../src/testing/index.ts"
import { bodies, fake } from "./fake.ts"

const secret = "sk-test-0123456789abcdef0123456789abcdef"
const models = (url: string) => ({
  anthropic: VercelAi.layer(createAnthropic({ baseURL: `${url}/v1`, apiKey: secret })("claude-sonnet-4-5"), {
    retry: Retry.none
  }),
  openai: VercelAi.layer(createOpenAI({ baseURL: `${url}/v1`, apiKey: secret })("gpt-5-mini"), { retry: Retry.none })
})
const usage = { inputTokens: 100, cachedInputTokens: 20, outputTokens: 5 }

const add = Tool.make({
  name: "add",
  parameters: Schema.Struct({ a: Schema.Number, b: Schema.Number }),
  handler: ({ a, b }) => Effect.succeed(a + b)
})

describe("VercelAi.layer", () => {
  for (const name of ["anthropic", "openai"] as const) {
    it.scoped(`${name}: text and objects, whole and streamed, priced`, () =>
      Effect.gen(function*() {
        const object = FakeProvider.json({ n: 1 }, { usage })
        const text = FakeProvider.text("one two", { usage })
        const provider = yield* fake(text, text, object, object)
        const program = Effect.gen(function*() {
          const answer = yield* LLM.generateText({ prompt: "Hi", system: "Short.", temperature: 0.5, maxTokens: 99 })
          assert.strictEqual(answer.text, "one two")
          assert.strictEqual(answer.provider, name)
          assert.strictEqual(answer.usage.inputTokens, 100)
          assert.strictEqual(answer.usage.cachedInputTokens, 20)
          assert.isAbove(Option.getOrThrow(answer.cost).total, 0)
          const parts = Chunk.toReadonlyArray(yield* Stream.runCollect(LLM.streamText({ prompt: "Hi" })))
          const last = parts.at(-1)
          assert(last?._tag === "Finish")
          assert.strictEqual(last.response.text, "one two")
          assert.deepStrictEqual(last.response.usage, answer.usage)
          assert.deepStrictEqual(
            parts.flatMap((part) => part._tag === "BlockEnd" ? [part.part] : []),
            last.response.message.content as never
          )
          const schema = Schema.Struct({ n: Schema.Int, note: Schema.optional(Schema.String) })
          assert.deepStrictEqual((yield* LLM.generateObject({ prompt: "n", schema })).content, { n: 1 })
          const objects = yield* Stream.runLast(LLM.streamObject({ prompt: "n", schema }))
          const end = Option.getOrThrow(objects)
          assert(end._tag === "Finish")
          assert.deepStrictEqual(end.response.content, { n: 1 })
        })
        yield* Effect.provide(program, models(provider.url)[name])
      }))

    it.scoped(`${name}: tools, with the reasoning's signature in the second step`, () =>
      Effect.gen(function*() {
        const call = FakeProvider.toolCalls([{ name: "add", arguments: { a: 2, b: 3 } }], { reasoning: "Sum." })
        const provider = yield* fake(call, FakeProvider.text("5"), call, FakeProvider.text("5"))
        const program = Effect.gen(function*() {
          const whole = yield* LLM.runTools({ prompt: "2 + 3", tools: [add] })
          assert.strictEqual(whole.content, "5")
          const last = Option.getOrThrow(yield* Stream.runLast(LLM.streamTools({ prompt: "2 + 3", tools: [add] })))
          assert(last._tag === "Finish")
          assert.lengthOf(last.response.steps, 2)
        })
        yield* Effect.provide(program, models(provider.url)[name])
        const sent = yield* bodies(provider)
        assert.lengthOf(sent, 4)
        // `ai` refers to what OpenAI keeps by its id.
        for (const body of [sent[1], sent[3]]) {
          assert.match(JSON.stringify(body), /fake-signature|encrypted|item_reference|"reasoning"/)
        }
      }))
  }

  it.scoped("errors are typed, with the wait that was asked for, and no key", () =>
    Effect.gen(function*() {
      const provider = yield* fake(
        FakeProvider.status(429, { retryAfter: 7 }),
        FakeProvider.status(401, { body: JSON.stringify({ error: { message: `bad key ${secret}` } }) }),
        FakeProvider.inBandError({ afterEvents: 1, reply: FakeProvider.text("one two three") }),
        FakeProvider.reset({ afterEvents: 1, reply: FakeProvider.text("one two three") }),
        FakeProvider.truncated(""),
        FakeProvider.refusal("No.")
      )
      const program = Effect.gen(function*() {
        const limited = yield* Effect.flip(LLM.generateText({ prompt: "Hi" }))
        assert(limited._tag === "ProviderError" && limited.reason._tag === "RateLimited")
        assert.strictEqual(Duration.toSeconds(limited.retryAfter ?? 0), 7)
        const denied = yield* Effect.flip(LLM.generateText({ prompt: "Hi" }))
        assert(denied._tag === "ProviderError" && denied.reason._tag === "Authentication")
        assert.notInclude(JSON.stringify([denied, denied.message, denied.stack]), secret)
        for (const reason of ["Overloaded", "Transport"]) {
          const broken = yield* Effect.flip(Stream.runDrain(LLM.streamText({ prompt: "Hi" })))
          assert(broken._tag === "ProviderError")
          assert.strictEqual(broken.reason._tag, reason)
        }
        assert.strictEqual((yield* Effect.flip(LLM.generateText({ prompt: "Hi" })))._tag, "ResponseTruncatedError")
        assert.strictEqual((yield* Effect.flip(LLM.generateText({ prompt: "Hi" })))._tag, "ContentFilteredError")
      })
      yield* Effect.provide(program, models(provider.url).anthropic)
    }))

  it.scoped("is a member of a cascade, and says what it leaves out", () =>
    Effect.gen(function*() {
      const provider = yield* fake(FakeProvider.status(503), FakeProvider.text("ok"))
      const { anthropic, openai } = models(provider.url)
      const answer = yield* LLM.generateText({
        prompt: [Prompt.user([Prompt.text("What?"), Prompt.image(new Uint8Array([0x89, 0x50, 0x4e, 0x47]))])],
        webSearch: true
      }).pipe(Effect.provide(Cascade.layer([anthropic, openai])))
      assert.strictEqual(answer.text, "ok")
      assert.deepStrictEqual(answer.attempts.map(({ error, provider }) => [provider, error]), [
        ["anthropic", "Overloaded"],
        ["openai", undefined]
      ])
      assert.isTrue(
        answer.warnings.some(({ code, message }) => code === "dropped-parameter" && message.includes("webSearch"))
      )
    }))

  for (const streamed of [false, true]) {
    it.scoped(`an interruption closes the upstream, streamed: ${streamed}`, () =>
      Effect.gen(function*() {
        const asked = yield* Deferred.make<void>()
        const gone = yield* Deferred.make<void>()
        const server = http.createServer((request, response) => {
          response.on("close", () => Deferred.unsafeDone(gone, Effect.void))
          request.resume()
          if (streamed) {
            response.writeHead(200, { "content-type": "text/event-stream" })
            response.write(
              `event: message_start\ndata: {"type":"message_start","message":{"id":"m","model":"m","usage":{"input_tokens":1,"output_tokens":1},"content":[]}}\n\n`
            )
          }
          Deferred.unsafeDone(asked, Effect.void)
        })
        yield* Effect.acquireRelease(
          Effect.async<void>((resume) => {
            server.listen(0, "127.0.0.1", () => resume(Effect.void))
          }),
          () => Effect.sync(() => server.close())
        )
        const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
        const call = streamed ? Stream.runDrain(LLM.streamText({ prompt: "Hi" })) : LLM.generateText({ prompt: "Hi" })
        const fiber = yield* Effect.fork(Effect.provide(call, models(url).anthropic))
        yield* Deferred.await(asked)
        yield* Fiber.interrupt(fiber)
        yield* Deferred.await(gone)
      }))
  }
})
