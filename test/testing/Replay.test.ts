import * as NodeContext from "@effect/platform-node/NodeContext"
import * as FileSystem from "@effect/platform/FileSystem"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as http from "node:http"
import type { AddressInfo } from "node:net"
import * as LLM from "../../src/LLM.ts"
import * as OpenAICompatible from "../../src/providers/OpenAICompatible.ts"
import * as FakeProvider from "../../src/testing/FakeProvider.ts"
import * as Replay from "../../src/testing/Replay.ts"
import * as UndiciHttpClient from "../../src/UndiciHttpClient.ts"

const canary = "sk-canary-0123456789abcdef"

const temporary = Effect.flatMap(FileSystem.FileSystem, (fs) => fs.makeTempDirectoryScoped())

/** The files of a directory and what is in them. */
const filesOf = (directory: string) =>
  Effect.flatMap(
    FileSystem.FileSystem,
    (fs) =>
      Effect.flatMap(fs.readDirectory(directory), (names) =>
        Effect.forEach([...names].sort(), (name) =>
          Effect.map(fs.readFileString(`${directory}/${name}`), (text) => ({ name, text }))))
  )

const recorded = (directory: string, mode: "record" | "auto") =>
  Replay.layer({ directory, mode }).pipe(Layer.provide(UndiciHttpClient.layer))

const replayed = (directory: string) => Replay.layer({ directory, mode: "replay" })

const model = (url: string, apiKey: string = canary) =>
  OpenAICompatible.layer({ baseUrl: url, model: "any", apiKey: Redacted.make(apiKey), retry: Schedule.stop })

/** A server that writes the given pieces, one by one, and says when the client went away. */
const serve = (
  pieces: (request: http.IncomingMessage) => ReadonlyArray<Uint8Array>,
  options?: { readonly hold: boolean }
) =>
  Effect.acquireRelease(
    Effect.async<{ readonly url: string; readonly calls: () => number; readonly server: http.Server }>((resume) => {
      let calls = 0
      const server = http.createServer(async (request, response) => {
        calls++
        response.writeHead(200, { "content-type": "application/octet-stream", "set-cookie": `session=${canary}` })
        for (const piece of pieces(request)) {
          response.write(piece)
          await new Promise((resolve) => setTimeout(resolve, 5))
        }
        if (options?.hold !== true) response.end()
      })
      server.listen(0, "127.0.0.1", () => {
        // A TCP server's address is never a pipe's name.
        const { port } = server.address() as AddressInfo
        resume(Effect.succeed({ url: `http://127.0.0.1:${port}`, calls: () => calls, server }))
      })
    }),
    ({ server }) => Effect.sync(() => server.close(() => {}).closeAllConnections())
  )

const chunksOf = (url: string) =>
  HttpClient.get(url, { headers: { authorization: `Bearer ${canary}` } }).pipe(
    Effect.flatMap((response) => Stream.runCollect(response.stream)),
    Effect.map((chunks) => Chunk.toReadonlyArray(chunks).map((chunk) => [...chunk]))
  )

const bytes = (...values: ReadonlyArray<number>) => Uint8Array.from(values)
const utf8 = (text: string) => new TextEncoder().encode(text)

describe("Replay", () => {
  it.scopedLive("records calls and streams, and replays them without the provider", () =>
    Effect.gen(function*() {
      const directory = yield* temporary
      const calls = Effect.all([
        LLM.generateText({ prompt: "one" }),
        LLM.collect(LLM.streamText({ prompt: "one" })),
        LLM.generateText({ prompt: "one" }),
        Effect.flip(LLM.generateText({ prompt: "fails" }))
      ])
      const provider = yield* FakeProvider.make()
      yield* provider.script(
        FakeProvider.text("first"),
        FakeProvider.text("stréamed 👋"),
        FakeProvider.text("second"),
        FakeProvider.status(429)
      )
      const live = yield* calls.pipe(
        Effect.provide(model(provider.url)),
        Effect.provide(recorded(directory, "record"))
      )
      const files = yield* filesOf(directory)
      assert.lengthOf(files, 4)
      assert.isTrue(
        files.every(({ name }) => /^chat-completions-[0-9a-f]{16}-[12]\.json$/.test(name)),
        String(files[0]?.name)
      )

      // Another host and another key: neither is part of what a recording is known by.
      const again = yield* calls.pipe(
        Effect.provide(model("http://127.0.0.1:9", "another-key-entirely")),
        Effect.provide(replayed(directory))
      )
      const told = (answers: typeof live) => answers.map((answer) => "text" in answer ? answer.text : answer.message)
      assert.deepEqual(told(again).slice(0, 3), ["first", "stréamed 👋", "second"])
      assert.deepEqual(told(again), told(live))
      assert.deepEqual(again[1].usage, live[1].usage)
      assert.lengthOf(yield* provider.requests, 4)
    }).pipe(Effect.provide(NodeContext.layer)))

  it.scopedLive("keeps no secret, wherever it stood", () =>
    Effect.gen(function*() {
      const directory = yield* temporary
      // The server says the key again, also cut in two by its chunks.
      const server = yield* serve((request) => [
        utf8(`{"you sent":"${canary}","in":"${request.url}","half":"${canary.slice(0, 9)}`),
        utf8(`${canary.slice(9)}","end":true}`)
      ])
      const request = HttpClientRequest.post(`${server.url}/v1/things?key=${canary}&alt=sse`).pipe(
        HttpClientRequest.setHeaders({
          "x-api-key": canary,
          authorization: `Bearer ${canary}`,
          "x-acme-key": "acme-secret-value",
          "x-own": "own-secret-value",
          cookie: `a=1; session=cookie-secret`,
          "x-plain": `mentions ${canary}`
        }),
        HttpClientRequest.bodyUnsafeJson({
          key: canary,
          note: "acme-secret-value own-secret-value cookie-secret",
          kept: "kept text"
        })
      )
      const live = yield* Effect.flatMap(HttpClient.execute(request), (response) => response.text).pipe(
        Effect.provide(
          Replay.layer({ directory, mode: "record", secretHeaders: ["X-Own"] }).pipe(
            Layer.provide(UndiciHttpClient.layer)
          )
        )
      )
      assert.include(live, canary)
      const files = yield* filesOf(directory)
      assert.lengthOf(files, 1)
      for (
        const secret of [canary, canary.slice(0, 9), canary.slice(9), "acme-secret", "own-secret", "cookie-secret"]
      ) {
        assert.notInclude(files[0]?.text, secret)
      }
      assert.include(files[0]?.text, "kept text")
      assert.include(files[0]?.text, "alt=sse")
      assert.notMatch(files[0]?.text ?? "", /set-cookie|authorization|x-api-key|x-acme-key/)
      const again = yield* Effect.flatMap(HttpClient.execute(request), (response) => response.text).pipe(
        Effect.provide(Replay.layer({ directory, mode: "replay", secretHeaders: ["x-own"] }))
      )
      assert.strictEqual(
        again,
        "{\"you sent\":\"<redacted>\",\"in\":\"/v1/things?key=<redacted>&alt=sse\",\"half\":\"<redacted>\",\"end\":true}"
      )
    }).pipe(Effect.provide(NodeContext.layer)))

  it.scopedLive("recordings are for this user alone", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const fake = yield* FakeProvider.make()
      yield* fake.script(FakeProvider.text("one"))
      const directory = `${yield* temporary}/recordings`
      yield* LLM.generateText({ prompt: "a" }).pipe(
        Effect.provide(model(fake.url)),
        Effect.provide(recorded(directory, "record"))
      )
      const mode = (path: string) => Effect.map(fs.stat(path), (stat) => stat.mode & 0o777)
      assert.strictEqual(yield* mode(directory), 0o700)
      const names = yield* fs.readDirectory(directory)
      assert.strictEqual(names.length, 1)
      for (const name of names) assert.strictEqual(yield* mode(`${directory}/${name}`), 0o600)
    }).pipe(Effect.provide(NodeContext.layer)))

  it.scopedLive("replays a stream in the same chunks, byte for byte", () =>
    Effect.gen(function*() {
      const directory = yield* temporary
      const server = yield* serve(() => [
        utf8("\uFEFFdata: Gr"),
        bytes(0xc3),
        bytes(0xbc, 0x0d),
        bytes(0x0a, 0x00, 0xff, 0xfe),
        utf8("end\r\n")
      ])
      const live = yield* chunksOf(server.url).pipe(Effect.provide(recorded(directory, "record")))
      const again = yield* chunksOf(server.url).pipe(Effect.provide(replayed(directory)))
      assert.lengthOf(live, 5)
      assert.deepEqual(again, live)
    }).pipe(Effect.provide(NodeContext.layer)))

  it.scopedLive("hands chunks over while it records, and keeps nothing of what was not read to its end", () =>
    Effect.gen(function*() {
      const directory = yield* temporary
      const held = yield* serve(() => [utf8("first")], { hold: true })
      const seen: Array<string> = []
      const reading = HttpClient.get(held.url).pipe(
        Effect.flatMap((response) =>
          Stream.runForEach(response.stream, (chunk) => Effect.sync(() => seen.push(new TextDecoder().decode(chunk))))
        ),
        Effect.provide(recorded(directory, "record"))
      )
      const fiber = yield* Effect.fork(reading)
      yield* Effect.sleep("100 millis")
      assert.deepEqual(seen, ["first"])
      yield* Fiber.interrupt(fiber)
      const whole = yield* serve(() => [utf8("a"), utf8("b"), utf8("c")])
      const taken = yield* HttpClient.get(whole.url).pipe(
        Effect.flatMap((response) => Stream.runCollect(Stream.take(response.stream, 1))),
        Effect.provide(recorded(directory, "record"))
      )
      assert.lengthOf(taken, 1)
      assert.lengthOf(yield* filesOf(directory), 0)
    }).pipe(Effect.provide(NodeContext.layer)))

  it.scopedLive("records in auto what is not there yet", () =>
    Effect.gen(function*() {
      const directory = `${yield* temporary}/not/there`
      const server = yield* serve(() => [utf8("same")])
      yield* chunksOf(server.url).pipe(Effect.provide(recorded(directory, "auto")))
      assert.strictEqual(server.calls(), 1)
      const both = yield* Effect.all([chunksOf(server.url), chunksOf(server.url)]).pipe(
        Effect.provide(recorded(directory, "auto"))
      )
      assert.strictEqual(server.calls(), 2)
      assert.deepEqual(both[0], both[1])
      assert.lengthOf(yield* filesOf(directory), 2)
    }).pipe(Effect.provide(NodeContext.layer)))

  it.scopedLive("says which recording is missing, or cannot be read, and what to do", () =>
    Effect.gen(function*() {
      const directory = yield* temporary
      const call = LLM.generateText({ prompt: "one" }).pipe(
        Effect.provide(model("http://127.0.0.1:9")),
        Effect.provide(replayed(directory)),
        Effect.flip
      )
      const error = yield* call
      assert.strictEqual(error._tag === "ProviderError" && error.reason._tag, "Transport")
      assert.match(error.message, /no recording \S+chat-completions-[0-9a-f]{16}-1\.json .*mode: "record"/)
      assert.include(error.message, directory)
      const raw = yield* Effect.flip(Effect.provide(HttpClient.get("http://127.0.0.1:9/x/y"), replayed(directory)))
      assert.strictEqual(raw._tag, "RequestError")

      const name = /chat-completions-[0-9a-f]{16}-1\.json/.exec(error.message)?.[0] ?? ""
      yield* Effect.flatMap(FileSystem.FileSystem, (fs) => fs.writeFileString(`${directory}/${name}`, "{\"version\":1"))
      assert.strictEqual((yield* call)._tag, "ProviderError")
    }).pipe(Effect.provide(NodeContext.layer)))
})
