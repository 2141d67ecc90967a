/**
 * What a wire understood of an answer. Single answers and streams are read into the same object, so that both give the
 * same content, usage and finish reason; a stream also leaves the parts to emit.
 */
import type * as Option from "effect/Option"
import type { Cost } from "../../Cost.ts"
import type { AssistantPart, Citation, JsonObject, JsonValue, ProviderMetadata, ToolCallPart } from "../../Prompt.ts"
import type { Attempt, ContentPart, FinishReason, Warning } from "../../Response.ts"
import type { Usage } from "../../Usage.ts"
import { Repeated } from "../json/repeated.ts"
import { asJsonObject, asText, isObject, parse, parseArguments } from "../json/values.ts"

/** What an error body or an in-band error says. */
export interface ErrorFacts {
  readonly type?: string | undefined
  readonly code?: string | undefined
  readonly message?: string | undefined
  readonly parameter?: string | undefined
  readonly requestId?: string | undefined
  /** Wait asked for in the body, ms. */
  readonly retryAfter?: number | undefined
  /** HTTP status named inside the body, where the answer itself was a 200. */
  readonly status?: number | undefined
  /** The provider's word for a safety block, when it is one. */
  readonly filter?: string | undefined
  /** What a gateway says of the tries behind it. */
  readonly gateway?: Gateway | undefined
}

/** What a gateway says of the tries behind it. */
export interface Gateway {
  readonly provider: string
  readonly model: string
  readonly attempts: ReadonlyArray<Attempt>
  readonly cost: Option.Option<Cost>
  /** Of a call that failed; an answer says it itself. */
  readonly usage?: Usage | undefined
  readonly usagePartial?: boolean | undefined
}

/** Token counts of which some may be missing; `undefined` is not reported. */
export interface RawUsage {
  /** All prompt tokens, cache reads and writes included. */
  readonly input: number | undefined
  /** All output tokens, reasoning included. */
  readonly output: number | undefined
  readonly cached?: number | undefined
  readonly cacheCreation?: number | undefined
  /** The part of `cacheCreation` kept for an hour. */
  readonly cacheCreation1h?: number | undefined
  readonly reasoning?: number | undefined
  /** The parts of input and output that are sound, which some models price apart. */
  readonly inputAudio?: number | undefined
  readonly outputAudio?: number | undefined
}

/** USD as the provider bills it; the parts where it names them. */
export interface ProviderCost {
  readonly total: number
  readonly input?: number | undefined
  readonly output?: number | undefined
}

interface Block {
  readonly type: "text" | "reasoning" | "tool-call" | "provider"
  text: string
  metadata: ProviderMetadata | undefined
  citations: ((text: string) => ReadonlyArray<Citation>) | undefined
  id: string
  name: string
  /** Arguments that came parsed; then `text` is empty unless more text follows. */
  parsed: JsonObject | undefined
  value: JsonObject | undefined
  /** The arguments are text and no JSON: a custom tool. */
  plain: boolean
  closed: boolean
  /** Place in the message; undefined as long as there is nothing of it to see. */
  index: number | undefined
  /** What it came to, once it is closed. */
  part: AssistantPart | undefined
}

type Key = string | number

/** More than any model takes or gives in one answer. */
const maxTokens = 1_000_000_000

const noParts: ReadonlyArray<ContentPart> = []

export class Completion {
  id: string | undefined = undefined
  model: string | undefined = undefined
  finishReason: FinishReason | undefined = undefined
  rawFinishReason: string | undefined = undefined
  /** A refusal in words. */
  refusal: string | undefined = undefined
  /** The provider's word for a safety block. */
  filter: string | undefined = undefined
  failure: ErrorFacts | undefined = undefined
  rawUsage: RawUsage | undefined = undefined
  /** A success that is not the protocol, in words. */
  malformed: string | undefined = undefined
  /** USD, when the provider says what it charges. */
  providerCost: ProviderCost | undefined = undefined
  /** Where a gateway says that the answer came from, and through which tries. */
  gateway: Gateway | undefined = undefined
  /** What the answer cost, where that is known without a price list; none when it has no price. */
  cost: Option.Option<Cost> | undefined = undefined
  serviceTier: string | undefined = undefined
  webSearches = 0
  /** The terminal event of a stream came. */
  done = false
  readonly warnings: Array<Warning> = []
  /** Reads the events of its stream. */
  readonly events = new Repeated()

  private readonly blocks: Array<Block> = []
  /** Those with something in them, in the order of the message. */
  private readonly placed: Array<Block> = []
  /** How many of those have been told to be complete. */
  private ended = 0
  /** Content has been emitted. */
  private started = false
  private readonly open = new Map<Key, Block>()
  private readonly callIds = new Set<string>()
  private parts: Array<ContentPart> = []
  private readonly owner: string
  private readonly callIdPrefix: string
  private readonly emitting: boolean
  private readonly answerTool: string | undefined
  private readonly restoreArguments: (tool: string, value: JsonValue) => JsonValue

  constructor(options: {
    /** The provider that answers. */
    readonly owner: string
    readonly callIdPrefix: string
    readonly emitting: boolean
    /** Calls of this tool are the answer: their arguments are its text. */
    readonly answerTool?: string | undefined
    /** From the arguments a model writes to those the tool's own schema expects. */
    readonly restoreArguments?: ((tool: string, value: JsonValue) => JsonValue) | undefined
  }) {
    this.owner = options.owner
    this.callIdPrefix = options.callIdPrefix
    this.emitting = options.emitting
    this.answerTool = options.answerTool
    this.restoreArguments = options.restoreArguments ?? ((_, value) => value)
  }

  text(key: Key, delta: string, metadata?: ProviderMetadata): void {
    this.append(this.at(key, "text"), "TextDelta", delta, metadata)
  }

  reasoning(key: Key, delta: string, metadata?: ProviderMetadata): void {
    this.append(this.at(key, "reasoning"), "ReasoningDelta", delta, metadata)
  }

  /**
   * Announces a tool call; later calls with the same key fill in what is still missing. `input` is what the wire gives as
   * parsed arguments, which some hosts send as text all the same; pieces that follow replace it.
   */
  toolCall(
    key: Key,
    call: {
      readonly id?: string | undefined
      readonly name?: string | undefined
      readonly input?: unknown
      readonly plain?: boolean | undefined
      readonly metadata?: ProviderMetadata | undefined
    }
  ): void {
    const { input } = call
    const value = typeof input === "string" ? parse(input) : input
    if (call.name !== undefined && call.name === this.answerTool) {
      this.at(key, "text")
      if (!isObject(value) || Object.keys(value).length > 0) this.text(key, asText(input))
      return
    }
    const isNew = this.open.get(key)?.type !== "tool-call"
    const block = this.at(key, "tool-call")
    if (block.id === "") block.id = this.callId(call.id)
    if (block.name === "" && call.name !== undefined) block.name = call.name
    if (call.plain === true) block.plain = true
    if (call.metadata !== undefined) block.metadata = { ...block.metadata, ...call.metadata }
    if (isNew) this.argumentsCame(block, "")
    if (isObject(value)) block.parsed = asJsonObject(value)
    else this.toolArguments(key, input)
  }

  /** The next piece of the arguments: text, or a value where a host sends them parsed. */
  toolArguments(key: Key, piece: unknown): void {
    const delta = asText(piece)
    if (this.open.get(key)?.type === "text") return this.text(key, delta)
    const block = this.at(key, "tool-call")
    block.text += delta
    if (delta !== "") this.argumentsCame(block, delta)
  }

  /** Replaces the arguments gathered so far by the whole text, where a wire repeats it at the end. */
  setToolArguments(key: Key, whole: unknown): void {
    const text = asText(whole)
    const answer = this.open.get(key)
    if (answer?.type === "text") return answer.text === "" ? this.text(key, text) : undefined
    const block = this.at(key, "tool-call")
    if (text === "") return
    if (text.startsWith(block.text)) {
      const rest = text.slice(block.text.length)
      if (rest !== "") this.argumentsCame(block, rest)
    }
    block.text = text
  }

  /** Something only this wire and provider know, kept for the next turn. */
  provider(wire: string, value: JsonObject): void {
    const block = this.push("provider")
    block.name = `${wire}:${this.owner}`
    block.value = value
    this.place(block)
    this.finish(block)
  }

  /** Adds to what the block needs on the next turn, without any content. */
  metadata(key: Key, type: "text" | "reasoning", metadata: ProviderMetadata): void {
    const block = this.at(key, type)
    block.metadata = { ...block.metadata, ...metadata }
    this.place(block)
  }

  /** What the text rests on: asked for when the block is complete. */
  cite(key: Key, citations: (text: string) => ReadonlyArray<Citation>): void {
    this.at(key, "text").citations = citations
  }

  has(key: Key): boolean {
    return this.open.has(key)
  }

  textOf(key: Key): string {
    return this.open.get(key)?.text ?? ""
  }

  metadataOf(key: Key): ProviderMetadata | undefined {
    return this.open.get(key)?.metadata
  }

  /** The block is complete; the next delta under the same key opens a new one. */
  close(key: Key): void {
    const block = this.open.get(key)
    if (block === undefined) return
    this.open.delete(key)
    this.finish(block)
  }

  closeAll(): void {
    for (const block of this.blocks) this.finish(block)
    this.open.clear()
  }

  warn(code: Warning["code"], message: string): void {
    if (!this.warnings.some((warning) => warning.message === message)) this.warnings.push({ code, message })
  }

  /** The parts since the last call. */
  takeParts(): ReadonlyArray<ContentPart> {
    // The end of a block that had nothing to show is no content yet: the call may still fail as if nothing had come.
    return this.started ? this.takeRest() : noParts
  }

  /** The parts since the last call, whatever they are: at the end of the answer. */
  takeRest(): ReadonlyArray<ContentPart> {
    if (this.parts.length === 0) return noParts
    const parts = this.parts
    this.parts = []
    return parts
  }

  get hasText(): boolean {
    return this.blocks.some((block) => block.type === "text" && block.text !== "")
  }

  /** Neither content nor a word on why there is none. */
  get isSilent(): boolean {
    return this.rawFinishReason === undefined && this.refusal === undefined && this.filter === undefined &&
      this.blocks.every((block) => block.type !== "tool-call" && block.type !== "provider" && block.text === "")
  }

  get visibleText(): string {
    return this.joined("text")
  }

  get reasoningText(): string | undefined {
    const text = this.joined("reasoning")
    return text === "" ? undefined : text
  }

  get toolCalls(): ReadonlyArray<ToolCallPart> {
    return this.blocks.filter((block) => block.type === "tool-call").map((block) => this.toToolCall(block))
  }

  /** The assistant's parts in the order they began. Empty text and reasoning without a trace are left out. */
  get content(): ReadonlyArray<AssistantPart> {
    return this.placed.map((block) => block.part ?? this.toPart(block))
  }

  /** Usage in our convention; parts that exceed their whole, and what cannot be, are clamped, with a warning. */
  get usage(): Usage | undefined {
    const raw = this.rawUsage
    if (raw === undefined || (raw.input === undefined && raw.output === undefined)) return undefined
    const input = this.plausible(raw.input)
    const output = this.plausible(raw.output)
    const reported = [
      this.plausible(raw.cached),
      this.plausible(raw.cacheCreation),
      this.plausible(raw.reasoning)
    ] as const
    const cached = Math.min(reported[0], input)
    const cacheCreation = Math.min(reported[1], input - cached)
    const reasoning = Math.min(reported[2], output)
    if (cached !== reported[0] || cacheCreation !== reported[1] || reasoning !== reported[2]) {
      this.warn("usage-inconsistent", "the provider reports more cached or reasoning tokens than tokens; clamped")
    }
    return {
      inputTokens: input,
      outputTokens: output,
      cachedInputTokens: cached,
      cacheCreationTokens: cacheCreation,
      reasoningTokens: reasoning,
      totalTokens: input + output
    }
  }

  private plausible(count: number | undefined): number {
    if (count === undefined) return 0
    const clamped = count >= 0 && count <= maxTokens ? Math.round(count) : 0
    if (clamped !== count) {
      this.warn("usage-implausible", "the provider reports token counts that cannot be; they count as what is possible")
    }
    return clamped
  }

  /** The id a call goes by: the host's, or one of ours where it gives none or gives it twice. */
  private callId(given: string | undefined): string {
    const id = given === undefined || given === "" || this.callIds.has(given)
      ? `${this.callIdPrefix}${this.blocks.length}`
      : given
    this.callIds.add(id)
    return id
  }

  private joined(type: Block["type"]): string {
    let text = ""
    for (const block of this.blocks) if (block.type === type) text += block.text
    return text
  }

  private at(key: Key, type: Block["type"]): Block {
    const known = this.open.get(key)
    if (known !== undefined && known.type === type) return known
    const block = this.push(type)
    this.open.set(key, block)
    return block
  }

  private push(type: Block["type"]): Block {
    const block: Block = {
      type,
      text: "",
      metadata: undefined,
      citations: undefined,
      id: "",
      name: "",
      parsed: undefined,
      value: undefined,
      plain: false,
      closed: false,
      index: undefined,
      part: undefined
    }
    this.blocks.push(block)
    if (type === "tool-call") this.place(block)
    return block
  }

  private append(
    block: Block,
    tag: "TextDelta" | "ReasoningDelta",
    delta: string,
    metadata: ProviderMetadata | undefined
  ): void {
    if (metadata !== undefined) block.metadata = { ...block.metadata, ...metadata }
    if (delta === "" && metadata === undefined) return
    block.text += delta
    const index = this.place(block)
    if (delta !== "") this.emit({ _tag: tag, index, delta })
  }

  private argumentsCame(block: Block, delta: string): void {
    this.emit({ _tag: "ToolCallDelta", index: this.place(block), id: block.id, name: block.name, delta })
  }

  private emit(part: ContentPart): void {
    if (!this.emitting) return
    if (part._tag !== "BlockEnd") this.started = true
    this.parts.push(part)
  }

  /** The place of the block in the message, from its first content on. */
  private place(block: Block): number {
    if (block.index !== undefined) return block.index
    this.placed.push(block)
    return block.index = this.placed.length - 1
  }

  private finish(block: Block): void {
    if (block.closed) return
    block.closed = true
    if (block.index === undefined) return
    const part = block.part = this.toPart(block)
    if (part.type === "tool-call") {
      if (block.parsed === undefined && part.arguments === null && block.text.trim() !== "null") {
        this.warn("tool-arguments-invalid", `the arguments of ${block.name} are not JSON; see rawArguments`)
      }
      // Arguments that came parsed are shown as the text they are kept as.
      if (block.text === "" && part.rawArguments !== undefined) this.argumentsCame(block, part.rawArguments)
      this.emit({ _tag: "ToolCallPart", index: block.index, call: part })
    }
    // Blocks may end in another order than they began; they are told in the order of the message.
    for (let next = this.placed[this.ended]; next?.part !== undefined; next = this.placed[this.ended]) {
      this.emit({ _tag: "BlockEnd", index: this.ended++, part: next.part })
    }
  }

  private toPart(block: Block): AssistantPart {
    const { metadata, text, type, value } = block
    if (type === "tool-call") return this.toToolCall(block)
    if (type === "provider") return { type, wire: block.name, value: value ?? {} }
    const citations = block.citations?.(text) ?? []
    return {
      type,
      text,
      ...(type === "text" && citations.length > 0 ? { citations: [...citations] } : {}),
      ...(metadata === undefined ? {} : { providerMetadata: metadata })
    }
  }

  private toToolCall(block: Block): ToolCallPart {
    const { metadata, name, parsed, plain, text } = block
    const value = plain ? text : text === "" && parsed !== undefined ? parsed : parseArguments(text)
    return {
      type: "tool-call",
      id: block.id,
      name,
      arguments: plain || value === null ? value : this.restoreArguments(name, value),
      ...(text !== ""
        ? { rawArguments: text }
        : parsed === undefined || Object.keys(parsed).length === 0
        ? {}
        : { rawArguments: JSON.stringify(parsed) }),
      ...(metadata === undefined ? {} : { providerMetadata: metadata })
    }
  }
}
