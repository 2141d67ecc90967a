/**
 * The other side of a wire: what every `serve` has in common. A client's body becomes a request of ours, and what an LLM
 * answers becomes what that client expects: a body, or events, or an error.
 */
import * as Duration from "effect/Duration"
import type * as Either from "effect/Either"
import type { Request } from "../../LLM.ts"
import type * as LLMError from "../../LLMError.ts"
import type { AssistantPart, JsonObject } from "../../Prompt.ts"
import type { ContentPart, FinishReason, Response } from "../../Response.ts"
import type { Usage } from "../../Usage.ts"

/** What a client asks for. */
export interface Asked {
  readonly model: string
  readonly stream: boolean
  readonly request: Request<string>
  /** The stream is to tell its usage, where that is a choice. */
  readonly includeUsage: boolean
  /** What was left out of the request. */
  readonly warnings: ReadonlyArray<string>
}

/** What is known of a request before its body: its path's part of it, and whose native parts it may bring. */
export interface Source {
  readonly model?: string | undefined
  readonly stream?: boolean | undefined
  readonly provider: string
}

/** Why a request cannot be served: a sentence that says what to do, and the parameter that is meant. */
export interface Rejection {
  readonly message: string
  readonly parameter: string | undefined
}

/** What stands around an answer. */
export interface Envelope {
  /** Ids are made of it. */
  readonly id: string
  /** Seconds since the epoch. */
  readonly created: number
  readonly model: string
  /** Where it is known from the start. */
  readonly usage?: Usage | undefined
  /** False: nobody will ever know. */
  readonly hasUsage: boolean
  readonly includeUsage: boolean
}

/** How an answer ended. */
export interface End {
  readonly finishReason: FinishReason
  /** Undefined when nobody knows. */
  readonly usage: Usage | undefined
  /** The answer was refused or withheld. */
  readonly refusal?: { readonly category: string; readonly text: string } | undefined
  /** What the client's protocol has no place for, under `majordomo`. */
  readonly extension?: JsonObject | undefined
}

export interface Answer {
  readonly content: ReadonlyArray<AssistantPart>
  readonly end: End
}

/** One event of a stream. `content` marks those that carry a piece of the answer. */
export interface Frame {
  readonly event?: string | undefined
  readonly data: JsonObject | string
  readonly content?: boolean | undefined
}

export type Frames = ReadonlyArray<Frame>

/** Parts of an answer in, events out. */
export interface Writer {
  readonly start: () => Frames
  readonly part: (part: ContentPart) => Frames
  readonly end: (end: End) => Frames
  /** What goes out in the place of `end`. */
  readonly fail: (problem: Problem) => Frames
}

export type ProblemKind =
  | "invalid"
  | "context-length"
  | "authentication"
  | "quota"
  | "permission"
  | "not-found"
  | "rate-limited"
  | "timeout"
  | "server"
  | "overloaded"

/** What went wrong, in no client's words yet. */
export interface Problem {
  readonly kind: ProblemKind
  readonly message: string
  readonly parameter?: string | undefined
  /** Seconds. */
  readonly retryAfter?: number | undefined
  /** Where the body repeats it. Default: that of its kind. */
  readonly status?: number | undefined
  readonly requestId?: string | undefined
  /** What the client's protocol has no place for, under `majordomo`. */
  readonly extension?: JsonObject | undefined
}

export interface Serve {
  readonly read: (body: unknown, source: Source) => Either.Either<Asked, Rejection>
  readonly whole: (envelope: Envelope, answer: Answer) => JsonObject
  readonly writer: (envelope: Envelope) => Writer
  readonly error: (problem: Problem) => JsonObject
  readonly statusOf: (problem: Problem) => number
  /** What a client that waits is sent, so that it and everything between knows that somebody is there. */
  readonly ping: string | undefined
}

/** Our own field beside those of the protocol. */
export const extended = ({ extension }: { readonly extension?: JsonObject | undefined }): JsonObject =>
  extension === undefined ? {} : { majordomo: extension }

// ── from our contract ───────────────────────────────────────────────────────────────────────────────────────────────

/** An error that is an answer on the wire: a refusal, or a text that was cut off. */
export const answerOfError = (error: LLMError.LLMError): Answer | undefined => {
  switch (error._tag) {
    case "ContentFilteredError":
      return {
        content: [],
        end: {
          finishReason: "content-filter",
          usage: error.usage,
          refusal: { category: error.category, text: error.text }
        }
      }
    case "ResponseTruncatedError":
      return {
        content: [
          ...(error.reasoning === undefined ? [] : [{ type: "reasoning" as const, text: error.reasoning }]),
          ...(error.text === "" ? [] : [{ type: "text" as const, text: error.text }])
        ],
        end: { finishReason: "length", usage: error.usage }
      }
    default:
      return undefined
  }
}

export const endOf = (response: Response<unknown>, extension: JsonObject | undefined): End => ({
  finishReason: response.finishReason,
  usage: response.usage,
  extension
})

const kinds: Readonly<Record<LLMError.Reason["_tag"], ProblemKind>> = {
  RateLimited: "rate-limited",
  QuotaExceeded: "quota",
  Authentication: "authentication",
  PermissionDenied: "permission",
  ModelNotFound: "not-found",
  Overloaded: "overloaded",
  ServerError: "server",
  Timeout: "timeout",
  Transport: "server",
  MalformedResponse: "server",
  Unsupported: "invalid",
  CircuitOpen: "overloaded"
}

export const problemOf = (error: LLMError.LLMError): Problem => {
  switch (error._tag) {
    case "ProviderError":
      return {
        kind: kinds[error.reason._tag],
        message: error.message,
        retryAfter: error.retryAfter === undefined ? undefined : Duration.toSeconds(error.retryAfter)
      }
    case "InvalidRequestError":
      return {
        kind: error.reason === "ContextLengthExceeded" ? "context-length" : "invalid",
        message: error.message,
        parameter: error.parameter
      }
    case "HookBlockedError":
      return { kind: "invalid", message: error.message }
    case "ContentFilteredError":
    case "ResponseTruncatedError":
    case "ResponseParsingError":
      return { kind: "server", message: error.message }
  }
}
