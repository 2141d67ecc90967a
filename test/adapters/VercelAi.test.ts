import { APICallError } from "@ai-sdk/provider"
import { assert, describe, it } from "@effect/vitest"
import { generateText, isStepCount, NoObjectGeneratedError, Output, streamText, tool, ToolLoopAgent } from "ai"
import { Effect, Layer, Redacted } from "effect"
import * as net from "node:net"
import { z } from "zod"
import * as VercelAi from "../../src/adapters/VercelAi.ts"
import { Cascade, LLM, OpenAIChat } from "../../src/index.ts"
import { FakeProvider } from "../../src/testing/index.ts"
import * as UndiciHttpClient from "../../src/UndiciHttpClient.ts"
import { bodies, fake, layers } from "./fake.ts"

const model = (source: VercelAi.Source) =>
  Effect.acquireRelease(Effect.sync(() => VercelAi.model(source)), (model) => Effect.promise(() => model.close()))

const rejected = (f: () => PromiseLike<unknown>) =>
  Effect.flip(Effect.tryPromise({ try: async () => f(), catch: (error) => error }))

const weather = tool({
  description: "The weather in a city",
  inputSchema: z.object({ city: z.string() }),
  execute: async ({ city }) => ({ city, celsius: 21 })
})
const calls = FakeProvider.toolCalls([{ name: "weather", arguments: { city: "Rome" } }], { reasoning: "Look it up." })

describe("VercelAi.model", () => {
  it.scoped("answers, with what it cost and how it came about", () =>
    Effect.gen(function*() {
      const provider = yield* fake(FakeProvider.text("Because.", {
        usage: { inputTokens: 100, cachedInputTokens: 20, cacheCreationTokens: 10, outputTokens: 5, reasoningTokens: 0 }
      }))
      const llm = yield* model(provider.layers.anthropic)
      const answer = yield* Effect.promise(() =>
        generateText({ model: llm, system: "Short.", prompt: "Why?", temperature: 0.5, maxOutputTokens: 50, topK: 5 })
      )
      assert.strictEqual(answer.text, "Because.")
      assert.strictEqual(answer.finishReason, "stop")
      assert.strictEqual(answer.usage.inputTokens, 100)
      assert.deepStrictEqual(answer.usage.inputTokenDetails, {
        noCacheTokens: 70,
        cacheReadTokens: 20,
        cacheWriteTokens: 10
      })
      const facts = answer.providerMetadata?.["majordomo"]
      assert.match(String(facts?.["requestId"]), /^[0-9a-f-]{36}$/)
      assert.isAbove(Number(Object(facts?.["cost"]).total), 0)
      assert.deepStrictEqual(Object(facts?.["attempts"])[0].provider, "anthropic")
      const [body] = yield* bodies(provider)
      assert.strictEqual(body?.["temperature"], 0.5)
      assert.strictEqual(body?.["max_tokens"], 50)
      assert.strictEqual(body?.["top_k"], 5)
    }))

  it.scoped("streams", () =>
    Effect.gen(function*() {
      const provider = yield* fake(FakeProvider.text("one two three", { reasoning: "hmm" }))
      const llm = yield* model(provider.layers.anthropic)
      const [text, reasoning, metadata, usage] = yield* Effect.promise(async () => {
        const result = streamText({ model: llm, prompt: "Count" })
        const pieces: Array<string> = []
        for await (const piece of result.textStream) pieces.push(piece)
        return [pieces, await result.reasoningText, await result.providerMetadata, await result.usage] as const
      })
      assert.isAbove(text.length, 1)
      assert.strictEqual(text.join(""), "one two three")
      assert.strictEqual(reasoning, "hmm")
      assert.isDefined(metadata?.["majordomo"]?.["cost"])
      assert.isAbove(usage.outputTokens ?? 0, 0)
    }))

  for (const wire of ["anthropic", "openai", "gemini"] as const) {
    it.scoped(`${wire}: tools over two steps, with the reasoning's signature in the second, whole and streamed`, () =>
      Effect.gen(function*() {
        const provider = yield* fake(calls, FakeProvider.text("21 °C."), calls, FakeProvider.text("21 °C."))
        const llm = yield* model(provider.layers[wire])
        const options = { model: llm, prompt: "Weather in Rome?", tools: { weather }, stopWhen: isStepCount(3) }
        const whole = yield* Effect.promise(() => generateText(options))
        assert.strictEqual(whole.text, "21 °C.")
        assert.lengthOf(whole.steps, 2)
        const streamed = yield* Effect.promise(async () => {
          const result = streamText(options)
          return { text: await result.text, steps: await result.steps }
        })
        assert.strictEqual(streamed.text, "21 °C.")
        assert.lengthOf(streamed.steps, 2)
        const sent = yield* bodies(provider)
        assert.lengthOf(sent, 4)
        for (const body of [sent[1], sent[3]]) {
          const text = JSON.stringify(body)
          assert.match(text, /signature|encrypted_content/i, "the signature goes back")
          assert.include(text, "celsius")
        }
      }))
  }

  it.scoped("a cascade fails over inside one call, and `ai` adds no tries of its own", () =>
    Effect.gen(function*() {
      const provider = yield* fake(
        FakeProvider.status(503),
        FakeProvider.text("ok"),
        FakeProvider.status(503),
        FakeProvider.status(429, { retryAfter: 7 })
      )
      const { anthropic, openai } = provider.layers
      const llm = yield* model(Cascade.layer([anthropic, openai]))
      const answer = yield* Effect.promise(() => generateText({ model: llm, prompt: "Hi" }))
      assert.strictEqual(answer.text, "ok")
      assert.deepStrictEqual(
        Object(answer.providerMetadata?.["majordomo"]?.["attempts"]).map((
          { error, provider }: Record<string, string>
        ) => [provider, error]),
        [["anthropic", "Overloaded"], ["openai", undefined]]
      )
      const error = yield* rejected(() => generateText({ model: llm, prompt: "Hi", maxRetries: 4 }))
      assert(APICallError.isInstance(error))
      assert.isFalse(error.isRetryable)
      assert.strictEqual(error.statusCode, 429)
      assert.strictEqual(error.responseHeaders?.["retry-after"], "7")
      assert.lengthOf(yield* provider.requests, 4)
    }))

  it.scoped("objects: whole, growing, and not what was asked for", () =>
    Effect.gen(function*() {
      const person = { name: "Ada \"the first\" 🙂", tags: ["a", "b"], address: { city: "London", zip: 7 } }
      const fenced = FakeProvider.text("```json\n" + JSON.stringify({ ...person, note: null }) + "\n```")
      const provider = yield* fake(
        fenced,
        FakeProvider.slow(fenced, { bytes: 400 }),
        FakeProvider.text("no idea"),
        FakeProvider.text("no idea")
      )
      const llm = yield* model(provider.layers.openai)
      const schema = z.object({
        name: z.string(),
        tags: z.array(z.string()),
        address: z.object({ city: z.string(), zip: z.number() }),
        note: z.string().optional()
      })
      const options = { model: llm, prompt: "Who?", output: Output.object({ schema }) }
      const whole = yield* Effect.promise(() => generateText(options))
      assert.deepStrictEqual(whole.output, person)
      const streamed = yield* Effect.promise(async () => {
        const result = streamText(options)
        const partials: Array<unknown> = []
        for await (const partial of result.partialOutputStream) partials.push(partial)
        return { partials, output: await result.output, text: await result.text }
      })
      assert.deepStrictEqual(streamed.output, person)
      assert.strictEqual(streamed.text, JSON.stringify(person))
      assert.isAbove(streamed.partials.length, 3)
      const error = yield* rejected(() => generateText(options))
      assert(NoObjectGeneratedError.isInstance(error))
      assert.strictEqual(error.text, "no idea")
      const late = yield* rejected(async () => {
        const result = streamText({ ...options, onError: () => {} })
        for await (const _ of result.textStream) { /* read */ }
        return await result.output
      })
      assert(NoObjectGeneratedError.isInstance(late))
    }))

  it.scoped("an object after tools: a step that calls tools need not be one", () =>
    Effect.gen(function*() {
      const first = FakeProvider.toolCalls([{ name: "weather", arguments: { city: "Rome" } }], {
        text: "Let me look [1]."
      })
      const last = FakeProvider.json({ warm: true })
      const provider = yield* fake(first, last, first, last)
      const llm = yield* model(provider.layers.anthropic)
      const options = {
        model: llm,
        prompt: "Is Rome warm?",
        tools: { weather },
        stopWhen: isStepCount(3),
        output: Output.object({ schema: z.object({ warm: z.boolean() }) })
      }
      assert.deepStrictEqual((yield* Effect.promise(() => generateText(options))).output, { warm: true })
      const streamed = yield* Effect.promise(async () => {
        const result = streamText(options)
        return { output: await result.output, steps: await result.steps }
      })
      assert.deepStrictEqual(streamed.output, { warm: true })
      assert.strictEqual(streamed.steps[0]?.text, "Let me look [1].")
    }))

  it.scoped("cut off and withheld are finish reasons", () =>
    Effect.gen(function*() {
      const provider = yield* fake(
        FakeProvider.truncated("half an ans"),
        FakeProvider.refusal("I cannot."),
        FakeProvider.truncated("half an ans"),
        FakeProvider.refusal("I cannot.")
      )
      const llm = yield* model(provider.layers.openai)
      const ask = { model: llm, prompt: "Hi" }
      assert.deepInclude(yield* Effect.promise(() => generateText(ask)), {
        finishReason: "length",
        text: "half an ans"
      })
      const refused = yield* Effect.promise(() => generateText(ask))
      assert.strictEqual(refused.finishReason, "content-filter")
      assert.strictEqual(refused.text, "I cannot.")
      for (const [reason, text] of [["length", "half an ans"], ["content-filter", "I cannot."]]) {
        const streamed = yield* Effect.promise(async () => {
          const result = streamText(ask)
          return [await result.finishReason, await result.text]
        })
        assert.deepStrictEqual(streamed, [reason, text])
      }
    }))

  it.scoped("files, pictures and tool results with pictures reach the provider", () =>
    Effect.gen(function*() {
      const provider = yield* fake(
        FakeProvider.toolCalls([{ name: "look", arguments: {} }]),
        FakeProvider.text("A dot.")
      )
      const llm = yield* model(provider.layers.anthropic)
      const png = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="
      const look = tool({
        inputSchema: z.object({}),
        execute: async () => png,
        toModelOutput: ({ output }) => ({
          type: "content",
          value: [{ type: "text", text: "seen" }, {
            type: "file",
            mediaType: "image/png",
            data: { type: "data", data: output }
          }]
        })
      })
      const answer = yield* Effect.promise(() =>
        generateText({
          model: llm,
          tools: { look },
          stopWhen: isStepCount(2),
          messages: [{
            role: "user",
            content: [
              { type: "text", text: "What?", providerOptions: { anthropic: { cacheControl: { type: "ephemeral" } } } },
              { type: "image", image: png },
              {
                type: "file",
                data: new TextEncoder().encode("%PDF-1.4"),
                mediaType: "application/pdf",
                filename: "a.pdf"
              }
            ]
          }]
        })
      )
      assert.strictEqual(answer.text, "A dot.")
      const [first, second] = yield* bodies(provider)
      const [user] = Object(first).messages
      assert.deepStrictEqual(user.content.map(({ type }: { type: string }) => type), ["text", "image", "document"])
      assert.deepStrictEqual(user.content[0].cache_control, { type: "ephemeral" })
      const result = Object(second).messages.at(-1).content[0]
      assert.deepStrictEqual(result.content.map(({ type }: { type: string }) => type), ["text", "image"])
    }))

  it.scoped("options under our name; others and what has no place are warnings", () =>
    Effect.gen(function*() {
      const provider = yield* fake(FakeProvider.text("ok"))
      const llm = yield* model(provider.layers.anthropic)
      const answer = yield* Effect.promise(() =>
        generateText({
          model: llm,
          prompt: "Hi",
          reasoning: "low",
          headers: { "x-mine": "1" },
          providerOptions: {
            majordomo: {
              body: { metadata: { user_id: "u" } },
              timeouts: { total: "10 seconds" },
              metadata: { feature: "x" }
            },
            openai: { store: true }
          }
        })
      )
      assert.deepStrictEqual(
        answer.warnings?.filter(({ type }) => type === "unsupported").map((w) => Object(w).feature),
        [
          "providerOptions.openai"
        ]
      )
      const [request] = yield* provider.requests
      assert.strictEqual(request?.headers["x-mine"], "1")
      assert.deepStrictEqual(Object(request?.body).metadata, { user_id: "u" })
      const error = yield* rejected(() =>
        generateText({ model: llm, prompt: "Hi", providerOptions: { majordomo: { wibble: 1 } } })
      )
      assert(APICallError.isInstance(error))
      assert.match(error.message, /wibble/)
    }))

  it.scoped("labels that hold where the model is made reach the call", () =>
    Effect.gen(function*() {
      const labels: Array<unknown> = []
      const provider = yield* fake(FakeProvider.text("ok"))
      const watched = LLM.onEnd((end) => Effect.sync(() => labels.push(end.labels))).pipe(
        Layer.provide(provider.layers.chat)
      )
      yield* Effect.flatMap(VercelAi.make(), (model) => Effect.promise(() => generateText({ model, prompt: "Hi" })))
        .pipe(
          LLM.withMetadata({ userId: "42" }),
          Effect.provide(watched)
        )
      assert.deepStrictEqual(labels, [{ "User-Id": "42" }])
    }))

  it.scoped("an agent, the page's stream, a provider object", () =>
    Effect.gen(function*() {
      const provider = yield* fake(calls, FakeProvider.text("Mild."), FakeProvider.text("Hello there."))
      const majordomo = VercelAi.provider({ fast: provider.layers.openai })
      const agent = new ToolLoopAgent({ model: majordomo("fast"), tools: { weather } })
      const answer = yield* Effect.promise(() => agent.generate({ prompt: "Weather?" }))
      assert.strictEqual(answer.text, "Mild.")
      const page = yield* Effect.promise(() =>
        streamText({ model: majordomo("fast"), prompt: "Hi" }).toUIMessageStreamResponse().text()
      )
      assert.include(page, "\"type\":\"text-delta\"")
      assert.throws(() => majordomo("slow"), /slow/)
      yield* Effect.promise(() => majordomo.close())
    }))

  it.scoped("a broken stream is an error part, without what the provider's body held", () =>
    Effect.gen(function*() {
      const provider = yield* fake(
        FakeProvider.reset({ afterEvents: 2, reply: FakeProvider.text("one two three four") })
      )
      const llm = yield* model(provider.layers.chat)
      const parts = yield* Effect.promise(async () => {
        const parts: Array<{ type: string; error?: unknown }> = []
        for await (const part of streamText({ model: llm, prompt: "Count", onError: () => {} }).fullStream) {
          parts.push(part)
        }
        return parts
      })
      const error = parts.find(({ type }) => type === "error")?.error
      assert(APICallError.isInstance(error))
      assert.match(error.message, /Transport/)
      assert.isTrue(parts.some(({ type }) => type === "text-delta"))
    }))

  it.scoped("no key is in an error", () =>
    Effect.gen(function*() {
      const secret = "sk-test-0123456789abcdef0123456789abcdef"
      const provider = yield* fake(
        FakeProvider.status(401, { body: `{"error":{"message":"Incorrect API key provided: ${secret}"}}` })
      )
      const llm = yield* model(provider.layers.chat)
      const error = yield* rejected(() => generateText({ model: llm, prompt: "Hi" }))
      assert(APICallError.isInstance(error))
      assert.notInclude(JSON.stringify([error, error.message, error.stack, error.data, error.cause]), secret)
    }))

  it.scoped("a missing key is the first call's error", () =>
    Effect.gen(function*() {
      const llm = yield* model(
        OpenAIChat.layer({ model: "gpt-4.1-mini", apiKey: Redacted.make("") }).pipe(
          Layer.provide(UndiciHttpClient.layer)
        )
      )
      const error = yield* rejected(() => generateText({ model: llm, prompt: "Hi" }))
      assert(APICallError.isInstance(error))
      assert.isFalse(error.isRetryable)
    }))
})

/** A server that starts to answer and then waits; tells when its client has gone. */
const waiting = (streamed: boolean) =>
  Effect.acquireRelease(
    Effect.promise(() =>
      new Promise<{ url: string; gone: Promise<void>; asked: Promise<void>; close: () => void }>((resolve) => {
        let left = () => {}
        let came = () => {}
        const gone = new Promise<void>((done) => left = done)
        const asked = new Promise<void>((done) => came = done)
        const server = net.createServer((socket) => {
          socket.on("error", () => {})
          socket.on("close", () => left())
          socket.once("data", () => {
            if (streamed) {
              const chunk = `data: {"id":"1","model":"m","choices":[{"index":0,"delta":{"content":"one"}}]}\n\n`
              socket.write(
                `HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n` +
                  `${chunk.length.toString(16)}\r\n${chunk}\r\n`
              )
            }
            came()
          })
        })
        server.listen(0, "127.0.0.1", () => {
          const { port } = server.address() as net.AddressInfo
          resolve({ url: `http://127.0.0.1:${port}`, gone, asked, close: () => server.close() })
        })
      })
    ),
    (server) => Effect.sync(server.close)
  )

describe("an abort", () => {
  it.scoped("closes the upstream of an answer that is awaited", () =>
    Effect.gen(function*() {
      const server = yield* waiting(false)
      const llm = yield* model(layers(server.url).chat)
      const abort = new AbortController()
      const error = yield* rejected(async () => {
        const answer = generateText({ model: llm, prompt: "Hi", abortSignal: abort.signal })
        void server.asked.then(() => abort.abort())
        return await answer
      })
      assert.strictEqual(Object(error).name, "AbortError")
      yield* Effect.promise(() => server.gone)
    }))

  for (const how of ["abort", "cancel"] as const) {
    it.scoped(`closes the upstream of a stream, by ${how}, also while nobody reads`, () =>
      Effect.gen(function*() {
        const server = yield* waiting(true)
        const llm = yield* model(layers(server.url).chat)
        const abort = new AbortController()
        const { stream } = yield* Effect.promise(async () =>
          llm.doStream({
            prompt: [{ role: "user", content: [{ type: "text", text: "Hi" }] }],
            ...(how === "abort" ? { abortSignal: abort.signal } : {})
          })
        )
        if (how === "abort") abort.abort()
        else yield* Effect.promise(() => stream.cancel())
        yield* Effect.promise(() => server.gone)
      }))
  }
})
