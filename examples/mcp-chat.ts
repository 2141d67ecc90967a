/** A conversation with the tools of an MCP server, each call of which is allowed first. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Client } from "@modelcontextprotocol/client"
import { InMemoryTransport, McpServer } from "@modelcontextprotocol/server"
import * as Mcp from "effect-majordomo/adapters/Mcp"
import * as Chat from "effect-majordomo/Chat"
import * as FakeProvider from "effect-majordomo/testing/FakeProvider"
import * as Tool from "effect-majordomo/Tool"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { z } from "zod"
import { anthropic } from "./shared.ts"

const connect = Effect.promise(async () => {
  const server = new McpServer({ name: "files", version: "1.0.0" })
  server.registerTool("read", { inputSchema: z.object({ path: z.string() }) }, async ({ path }) => ({
    content: [{ type: "text", text: `contents of ${path}` }]
  }))
  const client = new Client({ name: "example", version: "1.0.0" })
  const [here, there] = InMemoryTransport.createLinkedPair()
  await Promise.all([server.connect(there), client.connect(here)])
  return client
})

const program = Effect.gen(function*() {
  const client = yield* Effect.acquireRelease(connect, (client) => Effect.promise(() => client.close()))
  const tools = (yield* Mcp.tools(client)).map((tool) =>
    Tool.withApproval(tool, (call) => Effect.as(Console.log("allowed:", call.name, call.arguments), true as const))
  )
  const chat = yield* Chat.make({ tools })
  const answer = yield* chat.send("What is in a.txt?")
  yield* Console.log(answer.text)
  yield* Console.log((yield* chat.history).map(({ role }) => role))
})

program.pipe(
  Effect.scoped,
  Effect.provide(anthropic(
    FakeProvider.toolCalls([{ name: "read", arguments: { path: "a.txt" } }]),
    FakeProvider.text("Its contents.")
  )),
  NodeRuntime.runMain
)
