import { Persistence } from "@effect/experimental"
import { NodeKeyValueStore } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import {
  BigDecimal,
  Clock,
  type Duration,
  Effect,
  Exit,
  Fiber,
  Layer,
  Logger,
  Metric,
  Option,
  Schema,
  Stream,
  TestClock
} from "effect"
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Cache from "../src/Cache.ts"
import { Cost, Hooks, LLM, LLMError, Logging, Output, Prompt, RequestLog, Tool } from "../src/index.ts"
import { TestLLM } from "../src/testing/index.ts"

const usage = { inputTokens: 10, outputTokens: 2 }
const cost = Cost.make({ total: BigDecimal.make(2n, 2), source: "prices" })

/** A cache over a scripted model. Each new answer says how many there were before. */
const over = (
  options?: Cache.Options,
  script: TestLLM.Script = (_, index) => TestLLM.text(`answer ${index}`, { usage, cost }),
  store: Layer.Layer<Persistence.ResultPersistence> = Persistence.layerResultMemory
) => Layer.provideMerge(Cache.layer(options), Layer.merge(TestLLM.layer(script), store))

const ask = (options: Partial<LLM.Options> = {}) => LLM.generateText({ prompt: "Hello", ...options })
const stream = (options: Partial<LLM.Options> = {}) => LLM.streamText({ prompt: "Hello", ...options })
const asked = Effect.map(TestLLM.requests, ({ length }) => length)
const quiet = Logger.replace(Logger.defaultLogger, Logger.none)
const where = { provider: "p", model: "m" }
const down = new LLMError.ProviderError({
  ...where,
  reason: new LLMError.Overloaded(),
  usage: { ...usage, cachedInputTokens: 0, cacheCreationTokens: 0, reasoningTokens: 0, totalTokens: 12 }
})

/** Time that passes once everybody waits for it: keys are hashed on another thread. */
const pass = (duration: Duration.DurationInput) =>
  Effect.zipRight(Effect.withClock(Effect.sleep("25 millis"), Clock.make()), TestClock.adjust(duration))

describe("Cache", () => {
  it.effect("gives the same answer again, for nothing", () =>
    Effect.gen(function*() {
      const before = (yield* Metric.value(Cache.hits)).count
      const missed = (yield* Metric.value(Cache.misses)).count
      const first = yield* ask()
      const second = yield* ask()
      assert.isUndefined(first.cached)
      assert.deepStrictEqual(
        { ...second, duration: first.duration },
        {
          ...first,
          cached: true,
          cost: Option.some(Cost.zeroUSD),
          requestId: second.requestId,
          attempts: []
        }
      )
      assert.notStrictEqual(second.requestId, first.requestId)
      assert.strictEqual(second.usage.inputTokens, 10)
      assert.strictEqual(yield* asked, 1)
      assert.strictEqual((yield* Metric.value(Cache.hits)).count - before, 1)
      assert.strictEqual((yield* Metric.value(Cache.misses)).count - missed, 1)
    }).pipe(Effect.provide(over())))

  it.effect("the log says which answers it gave", () =>
    Effect.gen(function*() {
      yield* ask()
      yield* ask()
      const done = yield* Effect.fork(Logging.flush)
      yield* pass("1 second")
      yield* Fiber.join(done)
      const rows = yield* RequestLog.entries
      assert.deepStrictEqual(rows.map(({ cached, totalCost }) => [cached, totalCost]), [[false, "0.02"], [true, "0"]])
    }).pipe(
      Effect.provide(Logging.layer().pipe(Layer.provide(over()), Layer.provideMerge(RequestLog.layerMemory)))
    ))

  const rich = () => TestLLM.toolCalls([{ name: "f", arguments: { a: "b" } }], { text: "Calling", usage })
  const tools = [Tool.make({ name: "f", parameters: Schema.Struct({ a: Schema.String }) })]

  it.effect("streams and single answers give each other's answers", () =>
    Effect.gen(function*() {
      for (const streamFirst of [true, false]) {
        yield* Effect.gen(function*() {
          const whole = LLM.generateText({ prompt: "Hello", tools })
          const parts = Stream.runCollect(LLM.streamText({ prompt: "Hello", tools }))
          const one = streamFirst ? yield* LLM.collect(LLM.streamText({ prompt: "Hello", tools })) : yield* whole
          const two = yield* whole
          const three = [...yield* parts]
          const last = three[three.length - 1]
          assert.isTrue(last?._tag === "Finish")
          const answers = [one, two, ...(last?._tag === "Finish" ? [last.response] : [])]
          assert.deepStrictEqual(answers.map(({ cached }) => cached), [undefined, true, true])
          for (const { content, message, toolCalls } of answers) {
            assert.deepStrictEqual([content, message, toolCalls], [one.content, one.message, one.toolCalls])
          }
          assert.deepStrictEqual(three.map(({ _tag }) => _tag), [
            "TextDelta",
            "BlockEnd",
            "ToolCallDelta",
            "ToolCallPart",
            "BlockEnd",
            "Finish"
          ])
          assert.isTrue(last?._tag === "Finish" && Option.isSome(last.response.timeToFirstToken))
          assert.strictEqual(yield* asked, 1)
        }).pipe(Effect.provide(over({}, rich)))
      }
    }))

  it.effect("an answer is decoded by the schema of the call", () =>
    Effect.gen(function*() {
      const trimmed = Schema.Struct({ at: Schema.Date })
      const plain = Schema.Struct({ at: Schema.String.annotations(Schema.Date.ast.annotations) })
      const one = yield* LLM.generateObject({ prompt: "Go on.", schema: trimmed })
      const two = yield* LLM.generateObject({ prompt: "Go on.", schema: trimmed })
      assert.deepStrictEqual(one.content.at, new Date("2026-01-01"))
      assert.deepStrictEqual(two.content, one.content)
      // Whether or not it looks the same on the wire, it is what this schema says.
      const other = yield* LLM.generateObject({ prompt: "Go on.", schema: plain })
      assert.typeOf(other.content.at, "string")
      const parts = [...yield* Stream.runCollect(LLM.streamObject({ prompt: "Go on.", schema: trimmed }))]
      assert.deepStrictEqual(parts.map(({ _tag }) => _tag), ["TextDelta", "BlockEnd", "ObjectDelta", "Finish"])
      // None decodes now: the model is asked again.
      let strict = false
      const picky = Output.object(trimmed)
      const output: Output.Output<unknown> = {
        ...picky,
        decode: (value) => strict ? Effect.fail(new Output.DecodeFailure({ issues: [] })) : picky.decode(value)
      }
      const before = yield* asked
      yield* LLM.generate({ prompt: "Go on.", output })
      assert.strictEqual(yield* asked, before)
      strict = true
      yield* Effect.flip(LLM.generate({ prompt: "Go on.", output }))
      assert.strictEqual(yield* asked, before + 1)
    }).pipe(Effect.provide(over({}, () => TestLLM.object({ at: "2026-01-01T00:00:00.000Z" }))), Effect.provide(quiet)))

  it.effect("runs tool loops on what it remembers", () =>
    Effect.gen(function*() {
      const f = Tool.make({
        name: "f",
        parameters: Schema.Struct({ a: Schema.String }),
        handler: ({ a }) => Effect.succeed(a)
      })
      const run = LLM.runTools({ prompt: "Go on.", tools: [f] })
      const one = yield* run
      const two = yield* run
      assert.deepStrictEqual([one.text, two.text, two.steps.map(({ cached }) => cached)], ["done", "done", [
        true,
        true
      ]])
      assert.strictEqual(yield* asked, 2)
    }).pipe(Effect.provide(over({}, [rich(), "done"]))))

  const bytes = new Uint8Array([137, 80, 78, 71, 1, 2, 3])
  const base = {
    prompt: [Prompt.user([Prompt.text("What?"), Prompt.image(bytes)])],
    system: "Be brief",
    temperature: 1,
    providerOptions: { a: { b: 1, c: 2 } },
    tools,
    metadata: { userId: "1" }
  } satisfies LLM.Options

  const same: ReadonlyArray<Partial<LLM.Options>> = [
    {},
    { extraHeaders: { "x-request-id": "7" }, timeouts: { total: "1 minute" }, repair: 2 },
    { providerOptions: { a: { c: 2, b: 1 } } },
    { metadata: { "User-Id": "1" } },
    { prompt: [Prompt.user([Prompt.text("What?"), Prompt.image("iVBORwECAw==", { mediaType: "image/png" })])] },
    { maxTokens: undefined }
  ]
  const different: ReadonlyArray<Partial<LLM.Options>> = [
    { prompt: "What?" },
    { prompt: [Prompt.user([Prompt.text("What?"), Prompt.image(new Uint8Array([137, 80, 78, 71, 1, 2, 4]))])] },
    { system: undefined },
    { system: "Be long" },
    { temperature: 0 },
    { topP: 0.5 },
    { maxTokens: 5 },
    { stop: ["a"] },
    { seed: 1 },
    { reasoning: { effort: "low" } },
    { tools: [] },
    { tools: [Tool.make({ name: "f", parameters: Schema.Struct({ a: Schema.Number }) })] },
    { toolChoice: "none" },
    { webSearch: true },
    { providerOptions: { a: { b: 2, c: 2 } } },
    { metadata: { userId: "2" } },
    { metadata: { userId: "1", feature: "x" } },
    { metadata: {} }
  ]

  it.effect("what shapes the answer is in the key, what does not is not", () =>
    Effect.gen(function*() {
      const first = yield* LLM.generateText(base)
      for (const more of same) assert.strictEqual((yield* LLM.generateText({ ...base, ...more })).text, first.text)
      const seen = new Set([first.text])
      for (const more of different) seen.add((yield* LLM.generateText({ ...base, ...more })).text)
      seen.add((yield* LLM.generateJson({ ...base })).text)
      for (const jsonSchema of [{ type: "string" }, { type: "string", minLength: 1 }]) {
        seen.add((yield* LLM.generateJsonSchema({ ...base, jsonSchema })).text)
      }
      assert.strictEqual(seen.size, different.length + 4)
    }).pipe(Effect.provide(over({}, (_, index) => TestLLM.json(`answer ${index}`)))))

  it.effect("provider and model are in the key", () =>
    Effect.gen(function*() {
      const store = yield* Layer.build(Persistence.layerResultMemory)
      const texts = yield* Effect.forEach([["a", "m"], ["a", "n"], ["b", "m"], ["a", "m"]], ([provider, model]) =>
        Effect.map(ask(), ({ text }) =>
          text).pipe(
            Effect.provide(Layer.provide(Cache.layer(), TestLLM.layer([`${provider} ${model}`], { provider, model }))),
            Effect.provide(store)
          ))
      assert.deepStrictEqual(texts, ["a m", "a n", "b m", "a m"])
    }).pipe(Effect.scoped))

  it.effect("scope says who shares answers", () =>
    Effect.gen(function*() {
      const texts = (scope?: ReadonlyArray<string>) =>
        Effect.forEach([{ userId: "1", trace: "a" }, { "user-id": "1", trace: "b" }, { userId: "2" }], (metadata) =>
          Effect.map(ask().pipe(LLM.withMetadata(metadata)), ({ text }) => text.slice(-1))).pipe(
            Effect.provide(over(scope === undefined ? {} : { scope }))
          )
      assert.deepStrictEqual(yield* texts(), ["0", "1", "2"])
      assert.deepStrictEqual(yield* texts(["USER_ID"]), ["0", "0", "1"])
      assert.deepStrictEqual(yield* texts([]), ["0", "0", "0"])
    }))

  it.effect("forgets after timeToLive", () =>
    Effect.gen(function*() {
      yield* ask()
      yield* pass("59 minutes")
      assert.strictEqual((yield* ask()).text, "answer 0")
      yield* pass("1 minute")
      assert.strictEqual((yield* ask()).text, "answer 1")
    }).pipe(Effect.provide(over({ timeToLive: "1 hour" }))))

  it.effect("bypass and when leave it alone", () =>
    Effect.gen(function*() {
      assert.strictEqual((yield* ask().pipe(Cache.bypass)).text, "answer 0")
      assert.strictEqual((yield* ask()).text, "answer 1")
      assert.strictEqual((yield* LLM.collect(stream().pipe(Cache.bypass))).text, "answer 2")
      assert.strictEqual((yield* ask()).text, "answer 1")
      yield* ask({ temperature: 2 })
      assert.strictEqual((yield* ask({ temperature: 2 })).text, "answer 4")
    }).pipe(Effect.provide(over({ when: ({ temperature }) => temperature !== 2 }))))

  it.effect("remembers complete answers only, and no failures", () =>
    Effect.gen(function*() {
      yield* ask()
      yield* LLM.collect(stream())
      yield* Effect.flip(ask())
      yield* Effect.flip(LLM.collect(stream()))
      assert.strictEqual((yield* ask()).text, "whole")
      assert.strictEqual(yield* asked, 5)
    }).pipe(Effect.provide(over({}, [
      TestLLM.text("half", { finishReason: "length" }),
      TestLLM.text("half", { finishReason: "length" }),
      down,
      TestLLM.parts([{ _tag: "TextDelta", delta: "a" }], { failure: down }),
      "whole"
    ]))))

  it.effect("hooks around it guard what is remembered too", () =>
    Effect.gen(function*() {
      const live = Hooks.layer([Hooks.regex({ pattern: /answer/, action: "redact", on: "after", replacement: "no" })])
        .pipe(Layer.provideMerge(over()))
      yield* Effect.gen(function*() {
        assert.deepStrictEqual([(yield* ask()).text, (yield* ask()).text], ["no 0", "no 0"])
        assert.isTrue((yield* LLM.collect(stream())).cached)
      }).pipe(Effect.provide(live))
    }))
})

describe("Cache, calls at the same time", () => {
  const slow: TestLLM.Script = (_, index) => TestLLM.delay("1 second", TestLLM.text(`answer ${index}`, { usage, cost }))

  it.effect("share one answer, streams too", () =>
    Effect.gen(function*() {
      const calls = yield* Effect.fork(
        Effect.all([...Array.from({ length: 9 }, () => ask()), LLM.collect(stream())], { concurrency: "unbounded" })
      )
      yield* pass("1 second")
      const answers = yield* Fiber.join(calls)
      assert.deepStrictEqual(new Set(answers.map(({ text }) => text)), new Set(["answer 0"]))
      assert.lengthOf(answers.filter(({ cached }) => cached === true), 9)
      assert.strictEqual(yield* asked, 1)
    }).pipe(Effect.provide(over({}, slow))))

  it.effect("when the first is interrupted, another takes over", () =>
    Effect.gen(function*() {
      const first = yield* Effect.fork(ask())
      yield* pass("500 millis")
      const others = yield* Effect.fork(Effect.all([ask(), ask(), ask()], { concurrency: "unbounded" }))
      yield* pass("100 millis")
      yield* Fiber.interrupt(first)
      yield* pass("1 second")
      const answers = yield* Fiber.join(others)
      assert.deepStrictEqual(answers.map(({ text }) => text), ["answer 1", "answer 1", "answer 1"])
      assert.strictEqual(yield* asked, 2)
    }).pipe(Effect.provide(over({}, slow))))

  it.effect("fail alike, and are billed once; what is the first one's own fault is not shared", () => {
    const failures = [
      [down, 2, 1],
      [new LLMError.ProviderError({ ...where, reason: new LLMError.Timeout({ phase: "total" }) }), 1, 2],
      [new LLMError.ResponseParsingError({ ...where, reason: "NotJson", text: "", issues: [] }), 1, 2]
    ] as const
    return Effect.forEach(failures, ([failure, fails, count]) =>
      Effect.gen(function*() {
        const calls = yield* Effect.fork(
          Effect.all([Effect.either(ask()), Effect.either(ask())], { concurrency: "unbounded" })
        )
        yield* pass("1 minute")
        // Where the first one's failure is its own, the second one asks only now.
        yield* pass("1 minute")
        // Either of them may be the first.
        const failed = (yield* Fiber.join(calls)).flatMap((result) => result._tag === "Left" ? [result.left] : [])
        assert.deepStrictEqual(failed.map(({ _tag }) => _tag), Array.from({ length: fails }, () => failure._tag))
        const billed = failed.filter((error) => "usage" in error && error.usage !== undefined)
        assert.lengthOf(billed, failure === down ? 1 : 0)
        assert.strictEqual(yield* asked, count)
      }).pipe(Effect.provide(over({}, [TestLLM.delay("1 second", failure), "second"]))))
  })

  it.effect("wait no longer than their own limit", () =>
    Effect.gen(function*() {
      yield* Effect.fork(ask())
      yield* pass("100 millis")
      const second = yield* Effect.fork(Effect.flip(ask({ timeouts: { total: "200 millis" } })))
      yield* pass("200 millis")
      assert.strictEqual(LLMError.tagOf(yield* Fiber.join(second)), "Timeout")
    }).pipe(Effect.provide(over({}, slow))))

  it.effect("nobody waits for a stream, read or left", () =>
    Effect.gen(function*() {
      const inside = yield* stream().pipe(
        Stream.mapEffect(() => ask()),
        Stream.take(1),
        Stream.runHead
      )
      assert.strictEqual(Option.getOrThrow(inside).text, "answer 1")
      yield* Stream.runDrain(Stream.take(stream({ seed: 1 }), 1))
      assert.isUndefined((yield* ask({ seed: 1 })).cached)
    }).pipe(Effect.provide(over())))
})

describe("Cache and its store", () => {
  const temporary = Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "cache-"))),
    (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
  )
  const files = (directory: string) =>
    Persistence.layerResultKeyValueStore.pipe(
      Layer.provide(NodeKeyValueStore.layerFileSystem(directory)),
      Layer.orDie
    )

  it.scopedLive("answers in files outlive the program; what cannot be read is asked again", () =>
    Effect.gen(function*() {
      const directory = yield* temporary
      const run = (script: TestLLM.Script) =>
        LLM.generateObject({
          prompt: "Who?",
          schema: Schema.Struct({ name: Schema.String }),
          metadata: { key: "canary" }
        }).pipe(
          Effect.map(({ cached, content }) => [content.name, cached]),
          Effect.provide(over({}, script, files(directory)))
        )
      assert.deepStrictEqual(yield* run([TestLLM.object({ name: "Ada" })]), ["Ada", undefined])
      assert.deepStrictEqual(yield* run([]), ["Ada", true])
      const [file] = readdirSync(directory)
      assert.isDefined(file)
      const path = join(directory, file ?? "")
      assert.notInclude(file, "Who")
      assert.notInclude(readFileSync(path, "utf8"), "canary")
      for (const broken of ["{", "[{}, null]", "[{\"_tag\":\"Success\",\"value\":{\"text\":1}},null]"]) {
        writeFileSync(path, broken)
        assert.deepStrictEqual(yield* run([TestLLM.object({ name: "Grace" })]), ["Grace", undefined])
        assert.deepStrictEqual(yield* run([]), ["Grace", true])
      }
    }).pipe(Effect.provide(quiet)))

  const broken = (effect: Effect.Effect<never, Persistence.PersistenceError>) =>
    Layer.provide(
      Persistence.layerResult,
      Layer.succeed(Persistence.BackingPersistence, {
        [Persistence.BackingPersistenceTypeId]: Persistence.BackingPersistenceTypeId,
        make: () =>
          Effect.succeed({
            get: () => effect,
            getMany: () => effect,
            set: () => effect,
            setMany: () => effect,
            remove: () => effect,
            clear: effect
          })
      })
    )

  it.effect("one that fails, dies or hangs breaks no call", () =>
    Effect.forEach([
      Effect.fail(Persistence.PersistenceBackingError.make("get", new Error("down"))),
      Effect.dieMessage("bug"),
      Effect.never
    ], (effect) =>
      Effect.gen(function*() {
        const calls = yield* Effect.fork(Effect.all([ask(), LLM.collect(stream())]))
        yield* pass("5 seconds")
        const answers = yield* Fiber.join(calls)
        assert.deepStrictEqual(answers.map(({ text }) => text), ["answer 0", "answer 1"])
      }).pipe(Effect.provide(over({}, undefined, broken(effect))), Effect.provide(quiet))))

  it.effect("interrupting a call that waits for it interrupts the call", () =>
    Effect.gen(function*() {
      const call = yield* Effect.fork(ask())
      yield* pass("10 millis")
      assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(call)))
      assert.strictEqual(yield* asked, 0)
    }).pipe(Effect.provide(over({}, undefined, broken(Effect.never)))))
})
