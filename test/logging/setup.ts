/** What the tests of logging share. */
import { NodeContext } from "@effect/platform-node"
import { Effect, Layer, Redacted } from "effect"
import { Anthropic, type LLM, OpenAI, Retry } from "../../src/index.ts"
import * as BodyStore from "../../src/logging/BodyStore.ts"
import * as Logging from "../../src/logging/Logging.ts"
import * as RequestLog from "../../src/logging/RequestLog.ts"
import { FakeProvider, TestLLM } from "../../src/testing/index.ts"
import * as UndiciHttpClient from "../../src/UndiciHttpClient.ts"

export const key = "sk-canary-4f6c1d2e"
export const retry = Retry.make({ tries: 2, base: "1 millis" })

export const claude = (baseUrl: string) =>
  Anthropic.layer({
    model: "claude-sonnet-4-5",
    baseUrl,
    apiKey: Redacted.make(key),
    apiKeyAlias: "canary",
    retry
  }).pipe(Layer.provide(UndiciHttpClient.layer))

export const gpt = (baseUrl: string) =>
  OpenAI.layer({ model: "gpt-4.1", baseUrl, apiKey: Redacted.make("sk-other-00000001"), retry }).pipe(
    Layer.provide(UndiciHttpClient.layer)
  )

/** Logging over a layer into memory; `entries` flushes first. */
export const logged = <E, R>(llm: Layer.Layer<LLM.LLM, E, R>, options?: Logging.Options) =>
  Effect.map(
    Layer.build(
      Logging.layer(options).pipe(
        Layer.provide(llm),
        Layer.provideMerge(Layer.merge(RequestLog.layerMemory, BodyStore.layerMemory)),
        Layer.provide(NodeContext.layer)
      )
    ),
    (context) => ({
      run: <A, E, R>(effect: Effect.Effect<A, E, R | LLM.LLM | Logging.Logging>) => Effect.provide(effect, context),
      entries: Effect.provide(Effect.zipRight(Logging.flush, RequestLog.entries), context),
      objects: Effect.provide(Effect.zipRight(Logging.flush, BodyStore.objects), context),
      health: Effect.provide(Logging.health, context)
    })
  )

/** Logging over one provider that gives these replies. */
export const faked = (replies: ReadonlyArray<FakeProvider.Reply>, options?: Logging.Options) =>
  Effect.gen(function*() {
    const fake = yield* FakeProvider.make()
    yield* fake.script(...replies)
    return { fake, ...(yield* logged(claude(fake.url), options)) }
  })

/** Logging over scripted answers. */
export const scripted = (script: TestLLM.Script, options?: Logging.Options) => logged(TestLLM.layer(script), options)

/** A row with nothing special in it. */
export const row = (index: number, more: Partial<RequestLog.Entry> = {}): RequestLog.Entry => ({
  requestId: `00000000-0000-7000-8000-${index.toString().padStart(12, "0")}`,
  kind: "call",
  provider: "anthropic",
  model: "claude-sonnet-4-5",
  requestedModel: "claude-sonnet-4-5",
  timestamp: 1_760_000_000_000 + index,
  responseTime: 0.5,
  inputTokens: 10,
  outputTokens: 5,
  cachedTokens: 0,
  cacheCreationTokens: 0,
  reasoningTokens: 0,
  usagePartial: false,
  status: "success",
  streamed: false,
  cached: false,
  attempts: [],
  metadata: {},
  ...more
})
