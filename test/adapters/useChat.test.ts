/** The real hook in a real browser reads what `UiMessages` writes. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, ManagedRuntime, Schema } from "effect"
import { build } from "esbuild"
import * as http from "node:http"
import type { AddressInfo } from "node:net"
import { Readable } from "node:stream"
import { json } from "node:stream/consumers"
import * as UiMessages from "../../src/adapters/UiMessages.ts"
import { LLM, Tool } from "../../src/index.ts"
import { FakeProvider } from "../../src/testing/index.ts"
import * as browser from "../browser.ts"
import { fake } from "./fake.ts"

const app = `
import { useChat } from "@ai-sdk/react"
import { createElement as h } from "react"
import { createRoot } from "react-dom/client"

const shown = (part) => part.type === "text" ? part.text : part.toolCallId ? part.type + "=" + JSON.stringify(part.output) : ""
const App = () => {
  const { error, messages, sendMessage, status } = useChat()
  return h("main", null,
    h("button", { onClick: () => sendMessage({ text: "Weather in Rome?" }) }, "ask"),
    h("p", { id: "status" }, status),
    h("p", { id: "error" }, error ? error.message : ""),
    messages.map(({ id, parts, role }) => h("p", { key: id, className: role }, parts.map(shown).join("|"))))
}
createRoot(document.body.appendChild(document.createElement("div"))).render(h(App))
`

const weather = Tool.make({
  name: "weather",
  parameters: Schema.Struct({ city: Schema.String }),
  handler: ({ city }) => Effect.succeed({ city, celsius: 21 })
})

describe("useChat", () => {
  it.scoped("shows answers, calls and their results, sends them back, and shows that an answer broke", () =>
    Effect.gen(function*() {
      const provider = yield* fake(
        FakeProvider.toolCalls([{ name: "weather", arguments: { city: "Rome" } }]),
        FakeProvider.text("21 °C in Rome."),
        FakeProvider.text("Still 21 °C."),
        FakeProvider.reset({ afterEvents: 2, reply: FakeProvider.text("one two three four") })
      )
      const runtime = yield* Effect.acquireRelease(
        Effect.sync(() => ManagedRuntime.make(provider.layers.anthropic)),
        (runtime) => runtime.disposeEffect
      )
      const { outputFiles } = yield* Effect.promise(() =>
        build({
          stdin: { contents: app, resolveDir: process.cwd(), loader: "jsx" },
          bundle: true,
          write: false,
          format: "esm",
          define: { "process.env.NODE_ENV": "\"production\"" }
        })
      )
      const server = http.createServer((incoming, outgoing) => {
        if (incoming.url === "/app.js") {
          outgoing.setHeader("content-type", "text/javascript").end(outputFiles[0]?.text)
        } else if (incoming.url === "/api/chat") {
          void json(incoming).then((sent) =>
            runtime.runPromise(
              Effect.flatMap(UiMessages.read(sent), ({ messages }) =>
                UiMessages.toResponse(LLM.streamTools({ prompt: messages, tools: [weather] })))
            )
          ).then((response) => {
            outgoing.writeHead(response.status, Object.fromEntries(response.headers))
            return Readable.fromWeb(Object(response.body)).pipe(outgoing)
          })
        } else {
          outgoing.setHeader("content-type", "text/html").end(
            "<!doctype html><body><script type=module src=/app.js></script>"
          )
        }
      })
      yield* Effect.acquireRelease(
        Effect.async<void>((resume) => {
          server.listen(0, "127.0.0.1", () => resume(Effect.void))
        }),
        () =>
          Effect.sync(() => {
            server.close()
            server.closeAllConnections()
          })
      )
      const page = yield* browser.page
      const ask = async (answers: number) => {
        await page.click("button")
        // Where there are no fonts, text has no size.
        await page.locator(".assistant").nth(answers - 1).waitFor({ state: "attached" })
        await page.locator("#status", { hasText: /ready|error/ }).waitFor({ state: "attached" })
        return page.locator(".assistant").nth(answers - 1).textContent()
      }
      yield* Effect.promise(async () => {
        await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
        assert.match(String(await ask(1)), /tool-weather=\{"city":"Rome","celsius":21\}\|.*21 °C in Rome\./)
        assert.match(String(await ask(2)), /Still 21 °C\./)
        assert.match(String(await ask(3)), /one/)
        assert.strictEqual(await page.locator("#error").textContent(), "The answer could not be completed.")
      })
      const requests = yield* provider.requests
      assert.lengthOf(requests, 4)
      assert.include(JSON.stringify(requests[2]?.body), "tool_result")
    }))
})
