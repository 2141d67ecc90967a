import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer, Redacted, Schema } from "effect"
import { LLM, Retry } from "../../src/index.ts"
import * as BedrockMantle from "../../src/providers/BedrockMantle.ts"
import { jsonResponse, type Stub, stub } from "../stub.ts"

const model = "anthropic.claude-opus-4-8"

const answer = (text: string) => ({
  id: "msg_1",
  type: "message",
  role: "assistant",
  model,
  content: [{ type: "text", text }],
  stop_reason: "end_turn",
  usage: { input_tokens: 10, output_tokens: 5 }
})

const live = (http: Stub, more: Partial<BedrockMantle.Options> = {}) =>
  BedrockMantle.layer({ model, apiKey: Redacted.make("k-bedrock"), region: "us-east-1", retry: Retry.none, ...more })
    .pipe(Layer.provide(http.layer))

const sent = (options: Partial<LLM.Options>, more: Partial<BedrockMantle.Options> = {}) =>
  Effect.gen(function*() {
    const http = stub(() => jsonResponse(answer("Hi")))
    const { provider, warnings } = yield* LLM.generateText({ prompt: "Hello", ...options }).pipe(
      Effect.provide(live(http, more))
    )
    return { ...http.sent[0], body: body(http), provider, warnings: warnings.map((warning) => warning.code) }
  })

const body = (http: Stub): Record<string, unknown> => ({ ...Object(http.sent[0]?.body) })

describe("BedrockMantle", () => {
  it.effect("speaks the Messages API at the region's address, with a bearer token", () =>
    Effect.gen(function*() {
      const { body, headers, provider, url } = yield* sent({ system: "Be brief" })
      assert.strictEqual(url, "https://bedrock-mantle.us-east-1.api.aws/anthropic/v1/messages")
      assert.strictEqual(headers?.["authorization"], "Bearer k-bedrock")
      assert.strictEqual(headers?.["anthropic-version"], "2023-06-01")
      assert.strictEqual(provider, "bedrock-mantle")
      assert.deepStrictEqual(body, {
        model,
        max_tokens: 16_000,
        system: [{ type: "text", text: "Be brief", cache_control: { type: "ephemeral" } }],
        messages: [{ role: "user", content: [{ type: "text", text: "Hello" }] }]
      })
    }))

  it.effect("knows what a model can do by its vendor's name: thinking, objects, no sampling, no web search", () =>
    Effect.gen(function*() {
      const thinking = yield* sent({ reasoning: { effort: "medium" } })
      assert.deepStrictEqual(thinking.body["thinking"], { type: "adaptive" })
      assert.strictEqual(thinking.body["model"], model)
      const sampling = yield* sent({ temperature: 0.5 })
      assert.notProperty(sampling.body, "temperature")
      assert.include(sampling.warnings, "dropped-parameter")
      const http = stub(() => jsonResponse(answer("{\"name\":\"Ada\"}")))
      yield* LLM.generateObject({ prompt: "Who?", schema: Schema.Struct({ name: Schema.String }) }).pipe(
        Effect.provide(live(http))
      )
      assert.property(body(http), "output_config")
      const search = yield* Effect.flip(sent({ webSearch: true }))
      assert.strictEqual(search._tag === "ProviderError" && search.reason._tag, "Unsupported")
    }))

  it.effect("finds region and key in the environment, and names what is missing", () =>
    Effect.gen(function*() {
      const build = (variables: ReadonlyArray<readonly [string, string]>) => {
        const http = stub(() => jsonResponse(answer("Hi")))
        return LLM.generateText({ prompt: "Hello" }).pipe(
          Effect.provide(BedrockMantle.layer({ model }).pipe(Layer.provide(http.layer))),
          Effect.withConfigProvider(ConfigProvider.fromMap(new Map(variables))),
          Effect.map(() => http.sent[0]?.url)
        )
      }
      const key = ["AWS_BEARER_TOKEN_BEDROCK", "k-env"] as const
      assert.include(yield* build([key, ["AWS_REGION", "eu-west-1"]]), "bedrock-mantle.eu-west-1.api.aws")
      const noRegion = yield* Effect.flip(build([key]))
      assert.strictEqual(noRegion._tag === "ConfigurationError" && noRegion.variable, "AWS_REGION")
      const noKey = yield* Effect.flip(build([["AWS_REGION", "eu-west-1"]]))
      assert.strictEqual(noKey._tag === "ConfigurationError" && noKey.variable, "AWS_BEARER_TOKEN_BEDROCK")
    }))

  it.effect("tells a gateway the region", () =>
    Effect.gen(function*() {
      const { headers, url } = yield* sent({}, {
        baseUrl: "https://gateway.example.com",
        defaultHeaders: { "X-Majordomo-Key": "mdm_0123456789" }
      })
      assert.strictEqual(url, "https://gateway.example.com/anthropic/v1/messages")
      assert.strictEqual(headers?.["x-majordomo-bedrock-region"], "us-east-1")
      assert.strictEqual(headers?.["x-majordomo-provider"], "bedrock-mantle")
    }))
})
