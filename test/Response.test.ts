import {
  HttpApi,
  HttpApiBuilder,
  HttpApiClient,
  HttpApiEndpoint,
  HttpApiGroup,
  HttpClient,
  HttpRouter,
  HttpServer,
  HttpServerResponse,
  Ndjson,
  OpenApi
} from "@effect/platform"
import { NodeHttpServer } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { BigDecimal, Duration, Effect, FastCheck as fc, Layer, Option, Schema, Stream } from "effect"
import { Cost, LLM, LLMError, Prompt, Response } from "../src/index.ts"
import { TestLLM } from "../src/testing/index.ts"

const text = fc.string({ unit: "binary" }).chain((whole) =>
  fc.constantFrom("", "\ud800", "\udfff", "__proto__").map((half) => `${whole}${half}`)
)
const json = fc.oneof(
  fc.jsonValue().map((value): Prompt.JsonValue => JSON.parse(JSON.stringify(value))),
  fc.constantFrom<Prompt.JsonValue>(JSON.parse(`{"__proto__":{"__proto__":[1]},"a":[{"__proto__":null}]}`))
)
const object = fc.dictionary(fc.string(), json)
const option = <A>(arbitrary: fc.Arbitrary<A>) => fc.option(arbitrary, { nil: undefined }).map(Option.fromNullable)
const maybe = <A, K extends string>(key: K, arbitrary: fc.Arbitrary<A>) =>
  fc.option(arbitrary, { nil: undefined }).map((value) => value === undefined ? {} : { [key]: value } as Record<K, A>)
const count = fc.nat()
const duration = fc.oneof(
  fc.nat().map(Duration.millis),
  fc.bigInt({ min: 0n, max: 10n ** 15n }).map(Duration.nanos)
)
const amount = fc.tuple(fc.bigInt({ min: 0n, max: 10n ** 30n }), fc.integer({ min: 0, max: 30 })).map((
  [value, scale]
) => BigDecimal.make(value, scale))
const cost = fc.record({
  input: amount,
  output: amount,
  tools: amount,
  total: amount,
  source: fc.constantFrom<Cost.Source>("prices", "override", "provider")
}).map(Cost.make)
const call = fc.tuple(text, json, maybe("rawArguments", text), maybe("providerMetadata", fc.dictionary(text, object)))
  .map((
    [id, given, ...more]
  ): Prompt.ToolCallPart => Object.assign({ type: "tool-call" as const, id, name: "f", arguments: given }, ...more))
const block: fc.Arbitrary<Prompt.AssistantPart> = fc.oneof(
  fc.record({ type: fc.constant("text" as const), text }),
  fc.record({ type: fc.constant("reasoning" as const), text, providerMetadata: fc.dictionary(fc.string(), object) }),
  fc.record({ type: fc.constant("provider" as const), wire: text, value: object }),
  call
)
const place = fc.record({ provider: text, model: text })
const usage = fc.record({
  inputTokens: count,
  outputTokens: count,
  cachedInputTokens: count,
  cacheCreationTokens: count,
  reasoningTokens: count,
  totalTokens: count
})

const response = <A>(content: fc.Arbitrary<A>): fc.Arbitrary<Response.Response<A>> =>
  fc.tuple(
    fc.record({
      content,
      text,
      reasoning: option(text),
      toolCalls: fc.array(call, { maxLength: 2 }),
      message: fc.array(block, { maxLength: 4 }).map(Prompt.assistant),
      finishReason: fc.constantFrom<Response.FinishReason>("stop", "length", "tool-calls", "content-filter", "other"),
      rawFinishReason: option(text),
      usage,
      cost: option(cost),
      provider: text,
      model: text,
      requestedModel: text,
      id: option(text),
      requestId: fc.uuid(),
      duration,
      timeToFirstToken: option(duration),
      attempts: fc.array(fc.record({ provider: text, model: text, duration }), { maxLength: 2 }),
      routed: option(place),
      warnings: fc.array(fc.record({ code: fc.constant("other" as const), message: text, cost }), { maxLength: 1 })
    }),
    maybe("cached", fc.boolean())
  ).map(([answer, more]) => ({ ...answer, ...more }))

const index = fc.nat(9)
const part = <A>(content: fc.Arbitrary<A>): fc.Arbitrary<Response.StreamPart<A>> =>
  fc.oneof(
    fc.record({ _tag: fc.constantFrom("TextDelta" as const, "ReasoningDelta" as const), index, delta: text }),
    fc.record({ _tag: fc.constant("ToolCallDelta" as const), index, id: text, name: text, delta: text }),
    fc.record({ _tag: fc.constant("ToolCallPart" as const), index, call }),
    fc.record({ _tag: fc.constant("ObjectDelta" as const), partial: json }),
    fc.record({ _tag: fc.constant("BlockEnd" as const), index, part: block }),
    fc.record({ _tag: fc.constant("Seam" as const), from: place, to: place, error: text, at: count }),
    fc.record({ _tag: fc.constant("Finish" as const), response: response(content) })
  )

/** As far as `deepStrictEqual` sees: equal times and amounts look alike, and a field named `__proto__` is seen. */
const plain = (value: unknown): unknown => {
  if (Duration.isDuration(value)) return ["duration", Option.getOrThrow(Duration.toNanos(value))]
  if (BigDecimal.isBigDecimal(value)) return ["amount", BigDecimal.format(value)]
  if (Option.isOption(value)) {
    return Option.match(value, { onNone: () => ["none"], onSome: (some) => ["some", plain(some)] })
  }
  if (Array.isArray(value)) return value.map(plain)
  return typeof value === "object" && value !== null
    ? Object.entries(value).map(([key, field]) => [key, plain(field)]).sort(([a], [b]) =>
      String(a) < String(b) ? -1 : 1
    )
    : value
}

const roundTrip = <A, I>(schema: Schema.Schema<A, I>, arbitrary: fc.Arbitrary<A>) => {
  const stored = Schema.parseJson(schema)
  const encode = Schema.encodeSync(stored)
  const decode = Schema.decodeSync(stored)
  fc.assert(fc.property(arbitrary, (value) => assert.deepStrictEqual(plain(decode(encode(value))), plain(value))), {
    numRuns: 40
  })
}

describe("schemas of answers", () => {
  it("an answer is the same after JSON", () => {
    roundTrip(Response.Response(Schema.String), response(text))
    roundTrip(Response.Response(Prompt.JsonValue), response(json))
    const Content = Schema.Struct({ at: Schema.Date, of: Schema.Option(Schema.String) })
    roundTrip(
      Response.Response(Content),
      response(fc.record({ at: fc.date({ noInvalidDate: true }), of: option(text) }))
    )
  })

  it("the parts of a stream are the same after JSON", () => {
    roundTrip(Response.StreamPart(Schema.String), part(text))
    roundTrip(Response.StreamPart(Schema.DateFromString), part(fc.date({ noInvalidDate: true })))
  })

  it("a conversation keeps fields named __proto__, and what never ends is refused", () => {
    const value: Prompt.JsonValue = JSON.parse(`{"__proto__":{"admin":true}}`)
    roundTrip(Prompt.Conversation, fc.constant([Prompt.tool([Prompt.toolResult({ id: "1", name: "f" }, value)])]))
    const endless: Record<string, unknown> = {}
    endless["self"] = endless
    for (const wrong of [endless, { a: undefined }, new Uint8Array(1), () => 1, Object.assign([], { length: 2 })]) {
      assert.isTrue(Option.isNone(Schema.decodeUnknownOption(Prompt.JsonValue)(wrong)))
    }
  })
})

describe("answers over HTTP", () => {
  const question = Schema.Struct({ question: Schema.String })
  const ask = HttpApiEndpoint.post("ask", "/ask")
    .setPayload(question)
    .addSuccess(Response.Response(Schema.String))
    .addError(LLMError.LLMError, { status: 502 })
  const api = HttpApi.make("api").add(HttpApiGroup.make("llm").add(ask))
  const Line = Schema.Either({ left: LLMError.LLMError, right: Response.StreamPart(Schema.String) })

  const failure = new LLMError.ProviderError({
    provider: "test",
    model: "m",
    reason: new LLMError.RateLimited({ retryAfter: Duration.seconds(7) }),
    attempts: [{ provider: "test", model: "m", duration: Duration.millis(3), error: "RateLimited" }]
  })
  const spent = Cost.make({ input: BigDecimal.make(123456789012345678901n, 24), source: "prices" })
  const script = TestLLM.layer(
    ({ prompt }) =>
      JSON.stringify(prompt).includes("fail") ? failure : TestLLM.text("four \ud800 \u2028 words", { cost: spent }),
    { repeat: true }
  )

  const handlers = HttpApiBuilder.group(
    api,
    "llm",
    (group) => group.handle("ask", ({ payload }) => LLM.generateText({ prompt: payload.question }))
  ).pipe(Layer.provide(script))

  it.scoped("an endpoint of an HttpApi answers with a Response, and fails with an LLMError", () =>
    Effect.gen(function*() {
      const client = yield* HttpApiClient.make(api)
      const answer = yield* client.llm.ask({ payload: { question: "Hello" } })
      assert.strictEqual(answer.content, "four \ud800 \u2028 words")
      assert.isTrue(Duration.isDuration(answer.duration))
      assert.deepStrictEqual(plain(answer.cost), plain(Option.some(spent)))
      const error = yield* Effect.flip(client.llm.ask({ payload: { question: "fail" } }))
      assert.isTrue(error instanceof LLMError.ProviderError && error.isRetryable)
      assert.strictEqual(error.message, failure.message)
      assert.deepStrictEqual(error instanceof LLMError.ProviderError && error.retryAfter, failure.retryAfter)
      // Documented too.
      const { components, paths } = OpenApi.fromApi(api)
      assert.property(paths["/ask"]?.post?.responses, "200")
      assert.property(components.schemas, "Usage")
    }).pipe(
      Effect.provide(
        HttpApiBuilder.serve().pipe(
          Layer.provide(HttpApiBuilder.api(api).pipe(Layer.provide(handlers))),
          Layer.provideMerge(NodeHttpServer.layerTest)
        )
      )
    ))

  it.scoped("the parts of a stream cross as lines of JSON, and a failure after them", () =>
    Effect.gen(function*() {
      const lines = <E extends LLMError.LLMError>(
        parts: Stream.Stream<Response.StreamPart<string>, E, LLM.LLM>
      ) =>
        Effect.map(
          Effect.context<LLM.LLM>(),
          (context) =>
            HttpServerResponse.stream(
              Stream.either(parts).pipe(
                Stream.pipeThroughChannel(Ndjson.packSchema(Line)()),
                Stream.provideContext(context)
              ),
              { contentType: "application/x-ndjson" }
            )
        )
      yield* HttpServer.serveEffect(HttpRouter.empty.pipe(
        HttpRouter.get("/whole", lines(LLM.streamText({ prompt: "Hello" }))),
        HttpRouter.get(
          "/broken",
          lines(Stream.concat(Stream.take(LLM.streamText({ prompt: "Hello" }), 1), Stream.fail(failure)))
        )
      ))
      const read = (path: string) =>
        Effect.map(HttpClient.get(path), (response) =>
          response.stream.pipe(
            Stream.pipeThroughChannelOrFail(Ndjson.unpackSchema(Line)({ ignoreEmptyLines: true })),
            Stream.mapEffect((line) => line)
          )).pipe(Stream.unwrap)
      const sent = yield* Stream.runCollect(LLM.streamText({ prompt: "Hello" }))
      const got = yield* Stream.runCollect(read("/whole"))
      assert.deepStrictEqual([...got].map(({ _tag }) => _tag), [...sent].map(({ _tag }) => _tag))
      const answer = yield* LLM.collect(Stream.filter(read("/whole"), () => true))
      assert.strictEqual(answer.content, "four \ud800 \u2028 words")
      const broken = yield* Effect.flip(Stream.runCollect(read("/broken")))
      assert.isTrue(broken instanceof LLMError.ProviderError && broken.reason._tag === "RateLimited")
    }).pipe(Effect.provide([script, NodeHttpServer.layerTest])))
})
