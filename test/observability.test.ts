import { assert, describe, it } from "@effect/vitest"
import {
  Cause,
  Clock,
  ConfigProvider,
  Effect,
  Exit,
  Layer,
  Logger,
  Metric,
  Option,
  Redacted,
  Stream,
  Tracer
} from "effect"
import { Anthropic, Gemini, LLM, OpenAI, OpenAIChat, Retry } from "../src/index.ts"
import { chatAnswer, chatChunk, jsonResponse, type Stub, stub } from "./stub.ts"

interface Recorded {
  readonly name: string
  readonly kind: string
  readonly parent: string | undefined
  readonly attributes: Map<string, unknown>
  ended: Exit.Exit<unknown, unknown> | undefined
}

/** A tracer that keeps every span. */
const recorder = () => {
  const spans: Array<Recorded> = []
  const tracer = Tracer.make({
    span: (name, parent, context, links, startTime, kind) => {
      const attributes = new Map<string, unknown>()
      const recorded: Recorded = {
        name,
        kind,
        parent: Option.getOrUndefined(parent)?.spanId,
        attributes,
        ended: undefined
      }
      spans.push(recorded)
      return {
        _tag: "Span",
        name,
        spanId: String(spans.length),
        traceId: "trace",
        parent,
        context,
        status: { _tag: "Started", startTime },
        attributes,
        links,
        sampled: true,
        kind,
        end: (_, exit) => void (recorded.ended = exit),
        attribute: (key, value) => void attributes.set(key, value),
        event: () => {},
        addLinks: () => {}
      }
    },
    context: (f) => f()
  })
  return { spans, layer: Layer.setTracer(tracer) }
}

const live = (http: Stub, more: Partial<OpenAIChat.Options> = {}) =>
  OpenAIChat.layer({ model: "gpt-4.1-mini", apiKey: Redacted.make("k-123456"), retry: Retry.none, ...more }).pipe(
    Layer.provide(http.layer)
  )

const realClock = Clock.make()

const streamBody = () =>
  new Response([chatChunk({ content: "Hi" }), chatChunk({}, "stop"), "data: [DONE]\n\n"].join(""))

describe("spans", () => {
  it.effect("one for the call, one for each try, with the GenAI attributes", () =>
    Effect.gen(function*() {
      const { layer, spans } = recorder()
      const http = stub(
        () => jsonResponse({ error: { message: "busy" } }, { status: 503, headers: { "retry-after-ms": "1" } }),
        () => jsonResponse(chatAnswer("Hi"))
      )
      yield* LLM.generateText({ prompt: "Hello", temperature: 0.5, maxTokens: 9, stop: ["x"], seed: 1 }).pipe(
        Effect.provide(live(http, { retry: Retry.make({ base: "1 millis" }) })),
        Effect.provide(layer),
        Effect.withClock(realClock)
      )
      assert.deepStrictEqual(spans.map(({ kind, name, parent }) => [name, kind, parent]), [
        ["LLM.generate", "internal", undefined],
        ["chat gpt-4.1-mini", "client", "1"],
        ["chat gpt-4.1-mini", "client", "1"]
      ])
      const call = Object.fromEntries(spans[0]?.attributes ?? [])
      assert.deepInclude(call, {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4.1-mini",
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.max_tokens": 9,
        "gen_ai.request.seed": 1,
        "gen_ai.output.type": "text",
        "gen_ai.response.model": "gpt-4.1-mini",
        "gen_ai.response.id": "chatcmpl-1",
        "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.output_tokens": 5,
        "server.address": "api.openai.com",
        "server.port": 443
      })
      assert.strictEqual(spans[1]?.attributes.get("error.type"), "Overloaded")
      assert.isFalse(spans[2]?.attributes.has("error.type"))
      assert.isTrue(spans.every(({ ended }) => ended !== undefined))
    }))

  it.effect("a stream's span ends with the stream, also when it is abandoned", () =>
    Effect.gen(function*() {
      const { layer, spans } = recorder()
      yield* LLM.streamText({ prompt: "Hello" }).pipe(
        Stream.tap(() => Effect.sync(() => assert.isUndefined(spans[0]?.ended))),
        Stream.take(1),
        Stream.runDrain,
        Effect.provide(live(stub(streamBody))),
        Effect.provide(layer)
      )
      assert.deepStrictEqual(spans.map(({ ended, name }) => [name, ended !== undefined]), [
        ["LLM.stream", true],
        ["chat gpt-4.1-mini", true]
      ])
    }))

  it.effect("prompts and answers only when asked for", () =>
    Effect.gen(function*() {
      const run = (captureContent: boolean) =>
        Effect.gen(function*() {
          const { layer, spans } = recorder()
          yield* LLM.generateText({ prompt: "prompt-canary" }).pipe(
            Effect.provide(live(stub(() => jsonResponse(chatAnswer("answer-canary"))), { captureContent })),
            Effect.provide(layer)
          )
          return JSON.stringify(spans.map(({ attributes }) => [...attributes]))
        })
      const quiet = yield* run(false)
      assert.notMatch(quiet, /canary/)
      const open = yield* run(true)
      assert.match(open, /prompt-canary/)
      assert.match(open, /answer-canary/)
    }))

  it.effect("newer names on request", () =>
    Effect.gen(function*() {
      const { layer, spans } = recorder()
      yield* LLM.collect(LLM.streamText({ prompt: "Hello" })).pipe(
        Effect.provide(live(stub(streamBody))),
        Effect.provide(layer),
        Effect.withConfigProvider(
          ConfigProvider.fromMap(new Map([["OTEL_SEMCONV_STABILITY_OPT_IN", "http,gen_ai_latest_experimental"]]))
        )
      )
      assert.isTrue(spans[0]?.attributes.has("gen_ai.response.time_to_first_chunk"))
      assert.strictEqual(spans[0]?.attributes.get("gen_ai.request.stream"), true)
    }))

  it.effect("traceparent goes to the provider only on request", () =>
    Effect.gen(function*() {
      const http = stub(() => jsonResponse(chatAnswer("Hi")))
      for (const propagateTrace of [undefined, true]) {
        yield* LLM.generateText({ prompt: "Hello" }).pipe(
          Effect.provide(live(http, { propagateTrace })),
          Effect.provide(recorder().layer)
        )
      }
      assert.notProperty(http.sent[0]?.headers, "traceparent")
      assert.match(http.sent[1]?.headers["traceparent"] ?? "", /^00-trace-/)
    }))
})

describe("metrics", () => {
  it.effect("count duration, tokens and the time to the first chunk", () =>
    Effect.gen(function*() {
      const model = "metrics-model-1"
      const http = stub(streamBody, () => jsonResponse({ error: { message: "no" } }, { status: 401 }))
      const layer = live(http, { model })
      yield* LLM.collect(LLM.streamText({ prompt: "Hello" })).pipe(Effect.provide(layer))
      yield* Effect.flip(LLM.generateText({ prompt: "Hello" })).pipe(Effect.provide(layer))
      const all = yield* Metric.snapshot
      const ours = all.filter(({ metricKey }) => metricKey.tags.some((tag) => tag.value === model))
      const named = (name: string) =>
        ours.filter(({ metricKey }) => metricKey.name === name).map(({ metricKey }) =>
          metricKey.tags.map((tag) => `${tag.key}=${tag.value}`).filter((tag) => /error|token/.test(tag)).join()
        ).sort()
      assert.deepStrictEqual(named("gen_ai.client.operation.duration"), ["", "error.type=Authentication"])
      assert.deepStrictEqual(named("gen_ai.client.token.usage"), [
        "gen_ai.token.type=input",
        "gen_ai.token.type=output"
      ])
      assert.lengthOf(named("gen_ai.client.operation.time_to_first_chunk"), 1)
    }))
})

describe("secrets", () => {
  const secrets = {
    key: "canary-key-AAAAAAAAAAAAAAAA",
    gateway: "canary-gateway-BBBBBBBBBBBB",
    extra: "canary-extra-CCCCCCCCCCCC",
    scoped: "canary-scoped-DDDDDDDDDDDD",
    cookie: "canary-cookie-EEEEEEEEEEEE"
  }
  const canary = /canary-(key|gateway|extra|scoped|cookie)-/

  /** Answers that repeat every secret they were sent. */
  const echo = (http: Stub) => JSON.stringify(http.sent.at(-1)?.headers)

  const providers: ReadonlyArray<readonly [string, (http: Stub, httpSpans: boolean) => Layer.Layer<LLM.LLM, unknown>]> =
    [
      ["OpenAI", (http, httpSpans) => OpenAI.layer(options("gpt-5.4", httpSpans)).pipe(Layer.provide(http.layer))],
      [
        "OpenAIChat",
        (http, httpSpans) => OpenAIChat.layer(options("gpt-4.1", httpSpans)).pipe(Layer.provide(http.layer))
      ],
      [
        "Anthropic",
        (http, httpSpans) => Anthropic.layer(options("claude-sonnet-4-5", httpSpans)).pipe(Layer.provide(http.layer))
      ],
      [
        "Gemini",
        (http, httpSpans) => Gemini.layer(options("gemini-2.5-pro", httpSpans)).pipe(Layer.provide(http.layer))
      ]
    ]

  const options = (model: string, httpSpans: boolean) => ({
    model,
    apiKey: Redacted.make(secrets.key),
    defaultHeaders: { "X-Majordomo-Key": secrets.gateway, cookie: secrets.cookie },
    baseUrl: "http://gateway.test",
    retry: Retry.none,
    httpSpans
  })

  for (const [name, layerOf] of providers) {
    for (const httpSpans of [false, true]) {
      it.effect(`${name}: nothing of a key anywhere${httpSpans ? ", HTTP spans kept" : ""}`, () =>
        Effect.gen(function*() {
          const { layer, spans } = recorder()
          const lines: Array<string> = []
          const logger = Logger.replace(
            Logger.defaultLogger,
            Logger.make(({ annotations, cause, message }) =>
              void lines.push(`${JSON.stringify(message)} ${Cause.pretty(cause)} ${JSON.stringify([...annotations])}`)
            )
          )
          const http: Stub = stub(
            () =>
              jsonResponse({ error: { message: `bad key ${echo(http)}`, type: "authentication_error" } }, {
                status: 401
              }),
            () => new Response(`<html>${echo(http)}</html>`, { status: 502 }),
            () => jsonResponse({ unknown: echo(http) }),
            () => new Response(`not json ${echo(http)}`),
            () => jsonResponse({ error: { message: `in band ${echo(http)}` } }),
            () => new Response(`data: ${JSON.stringify({ error: { message: echo(http) } })}\n\n`),
            () => new Response(`data: {broken ${echo(http)}\n\n`)
          )
          const prepared = yield* Layer.build(Layer.mergeAll(layerOf(http, httpSpans), layer, logger))
          const printed: Array<string> = []
          const keep = (exit: Exit.Exit<unknown, unknown>) =>
            Effect.gen(function*() {
              assert.isTrue(Exit.isFailure(exit))
              if (Exit.isSuccess(exit)) return
              const error = Cause.squash(exit.cause)
              printed.push(
                Cause.pretty(exit.cause, { renderErrorCause: true }),
                JSON.stringify(exit),
                String(error),
                error instanceof Error ? `${error.stack} ${error.message} ${JSON.stringify(Object.entries(error))}` : ""
              )
              yield* Effect.logError("failed", exit.cause)
            })
          const request = { prompt: "Hello", extraHeaders: { "api-key": secrets.extra } }
          for (let i = 0; i < 5; i++) {
            yield* Effect.exit(LLM.generateText(request).pipe(LLM.withHeaders({ "x-goog-api-key": secrets.scoped })))
              .pipe(
                Effect.flatMap(keep),
                Effect.provide(prepared)
              )
          }
          for (let i = 0; i < 2; i++) {
            yield* Effect.exit(Stream.runDrain(LLM.streamText(request))).pipe(
              Effect.flatMap(keep),
              Effect.provide(prepared)
            )
          }
          const unsendable = { ...request, extraHeaders: { authorization: `${secrets.extra}\r\nx: y` } }
          yield* Effect.exit(LLM.generateText(unsendable)).pipe(Effect.flatMap(keep), Effect.provide(prepared))

          assert.lengthOf(http.sent, 7)
          assert.match(JSON.stringify(http.sent[0]?.headers), canary)
          const metrics = JSON.stringify(yield* Metric.snapshot)
          const traced = JSON.stringify(
            spans.map(({ attributes, ended, name }) => [
              name,
              [...attributes],
              // What a tracer exports of an end is the failure.
              ended !== undefined && Exit.isFailure(ended) ? Cause.pretty(ended.cause, { renderErrorCause: true }) : ""
            ])
          )
          if (httpSpans) assert.match(traced, /http\.request\.header/)
          for (const text of [...printed, ...lines, traced, metrics]) assert.notMatch(text, canary)
          assert.isNotEmpty(lines)
        }).pipe(Effect.scoped))
    }
  }
})
