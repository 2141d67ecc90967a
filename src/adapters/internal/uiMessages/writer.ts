/** Parts of ours as chunks of the UI message stream, version 1. */
import type { ToolsStreamPart } from "../../../LLM.ts"
import type * as Prompt from "../../../Prompt.ts"
import type { Response, StreamPart } from "../../../Response.ts"
import { event, type Writer } from "../events/body.ts"
import { metadataOf, providerPartKind } from "../vercelAi/metadata.ts"
import * as sources from "../vercelAi/sources.ts"

export type Part<A> = StreamPart<A> | ToolsStreamPart<A>

/** What the page is told, and how. */
export interface Telling<E> {
  readonly messageId?: string | undefined
  readonly error: (error: E | undefined) => string
  readonly toolError: (result: Prompt.ToolResultPart) => string
  readonly metadata?: ((response: Response<unknown>) => Prompt.JsonObject) | undefined
  readonly reasoning: boolean
}

export const make = <A, E>(telling: Telling<E>): Writer<Part<A>, E> => {
  const blocks = new Blocks(telling.reasoning)
  let isEnding = false
  const write = (part: Part<A>): string => {
    switch (part._tag) {
      case "TextDelta":
        return blocks.delta(part.index, "text", part.delta)
      case "ReasoningDelta":
        return blocks.delta(part.index, "reasoning", part.delta)
      case "ToolCallDelta":
        return blocks.callDelta(part.index, part)
      case "BlockEnd":
        return blocks.end(part.index, part.part)
      case "ToolResult":
        return toolResult(part.part, telling)
      case "StepEnd":
        // What the tools gave belongs to the step that called them.
        isEnding = true
        return ""
      case "Finish": {
        const { metadata } = telling
        return event({
          type: "finish",
          finishReason: part.response.finishReason,
          ...(metadata === undefined ? {} : { messageMetadata: metadata(part.response) })
        })
      }
      // The whole call comes with the end of its block; a growing value is in the text.
      case "ToolCallPart":
      case "ObjectDelta":
      case "Seam":
        return ""
    }
  }
  return {
    start: () => event({ type: "start", ...(telling.messageId === undefined ? {} : { messageId: telling.messageId }) }),
    part: (part) => {
      const ended = part._tag === "Finish" || (isEnding && part._tag !== "ToolResult") ? blocks.endStep() : ""
      if (ended !== "") isEnding = false
      return ended + write(part)
    },
    failure: (error) => event({ type: "error", errorText: telling.error(error) }) + done,
    end: () => done
  }
}

const done = "data: [DONE]\n\n"

const toolResult = <E>(part: Prompt.ToolResultPart, { toolError }: Telling<E>): string =>
  event(
    part.isError === true
      ? { type: "tool-output-error", toolCallId: part.id, errorText: toolError(part) }
      : { type: "tool-output-available", toolCallId: part.id, output: part.result }
  )

/** Steps, and the blocks that are open in one: each is begun by its first piece and ended by its end. */
class Blocks {
  private readonly showsReasoning: boolean
  private readonly open = new Set<number>()
  private readonly cited = new Set<string>()
  private step = 1
  private isInStep = false

  constructor(showsReasoning: boolean) {
    this.showsReasoning = showsReasoning
  }

  delta(index: number, type: "text" | "reasoning", delta: string): string {
    if (type === "reasoning" && !this.showsReasoning) return ""
    return this.begin(index, { type: `${type}-start`, id: this.id(index) }) +
      event({ type: `${type}-delta`, id: this.id(index), delta })
  }

  callDelta(index: number, call: { readonly id: string; readonly name: string; readonly delta: string }): string {
    return this.begin(index, { type: "tool-input-start", toolCallId: call.id, toolName: call.name }) +
      (call.delta === "" ? "" : event({ type: "tool-input-delta", toolCallId: call.id, inputTextDelta: call.delta }))
  }

  end(index: number, part: Prompt.AssistantPart): string {
    switch (part.type) {
      case "text":
      case "reasoning": {
        // What lets the model go on from its thoughts goes with them, also where they are not shown.
        const ended = this.begin(index, { type: `${part.type}-start`, id: this.id(index) }) +
          event({ type: `${part.type}-end`, id: this.id(index), ...metadataOf(part) })
        this.open.delete(index)
        return ended + this.sources(part)
      }
      case "tool-call":
        this.open.delete(index)
        return this.inStep() + event({
          type: "tool-input-available",
          toolCallId: part.id,
          toolName: part.name,
          input: part.arguments,
          ...metadataOf(part)
        })
      case "provider":
        return this.inStep() + event({ type: "custom", kind: providerPartKind, ...metadataOf(part) }) +
          this.sources(part)
    }
  }

  endStep(): string {
    if (!this.isInStep) return ""
    this.isInStep = false
    this.step++
    this.open.clear()
    return event({ type: "finish-step" })
  }

  private id(index: number): string {
    return `${this.step}-${index}`
  }

  private inStep(): string {
    if (this.isInStep) return ""
    this.isInStep = true
    return event({ type: "start-step" })
  }

  private begin(index: number, start: Prompt.JsonObject): string {
    if (this.open.has(index)) return ""
    this.open.add(index)
    return this.inStep() + event(start)
  }

  private sources(part: Prompt.AssistantPart): string {
    return sources.of([part], this.cited).map((source) =>
      event(
        source.sourceType === "url"
          ? { type: "source-url", sourceId: source.id, url: source.url, title: source.title }
          : { type: "source-document", sourceId: source.id, mediaType: source.mediaType, title: source.title }
      )
    ).join("")
  }
}
