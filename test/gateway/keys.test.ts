import { assert, describe, it } from "@effect/vitest"
import { Effect, Either, Exit, FastCheck as fc, Option, Redacted, TestClock } from "effect"
import * as ApiKeys from "effect-majordomo/gateway/ApiKeys"
import * as Gateway from "effect-majordomo/gateway/Gateway"
import * as ProviderKeys from "effect-majordomo/gateway/ProviderKeys"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import * as keyring from "../../src/gateway/internal/keyring.ts"
import { Refreshed } from "../../src/gateway/internal/refreshed.ts"
import * as scan from "../../src/gateway/internal/scan.ts"
import * as token from "../../src/gateway/internal/token.ts"
import { runs } from "../runs.ts"
import { temporary } from "./running.ts"

const stores = <A, E>(use: Effect.Effect<A, E, ApiKeys.ApiKeys | ProviderKeys.ProviderKeys>) =>
  Effect.gen(function*() {
    const directory = yield* temporary
    const database = join(directory, "keys.db")
    const encryptionKey = Redacted.make("11".repeat(32))
    return {
      database,
      result: yield* Effect.provide(use, Gateway.layerKeys({ database, encryptionKey }))
    }
  })

describe("keys of the gateway", () => {
  it.scopedLive("open until they are revoked or expire, and are nowhere in clear", () =>
    Effect.gen(function*() {
      const { database, result } = yield* stores(Effect.gen(function*() {
        const keys = yield* ApiKeys.ApiKeys
        const { key, secret } = yield* keys.create({ name: "team", owner: "ada", models: ["gpt-*"] })
        const opened = yield* keys.verify(Redacted.value(secret))
        assert.strictEqual(Option.getOrThrow(opened).id, key.id)
        assert.deepStrictEqual(Option.getOrThrow(opened).models, ["gpt-*"])
        const short = yield* keys.create({ name: "short", expires: "30 millis" })
        yield* Effect.sleep("40 millis")
        assert.isTrue(Option.isNone(yield* keys.verify(Redacted.value(short.secret))))
        yield* keys.revoke(key.id)
        assert.isTrue(Option.isNone(yield* keys.verify(Redacted.value(secret))))
        assert.isTrue(Exit.isFailure(yield* Effect.exit(keys.revoke("key_none"))))
        assert.strictEqual((yield* keys.list).length, 2)
        return Redacted.value(secret)
      }))
      assert.notInclude(readFileSync(database, "latin1"), result.slice(7))
    }))

  it.scopedLive("are rotated: old and new are valid for a while, as the same key", () =>
    stores(Effect.gen(function*() {
      const keys = yield* ApiKeys.ApiKeys
      const { key, secret } = yield* keys.create({ name: "team" })
      const second = yield* keys.rotate(key.id, { overlap: "50 millis" })
      assert.strictEqual(second.key.id, key.id)
      assert.isTrue(Option.isSome(yield* keys.verify(Redacted.value(secret))))
      yield* Effect.sleep("60 millis")
      assert.isTrue(Option.isNone(yield* keys.verify(Redacted.value(secret))))
      assert.isTrue(Option.isSome(yield* keys.verify(Redacted.value(second.secret))))
    })))

  it.prop("that are not ours are told without a lookup", [fc.string(), fc.nat()], ([text, at]) => {
    assert.isFalse(token.isWellFormed(text, "mdm_sk_"))
    const made = token.make("mdm_sk_")
    assert.isTrue(token.isWellFormed(made, "mdm_sk_"))
    assert.isFalse(token.isWellFormed(made, "mdm_at_"))
    const i = 7 + at % (made.length - 7)
    const other = made[i] === "x" ? "y" : "x"
    assert.isFalse(token.isWellFormed(made.slice(0, i) + other + made.slice(i + 1), "mdm_sk_"))
  })
})

describe("keys of providers", () => {
  it.scopedLive("are kept sealed, several to a provider, and come back as they were", () =>
    Effect.gen(function*() {
      const { database } = yield* stores(Effect.gen(function*() {
        const keys = yield* ProviderKeys.ProviderKeys
        yield* keys.set("openai", Redacted.make("sk-plain-text-1"))
        yield* keys.set("openai", Redacted.make("sk-plain-text-2"), "batch")
        yield* keys.set("openai", Redacted.make("sk-plain-text-3"))
        const opened = Option.getOrThrow(yield* keys.get("openai"))
        assert.strictEqual(Redacted.value(opened.secret), "sk-plain-text-3")
        assert.strictEqual(
          Redacted.value(Option.getOrThrow(yield* keys.get("openai", "batch")).secret),
          "sk-plain-text-2"
        )
        assert.isTrue(Option.isNone(yield* keys.get("anthropic")))
        assert.isTrue(yield* keys.remove("openai", "batch"))
        assert.isTrue(Option.isNone(yield* keys.get("openai", "batch")))
      }))
      assert.notInclude(readFileSync(database, "latin1"), "plain-text")
    }))

  it.scopedLive("are sealed anew under another encryption key, and locked without theirs", () =>
    Effect.gen(function*() {
      const database = join(yield* temporary, "keys.db")
      const at = <A, E>(key: string, use: Effect.Effect<A, E, ProviderKeys.ProviderKeys>) =>
        Effect.provide(use, Gateway.layerKeys({ database, encryptionKey: Redacted.make(key) }))
      const [first, second] = ["aa".repeat(32), "bb".repeat(32)]
      yield* at(first, Effect.flatMap(ProviderKeys.ProviderKeys, (keys) => keys.set("openai", Redacted.make("sk-1"))))
      const locked = yield* Effect.either(
        at(second, Effect.flatMap(ProviderKeys.ProviderKeys, (keys) => keys.get("openai")))
      )
      assert.isTrue(Either.isLeft(locked) && locked.left._tag === "ProviderKeyError" && locked.left.reason === "Locked")
      assert.strictEqual(
        yield* at(`${second},${first}`, Effect.flatMap(ProviderKeys.ProviderKeys, (keys) => keys.reseal)),
        1
      )
      const opened = yield* at(second, Effect.flatMap(ProviderKeys.ProviderKeys, (keys) => keys.get("openai")))
      assert.strictEqual(Redacted.value(Option.getOrThrow(opened).secret), "sk-1")
    }))

  it("do not open when they were changed, or copied to another provider", () => {
    const ring = Either.getOrThrow(keyring.parse(Redacted.make("cc".repeat(32))))
    const sealed = ring.seal(Redacted.make("sk-1"), "openai pk_1")
    assert.isTrue(Either.isRight(ring.open(sealed, "openai pk_1")))
    assert.isTrue(Either.isLeft(ring.open(sealed, "anthropic pk_1")))
    for (let i = 0; i < sealed.length; i++) {
      const changed = sealed.slice(0, i) + (sealed[i] === "A" ? "B" : "A") + sealed.slice(i + 1)
      const opened = ring.open(changed, "openai pk_1")
      // The last character of base64 has bits that say nothing.
      if (Either.isRight(opened)) assert.isTrue(i === sealed.length - 1 && Redacted.value(opened.right) === "sk-1")
    }
    assert.isTrue(Either.isLeft(keyring.parse(Redacted.make("too short"))))
  })
})

describe("what a database knows, at hand", () => {
  it.scoped("is asked once for many, again within five seconds, and outlives an outage by a quarter of an hour", () =>
    Effect.gen(function*() {
      let value = Option.some("first")
      let isAway = false
      let asked = 0
      const known = yield* Refreshed.make<string, string>({
        tooSlow: () => "slow",
        lookup: () =>
          Effect.suspend(() => {
            asked++
            return isAway ? Effect.fail("away") : Effect.delay(Effect.sync(() => value), "1 millis")
          })
      })
      const many = yield* Effect.fork(
        Effect.all(Array.from({ length: 50 }, () => known.get("a")), { concurrency: "unbounded" })
      )
      yield* TestClock.adjust("1 millis")
      yield* many.await
      assert.strictEqual(asked, 1)
      value = Option.some("second")
      yield* TestClock.adjust("3 seconds")
      assert.deepStrictEqual(yield* known.get("a"), Option.some("first"))
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(yield* known.get("a"), Option.some("second"))
      isAway = true
      yield* TestClock.adjust("14 minutes")
      assert.deepStrictEqual(yield* known.get("a"), Option.some("second"))
      assert.isTrue(Either.isLeft(yield* Effect.either(known.get("unknown"))))
      yield* TestClock.adjust("2 minutes")
      assert.isTrue(Either.isLeft(yield* Effect.either(known.get("a"))))
      isAway = false
      value = Option.none()
      const gone = yield* Effect.fork(known.get("a"))
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(yield* gone.await, Exit.succeed(Option.none()))
    }))

  it.scoped("what was asked before a change elsewhere is asked again, and outlives an outage all the same", () =>
    Effect.gen(function*() {
      let answer: Effect.Effect<Option.Option<string>, string> = Effect.delay(Effect.succeedSome("early"), "100 millis")
      const known = yield* Refreshed.make<string, string>({ tooSlow: () => "slow", lookup: () => answer })
      const early = yield* Effect.fork(Effect.all([known.get("a"), known.get("b")], { concurrency: 2 }))
      yield* TestClock.adjust("50 millis")
      yield* known.expire
      // One is asked after the change, and answered before the other comes.
      answer = Effect.succeedSome("late")
      assert.deepStrictEqual(yield* known.get("b"), Option.some("late"))
      answer = Effect.fail("away")
      yield* TestClock.adjust("100 millis")
      yield* early.await
      assert.deepStrictEqual(yield* known.get("a"), Option.some("early"))
      assert.deepStrictEqual(yield* known.get("b"), Option.some("late"))
      answer = Effect.succeedNone
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(yield* known.get("a"), Option.none())
    }))

  it.scoped("what was asked before a change is not learned after it", () =>
    Effect.gen(function*() {
      let value = "before"
      const known = yield* Refreshed.make<string, string>({
        tooSlow: () => "slow",
        lookup: () =>
          Effect.suspend(() => {
            const seen = value
            return Effect.delay(Effect.succeedSome(seen), "100 millis")
          })
      })
      const early = yield* Effect.fork(known.get("a"))
      yield* TestClock.adjust("50 millis")
      value = "after"
      yield* known.forget
      const late = yield* Effect.fork(known.get("a"))
      yield* TestClock.adjust("100 millis")
      yield* early.await
      assert.deepStrictEqual(yield* late.await, Exit.succeed(Option.some("after")))
    }))
})

describe("the fields of a body", () => {
  const names = new Set(["model", "stream"])

  it.prop(
    "are those that a parser finds, wherever they stand",
    [fc.object({ maxDepth: 3 }), fc.option(fc.string()), fc.option(fc.boolean()), fc.constantFrom(undefined, 2)],
    ([more, model, stream, indent]) => {
      const { model: _, stream: __, ...rest } = { ...more, model: 1, stream: 1 }
      const value = { a: rest, ...(model === null ? {} : { model }), b: [rest], ...(stream === null ? {} : { stream }) }
      const bytes = Buffer.from(JSON.stringify(value, null, indent))
      const scanned = scan.scan(bytes, names)
      assert.isTrue(scanned._tag === "Object")
      if (scanned._tag !== "Object") return
      assert.strictEqual(scan.textAt(bytes, scanned.value.fields.get("model")), model ?? undefined)
      assert.strictEqual(scan.isTrueAt(bytes, scanned.value.fields.get("stream")), stream === true)
    },
    { fastCheck: { numRuns: runs(200, 10_000) } }
  )

  it("that two readers could understand differently are refused", () => {
    const tagOf = (text: string) => scan.scan(Buffer.from(text), names)._tag
    assert.strictEqual(tagOf("{\"model\":\"a\",\"model\":\"b\"}"), "Ambiguous")
    assert.strictEqual(tagOf("{\"mod\\u0065l\":\"a\"}"), "Ambiguous")
    assert.strictEqual(tagOf("{\"a\":{\"model\":\"x\",\"model\":\"y\"},\"model\":\"b\"}"), "Object")
    for (
      const text of ["", "[]", "{", "{\"a\"", "{\"a\":", "{\"a\":\"", "{\"a\":1", "{\"a\":1}x", "{\"a\":1,}", "nul"]
    ) {
      assert.strictEqual(tagOf(text), "Other", text)
    }
  })
})
