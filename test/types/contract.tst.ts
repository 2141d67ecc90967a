/** The public contract, as types: what programs may rely on. */
import type { FileSystem, HttpClient } from "@effect/platform"
import { type } from "arktype"
import type { ConfigError, Stream } from "effect"
import { Config, Context, Data, Effect, Layer, Schema } from "effect"
import type { Groq, LLMError, Prompt, RequestLog, Response } from "effect-majordomo"
import {
  Anthropic,
  Balance,
  Cascade,
  LLM,
  Logging,
  Models,
  OpenAI,
  OpenAICompatible,
  Output,
  Tool
} from "effect-majordomo"
import { describe, expect, it } from "tstyche"
import * as v from "valibot"
import { z } from "zod"

class Store extends Context.Tag("Store")<Store, { readonly n: number }>() {}
class Broken extends Data.TaggedError("Broken")<{}> {}

describe("accessors", () => {
  it("say what they give, fail with and need", () => {
    expect(LLM.generateText({ prompt: "" })).type.toBe<
      Effect.Effect<Response.Response<string>, LLMError.LLMError, LLM.LLM>
    >()
    expect(LLM.generateJson({ prompt: "" })).type.toBe<
      Effect.Effect<Response.Response<Prompt.JsonValue>, LLMError.LLMError, LLM.LLM>
    >()
    expect(LLM.streamText({ prompt: "" })).type.toBe<
      Stream.Stream<Response.StreamPart<string>, LLMError.LLMError, LLM.LLM>
    >()
    expect(LLM.textOf(LLM.streamText({ prompt: "" }))).type.toBe<Stream.Stream<string, LLMError.LLMError, LLM.LLM>>()
    expect(LLM.collect(LLM.streamText({ prompt: "" }))).type.toBe<
      Effect.Effect<Response.Response<string>, LLMError.LLMError, LLM.LLM>
    >()
  })

  it("decode to the type of the schema, and show what the schema needs", () => {
    const plain = Schema.Struct({ at: Schema.Date })
    expect(LLM.generateObject({ prompt: "", schema: plain })).type.toBe<
      Effect.Effect<Response.Response<{ readonly at: Date }>, LLMError.LLMError, LLM.LLM>
    >()
    const effectful = Schema.transformOrFail(Schema.String, Schema.Number, {
      decode: () => Effect.map(Store, ({ n }) => n),
      encode: () => Effect.succeed("")
    })
    expect(LLM.generateObject({ prompt: "", schema: effectful })).type.toBe<
      Effect.Effect<Response.Response<number>, LLMError.LLMError, LLM.LLM | Store>
    >()
    expect(LLM.streamObject({ prompt: "", schema: effectful })).type.toBe<
      Stream.Stream<Response.StreamPart<number>, LLMError.LLMError, LLM.LLM | Store>
    >()
  })

  it("take schemas of other libraries", () => {
    const schema = z.object({ at: z.string().transform((day) => new Date(day)) })
    expect(LLM.generateObject({ prompt: "", schema })).type.toBe<
      Effect.Effect<Response.Response<{ at: Date }>, LLMError.LLMError, LLM.LLM>
    >()
    expect(LLM.streamObject({ prompt: "", schema: type({ n: "number" }) })).type.toBe<
      Stream.Stream<Response.StreamPart<{ n: number }>, LLMError.LLMError, LLM.LLM>
    >()
    expect(LLM.generateObject({ prompt: "", schema: v.object({ n: v.number() }) })).type.toBe<
      Effect.Effect<Response.Response<{ n: number }>, LLMError.LLMError, LLM.LLM>
    >()
    expect(Tool.make({ name: "t", parameters: schema, handler: ({ at }) => Effect.succeed(at.getTime()) })).type.toBe<
      Tool.Executable<never, never>
    >()
    expect(Tool.make({ name: "t", parameters: schema })).type.toBe<Tool.Tool>()
  })

  it("refuse options that are none", () => {
    expect(LLM.generateText).type.not.toBeCallableWith({})
    expect(LLM.generateText).type.not.toBeCallableWith({ prompt: 1 })
    expect(LLM.generateText).type.not.toBeCallableWith({ prompt: "", reasoning: { effort: "huge" } })
  })
})

describe("scoping", () => {
  it("changes no type, for effects and streams alike", () => {
    const effect = LLM.generateText({ prompt: "" })
    expect(effect.pipe(LLM.withMetadata({ feature: "a" }))).type.toBe<typeof effect>()
    const stream = LLM.streamText({ prompt: "" })
    expect(stream.pipe(LLM.withHeaders({ a: "b" }), LLM.textOf)).type.toBe<
      Stream.Stream<string, LLMError.LLMError, LLM.LLM>
    >()
  })
})

describe("tools", () => {
  const tool = Tool.make({
    name: "t",
    parameters: Schema.Struct({ a: Schema.NumberFromString }),
    // Compiles only when `a` is the decoded number.
    handler: ({ a }) => Effect.flatMap(Store, ({ n }) => n > a ** 2 ? Effect.fail(new Broken()) : Effect.succeed(n))
  })

  it("keep the handler's error and requirement", () => {
    expect(tool).type.toBe<Tool.Executable<Broken, Store>>()
    expect(LLM.runTools({ prompt: "", tools: [tool] })).type.toBe<
      Effect.Effect<
        LLM.ToolsResponse<string>,
        LLMError.LLMError | LLMError.ToolStepsExceededError,
        LLM.LLM | Store
      >
    >()
    expect(LLM.runTools({ prompt: "", tools: [tool], onToolError: "fail" })).type.toBe<
      Effect.Effect<
        LLM.ToolsResponse<string>,
        LLMError.LLMError | LLMError.ToolStepsExceededError | Broken,
        LLM.LLM | Store
      >
    >()
    const output = Output.object(Schema.Struct({ b: Schema.Boolean }))
    expect(LLM.runTools({ prompt: "", tools: [tool], output })).type.toBe<
      Effect.Effect<
        LLM.ToolsResponse<{ readonly b: boolean }>,
        LLMError.LLMError | LLMError.ToolStepsExceededError,
        LLM.LLM | Store
      >
    >()
  })

  it("stream with the same errors and requirements", () => {
    expect(LLM.streamTools({ prompt: "", tools: [tool] })).type.toBe<
      Stream.Stream<
        LLM.ToolsStreamPart<string>,
        LLMError.LLMError | LLMError.ToolStepsExceededError,
        LLM.LLM | Store
      >
    >()
    expect(LLM.streamTools({ prompt: "", tools: [tool], onToolError: "fail" }).pipe(LLM.textOf)).type.toBe<
      Stream.Stream<string, LLMError.LLMError | LLMError.ToolStepsExceededError | Broken, LLM.LLM | Store>
    >()
    const raw = Tool.fromJsonSchema({ name: "t", parameters: {}, handler: () => Effect.fail(new Broken()) })
    expect(raw).type.toBe<Tool.Executable<Broken, never>>()
    expect(Tool.fromJsonSchema({ name: "t", parameters: {} })).type.toBe<Tool.Tool>()
  })

  it("without a handler cannot be run", () => {
    const bare = Tool.make({ name: "t", parameters: Schema.Struct({}) })
    expect(bare).type.toBe<Tool.Tool>()
    expect(LLM.runTools).type.not.toBeCallableWith({ prompt: "", tools: [bare] })
  })
})

describe("layers", () => {
  it("give LLM, fail with ConfigurationError, need an HttpClient", () => {
    type Provided = Layer.Layer<LLM.LLM, LLMError.ConfigurationError, HttpClient.HttpClient>
    expect(Anthropic.layer({ model: "m" })).type.toBe<Provided>()
    expect(OpenAI.layer({ model: "m" })).type.toBe<Provided>()
    expect(OpenAICompatible.layer({ model: "m", baseUrl: "http://h" })).type.toBe<Provided>()
    expect(OpenAICompatible.layer).type.not.toBeCallableWith({ model: "m" })
    expect(Anthropic.layer).type.not.toBeCallableWith({ model: "m", apiKey: "a string" })
  })

  it("take any option from the configuration", () => {
    expect(Anthropic.layerConfig({ model: Config.string("MODEL"), apiKey: Config.redacted("KEY") })).type.toBe<
      Layer.Layer<LLM.LLM, LLMError.ConfigurationError | ConfigError.ConfigError, HttpClient.HttpClient>
    >()
  })
})

describe("a cascade", () => {
  it("has a member at least, and what its members fail with and need", () => {
    const broken: Layer.Layer<LLM.LLM, Broken, Store> = Layer.fail(new Broken())
    expect(Cascade.layer([Anthropic.layer({ model: "m" }), broken])).type.toBe<
      Layer.Layer<LLM.LLM, LLMError.ConfigurationError | Broken, HttpClient.HttpClient | Store>
    >()
    expect(Cascade.layer).type.not.toBeCallableWith([])
    expect(Balance.layer).type.not.toBeCallableWith([])
    expect(Balance.layer([Anthropic.layer({ model: "m" }), broken])).type.toBe<
      Layer.Layer<LLM.LLM, LLMError.ConfigurationError | Broken, HttpClient.HttpClient | Store>
    >()
    expect(Cascade.layerModels).type.not.toBeCallableWith([])
  })
})

describe("logging", () => {
  it("needs a sink; durable, a disk that may fail", () => {
    expect(Logging.layer()).type.toBe<
      Layer.Layer<LLM.LLM | Logging.Logging, never, LLM.LLM | RequestLog.RequestLog>
    >()
    expect(Logging.layer({ durability: "durable", spool: { directory: "d" } })).type.toBe<
      Layer.Layer<
        LLM.LLM | Logging.Logging,
        LLMError.ConfigurationError,
        LLM.LLM | RequestLog.RequestLog | FileSystem.FileSystem
      >
    >()
    expect(Logging.layer).type.not.toBeCallableWith({ durability: "durable" })
    const program = LLM.generateText({ prompt: "" })
    expect(program.pipe(Logging.withOrigin({ requestPath: "/" }))).type.toBe<typeof program>()
  })
})

describe("errors", () => {
  it("are exhaustive by tag", () => {
    const handled = LLM.generateText({ prompt: "" }).pipe(
      Effect.catchTags({
        ProviderError: () => Effect.succeed(1),
        InvalidRequestError: () => Effect.succeed(2),
        ContentFilteredError: () => Effect.succeed(3),
        ResponseTruncatedError: () => Effect.succeed(4),
        ResponseParsingError: () => Effect.succeed(5),
        HookBlockedError: () => Effect.succeed(6)
      })
    )
    expect(handled).type.toBe<Effect.Effect<number | Response.Response<string>, never, LLM.LLM>>()
  })
})

describe("names of models", () => {
  it("are offered, and any other is as good", () => {
    expect<Extract<Models.ModelName<"openai">, "gpt-4.1">>().type.toBe<"gpt-4.1">()
    expect<Extract<Anthropic.Options["model"], "claude-sonnet-5">>().type.toBe<"claude-sonnet-5">()
    expect<Extract<Parameters<typeof Groq.layer>[0]["model"], "openai/gpt-oss-120b">>().type.toBe<
      "openai/gpt-oss-120b"
    >()
    expect<Extract<Models.Name, "anthropic/claude-sonnet-5">>().type.toBe<"anthropic/claude-sonnet-5">()
    expect<Extract<Models.Alias, "fast">>().type.toBe<"fast">()
    expect<Models.ModelName<"a host of one's own">>().type.toBeAssignableFrom<string>()
    expect(Models.layer).type.toBeCallableWith("acme" as string, "large" as string)
    expect(Models.layer).type.toBeCallableWith("openai", "a model of tomorrow")
    expect(Models.layerAlias).type.toBeCallableWith("an alias of one's own")
  })
})
