import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, FastCheck as fc, Layer, Option, Redacted, Schedule, Schema, Stream } from "effect"
import { LLM, Prompt, Retry, Tool } from "../../src/index.ts"
import * as Bedrock from "../../src/providers/Bedrock.ts"
import { event, exception, join } from "../frames.ts"
import { jsonResponse, type Stub, stub } from "../stub.ts"

const claude = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
const nova = "us.amazon.nova-2-lite-v1:0"

const answer = (content: ReadonlyArray<unknown>, more: Readonly<Record<string, unknown>> = {}) => ({
  metrics: { latencyMs: 5 },
  output: { message: { role: "assistant", content } },
  stopReason: "end_turn",
  usage: { inputTokens: 10, outputTokens: 5, cacheReadInputTokens: 20, cacheWriteInputTokens: 30, totalTokens: 65 },
  ...more
})

const text = (value: string) => [{ text: value }]

const live = (http: Stub, more: Partial<Bedrock.Options> = {}) =>
  Bedrock.layer({
    model: claude,
    apiKey: Redacted.make("k-bedrock"),
    region: "us-east-1",
    retry: Retry.none,
    ...more
  }).pipe(Layer.provide(http.layer))

/** What is sent for a request. */
const sent = (options: Partial<LLM.Options>, more: Partial<Bedrock.Options> = {}) =>
  Effect.gen(function*() {
    const http = stub(() => jsonResponse(answer(text("Hi"))))
    const { warnings } = yield* LLM.generateText({ prompt: "Hello", ...options }).pipe(Effect.provide(live(http, more)))
    return { ...http.sent[0], body: body(http, 0), warnings: warnings.map((warning) => warning.message) }
  })

const body = (http: Stub, i: number): Record<string, unknown> => ({ ...Object(http.sent[i]?.body) })

const tag = (error: { readonly _tag: string; readonly reason?: unknown }) =>
  error._tag === "ProviderError" ? Object(error.reason)._tag : error.reason ?? error._tag

const weather = Tool.make({ name: "weather", description: "Tells it", parameters: Schema.Struct({}) })
const Person = Schema.Struct({ name: Schema.String, nick: Schema.optional(Schema.String) })

describe("Bedrock requests", () => {
  it.effect("go to the region and the model, whose name is escaped; nothing is sent that is not asked for", () =>
    Effect.gen(function*() {
      const plain = yield* sent({})
      assert.strictEqual(
        plain.url,
        "https://bedrock-runtime.us-east-1.amazonaws.com/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse"
      )
      assert.strictEqual(plain.headers?.["authorization"], "Bearer k-bedrock")
      assert.notProperty(plain.headers, "x-majordomo-bedrock-region")
      assert.deepStrictEqual(plain.body, { messages: [{ role: "user", content: text("Hello") }] })
      const profile = yield* sent({}, {
        model: "arn:aws:bedrock:eu-west-1:1:inference-profile/x",
        region: "cn-north-1"
      })
      assert.strictEqual(
        profile.url,
        "https://bedrock-runtime.cn-north-1.amazonaws.com.cn/model/" +
          "arn%3Aaws%3Abedrock%3Aeu-west-1%3A1%3Ainference-profile%2Fx/converse"
      )
    }))

  it.effect("carry the system prompt and the limits", () =>
    Effect.gen(function*() {
      const { body } = yield* sent(
        { system: "Be brief", temperature: 0.5, topP: 0.9, maxTokens: 100, stop: ["END"] },
        { model: nova, promptCaching: true }
      )
      assert.deepStrictEqual(body["system"], [{ text: "Be brief" }, { cachePoint: { type: "default" } }])
      assert.deepStrictEqual(body["inferenceConfig"], {
        maxTokens: 100,
        temperature: 0.5,
        topP: 0.9,
        stopSequences: ["END"]
      })
    }))

  it.effect("find region and key in the environment, and name what is missing", () =>
    Effect.gen(function*() {
      const build = (variables: ReadonlyArray<readonly [string, string]>, more: Partial<Bedrock.Options> = {}) => {
        const http = stub(() => jsonResponse(answer(text("Hi"))))
        return LLM.generateText({ prompt: "Hello" }).pipe(
          Effect.provide(Bedrock.layer({ model: nova, ...more }).pipe(Layer.provide(http.layer))),
          Effect.withConfigProvider(ConfigProvider.fromMap(new Map(variables))),
          Effect.map(() => http.sent[0])
        )
      }
      const key = ["AWS_BEARER_TOKEN_BEDROCK", "k-env"] as const
      const found = yield* build([key, ["AWS_DEFAULT_REGION", "eu-west-3"]])
      assert.include(found?.url, "bedrock-runtime.eu-west-3.")
      assert.strictEqual(found?.headers["authorization"], "Bearer k-env")
      assert.include(
        (yield* build([key, ["AWS_REGION", "eu-west-1"], ["AWS_DEFAULT_REGION", "eu-west-3"]]))?.url,
        "west-1"
      )
      const noRegion = yield* Effect.flip(build([key]))
      assert.strictEqual(noRegion._tag === "ConfigurationError" && noRegion.variable, "AWS_REGION")
      const noKey = yield* Effect.flip(build([["AWS_REGION", "eu-west-1"]]))
      assert.strictEqual(noKey._tag === "ConfigurationError" && noKey.variable, "AWS_BEARER_TOKEN_BEDROCK")
      const odd = yield* Effect.flip(build([key], { region: "evil.example/#" }))
      assert.strictEqual(odd._tag, "ConfigurationError")
    }))

  it.effect("tell a gateway the region; it needs none", () =>
    Effect.gen(function*() {
      const gateway = {
        baseUrl: "https://gateway.example.com",
        defaultHeaders: { "X-Majordomo-Key": "mdm_0123456789" }
      }
      const { headers, url } = yield* sent({}, gateway)
      assert.match(url ?? "", /^https:\/\/gateway\.example\.com\/model\/.*\/converse$/)
      assert.strictEqual(headers?.["x-majordomo-bedrock-region"], "us-east-1")
      assert.strictEqual(headers?.["x-majordomo-provider"], "bedrock")
      const bare = yield* sent({}, { ...gateway, region: undefined }).pipe(
        Effect.withConfigProvider(ConfigProvider.fromMap(new Map()))
      )
      assert.notProperty(bare.headers, "x-majordomo-bedrock-region")
    }))

  it.effect("are signed when there are credentials, each try anew; a key wins over them", () =>
    Effect.gen(function*() {
      const http = stub(() => jsonResponse({ message: "slow down" }, { status: 503 }), () =>
        jsonResponse(answer(text("Hi"))))
      let asked = 0
      const credentials = Effect.sync((): Bedrock.Credentials => ({
        accessKeyId: `AKID${++asked}`,
        secretAccessKey: Redacted.make("s3cret-key"),
        sessionToken: Redacted.make("session")
      }))
      yield* LLM.generateText({ prompt: "Hello" }).pipe(
        Effect.provide(live(http, { apiKey: undefined, credentials, retry: Schedule.recurs(1) }))
      )
      assert.deepStrictEqual(
        http.sent.map(({ headers }) =>
          headers["x-amz-security-token"]
        ),
        ["session", "session"]
      )
      for (const [i, { headers }] of http.sent.entries()) {
        assert.match(
          headers["authorization"] ?? "",
          new RegExp(
            `^AWS4-HMAC-SHA256 Credential=AKID${i + 1}/\\d{8}/us-east-1/bedrock/aws4_request, ` +
              "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token, Signature=[0-9a-f]{64}$"
          )
        )
      }
      const both = yield* sent({}, { credentials })
      assert.strictEqual(both.headers?.["authorization"], "Bearer k-bedrock")
    }))

  it.effect("credentials come from the environment; none that can be had is a failure without secrets", () =>
    Effect.gen(function*() {
      const variables = new Map([["AWS_ACCESS_KEY_ID", "AKID"], ["AWS_SECRET_ACCESS_KEY", "s3cret-key"]])
      const found = yield* Bedrock.credentials.pipe(Effect.withConfigProvider(ConfigProvider.fromMap(variables)))
      assert.deepStrictEqual(found, {
        accessKeyId: "AKID",
        secretAccessKey: Redacted.make("s3cret-key"),
        sessionToken: undefined
      })
      const error = yield* Effect.flip(
        sent({}, { apiKey: undefined, credentials: Effect.fail(new Error("the role cannot be assumed")) })
      )
      assert.strictEqual(tag(error), "Transport")
      assert.include(error.message, "the role cannot be assumed")
    }))

  it.effect("join neighbours of one role, clean ids, and keep calls with their results", () =>
    Effect.gen(function*() {
      const { body } = yield* sent({
        prompt: [
          Prompt.system("Rules"),
          Prompt.user("Weather?"),
          Prompt.assistant([
            Prompt.text("Let me see."),
            Prompt.text(" "),
            { type: "tool-call", id: "functions.weather:0", name: "weather", arguments: { city: "Rome" } }
          ]),
          Prompt.tool([
            Prompt.toolResult({ id: "functions.weather:0", name: "weather" }, { celsius: 21 }),
            Prompt.toolResult({ id: "b", name: "weather" }, "no", { isError: true })
          ]),
          Prompt.user([Prompt.text("And tomorrow?", { cache: "1h" })])
        ],
        tools: [weather]
      })
      assert.deepStrictEqual(body["messages"], [
        { role: "user", content: text("Weather?") },
        {
          role: "assistant",
          content: [...text("Let me see."), {
            toolUse: { toolUseId: "functions_weather_0", name: "weather", input: { city: "Rome" } }
          }]
        },
        {
          role: "user",
          content: [
            { toolResult: { toolUseId: "functions_weather_0", content: text("{\"celsius\":21}") } },
            { toolResult: { toolUseId: "b", content: text("no"), status: "error" } },
            ...text("And tomorrow?"),
            { cachePoint: { type: "default", ttl: "1h" } }
          ]
        }
      ])
    }))

  it.effect("carry pictures, documents and what lies in S3; documents get plain names", () =>
    Effect.gen(function*() {
      const { body } = yield* sent({
        prompt: [Prompt.user([
          Prompt.text("See"),
          Prompt.image(new Uint8Array([0x89, 0x50, 0x4e, 0x47])),
          Prompt.image("s3://bucket/a.jpg", { mediaType: "image/jpeg" }),
          Prompt.file("JVBE", { mediaType: "application/pdf", filename: "Q3_report  (final).pdf" }),
          Prompt.file(new TextEncoder().encode("plain"), { mediaType: "text/x-log" }),
          Prompt.file("AAAA", { mediaType: "video/mp4" })
        ])]
      })
      assert.deepStrictEqual(body["messages"], [{
        role: "user",
        content: [
          { text: "See" },
          { image: { format: "png", source: { bytes: "iVBORw==" } } },
          { image: { format: "jpeg", source: { s3Location: { uri: "s3://bucket/a.jpg" } } } },
          { document: { format: "pdf", name: "Q3-report (final) 1", source: { bytes: "JVBE" } } },
          { document: { format: "txt", name: "document 2", source: { bytes: "cGxhaW4=" } } },
          { video: { format: "mp4", source: { bytes: "AAAA" } } }
        ]
      }])
      const refused = [
        Prompt.image("https://example.com/a.png"),
        Prompt.image("Qk0=", { mediaType: "image/bmp" }),
        Prompt.file("AAAA", { mediaType: "application/zip" })
      ]
      for (const part of refused) {
        assert.strictEqual(tag(yield* Effect.flip(sent({ prompt: [Prompt.user([part])] }))), "Unsupported")
      }
    }))

  it.effect("say which tools there are and which must be used; Llama is only asked", () =>
    Effect.gen(function*() {
      const choose = (toolChoice: LLM.Options["toolChoice"], model = claude) =>
        Effect.map(sent({ tools: [weather], toolChoice }, { model }), ({ body }) => Object(body["toolConfig"]))
      assert.deepStrictEqual((yield* choose(undefined)).toolChoice, undefined)
      assert.strictEqual((yield* choose("auto")).tools[0].toolSpec.name, "weather")
      assert.deepStrictEqual((yield* choose("auto")).toolChoice, { auto: {} })
      assert.deepStrictEqual((yield* choose("required")).toolChoice, { any: {} })
      assert.deepStrictEqual((yield* choose({ tool: "weather" })).toolChoice, { tool: { name: "weather" } })
      assert.deepStrictEqual(yield* choose("none"), {})
      const llama = yield* choose("required", "us.meta.llama4-scout-17b-instruct-v1:0")
      assert.notProperty(llama, "toolChoice")
    }))

  it.effect("name the tools of the past, without which calls in the prompt are rejected", () =>
    Effect.gen(function*() {
      const { body } = yield* sent({
        prompt: [
          Prompt.user("Weather?"),
          Prompt.assistant([{ type: "tool-call", id: "a", name: "weather", arguments: {} }]),
          Prompt.tool([Prompt.toolResult({ id: "a", name: "weather" }, 21)])
        ]
      })
      assert.deepStrictEqual(body["toolConfig"], {
        tools: [{ toolSpec: { name: "weather", inputSchema: { json: { type: "object" } } } }]
      })
    }))

  it.effect("ask for an object through a forced tool, natively or by asking", () =>
    Effect.gen(function*() {
      const use = { toolUse: { toolUseId: "t", name: "give_answer", input: { name: "Ada", nick: null } } }
      const object = (more: Partial<Bedrock.Options>, options: Partial<LLM.Options> = {}) =>
        Effect.gen(function*() {
          const http = stub(() => jsonResponse(answer([use], { stopReason: "tool_use" })))
          const { content, toolCalls } = yield* LLM.generateObject({ prompt: "Who?", schema: Person, ...options }).pipe(
            Effect.provide(live(http, more))
          )
          assert.deepStrictEqual(content, { name: "Ada" })
          assert.deepStrictEqual(toolCalls, [])
          return body(http, 0)
        })
      const forced = yield* object({})
      assert.deepStrictEqual(Object(forced["toolConfig"]).toolChoice, { tool: { name: "give_answer" } })
      const among = yield* object({}, { tools: [weather] })
      assert.deepStrictEqual(Object(among["toolConfig"]).toolChoice, { any: {} })
      for (
        const asked of [
          yield* object({}, { reasoning: { effort: "low" } }),
          yield* object({ model: "us.meta.llama4-scout-17b-instruct-v1:0" })
        ]
      ) {
        assert.notProperty(asked["toolConfig"], "toolChoice")
        assert.include(JSON.stringify(asked["system"]), "give_answer")
      }
      const native = stub(() => jsonResponse(answer(text("{\"name\":\"Ada\",\"nick\":null}"))))
      const { content } = yield* LLM.generateObject({ prompt: "Who?", schema: Person }).pipe(
        Effect.provide(live(native, { structured: "native" }))
      )
      assert.deepStrictEqual(content, { name: "Ada" })
      const { textFormat } = Object(body(native, 0)["outputConfig"])
      assert.strictEqual(textFormat.type, "json_schema")
      assert.deepStrictEqual(JSON.parse(textFormat.structure.jsonSchema.schema).required, ["name", "nick"])
    }))

  it.effect("think as each model can: by budget, adaptively, by effort", () =>
    Effect.gen(function*() {
      const fields = (reasoning: LLM.Reasoning, model: string, more: Partial<LLM.Options> = {}) =>
        Effect.map(sent({ reasoning, ...more }, { model }), ({ body }) => body["additionalModelRequestFields"])
      assert.deepStrictEqual(yield* fields({ effort: "low" }, claude), {
        thinking: { type: "enabled", budget_tokens: 2048 }
      })
      assert.deepStrictEqual(yield* fields({ budgetTokens: 9000 }, claude, { maxTokens: 4000 }), {
        thinking: { type: "enabled", budget_tokens: 3999 }
      })
      assert.deepStrictEqual(yield* fields({ effort: "none" }, claude), { thinking: { type: "disabled" } })
      assert.deepStrictEqual(yield* fields({ effort: "high" }, "global.anthropic.claude-opus-4-6-v1"), {
        thinking: { type: "adaptive" },
        output_config: { effort: "high" }
      })
      assert.deepStrictEqual(yield* fields({ budgetTokens: 1024 }, "anthropic.claude-opus-4-7"), {
        thinking: { type: "adaptive" },
        output_config: { effort: "low" }
      })
      assert.deepStrictEqual(yield* fields({ effort: "minimal" }, nova), {
        reasoningConfig: { type: "enabled", maxReasoningEffort: "low" }
      })
      assert.deepStrictEqual(yield* fields({ effort: "none" }, nova), { reasoningConfig: { type: "disabled" } })
      assert.deepStrictEqual(yield* fields({ effort: "xhigh" }, "openai.gpt-oss-120b-1:0"), {
        reasoning_effort: "high"
      })
      assert.deepStrictEqual(yield* fields({ effort: "high" }, "us.deepseek.r1-v1:0"), undefined)
      const old = yield* Effect.flip(fields({ effort: "low" }, "anthropic.claude-3-haiku-20240307-v1:0"))
      assert.strictEqual(tag(old), "Unsupported")
      const small = yield* Effect.flip(fields({ effort: "low" }, claude, { maxTokens: 500 }))
      assert.strictEqual(small._tag === "InvalidRequestError" && small.parameter, "maxTokens")
    }))

  it.effect("warn of what they leave out, and keep within a known ceiling", () =>
    Effect.gen(function*() {
      const high = yield* sent({ reasoning: { effort: "high" }, maxTokens: 100, seed: 1 }, { model: nova })
      assert.notProperty(high.body, "inferenceConfig")
      assert.lengthOf(high.warnings.filter((warning) => /seed|high effort/.test(warning)), 2)
      const thinking = yield* sent({ reasoning: { effort: "low" }, temperature: 0.5 })
      assert.notProperty(thinking.body, "inferenceConfig")
      const ceiling = yield* sent({ maxTokens: 10_000 }, { model: "us.meta.llama4-scout-17b-instruct-v1:0" })
      assert.deepStrictEqual(ceiling.body["inferenceConfig"], { maxTokens: 8192 })
    }))
})

describe("Bedrock answers", () => {
  it.effect("count all of the prompt, cache included; the model is the one asked for", () =>
    Effect.gen(function*() {
      const http = stub(() => jsonResponse(answer(text("Hi"))))
      const response = yield* LLM.generateText({ prompt: "Hello" }).pipe(Effect.provide(live(http)))
      assert.deepStrictEqual(response.usage, {
        inputTokens: 60,
        outputTokens: 5,
        cachedInputTokens: 20,
        cacheCreationTokens: 30,
        reasoningTokens: 0,
        totalTokens: 65
      })
      assert.strictEqual(response.model, claude)
      assert.isTrue(Option.isSome(response.cost))
    }))

  it.effect("carry reasoning and hosted tools to the next turn as they came, to a Claude only", () =>
    Effect.gen(function*() {
      const content = [
        { reasoningContent: { reasoningText: { text: "Hm.", signature: "sig==" } } },
        { reasoningContent: { redactedContent: "b3BhcXVl" } },
        {
          toolUse: { toolUseId: "s", name: "nova_code_interpreter", type: "server_tool_use", input: { snippet: "1" } }
        },
        { toolResult: { toolUseId: "s", status: "success", content: [{ json: { stdOut: "1" } }] } },
        ...text("Hi")
      ]
      const http = stub(() => jsonResponse(answer(content)))
      const first = yield* LLM.generateText({ prompt: "Hello" }).pipe(Effect.provide(live(http)))
      assert.deepStrictEqual(first.reasoning, Option.some("Hm."))
      assert.deepStrictEqual(first.toolCalls, [])
      const prompt = [Prompt.user("Hello"), first.message, Prompt.user("More")]
      yield* LLM.generateText({ prompt }).pipe(Effect.provide(live(http)))
      assert.deepStrictEqual(Object(body(http, 1)["messages"])[1], { role: "assistant", content })
      yield* LLM.generateText({ prompt }).pipe(Effect.provide(live(http, { model: nova })))
      assert.deepStrictEqual(Object(body(http, 2)["messages"])[1].content, content.slice(2))
    }))

  it.effect("withhold what a guardrail stopped", () =>
    Effect.gen(function*() {
      const http = stub(() => jsonResponse(answer(text("Blocked."), { stopReason: "guardrail_intervened" })))
      const error = yield* Effect.flip(LLM.generateText({ prompt: "Hello" })).pipe(Effect.provide(live(http)))
      assert.strictEqual(error._tag === "ContentFilteredError" && error.category, "guardrail_intervened")
    }))

  it.effect("fail for the reason that the exception's name gives", () =>
    Effect.gen(function*() {
      const failing = (status: number, type: string | undefined, payload: unknown = { message: "why" }) => {
        const http = stub(() =>
          jsonResponse(payload, { status, headers: type === undefined ? {} : { "x-amzn-errortype": type } })
        )
        return Effect.map(
          Effect.flip(LLM.generateText({ prompt: "Hello" })).pipe(Effect.provide(live(http))),
          tag
        )
      }
      assert.strictEqual(yield* failing(429, "ThrottlingException"), "RateLimited")
      assert.strictEqual(yield* failing(400, "ValidationException:http://internal.amazon.com/coral/"), "Rejected")
      assert.strictEqual(
        yield* failing(400, "ValidationException", { message: "The provided model identifier is invalid." }),
        "ModelNotFound"
      )
      assert.strictEqual(
        yield* failing(400, "ValidationException", { message: "Input is too long for requested model." }),
        "ContextLengthExceeded"
      )
      assert.strictEqual(yield* failing(403, "AccessDeniedException", { Message: "why" }), "PermissionDenied")
      assert.strictEqual(
        yield* failing(403, undefined, {
          __type: "com.amazon.coral.service#UnrecognizedClientException",
          message: "x"
        }),
        "Authentication"
      )
      assert.strictEqual(yield* failing(404, "ResourceNotFoundException"), "ModelNotFound")
      assert.strictEqual(yield* failing(408, "ModelTimeoutException"), "Timeout")
      assert.strictEqual(yield* failing(503, "ServiceUnavailableException"), "Overloaded")
      assert.strictEqual(yield* failing(500, "InternalServerException:http://example.com/throttling/"), "ServerError")
      assert.strictEqual(yield* failing(429, "ModelNotReadyException"), "Overloaded")
      assert.strictEqual(yield* failing(400, "ServiceQuotaExceededException"), "QuotaExceeded")
    }))
})

describe("Bedrock streams", () => {
  const start = event("messageStart", { role: "assistant", p: "abc" })
  const delta = (index: number, delta: unknown) =>
    event("contentBlockDelta", { contentBlockIndex: index, delta, p: "abcdef" })
  const stop = (index: number) => event("contentBlockStop", { contentBlockIndex: index, p: "a" })
  const end = (stopReason: string) => [
    event("messageStop", { stopReason }),
    event("metadata", { usage: { inputTokens: 1, outputTokens: 2 }, metrics: {} })
  ]
  const whole = [
    start,
    delta(0, { reasoningContent: { text: "Hm" } }),
    delta(0, { reasoningContent: { text: "." } }),
    delta(0, { reasoningContent: { signature: "sig==" } }),
    stop(0),
    event("somethingNew", { contentBlockIndex: 1 }),
    delta(1, { text: "Grüße" }),
    delta(1, { text: "" }),
    delta(1, { text: " 🙂" }),
    stop(1),
    event("contentBlockStart", { contentBlockIndex: 2, start: { toolUse: { toolUseId: "t", name: "weather" } } }),
    delta(2, { toolUse: { input: "{\"city\":" } }),
    delta(2, { toolUse: { input: "\"Rom\"}" } }),
    stop(2),
    ...end("tool_use")
  ]

  const frames = (pieces: ReadonlyArray<Uint8Array>) => () =>
    new Response(
      new ReadableStream({
        start: (controller) => {
          for (const piece of pieces) controller.enqueue(piece)
          controller.close()
        }
      }),
      { headers: { "content-type": "application/vnd.amazon.eventstream" } }
    )

  const collect = (http: Stub, more: Partial<Bedrock.Options> = {}) =>
    LLM.collect(LLM.streamText({ prompt: "Hello" })).pipe(Effect.provide(live(http, more)))

  /** What came before a failure, and the failure. */
  const broken = (pieces: ReadonlyArray<Uint8Array>) =>
    Effect.gen(function*() {
      const http = stub(frames(pieces))
      const seen: Array<string> = []
      const error = yield* LLM.streamText({ prompt: "Hello" }).pipe(
        LLM.textOf,
        Stream.runForEach((text) => Effect.sync(() => seen.push(text))),
        Effect.flip,
        Effect.provide(live(http))
      )
      return { seen: seen.join(""), reason: tag(error), error }
    })

  it.effect("go to a path of their own and ask for frames", () =>
    Effect.gen(function*() {
      const http = stub(frames(whole))
      yield* collect(http)
      assert.match(http.sent[0]?.url ?? "", /\/converse-stream$/)
      assert.strictEqual(http.sent[0]?.headers["accept"], "application/vnd.amazon.eventstream")
    }))

  it.effect.prop("give the same answer however the bytes are cut", [
    fc.array(fc.nat(), { maxLength: 20 })
  ], ([points]) =>
    Effect.gen(function*() {
      const bytes = join(whole)
      const ends = [...new Set([...points.map((point) => point % bytes.length), bytes.length])].sort((a, b) => a - b)
      const answer = yield* collect(stub(frames(ends.map((end, i) => bytes.slice(ends[i - 1] ?? 0, end)))))
      assert.strictEqual(answer.text, "Grüße 🙂")
      assert.deepStrictEqual(answer.reasoning, Option.some("Hm."))
      assert.deepStrictEqual(answer.toolCalls.map(({ arguments: args, id, name }) => ({ args, id, name })), [
        { id: "t", name: "weather", args: { city: "Rom" } }
      ])
      assert.strictEqual(answer.finishReason, "tool-calls")
      assert.strictEqual(answer.usage.totalTokens, 3)
      assert.deepStrictEqual(Option.getOrNull(answer.rawFinishReason), "tool_use")
    }), { fastCheck: { numRuns: 50 } })

  it.effect("keep a hosted tool for the next turn", () =>
    Effect.gen(function*() {
      const http = stub(frames([
        start,
        event("contentBlockStart", {
          contentBlockIndex: 0,
          start: { toolUse: { toolUseId: "s", name: "nova_code_interpreter", type: "server_tool_use" } }
        }),
        delta(0, { toolUse: { input: "{\"snippet\":\"1\"}" } }),
        stop(0),
        event("contentBlockStart", {
          contentBlockIndex: 1,
          start: { toolResult: { toolUseId: "s", status: "success" } }
        }),
        delta(1, { toolResult: [{ json: { stdOut: "1" } }] }),
        stop(1),
        delta(2, { text: "1" }),
        ...end("end_turn")
      ]))
      const { message } = yield* collect(http)
      yield* Effect.exit(
        LLM.generateText({ prompt: [Prompt.user("Hello"), message, Prompt.user("More")] }).pipe(
          Effect.provide(live(http))
        )
      )
      assert.deepStrictEqual(Object(body(http, 1)["messages"])[1].content, [
        {
          toolUse: { toolUseId: "s", name: "nova_code_interpreter", type: "server_tool_use", input: { snippet: "1" } }
        },
        { toolResult: { toolUseId: "s", status: "success", content: [{ json: { stdOut: "1" } }] } },
        { text: "1" }
      ])
    }))

  it.effect("an exception before any content is tried again", () =>
    Effect.gen(function*() {
      const http = stub(frames([start, exception("throttlingException", { message: "slow down" })]), frames(whole))
      const answer = yield* collect(http, { retry: Schedule.recurs(1) })
      assert.strictEqual(answer.text, "Grüße 🙂")
      assert.strictEqual(http.sent.length, 2)
    }))

  it.effect("an exception after content goes to the reader, with its reason", () =>
    Effect.gen(function*() {
      const failing = (type: string, payload: unknown = { message: "why" }) =>
        broken([start, delta(0, { text: "Hal" }), exception(type, payload)])
      const throttled = yield* failing("throttlingException")
      assert.strictEqual(throttled.seen, "Hal")
      assert.strictEqual(throttled.reason, "RateLimited")
      assert.include(throttled.error.message, "why")
      assert.strictEqual((yield* failing("modelStreamErrorException")).reason, "ServerError")
      assert.strictEqual((yield* failing("internalServerException")).reason, "ServerError")
      assert.strictEqual((yield* failing("serviceUnavailableException")).reason, "Overloaded")
      assert.strictEqual((yield* failing("modelTimeoutException")).reason, "Timeout")
      assert.strictEqual((yield* failing("validationException")).reason, "Rejected")
      assert.strictEqual((yield* failing("somethingNewException", "odd")).reason, "ServerError")
    }))

  it.effect("a damaged frame, and a stream that ends too early, are failures after what came before", () =>
    Effect.gen(function*() {
      const bad = delta(0, { text: "lo" }).map((byte, i, all) => i === all.length - 1 ? byte ^ 1 : byte)
      const damaged = yield* broken([start, delta(0, { text: "Hal" }), bad])
      assert.deepStrictEqual([damaged.seen, damaged.reason], ["Hal", "MalformedResponse"])
      const short = yield* broken([
        start,
        delta(0, { text: "Hal" }),
        ...end("end_turn").map((piece) => piece.slice(0, 20))
      ])
      assert.deepStrictEqual([short.seen, short.reason], ["Hal", "Transport"])
    }))

  it.effect("finish with the last frame, though the connection stays open", () =>
    Effect.gen(function*() {
      const http = stub(() =>
        new Response(new ReadableStream({ start: (controller) => controller.enqueue(join(whole)) }))
      )
      const parts = yield* LLM.streamText({ prompt: "Hello" }).pipe(
        Stream.takeUntil((part) => part._tag === "Finish"),
        Stream.runCollect,
        Effect.provide(live(http))
      )
      assert.strictEqual(Array.from(parts).at(-1)?._tag, "Finish")
    }))

  it.effect("an answer without its last frame counts, without usage", () =>
    Effect.gen(function*() {
      const http = stub(frames([start, delta(0, { text: "Hi" }), event("messageStop", { stopReason: "end_turn" })]))
      const answer = yield* collect(http)
      assert.strictEqual(answer.text, "Hi")
      assert.deepStrictEqual(answer.warnings.map((warning) => warning.code), ["usage-missing"])
    }))
})
