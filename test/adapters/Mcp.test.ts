import { assert, describe, it } from "@effect/vitest"
import { Client } from "@modelcontextprotocol/client"
import { InMemoryTransport, McpServer } from "@modelcontextprotocol/server"
import { Deferred, Effect, Fiber } from "effect"
import { z } from "zod"
import * as Mcp from "../../src/adapters/Mcp.ts"
import { LLM } from "../../src/index.ts"
import { FakeProvider } from "../../src/testing/index.ts"
import { bodies, fake } from "./fake.ts"

const png = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="

/** A real server and a real client in this process. */
const connected = (setup: (server: McpServer) => void) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const server = new McpServer({ name: "test", version: "1.0.0" })
      setup(server)
      const client = new Client({ name: "test", version: "1.0.0" })
      const [here, there] = InMemoryTransport.createLinkedPair()
      await Promise.all([server.connect(there), client.connect(here)])
      return { client, server }
    }),
    ({ client, server }) =>
      Effect.promise(async () => {
        await client.close()
        await server.close()
      })
  )

describe("Mcp.tools", () => {
  it.scoped("run in the loop: schemas, structured content, pictures, errors", () =>
    Effect.gen(function*() {
      const { client } = yield* connected((server) => {
        server.registerTool("math.add", {
          description: "Adds",
          inputSchema: z.object({ a: z.number(), b: z.number() }),
          outputSchema: z.object({ sum: z.number() })
        }, async ({ a, b }) => ({ content: [{ type: "text", text: "the sum" }], structuredContent: { sum: a + b } }))
        server.registerTool("look", { inputSchema: z.object({}) }, async () => ({
          content: [{ type: "text", text: "a dot" }, { type: "image", data: png, mimeType: "image/png" }]
        }))
        server.registerTool("fail", { inputSchema: z.object({}) }, async () => ({
          isError: true,
          content: [{ type: "text", text: "no such file" }]
        }))
      })
      const tools = yield* Mcp.tools(client)
      assert.deepStrictEqual(tools.map(({ name }) => name), ["math_add", "look", "fail"])
      assert.deepStrictEqual(tools[0]?.parameters["required"], ["a", "b"])
      const provider = yield* fake(
        FakeProvider.toolCalls([
          { name: "math_add", arguments: { a: 2, b: 3 } },
          { name: "look", arguments: {} },
          { name: "fail", arguments: {} }
        ]),
        FakeProvider.text("Done.")
      )
      const answer = yield* LLM.runTools({ prompt: "Go", tools }).pipe(Effect.provide(provider.layers.anthropic))
      assert.strictEqual(answer.content, "Done.")
      const [, second] = yield* bodies(provider)
      const results = Object(second).messages.at(-1).content
      assert.deepStrictEqual(
        results.map(({ content, is_error }: Record<string, unknown>) => [content, is_error === true]),
        [
          ["{\"sum\":5}", false],
          [[{ type: "text", text: "a dot" }, {
            type: "image",
            source: { type: "base64", media_type: "image/png", data: png }
          }], false],
          ["no such file", true]
        ]
      )
    }))

  it.scoped("an interruption cancels the call at the server", () =>
    Effect.gen(function*() {
      const started = yield* Deferred.make<void>()
      const cancelled = yield* Deferred.make<void>()
      const { client } = yield* connected((server) => {
        server.registerTool("wait", { inputSchema: z.object({}) }, (_, context) =>
          new Promise((resolve) => {
            context.mcpReq.signal.addEventListener("abort", () => {
              Deferred.unsafeDone(cancelled, Effect.void)
              resolve({ content: [] })
            })
            Deferred.unsafeDone(started, Effect.void)
          }))
      })
      const [wait] = yield* Mcp.tools(client)
      assert(wait !== undefined)
      const fiber = yield* Effect.fork(wait.execute({}, { id: "1", step: 1 }))
      yield* Deferred.await(started)
      yield* Fiber.interrupt(fiber)
      yield* Deferred.await(cancelled)
    }))

  it.effect("pages, names of several servers, and a client of version 1", () =>
    Effect.gen(function*() {
      const sent: Array<unknown> = []
      const old: Mcp.Client = {
        listTools: async (params) =>
          params?.cursor === undefined
            ? { tools: [{ name: "read", inputSchema: { type: "object" } }], nextCursor: "2" }
            : { tools: [{ name: "read", inputSchema: { type: "object" } }, { name: "9 lives/ü", inputSchema: {} }] },
        // As in version 1: a schema with a default stands second.
        async callTool(params, schema: unknown = "default", options?: unknown) {
          sent.push([params, schema, Object.keys(Object(options))])
          if (params.name !== "read") throw new Error("connection closed")
          return { content: [{ type: "resource", resource: { uri: "file:///a", text: "hello" } }] }
        }
      }
      const tools = yield* Mcp.tools([old, old], { prefix: "fs." })
      assert.deepStrictEqual(tools.map(({ name }) => name), [
        "fs_read",
        "fs_read_2",
        "fs_9_lives_",
        "fs_read_3",
        "fs_read_4",
        "fs_9_lives__2"
      ])
      const result = yield* tools[0]?.execute({ path: "a" }, { id: "1", step: 1 }) ?? Effect.void
      assert.strictEqual(Object(result).value, "hello")
      assert.deepStrictEqual(sent, [[{ name: "read", arguments: { path: "a" } }, "default", ["signal"]]])
      const error = yield* Effect.flip(tools[2]?.execute({}, { id: "1", step: 1 }) ?? Effect.void)
      assert.match(error.message, /9 lives.*connection closed/)
    }))
})
