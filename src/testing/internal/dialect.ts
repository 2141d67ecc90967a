/** What a fake provider needs to know of a wire: reading a request, writing an answer, saying what went wrong. */
import { asObject, isObject, type Loose } from "../../internal/json/values.ts"
import type { JsonObject, JsonValue } from "../../Prompt.ts"
import type { Usage } from "../../Usage.ts"
import type { AnswerReply, ErrorKind, WireName } from "./reply.ts"

/** What a request asks for, read from the body of any wire. */
export interface Asked {
  readonly stream: boolean
  readonly model: string
  /** Instructions of the program. */
  readonly system: string
  /** Text of the last message of the user. */
  readonly lastUser: string
  /** A tool's result is in the conversation. */
  readonly hasToolResult: boolean
  readonly tools: ReadonlyArray<{ readonly name: string; readonly schema: JsonValue }>
  readonly toolChoice: "auto" | "none" | "required" | { readonly tool: string }
  /** JSON is asked for, with a schema or without. */
  readonly json: boolean
  readonly schema: JsonValue | undefined
}

/** An answer with everything filled in. */
export interface Answer {
  /** Counts up with every request: ids are made of it. */
  readonly number: number
  readonly model: string
  readonly created: number
  readonly text: string
  /** The text as a stream cuts it. */
  readonly pieces: ReadonlyArray<string>
  readonly reasoning: string | undefined
  readonly toolCalls: ReadonlyArray<ToolCall>
  readonly refusal: string | undefined
  readonly truncated: boolean
  /** Undefined when none is reported. */
  readonly usage: Usage | undefined
}

export interface ToolCall {
  readonly id: string
  readonly name: string
  readonly arguments: JsonValue
  /** The arguments as text, and that as a stream cuts it. */
  readonly raw: string
  readonly pieces: ReadonlyArray<string>
}

/** One event of a stream. `content` marks those that carry a piece of the answer. */
export interface Frame {
  readonly event?: string | undefined
  readonly data: JsonObject | string
  readonly content?: boolean | undefined
}

export interface ErrorFacts {
  readonly status?: number | undefined
  /** Seconds. */
  readonly retryAfter?: number | undefined
}

export interface Dialect {
  readonly name: WireName
  /** Prefix of the ids of tool calls. */
  readonly callId: string
  readonly newline: "\n" | "\r\n"
  readonly headers: (number: number) => Readonly<Record<string, string>>
  readonly ask: (body: Loose, path: string) => Asked
  readonly whole: (answer: Answer) => JsonObject
  /** The events of a stream, the terminal one included. */
  readonly frames: (answer: Answer, body: Loose) => Iterable<Frame>
  /** The body of an error. Where the body repeats them, it says this status and this wait. */
  readonly error: (kind: ErrorKind, facts?: ErrorFacts) => JsonObject
  /** The same inside a stream. */
  readonly errorFrames: (kind: ErrorKind) => ReadonlyArray<Frame>
  /** Where the headers, not the body, name the error. */
  readonly errorHeaders?: (kind: ErrorKind) => Readonly<Record<string, string>>
  /** Default: server-sent events. */
  readonly stream?: {
    readonly contentType: string
    readonly encode: (event: string, data: string) => Uint8Array
  }
}

/** Words, and long words in parts: how a stream cuts text by default. */
export const pieces = (text: string, count?: number | undefined): ReadonlyArray<string> => {
  if (count === undefined) return text.match(/\s*\S{1,12}|\s+$/gu) ?? []
  const characters = Array.from(text)
  const size = Math.max(1, Math.ceil(characters.length / Math.max(1, count)))
  return Array.from(
    { length: Math.ceil(characters.length / size) },
    (_, i) => characters.slice(i * size, (i + 1) * size).join("")
  )
}

/** Four characters are a token, more or less. */
const tokens = (text: string): number => Math.ceil(text.length / 4)

/** Fills in what a reply leaves open. */
export const complete = (reply: AnswerReply, asked: Asked, body: Loose, number: number, callId: string): Answer => {
  const toolCalls = reply.toolCalls.map((call, index): ToolCall => {
    const raw = JSON.stringify(call.arguments)
    return {
      id: call.id ?? `${callId}fake_${number}_${index + 1}`,
      name: call.name,
      arguments: call.arguments,
      raw,
      pieces: pieces(raw)
    }
  })
  const { usage: given } = reply
  const reasoningTokens = given?.reasoningTokens ?? tokens(reply.reasoning ?? "")
  const inputTokens = given?.inputTokens ?? tokens(JSON.stringify(body))
  const outputTokens = given?.outputTokens ??
    tokens(reply.text) + tokens(reply.refusal ?? "") + tokens(toolCalls.map((call) => call.raw).join("")) +
      reasoningTokens
  return {
    number,
    model: asked.model,
    created: 1_750_000_000 + number,
    text: reply.text,
    pieces: pieces(reply.text, reply.chunks),
    reasoning: reply.reasoning,
    toolCalls,
    refusal: reply.refusal,
    truncated: reply.truncated,
    usage: given === null ? undefined : {
      inputTokens,
      outputTokens,
      cachedInputTokens: given?.cachedInputTokens ?? 0,
      cacheCreationTokens: given?.cacheCreationTokens ?? 0,
      reasoningTokens,
      totalTokens: inputTokens + outputTokens
    }
  }
}

/** The text in a message's content: a string, or parts of which some have a `text`. */
export const textOf = (content: unknown): string =>
  typeof content === "string"
    ? content
    : Array.isArray(content)
    ? content.map((part) => textOf(asObject(part)["text"])).filter((text) => text !== "").join("\n")
    : ""

/** A schema as it stands in a request. Bodies come out of `JSON.parse`, so an object is a JSON object. */
export const asSchema = (value: unknown): JsonValue | undefined =>
  isObject(value) ? value as JsonObject : typeof value === "boolean" ? value : undefined
