import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, FastCheck as fc, Layer, Option, Redacted, Schema } from "effect"
import { Anthropic, Cascade, LLM, LLMError, Models, OpenAI, OpenAIChat, Retry } from "../src/index.ts"
import { FakeProvider, TestLLM } from "../src/testing/index.ts"
import * as UndiciHttpClient from "../src/UndiciHttpClient.ts"

const retry = Retry.make({ tries: 2, base: "1 millis" })
const apiKey = Redacted.make("k-123456")

const claude = (baseUrl: string) => Anthropic.layer({ model: "claude-sonnet-4-5", baseUrl, apiKey, retry })
const gpt = (baseUrl: string) => OpenAI.layer({ model: "gpt-4.1", baseUrl, apiKey, retry })

const modes = ["single", "stream"] as const
type Mode = (typeof modes)[number]

const ask = (mode: Mode, options: Partial<LLM.Options> = {}) =>
  mode === "single"
    ? LLM.generateText({ prompt: "Hello", ...options })
    : LLM.collect(LLM.streamText({ prompt: "Hello", ...options }))

/** Two providers and a cascade over them. */
const pair = (
  first: ReadonlyArray<FakeProvider.Reply>,
  second: ReadonlyArray<FakeProvider.Reply>,
  options?: Cascade.Options
) =>
  Effect.gen(function*() {
    const primary = yield* FakeProvider.make()
    const backup = yield* FakeProvider.make()
    yield* primary.script(...first)
    yield* backup.script(...second)
    const context = yield* Layer.build(
      Cascade.layer([claude(primary.url), gpt(backup.url)], options).pipe(Layer.provide(UndiciHttpClient.layer))
    )
    const asked = Effect.all([primary.requests, backup.requests]).pipe(
      Effect.map((requests) => requests.map(({ length }) => length))
    )
    return { asked, run: <A, E>(effect: Effect.Effect<A, E, LLM.LLM>) => Effect.provide(effect, context) }
  })

const failures: ReadonlyArray<readonly [name: string, reply: FakeProvider.Reply]> = [
  ["a rate limit", FakeProvider.status(429, { retryAfter: 20 })],
  ["no credit", FakeProvider.status(402, { kind: "quota" })],
  ["a wrong key", FakeProvider.status(401)],
  ["an unknown model", FakeProvider.status(404)],
  ["an outage", FakeProvider.status(503)],
  ["a reset", FakeProvider.reset({ before: "headers" })],
  ["an error inside a success", FakeProvider.inBandError()],
  ["an end too early", FakeProvider.cut()]
]

describe("Cascade", () => {
  for (const mode of modes) {
    for (const [name, reply] of failures) {
      it.scopedLive(`${mode}: moves on after ${name}, at once, and says so`, () =>
        Effect.gen(function*() {
          const usage = { inputTokens: 10, outputTokens: 2 }
          const { asked, run } = yield* pair([reply], [FakeProvider.text("from the second", { usage })])
          const answer = yield* run(ask(mode))
          assert.deepStrictEqual([answer.text, answer.provider], ["from the second", "openai"])
          assert.deepStrictEqual(answer.attempts.map(({ provider }) => provider), ["anthropic", "openai"])
          assert.isDefined(answer.attempts[0]?.error)
          assert.isUndefined(answer.attempts[1]?.error)
          // What the first one had announced before it broke was billed all the same.
          const isLate = name === "an error inside a success" || name === "an end too early"
          if (isLate && mode === "stream") assert.isAbove(answer.usage.inputTokens, 10)
          else assert.strictEqual(answer.usage.inputTokens, 10)
          const isUnsure = isLate || name === "a reset"
          assert.deepStrictEqual(answer.warnings.map(({ code }) => code), isUnsure ? ["cost-incomplete"] : [])
          assert.deepStrictEqual(yield* asked, [1, 1])
        }))
    }

    it.scopedLive(`${mode}: stays where the next would only fail alike`, () =>
      Effect.gen(function*() {
        const { asked, run } = yield* pair([FakeProvider.status(400), FakeProvider.refusal("No")], [])
        assert.strictEqual((yield* Effect.flip(run(ask(mode))))._tag, "InvalidRequestError")
        assert.strictEqual((yield* Effect.flip(run(ask(mode))))._tag, "ContentFilteredError")
        assert.deepStrictEqual(yield* asked, [2, 0])
      }))

    it.scopedLive(`${mode}: the last is tried again as configured; its error has the attempts of all`, () =>
      Effect.gen(function*() {
        const down = FakeProvider.status(503)
        const { asked, run } = yield* pair([down, down], [down, down])
        const error = yield* Effect.flip(run(ask(mode)))
        assert.strictEqual(LLMError.tagOf(error), "Overloaded")
        assert.deepStrictEqual(error.attempts.map(({ error, provider, status }) => [provider, error, status]), [
          ["anthropic", "Overloaded", 503],
          ["openai", "Overloaded", 503],
          ["openai", "Overloaded", 503]
        ])
        assert.deepStrictEqual(yield* asked, [1, 2])
      }))

    it.scopedLive(`${mode}: one limit bounds all members`, () =>
      Effect.gen(function*() {
        const stall = FakeProvider.stall({ before: "headers" })
        const { asked, run } = yield* pair([stall], [stall])
        const late = yield* Effect.flip(run(ask(mode, { timeouts: { total: "60 millis" } })))
        assert.strictEqual(LLMError.tagOf(late), "Timeout")
        assert.deepStrictEqual(yield* asked, [1, 0])
      }))
  }

  it.scopedLive("a stream stays with the member whose text is out", () =>
    Effect.gen(function*() {
      const { asked, run } = yield* pair([FakeProvider.reset({ afterEvents: 2 })], [FakeProvider.text("second")])
      const error = yield* Effect.flip(run(ask("stream")))
      assert.strictEqual(LLMError.tagOf(error), "Transport")
      assert.isNotEmpty(error._tag === "ProviderError" ? error.partial : undefined)
      assert.deepStrictEqual(yield* asked, [1, 0])
    }))

  it.scopedLive("moves on from an answer that is no such object, and bills both", () =>
    Effect.gen(function*() {
      const usage = { inputTokens: 100, outputTokens: 10 }
      const wrong = FakeProvider.json({ name: 1 }, { usage })
      const { run } = yield* pair([wrong], [FakeProvider.json({ name: "Ada" }, { usage })])
      const answer = yield* run(
        LLM.generateObject({ prompt: "Who?", schema: Schema.Struct({ name: Schema.String }) })
      )
      assert.deepStrictEqual(answer.content, { name: "Ada" })
      assert.strictEqual(answer.usage.inputTokens, 200)
      assert.deepStrictEqual(answer.attempts.map(({ error }) => error), ["ResponseParsingError", undefined])
      const costs = answer.attempts.length === 2 ? Option.map(answer.cost, ({ total }) => total) : Option.none()
      // 100 and 10 tokens of Claude Sonnet at $3 and $15 a million, of GPT-4.1 at $2 and $8.
      assert.deepStrictEqual(costs, Option.some(0.00045 + 0.00028))
    }))

  it.scopedLive("failoverOn decides", () =>
    Effect.gen(function*() {
      const { asked, run } = yield* pair([FakeProvider.refusal("No")], [FakeProvider.text("Yes")], {
        failoverOn: (error) => error._tag === "ContentFilteredError"
      })
      assert.strictEqual((yield* run(ask("single"))).text, "Yes")
      assert.deepStrictEqual(yield* asked, [1, 1])
    }))

  it.scopedLive("within another one, only the very last member is tried again", () =>
    Effect.gen(function*() {
      const fakes = yield* Effect.all([FakeProvider.make(), FakeProvider.make(), FakeProvider.make()])
      for (const fake of fakes) yield* fake.script(...Array.from({ length: 4 }, () => FakeProvider.status(500)))
      const [a, b, c] = fakes
      const live = Cascade.layer([Cascade.layer([claude(a.url), gpt(b.url)]), claude(c.url)]).pipe(
        Layer.provide(UndiciHttpClient.layer)
      )
      for (const mode of modes) yield* Effect.flip(ask(mode)).pipe(Effect.provide(live))
      const counts = yield* Effect.forEach(fakes, (fake) => Effect.map(fake.requests, ({ length }) => length))
      assert.deepStrictEqual(counts, [2, 2, 4])
    }))

  it.effect("a member without its key fails the build, or is left out", () =>
    Effect.gen(function*() {
      const spare = Layer.provide(TestLLM.layer(["spare"]), Layer.empty)
      const missing = OpenAIChat.layer({ model: "gpt-4.1" })
      const build = (
        layer: ReturnType<typeof Cascade.layerModels> | Layer.Layer<LLM.LLM, LLMError.ConfigurationError>
      ) =>
        ask("single").pipe(
          Effect.provide(Layer.provide(layer, UndiciHttpClient.layer)),
          Effect.withConfigProvider(ConfigProvider.fromMap(new Map())),
          Effect.map(({ text }) => text),
          Effect.catchTag("ConfigurationError", (error) => Effect.succeed(error.message))
        )
      const client = Layer.provide(missing, UndiciHttpClient.layer)
      assert.include(yield* build(Cascade.layer([client, spare])), "OPENAI_API_KEY")
      assert.strictEqual(yield* build(Cascade.layer([client, spare], { skipUnavailable: true })), "spare")
      assert.strictEqual(yield* build(Cascade.layer([spare, client], { skipUnavailable: true })), "spare")
      assert.include(yield* build(Cascade.layer([client, client], { skipUnavailable: true })), "OPENAI_API_KEY")
    }))

  it.scopedLive("models by name, each with its key; an alias of several is one too", () =>
    Effect.gen(function*() {
      const fake = yield* FakeProvider.make()
      const keys = (path: RegExp) =>
        Effect.map(fake.requests, (requests) =>
          requests.filter((request) =>
            path.test(request.path)
          ).map(({ headers }) => headers["x-api-key"] ?? headers["authorization"]))
      yield* fake.script(FakeProvider.status(503), FakeProvider.text("by name"))
      const live = Cascade.layerModels([["anthropic", "claude-sonnet-4-5"], "openai/gpt-4.1"], {
        baseUrl: fake.url,
        apiKeys: { anthropic: Redacted.make("key-a"), openai: Redacted.make("key-o") }
      })
      const answer = yield* ask("single").pipe(Effect.provide(Layer.provide(live, UndiciHttpClient.layer)))
      assert.strictEqual(answer.text, "by name")
      assert.deepStrictEqual([yield* keys(/messages/), yield* keys(/responses/)], [["key-a"], ["Bearer key-o"]])

      yield* fake.script(FakeProvider.status(503), FakeProvider.status(503), FakeProvider.text("third"))
      const alias = Models.layerAlias("resilient-sonnet", { baseUrl: fake.url, apiKey })
      const third = yield* ask("stream").pipe(Effect.provide(Layer.provide(alias, UndiciHttpClient.layer)))
      assert.deepStrictEqual([third.text, third.provider, third.model], ["third", "gemini", "gemini-2.5-pro"])
      assert.lengthOf(third.attempts, 3)
    }))

  it.effect("one decorator around two members wraps each of them", () =>
    Effect.gen(function*() {
      const brief = LLM.decorate((llm) =>
        Effect.succeed({ ...llm, generate: (request) => llm.generate({ ...request, maxTokens: 9 }) })
      )
      const down = new LLMError.ProviderError({ provider: "a", model: "m", reason: new LLMError.Overloaded() })
      const live = Cascade.layer([
        Layer.provide(brief, TestLLM.layer([down])),
        Layer.provide(brief, TestLLM.layer(["from the second"]))
      ])
      assert.strictEqual((yield* Effect.provide(ask("single"), live)).text, "from the second")
    }))

  it.effect("agrees with its rule for any members", () => {
    const outcome = fc.constantFrom("ok", "overloaded", "parsing", "refused", "invalid")
    const errorOf = (kind: string, provider: string): LLMError.LLMError => {
      const where = { provider, model: "m" }
      return kind === "overloaded"
        ? new LLMError.ProviderError({ ...where, reason: new LLMError.Overloaded() })
        : kind === "refused"
        ? new LLMError.ContentFilteredError({ ...where, category: "safety", text: "" })
        : kind === "invalid"
        ? new LLMError.InvalidRequestError({ ...where, reason: "Rejected", description: "no" })
        : new LLMError.ResponseParsingError({ ...where, reason: "NotJson", text: "", issues: [] })
    }
    const scenario = fc.tuple(fc.array(outcome, { minLength: 1, maxLength: 5 }), fc.constantFrom(...modes))
    return Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(scenario, ([outcomes, mode]) => {
          const asked: Array<number> = []
          const members = outcomes.map((kind, index) =>
            TestLLM.layer(() => {
              asked.push(index)
              return kind === "ok" ? `answer ${index}` : errorOf(kind, `p${index}`)
            })
          )
          const [first, ...others] = members
          if (first === undefined) return Promise.resolve()
          const decisive = outcomes.findIndex((kind) => kind !== "overloaded" && kind !== "parsing")
          const last = decisive === -1 ? outcomes.length - 1 : decisive
          return Effect.runPromise(
            Effect.gen(function*() {
              const result = yield* Effect.either(ask(mode))
              assert.deepStrictEqual(asked, Array.from({ length: last + 1 }, (_, i) => i))
              if (result._tag === "Right") assert.strictEqual(result.right.text, `answer ${last}`)
              else {
                assert.strictEqual(LLMError.tagOf(result.left), LLMError.tagOf(errorOf(outcomes[last] ?? "", "")))
                assert.strictEqual("provider" in result.left && result.left.provider, `p${last}`)
              }
              assert.strictEqual(result._tag === "Right", outcomes[last] === "ok")
            }).pipe(Effect.provide(Cascade.layer([first, ...others])))
          )
        }),
        { numRuns: 300 }
      )
    )
  })
})
