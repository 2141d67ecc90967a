import { assert, describe, it } from "@effect/vitest"
import {
  BigDecimal,
  Cause,
  Context,
  Deferred,
  Duration,
  Effect,
  Exit,
  FastCheck as fc,
  Fiber,
  Inspectable,
  Layer,
  Logger,
  Option,
  Redacted,
  Schema,
  Stream,
  TestClock
} from "effect"
import { blockProblems } from "../scripts/conformance/blocks.ts"
import {
  Anthropic,
  Cascade,
  Cost,
  Gemini,
  Hooks,
  LLM,
  LLMError,
  Metadata,
  OpenAI,
  OpenAIChat,
  Prompt,
  type Response,
  Tool
} from "../src/index.ts"
import { Redactor, redactText, type Syntax } from "../src/internal/hooks/redactor.ts"
import { FakeProvider, TestLLM } from "../src/testing/index.ts"
import * as UndiciHttpClient from "../src/UndiciHttpClient.ts"
import { runs } from "./runs.ts"

const secret = "sk-abc123"
const secrets = /sk-[a-z0-9]+/

const redact = ({ pattern = secrets, ...more }: Partial<Hooks.RegexOptions> = {}) =>
  Hooks.regex({ name: "keys", action: "redact", on: "after", ...more, pattern })

const cents = (amount: number) => Cost.make({ total: BigDecimal.make(BigInt(amount), 2), source: "prices" })

/** The hooks over a scripted model; `verdicts` gathers what they said. */
const over = (script: TestLLM.Script, hooks: ReadonlyArray<Hooks.Hook>, options: Hooks.Options = {}) => {
  const verdicts: Array<Hooks.Verdict> = []
  const onVerdicts = (more: ReadonlyArray<Hooks.Verdict>) => Effect.sync(() => void verdicts.push(...more))
  const model = TestLLM.layer(script)
  return { verdicts, layer: Layer.provideMerge(Hooks.layer(hooks, { onVerdicts, ...options }), model) }
}

const modes = ["single", "stream"] as const

const ask = (mode: (typeof modes)[number], options: Partial<LLM.Options> = {}) =>
  mode === "single"
    ? LLM.generateText({ prompt: "Hello", ...options })
    : LLM.collect(LLM.streamText({ prompt: "Hello", ...options }))

const shown = <A, E, R>(stream: Stream.Stream<Response.StreamPart<A>, E, R>) =>
  Effect.gen(function*() {
    const parts: Array<Response.StreamPart<A>> = []
    const exit = yield* Effect.exit(Stream.runForEach(stream, (part) => Effect.sync(() => parts.push(part))))
    return { parts, exit }
  })

const join = (
  parts: ReadonlyArray<Response.StreamPart<unknown>>,
  tag: "TextDelta" | "ReasoningDelta" | "ToolCallDelta"
) => parts.map((part) => part._tag === tag ? part.delta : "").join("")

/** Everything there is to see of a value. */
const visible = (value: unknown): string =>
  [
    JSON.stringify(value),
    Inspectable.format(value),
    String(value),
    value instanceof Error ? `${value.message}${value.stack}` : ""
  ].join("\n")

const fail = <E, A>(exit: Exit.Exit<A, E>): E => {
  assert.isTrue(Exit.isFailure(exit))
  return Option.getOrThrow(Exit.isFailure(exit) ? Cause.failureOption(exit.cause) : Option.none<E>())
}

const usage = { inputTokens: 10, outputTokens: 2 }

describe("Hooks.regex before", () => {
  for (const mode of modes) {
    it.effect(`${mode}: redacts every text of the prompt before it is sent`, () => {
      const { layer, verdicts } = over(["ok"], [redact({ on: "before" })])
      return Effect.gen(function*() {
        yield* ask(mode, {
          system: `system ${secret}`,
          prompt: [
            Prompt.system(`more ${secret}`),
            Prompt.user([Prompt.text(`user ${secret}`), Prompt.image("https://example.com/cat.png")]),
            Prompt.assistant([
              { type: "text", text: "unchanged", providerMetadata: { test: { signature: "kept" } } },
              { type: "reasoning", text: `thought ${secret}`, providerMetadata: { test: { signature: "gone" } } },
              { type: "tool-call", id: "1", name: "f", arguments: { a: secret }, rawArguments: `{"a":"${secret}"}` },
              { type: "provider", wire: "test", value: { seen: secret } }
            ]),
            Prompt.tool([Prompt.toolResult({ id: "1", name: "f" }, { deep: [secret, 1], [secret]: true })]),
            Prompt.user(secret)
          ]
        })
        const [call] = yield* TestLLM.requests
        const sent = call?.request
        assert.notInclude(JSON.stringify([sent?.prompt, sent?.system]), secret)
        assert.strictEqual(sent?.system, "system [redacted]")
        assert.deepStrictEqual(
          sent?.prompt[2],
          Prompt.assistant([
            { type: "text", text: "unchanged", providerMetadata: { test: { signature: "kept" } } },
            { type: "reasoning", text: "thought [redacted]" },
            {
              type: "tool-call",
              id: "1",
              name: "f",
              arguments: { a: "[redacted]" },
              rawArguments: `{"a":"[redacted]"}`
            }
          ])
        )
        assert.deepStrictEqual(verdicts.map(({ hook, outcome, phase, reason }) => [hook, phase, outcome, reason]), [
          ["keys", "before", "redact", "9 matches"]
        ])
      }).pipe(Effect.provide(layer))
    })

    it.effect(`${mode}: a block sends nothing`, () => {
      const { layer, verdicts } = over([], [
        redact({ on: "before", action: "block" }),
        redact({ name: "later", on: "before" })
      ])
      return Effect.gen(function*() {
        const error = yield* Effect.flip(ask(mode, { prompt: `my key is ${secret}` }))
        assert.strictEqual(error._tag, "HookBlockedError")
        assert.notInclude(visible(error), secret)
        assert.include(error.message, "keys")
        assert.deepStrictEqual(error.attempts, [])
        assert.isEmpty(yield* TestLLM.requests)
        assert.deepStrictEqual(verdicts.map(({ hook, outcome }) => [hook, outcome]), [["keys", "block"]])
      }).pipe(Effect.provide(layer))
    })
  }

  it.effect("streams pass as they are when nothing looks at answers", () => {
    const chunks = ["a", "sk-", "b"]
    const { layer } = over([TestLLM.text(chunks.join(""), { chunks })], [redact({ on: "before" })])
    return Effect.gen(function*() {
      const { parts } = yield* shown(LLM.streamText({ prompt: "Hello" }))
      assert.deepStrictEqual(parts.flatMap((part) => part._tag === "TextDelta" ? [part.delta] : []), chunks)
    }).pipe(Effect.provide(layer))
  })

  it.effect("flags that keep state change nothing; a replacement is text; warnings pass", () => {
    const { layer, verdicts } = over(
      () => "ok",
      [
        redact({ pattern: /sk-[a-z0-9]+/gy, on: "before", replacement: "$&$1" }),
        Hooks.regex({ patterns: [/never/, /hello/i], action: "warn", on: "both" })
      ]
    )
    return Effect.gen(function*() {
      for (let i = 0; i < 3; i++) yield* ask("single", { prompt: `hello ${secret} and ${secret}` })
      const requests = yield* TestLLM.requests
      assert.deepStrictEqual(requests.map(({ request }) => request.prompt), Array(3).fill("hello $&$1 and $&$1"))
      assert.deepStrictEqual(
        verdicts.slice(0, 3).map(({ outcome, phase, reason }) => [phase, outcome, reason]),
        [["before", "redact", "2 matches"], ["before", "warn", "1 match"], ["after", "pass", undefined]]
      )
    }).pipe(Effect.provide(layer))
  })
})

describe("Hooks.regex after", () => {
  const Note = Schema.Struct({ note: Schema.String, at: Schema.Date, tags: Schema.Array(Schema.String) })
  const note = { note: `a "quoted" ${secret}\n`, at: "2026-01-01T00:00:00.000Z", tags: [secret, "b"] }

  it.effect("text: every field of the answer agrees", () => {
    const answer = TestLLM.text(`key ${secret}.`, { reasoning: `I think ${secret}` })
    const { layer } = over([answer, answer], [redact()])
    return Effect.gen(function*() {
      for (const mode of modes) {
        const response = yield* ask(mode)
        assert.notInclude(visible(response), secret)
        assert.deepStrictEqual([response.text, response.content], ["key [redacted].", "key [redacted]."])
        assert.deepStrictEqual(response.reasoning, Option.some("I think [redacted]"))
        assert.deepStrictEqual(response.message.content, [
          { type: "reasoning", text: "I think [redacted]" },
          { type: "text", text: "key [redacted]." }
        ])
      }
    }).pipe(Effect.provide(layer))
  })

  it.effect("objects stay JSON and are decoded again, streamed or not", () => {
    const { layer } = over([TestLLM.object(note), TestLLM.object(note)], [redact()])
    return Effect.gen(function*() {
      const one = yield* LLM.generateObject({ prompt: "Go on.", schema: Note })
      const { parts } = yield* shown(LLM.streamObject({ prompt: "Go on.", schema: Note }))
      const last = parts[parts.length - 1]
      assert.isTrue(last?._tag === "Finish")
      const two = last?._tag === "Finish" ? last.response : one
      for (const { content, message, text } of [one, two]) {
        assert.deepStrictEqual(content, {
          note: "a \"quoted\" [redacted]\n",
          at: new Date("2026-01-01"),
          tags: ["[redacted]", "b"]
        })
        assert.deepStrictEqual(JSON.parse(text), { ...note, note: content.note, tags: content.tags })
        assert.deepStrictEqual(message.content, [{ type: "text", text }])
      }
      assert.strictEqual(join(parts, "TextDelta"), two.text)
      assert.notInclude(JSON.stringify(parts), "sk-")
      const objects = parts.flatMap((part) => part._tag === "ObjectDelta" ? [part.partial] : [])
      assert.deepStrictEqual(objects[objects.length - 1], JSON.parse(two.text))
    }).pipe(Effect.provide(layer))
  })

  it.effect("what no longer matches the schema is blocked, and was billed", () => {
    const card = TestLLM.object({ card: 4111111111111111 }, { usage })
    const { layer } = over([card, card], [redact({ pattern: /\d{16}/ })])
    return Effect.gen(function*() {
      const options = { prompt: "Go on.", schema: Schema.Struct({ card: Schema.Number }) }
      for (const call of [LLM.generateObject(options), LLM.collect(LLM.streamObject(options))]) {
        const error = yield* Effect.flip(call)
        assert.strictEqual(error._tag, "HookBlockedError")
        assert.include(error.message, "schema")
        assert.strictEqual(error._tag === "HookBlockedError" && error.usage?.inputTokens, 10)
        assert.notInclude(visible(error), "4111")
      }
    }).pipe(Effect.provide(layer))
  })

  it.effect("tool calls: arguments, their text and the message", () => {
    const calls = TestLLM.toolCalls([{ name: "send", arguments: { to: "a\nb", key: secret, n: 1 } }], {
      text: "Sending"
    })
    const { layer } = over([calls, calls], [redact()])
    const tools = [Tool.make({ name: "send", parameters: Schema.Struct({ key: Schema.String }) })]
    return Effect.gen(function*() {
      const one = yield* LLM.generateText({ prompt: "Go on.", tools })
      const { parts } = yield* shown(LLM.streamText({ prompt: "Go on.", tools }))
      assert.notInclude(JSON.stringify([one, parts]), "sk-")
      const raw = `{"to":"a\\nb","key":"[redacted]","n":1}`
      assert.strictEqual(join(parts, "ToolCallDelta"), raw)
      const last = parts[parts.length - 1]
      for (const { message, toolCalls } of [one, ...(last?._tag === "Finish" ? [last.response] : [])]) {
        assert.deepStrictEqual(toolCalls.map((call) => [call.arguments, call.rawArguments]), [
          [{ to: "a\nb", key: "[redacted]", n: 1 }, raw]
        ])
        assert.deepStrictEqual(message.content[1], toolCalls[0])
      }
      assert.deepStrictEqual(
        parts.map(({ _tag }) => _tag).filter((tag, i, all) => tag !== all[i - 1]),
        ["TextDelta", "BlockEnd", "ToolCallDelta", "ToolCallPart", "BlockEnd", "Finish"]
      )
    }).pipe(Effect.provide(layer))
  })

  it.effect("runs tools on what is left", () => {
    const { layer } = over([TestLLM.toolCalls([{ name: "echo", arguments: { key: secret } }]), "done"], [redact()])
    const seen: Array<string> = []
    const echo = Tool.make({
      name: "echo",
      parameters: Schema.Struct({ key: Schema.String }),
      handler: ({ key }) => Effect.sync(() => seen.push(key))
    })
    return Effect.gen(function*() {
      const { text } = yield* LLM.runTools({ prompt: "Go on.", tools: [echo] })
      assert.deepStrictEqual([text, seen], ["done", ["[redacted]"]])
    }).pipe(Effect.provide(layer))
  })

  it.effect("failures carry no text that was to be hidden", () => {
    const where = { provider: "p", model: "m" }
    const failures = [
      new LLMError.ProviderError({
        ...where,
        reason: new LLMError.Transport(),
        partial: `${"x".repeat(300)}${secret}`,
        body: secret,
        description: secret,
        cause: new Error(secret)
      }),
      new LLMError.ResponseParsingError({
        ...where,
        reason: "Mismatch",
        text: `{"a":"sk-\\u0061b"} ${secret}`,
        candidate: `{"a":"${secret}"}`,
        issues: [{ path: [secret], message: `expected a number, got "${secret}"` }],
        parseIssue: { actual: secret }
      }),
      new LLMError.ResponseTruncatedError({ ...where, outputTokens: 1, text: secret, reasoning: secret }),
      new LLMError.ContentFilteredError({ ...where, category: "x", text: secret })
    ]
    return Effect.forEach(
      ["redact", "block"] as const,
      (action) =>
        Effect.forEach(failures, (failure) =>
          Effect.forEach(modes, (mode) =>
            Effect.gen(function*() {
              const { layer } = over([failure], [redact({ action })])
              const error = yield* Effect.flip(ask(mode)).pipe(Effect.provide(layer))
              assert.strictEqual(error._tag, failure._tag)
              assert.strictEqual(error.constructor, failure.constructor)
              assert.notInclude(visible(error), secret)
              assert.notInclude(visible(error), "u0061b")
            })))
    )
  })

  for (const mode of modes) {
    it.effect(`${mode}: a block keeps the answer back and says what it cost`, () => {
      const { layer } = over([TestLLM.text(`your key: ${secret}`, { usage, cost: Cost.zeroUSD })], [
        redact({ action: "block" })
      ])
      return Effect.gen(function*() {
        const error = yield* Effect.flip(ask(mode))
        assert.isTrue(error._tag === "HookBlockedError")
        assert.notInclude(visible(error), secret)
        if (error._tag !== "HookBlockedError") return
        assert.deepStrictEqual(error.verdicts, [{ hook: "keys", reason: "a pattern matched" }])
        // A stream that is stopped never says what it cost.
        assert.strictEqual(error.usage?.inputTokens, mode === "single" ? 10 : undefined)
        assert.lengthOf(error.attempts, mode === "single" ? 1 : 0)
      }).pipe(Effect.provide(layer))
    })
  }
})

describe("Hooks.regex after, what providers keep with parts", () => {
  const signed = (text: string): Prompt.ReasoningPart => ({
    type: "reasoning",
    text,
    providerMetadata: { test: { signature: "signed" } }
  })
  const hosted = (result: string): Prompt.ProviderPart => ({ type: "provider", wire: "w", value: { result } })
  const content = [
    signed("clean. "),
    signed(`not ${secret}. `),
    hosted("clean"),
    hosted(secret),
    { type: "text", text: "a sk-a", providerMetadata: { test: { cited: "clean" } } },
    { type: "text", text: "bc123 b" },
    { type: "text", text: " c", providerMetadata: { test: { cited: secret } } }
  ] as const satisfies ReadonlyArray<Prompt.AssistantPart>

  it.effect("a part that changes loses it; a match over two parts is gone from both", () => {
    const model = LLM.decorate((llm) =>
      Effect.succeed({
        ...llm,
        generate: (request) =>
          Effect.map(llm.generate(request), (response) => ({
            ...response,
            text: `a ${secret} b c`,
            reasoning: Option.some(`clean. not ${secret}. `),
            message: Prompt.assistant(content)
          }))
      })
    )
    return Effect.gen(function*() {
      const { message, reasoning, text } = yield* ask("single")
      assert.deepStrictEqual([text, Option.getOrThrow(reasoning)], ["a [redacted] b c", "clean. not [redacted]. "])
      assert.deepStrictEqual(message.content, [
        content[0],
        { type: "reasoning", text: "not [redacted]. " },
        content[2],
        // Changed, it is nothing that its provider would take back; its place stays.
        { type: "provider", wire: "redacted", value: { result: "[redacted]" } },
        { type: "text", text: "a [redacted]" },
        { type: "text", text: " b" },
        { type: "text", text: " c" }
      ])
    }).pipe(
      Effect.provide(Hooks.layer([redact()]).pipe(Layer.provide(model), Layer.provide(TestLLM.layer(["raw"]))))
    )
  })

  it.scopedLive("holds on real wires: text, objects and tool calls, whole and streamed", () =>
    Effect.gen(function*() {
      const fake = yield* FakeProvider.make()
      const apiKey = Redacted.make("k-123456")
      const options = { baseUrl: fake.url, apiKey }
      const models = [
        OpenAI.layer({ model: "gpt-4.1", ...options }),
        OpenAIChat.layer({ model: "gpt-4.1", ...options }),
        Anthropic.layer({ model: "claude-sonnet-4-5", ...options }),
        Anthropic.layer({ model: "claude-sonnet-4-5", structured: "tool", ...options }),
        Gemini.layer({ model: "gemini-2.5-flash", ...options })
      ]
      const schema = Schema.Struct({ name: Schema.String, note: Schema.optional(Schema.String) })
      const tools = [Tool.make({ name: "send", parameters: Schema.Struct({ key: Schema.String }) })]
      const body = { name: `Ada "the first" ${secret}`, note: `${secret}\n` }
      for (const model of models) {
        const live = Hooks.layer([redact()]).pipe(Layer.provide(model), Layer.provide(UndiciHttpClient.layer))
        yield* Effect.gen(function*() {
          const both = [0, 1]
          yield* fake.script(...both.map(() => FakeProvider.json(body)))
          const object = yield* LLM.generateObject({ prompt: "Hello", schema })
          const objects = yield* shown(LLM.streamObject({ prompt: "Hello", schema }))
          yield* fake.script(
            ...both.map(() =>
              FakeProvider.toolCalls([{ name: "send", arguments: { key: secret } }], { text: `I ${secret}` })
            )
          )
          const called = yield* LLM.generateText({ prompt: "Hello", tools })
          const calls = yield* shown(LLM.streamText({ prompt: "Hello", tools }))
          assert.deepStrictEqual(object.content, { name: "Ada \"the first\" [redacted]", note: "[redacted]\n" })
          assert.deepStrictEqual(called.toolCalls[0]?.arguments, { key: "[redacted]" })
          for (const [{ parts }, whole] of [[objects, object], [calls, called]] as const) {
            const last = parts[parts.length - 1]
            assert.isTrue(last?._tag === "Finish")
            if (last?._tag !== "Finish") continue
            assert.strictEqual(join(parts, "TextDelta"), last.response.text)
            assert.deepStrictEqual(last.response.content, whole.content)
            assert.strictEqual(last.response.text, whole.text)
            assert.notInclude(JSON.stringify([parts, whole]), "sk-")
          }
        }).pipe(Effect.provide(live))
      }
    }))
})

describe("Hooks on streams", () => {
  const rules = (...patterns: ReadonlyArray<RegExp>) =>
    patterns.map((pattern) => ({
      expression: new RegExp(pattern.source, `${pattern.flags.replace("g", "")}g`),
      action: "redact" as const,
      replacement: "[x]"
    }))
  const pieces = (text: string, cuts: ReadonlyArray<number>): ReadonlyArray<string> => {
    const places = [...new Set(cuts.map((cut) => cut % (text.length + 1)))].sort((a, b) => a - b)
    return [0, ...places].map((from, i) => text.slice(from, places[i] ?? text.length))
  }
  const words = fc.array(
    fc.constantFrom("1234 5678", "12", " ", "sk-ab", "a", "secret", " ok", "😀", "bb", "\n", "x", "\"", "\\", "é"),
    { maxLength: 40 }
  ).map((all) => all.join(""))
  const cuts = fc.array(fc.nat(400))
  const patterns = rules(/\b\d{4} \d{4}\b/, /sk-[a-z]+/, /a?/, /secret(?! ok)/, /(?<=😀)b+/u, /é\n/)
  const shownOf = (
    settings: { readonly rules: typeof patterns; readonly window: number },
    syntax: Syntax,
    all: ReadonlyArray<string>
  ) => {
    const redactor = new Redactor(settings, syntax)
    const deltas = all.map((piece) => redactor.push(piece))
    return [...deltas, redactor.flush()]
  }

  it("any cutting of a text is redacted like the whole", () => {
    fc.assert(
      fc.property(words, cuts, (text, cuts) => {
        const whole = redactText({ rules: patterns, window: Infinity }, text, "plain")
        assert.strictEqual(shownOf({ rules: patterns, window: 48 }, "plain", pieces(text, cuts)).join(""), whole)
      }),
      { numRuns: 3000 }
    )
  })

  it("nothing that is shown begins a match, and no more than the window is held back", () => {
    const settings = { rules: rules(/sk-[a-z]{20}/), window: 24 }
    fc.assert(
      fc.property(words, words, cuts, (before, after, cuts) => {
        const clean = before.replaceAll("sk-", "")
        const text = `${clean}sk-${"q".repeat(20)}${after.replaceAll("sk-", "")}`
        let sent = ""
        let seen = ""
        const redactor = new Redactor(settings, "plain")
        for (const piece of pieces(text, cuts)) {
          sent += piece
          seen += redactor.push(piece)
          assert.isFalse(/sk-q/.test(seen))
          assert.isTrue(!seen.slice(clean.length).startsWith("s"))
          assert.isAtMost(Math.min(sent.length, clean.length) - seen.length, 26)
        }
      }),
      { numRuns: 1000 }
    )
  })

  it("redacted JSON is the JSON of the redacted value, however it is cut and escaped", () => {
    const { value } = fc.letrec<{ value: Prompt.JsonValue }>((tie) => ({
      value: fc.oneof(
        { depthSize: "small" },
        words,
        fc.integer(),
        fc.boolean(),
        fc.constant(null),
        fc.array(tie("value"), { maxLength: 3 }),
        fc.dictionary(words, tie("value"), { maxKeys: 3 })
      )
    }))
    const walk = (value: Prompt.JsonValue): Prompt.JsonValue =>
      typeof value === "string"
        ? redactText({ rules: patterns, window: Infinity }, value, "plain")
        : Array.isArray(value)
        ? value.map(walk)
        : typeof value === "object" && value !== null
        ? Object.fromEntries(Object.entries(value).map(([key, field]) => [String(walk(key)), walk(field)]))
        : value
    fc.assert(
      fc.property(value, cuts, fc.boolean(), fc.boolean(), (value, cuts, escaped, inProse) => {
        const plain = JSON.stringify([value])
        const json = escaped ? plain.replace(/[é😀k]/gu, (c) =>
          [...Array(c.length).keys()].map((i) =>
            `\\u${c.charCodeAt(i).toString(16).padStart(4, "0")}`
          ).join("")) : plain
        const text = inProse ? `It is sk-ab:\n${json}\nsk-ab` : json
        const out = shownOf({ rules: patterns, window: 400 }, inProse ? "answer" : "arguments", pieces(text, cuts))
          .join("")
        const redacted = inProse ? out.slice("It is [x]:\n".length, -"\n[x]".length) : out
        assert.deepStrictEqual(JSON.parse(redacted), [walk(value)])
        if (inProse) {
          assert.isTrue(out.startsWith("It is [x]:\n") && out.endsWith("\n[x]"))
        }
      }),
      { numRuns: 3000 }
    )
  })

  it.effect("a stream is redacted like the whole answer, and agrees with its Finish", () =>
    Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(fc.array(words, { minLength: 1, maxLength: 8 }), words, (chunks, reasoning) => {
          const text = chunks.join("")
          fc.pre(text.trim() !== "")
          const answer = () => TestLLM.text(text, { chunks, reasoning })
          const { layer } = over(answer, [
            Hooks.regex({ patterns: [/\b\d{4} \d{4}\b/, /sk-[a-z]+/, /secret(?! ok)/], action: "redact", on: "after" })
          ], { window: 64 })
          return Effect.runPromise(
            Effect.gen(function*() {
              const whole = yield* LLM.generateText({ prompt: "Go on." })
              const { parts } = yield* shown(LLM.streamText({ prompt: "Go on." }))
              const last = parts[parts.length - 1]
              assert.strictEqual(join(parts, "TextDelta"), whole.text)
              assert.strictEqual(join(parts, "ReasoningDelta"), Option.getOrElse(whole.reasoning, () => ""))
              assert.isTrue(last?._tag === "Finish")
              if (last?._tag !== "Finish") return
              assert.strictEqual(last.response.text, whole.text)
              assert.strictEqual(last.response.content, whole.text)
              assert.deepStrictEqual(last.response.message, whole.message)
              assert.deepStrictEqual(blockProblems(parts), [])
            }).pipe(Effect.provide(layer))
          )
        }),
        { numRuns: runs(60, 1000) }
      )
    ))

  it.effect("partial objects show nothing that goes away again", () =>
    Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(fc.array(words, { maxLength: 4 }), cuts, (items, cuts) => {
          const text = JSON.stringify({ items, tail: `${secret} end` })
          const { layer } = over([TestLLM.text(text, { chunks: pieces(text, cuts).filter((piece) => piece !== "") })], [
            Hooks.regex({ patterns: [/\b\d{4} \d{4}\b/, secrets], action: "redact", on: "after" })
          ], { window: 32 })
          const schema = Schema.Struct({ items: Schema.Array(Schema.String), tail: Schema.String })
          return Effect.runPromise(
            Effect.gen(function*() {
              const { parts } = yield* shown(LLM.streamObject({ prompt: "Go on.", schema }))
              let before: Prompt.JsonValue | undefined
              for (const part of parts) {
                if (part._tag !== "ObjectDelta") continue
                assert.notMatch(JSON.stringify(part.partial), secrets)
                if (before !== undefined) assert.isTrue(grows(before, part.partial))
                before = part.partial
              }
              const last = parts[parts.length - 1]
              assert.isTrue(last?._tag === "Finish" && last.response.content.tail === "[redacted] end")
              if (last?._tag === "Finish") assert.deepStrictEqual(before, last.response.content)
            }).pipe(Effect.provide(layer))
          )
        }),
        { numRuns: runs(60, 1000) }
      )
    ))

  const grows = (before: Prompt.JsonValue, after: Prompt.JsonValue): boolean =>
    typeof before === "string"
      ? typeof after === "string" && after.startsWith(before)
      : typeof before === "object" && before !== null
      ? typeof after === "object" && after !== null &&
        Object.entries(before).every(([key, value]) => {
          const field: Prompt.JsonValue | undefined = Object.entries(after).find(([name]) => name === key)?.[1]
          return field !== undefined && grows(value, field)
        })
      : before === after

  it.effect("a long match is followed to its end; other kinds of parts keep their place", () => {
    const long = `sk-${"a".repeat(2000)}`
    const { layer } = over(
      [
        TestLLM.text(`go ${long} on`, { chunks: ["go ", ...long.match(/.{1,7}/g) ?? [], " on"], reasoning: "hm" })
      ],
      [redact()],
      { window: 16 }
    )
    return Effect.gen(function*() {
      const { parts } = yield* shown(LLM.streamText({ prompt: "Go on." }))
      assert.strictEqual(join(parts, "TextDelta"), "go [redacted] on")
      assert.strictEqual(parts[0]?._tag, "ReasoningDelta")
      assert.strictEqual(join(parts, "ReasoningDelta"), "hm")
    }).pipe(Effect.provide(layer))
  })

  it.scopedLive("a block stops the stream before the text is shown, and closes the connection", () =>
    Effect.gen(function*() {
      const fake = yield* FakeProvider.make()
      yield* fake.script(
        FakeProvider.slow(FakeProvider.text(`${"word ".repeat(30)}${secret} ${"word ".repeat(500)}`), { bytes: 256 })
      )
      const live = Hooks.layer([redact({ action: "block" })], { window: 32 }).pipe(
        Layer.provide(OpenAI.layer({ model: "gpt-4.1", baseUrl: fake.url, apiKey: Redacted.make("k-123456") })),
        Layer.provide(UndiciHttpClient.layer)
      )
      const { exit, parts } = yield* shown(LLM.streamText({ prompt: "Hello" })).pipe(Effect.provide(live))
      assert.strictEqual(fail(exit)._tag, "HookBlockedError")
      assert.isTrue(join(parts, "TextDelta").startsWith("word "))
      assert.strictEqual(join(parts, "TextDelta"), "word ".repeat(30))
      assert.isTrue(parts.every((part) => part._tag === "TextDelta"))
      yield* Effect.repeat(fake.openSockets, { until: (open) => open === 0 })
    }))
})

describe("Hooks.make", () => {
  class Flags extends Context.Tag("Flags")<Flags, { readonly strict: boolean }>() {}

  const bugs: ReadonlyArray<Effect.Effect<never, Error>> = [
    Effect.fail(new Error(secret)),
    Effect.die(new Error(secret)),
    Effect.suspend(() => {
      throw new TypeError(secret)
    })
  ]

  for (const mode of modes) {
    it.effect(`${mode}: sees the request and its labels, and may change it`, () => {
      const seen: Array<unknown> = []
      const { layer, verdicts } = over(["Hi"], [
        Hooks.make({
          name: "rewriter",
          before: ({ metadata, model, request }) =>
            Effect.map(Metadata.Current, (current) => {
              seen.push([metadata, current, model, request.prompt])
              return Hooks.rewrite({ prompt: "Bonjour", system: "French" }, "translated")
            })
        }),
        Hooks.make({ name: "watcher", before: ({ request }) => Effect.succeed(Hooks.warn(String(request.prompt))) })
      ])
      return Effect.gen(function*() {
        yield* ask(mode, { metadata: { b: "2" } })
        const [call] = yield* TestLLM.requests
        assert.deepStrictEqual([call?.request.prompt, call?.request.system], ["Bonjour", "French"])
        assert.deepStrictEqual(seen, [[{ a: "1", b: "2" }, { a: "1" }, "test-model", "Hello"]])
        assert.deepStrictEqual(verdicts.map(({ hook, outcome, reason }) => [hook, outcome, reason]), [
          ["rewriter", "rewrite", "translated"],
          ["watcher", "warn", "Bonjour"]
        ])
      }).pipe(Effect.provide(layer), LLM.withMetadata({ a: "1" }))
    })

    it.effect(`${mode}: a hook with bugs breaks no call, unless it is failClosed`, () =>
      Effect.forEach(bugs, (bug) =>
        Effect.gen(function*() {
          const logged: Array<unknown> = []
          const logger = Logger.make(({ message }) => void logged.push(message))
          const hook = (failClosed: boolean) =>
            Hooks.make({ name: "buggy", failClosed, before: () => bug, after: () => bug })
          const open = over(["fine"], [hook(false)], { onVerdicts: () => bug })
          const answer = yield* ask(mode).pipe(
            Effect.provide(Layer.merge(open.layer, Logger.replace(Logger.defaultLogger, logger)))
          )
          assert.strictEqual(answer.text, "fine")
          assert.lengthOf(logged, 4)
          assert.notInclude(JSON.stringify(logged), secret)
          const closed = over([], [hook(true)])
          const error = yield* Effect.flip(ask(mode)).pipe(Effect.provide(closed.layer))
          assert.strictEqual(error._tag, "HookBlockedError")
          assert.notInclude(visible(error), secret)
          assert.deepStrictEqual(closed.verdicts.map(({ outcome }) => outcome), ["block"])
        })))
  }

  it.effect("interruption goes through a hook", () =>
    Effect.gen(function*() {
      const started = yield* Deferred.make<void>()
      const { layer } = over(["never"], [
        Hooks.make({ name: "slow", before: () => Effect.zipRight(Deferred.succeed(started, undefined), Effect.never) })
      ])
      const fiber = yield* Effect.fork(ask("single").pipe(Effect.provide(layer)))
      yield* Deferred.await(started)
      const exit = yield* Fiber.interrupt(fiber)
      assert.isTrue(Exit.isFailure(exit) && Cause.isInterruptedOnly(exit.cause))
    }))

  it.effect("an answer can be rewritten: text or JSON, decoded again", () => {
    const Person = Schema.Struct({ name: Schema.Trim })
    const rename = Hooks.make({
      name: "rename",
      after: ({ value }) => Effect.succeed(Hooks.rewrite(typeof value === "string" ? `${value}!` : { name: " Grace " }))
    })
    const wrong = Hooks.make({ name: "wrong", after: () => Effect.succeed(Hooks.rewrite({ nobody: 1 })) })
    return Effect.gen(function*() {
      const { layer } = over(["Hi", TestLLM.object({ name: "Ada" })], [rename])
      yield* Effect.gen(function*() {
        const text = yield* ask("single")
        assert.deepStrictEqual([text.text, text.content, text.message.content], ["Hi!", "Hi!", [{
          type: "text",
          text: "Hi!"
        }]])
        const object = yield* LLM.generateObject({ prompt: "Go on.", schema: Person })
        assert.deepStrictEqual([object.content.name, object.text], ["Grace", `{"name":" Grace "}`])
      }).pipe(Effect.provide(layer))
      const error = yield* Effect.flip(LLM.generateObject({ prompt: "Go on.", schema: Person })).pipe(
        Effect.provide(over([TestLLM.object({ name: "Ada" })], [wrong]).layer)
      )
      assert.strictEqual(error._tag, "HookBlockedError")
    })
  })

  it.effect("at the end of a stream a block fails it instead of Finish; held, nothing is shown", () =>
    Effect.forEach(["finish", "hold"] as const, (streams) =>
      Effect.gen(function*() {
        const decide = (decision: Hooks.Decision<Prompt.JsonValue>) =>
          over([TestLLM.text("Hi there", { usage })], [
            redact(),
            Hooks.make({ name: "end", streams, after: () => Effect.succeed(decision) })
          ]).layer
        const run = (decision: Hooks.Decision<Prompt.JsonValue>) =>
          shown(LLM.streamText({ prompt: "Go on." })).pipe(Effect.provide(decide(decision)))

        const blocked = yield* run(Hooks.block("no"))
        const error = fail(blocked.exit)
        assert.strictEqual(error._tag, "HookBlockedError")
        assert.strictEqual(error._tag === "HookBlockedError" && error.usage?.inputTokens, 10)
        assert.strictEqual(join(blocked.parts, "TextDelta"), streams === "hold" ? "" : "Hi there")

        const rewritten = yield* run(Hooks.rewrite("Hello"))
        assert.strictEqual(join(rewritten.parts, "TextDelta"), streams === "hold" ? "Hello" : "Hi there")
        assert.strictEqual(Exit.isSuccess(rewritten.exit), streams === "hold")

        const passed = yield* run(Hooks.pass)
        assert.strictEqual(join(passed.parts, "TextDelta"), "Hi there")
        assert.strictEqual(passed.parts[passed.parts.length - 1]?._tag, "Finish")
      })))

  it.effect("what hooks need and fail with is in the layer", () =>
    Effect.gen(function*() {
      const strict = Hooks.make({
        name: "strict",
        before: () => Effect.map(Flags, ({ strict }) => strict ? Hooks.block("strict") : Hooks.pass)
      })
      const live = Hooks.layer([strict], { onVerdicts: () => Effect.asVoid(Flags) }).pipe(
        Layer.provide(TestLLM.layer(["ok"])),
        Layer.provide(Layer.succeed(Flags, { strict: true }))
      )
      assert.include((yield* Effect.flip(ask("single")).pipe(Effect.provide(live))).message, "strict (strict)")
    }))
})

describe("Hooks.judge", () => {
  const judged = (script: TestLLM.Script, more: Partial<Hooks.JudgeOptions> = {}): Hooks.Hook =>
    Hooks.judge({ llm: TestLLM.layer(script), criteria: "be kind", on: "after", ...more })

  it.effect("passes, or blocks with its reason; what it cost is in its verdict", () =>
    Effect.gen(function*() {
      const yes = over(["Hi"], [
        judged([TestLLM.object({ pass: true, reason: "kind" }, { usage, cost: cents(2) })])
      ])
      const answer = yield* ask("single").pipe(Effect.provide(yes.layer))
      assert.strictEqual(answer.usage.inputTokens, 0)
      const [verdict] = yes.verdicts
      assert.deepStrictEqual([verdict?.outcome, verdict?.usage?.inputTokens, verdict?.cost?.total], ["pass", 10, 0.02])
      const no = over([], [judged([TestLLM.object({ pass: false, reason: "rude" })], { on: "before" })])
      const error = yield* Effect.flip(ask("stream")).pipe(Effect.provide(no.layer))
      assert.include(error.message, "judge (rude)")
    }))

  it.effect("sees the redacted answer, and its call goes through no hooks", () =>
    Effect.gen(function*() {
      const service = TestLLM.layer([TestLLM.object({ pass: true, reason: "" })])
      const context = yield* Layer.build(service)
      let count = 0
      const counter = Hooks.make({ name: "count", before: () => Effect.sync(() => (count++, Hooks.pass)) })
      const { layer } = over([`key ${secret}`], [
        counter,
        judged([], { llm: Context.get(context, LLM.LLM) }),
        redact({ on: "both" })
      ])
      yield* ask("single", { prompt: `ask ${secret}`, metadata: { feature: "f" } }).pipe(Effect.provide(layer))
      const [call] = yield* Context.get(context, TestLLM.TestLLM).requests
      assert.strictEqual(count, 1)
      assert.notInclude(JSON.stringify(call?.request.prompt), secret)
      assert.include(JSON.stringify(call?.request.prompt), "key [redacted]")
      assert.deepStrictEqual(call?.metadata, { feature: "f", hook: "judge" })
    }).pipe(Effect.scoped))

  it.effect("failing, silent or talking nonsense it passes, with a word in the log; failClosed blocks", () =>
    Effect.gen(function*() {
      const down = new LLMError.ProviderError({ provider: "p", model: "m", reason: new LLMError.Overloaded() })
      const scripts: ReadonlyArray<readonly [TestLLM.Script, string]> = [
        [[down], "Overloaded"],
        [["yes, fine"], "ResponseParsingError"],
        [[TestLLM.object({ pass: "maybe" })], "ResponseParsingError"],
        [[TestLLM.delay("1 minute", TestLLM.object({ pass: false, reason: "" }))], "TimeoutException"]
      ]
      for (const [script, reason] of scripts) {
        for (const failClosed of [false, true]) {
          const { layer, verdicts } = over(["Hi"], [judged(script, { failClosed })])
          const fiber = yield* Effect.fork(Effect.either(ask("single")).pipe(Effect.provide(layer)))
          yield* TestClock.adjust("31 seconds")
          const result = yield* Fiber.join(fiber)
          assert.strictEqual(result._tag, failClosed ? "Left" : "Right")
          assert.deepStrictEqual(verdicts.map(({ outcome, reason }) => [outcome, reason]), [
            failClosed ? ["block", `it failed: ${reason}`] : ["error", reason]
          ])
          if (reason === "TimeoutException") assert.strictEqual(Duration.toSeconds(verdicts[0]?.duration ?? 0), 30)
        }
      }
    }).pipe(Effect.provide(Logger.replace(Logger.defaultLogger, Logger.none))))
})

describe("Hooks and Cascade", () => {
  const down = new LLMError.ProviderError({ provider: "p", model: "m", reason: new LLMError.Overloaded() })
  const guard = redact({ action: "block", on: "both" })

  for (const mode of modes) {
    it.effect(`${mode}: around it, the answer of whoever answered is guarded`, () => {
      const live = Hooks.layer([redact()]).pipe(
        Layer.provide(
          Cascade.layer([TestLLM.layer([down]), Layer.provide(TestLLM.layer([`second ${secret}`]), Layer.empty)])
        )
      )
      return Effect.gen(function*() {
        const answer = yield* ask(mode)
        assert.strictEqual(answer.text, "second [redacted]")
        assert.lengthOf(answer.attempts, 2)
      }).pipe(Effect.provide(live))
    })

    it.effect(`${mode}: in a member, a block surfaces at once`, () => {
      let asked = 0
      const second = TestLLM.layer(() => {
        asked++
        return "second"
      })
      const live = Cascade.layer([Layer.provide(Hooks.layer([guard]), TestLLM.layer([`first ${secret}`])), second])
      return Effect.gen(function*() {
        assert.strictEqual((yield* Effect.flip(ask(mode)))._tag, "HookBlockedError")
        assert.strictEqual(asked, 0)
      }).pipe(Effect.provide(live))
    })
  }
})
