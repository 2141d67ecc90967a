/** What a fake provider answers, as data. */
import type { ProblemKind } from "../../internal/wires/serving.ts"
import type { WireName } from "../../internal/wires/wireName.ts"
import type { JsonValue } from "../../Prompt.ts"
import type { Usage } from "../../Usage.ts"

/** The wires a fake provider speaks. */
export type { WireName }

/** Kinds of errors, each with its own body on every wire. */
export type ErrorKind = ProblemKind

/** One request as the server got it. */
export interface RecordedRequest {
  readonly method: string
  /** Path and query. */
  readonly path: string
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  /** The parsed JSON body; undefined when it is none. */
  readonly body: JsonValue | undefined
  /** Undefined for an address that belongs to none. */
  readonly wire: WireName | undefined
  readonly streamed: boolean
  /** The client closed the connection before the whole answer was sent. */
  readonly aborted: boolean
}

/** What every answer may say. */
export interface AnswerOptions {
  /** Token counts in this library's convention; what is missing is estimated. `null` reports no usage at all. */
  readonly usage?: Partial<Omit<Usage, "totalTokens">> | null | undefined
  readonly reasoning?: string | undefined
  /** Number of events a stream cuts the text into. Default: words, of 12 characters at most. */
  readonly chunks?: number | undefined
}

/** A tool call to make. */
export interface ScriptedToolCall {
  readonly name: string
  readonly arguments: JsonValue
  /** Default: a counter. */
  readonly id?: string | undefined
}

export interface AnswerReply extends AnswerOptions {
  readonly _tag: "Answer"
  readonly text: string
  readonly toolCalls: ReadonlyArray<ScriptedToolCall>
  readonly refusal: string | undefined
  readonly truncated: boolean
}

/** Where in an answer a fault happens, and which answer. */
export interface FaultOptions {
  /** After so many content events (of fewer, if the answer has fewer). Default 0: after the events that only announce. */
  readonly afterEvents?: number | undefined
  /** The answer that is broken off. Default: the one the server gives by itself. */
  readonly reply?: AnswerReply | undefined
}

export interface BrokenOptions extends FaultOptions {
  /** Before anything is sent, or after the headers alone; wins over `afterEvents`. */
  readonly before?: "headers" | "events" | undefined
}

export interface StatusReply {
  readonly _tag: "Status"
  readonly status: number
  readonly kind: ErrorKind
  readonly retryAfter: number | undefined
  readonly body: string | undefined
  readonly headers: Readonly<Record<string, string>>
}

/** Something that happens to the connection or the bytes of an answer. */
export type FaultReply =
  | ({ readonly _tag: "InBandError"; readonly kind: ErrorKind } & FaultOptions)
  | ({ readonly _tag: "Stall" } & BrokenOptions)
  | ({ readonly _tag: "Reset" } & BrokenOptions)
  | ({ readonly _tag: "Cut" } & FaultOptions)
  | ({ readonly _tag: "BadJson" } & FaultOptions)
  | { readonly _tag: "Oversized"; readonly bytes: number }

export type Reply =
  | AnswerReply
  | StatusReply
  | FaultReply
  | { readonly _tag: "WrongLabel"; readonly reply: Reply; readonly contentType: string }
  | { readonly _tag: "Slow"; readonly reply: Reply; readonly delay: number; readonly bytes: number }
  | { readonly _tag: "Redirect"; readonly url: string; readonly status: number }
  | { readonly _tag: "Html"; readonly status: number }

/** The kind an HTTP status stands for. */
export const kindOf = (status: number): ErrorKind => {
  switch (status) {
    case 401:
      return "authentication"
    case 402:
      return "quota"
    case 403:
      return "permission"
    case 404:
    case 410:
      return "not-found"
    case 408:
    case 504:
      return "timeout"
    case 429:
      return "rate-limited"
    case 503:
    case 529:
      return "overloaded"
    default:
      return status >= 500 ? "server" : "invalid"
  }
}
