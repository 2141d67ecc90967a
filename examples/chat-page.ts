/** The server of a page with `useChat`, three times: a plain node server, Hono, and Effect's router. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as HttpRouter from "@effect/platform/HttpRouter"
import * as HttpServer from "@effect/platform/HttpServer"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as UiMessages from "effect-majordomo/adapters/UiMessages"
import * as LLM from "effect-majordomo/LLM"
import * as FakeProvider from "effect-majordomo/testing/FakeProvider"
import * as Tool from "effect-majordomo/Tool"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Schema from "effect/Schema"
import { Hono } from "hono"
import { createServer } from "node:http"
import { Readable } from "node:stream"
import { json } from "node:stream/consumers"
import { anthropic } from "./shared.ts"

const clock = Tool.make({
  name: "clock",
  description: "The time now",
  parameters: Schema.Struct({}),
  handler: () => Effect.succeed("12:00")
})

const replies = [FakeProvider.toolCalls([{ name: "clock", arguments: {} }]), FakeProvider.text("It is noon.")]
const live = anthropic(...replies, ...replies, ...replies)

const answer = (sent: unknown) =>
  Effect.map(UiMessages.read(sent), ({ messages }) => LLM.streamTools({ prompt: messages, tools: [clock] }))

const sent = JSON.stringify({ messages: [{ role: "user", parts: [{ type: "text", text: "How late is it?" }] }] })
const ask = (url: string) => fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body: sent })

// One runtime for as long as the server runs.
const runtime = ManagedRuntime.make(live)
const respond = (sent: unknown, signal?: AbortSignal) =>
  runtime.runPromise(
    Effect.flatMap(answer(sent), (stream) => UiMessages.toResponse(stream, signal === undefined ? {} : { signal }))
  )

// A plain server.
const plain = createServer((incoming, outgoing) => {
  const left = new AbortController()
  outgoing.on("close", () => left.abort())
  void json(incoming).then((sent) => respond(sent, left.signal)).then((response) => {
    outgoing.writeHead(response.status, Object.fromEntries(response.headers))
    return response.body === null
      ? outgoing.end()
      : Readable.fromWeb(Object(response.body)).on("error", () => outgoing.destroy()).pipe(outgoing)
  })
})
await new Promise<void>((resolve) => plain.listen(0, resolve))
const address = plain.address()
const port = typeof address === "object" ? address?.port : undefined
console.log(await (await ask(`http://127.0.0.1:${port}`)).text())
plain.close()

// Hono, and whatever speaks web requests: Next.js, Bun, Deno, workers.
const hono = new Hono().post("/", async (c) => respond(await c.req.json(), c.req.raw.signal))
const page = await hono.request("/", { method: "POST", body: sent })
console.log("hono ended well:", (await page.text()).includes("\"finish\""))

// Effect's router.
const router = HttpRouter.empty.pipe(
  HttpRouter.post(
    "/",
    Effect.gen(function*() {
      const request = yield* HttpServerRequest.HttpServerRequest
      return yield* UiMessages.toServerResponse(yield* answer(yield* request.json))
    })
  )
)
const program = Effect.gen(function*() {
  yield* HttpServer.serveEffect(router)
  const { address } = yield* HttpServer.HttpServer
  if (address._tag !== "TcpAddress") return
  const page = yield* Effect.promise(async () => (await ask(`http://127.0.0.1:${address.port}`)).text())
  yield* Console.log("router ended well:", page.includes("\"finish\""))
}).pipe(Effect.scoped, Effect.provide(NodeHttpServer.layer(() => createServer(), { port: 0 })))
await runtime.runPromise(program)
await runtime.dispose()
