import { FetchHttpClient } from "@effect/platform"
import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Chunk, Effect, Exit, Fiber, Layer, Option, Redacted, Schema, Stream } from "effect"
import {
  Anthropic,
  Bedrock,
  Cohere,
  Gemini,
  LLM,
  LLMError,
  OpenAI,
  OpenAIChat,
  OpenAICompatible,
  Retry
} from "../src/index.ts"
import { FakeProvider } from "../src/testing/index.ts"
import * as UndiciHttpClient from "../src/UndiciHttpClient.ts"

const common = { apiKey: Redacted.make("k-123456"), retry: Retry.make({ tries: 2, base: "1 millis" }) }

type Options = Partial<LLM.Settings>

const wires = [
  [
    "openai responses",
    (baseUrl: string, more: Options) => OpenAI.layer({ ...common, ...more, baseUrl, model: "gpt-4.1" })
  ],
  [
    "openai chat",
    (baseUrl: string, more: Options) => OpenAIChat.layer({ ...common, ...more, baseUrl, model: "gpt-4.1" })
  ],
  [
    "any chat host",
    (baseUrl: string, more: Options) => OpenAICompatible.layer({ ...common, ...more, baseUrl, model: "llama" })
  ],
  [
    "anthropic",
    (baseUrl: string, more: Options) => Anthropic.layer({ ...common, ...more, baseUrl, model: "claude-sonnet-4-5" })
  ],
  [
    "gemini",
    (baseUrl: string, more: Options) => Gemini.layer({ ...common, ...more, baseUrl, model: "gemini-2.5-flash" })
  ],
  [
    "cohere",
    (baseUrl: string, more: Options) => Cohere.layer({ ...common, ...more, baseUrl, model: "command-a-03-2025" })
  ],
  [
    "bedrock",
    (baseUrl: string, more: Options) =>
      Bedrock.layer({ ...common, ...more, baseUrl, region: "us-east-1", model: "us.amazon.nova-lite-v1:0" })
  ]
] as const

const modes = ["single", "stream"] as const
type Mode = (typeof modes)[number]

const ask = (mode: Mode, options: Partial<LLM.Options> = {}) => {
  const request = { prompt: "Tell me something about layers.", ...options }
  return mode === "single" ? LLM.generateText(request) : LLM.collect(LLM.streamText(request))
}

interface Row {
  readonly fault: string
  readonly replies: ReadonlyArray<FakeProvider.Reply>
  /** What the call fails with, or "answer"; by mode where they differ. */
  readonly expect: string | Readonly<Record<Mode, string>>
  /** The same for a stream of binary frames, where it differs. */
  readonly framed?: string
  /** Tries; default 2, as configured, for what is retryable. */
  readonly tries?: number | Readonly<Record<Mode, number>>
  readonly options?: Partial<LLM.Options>
  readonly settings?: Options
}

const twice = (reply: FakeProvider.Reply) => [reply, reply]
const once = (reply: FakeProvider.Reply) => [reply]

const rows: ReadonlyArray<Row> = [
  { fault: "429", replies: twice(FakeProvider.status(429, { retryAfter: 0 })), expect: "RateLimited" },
  { fault: "401", replies: once(FakeProvider.status(401)), expect: "Authentication", tries: 1 },
  { fault: "403", replies: once(FakeProvider.status(403)), expect: "PermissionDenied", tries: 1 },
  { fault: "404", replies: once(FakeProvider.status(404)), expect: "ModelNotFound", tries: 1 },
  { fault: "400", replies: once(FakeProvider.status(400)), expect: "InvalidRequestError", tries: 1 },
  { fault: "500", replies: twice(FakeProvider.status(500)), expect: "ServerError" },
  { fault: "503", replies: twice(FakeProvider.status(503)), expect: "Overloaded" },
  { fault: "529", replies: twice(FakeProvider.status(529)), expect: "Overloaded" },
  { fault: "504", replies: twice(FakeProvider.status(504)), expect: "Timeout" },
  { fault: "a proxy's HTML page", replies: twice(FakeProvider.html(502)), expect: "ServerError" },
  {
    fault: "an HTML page labelled a success",
    replies: twice(FakeProvider.html(200)),
    expect: { single: "MalformedResponse", stream: "Transport" },
    // A page is no frame, but may be lines that say nothing.
    framed: "MalformedResponse"
  },
  {
    fault: "one failure, then an answer",
    replies: [FakeProvider.status(503), FakeProvider.text("ok")],
    expect: "answer"
  },
  {
    fault: "an error inside a success, at once",
    replies: twice(FakeProvider.inBandError({ afterEvents: 0 })),
    expect: "Overloaded"
  },
  {
    fault: "an error inside a success, after content",
    replies: twice(FakeProvider.inBandError({ afterEvents: 2 })),
    expect: "Overloaded",
    tries: { single: 2, stream: 1 }
  },
  {
    fault: "a reset before the headers",
    replies: twice(FakeProvider.reset({ before: "headers" })),
    expect: "Transport"
  },
  {
    fault: "a reset after content",
    replies: twice(FakeProvider.reset({ afterEvents: 2 })),
    expect: "Transport",
    tries: { single: 2, stream: 1 }
  },
  {
    fault: "a clean end before the answer is complete",
    replies: twice(FakeProvider.cut({ afterEvents: 2 })),
    expect: { single: "MalformedResponse", stream: "Transport" },
    tries: { single: 2, stream: 1 }
  },
  {
    fault: "a clean end before any content",
    replies: twice(FakeProvider.cut({ afterEvents: 0 })),
    expect: { single: "MalformedResponse", stream: "Transport" }
  },
  {
    fault: "broken JSON",
    replies: twice(FakeProvider.badJson({ afterEvents: 1 })),
    expect: "MalformedResponse",
    tries: { single: 2, stream: 1 }
  },
  {
    fault: "the wrong label",
    replies: once(FakeProvider.wrongLabel(FakeProvider.text("ok"), "text/plain")),
    expect: "answer",
    tries: 1
  },
  {
    fault: "an error with the wrong label",
    replies: once(FakeProvider.wrongLabel(FakeProvider.status(401), "text/event-stream")),
    expect: "Authentication",
    tries: 1
  },
  {
    fault: "one byte at a time",
    replies: once(FakeProvider.slow(FakeProvider.text("ok né 🙂"), { delay: 0, bytes: 3 })),
    expect: "answer",
    tries: 1
  },
  {
    fault: "a redirect to another origin",
    replies: twice(FakeProvider.redirect("https://elsewhere.example/")),
    expect: "MalformedResponse"
  },
  {
    fault: "silence before the headers",
    replies: once(FakeProvider.stall({ before: "headers" })),
    expect: "Timeout",
    tries: 1,
    options: { timeouts: { total: "400 millis" } }
  },
  {
    fault: "more than the limit",
    replies: twice(FakeProvider.oversized(3_000_000)),
    expect: "MalformedResponse",
    settings: { maxResponseBytes: 1_000_000 }
  }
]

const tagOf = (exit: Exit.Exit<unknown, LLMError.LLMError>): string =>
  Exit.match(exit, {
    onSuccess: () => "answer",
    onFailure: (cause) => cause._tag === "Fail" ? LLMError.tagOf(cause.error) : String(cause)
  })

/** Waits, briefly, until the server has seen every connection go that is not kept for the next request. */
const settled = (fake: FakeProvider.Service, sockets: number) =>
  Effect.gen(function*() {
    for (let i = 0; i < 100 && (yield* fake.openSockets) > sockets; i++) yield* Effect.sleep("1 millis")
    return yield* fake.openSockets
  })

for (const [wire, layerOf] of wires) {
  describe(wire, () => {
    for (const mode of modes) {
      for (const row of rows) {
        it.scopedLive(`${mode}: ${row.fault}`, () =>
          Effect.gen(function*() {
            const fake = yield* FakeProvider.make()
            yield* fake.script(...row.replies)
            const layer = layerOf(fake.url, row.settings ?? {}).pipe(Layer.provide(UndiciHttpClient.layer))
            const exit = yield* Effect.exit(ask(mode, row.options)).pipe(Effect.provide(layer))
            const usual = typeof row.expect === "string" ? row.expect : row.expect[mode]
            const expected = (wire === "bedrock" ? row.framed : undefined) ?? usual
            assert.strictEqual(tagOf(exit), expected, String(exit))
            const tries = typeof row.tries === "object" ? row.tries[mode] : row.tries ?? 2
            const attempts = Exit.match(exit, {
              onSuccess: (answer) => answer.attempts,
              onFailure: (cause) => cause._tag === "Fail" ? cause.error.attempts : []
            })
            assert.lengthOf(attempts, tries)
            assert.lengthOf(yield* fake.requests, Math.max(tries, 1))
            assert.strictEqual(yield* settled(fake, 0), 0)
          }), 20_000)
      }
    }

    it.scopedLive("an interrupted call closes its connection within 100 ms, single and streamed", () =>
      Effect.gen(function*() {
        const fake = yield* FakeProvider.make()
        const layer = layerOf(fake.url, {}).pipe(Layer.provide(UndiciHttpClient.layer))
        for (
          const [mode, stall] of [
            ["single", FakeProvider.stall({ before: "headers" })],
            ["stream", FakeProvider.stall({ afterEvents: 1 })]
          ] as const
        ) {
          yield* fake.script(stall)
          const fiber = yield* Effect.fork(Effect.provide(ask(mode), layer))
          while ((yield* fake.openSockets) === 0) yield* Effect.sleep("1 millis")
          yield* Effect.sleep("20 millis")
          const before = performance.now()
          const exit = yield* Fiber.interrupt(fiber)
          assert.isTrue(Exit.isInterrupted(exit))
          while ((yield* fake.openSockets) > 0 && performance.now() - before < 1000) yield* Effect.sleep("1 millis")
          assert.isBelow(performance.now() - before, 100)
          assert.isTrue((yield* fake.requests).at(-1)?.aborted)
        }
      }))

    it.scopedLive("a stream that is left early closes its connection", () =>
      Effect.gen(function*() {
        const fake = yield* FakeProvider.make()
        yield* fake.script(FakeProvider.stall({ afterEvents: 2 }))
        const layer = layerOf(fake.url, {}).pipe(Layer.provide(UndiciHttpClient.layer))
        const context = yield* Layer.build(layer)
        const parts = yield* LLM.streamText({ prompt: "Hello" }).pipe(
          Stream.take(1),
          Stream.runCollect,
          Effect.provide(context)
        )
        assert.lengthOf(Chunk.toReadonlyArray(parts), 1)
        assert.strictEqual(yield* settled(fake, 0), 0)
      }))

    it.scopedLive("a finished stream leaves its connection for the next call", () =>
      Effect.gen(function*() {
        const fake = yield* FakeProvider.make()
        const context = yield* Layer.build(layerOf(fake.url, {}).pipe(Layer.provide(UndiciHttpClient.layer)))
        for (let i = 0; i < 10; i++) yield* ask("stream").pipe(Effect.provide(context))
        // Undici opens a second one while the first is being put back.
        assert.isAtMost(yield* fake.connections, 2)
      }))

    it.scopedLive("falls silent after content: the error says which limit, and has the text so far", () =>
      Effect.gen(function*() {
        const fake = yield* FakeProvider.make()
        yield* fake.script(FakeProvider.stall({ afterEvents: 2 }))
        const layer = layerOf(fake.url, {}).pipe(Layer.provide(UndiciHttpClient.layer))
        const error = yield* Effect.flip(ask("stream", { timeouts: { betweenTokens: "50 millis" } })).pipe(
          Effect.provide(layer)
        )
        assert.deepStrictEqual(
          error._tag === "ProviderError" && error.reason,
          new LLMError.Timeout({ phase: "betweenTokens" })
        )
        assert.isNotEmpty(error._tag === "ProviderError" ? error.partial : undefined)
        assert.strictEqual(yield* settled(fake, 0), 0)
      }))

    it.scopedLive("answers text, JSON, objects, tools and refusals, the same streamed and not", () =>
      Effect.gen(function*() {
        const fake = yield* FakeProvider.make()
        const context = yield* Layer.build(layerOf(fake.url, {}).pipe(Layer.provide(UndiciHttpClient.layer)))
        const reply = FakeProvider.text("naïve 🙂 text", { usage: { inputTokens: 12, outputTokens: 7 } })
        yield* fake.script(reply, reply)
        const [single, streamed] = yield* Effect.forEach(modes, (mode) => ask(mode)).pipe(Effect.provide(context))
        for (const field of ["text", "usage", "finishReason", "model", "toolCalls"] as const) {
          assert.deepStrictEqual(streamed?.[field], single?.[field], field)
        }
        assert.strictEqual(single?.text, "naïve 🙂 text")
        assert.deepStrictEqual(
          Option.map(streamed?.cost ?? Option.none(), (cost) => cost.total),
          Option.map(single?.cost ?? Option.none(), (cost) => cost.total)
        )

        const schema = Schema.Struct({ name: Schema.String, tags: Schema.Array(Schema.String) })
        yield* fake.script(FakeProvider.json({ name: "x", tags: ["a"] }), FakeProvider.json({ name: "x", tags: ["a"] }))
        const request = { prompt: "Object, please", schema }
        const object = yield* LLM.generateObject(request).pipe(Effect.provide(context))
        const grown = yield* LLM.collect(LLM.streamObject(request)).pipe(Effect.provide(context))
        assert.deepStrictEqual(object.content, { name: "x", tags: ["a"] })
        assert.deepStrictEqual(grown.content, object.content)

        const calls = FakeProvider.toolCalls([{ name: "f", arguments: { a: 1 } }, { name: "g", arguments: {} }])
        yield* fake.script(calls, calls)
        const tools = ["f", "g"].map((name) => ({ name, parameters: { type: "object" } }))
        for (const mode of modes) {
          const answer = yield* ask(mode, { tools }).pipe(Effect.provide(context))
          assert.deepStrictEqual(answer.toolCalls.map(({ arguments: args, name }) => [name, args]), [["f", { a: 1 }], [
            "g",
            {}
          ]])
        }

        yield* fake.script(
          FakeProvider.refusal("No."),
          FakeProvider.refusal("No."),
          FakeProvider.truncated("Once"),
          FakeProvider.truncated("")
        )
        for (const mode of modes) {
          const error = yield* Effect.flip(ask(mode)).pipe(Effect.provide(context))
          assert.strictEqual(error._tag, "ContentFilteredError")
        }
        const cut = yield* ask("single").pipe(Effect.provide(context))
        assert.strictEqual(cut.finishReason, "length")
        const empty = yield* Effect.flip(ask("stream")).pipe(Effect.provide(context))
        assert.strictEqual(empty._tag, "ResponseTruncatedError")
      }))
  })
}

describe("a refused connection", () => {
  it.scopedLive("is Transport, names the cause, and was tried as configured", () =>
    Effect.gen(function*() {
      const fake = yield* Effect.scoped(FakeProvider.make())
      const layer = OpenAIChat.layer({ ...common, baseUrl: fake.url, model: "m" }).pipe(
        Layer.provide(UndiciHttpClient.layer)
      )
      const error = yield* Effect.flip(ask("single")).pipe(Effect.provide(layer))
      assert.strictEqual(error._tag === "ProviderError" && error.reason._tag, "Transport")
      assert.include(error.message, "ECONNREFUSED")
      assert.lengthOf(error.attempts, 2)
    }))
})

describe("the fetch and node clients", () => {
  for (const [name, client] of [["fetch", FetchHttpClient.layer], ["node", NodeHttpClient.layer]] as const) {
    it.scopedLive(`${name}: answers, streams, fails and times out as with undici`, () =>
      Effect.gen(function*() {
        const fake = yield* FakeProvider.make()
        yield* fake.script(
          FakeProvider.text("one"),
          FakeProvider.text("two"),
          FakeProvider.status(401),
          FakeProvider.reset({ afterEvents: 1 }),
          FakeProvider.stall({ afterEvents: 1 }),
          FakeProvider.redirect("https://elsewhere.example/")
        )
        const layer = OpenAIChat.layer({ ...common, retry: Retry.none, baseUrl: fake.url, model: "m" }).pipe(
          Layer.provide(client)
        )
        const context = yield* Layer.build(layer)
        const run = (mode: Mode, options?: Partial<LLM.Options>) =>
          Effect.exit(ask(mode, options)).pipe(Effect.map(tagOf), Effect.provide(context))
        assert.deepStrictEqual(
          [
            yield* run("single"),
            yield* run("stream"),
            yield* run("single"),
            yield* run("stream"),
            yield* run("stream", { timeouts: { betweenTokens: "50 millis" } }),
            yield* run("single")
          ],
          ["answer", "answer", "Authentication", "Transport", "Timeout", "MalformedResponse"]
        )
      }))
  }
})
