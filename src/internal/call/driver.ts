/** What a provider is made of: pure functions of its wire, and where to send them. `LLM.make` does everything else. */
import type * as Redacted from "effect/Redacted"
import type { Request } from "../../LLM.ts"
import type { LLMError } from "../../LLMError.ts"
import type { Format } from "../../Output.ts"
import type { JsonObject, Message, TextPart } from "../../Prompt.ts"
import type { Warning } from "../../Response.ts"
import type { Framing, WireEvent } from "../http/framing.ts"
import type { Loose } from "../json/values.ts"
import type { Codec } from "../schema/codec.ts"
import type { Dialect } from "../schema/dialect.ts"
import type { Completion, ErrorFacts } from "./completion.ts"

/** A tool as it is asked for: its schema in the wire's dialect, and the way back for its arguments. */
export interface LoweredTool {
  readonly name: string
  readonly description: string | undefined
  readonly strict: boolean | undefined
  readonly schema: JsonObject
  readonly codec: Codec | undefined
}

/** One request, checked and with its prompt as messages, as a wire lowers it. */
export interface Call {
  readonly provider: string
  readonly model: string
  readonly stream: boolean
  readonly options: Request<unknown, unknown>
  /** The prompt without system messages at its head; those are in `system`. */
  readonly messages: ReadonlyArray<Message>
  /** `options.system` and the leading system messages. */
  readonly system: ReadonlyArray<TextPart>
  readonly tools: ReadonlyArray<LoweredTool>
  readonly format: Format
  /** How to ask for structured answers, when the user overrides the driver's choice. */
  readonly structured: "native" | "tool" | "json-mode" | "prompt" | undefined
  readonly warn: (code: Warning["code"], message: string) => void
  /** Fails the call before anything is sent. */
  readonly unsupported: (feature: string) => never
  readonly invalid: (
    reason: "InvalidParameter" | "InvalidPrompt" | "InvalidTool" | "InvalidSchema",
    description: string,
    parameter?: string
  ) => never
}

/** A lowered request: the body to send, and the way back for structured answers. */
export interface Lowered {
  readonly body: Loose
  readonly codec?: Codec | undefined
  /** The tool through which a structured answer is asked for. */
  readonly answerTool?: string | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
}

/** The pure functions of a wire protocol. */
export interface Wire<State> {
  /** Name under which metadata for the next turn is kept: two providers of one wire understand each other. */
  readonly name: string
  /** Tool names the wire takes. */
  readonly toolName: RegExp
  /** The dialect of tools that are held to their schema; undefined where there is no such thing. */
  readonly strictTools: Dialect | undefined
  readonly lower: (call: Call) => Lowered
  /** Reads a whole answer. Throws nothing: what it cannot find is left out of the completion. */
  readonly read: (body: Loose, completion: Completion, call: Call) => void
  readonly initial: () => State
  /** Reads one event of a stream. */
  readonly step: (state: State, event: WireEvent, completion: Completion, call: Call) => void
  /** The body ended: true when the answer is complete. */
  readonly isComplete: (completion: Completion) => boolean
  /** What an error body says, or undefined when it is no error of this wire. */
  readonly readError: (body: unknown, headers: Readonly<Record<string, string>>) => ErrorFacts | undefined
  readonly framing?: ((options: { readonly maxEventBytes: number }) => Framing) | undefined
}

/** What logs may know of a key. */
export interface KeyFacts {
  /** The first 16 hex digits of its SHA-256. */
  readonly hash: string | undefined
  readonly alias: string | undefined
}

/** A wire, a model, and where to send. */
export interface Driver<State = unknown> {
  readonly provider: string
  readonly model: string
  readonly wire: Wire<State>
  readonly url: (stream: boolean) => string
  /** The headers that authorise: built once, kept redacted. */
  readonly auth: Readonly<Record<string, Redacted.Redacted>>
  readonly key?: KeyFacts | undefined
  /** Name of the provider whose list prices apply. Default: `provider`; without a list of that name, no price is known. */
  readonly prices?: string | undefined
  readonly headers: Readonly<Record<string, string>>
  /** Sent along only when the call goes to a gateway. */
  readonly gatewayHeaders?: Readonly<Record<string, string>> | undefined
}

/** Thrown by `lower` through `Call.unsupported` and `Call.invalid`, caught in one place. */
export class Refusal {
  readonly error: LLMError
  constructor(error: LLMError) {
    this.error = error
  }
}
