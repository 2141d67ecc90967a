import { assert, describe, it } from "@effect/vitest"
import { Cause, Chunk, Deferred, Effect, Exit, Fiber, Layer, Option, Schema, Stream } from "effect"
import { Cascade, LLM, LLMError, Metadata } from "../../src/index.ts"
import * as Logging from "../../src/logging/Logging.ts"
import * as RequestLog from "../../src/logging/RequestLog.ts"
import { FakeProvider, TestLLM } from "../../src/testing/index.ts"
import { claude, faked, gpt, key, logged, scripted } from "./setup.ts"

const prompt = "Hello"
const usage = { inputTokens: 100, outputTokens: 20 }

const only = <A>(rows: ReadonlyArray<A>): A => {
  const [row] = rows
  assert.lengthOf(rows, 1)
  assert.isDefined(row)
  return row as A
}

const sha256 = (text: string) =>
  Effect.promise(async () => {
    const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))
    return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("").slice(0, 16)
  })

/** Runs until the server has the request (and, for a stream, has given the first part), then interrupts. */
const interruptedAfter = <A, E, R>(
  ready: Effect.Effect<unknown, never, R>,
  effect: Effect.Effect<A, E, R>
) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.fork(effect)
    yield* ready
    return yield* Fiber.interrupt(fiber)
  })

const asked = (fake: FakeProvider.Service) =>
  Effect.repeat(Effect.zipRight(Effect.sleep("2 millis"), fake.requests), { until: (all) => all.length > 0 })

describe("one row for each call", () => {
  for (const reason of ["closed", null, new Error("socket closed"), { _tag: "Closed" }]) {
    it.scoped(`a reader that fails with ${String(reason)} has cancelled: its row has what is known`, () =>
      Effect.gen(function*() {
        const { entries, run } = yield* scripted([TestLLM.text("Hello there, you", { usage })])
        const reading = Stream.runDrain(Stream.tap(LLM.streamText({ prompt }), () => Effect.fail(reason)))
        assert.strictEqual(yield* Effect.flip(run(reading)), reason)
        const row = only(yield* entries)
        assert.deepStrictEqual([row.status, row.usagePartial, row.errorType], ["cancelled", true, undefined])
      }))
  }

  it.scoped("money that is not known is not marked as known: usage that comes last, cut, interrupted, unreadable", () =>
    Effect.gen(function*() {
      const cut = new LLMError.ProviderError({ provider: "test", model: "m", reason: new LLMError.Transport() })
      const script = [
        TestLLM.text("Hello there", { usage }),
        TestLLM.text("Hello there", { failure: cut }),
        TestLLM.delay("1 hour", "late")
      ]
      const { entries, run } = yield* scripted(script)
      yield* run(Stream.runDrain(Stream.take(LLM.streamText({ prompt }), 1)))
      yield* Effect.exit(run(Stream.runDrain(LLM.streamText({ prompt }))))
      yield* Fiber.interrupt(yield* Effect.tap(Effect.fork(run(LLM.generateText({ prompt }))), () => Effect.yieldNow()))
      const rows = yield* entries
      assert.deepStrictEqual(rows.map(({ status, usagePartial }) => [status, usagePartial]), [
        ["cancelled", true],
        ["error", true],
        ["cancelled", true]
      ])
      // What was billed is not known; how large the prompt was is, and a guess from it stands apart.
      assert.deepStrictEqual(rows.map(({ estimatedInputTokens, inputTokens }) => [inputTokens, estimatedInputTokens]), [
        [0, Math.ceil(prompt.length / 4)],
        [0, Math.ceil(prompt.length / 4)],
        [0, Math.ceil(prompt.length / 4)]
      ])
    }))

  it.scopedLive("an answer: everything it says, under its id", () =>
    Effect.gen(function*() {
      const { entries, run } = yield* faked([FakeProvider.text("Hi", { usage })])
      const answer = yield* run(
        LLM.generateText({ prompt, metadata: { userId: "42" } }).pipe(LLM.withMetadata({ feature: "chat-bot" }))
      )
      const row = only(yield* entries)
      assert.strictEqual(row.requestId, answer.requestId)
      assert.deepStrictEqual(
        [row.kind, row.status, row.provider, row.model, row.requestedModel, row.streamed, row.finishReason],
        ["call", "success", answer.provider, answer.model, "claude-sonnet-4-5", false, "stop"]
      )
      assert.deepStrictEqual([row.inputTokens, row.outputTokens, row.usagePartial], [100, 20, false])
      assert.strictEqual(row.totalCost, "0.0006")
      assert.deepStrictEqual(row.metadata, { Feature: "chat-bot", "User-Id": "42" })
      assert.deepStrictEqual([row.apiKeyHash, row.apiKeyAlias], [yield* sha256(key), "canary"])
      assert.deepStrictEqual(row.attempts.map(({ error, status }) => [error, status]), [[undefined, 200]])
      assert.isAbove(row.responseTime, 0)
      assert.isUndefined(row.timeToFirstToken)
    }))

  it.scopedLive("a stream, an object, JSON", () =>
    Effect.gen(function*() {
      const { entries, run } = yield* faked([
        FakeProvider.text("Hi there", { usage }),
        FakeProvider.json({ name: "Ada" }),
        FakeProvider.json([1])
      ])
      const streamed = yield* run(LLM.collect(LLM.streamText({ prompt })))
      yield* run(LLM.generateObject({ prompt, schema: Schema.Struct({ name: Schema.String }) }))
      yield* run(LLM.generateJson({ prompt }))
      const rows = yield* entries
      assert.deepStrictEqual(rows.map(({ status, streamed }) => [status, streamed]), [
        ["success", true],
        ["success", false],
        ["success", false]
      ])
      assert.strictEqual(rows[0]?.requestId, streamed.requestId)
      assert.isAbove(rows[0]?.timeToFirstToken ?? 0, 0)
    }))

  const failures: ReadonlyArray<readonly [name: string, replies: ReadonlyArray<FakeProvider.Reply>, type: string]> = [
    ["an outage", [FakeProvider.status(503), FakeProvider.status(503)], "Overloaded"],
    ["a wrong request", [FakeProvider.status(400)], "InvalidRequestError"],
    ["a refusal", [FakeProvider.refusal("No")], "ContentFilteredError"],
    ["an answer cut off", [FakeProvider.truncated("")], "ResponseTruncatedError"],
    [
      "a broken connection",
      [FakeProvider.reset({ before: "headers" }), FakeProvider.reset({ before: "headers" })],
      "Transport"
    ]
  ]
  for (const [name, replies, type] of failures) {
    for (const streamed of [false, true]) {
      it.scopedLive(`${name}${streamed ? " in a stream" : ""} is an error`, () =>
        Effect.gen(function*() {
          const { entries, run } = yield* faked(replies)
          const failed = streamed ? LLM.collect(LLM.streamText({ prompt })) : LLM.generateText({ prompt })
          const error = yield* run(Effect.flip(failed))
          const row = only(yield* entries)
          assert.deepStrictEqual([row.status, row.errorType, row.streamed], ["error", type, streamed])
          assert.strictEqual(row.errorMessage, error.message)
          assert.deepStrictEqual([row.provider, row.apiKeyAlias], ["anthropic", "canary"])
          assert.lengthOf(row.attempts, "attempts" in error ? error.attempts.length : 0)
        }))
    }
  }

  it.scoped("what is refused before anything is sent, or blocked, or a bug", () =>
    Effect.gen(function*() {
      const blocked = new LLMError.HookBlockedError({
        provider: "test",
        model: "test-model",
        verdicts: [{ hook: "pii", reason: "a phone number" }]
      })
      const { entries, run } = yield* scripted((_, index) => {
        if (index === 1) throw new Error(`secret ${key}`)
        return blocked
      })
      yield* run(Effect.flip(LLM.generateText({ prompt })))
      const exit = yield* run(Effect.exit(LLM.generateText({ prompt })))
      assert.isTrue(Exit.isFailure(exit) && Cause.isDie(exit.cause))
      const rows = yield* entries
      assert.deepStrictEqual(rows.map(({ errorMessage, errorType }) => [errorType, errorMessage]), [
        ["HookBlockedError", blocked.message],
        ["Defect", "a bug: Error"]
      ])

      const invalid = yield* faked([])
      yield* invalid.run(Effect.flip(LLM.generateText({ prompt, temperature: 9 })))
      assert.strictEqual(only(yield* invalid.entries).errorType, "InvalidRequestError")
    }))

  it.scopedLive("interrupted before the headers", () =>
    Effect.gen(function*() {
      const { entries, fake, run } = yield* faked([FakeProvider.stall({ before: "headers" })])
      yield* run(interruptedAfter(asked(fake), LLM.generateText({ prompt })))
      const row = only(yield* entries)
      assert.deepStrictEqual([row.status, row.errorType, row.apiKeyAlias], ["cancelled", undefined, "canary"])
      assert.deepStrictEqual(row.attempts.map(({ error }) => error), ["Interrupted"])
    }))

  it.scopedLive("interrupted while it waits to try again", () =>
    Effect.gen(function*() {
      const { entries, fake, run } = yield* faked([
        FakeProvider.status(503),
        FakeProvider.stall({ before: "headers" })
      ])
      const twice = Effect.repeat(Effect.zipRight(Effect.sleep("2 millis"), fake.requests), {
        until: (all) => all.length > 1
      })
      yield* run(interruptedAfter(twice, LLM.generateText({ prompt })))
      assert.deepStrictEqual(only(yield* entries).attempts.map(({ error }) => error), ["Overloaded", "Interrupted"])
    }))

  it.scopedLive("a stream interrupted before its first token, and in the middle: with the tokens known by then", () =>
    Effect.gen(function*() {
      for (const at of ["headers", "token"] as const) {
        const reply = at === "headers"
          ? FakeProvider.stall({ before: "events" })
          : FakeProvider.stall({ afterEvents: 1, reply: FakeProvider.text("Hi there", { usage, chunks: 2 }) })
        const { entries, fake, run } = yield* faked([reply])
        const first = yield* Deferred.make<void>()
        const reading = LLM.streamText({ prompt }).pipe(
          Stream.tap(() => Deferred.succeed(first, undefined)),
          Stream.runDrain
        )
        yield* run(interruptedAfter(at === "headers" ? asked(fake) : Deferred.await(first), reading))
        const row = only(yield* entries)
        assert.deepStrictEqual([row.status, row.streamed], ["cancelled", true])
        if (at === "token") {
          assert.strictEqual(row.inputTokens, 100)
          assert.isTrue(row.usagePartial)
          assert.isDefined(row.totalCost)
          assert.isAbove(row.timeToFirstToken ?? 0, 0)
        }
        // Its connection is closed: nobody pays for the rest.
        yield* Effect.repeat(Effect.zipRight(Effect.sleep("2 millis"), fake.openSockets), {
          until: (open) => open === 0
        })
      }
    }))

  it.scopedLive("a stream whose reader stops early, even when the whole answer has come", () =>
    Effect.gen(function*() {
      const { entries, run } = yield* faked([FakeProvider.text("one two three", { usage })])
      yield* run(Stream.runDrain(Stream.take(LLM.streamText({ prompt }), 1)))
      assert.strictEqual(only(yield* entries).status, "cancelled")
    }))

  it.scopedLive("a stream interrupted after its last part has succeeded", () =>
    Effect.gen(function*() {
      const { entries, run } = yield* faked([FakeProvider.text("Hi", { usage })])
      const done = yield* Deferred.make<void>()
      const reading = LLM.streamText({ prompt }).pipe(
        Stream.tap((part) => part._tag === "Finish" ? Deferred.succeed(done, undefined) : Effect.void),
        Stream.concat(Stream.never),
        Stream.runDrain
      )
      yield* run(interruptedAfter(Deferred.await(done), reading))
      assert.strictEqual(only(yield* entries).status, "success")
    }))

  it.scoped("the parts of a stream come through as they are", () =>
    Effect.gen(function*() {
      const answer = TestLLM.text("one two three")
      const { run } = yield* scripted([answer])
      const plain = yield* Effect.provide(Stream.runCollect(LLM.streamText({ prompt })), TestLLM.layer([answer]))
      const parts = yield* run(Stream.runCollect(LLM.streamText({ prompt })))
      assert.deepStrictEqual(
        Chunk.toReadonlyArray(parts).map(({ _tag }) => _tag),
        Chunk.toReadonlyArray(plain).map(({ _tag }) => _tag)
      )
    }))

  it.scopedLive("around a cascade: every attempt, who answered, whose key", () =>
    Effect.gen(function*() {
      const primary = yield* FakeProvider.make()
      const backup = yield* FakeProvider.make()
      yield* primary.script(FakeProvider.status(529))
      yield* backup.script(FakeProvider.text("Hi", { usage }))
      const { entries, run } = yield* logged(Cascade.layer([claude(primary.url), gpt(backup.url)]), { attempts: true })
      const answer = yield* run(LLM.generateText({ prompt }))
      const rows = yield* entries
      const [call, ...tries] = rows
      assert.strictEqual(call?.requestId, answer.requestId)
      assert.deepStrictEqual([call?.provider, call?.apiKeyAlias, call?.status], ["openai", undefined, "success"])
      assert.strictEqual(call?.apiKeyHash, yield* sha256("sk-other-00000001"))
      assert.deepStrictEqual(call?.attempts.map(({ provider }) => provider), ["anthropic", "openai"])
      assert.deepStrictEqual(
        tries.map(({ errorType, kind, parentId, provider, status, statusCode }) => [
          kind,
          parentId,
          provider,
          status,
          errorType,
          statusCode
        ]),
        [
          ["attempt", answer.requestId, "anthropic", "error", "Overloaded", 529],
          ["attempt", answer.requestId, "openai", "success", undefined, 200]
        ]
      )
    }))

  it.scopedLive("inside a cascade: each member has its own", () =>
    Effect.gen(function*() {
      const fake = yield* FakeProvider.make()
      yield* fake.script(FakeProvider.status(529), FakeProvider.text("Hi"))
      const logging = Logging.layer()
      const live = Cascade.layer([
        Layer.provide(logging, claude(fake.url)),
        Layer.provide(Layer.fresh(logging), gpt(fake.url))
      ]).pipe(Layer.provide(Layer.empty))
      const rows = yield* Effect.scoped(
        Effect.gen(function*() {
          const memory = yield* Layer.build(RequestLog.layerMemory)
          yield* Effect.scoped(
            Effect.flatMap(
              Layer.build(Layer.provide(live, Layer.succeedContext(memory))),
              (context) => Effect.provide(LLM.generateText({ prompt }), context)
            )
          )
          return yield* Effect.provide(RequestLog.entries, memory)
        })
      )
      assert.deepStrictEqual(
        rows.map(({ provider, status }) => [provider, status]).sort(),
        [["anthropic", "error"], ["openai", "success"]]
      )
    }))

  it.scoped("a redactor changes rows; one that throws costs the texts, not the row", () =>
    Effect.gen(function*() {
      const masked = yield* scripted(["a"], { redact: (entry) => ({ ...entry, requestId: "other", metadata: {} }) })
      const answer = yield* masked.run(LLM.generateText({ prompt, metadata: { userId: "42" } }))
      const row = only(yield* masked.entries)
      assert.deepStrictEqual([row.requestId, row.metadata], [answer.requestId, {}])

      const broken = yield* scripted(["a"], {
        redact: () => {
          throw new Error("no")
        }
      })
      yield* broken.run(LLM.generateText({ prompt, metadata: { userId: "42" } }))
      const kept = only(yield* broken.entries)
      assert.deepStrictEqual([kept.status, kept.metadata], ["success", {}])
    }))

  it.scoped("where a gateway's calls came from", () =>
    Effect.gen(function*() {
      const { entries, run } = yield* scripted(["a"])
      const origin = { majordomoApiKeyId: "k1", requestPath: "/v1/messages", requestMethod: "POST" }
      yield* run(LLM.generateText({ prompt }).pipe(Logging.withOrigin(origin)))
      const row = only(yield* entries)
      assert.deepStrictEqual([row.majordomoApiKeyId, row.requestPath, row.requestMethod], [
        "k1",
        "/v1/messages",
        "POST"
      ])
    }))
})

describe("bodies", () => {
  it.scopedLive("are stored under the row's id", () =>
    Effect.gen(function*() {
      const { entries, objects, run } = yield* faked([FakeProvider.text("Hi"), FakeProvider.status(400)])
      yield* run(LLM.generateText({ prompt, system: "Be brief" }))
      yield* run(Effect.flip(LLM.generateText({ prompt })))
      const rows = yield* entries
      const stored = yield* objects
      for (const row of rows) {
        assert.strictEqual(row.storageRequestKey, `${row.requestId}/request.json`)
        assert.strictEqual(row.storageResponseKey, `${row.requestId}/response.json`)
        assert.isUndefined(row.storageError)
      }
      const body = (key: string | undefined) => JSON.parse(stored.get(key ?? "") ?? "null")
      assert.deepInclude(body(rows[0]?.storageRequestKey), { prompt, system: "Be brief", output: { type: "text" } })
      assert.deepInclude(body(rows[0]?.storageResponseKey), { text: "Hi", finishReason: "stop" })
      assert.deepInclude(body(rows[1]?.storageResponseKey), { error: "InvalidRequestError" })
    }))

  it.scoped("only of errors, or none", () =>
    Effect.gen(function*() {
      const error = new LLMError.InvalidRequestError({ provider: "p", model: "m", reason: "Rejected", description: "" })
      for (const [bodies, count] of [["all", 4], ["errors", 2], ["none", 0]] as const) {
        const { objects, run } = yield* scripted(["a", error], { bodies })
        yield* run(LLM.generateText({ prompt }))
        yield* run(Effect.flip(LLM.generateText({ prompt })))
        assert.strictEqual((yield* objects).size, count)
      }
    }))

  it.scoped("that are too long are cut and say so; bytes are base64", () =>
    Effect.gen(function*() {
      const { entries, objects, run } = yield* scripted(["a", "b"], { maxBodyBytes: 500 })
      yield* run(LLM.generateText({ prompt: "x".repeat(5000) }))
      yield* run(LLM.generateText({
        prompt: [{
          role: "user",
          content: [{
            type: "image",
            media: { type: "bytes", bytes: new Uint8Array([1, 2, 3]) },
            mediaType: "image/png"
          }]
        }]
      }))
      const rows = yield* entries
      const stored = yield* objects
      const long = JSON.parse(stored.get(rows[0]?.storageRequestKey ?? "") ?? "")
      assert.deepStrictEqual([long.truncated, long.start.length], [true, 500])
      assert.include(stored.get(rows[1]?.storageRequestKey ?? ""), `"base64":"AQID"`)
    }))
})

describe("labels", () => {
  it("are in header case, whatever their number", () => {
    assert.strictEqual(Metadata.toHeaderCase("userId"), "User-Id")
  })

  it.scoped("of the call win over those around it", () =>
    Effect.gen(function*() {
      const { entries, run } = yield* scripted(["a"])
      yield* run(
        LLM.generateText({ prompt, metadata: { user_id: "1" } }).pipe(LLM.withMetadata({ userId: "2", a: "b" }))
      )
      assert.deepStrictEqual(only(yield* entries).metadata, { "User-Id": "1", A: "b" })
    }))
})

describe("a row", () => {
  it.effect("is its own encoded form", () =>
    Effect.gen(function*() {
      const { entries, run } = yield* Effect.map(
        scripted(["a", new LLMError.HookBlockedError({ provider: "p", model: "m", verdicts: [] })]),
        (all) => all
      )
      yield* run(LLM.generateText({ prompt }))
      yield* run(Effect.flip(LLM.generateText({ prompt, metadata: { "ü": "\u0000\ud800 \n" } })))
      for (const row of yield* entries) {
        const json = JSON.stringify(row)
        assert.deepStrictEqual(
          JSON.parse(json),
          JSON.parse(yield* Schema.encode(Schema.parseJson(RequestLog.Entry))(row))
        )
        const read = yield* Schema.decode(Schema.parseJson(RequestLog.Entry))(json)
        assert.deepStrictEqual(JSON.parse(JSON.stringify(read)), JSON.parse(json))
        assert.isTrue(Option.isSome(Schema.decodeUnknownOption(RequestLog.Entry)(row)))
      }
    }).pipe(Effect.scoped))
})
