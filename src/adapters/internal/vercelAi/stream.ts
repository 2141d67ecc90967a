/** A stream of ours as the parts that `ai` reads. */
import type { LanguageModelV4StreamPart, SharedV4Warning } from "@ai-sdk/provider"
import * as Chunk from "effect/Chunk"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { LLMError } from "../../../LLMError.ts"
import type * as Prompt from "../../../Prompt.ts"
import type * as Response from "../../../Response.ts"
import { factsOf, shortfallOf, toApiError, toCustom, toFinishReason, toToolCall, toUsage } from "./answer.ts"
import { JsonText } from "./jsonText.ts"
import { metadataOf } from "./metadata.ts"
import * as sources from "./sources.ts"

type Part = Response.StreamPart<Option.Option<Prompt.JsonValue>>

/** Fails where nothing is out yet; later, a failure is a part. */
export const toParts = <R>(
  stream: Stream.Stream<Part, LLMError, R>,
  isStructured: boolean,
  warnings: ReadonlyArray<SharedV4Warning>
): Stream.Stream<LanguageModelV4StreamPart, LLMError, R> =>
  Stream.suspend(() => {
    const writer = new Writer(isStructured, warnings)
    return stream.pipe(
      Stream.mapChunks((parts) => {
        for (const part of parts) writer.write(part)
        return Chunk.unsafeFromArray(writer.take())
      }),
      Stream.catchAll((error) => {
        const shortfall = shortfallOf(error)
        if (shortfall !== undefined) {
          writer.fallShort(shortfall)
        } else if (writer.isEmpty) return Stream.fail(error)
        else writer.out.push({ type: "error", error: toApiError(error) })
        return Stream.fromIterable(writer.take())
      })
    )
  })

/** Blocks are opened by their first piece and closed by their end, which carries what belongs to them. */
class Writer {
  out: Array<LanguageModelV4StreamPart> = []
  isEmpty = true
  private readonly warnings: ReadonlyArray<SharedV4Warning>
  private readonly open = new Map<number, "text" | "reasoning" | "tool-input">()
  private readonly cited = new Set<string>()
  /** A value that was asked for is written as it will be decoded, not as the model dresses it. */
  private readonly json: JsonText | undefined
  private textEnd: { readonly index: number; readonly part: Prompt.TextPart } | undefined = undefined
  private callIds = new Map<number, string>()

  constructor(isStructured: boolean, warnings: ReadonlyArray<SharedV4Warning>) {
    this.json = isStructured ? new JsonText() : undefined
    this.warnings = warnings
  }

  take(): Array<LanguageModelV4StreamPart> {
    const out = this.out
    this.out = []
    if (out.length > 0 && this.isEmpty) {
      this.isEmpty = false
      out.unshift({ type: "stream-start", warnings: [...this.warnings] })
    }
    return out
  }

  write(part: Part): void {
    if (part._tag !== "ObjectDelta" && part._tag !== "Finish") this.flushProse()
    switch (part._tag) {
      case "TextDelta":
        if (this.json === undefined) this.text(part.index, part.delta)
        else this.json.saw(part)
        return
      case "ReasoningDelta":
        this.start(part.index, "reasoning")
        this.out.push({ type: "reasoning-delta", id: String(part.index), delta: part.delta })
        return
      case "ToolCallDelta":
        this.callIds.set(part.index, part.id)
        if (!this.open.has(part.index)) {
          this.open.set(part.index, "tool-input")
          this.out.push({ type: "tool-input-start", id: part.id, toolName: part.name })
        }
        if (part.delta !== "") this.out.push({ type: "tool-input-delta", id: part.id, delta: part.delta })
        return
      case "ObjectDelta":
        if (this.json?.isValue === true) this.text(this.json.index, this.json.grow(part.partial))
        return
      case "BlockEnd":
        return this.end(part.index, part.part)
      // The whole call comes with the end of its block.
      case "ToolCallPart":
      case "Seam":
        return
      case "Finish":
        return this.finish(part.response)
    }
  }

  /** What `ai` takes as an end: cut off, withheld, not what was asked for. */
  fallShort(shortfall: NonNullable<ReturnType<typeof shortfallOf>>): void {
    // Once a piece of the value is out, nothing that the text says can be added to it.
    const isOut = this.json === undefined ? !this.isEmpty : this.json.hasText
    if (!isOut) this.text(this.json?.index ?? 0, shortfall.text)
    this.closeAll()
    const { finishReason, modelId, providerMetadata, usage } = shortfall
    this.out.push(
      { type: "response-metadata", modelId },
      { type: "finish", finishReason, usage, providerMetadata }
    )
  }

  private text(index: number, delta: string): void {
    if (delta === "") return
    this.start(index, "text")
    this.out.push({ type: "text-delta", id: String(index), delta })
  }

  private start(index: number, type: "text" | "reasoning"): void {
    if (this.open.has(index)) return
    this.open.set(index, type)
    this.out.push({ type: `${type}-start`, id: String(index) })
  }

  private end(index: number, part: Prompt.AssistantPart): void {
    switch (part.type) {
      case "text":
        if (this.json === undefined) return this.close(index, part)
        // Whether it is the value is known with the whole answer.
        this.textEnd = { index, part }
        return
      case "reasoning":
        return this.close(index, part)
      case "tool-call":
        this.open.delete(index)
        this.out.push({ type: "tool-input-end", id: part.id }, toToolCall(part))
        return
      case "provider":
        this.out.push(toCustom(part), ...sources.of([part], this.cited))
    }
  }

  /** What the model says before it calls a tool is text, not the value. */
  private flushProse(): void {
    const { json, textEnd } = this
    if (json === undefined || textEnd === undefined) return
    this.textEnd = undefined
    if (!json.hasText) this.text(textEnd.index, textEnd.part.text)
    this.close(textEnd.index, textEnd.part)
  }

  private close(index: number, part: Prompt.TextPart | Prompt.ReasoningPart): void {
    this.start(index, part.type)
    this.open.delete(index)
    this.out.push({ type: `${part.type}-end`, id: String(index), ...metadataOf(part) })
    this.out.push(...sources.of([part], this.cited))
  }

  private closeAll(): void {
    for (const [index, type] of this.open) {
      this.out.push({ type: `${type}-end`, id: type === "tool-input" ? this.callIds.get(index) ?? "" : String(index) })
    }
    this.open.clear()
  }

  private finish(answer: Response.Response<Option.Option<Prompt.JsonValue>>): void {
    const { json, textEnd } = this
    if (json !== undefined && textEnd !== undefined && Option.isSome(answer.content)) {
      this.text(textEnd.index, json.finish(answer.content.value))
      this.close(textEnd.index, textEnd.part)
    } else this.flushProse()
    this.closeAll()
    this.out.push(
      {
        type: "response-metadata",
        modelId: answer.model,
        ...Option.match(answer.id, { onNone: () => ({}), onSome: (id) => ({ id }) })
      },
      {
        type: "finish",
        finishReason: toFinishReason(answer),
        usage: toUsage(answer.usage),
        providerMetadata: factsOf(answer)
      }
    )
  }
}
