/** An answer as plain server-sent events, for a page that wants no chat protocol. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpRouter from "@effect/platform/HttpRouter"
import * as HttpServer from "@effect/platform/HttpServer"
import * as Sse from "effect-majordomo/adapters/Sse"
import * as LLM from "effect-majordomo/LLM"
import * as FakeProvider from "effect-majordomo/testing/FakeProvider"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { anthropic } from "./shared.ts"

const routes = HttpRouter.empty.pipe(
  HttpRouter.get("/answer", Sse.toServerResponse(LLM.streamText({ prompt: "Count to three" })))
)

const program = Effect.gen(function*() {
  yield* HttpServer.serveEffect(routes)
  // A page does the same with `new EventSource("/answer")`.
  const response = yield* HttpClient.get("/answer")
  yield* response.stream.pipe(
    Stream.decodeText(),
    Stream.splitLines,
    Stream.filter((line) => line !== "" && !line.startsWith(":")),
    Stream.runForEach((line) => Console.log(line))
  )
})

program.pipe(
  Effect.scoped,
  Effect.provide([anthropic(FakeProvider.text("one two three")), NodeHttpServer.layerTest]),
  NodeRuntime.runMain
)
