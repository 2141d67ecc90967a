/** Servers that say nothing more, at every place where one may fall silent; and errors whose body never comes. */
import { FetchHttpClient, HttpClient, HttpClientError, HttpClientRequest } from "@effect/platform"
import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Layer, Redacted, Stream, TestClock } from "effect"
import * as net from "node:net"
import { Anthropic, LLM, LLMError, OpenAIChat, Retry } from "../../../src/index.ts"
import * as UndiciHttpClient from "../../../src/UndiciHttpClient.ts"
import { chatAnswer, chatChunk, controlled, type Stub, stub } from "../../stub.ts"

/** A server that answers each request with these bytes and then keeps the connection open, or breaks it. */
const server = (...answers: ReadonlyArray<{ readonly bytes: string; readonly after: "silence" | "break" | "end" }>) =>
  Effect.acquireRelease(
    Effect.async<{ readonly url: string; readonly requests: () => number; readonly close: () => void }>((resume) => {
      const open = new Set<net.Socket>()
      let requests = 0
      const listening = net.createServer((socket) => {
        open.add(socket)
        socket.on("error", () => {})
        socket.on("close", () => open.delete(socket))
        socket.on("data", (data) => {
          // The body of these requests comes with or after their head; the head counts.
          if (!data.toString().startsWith("POST")) return
          const answer = answers[Math.min(requests++, answers.length - 1)]
          if (answer === undefined) return
          socket.write(answer.bytes, () => {
            if (answer.after === "break") setTimeout(() => socket.resetAndDestroy(), 20)
            if (answer.after === "end") socket.end()
          })
        })
      })
      listening.listen(0, "127.0.0.1", () => {
        const address = listening.address()
        resume(Effect.succeed({
          url: `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`,
          requests: () => requests,
          close: () => {
            for (const socket of open) socket.destroy()
            listening.close()
          }
        }))
      })
    }),
    ({ close }) => Effect.sync(close)
  )

const head = (status: string, more = "content-type: application/json\r\ntransfer-encoding: chunked\r\n") =>
  `HTTP/1.1 ${status}\r\n${more}\r\n`
const chunk = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`

/** One that a program has put something around. */
const decorated = Layer.effect(
  HttpClient.HttpClient,
  Effect.map(HttpClient.HttpClient, HttpClient.mapRequest(HttpClientRequest.setHeader("x-team", "search")))
).pipe(Layer.provide(UndiciHttpClient.layer))

const clients = [
  ["our own", UndiciHttpClient.layer],
  ["our own, decorated", decorated],
  ["undici", NodeHttpClient.layerUndici],
  ["node", NodeHttpClient.layer],
  ["fetch", FetchHttpClient.layer]
] as const

const chat = (baseUrl: string, more: Partial<OpenAIChat.Options> = {}) =>
  OpenAIChat.layer({
    apiKey: Redacted.make("key-0123456789"),
    model: "gpt-4.1-mini",
    retry: Retry.none,
    baseUrl,
    ...more
  })

const modes = {
  generate: (options: Partial<LLM.Options>) => LLM.generateText({ prompt: "Hi", ...options }),
  stream: (options: Partial<LLM.Options>) => LLM.collect(LLM.streamText({ prompt: "Hi", ...options }))
} as const

const phaseOf = (error: LLMError.LLMError) =>
  error._tag === "ProviderError" && error.reason._tag === "Timeout" ? error.reason.phase : LLMError.tagOf(error)

describe.each(clients)("generate over %s", (_, client) => {
  const cases: ReadonlyArray<readonly [where: string, bytes: string, LLM.Timeouts, phase: string]> = [
    ["nothing at all", "", { firstToken: "60 millis" }, "firstToken"],
    ["headers and then nothing", head("200 OK"), { firstToken: "60 millis" }, "firstToken"],
    ["headers and then nothing", head("200 OK"), { betweenTokens: "60 millis" }, "betweenTokens"],
    ["half an answer", head("200 OK") + chunk("{\"choices\":"), { betweenTokens: "60 millis" }, "betweenTokens"],
    [
      "half a body of known length",
      head("200 OK", "content-type: application/json\r\ncontent-length: 100\r\n") + "{\"choices\":",
      { betweenTokens: "60 millis" },
      "betweenTokens"
    ],
    [
      "half a redirect",
      head("307 Temporary Redirect", "location: /elsewhere\r\ncontent-length: 100\r\n") + "moved",
      { betweenTokens: "60 millis" },
      "betweenTokens"
    ]
  ]
  it.scopedLive.each(cases)(
    "gives up on a server that sends %s",
    ([, bytes, timeouts, phase]) =>
      Effect.gen(function*() {
        const { url } = yield* server({ bytes, after: "silence" })
        const error = yield* Effect.flip(modes.generate({ timeouts })).pipe(
          Effect.provide(chat(url)),
          Effect.provide(client)
        )
        assert.strictEqual(phaseOf(error), phase)
      })
  )
})

describe.each(["generate", "stream"] as const)("%s: an error status decides", (mode) => {
  const failure = JSON.stringify({ error: { message: "Incorrect API key provided", type: "invalid_request_error" } })
  const run = (answer: string, after: "silence" | "break" | "end", more: Partial<OpenAIChat.Options> = {}) =>
    Effect.gen(function*() {
      const { requests, url } = yield* server({ bytes: answer, after })
      const error = yield* Effect.flip(modes[mode]({})).pipe(
        Effect.provide(chat(url, { timeouts: { betweenTokens: "60 millis" }, ...more })),
        Effect.provide(NodeHttpClient.layerUndici)
      )
      return { error, requests: requests() }
    })
  const retrying = { retry: Retry.make({ tries: 2, base: "1 millis" }) }

  it.scopedLive("when its body breaks", () =>
    Effect.gen(function*() {
      const cut = yield* run(head("401 Unauthorized") + chunk(failure.slice(0, 30)), "break", retrying)
      assert.strictEqual(LLMError.tagOf(cut.error), "Authentication")
      assert.strictEqual(cut.requests, 1)
      const limited = yield* run(
        head("429 Too Many Requests", "retry-after: 60\r\ncontent-length: 1000\r\n") + "{\"error\":",
        "break",
        retrying
      )
      assert.deepStrictEqual(
        limited.error._tag === "ProviderError" && limited.error.reason,
        new LLMError.RateLimited({ retryAfter: Duration.seconds(60) })
      )
      assert.strictEqual(limited.requests, 1)
    }))

  it.scopedLive("when it has no body, or one without end", () =>
    Effect.gen(function*() {
      const none = yield* run(head("403 Forbidden", "content-length: 0\r\n"), "end")
      assert.strictEqual(LLMError.tagOf(none.error), "PermissionDenied")
      const page = chunk("<".repeat(100_000)).repeat(20)
      const endless = yield* run(head("503 Service Unavailable") + page, "silence")
      assert.strictEqual(LLMError.tagOf(endless.error), "Overloaded")
    }))
})

it.scopedLive("generate: an error whose body falls silent is still what its status says", () =>
  Effect.gen(function*() {
    const { url } = yield* server({ bytes: head("401 Unauthorized") + chunk("{\"error\":"), after: "silence" })
    const error = yield* Effect.flip(modes.generate({ timeouts: { betweenTokens: "60 millis" } })).pipe(
      Effect.provide(chat(url)),
      Effect.provide(NodeHttpClient.layerUndici)
    )
    assert.strictEqual(LLMError.tagOf(error), "Authentication")
  }))

describe("without any limit given", () => {
  const turn = Effect.zipRight(
    Effect.yieldNow(),
    Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
  )
  /** Time passes only when the request is there, and whoever waits for its answer does. */
  const onTestClock = <A, E>(
    effect: Effect.Effect<A, E, HttpClient.HttpClient>,
    { layer, sent }: Pick<Stub, "layer" | "sent">,
    passes: Duration.DurationInput
  ) =>
    Effect.gen(function*() {
      const fiber = yield* Effect.fork(Effect.provide(effect, layer))
      yield* Effect.repeat(turn, { until: () => sent.length > 0 })
      yield* Effect.repeatN(turn, 20)
      yield* TestClock.adjust(passes)
      return fiber
    })
  const silentHeaders = () =>
    stub((signal, request) =>
      Effect.async<Response, HttpClientError.HttpClientError>((resume) => {
        // As clients do: who waits is told of the abort.
        signal.addEventListener("abort", () =>
          resume(
            Effect.fail(new HttpClientError.RequestError({ request, reason: "Transport", cause: signal.reason }))
          ))
      })
    )
  const silentBody = () => stub((signal) => controlled(signal).response)
  const silentError = () => stub((signal) => new Response(controlled(signal).response.body, { status: 404 }))

  it.effect.each(
    [
      ["generate", "headers", silentHeaders, "firstToken"],
      ["stream", "headers", silentHeaders, "firstToken"],
      ["generate", "a body", silentBody, "betweenTokens"],
      ["stream", "a body", silentBody, "betweenTokens"],
      ["generate", "an error's body", silentError, "ModelNotFound"],
      ["stream", "an error's body", silentError, "ModelNotFound"]
    ] as const
  )("%s waits five minutes for %s", ([mode, , client, expected]) =>
    Effect.gen(function*() {
      const fiber = yield* onTestClock(
        Effect.flip(modes[mode]({})).pipe(Effect.provide(chat("http://localhost:1"))),
        client(),
        "299 seconds"
      )
      assert.isTrue((yield* Fiber.poll(fiber))._tag === "None")
      yield* TestClock.adjust("1 seconds")
      assert.strictEqual(phaseOf(yield* Fiber.join(fiber)), expected)
    }))

  it.effect("bytes that come, however slowly, are no silence", () =>
    Effect.gen(function*() {
      let push: (text: string) => void = () => {}
      let end = () => {}
      const http = stub((signal) => {
        const stream = controlled(signal)
        push = stream.push
        end = stream.end
        return stream.response
      })
      const fiber = yield* onTestClock(
        modes.generate({}).pipe(Effect.provide(chat("http://localhost:1"))),
        http,
        "0 seconds"
      )
      for (const piece of JSON.stringify(chatAnswer("Hi")).split(/(?<=,)/)) {
        push(piece)
        yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 2)))
        yield* TestClock.adjust("4 minutes")
      }
      end()
      assert.strictEqual((yield* Fiber.join(fiber)).text, "Hi")
    }))
})

describe.each(clients)("over %s, by a clock that is not the machine's own", (_, client) => {
  it.scopedLive.each(["generate", "stream"] as const)(
    "nothing waits any more when %s has ended",
    (mode) =>
      Effect.gen(function*() {
        const answer = mode === "generate"
          ? head("200 OK", `content-length: ${JSON.stringify(chatAnswer("Hi")).length}\r\n`) +
            JSON.stringify(chatAnswer("Hi"))
          : head("200 OK", "content-type: text/event-stream\r\ntransfer-encoding: chunked\r\n") +
            chunk(chatChunk({ content: "Hi" }) + chatChunk({}, "stop") + "data: [DONE]\n\n") + "0\r\n\r\n"
        const { url } = yield* server({ bytes: answer, after: "silence" })
        const live = yield* Effect.clock
        let waiting = 0
        const sleep = (duration: Duration.Duration) =>
          Effect.acquireUseRelease(
            Effect.sync(() => waiting++),
            () => live.sleep(duration),
            () => Effect.sync(() => waiting--)
          )
        yield* modes[mode]({}).pipe(
          Effect.provide(chat(url)),
          Effect.provide(client),
          Effect.withClock(Object.assign(Object.create(live), { sleep }))
        )
        yield* Effect.sleep("20 millis")
        assert.strictEqual(waiting, 0)
      })
  )
})

it.scopedLive("a stream that is complete but not ended is complete", () =>
  Effect.gen(function*() {
    const body = chatChunk({ content: "Hi" }) + chatChunk({}, "stop") +
      "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}\n\n"
    const { url } = yield* server({
      bytes: head("200 OK", "content-type: text/event-stream\r\ntransfer-encoding: chunked\r\n") + chunk(body),
      after: "silence"
    })
    const answer = yield* modes.stream({ timeouts: { betweenTokens: "60 millis" } }).pipe(
      Effect.provide(chat(url)),
      Effect.provide(NodeHttpClient.layerUndici)
    )
    assert.strictEqual(answer.text, "Hi")
  }))

it.effect("a wait that is negative, past or unreadable never shortens the backoff", () =>
  Effect.gen(function*() {
    yield* TestClock.setTime(Date.parse("2026-11-28"))
    for (const value of ["-5", "Mon, 01 Jan 2001 00:00:00 GMT", "soon", "5, 5", "", "1e999", "NaN"]) {
      for (const header of ["retry-after", "retry-after-ms"]) {
        const http = stub(() => new Response("{}", { status: 429, headers: { [header]: value } }))
        const error = yield* Effect.flip(
          LLM.streamText({ prompt: "Hi" }).pipe(Stream.runDrain)
        ).pipe(
          Effect.provide(
            Anthropic.layer({ model: "claude-sonnet-4-5", apiKey: Redacted.make("k-123456"), retry: Retry.none })
          ),
          Effect.provide(http.layer)
        )
        assert.deepStrictEqual(
          error._tag === "ProviderError" && error.reason,
          new LLMError.RateLimited({ retryAfter: undefined }),
          `${header}: ${value}`
        )
      }
    }
  }))
