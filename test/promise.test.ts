import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Schema } from "effect"
import * as net from "node:net"
import { z } from "zod"
import { RequestLog, Retry } from "../src/index.ts"
import { ConfigurationError, createLLM, type LogEntry, ProviderError, tool } from "../src/promise.ts"
import { FakeProvider } from "../src/testing/index.ts"

const rejected = (f: () => PromiseLike<unknown>) =>
  Effect.flip(Effect.tryPromise({ try: async () => f(), catch: (error) => error }))

const setup = (...replies: ReadonlyArray<FakeProvider.Reply>) =>
  Effect.gen(function*() {
    const provider = yield* FakeProvider.make()
    yield* provider.script(...replies)
    const entries: Array<LogEntry> = []
    const llm = yield* Effect.acquireRelease(
      Effect.sync(() =>
        createLLM({
          models: ["anthropic/claude-sonnet-4-5", "openai/gpt-4.1-mini"],
          apiKeys: { anthropic: "key-1", openai: "key-2" },
          options: { baseUrl: provider.url, retry: Retry.none },
          log: (entry) => entries.push(entry)
        })
      ),
      (llm) => Effect.promise(() => llm.close())
    )
    return { provider, llm, entries }
  })

describe("createLLM", () => {
  it.scoped("asks, fails over, streams, decodes, and tells the log", () =>
    Effect.gen(function*() {
      const { entries, llm } = yield* setup(
        FakeProvider.status(503),
        FakeProvider.text("Hello."),
        FakeProvider.text("one two"),
        FakeProvider.json({ n: 1 }),
        FakeProvider.json({ at: "2026-01-02T00:00:00.000Z" })
      )
      yield* Effect.promise(async () => {
        const answer = await llm.generateText({ prompt: "Hi", metadata: { feature: "x" } })
        assert.strictEqual(answer.content, "Hello.")
        assert.deepStrictEqual(answer.attempts.map(({ error }) => error), ["Overloaded", undefined])
        assert.isAbove(answer.cost?.total ?? 0, 0)
        let text = ""
        let last: string | undefined
        for await (const part of llm.streamText({ prompt: "Count" })) {
          if (part._tag === "TextDelta") text += part.delta
          if (part._tag === "Finish") last = part.response.text
        }
        assert.deepStrictEqual([text, last], ["one two", "one two"])
        assert.strictEqual(
          (await llm.generateObject({ prompt: "n", schema: z.object({ n: z.number() }) })).content.n,
          1
        )
        const schema = Schema.Struct({ at: Schema.Date })
        assert.strictEqual((await llm.generateObject({ prompt: "at", schema })).content.at.getUTCFullYear(), 2026)
      })
      assert.deepStrictEqual(entries.map(({ outcome }) => outcome), ["success", "success", "success", "success"])
      assert.deepStrictEqual(entries[0]?.labels, { Feature: "x" })
    }))

  it.scoped("tools are async functions, whose errors the model is told", () =>
    Effect.gen(function*() {
      const call = (a: number) => FakeProvider.toolCalls([{ name: "half", arguments: { a } }])
      const { llm } = yield* setup(call(4), FakeProvider.text("2"), call(3), FakeProvider.text("odd"))
      const half = tool({
        name: "half",
        parameters: z.object({ a: z.number() }),
        execute: async ({ a }) => {
          if (a % 2 === 1) throw new Error("not even")
          return a / 2
        }
      })
      yield* Effect.promise(async () => {
        const answer = await llm.runTools({ prompt: "Half of 4", tools: [half] })
        assert.strictEqual(answer.content, "2")
        assert.lengthOf(answer.messages, 4)
        const results: Array<unknown> = []
        for await (const part of llm.streamTools({ prompt: "Half of 3", tools: [half] })) {
          if (part._tag === "ToolResult") results.push(part.part.result)
        }
        assert.deepStrictEqual(results, ["Error: not even"])
      })
    }))

  it.scoped("rejects with classes", () =>
    Effect.gen(function*() {
      const { entries, llm } = yield* setup(FakeProvider.status(503), FakeProvider.status(429, { retryAfter: 60 }))
      const error = yield* rejected(() => llm.generateText({ prompt: "Hi" }))
      assert(error instanceof ProviderError)
      assert.strictEqual(error.reason._tag, "RateLimited")
      assert.lengthOf(error.attempts, 2)
      assert.strictEqual(entries[0]?.error?._tag, "ProviderError")
      const broken = createLLM({ models: ["nobody/nothing"] })
      assert.instanceOf(yield* rejected(() => broken.generateText({ prompt: "Hi" })), ConfigurationError)
    }))

  it.scoped("a signal and a reader that leaves close the upstream", () =>
    Effect.gen(function*() {
      let asked = () => {}
      let left = () => {}
      const server = net.createServer((socket) => {
        socket.on("error", () => {})
        // `fetch` opens another connection in place of one that was aborted: only those that were asked count.
        socket.once("data", () => {
          socket.on("close", () => left())
          const chunk = `data: {"type":"response.output_text.delta","output_index":0,"item_id":"m","delta":"one"}\n\n`
          socket.write(
            `HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n${
              chunk.length.toString(16)
            }\r\n${chunk}\r\n`
          )
          asked()
        })
      })
      yield* Effect.acquireRelease(
        Effect.async<void>((resume) => {
          server.listen(0, "127.0.0.1", () => resume(Effect.void))
        }),
        () => Effect.sync(() => server.close())
      )
      const url = `http://127.0.0.1:${(server.address() as net.AddressInfo).port}`
      const llm = createLLM({ models: ["openai/gpt-4.1-mini"], apiKeys: { openai: "k" }, options: { baseUrl: url } })
      yield* Effect.promise(async () => {
        const abort = new AbortController()
        const gone = new Promise<void>((resolve) => left = resolve)
        const came = new Promise<void>((resolve) => asked = resolve)
        const answer = llm.generateText({ prompt: "Hi", signal: abort.signal }).catch((error: unknown) => error)
        await came
        abort.abort()
        assert.strictEqual(Object(await answer).name, "AbortError")
        await gone
        const closed = new Promise<void>((resolve) => left = resolve)
        for await (const part of llm.streamText({ prompt: "Hi" })) if (part._tag === "TextDelta") break
        await closed
        await llm.close()
      })
    }))

  it.scoped("logs to a sink, all of it written when it is closed", () =>
    Effect.gen(function*() {
      const provider = yield* FakeProvider.make()
      const rows: Array<string> = []
      const llm = createLLM({
        models: ["openai/gpt-4.1-mini"],
        apiKeys: { openai: "k" },
        options: { baseUrl: provider.url },
        log: Layer.succeed(RequestLog.RequestLog, {
          write: (batch) => Effect.sync(() => void rows.push(...batch.map(({ status }) => status)))
        })
      })
      yield* Effect.promise(async () => {
        await llm.generateText({ prompt: "Hi" })
        await llm.close()
      })
      assert.deepStrictEqual(rows, ["success"])
    }))
})
