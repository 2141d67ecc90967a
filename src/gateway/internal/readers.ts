/** The wires' readers, by the names of wires. */
import type { Completion, ErrorFacts } from "../../internal/call/completion.ts"
import type { Call, Wire } from "../../internal/call/driver.ts"
import type { Framing, WireEvent } from "../../internal/http/framing.ts"
import * as sse from "../../internal/http/sse.ts"
import type { Loose } from "../../internal/json/values.ts"
import * as chatCompletions from "../../internal/wires/chat-completions/answer.ts"
import * as cohere from "../../internal/wires/cohere/answer.ts"
import * as converse from "../../internal/wires/converse/answer.ts"
import * as generateContent from "../../internal/wires/generate-content/answer.ts"
import * as messages from "../../internal/wires/messages/answer.ts"
import * as responses from "../../internal/wires/responses/answer.ts"
import type { WireName } from "../../internal/wires/wireName.ts"
import * as Output from "../../Output.ts"

/** Reads one answer. */
export interface AnswerReader {
  readonly framing: Framing
  readonly whole: (body: Loose, completion: Completion) => void
  readonly step: (event: WireEvent, completion: Completion) => void
  readonly isComplete: (completion: Completion) => boolean
  readonly errorOf: (body: unknown, headers: Readonly<Record<string, string>>) => ErrorFacts | undefined
}

type Make = (provider: string, model: string) => AnswerReader

/** Events are as large as they come: an image in one is several megabytes. */
const maxEventBytes = 32 * 1024 * 1024

const of = <S>(wire: Wire<S>): Make => (provider, model) => new Reader(wire, passing(provider, model))

class Reader<S> implements AnswerReader {
  private readonly wire: Wire<S>
  private readonly call: Call
  private state: S | undefined
  private frames: Framing | undefined

  constructor(wire: Wire<S>, call: Call) {
    this.wire = wire
    this.call = call
  }

  /** Most answers are whole, and have no use for it. */
  get framing(): Framing {
    return this.frames ??= (this.wire.framing ?? sse.make)({ maxEventBytes })
  }

  whole(body: Loose, completion: Completion): void {
    this.wire.read(body, completion, this.call)
  }

  step(event: WireEvent, completion: Completion): void {
    this.wire.step(this.state ??= this.wire.initial(), event, completion, this.call)
  }

  isComplete(completion: Completion): boolean {
    return this.wire.isComplete(completion)
  }

  errorOf(body: unknown, headers: Readonly<Record<string, string>>): ErrorFacts | undefined {
    return this.wire.readError(body, headers)
  }
}

const request = { prompt: "", output: Output.text }

/** What a reader may ask of a call whose request is somebody else's. */
const passing = (provider: string, model: string): Call => ({
  provider,
  model,
  stream: true,
  options: request,
  messages: [],
  system: [],
  tools: [],
  format: Output.text.format,
  structured: undefined,
  warn: () => {},
  unsupported: notLowered,
  invalid: notLowered
})

const notLowered = (): never => {
  throw new Error("an answer that passes by is read only")
}

export const readers: Readonly<Record<WireName, Make>> = {
  "chat-completions": of(chatCompletions.wire({
    structured: "native",
    maxTokens: "max_tokens",
    reasoning: chatCompletions.reasoningEffort,
    streamUsage: true,
    webSearch: undefined,
    sampling: () => true,
    reasons: () => true,
    topK: true,
    stop: () => true,
    cacheControl: false
  })),
  responses: of(responses.wire({ store: false, reasoningSummary: false })),
  messages: of(messages.wire({ promptCaching: false })),
  "generate-content": of(generateContent.wire),
  cohere: of(cohere.wire),
  converse: of(converse.wire({ promptCaching: false }))
}
