import { assert, describe, it } from "@effect/vitest"
import {
  Chunk,
  ConfigProvider,
  Duration,
  Effect,
  Exit,
  Fiber,
  Layer,
  Option,
  Redacted,
  Schema,
  Stream,
  TestClock
} from "effect"
import { LLM, LLMError, Metadata, OpenAIChat, Output, Pricing, Retry } from "../src/index.ts"
import { chatAnswer, chatChunk, controlled, jsonResponse, type Stub, stub } from "./stub.ts"

const options = { model: "gpt-4.1-mini", apiKey: Redacted.make("sk-test-canary-0123456789") }

const live = (http: Stub, more: Partial<OpenAIChat.Options> = {}) =>
  OpenAIChat.layer({ ...options, ...more }).pipe(Layer.provide(http.layer))

const rateLimited = (headers: Record<string, string> = {}) => () =>
  jsonResponse({ error: { message: "slow down", type: "rate_limit_error" } }, { status: 429, headers })

const emptyConfig = ConfigProvider.fromMap(new Map())

const ask = LLM.generateText({ prompt: "Hello" })

/** Runs a program whose waits are all on the test's clock. */
const onTestClock = <A, E, R>(
  program: Effect.Effect<A, E, R>,
  step: Duration.DurationInput = "100 millis",
  steps = 2000
) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.fork(program)
    for (let i = 0; i < steps && fiber.unsafePoll() === null; i++) {
      // A few turns of the event loop, for what is not on the clock: promises of the body.
      yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      yield* TestClock.adjust(step)
    }
    return yield* Fiber.join(fiber)
  })

describe("generate", () => {
  it.effect("gives the answer with usage, cost, ids and the try", () =>
    Effect.gen(function*() {
      const http = stub(() => jsonResponse(chatAnswer("Hi"), { headers: { "x-request-id": "req-1" } }))
      const answer = yield* ask.pipe(Effect.provide(live(http)))
      assert.strictEqual(answer.content, "Hi")
      assert.strictEqual(answer.text, "Hi")
      assert.deepStrictEqual(answer.usage, {
        inputTokens: 10,
        outputTokens: 5,
        cachedInputTokens: 0,
        cacheCreationTokens: 0,
        reasoningTokens: 0,
        totalTokens: 15
      })
      // $0.40 and $1.60 per million tokens.
      assert.strictEqual(Option.getOrThrow(answer.cost).total, 0.000012)
      assert.strictEqual(answer.provider, "openai")
      assert.deepStrictEqual(answer.id, Option.some("chatcmpl-1"))
      assert.match(answer.requestId, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
      assert.deepStrictEqual(answer.attempts.map(({ duration: _, ...attempt }) => attempt), [
        { provider: "openai", model: "gpt-4.1-mini", status: 200, requestId: "req-1" }
      ])
      assert.deepStrictEqual(answer.message, { role: "assistant", content: [{ type: "text", text: "Hi" }] })
      assert.deepStrictEqual(answer.warnings, [])
      assert.deepStrictEqual(http.sent.map(({ body, url }) => ({ body, url })), [{
        url: "https://api.openai.com/v1/chat/completions",
        body: { model: "gpt-4.1-mini", messages: [{ role: "user", content: "Hello" }] }
      }])
    }))

  it.effect("sends only what is given, and providerOptions last and deeply", () =>
    Effect.gen(function*() {
      const http = stub(() => jsonResponse(chatAnswer("Hi")))
      yield* LLM.generateText({
        prompt: "Hello",
        system: "Be brief",
        temperature: 0,
        topP: 0.5,
        maxTokens: 7,
        stop: ["END"],
        seed: 3,
        providerOptions: { temperature: 1, metadata: { a: 1 } }
      }).pipe(Effect.provide(live(http)))
      assert.deepStrictEqual(http.sent[0]?.body, {
        model: "gpt-4.1-mini",
        messages: [{ role: "system", content: "Be brief" }, { role: "user", content: "Hello" }],
        temperature: 1,
        top_p: 0.5,
        max_completion_tokens: 7,
        stop: ["END"],
        seed: 3,
        metadata: { a: 1 }
      })
    }))

  it.effect("drops sampling for models that reject it, with a warning", () =>
    Effect.gen(function*() {
      const http = stub(() => jsonResponse(chatAnswer("Hi")))
      const answer = yield* LLM.generateText({ prompt: "Hello", temperature: 0.2 }).pipe(
        Effect.provide(live(http, { model: "gpt-5" }))
      )
      assert.deepStrictEqual(answer.warnings.map(({ code }) => code), ["dropped-parameter"])
      assert.notProperty(http.sent[0]?.body, "temperature")
    }))

  it.effect("warns of an unknown price and of missing usage, and makes up no cost", () =>
    Effect.gen(function*() {
      const http = stub(
        () => jsonResponse(chatAnswer("Hi", { model: "nobody-knows-1" })),
        () => jsonResponse(chatAnswer("Hi", { usage: null }))
      )
      const layer = live(http)
      const unpriced = yield* ask.pipe(Effect.provide(layer))
      assert.deepStrictEqual(unpriced.cost, Option.none())
      assert.deepStrictEqual(unpriced.warnings.map(({ code }) => code), ["unknown-price"])
      const uncounted = yield* ask.pipe(Effect.provide(layer))
      assert.deepStrictEqual(uncounted.cost, Option.none())
      assert.deepStrictEqual(uncounted.warnings.map(({ code }) => code), ["usage-missing"])
    }))

  it.effect("prices with the user's own figures over the list", () =>
    Effect.gen(function*() {
      const http = stub(() => jsonResponse(chatAnswer("Hi", { model: "gpt-4.1-mini-2025-04-14" })))
      const answer = yield* ask.pipe(
        Effect.provide(live(http)),
        Effect.provide(Pricing.layer({ overrides: { "openai/gpt-4.1-mini": { input: 1, output: 2 } } }))
      )
      const cost = Option.getOrThrow(answer.cost)
      assert.strictEqual(cost.total, 0.00002)
      assert.strictEqual(cost.source, "override")
    }))
})

describe("headers", () => {
  it.effect("default < withHeaders < extra, without regard to case, on every method", () =>
    Effect.gen(function*() {
      const http = stub(() => jsonResponse(chatAnswer("{\"a\":1}")))
      const layer = live(http, { defaultHeaders: { "X-A": "default", "X-B": "default", "X-C": "default" } })
      yield* LLM.generateJson({ prompt: "Hello", extraHeaders: { "x-c": "extra" } }).pipe(
        LLM.withHeaders({ "x-B": "inner", "X-c": "inner" }),
        LLM.withHeaders({ "x-b": "outer", "x-d": "outer" }),
        Effect.provide(layer)
      )
      const { authorization, "x-a": a, "x-b": b, "x-c": c, "x-d": d } = http.sent[0]?.headers ?? {}
      assert.deepStrictEqual([a, b, c, d], ["default", "inner", "extra", "outer"])
      assert.strictEqual(authorization, "Bearer sk-test-canary-0123456789")
    }))

  it.effect("scopes over streams too", () =>
    Effect.gen(function*() {
      const http = stub(() => jsonResponse(chatAnswer("Hi")))
      yield* LLM.streamText({ prompt: "Hello" }).pipe(
        LLM.withHeaders({ "x-trace": "1" }),
        LLM.collect,
        Effect.provide(live(http))
      )
      assert.strictEqual(http.sent[0]?.headers["x-trace"], "1")
      assert.strictEqual(http.sent[0]?.headers["accept"], "text/event-stream")
    }))

  it.effect("names the provider to a gateway, unless the caller did", () =>
    Effect.gen(function*() {
      const http = stub(() => jsonResponse(chatAnswer("Hi")))
      const layer = live(http, { baseUrl: "https://gw.example", defaultHeaders: { "X-Majordomo-Key": "mdm-key-1" } })
      yield* ask.pipe(Effect.provide(layer))
      yield* LLM.generateText({ prompt: "Hello", extraHeaders: { "x-majordomo-provider": "mine" } }).pipe(
        Effect.provide(layer)
      )
      assert.deepStrictEqual(http.sent.map(({ headers }) => headers["x-majordomo-provider"]), ["openai", "mine"])
      assert.strictEqual(http.sent[0]?.url, "https://gw.example/v1/chat/completions")
    }))

  it("builds X-Majordomo headers from labels in any case", () => {
    assert.deepStrictEqual(
      Metadata.buildExtraHeaders({ feature: "a", userId: "b", session_id: "c", step: undefined, empty: "" }, {
        key: Redacted.make("k")
      }),
      { "X-Majordomo-Key": "k", "X-Majordomo-Feature": "a", "X-Majordomo-User-Id": "b", "X-Majordomo-Session-Id": "c" }
    )
  })
})

describe("bad input is refused before anything is sent", () => {
  const cases: ReadonlyArray<readonly [string, Partial<LLM.Options>, string]> = [
    ["an empty prompt", { prompt: "" }, "InvalidPrompt"],
    ["no message", { prompt: [] }, "InvalidPrompt"],
    ["only a system message", { prompt: [{ role: "system", content: "x" }] }, "InvalidPrompt"],
    ["half a surrogate pair", { prompt: "a\ud83d" }, "InvalidPrompt"],
    ["half a surrogate pair in the system prompt", { system: "\udc00" }, "InvalidPrompt"],
    ["NaN", { temperature: Number.NaN }, "InvalidParameter"],
    ["a temperature out of range", { temperature: 2.1 }, "InvalidParameter"],
    ["topP out of range", { topP: -0.1 }, "InvalidParameter"],
    ["no tokens", { maxTokens: 0 }, "InvalidParameter"],
    ["half a token", { maxTokens: 1.5 }, "InvalidParameter"],
    ["an infinite seed", { seed: Infinity }, "InvalidParameter"],
    ["an empty stop sequence", { stop: [""] }, "InvalidParameter"],
    ["a header with a line break", { extraHeaders: { "x-a": "1\r\nx-b: 2" } }, "InvalidHeader"],
    ["a tool name with a space", { tools: [{ name: "a b", parameters: { type: "object" } }] }, "InvalidTool"],
    [
      "two tools of one name",
      { tools: [{ name: "a", parameters: {} }, { name: "a", parameters: {} }] },
      "InvalidTool"
    ],
    ["a choice of a tool that is not there", { toolChoice: { tool: "x" } }, "InvalidTool"],
    ["a required tool without tools", { toolChoice: "required" }, "InvalidTool"]
  ]
  for (const [name, wrong, reason] of cases) {
    it.effect(name, () =>
      Effect.gen(function*() {
        const http = stub(() => jsonResponse(chatAnswer("Hi")))
        const layer = live(http)
        const single = yield* Effect.flip(LLM.generateText({ prompt: "Hello", ...wrong })).pipe(Effect.provide(layer))
        const streamed = yield* Effect.flip(LLM.collect(LLM.streamText({ prompt: "Hello", ...wrong }))).pipe(
          Effect.provide(layer)
        )
        for (const error of [single, streamed]) {
          assert.strictEqual(error._tag === "InvalidRequestError" ? error.reason : error._tag, reason)
        }
        assert.lengthOf(http.sent, 0)
      }))
  }

  it.effect("what a wire cannot do is Unsupported", () =>
    Effect.gen(function*() {
      const http = stub(() => jsonResponse(chatAnswer("Hi")))
      const error = yield* Effect.flip(LLM.generateText({ prompt: "Hello", webSearch: true })).pipe(
        Effect.provide(live(http))
      )
      assert.deepStrictEqual(
        error._tag === "ProviderError" && error.reason,
        new LLMError.Unsupported({ feature: "web search" })
      )
      assert.lengthOf(http.sent, 0)
    }))
})

describe("configuration", () => {
  it.effect("a missing key names the variable", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(
        Layer.build(OpenAIChat.layer({ model: "gpt-4.1-mini" })).pipe(
          Effect.scoped,
          Effect.provide(stub().layer),
          Effect.withConfigProvider(emptyConfig)
        )
      )
      assert.strictEqual(error._tag, "ConfigurationError")
      assert.strictEqual(error.variable, "OPENAI_API_KEY")
      assert.include(error.message, "OPENAI_API_KEY")
    }))

  it.effect("the key comes from the configuration when it is not given", () =>
    Effect.gen(function*() {
      const http = stub(() => jsonResponse(chatAnswer("Hi")))
      yield* ask.pipe(
        Effect.provide(OpenAIChat.layer({ model: "gpt-4.1-mini" }).pipe(Layer.provide(http.layer))),
        Effect.withConfigProvider(ConfigProvider.fromMap(new Map([["OPENAI_API_KEY", " sk-from-env\n"]])))
      )
      assert.strictEqual(http.sent[0]?.headers["authorization"], "Bearer sk-from-env")
    }))

  it.effect("a default header that cannot be sent fails the build, not the call", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(
        Effect.scoped(Layer.build(live(stub(), { defaultHeaders: { "x-a": "1\n2" } })))
      )
      assert.strictEqual(error._tag, "ConfigurationError")
    }))
})

describe("retry", () => {
  it.effect("tries three times with backoff, then gives the last error with every try", () =>
    Effect.gen(function*() {
      const http = stub(rateLimited())
      const error = yield* onTestClock(Effect.flip(ask)).pipe(Effect.provide(live(http)))
      assert.lengthOf(http.sent, 3)
      assert.deepStrictEqual(error.attempts.map((attempt) => attempt.error), [
        "RateLimited",
        "RateLimited",
        "RateLimited"
      ])
      assert.strictEqual(error._tag === "ProviderError" && error.reason._tag, "RateLimited")
    }))

  it.effect("answers after a failed try and lists both", () =>
    Effect.gen(function*() {
      const http = stub(rateLimited(), () => jsonResponse(chatAnswer("Hi")))
      const answer = yield* onTestClock(ask).pipe(Effect.provide(live(http)))
      assert.deepStrictEqual(answer.attempts.map((attempt) => attempt.error), ["RateLimited", undefined])
    }))

  it.effect("waits as long as Retry-After says, no shorter and no longer", () =>
    Effect.gen(function*() {
      const http = stub(rateLimited({ "retry-after": "7" }), () => jsonResponse(chatAnswer("Hi")))
      const fiber = yield* Effect.fork(Effect.provide(ask, live(http)))
      const settle = Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 20)))
      yield* settle
      yield* TestClock.adjust("6999 millis")
      yield* settle
      assert.lengthOf(http.sent, 1)
      yield* TestClock.adjust("1 millis")
      yield* settle
      assert.lengthOf(http.sent, 2)
      yield* Fiber.join(fiber)
    }))

  it.effect("does not wait for a Retry-After past the cap", () =>
    Effect.gen(function*() {
      const http = stub(rateLimited({ "retry-after": "31" }))
      const error = yield* Effect.flip(ask).pipe(Effect.provide(live(http)))
      assert.lengthOf(http.sent, 1)
      assert.strictEqual(error._tag === "ProviderError" && Duration.toSeconds(error.retryAfter ?? 0), 31)
    }))

  it.effect("does not retry what another try cannot mend", () =>
    Effect.gen(function*() {
      const http = stub(() => jsonResponse({ error: { message: "no", code: "invalid_api_key" } }, { status: 401 }))
      yield* Effect.flip(ask).pipe(Effect.provide(live(http)))
      assert.lengthOf(http.sent, 1)
    }))

  it.effect("the caller's policy replaces the default", () =>
    Effect.gen(function*() {
      const http = stub(rateLimited())
      yield* onTestClock(Effect.flip(ask)).pipe(Effect.provide(live(http, { retry: Retry.make({ tries: 5 }) })))
      assert.lengthOf(http.sent, 5)
      const once = stub(rateLimited())
      yield* Effect.flip(ask).pipe(Effect.provide(live(once, { retry: Retry.none })))
      assert.lengthOf(once.sent, 1)
    }))

  it.effect("an empty object is asked for again, and what it cost is added", () =>
    Effect.gen(function*() {
      const http = stub(() => jsonResponse(chatAnswer("{}")), () => jsonResponse(chatAnswer("{\"name\":\"Ada\"}")))
      const answer = yield* onTestClock(
        LLM.generateObject({ prompt: "Who?", schema: Schema.Struct({ name: Schema.String }) })
      ).pipe(Effect.provide(live(http)))
      assert.deepStrictEqual(answer.content, { name: "Ada" })
      assert.strictEqual(answer.usage.totalTokens, 30)
      assert.strictEqual(Option.getOrThrow(answer.cost).total, 0.000024)
    }))
})

describe("timeouts", () => {
  const never = () => Effect.never

  it.effect("total bounds one answer and says so", () =>
    Effect.gen(function*() {
      const error = yield* onTestClock(
        Effect.flip(LLM.generateText({ prompt: "Hello", timeouts: { total: "3 seconds" } }))
      ).pipe(Effect.provide(live(stub(never))))
      assert.strictEqual(
        error._tag === "ProviderError" && error.reason._tag === "Timeout" && error.reason.phase,
        "total"
      )
    }))

  it.effect("total bounds all tries and the waits between them", () =>
    Effect.gen(function*() {
      const http = stub(rateLimited({ "retry-after": "2" }))
      const error = yield* onTestClock(
        Effect.flip(LLM.generateText({ prompt: "Hello", timeouts: { total: "3 seconds" } }))
      ).pipe(Effect.provide(live(http, { retry: Retry.make({ tries: 10 }) })))
      assert.lengthOf(http.sent, 2)
      assert.deepStrictEqual(error.attempts.map((attempt) => attempt.error), ["RateLimited", "RateLimited"])
      assert.strictEqual(error._tag === "ProviderError" && error.reason._tag, "Timeout")
    }))

  it.effect("firstToken is retried, lifecycle frames do not count as tokens", () =>
    Effect.gen(function*() {
      const http = stub((signal) => {
        const stream = controlled(signal)
        stream.push(chatChunk({ role: "assistant", content: "" }))
        return stream.response
      })
      const error = yield* onTestClock(
        Effect.flip(LLM.collect(LLM.streamText({ prompt: "Hello", timeouts: { firstToken: "2 seconds" } })))
      ).pipe(Effect.provide(live(http)))
      assert.lengthOf(http.sent, 3)
      assert.deepStrictEqual(
        error._tag === "ProviderError" && error.reason,
        new LLMError.Timeout({ phase: "firstToken" })
      )
    }))

  it.effect("betweenTokens fires when tokens stop, with the text so far, and is not retried", () =>
    Effect.gen(function*() {
      const http = stub((signal) => {
        const stream = controlled(signal)
        stream.push(chatChunk({ content: "Once upon" }))
        return stream.response
      })
      const seen: Array<string> = []
      const error = yield* onTestClock(
        LLM.streamText({ prompt: "Hello", timeouts: { betweenTokens: "2 seconds" } }).pipe(
          LLM.textOf,
          Stream.runForEach((delta) => Effect.sync(() => seen.push(delta))),
          Effect.flip
        )
      ).pipe(Effect.provide(live(http)))
      assert.deepStrictEqual(seen, ["Once upon"])
      assert.lengthOf(http.sent, 1)
      assert.strictEqual(error._tag, "ProviderError")
      if (error._tag === "ProviderError") {
        assert.deepStrictEqual(error.reason, new LLMError.Timeout({ phase: "betweenTokens" }))
        assert.strictEqual(error.partial, "Once upon")
      }
    }))

  it.effect("betweenTokens does not run while the program is busy with what it has", () =>
    Effect.gen(function*() {
      const http = stub((signal) => {
        const stream = controlled(signal)
        stream.push(chatChunk({ content: "a" }))
        stream.push(chatChunk({}, "stop"))
        stream.push("data: [DONE]\n\n")
        stream.end()
        return stream.response
      })
      const answer = yield* onTestClock(
        LLM.streamText({ prompt: "Hello", timeouts: { betweenTokens: "2 seconds" } }).pipe(
          Stream.tap(() => Effect.sleep("10 seconds")),
          LLM.collect
        )
      ).pipe(Effect.provide(live(http)))
      assert.strictEqual(answer.text, "a")
    }))

  it.effect("total ends a stream that goes on and on", () =>
    Effect.gen(function*() {
      const http = stub((signal) => {
        const stream = controlled(signal)
        stream.push(chatChunk({ content: "tick" }))
        return stream.response
      })
      const error = yield* onTestClock(
        Effect.flip(LLM.collect(LLM.streamText({ prompt: "Hello", timeouts: { total: "5 seconds" } })))
      ).pipe(Effect.provide(live(http)))
      assert.deepStrictEqual(error._tag === "ProviderError" && error.reason, new LLMError.Timeout({ phase: "total" }))
    }))
})

describe("stream", () => {
  const body = (...frames: ReadonlyArray<string>) => () => new Response(frames.join(""))

  it.effect("gives deltas, then exactly one Finish with what generate would have given", () =>
    Effect.gen(function*() {
      const http = stub(body(
        chatChunk({ role: "assistant", content: "" }),
        chatChunk({ content: "Hel" }),
        chatChunk({ content: "lo" }),
        chatChunk({}, "stop"),
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}\n\n",
        "data: [DONE]\n\n"
      ))
      const parts = yield* Stream.runCollect(LLM.streamText({ prompt: "Hi" })).pipe(Effect.provide(live(http)))
      assert.deepStrictEqual(Chunk.toReadonlyArray(parts).map((part) => part._tag), [
        "TextDelta",
        "TextDelta",
        "BlockEnd",
        "Finish"
      ])
      const answer = yield* LLM.collect(Stream.fromChunk(parts))
      assert.strictEqual(answer.content, "Hello")
      assert.strictEqual(answer.usage.outputTokens, 2)
      assert.isTrue(Option.isSome(answer.timeToFirstToken))
      assert.deepStrictEqual(http.sent[0]?.body, {
        model: "gpt-4.1-mini",
        messages: [{ role: "user", content: "Hi" }],
        stream: true,
        stream_options: { include_usage: true }
      })
    }))

  it.effect("an error before the first content is retried, after it goes to the reader", () =>
    Effect.gen(function*() {
      const overloaded = "data: {\"error\":{\"message\":\"busy\",\"type\":\"overloaded_error\"}}\n\n"
      const http = stub(
        body(chatChunk({ role: "assistant", content: "" }), overloaded),
        body(chatChunk({ content: "Hi" }), chatChunk({}, "stop"), "data: [DONE]\n\n")
      )
      const answer = yield* onTestClock(LLM.collect(LLM.streamText({ prompt: "Hi" }))).pipe(Effect.provide(live(http)))
      assert.deepStrictEqual(answer.attempts.map((attempt) => attempt.error), ["Overloaded", undefined])

      const late = stub(body(chatChunk({ content: "par" }), chatChunk({ content: "tial" }), overloaded))
      const error = yield* Effect.flip(LLM.collect(LLM.streamText({ prompt: "Hi" }))).pipe(Effect.provide(live(late)))
      assert.lengthOf(late.sent, 1)
      assert.strictEqual(error._tag === "ProviderError" && error.reason._tag, "Overloaded")
      assert.strictEqual(error._tag === "ProviderError" && error.partial, "partial")
    }))

  it.effect("an end before the terminal event is a failure, not a short answer", () =>
    Effect.gen(function*() {
      const http = stub(body(chatChunk({ content: "Hel" })))
      const error = yield* Effect.flip(LLM.collect(LLM.streamText({ prompt: "Hi" }))).pipe(Effect.provide(live(http)))
      assert.strictEqual(error._tag === "ProviderError" && error.reason._tag, "Transport")
    }))

  it.effect("a finish reason is enough where a host leaves [DONE] out", () =>
    Effect.gen(function*() {
      const http = stub(body(chatChunk({ content: "Hi" }), chatChunk({}, "stop").trimEnd()))
      const answer = yield* LLM.collect(LLM.streamText({ prompt: "Hi" })).pipe(Effect.provide(live(http)))
      assert.strictEqual(answer.text, "Hi")
    }))

  it.effect("a host that ignores the wish for a stream is read all the same", () =>
    Effect.gen(function*() {
      const http = stub(() => jsonResponse(chatAnswer("Hi")))
      const parts = yield* Stream.runCollect(LLM.streamText({ prompt: "Hi" })).pipe(Effect.provide(live(http)))
      assert.deepStrictEqual(Chunk.toReadonlyArray(parts).map((part) => part._tag), ["TextDelta", "BlockEnd", "Finish"])
    }))

  it.effect("an error labelled as a stream is an error", () =>
    Effect.gen(function*() {
      const http = stub(() =>
        new Response(" \n{\"error\":{\"message\":\"no\",\"code\":\"invalid_api_key\"}}", {
          headers: { "content-type": "text/event-stream" }
        })
      )
      const error = yield* Effect.flip(LLM.collect(LLM.streamText({ prompt: "Hi" }))).pipe(Effect.provide(live(http)))
      assert.strictEqual(error._tag === "ProviderError" && error.reason._tag, "Authentication")
    }))

  it.effect("streams an object: growing partials, then the decoded value", () =>
    Effect.gen(function*() {
      const schema = Schema.Struct({ name: Schema.String, born: Schema.NumberFromString })
      const http = stub(body(
        chatChunk({ content: "{\"name\":\"A" }),
        chatChunk({ content: "da\",\"born\":\"18" }),
        chatChunk({ content: "15\"}" }),
        chatChunk({}, "stop"),
        "data: [DONE]\n\n"
      ))
      const parts = Chunk.toReadonlyArray(
        yield* Stream.runCollect(LLM.streamObject({ prompt: "Who?", schema })).pipe(Effect.provide(live(http)))
      )
      assert.deepStrictEqual(parts.flatMap((part) => part._tag === "ObjectDelta" ? [part.partial] : []).at(-1), {
        name: "Ada",
        born: "1815"
      })
      const last = parts.at(-1)
      assert.deepStrictEqual(last?._tag === "Finish" && last.response.content, { name: "Ada", born: 1815 })
    }))
})

describe("answers that are none", () => {
  const failure = (answer: unknown, output: Output.Output<unknown> = Output.text) =>
    Effect.gen(function*() {
      const llm = yield* LLM.LLM
      return yield* Effect.flip(llm.generate({ prompt: "Hi", maxTokens: 5, output }))
    }).pipe(Effect.provide(live(stub(() => jsonResponse(answer)), { retry: Retry.none })))

  const finished = (content: string | null, finish: string, more: object = {}) => ({
    ...chatAnswer(""),
    choices: [{ index: 0, message: { role: "assistant", content, ...more }, finish_reason: finish }]
  })

  it.effect("a refusal, with what was said and what it cost", () =>
    Effect.gen(function*() {
      const error = yield* failure(finished(null, "stop", { refusal: "I cannot" }))
      assert.strictEqual(error._tag, "ContentFilteredError")
      if (error._tag === "ContentFilteredError") {
        assert.strictEqual(error.text, "I cannot")
        assert.strictEqual(error.usage?.totalTokens, 15)
        assert.strictEqual(error.cost?.total, 0.000012)
      }
    }))

  it.effect("cut off before any text; with text it is an answer that says so", () =>
    Effect.gen(function*() {
      const error = yield* failure(finished("", "length"))
      assert.strictEqual(error._tag, "ResponseTruncatedError")
      if (error._tag === "ResponseTruncatedError") {
        assert.strictEqual(error.maxTokens, 5)
        assert.strictEqual(error.outputTokens, 5)
      }
      const answer = yield* ask.pipe(Effect.provide(live(stub(() => jsonResponse(finished("Once", "length"))))))
      assert.strictEqual(answer.finishReason, "length")
    }))

  it.effect("a cut-off object is truncated, never a parse error", () =>
    Effect.gen(function*() {
      const error = yield* failure(finished("{\"a\": [1, 2", "length"), Output.json)
      assert.strictEqual(error._tag, "ResponseTruncatedError")
      assert.strictEqual(error._tag === "ResponseTruncatedError" && error.text, "{\"a\": [1, 2")
    }))

  it.effect("no JSON, or JSON of the wrong shape, with paths and no prompt in the message", () =>
    Effect.gen(function*() {
      const none = yield* failure(finished("I would say 42.", "stop"), Output.json)
      assert.strictEqual(none._tag === "ResponseParsingError" && none.reason, "NotJson")
      const schema = Schema.Struct({ people: Schema.Array(Schema.Struct({ age: Schema.Int })) })
      const wrong = yield* failure(
        finished("{\"people\":[{\"age\":1.5},{\"age\":\"x\"}]}", "stop"),
        Output.object(schema)
      )
      assert.strictEqual(wrong._tag, "ResponseParsingError")
      if (wrong._tag === "ResponseParsingError") {
        assert.strictEqual(wrong.reason, "Mismatch")
        assert.deepStrictEqual(wrong.issues.map(({ path }) => path), [["people", 0, "age"], ["people", 1, "age"]])
        assert.isDefined(wrong.parseIssue)
        assert.include(wrong.message, "people[0].age")
      }
    }))

  it.effect("tool calls where an object was asked for point to runTools", () =>
    Effect.gen(function*() {
      const error = yield* failure(
        finished(null, "tool_calls", { tool_calls: [{ id: "1", function: { name: "f", arguments: "{}" } }] }),
        Output.json
      )
      assert.strictEqual(error._tag === "ResponseParsingError" && error.reason, "ToolCallsOnly")
    }))

  it.effect("a success that is not the protocol", () =>
    Effect.gen(function*() {
      for (const answer of [{ hello: "world" }, [], "text", null]) {
        const error = yield* failure(answer)
        assert.strictEqual(
          error._tag === "ProviderError" && error.reason._tag,
          "MalformedResponse",
          JSON.stringify(answer)
        )
      }
    }))

  it.effect("an answer past the size limit, without and with its length announced", () =>
    Effect.gen(function*() {
      const big = chatAnswer("x".repeat(2000))
      for (const headers of [{}, { "content-length": String(JSON.stringify(big).length) }]) {
        const http = stub(() => jsonResponse(big, { headers }))
        const error = yield* Effect.flip(ask).pipe(
          Effect.provide(live(http, { maxResponseBytes: 1000, retry: Retry.none }))
        )
        assert.strictEqual(error._tag === "ProviderError" && error.reason._tag, "MalformedResponse")
        const streamed = yield* Effect.flip(LLM.collect(LLM.streamText({ prompt: "Hi" }))).pipe(
          Effect.provide(live(http, { maxResponseBytes: 1000, retry: Retry.none }))
        )
        assert.strictEqual(streamed._tag === "ProviderError" && streamed.reason._tag, "MalformedResponse")
      }
    }))
})

describe("redirects", () => {
  it.effect("follows within the origin, never to another", () =>
    Effect.gen(function*() {
      const to = (location: string) => () => new Response(null, { status: 307, headers: { location } })
      const same = stub(to("/v2/chat"), () => jsonResponse(chatAnswer("Hi")))
      yield* ask.pipe(Effect.provide(live(same)))
      assert.strictEqual(same.sent[1]?.url, "https://api.openai.com/v2/chat")

      const other = stub(to("https://evil.example/chat"), () => jsonResponse(chatAnswer("Hi")))
      const error = yield* Effect.flip(ask).pipe(Effect.provide(live(other, { retry: Retry.none })))
      assert.lengthOf(other.sent, 1)
      assert.include(error.message, "https://evil.example")
    }))
})

describe("decorate", () => {
  it.effect("wraps the service of a layer", () =>
    Effect.gen(function*() {
      const http = stub(() => jsonResponse(chatAnswer("Hi")))
      const brief = LLM.decorate((llm) =>
        Effect.succeed({ ...llm, generate: (request) => llm.generate({ ...request, maxTokens: 3 }) })
      ).pipe(Layer.provide(live(http)))
      yield* ask.pipe(Effect.provide(brief))
      assert.propertyVal(http.sent[0]?.body, "max_completion_tokens", 3)
    }))
})

describe("interruption", () => {
  it.effect("is not swallowed and aborts the request", () =>
    Effect.gen(function*() {
      let aborted = false
      const http = stub((signal) =>
        Effect.async(() => {
          signal.addEventListener("abort", () => void (aborted = true))
        })
      )
      const fiber = yield* Effect.fork(Effect.provide(ask, live(http)))
      while (http.sent.length === 0) yield* Effect.yieldNow()
      const exit = yield* Fiber.interrupt(fiber)
      assert.isTrue(Exit.isInterrupted(exit))
      assert.isTrue(aborted)
    }))
})
