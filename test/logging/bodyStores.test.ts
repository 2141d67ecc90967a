import { FileSystem } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FastCheck as fc, Layer, Option, Redacted } from "effect"
import { LLM } from "../../src/index.ts"
import { uuidv7 } from "../../src/internal/call/uuid.ts"
import { BodyStore, type BodyStoreError } from "../../src/logging/BodyStore.ts"
import * as FileBodyStore from "../../src/logging/FileBodyStore.ts"
import * as Logging from "../../src/logging/Logging.ts"
import * as RequestLog from "../../src/logging/RequestLog.ts"
import * as S3BodyStore from "../../src/logging/S3BodyStore.ts"
import { FakeProvider } from "../../src/testing/index.ts"
import { november } from "./entries.ts"
import * as s3 from "./s3.ts"
import { claude, key } from "./setup.ts"

const id = uuidv7(november)
const bodies = { requestId: id, request: `{"prompt":"größer 🦜"}`, response: `{"text":"Hi"}` }

const temporary = Effect.flatMap(FileSystem.FileSystem, (fs) => fs.makeTempDirectoryScoped())

const filesIn = (directory: string) =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const names = yield* fs.readDirectory(directory, { recursive: true })
    const stats = yield* Effect.forEach(names, (name) => fs.stat(`${directory}/${name}`))
    return names.flatMap((name, i) => stats[i]?.type === "File" ? [name] : []).sort()
  })

const using = <A, E, R>(
  layer: Layer.Layer<BodyStore, BodyStoreError, R>,
  use: (store: BodyStore["Type"]) => Effect.Effect<A, E>
) => Effect.provide(Effect.flatMap(BodyStore, use), layer)

/** One answered call and one failed one through logging into the store: the rows, and what the store was left with. */
const logged = <R>(store: Layer.Layer<BodyStore, BodyStoreError, R>, before: Effect.Effect<unknown> = Effect.void) =>
  Effect.gen(function*() {
    const fake = yield* FakeProvider.make()
    yield* fake.script(
      FakeProvider.text(`your key is ${key}`),
      FakeProvider.status(400, { body: JSON.stringify({ error: { message: `bad ${key}` } }) })
    )
    return yield* Effect.gen(function*() {
      yield* before
      yield* LLM.generateText({ prompt: `my key is ${key}`, extraHeaders: { "x-api-key": key } })
      yield* Effect.flip(LLM.generateText({ prompt: "Hello" }))
      yield* Logging.flush
      return yield* RequestLog.entries
    }).pipe(Effect.provide(
      Logging.layer().pipe(
        Layer.provide([claude(fake.url), store]),
        Layer.provideMerge(RequestLog.layerMemory)
      )
    ))
  })

describe("FileBodyStore", () => {
  it.scoped("files by id, for this user alone, that are read back and written again", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const directory = `${yield* temporary}/deep/bodies`
      yield* using(FileBodyStore.layer({ directory, prefix: "llm/calls" }), (store) =>
        Effect.gen(function*() {
          const keys = yield* store.put(bodies)
          assert.deepStrictEqual(keys, {
            requestKey: `llm/calls/${id}/request.json`,
            responseKey: `llm/calls/${id}/response.json`
          })
          assert.deepStrictEqual(yield* store.put(bodies), keys)
          assert.deepStrictEqual(yield* store.get(keys.requestKey), Option.some(bodies.request))
          assert.deepStrictEqual(yield* store.get(`llm/calls/${uuidv7(0)}/request.json`), Option.none())
        }))
      assert.deepStrictEqual(yield* filesIn(directory), [
        `llm/calls/${id}/request.json`,
        `llm/calls/${id}/response.json`
      ])
      assert.strictEqual(yield* fs.readFileString(`${directory}/llm/calls/${id}/response.json`), bodies.response)
      const mode = (path: string) => Effect.map(fs.stat(path), (stat) => stat.mode & 0o777)
      assert.strictEqual(yield* mode(`${directory}/llm/calls/${id}/request.json`), 0o600)
      for (const folder of [directory, `${directory}/llm`, `${directory}/llm/calls/${id}`]) {
        assert.strictEqual(yield* mode(folder), 0o700)
      }
    }).pipe(Effect.provide(NodeContext.layer)))

  it.scoped("by day and hour, compressed: the key is the path", () =>
    Effect.gen(function*() {
      const directory = yield* temporary
      for (const [shard, folder] of [["day", "2026-11-21"], ["hour", "2026-11-21/12"]] as const) {
        yield* using(FileBodyStore.layer({ directory, shard, gzip: true, fsync: true }), (store) =>
          Effect.gen(function*() {
            const { response: _, ...asked } = bodies
            const keys = yield* store.put(asked)
            assert.deepStrictEqual(keys, { requestKey: `${folder}/${id}/request.json.gz`, responseKey: undefined })
            assert.deepStrictEqual(yield* store.get(keys.requestKey), Option.some(bodies.request))
            assert.match((yield* store.put({ ...asked, requestId: "mine" })).requestKey, /^other\/mine\//)
          }))
      }
      assert.include(yield* filesIn(directory), `2026-11-21/12/${id}/request.json.gz`)
    }).pipe(Effect.provide(NodeContext.layer)))

  it.scoped("no id and no key leads out of the directory", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const outer = yield* temporary
      const directory = `${outer}/inner`
      yield* fs.writeFileString(`${outer}/request.json`, "secret")
      const part = fc.constantFrom(
        "..",
        ".",
        "/",
        "\\",
        "\0",
        "a",
        "CON",
        "nul.txt",
        "C:",
        "~",
        "%2e%2e",
        " ",
        "é",
        "\n"
      )
      const path = fc.oneof(fc.string(), fc.array(part, { maxLength: 6 }).map((parts) => parts.join("")))
      const { put, get } = yield* Effect.provide(
        BodyStore,
        FileBodyStore.layer({ directory })
      )
      yield* Effect.promise(() =>
        fc.assert(
          fc.asyncProperty(path, (requestId) =>
            Effect.runPromise(Effect.gen(function*() {
              const stored = yield* Effect.either(put({ requestId, request: "{}" }))
              if (stored._tag === "Right") {
                assert.match(requestId, /^[\w.-]+$/)
                assert.deepStrictEqual(yield* get(stored.right.requestKey), Option.some("{}"))
              } else assert.notInclude(stored.left.message, "\0")
              const read = yield* Effect.option(get(`${requestId}/../../request.json`))
              assert.isFalse(JSON.stringify(read).includes("secret"))
              assert.isFalse(JSON.stringify(yield* Effect.option(get(requestId))).includes("secret"))
            }))),
          { numRuns: 300 }
        )
      )
      for (const requestId of ["..", "../x", "/etc", "a/b", "a\\b", "a\0b", "", ".", "CON", "nul.txt", "x.", "C:x"]) {
        assert.strictEqual((yield* Effect.flip(put({ requestId, request: "{}" }))).store, "file")
      }
      assert.deepStrictEqual((yield* fs.readDirectory(outer)).sort(), ["inner", "request.json"])
      const escaping = yield* Effect.flip(
        using(FileBodyStore.layer({ directory, prefix: "a/../../b" }), () => Effect.void)
      )
      assert.include(escaping.message, `".."`)
    }).pipe(Effect.provide(NodeContext.layer)))

  it.scoped("a write that fails half-way leaves nothing behind", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const directory = yield* temporary
      // What is to be replaced is a folder: the rename fails.
      yield* fs.makeDirectory(`${directory}/${id}/response.json/x`, { recursive: true })
      const error = yield* Effect.flip(using(FileBodyStore.layer({ directory }), (store) => store.put(bodies)))
      assert.include(error.message, "the file body store")
      assert.deepStrictEqual(yield* filesIn(directory), [`${id}/request.json`])
    }).pipe(Effect.provide(NodeContext.layer)))

  it.scopedLive("rows have the keys, files no secrets", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const directory = yield* temporary
      const rows = yield* logged(FileBodyStore.layer({ directory }))
      assert.deepStrictEqual(
        rows.map(({ requestId, storageRequestKey, storageResponseKey }) =>
          [storageRequestKey, storageResponseKey]
            .every((name) => name?.startsWith(`${requestId}/`) === true)
        ),
        [true, true]
      )
      const files = yield* filesIn(directory)
      const texts = yield* Effect.forEach(files, (name) => fs.readFileString(`${directory}/${name}`))
      assert.lengthOf(texts, 4)
      assert.include(texts.join("\n"), "my key is <redacted>")
      assert.notInclude(texts.join("\n"), key)
    }).pipe(Effect.provide(NodeContext.layer)))

  it.scopedLive("a directory that is gone costs no row", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const directory = `${yield* temporary}/bodies`
      const replaced = Effect.orDie(
        Effect.zipRight(fs.remove(directory, { recursive: true }), fs.writeFileString(directory, "not a folder"))
      )
      const rows = yield* logged(FileBodyStore.layer({ directory }), replaced)
      assert.lengthOf(rows, 2)
      for (const { storageError, storageRequestKey } of rows) {
        assert.isUndefined(storageRequestKey)
        assert.match(storageError ?? "", /the file body store|not available/)
      }
      const refused = yield* Effect.flip(using(FileBodyStore.layer({ directory }), () => Effect.void))
      assert.include(refused.message, directory)
    }).pipe(Effect.provide(NodeContext.layer)))
})

describe("S3BodyStore", () => {
  const options = { bucket: s3.bucket, credentials: s3.credentials, tries: 1 }

  it.scopedLive("objects by id, read back and written again", () =>
    Effect.gen(function*() {
      const { endpoint } = yield* s3.make
      yield* using(S3BodyStore.layer({ ...options, endpoint, prefix: "llm" }), (store) =>
        Effect.gen(function*() {
          const keys = yield* store.put(bodies)
          assert.deepStrictEqual(keys, {
            requestKey: `llm/${id}/request.json`,
            responseKey: `llm/${id}/response.json`
          })
          assert.deepStrictEqual(yield* store.put(bodies), keys)
          assert.deepStrictEqual(yield* store.get(keys.requestKey), Option.some(bodies.request))
          assert.deepStrictEqual(yield* store.get(`llm/${id}/response.json`), Option.some(bodies.response))
          assert.deepStrictEqual(yield* store.get("llm/none/request.json"), Option.none())
        }))
    }))

  it.scopedLive("objects go by their keys, those that are not there as well; the keys of a call are known without a list", () =>
    Effect.gen(function*() {
      const { endpoint } = yield* s3.make
      yield* using(S3BodyStore.layer({ ...options, endpoint, prefix: "llm" }), (store) =>
        Effect.gen(function*() {
          const keys = yield* store.put(bodies)
          assert.deepStrictEqual(store.keysOf?.(id), keys)
          for (let times = 0; times < 2; times++) yield* store.remove?.(keys.requestKey) ?? Effect.die("no remove")
          assert.deepStrictEqual(yield* store.get(keys.requestKey), Option.none())
          assert.isTrue(Option.isSome(yield* store.get(`llm/${id}/response.json`)))
        }))
      const { endpoint: silent } = yield* s3.silent
      const hanging = S3BodyStore.layer({ ...options, endpoint: silent, timeout: "50 millis" })
      const error = yield* Effect.flip(using(hanging, ({ remove }) => remove?.("a") ?? Effect.die("no remove")))
      assert.include(error.message, "no answer after 50ms")
    }))

  it.scopedLive("what it refuses says so, without the secret", () =>
    Effect.gen(function*() {
      const { endpoint } = yield* s3.make
      const secretAccessKey = Redacted.make("s3-canary-5d0e/4+b1")
      const wrong = { ...options, endpoint, credentials: { accessKeyId: "NOBODY", secretAccessKey } }
      const unsigned = yield* Effect.flip(using(S3BodyStore.layer(wrong), (store) => store.put(bodies)))
      assert.match(unsigned.message, /^the s3 body store: the bucket acme-llm: InvalidAccessKeyId/)
      const elsewhere = { ...options, endpoint, bucket: "nobody-has-it" }
      const missing = yield* Effect.flip(using(S3BodyStore.layer(elsewhere), (store) => store.put(bodies)))
      assert.match(missing.message, /the bucket nobody-has-it: NoSuchBucket/)
      assert.notInclude(JSON.stringify([unsigned, missing]), "canary")
    }))

  it.scopedLive("rows have the keys, objects no secrets; a server that is gone costs no row", () =>
    Effect.gen(function*() {
      const { endpoint, stop } = yield* s3.make
      const store = S3BodyStore.layer({ ...options, endpoint })
      const rows = yield* logged(store)
      const keys = rows.flatMap(({ storageRequestKey = "", storageResponseKey = "" }) => [
        storageRequestKey,
        storageResponseKey
      ])
      const texts = yield* using(store, ({ get }) => Effect.forEach(keys, get))
      const text = texts.flatMap(Option.toArray).join("\n")
      assert.lengthOf(texts.flatMap(Option.toArray), 4)
      assert.include(text, "your key is <redacted>")
      assert.notInclude(text, key)
      yield* stop
      const later = yield* logged(store)
      assert.lengthOf(later, 2)
      for (const { storageError } of later) assert.match(storageError ?? "", /ECONNREFUSED|not available/)
    }))

  it.scopedLive("a server that does not answer is given up", () =>
    Effect.gen(function*() {
      const { endpoint } = yield* s3.silent
      const hanging = S3BodyStore.layer({ ...options, endpoint, timeout: "50 millis" })
      const error = yield* Effect.flip(using(hanging, (store) => store.put(bodies)))
      assert.include(error.message, "no answer after 50ms")
    }))
})
