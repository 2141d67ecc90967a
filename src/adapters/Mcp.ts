/**
 * Tools of MCP servers, through any client that speaks to them: `@modelcontextprotocol/client` 2, the client of
 * `@modelcontextprotocol/sdk` 1, or one of your own.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { toJson } from "../internal/json/toJson.ts"
import { asArray, asJsonObject, asObject, asString, isObject, type Loose } from "../internal/json/values.ts"
import type * as Prompt from "../Prompt.ts"
import * as Tool from "../Tool.ts"

/**
 * What is needed of a client: both versions have it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Client {
  /** The server's tools, a page at a time. */
  listTools(params?: { cursor?: string }): Promise<{
    readonly tools: ReadonlyArray<{
      readonly name: string
      readonly description?: string | undefined
      readonly inputSchema: object
    }>
    readonly nextCursor?: string | undefined
  }>
  /** Calls one of them. */
  callTool(
    params: { name: string; arguments: Record<string, unknown> },
    // Options stand second in version 2, third in version 1.
    ...rest: Array<never>
  ): Promise<unknown>
}

/**
 * A server could not be asked. What a tool itself reports as its error is not one: the model is told of it.
 *
 * @since 0.1.0
 * @category errors
 */
export class McpError extends Data.TaggedError("McpError")<{
  readonly message: string
  readonly cause: unknown
}> {}

/**
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** In front of every name. */
  readonly prefix?: string | undefined
  /** Only these tools, by the server's names. Default all. */
  readonly only?: ReadonlyArray<string> | undefined
  /** Most pages of a server's list that are read. Default 100. */
  readonly maxPages?: number | undefined
}

/**
 * The tools of one or several servers, for `LLM.runTools` and `LLM.streamTools`: schemas as they are, structured content
 * as the result where there is some, pictures, sound and files as media, errors of a tool as errors the model sees. An
 * interruption cancels the call at the server. Names are made such as every provider takes, and unique.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { LLM } from "effect-majordomo"
 * import * as Mcp from "effect-majordomo/adapters/Mcp"
 * import { Client } from "@modelcontextprotocol/client"
 * import { Effect } from "effect"
 *
 * const client = new Client({ name: "program", version: "1.0.0" })
 * // await client.connect(…)
 *
 * const program = Effect.gen(function*() {
 *   const tools = yield* Mcp.tools(client)
 *   return yield* LLM.runTools({ prompt: "What is in the repository?", tools })
 * })
 * ```
 */
export const tools = (
  clients: Client | ReadonlyArray<Client>,
  options: Options = {}
): Effect.Effect<ReadonlyArray<Tool.Executable<McpError, never>>, McpError> =>
  Effect.gen(function*() {
    const { only, prefix = "" } = options
    const given = new Set<string>()
    const found: Array<Tool.Executable<McpError, never>> = []
    for (const client of "listTools" in clients ? [clients] : clients) {
      for (const listed of yield* list(client, options.maxPages ?? 100)) {
        if (only !== undefined && !only.includes(listed.name)) continue
        found.push(Tool.fromJsonSchema({
          name: unique(prefix + listed.name, given),
          description: listed.description,
          parameters: asJsonObject(toJson(listed.inputSchema)),
          handler: (input) => call(client, listed.name, input)
        }))
      }
    }
    return found
  })

type Listed = Awaited<ReturnType<Client["listTools"]>>["tools"][number]

const list = (client: Client, maxPages: number): Effect.Effect<ReadonlyArray<Listed>, McpError> =>
  Effect.gen(function*() {
    const all: Array<Listed> = []
    let cursor: string | undefined
    for (let page = 0; page < maxPages; page++) {
      const from = cursor
      const { nextCursor, tools } = yield* Effect.tryPromise({
        try: () => client.listTools(from === undefined ? undefined : { cursor: from }),
        catch: (cause) => failed("the list of tools could not be read", cause)
      })
      for (const tool of tools) all.push(tool)
      if (nextCursor === undefined || nextCursor === from) break
      cursor = nextCursor
    }
    return all
  })

const call = (client: Client, name: string, input: Prompt.JsonValue): Effect.Effect<Tool.Result, McpError> =>
  Effect.map(
    Effect.tryPromise({
      try: (signal): Promise<unknown> => {
        const params = { name, arguments: isObject(input) ? input : {} }
        // Version 1 has a schema of the result, with a default, between the two.
        const rest = client.callTool.length === 2 ? [{ signal }] : [undefined, { signal }]
        return Reflect.apply(client.callTool, client, [params, ...rest])
      },
      catch: (cause) => failed(`the tool ${name} could not be called`, cause)
    }),
    toResult
  )

const failed = (what: string, cause: unknown) =>
  new McpError({ message: `${what}: ${cause instanceof Error ? cause.message : String(cause)}`, cause })

const toResult = (answer: unknown): Tool.Result => {
  const { content, isError, structuredContent } = asObject(answer)
  const texts: Array<string> = []
  const media: Array<Prompt.ImagePart | Prompt.FilePart> = []
  for (const item of asArray(content).map(asObject)) {
    const text = textOf(item)
    const file = mediaOf(item)
    if (text !== undefined) texts.push(text)
    if (file !== undefined) media.push(file)
  }
  return Tool.result(structuredContent ?? texts.join("\n"), {
    ...(media.length === 0 ? {} : { media }),
    ...(isError === true ? { isError: true } : {})
  })
}

const textOf = (item: Loose): string | undefined => {
  switch (item["type"]) {
    case "text":
      return asString(item["text"])
    case "resource":
      return asString(asObject(item["resource"])["text"])
    case "resource_link":
      return [asString(item["title"]) ?? asString(item["name"]), asString(item["uri"])].join(": ")
    default:
      return undefined
  }
}

const mediaOf = (item: Loose): Prompt.ImagePart | Prompt.FilePart | undefined => {
  const resource = item["type"] === "resource" ? asObject(item["resource"]) : item
  const data = asString(item["data"]) ?? asString(resource["blob"])
  if (data === undefined) return undefined
  const mediaType = asString(resource["mimeType"])
  const media = { type: "base64" as const, base64: data }
  if (item["type"] === "image" || mediaType?.startsWith("image/") === true) {
    return { type: "image", media, ...(mediaType === undefined ? {} : { mediaType }) }
  }
  return { type: "file", media, mediaType: mediaType ?? "application/octet-stream" }
}

/** Letters, digits, `_` and `-`, 64 of them, begun with none that a provider refuses; the second of a name gets a number. */
const unique = (name: string, given: Set<string>): string => {
  const plain = name.replaceAll(/[^a-zA-Z0-9_-]+/g, "_").replace(/^[^a-zA-Z_]/, "_$&").slice(0, 64) || "tool"
  let candidate = plain
  for (let i = 2; given.has(candidate); i++) candidate = `${plain.slice(0, 64 - String(i).length - 1)}_${i}`
  given.add(candidate)
  return candidate
}
