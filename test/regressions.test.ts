/** What went wrong once, in the words of who would notice. */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Clock, Duration, Effect, Exit, Layer, Option, Redacted, Schema, Stream } from "effect"
import {
  Anthropic,
  Cost,
  Gemini,
  LLM,
  LLMError,
  OpenAI,
  OpenAIChat,
  Output,
  Pricing,
  Prompt,
  Response as Answer,
  Retry,
  Tool,
  Usage
} from "../src/index.ts"
import * as errors from "../src/internal/http/errors.ts"
import { find } from "../src/internal/json/find.ts"
import { isObject } from "../src/internal/json/values.ts"
import { chatAnswer, chatChunk, jsonResponse, type Stub, stub } from "./stub.ts"

const common = { apiKey: Redacted.make("key-0123456789"), retry: Retry.none }
const chat = (http: Stub, more: Partial<OpenAIChat.Options> = {}) =>
  OpenAIChat.layer({ ...common, model: "gpt-4.1-mini", ...more }).pipe(Layer.provide(http.layer))
const responses = (http: Stub, more: Partial<OpenAI.Options> = {}) =>
  OpenAI.layer({ ...common, model: "gpt-5.4", ...more }).pipe(Layer.provide(http.layer))
const anthropic = (http: Stub, more: Partial<Anthropic.Options> = {}) =>
  Anthropic.layer({ ...common, model: "claude-sonnet-4-5", ...more }).pipe(Layer.provide(http.layer))
const gemini = (http: Stub, more: Partial<Gemini.Options> = {}) =>
  Gemini.layer({ ...common, model: "gemini-2.5-flash", ...more }).pipe(Layer.provide(http.layer))

const body = (http: Stub, i = 0) => Object(http.sent[i]?.body)

describe("errors of real hosts", () => {
  const kind = (status: number, body: unknown, retryAfter?: number) => {
    const facts = errors.readErrorBody(body) ?? {}
    return errors.classify(status, retryAfter === undefined ? facts : { ...facts, retryAfter })
  }
  const openai = (message: string, code?: string | number, type?: string) => ({ error: { message, code, type } })
  it.each([
    [
      "RateLimited",
      429,
      openai(
        "Rate limit reached … Upgrade at https://console.groq.com/settings/billing",
        "rate_limit_exceeded",
        "tokens"
      )
    ],
    [
      "RateLimited",
      429,
      openai("Rate limit reached. Visit https://platform.openai.com/account/billing to add a payment method.")
    ],
    ["QuotaExceeded", 429, openai("Your team has used all available credits or reached its monthly spending limit.")],
    ["QuotaExceeded", 400, {
      type: "error",
      error: { type: "invalid_request_error", message: "You have reached your specified API usage limits." }
    }],
    ["QuotaExceeded", 400, openai("Budget has been exceeded!", undefined, "budget_exceeded")],
    ["Authentication", 400, {
      error: {
        code: 400,
        status: "INVALID_ARGUMENT",
        message: "API key expired. Please renew the API key.",
        details: [{ reason: "API_KEY_INVALID" }]
      }
    }],
    ["ModelNotFound", 400, openai("foo/bar is not a valid model ID", 400)],
    ["ModelNotFound", 400, openai("The model has been decommissioned", "model_decommissioned")],
    ["ModelNotFound", 400, openai("Unable to access model", "model_not_available")],
    [
      "ContextLengthExceeded",
      400,
      openai("input length and `max_tokens` exceed context limit: 199000 + 20000 > 200000")
    ],
    ["ContextLengthExceeded", 422, openai("`inputs` tokens + `max_new_tokens` must be <= 4097")],
    ["InvalidRequest", 400, openai("Invalid model output schema: missing field")],
    ["InvalidRequest", 400, openai("Invalid value: 'what does unauthenticated mean'")],
    ["InvalidRequest", 400, openai("bad", undefined, "api_error")]
  ])("%s from %i %j", (expected, status, answer) => assert.strictEqual(kind(status, answer), expected))

  it("a rate limit that says when to come back is no quota", () => {
    const answer = {
      error: {
        code: 429,
        status: "RESOURCE_EXHAUSTED",
        message: "You exceeded your current quota, please check your plan and billing details."
      }
    }
    assert.strictEqual(kind(429, answer, 34_000), "RateLimited")
  })

  it("filters are told by their code or their words", () => {
    assert.strictEqual(errors.readErrorBody(openai("flagged", "invalid_prompt"))?.filter, "invalid_prompt")
    assert.strictEqual(
      errors.readErrorBody(openai("Output blocked by content filtering policy"))?.filter,
      "content_filter"
    )
  })

  it.effect("a secret at the place where a message is cut is found before the cut", () =>
    Effect.gen(function*() {
      const key = "sk-AAAABBBBCCCCDDDDEEEEFFFF"
      const http = stub(() => jsonResponse({ error: { message: `${"x".repeat(1985)}${key}` } }, { status: 400 }))
      const error = yield* Effect.flip(LLM.generateText({ prompt: "Hi" })).pipe(
        Effect.provide(chat(http, { apiKey: Redacted.make(key) }))
      )
      assert.notInclude(error.message, "sk-AAAA")
    }))

  it.effect("a key in a header of another name is a secret too", () =>
    Effect.gen(function*() {
      const http = stub(() => jsonResponse({ error: { message: "wrong token key-0123456789" } }, { status: 401 }))
      const error = yield* Effect.flip(LLM.generateText({ prompt: "Hi" })).pipe(
        Effect.provide(responses(http, { provider: "azure", keyHeader: "X-Token" }))
      )
      assert.notInclude(Cause.pretty(Cause.fail(error)), "key-0123456789")
    }))
})

describe("answers in odd places", () => {
  it.effect("an error beside an answer that is not streamed", () =>
    Effect.gen(function*() {
      const choice = {
        index: 0,
        message: { content: "" },
        finish_reason: "error",
        error: { code: 502, message: "upstream" }
      }
      const http = stub(() => jsonResponse(chatAnswer("", { choices: [choice] })))
      const error = yield* Effect.flip(LLM.generateText({ prompt: "Hi" })).pipe(Effect.provide(chat(http)))
      assert.strictEqual(LLMError.tagOf(error), "ServerError")
    }))

  it.effect("an answer through a tool of the Responses API, not streamed", () =>
    Effect.gen(function*() {
      const call = { type: "function_call", call_id: "c", name: "give_answer", arguments: "{\"b\":1}" }
      const http = stub(() => jsonResponse({ id: "r", status: "completed", output: [call] }))
      const answer = yield* LLM.generateObject({ prompt: "Hi", schema: Schema.Struct({ b: Schema.Number }) }).pipe(
        Effect.provide(responses(http, { structured: "tool" }))
      )
      assert.deepStrictEqual(answer.content, { b: 1 })
      assert.strictEqual(answer.finishReason, "stop")
    }))

  it.effect("a malformed function call is no empty answer", () =>
    Effect.gen(function*() {
      const http = stub(() => jsonResponse({ candidates: [{ finishReason: "MALFORMED_FUNCTION_CALL" }] }))
      const error = yield* Effect.flip(LLM.generateText({ prompt: "Hi" })).pipe(Effect.provide(gemini(http)))
      assert.strictEqual(LLMError.tagOf(error), "MalformedResponse")
    }))

  it.effect("tool calls whose number or id a host leaves out or repeats", () =>
    Effect.gen(function*() {
      const delta = (calls: ReadonlyArray<unknown>) => chatChunk({ tool_calls: calls })
      const run = (...chunks: ReadonlyArray<string>) =>
        LLM.collect(LLM.streamText({ prompt: "Hi" })).pipe(
          Effect.provide(
            chat(stub(() => new Response([...chunks, chatChunk({}, "tool_calls"), "data: [DONE]\n\n"].join(""))))
          ),
          Effect.map(({ toolCalls }) => toolCalls.map(({ arguments: args, name }) => [name, args]))
        )
      assert.deepStrictEqual(
        yield* run(
          delta([{ id: "a", function: { name: "f", arguments: "{\"x\"" } }]),
          delta([{ id: "a", function: { arguments: ":1}" } }])
        ),
        [["f", { x: 1 }]]
      )
      assert.deepStrictEqual(
        yield* run(
          delta([{ index: 0, id: "", function: { name: "f", arguments: "{\"x\":1}" } }]),
          delta([{ index: 0, id: "", function: { name: "g", arguments: "{\"y\":2}" } }])
        ),
        [["f", { x: 1 }], ["g", { y: 2 }]]
      )
    }))

  it("JSON after brackets that are none", () => {
    const value = (text: string, wantsObject = false) => {
      const found = find(text, wantsObject ? isObject : undefined)
      return found._tag === "Found" ? found.value : found.message
    }
    assert.deepStrictEqual(value("[Note] {\"b\":1}"), { b: 1 })
    assert.deepStrictEqual(value("Use {name}. {\"b\":1}"), { b: 1 })
    assert.deepStrictEqual(value("As in [1]: {\"b\":1}", true), { b: 1 })
    assert.deepStrictEqual(value("{\"b\":1}, as in [1]", true), { b: 1 })
    assert.deepStrictEqual(value("{\"b\":1}, as in [1]"), [1])
  })

  it.effect("what came before a filter is seen, however the bytes were cut", () =>
    Effect.gen(function*() {
      const frames = [
        chatChunk({ content: "Hello " }),
        chatChunk({ content: "world" }),
        chatChunk({}, "content_filter"),
        "data: [DONE]\n\n"
      ]
      const seen: Array<string> = []
      const error = yield* LLM.streamText({ prompt: "Hi" }).pipe(
        LLM.textOf,
        Stream.runForEach((delta) => Effect.sync(() => seen.push(delta))),
        Effect.flip,
        Effect.provide(chat(stub(() => new Response(frames.join("")))))
      )
      assert.deepStrictEqual(seen, ["Hello ", "world"])
      assert.strictEqual(error._tag, "ContentFilteredError")
    }))

  it.effect("a body that is cut inside an event broke off, it is not malformed", () =>
    Effect.gen(function*() {
      const http = stub(() => new Response(`${chatChunk({ content: "Hel" })}data: {"choices":[{"del`))
      const error = yield* Effect.flip(LLM.collect(LLM.streamText({ prompt: "Hi" }))).pipe(Effect.provide(chat(http)))
      assert.strictEqual(LLMError.tagOf(error), "Transport")
    }))

  it.effect("counts that are null do not wipe out those before", () =>
    Effect.gen(function*() {
      const usage = (value: unknown) => `data: ${JSON.stringify({ choices: [], usage: value })}\n\n`
      const frames = [
        chatChunk({ content: "Hi" }),
        chatChunk({}, "stop"),
        usage({ prompt_tokens: 3, completion_tokens: 1 }),
        usage({ prompt_tokens: null, completion_tokens: null }),
        "data: [DONE]\n\n"
      ]
      const { usage: counted } = yield* LLM.collect(LLM.streamText({ prompt: "Hi" })).pipe(
        Effect.provide(chat(stub(() => new Response(frames.join("")))))
      )
      assert.strictEqual(counted.inputTokens, 3)
    }))

  it.effect("a list whose elements leave fields out, where the provider makes them null", () =>
    Effect.gen(function*() {
      const items = [{ n: 1, note: null }, { n: 2, note: "x" }, { n: 3, note: null }]
      const http = stub(() =>
        new Response(
          [chatChunk({ content: JSON.stringify({ value: items }) }), chatChunk({}, "stop"), "data: [DONE]\n\n"].join("")
        )
      )
      const schema = Schema.Struct({ n: Schema.Number, note: Schema.optional(Schema.String) })
      const all = yield* Stream.runCollect(LLM.streamArray({ prompt: "Hi", schema })).pipe(Effect.provide(chat(http)))
      assert.deepStrictEqual(Array.from(all), [{ n: 1 }, { n: 2, note: "x" }, { n: 3 }])
    }))

  it.effect("JSON cut off in a tool loop is truncated, not wrong", () =>
    Effect.gen(function*() {
      const tool = Tool.make({ name: "t", parameters: Schema.Struct({}), handler: () => Effect.succeed(1) })
      const choice = { index: 0, message: { content: "{\"b\": " }, finish_reason: "length" }
      const http = stub(() => jsonResponse(chatAnswer("", { choices: [choice] })))
      const error = yield* Effect.flip(
        LLM.runTools({ prompt: "Hi", tools: [tool], output: Output.object(Schema.Struct({ b: Schema.Number })) })
      ).pipe(Effect.provide(chat(http)))
      assert.strictEqual(error._tag, "ResponseTruncatedError")
    }))
})

describe("conversations over providers", () => {
  const reasoning = { type: "reasoning", id: "rs_1", summary: [], encrypted_content: "enc" }
  const message = { type: "message", content: [{ type: "output_text", text: "Hi" }] }
  const answer = (output: ReadonlyArray<unknown>) => () => jsonResponse({ id: "r", status: "completed", output })

  it.effect("reasoning and hosted tools go back only to who made them, and only if it can read them", () =>
    Effect.gen(function*() {
      const search = { type: "web_search_call", id: "ws", status: "completed", action: { type: "search" } }
      const http = stub(answer([reasoning, search, message]))
      const first = yield* LLM.generateText({ prompt: "Hi" }).pipe(Effect.provide(responses(http)))
      const prompt = [Prompt.user("Hi"), first.message, Prompt.user("More")]
      yield* LLM.generateText({ prompt }).pipe(Effect.provide(responses(http, { provider: "xai", model: "grok-4" })))
      yield* LLM.generateText({ prompt }).pipe(Effect.provide(responses(http)))
      const types = (i: number) => body(http, i).input.map((item: { readonly type?: string }) => item.type)
      assert.deepStrictEqual(types(1), [undefined, "message", undefined])
      assert.deepStrictEqual(types(2), [undefined, "reasoning", "web_search_call", "message", undefined])
      // The API wants the status of a search back.
      assert.strictEqual(body(http, 2).input[2].status, "completed")

      const bare = stub(answer([{ ...reasoning, encrypted_content: undefined }, message]))
      const unreadable = yield* LLM.generateText({ prompt: "Hi" }).pipe(Effect.provide(responses(bare)))
      yield* LLM.generateText({ prompt: [Prompt.user("Hi"), unreadable.message, Prompt.user("More")] }).pipe(
        Effect.provide(responses(bare))
      )
      assert.notInclude(JSON.stringify(body(bare, 1)), "rs_1")
    }))

  it.effect("ids made for Gemini's calls fit other wires", () =>
    Effect.gen(function*() {
      const http = stub(() =>
        jsonResponse({
          candidates: [{ content: { parts: [{ functionCall: { name: "f", args: {} } }] }, finishReason: "STOP" }]
        })
      )
      const { toolCalls } = yield* LLM.generateText({ prompt: "Hi" }).pipe(Effect.provide(gemini(http)))
      assert.isAtMost(toolCalls[0]?.id.length ?? 99, 40)
    }))

  it.effect("a system message in mid-conversation stays one", () =>
    Effect.gen(function*() {
      const prompt = [Prompt.user("Hi"), Prompt.assistant("Hello"), Prompt.system("Rule"), Prompt.user("Go")]
      const http = stub(() =>
        jsonResponse({ candidates: [{ content: { parts: [{ text: "ok" }] }, finishReason: "STOP" }] })
      )
      yield* LLM.generateText({ prompt }).pipe(Effect.provide(gemini(http)))
      assert.deepStrictEqual(body(http).systemInstruction, { parts: [{ text: "Rule" }] })
      assert.notInclude(JSON.stringify(body(http).contents), "Rule")
    }))
})

describe("Anthropic's rules", () => {
  const ok = () => jsonResponse({ type: "message", content: [{ type: "text", text: "ok" }], stop_reason: "end_turn" })
  const sent = (options: Partial<LLM.Options>, more: Partial<Anthropic.Options> = {}) =>
    Effect.gen(function*() {
      const http = stub(ok)
      yield* LLM.generateText({ prompt: "Hi", ...options }).pipe(Effect.provide(anthropic(http, more)))
      return body(http)
    })

  it.effect("thinking leaves room for an answer, forces no tool, and is asked for as the model takes it", () =>
    Effect.gen(function*() {
      const high = yield* sent({ reasoning: { effort: "high" } })
      assert.isAtLeast(high.max_tokens - high.thinking.budget_tokens, 16_000)
      const forced = yield* sent({
        reasoning: { effort: "low" },
        toolChoice: "required",
        tools: [{ name: "t", parameters: { type: "object" } }]
      })
      assert.deepStrictEqual(forced.tool_choice, { type: "auto" })
      const budget = yield* sent({ reasoning: { budgetTokens: 9000 } }, { model: "claude-opus-4-7" })
      assert.deepStrictEqual([budget.thinking, budget.output_config], [{ type: "adaptive" }, { effort: "high" }])
      assert.notProperty(yield* sent({ reasoning: { effort: "none" } }, { model: "claude-fable-5" }), "thinking")
      const clamped = yield* sent({ reasoning: { effort: "xhigh" } }, { model: "claude-sonnet-4-6" })
      assert.deepStrictEqual(clamped.output_config, { effort: "high" })
    }))

  it.effect("cache breakpoints: the longest life first, four at most, those of system parts kept", () =>
    Effect.gen(function*() {
      const hour = yield* sent({ system: "s", prompt: [Prompt.user([Prompt.text("x", { cache: "1h" })])] })
      assert.deepStrictEqual(hour.system[0].cache_control, { type: "ephemeral", ttl: "1h" })
      const four = Prompt.user([1, 2, 3, 4].map((n) => Prompt.text(`${n}`, { cache: "5m" })))
      assert.notProperty((yield* sent({ system: "s", prompt: [four] })).system[0], "cache_control")
      const parts = {
        role: "system" as const,
        content: [Prompt.text("a", { cache: "5m" }), Prompt.text(""), Prompt.text("b")]
      }
      const kept = yield* sent({ prompt: [parts, Prompt.user("Hi")] })
      assert.deepStrictEqual(
        kept.system.map((part: { readonly cache_control?: unknown }) => part.cache_control !== undefined),
        [true, true]
      )
    }))
})

describe("money", () => {
  const usage = { ...Usage.empty, inputTokens: 1000, outputTokens: 1000, totalTokens: 2000 }
  const query = { provider: "openai", model: "gpt-5", usage, at: new Date("2026-11-20T12:00:00Z") }
  const prices = Pricing.make()

  it.effect("tiers have their price, or none is made up", () =>
    Effect.gen(function*() {
      const standard = Option.getOrThrow(yield* prices.cost({ ...query, serviceTier: "default" })).total
      const flex = Option.getOrThrow(yield* prices.cost({ ...query, serviceTier: "flex" })).total
      assert.strictEqual(flex, standard / 2)
      assert.isTrue(Option.isNone(yield* prices.cost({ ...query, serviceTier: "priority" })))
    }))

  it.effect("a search is never free", () =>
    Effect.gen(function*() {
      const grounded = yield* prices.cost({ ...query, provider: "gemini", model: "gemini-2.5-flash", webSearches: 1 })
      assert.strictEqual(Option.getOrThrow(grounded).tools, 0.035)
    }))

  it.effect("a failed call carries what all of its tries were billed", () =>
    Effect.gen(function*() {
      const http = stub(() => jsonResponse(chatAnswer("{}")))
      const schema = Schema.Struct({ a: Schema.String })
      const error = yield* Effect.flip(LLM.generateObject({ prompt: "Hi", schema })).pipe(
        Effect.provide(chat(http, { retry: Retry.make({ base: "0 millis" }) })),
        Effect.withClock(Clock.make())
      )
      assert.strictEqual(error._tag === "ResponseParsingError" && error.usage?.totalTokens, 45)
      assert.strictEqual(error._tag === "ResponseParsingError" && error.cost?.total, 0.000036)
    }))

  it.effect("an error survives being stored, its cost exact", () =>
    Effect.gen(function*() {
      const cost = Pricing.costAt({ input: 0.1, output: 0.2 }, usage)
      const error = new LLMError.ResponseTruncatedError({
        provider: "p",
        model: "m",
        outputTokens: 1,
        text: "",
        usage,
        cost
      })
      const stored = JSON.stringify(yield* Schema.encode(LLMError.LLMError)(error))
      const restored = yield* Schema.decode(Schema.parseJson(LLMError.LLMError))(stored)
      assert.strictEqual(restored._tag, "ResponseTruncatedError")
      if (restored._tag === "ResponseTruncatedError" && restored.cost !== undefined) {
        assert.strictEqual(Cost.add(restored.cost, restored.cost).total, 0.0006)
      }
    }))
})

describe("limits and bad input", () => {
  it.effect("an undefined limit lifts none", () =>
    Effect.gen(function*() {
      const http = stub(() => Effect.never)
      const error = yield* Effect.flip(LLM.generateText({ prompt: "Hi", timeouts: { total: undefined } })).pipe(
        Effect.provide(chat(http, { timeouts: { total: "10 millis" } })),
        Effect.withClock(Clock.make())
      )
      assert.strictEqual(LLMError.tagOf(error), "Timeout")
      // The try that was running is one of the tries.
      assert.deepStrictEqual(error.attempts.map((attempt) => attempt.error), ["Timeout"])
      assert.isAbove(Duration.toMillis(error.attempts[0]?.duration ?? 0), 5)
    }))

  it.effect("what cannot be written as JSON is refused, and tells so", () =>
    Effect.gen(function*() {
      const http = stub(() => jsonResponse(chatAnswer("Hi")))
      const exit = yield* Effect.exit(LLM.generateText({ prompt: "Hi", providerOptions: { n: 1n } })).pipe(
        Effect.provide(chat(http))
      )
      assert.isTrue(
        Exit.isFailure(exit) && Cause.isFailType(exit.cause) && exit.cause.error._tag === "InvalidRequestError"
      )
      assert.lengthOf(http.sent, 0)
    }))

  it.effect("tools may give and fail with anything", () =>
    Effect.gen(function*() {
      const call = (name: string) => ({ id: name, function: { name, arguments: "{}" } })
      const http = stub(
        () =>
          jsonResponse(
            chatAnswer("", {
              choices: [{ index: 0, message: { tool_calls: ["a", "b", "c"].map(call) }, finish_reason: "tool_calls" }]
            })
          ),
        () => jsonResponse(chatAnswer("done"))
      )
      const parameters = Schema.Struct({})
      const seen: Array<number> = []
      yield* LLM.runTools({
        prompt: "Hi",
        tools: [
          Tool.make({ name: "a", parameters, handler: () => Effect.fail({ n: 1n }) }),
          Tool.make({ name: "b", parameters, handler: () => Effect.fail(undefined) }),
          Tool.make({ name: "c", parameters, handler: () => Effect.succeed({ at: new Date(0), n: undefined }) })
        ]
      }).pipe(
        Effect.provide(
          LLM.decorate((llm) =>
            Effect.succeed({
              ...llm,
              generate: (request) => {
                seen.push(Prompt.toMessages(request.prompt).length)
                return Effect.tap(
                  llm.generate(request),
                  () => Effect.sync(() => seen.push(Prompt.toMessages(request.prompt).length))
                )
              }
            })
          ).pipe(Layer.provide(chat(http)))
        )
      )
      const told = body(http, 1).messages.slice(2).map(({ content }: { readonly content: string }) => content)
      assert.strictEqual(told[0], "Error: {\"n\":\"1\"}")
      assert.strictEqual(told[1], "Error: the tool failed")
      assert.strictEqual(told[2], "{\"at\":\"1970-01-01T00:00:00.000Z\"}")
      // What a decorator was given does not change under its hands.
      assert.deepStrictEqual(seen, [1, 1, 3, 3])
    }))

  it.effect("a secret in a base URL is refused without repeating it", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(
        Layer.build(chat(stub(), { baseUrl: "https://h/v1?key=canary-1" })).pipe(Effect.scoped)
      )
      assert.notInclude(error.message, "canary")
    }))

  it("Response.map works in a pipe", () => {
    assert.isFunction(Answer.map((n: number) => n + 1))
  })
})
