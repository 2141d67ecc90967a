/** A provider that this package does not have, in one file: a made-up wire over a made-up server. */
import * as Driver from "effect-majordomo/Driver"
import * as LLM from "effect-majordomo/LLM"
import * as UndiciHttpClient from "effect-majordomo/UndiciHttpClient"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { createServer, type Server } from "node:http"

/** Parrots take `{ say, loud, stream }` and give `{ said, seeds: { eaten, spat } }`, or events `peck` and `done`. */
const parrot: Driver.Wire<undefined> = {
  name: "parrot",
  toolName: /^[a-z]+$/,
  strictTools: undefined,
  lower: (call) => {
    if (call.tools.length > 0) call.unsupported("tools")
    const last = call.messages.at(-1)
    return { body: { say: last?.content, loud: call.system.length > 0, ...(call.stream ? { stream: true } : {}) } }
  },
  read: (body, completion) => {
    completion.text(0, Driver.asString(body["said"]) ?? "")
    readSeeds(body["seeds"], completion)
    completion.done = body["said"] !== undefined
  },
  initial: () => undefined,
  step: (_, event, completion) => {
    const data = Driver.asObject(Driver.parse(event.data))
    if (event.event === "peck") completion.text(0, Driver.asString(data["bit"]) ?? "")
    if (event.event === "done") {
      readSeeds(data["seeds"], completion)
      completion.done = true
    }
  },
  isComplete: (completion) => completion.done,
  readError: Driver.readErrorBody
}

const readSeeds = (seeds: unknown, completion: Driver.Completion) => {
  const { eaten, spat } = Driver.asObject(seeds)
  completion.rawUsage = { input: Driver.asCount(eaten), output: Driver.asCount(spat) }
  completion.finishReason = "stop"
}

const layer = (baseUrl: string) =>
  Layer.effect(
    LLM.LLM,
    Driver.make({
      provider: "parrot",
      model: "grey",
      wire: parrot,
      url: () => `${baseUrl}/speak`,
      auth: {},
      headers: {}
    })
  )

/** The made-up server, on this machine. */
const server = Effect.acquireRelease(
  Effect.async<Server>((resume) => {
    const server = createServer((request, response) => {
      let text = ""
      request.on("data", (chunk) => text += chunk)
      request.on("end", () => {
        const { say, stream } = JSON.parse(text)
        const seeds = { eaten: 3, spat: 2 }
        if (stream !== true) {
          response.end(JSON.stringify({ said: `${say}! ${say}!`, seeds }))
          return
        }
        response.setHeader("content-type", "text/event-stream")
        for (const bit of [`${say}!`, ` ${say}!`]) response.write(`event: peck\ndata: ${JSON.stringify({ bit })}\n\n`)
        response.end(`event: done\ndata: ${JSON.stringify({ seeds })}\n\n`)
      })
    })
    server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
  }),
  (server) =>
    Effect.sync(() => {
      server.closeAllConnections()
      server.close()
    })
)

const addressOf = (server: Server): string => {
  const address = server.address()
  return `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`
}

const program = Effect.gen(function*() {
  const { cost, provider, text, usage } = yield* LLM.generateText({ prompt: "Hello" })
  yield* Console.log(`${provider}: ${text} (${usage.inputTokens} + ${usage.outputTokens} seeds)`)
  yield* Console.log(Option.isNone(cost) ? "No price is known for parrots." : "")
  yield* LLM.textOf(LLM.streamText({ prompt: "Again" })).pipe(Stream.runForEach((bit) => Console.log(bit)))
})

const Live = Layer.unwrapScoped(Effect.map(server, (server) => layer(addressOf(server)))).pipe(
  Layer.provide(UndiciHttpClient.layer)
)

await Effect.runPromise(program.pipe(Effect.provide(Live)))
