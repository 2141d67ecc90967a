/** A text that another member goes on with where the first one broke off. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Request, Service } from "../../LLM.ts"
import * as LLMError from "../../LLMError.ts"
import * as Prompt from "../../Prompt.ts"
import type { BlockEnd, Response, Seam, StreamPart } from "../../Response.ts"
import { decodeText } from "../call/settle.ts"

/** A block that has begun and not ended. */
interface OpenBlock {
  readonly type: "text" | "reasoning"
  text: string
}

export class Continuation<A, R> {
  /** What the reader has seen. */
  private text = ""
  /** Where the present member's text begins. */
  private seamAt = 0
  private isText: boolean
  /** Space at the end of what was seen, which the next member was not shown and may write again. */
  private shownSpace = ""
  private readonly asked: Request<A, R>
  private from: string | undefined = undefined
  /** Blocks by their place in the whole answer. */
  private readonly open = new Map<number, OpenBlock>()
  private readonly complete = new Map<number, Prompt.AssistantPart>()
  private readonly ended: Array<Prompt.AssistantPart> = []
  private places = 0
  /** From the present member's places to those of the whole answer. */
  private placeOf = new Map<number, number>()
  /** The block whose text the next member goes on with. */
  private broken: number | undefined = undefined

  constructor(request: Request<A, R>) {
    this.asked = request
    this.isText = request.output.format.type === "text"
  }

  /** A tool call or a value that broke off cannot be gone on with. */
  get canGoOn(): boolean {
    return this.isText
  }

  /** Follows the parts. Of space at a seam only what is out already is not shown again: the rest is indentation. */
  read(parts: ReadonlyArray<StreamPart<A>>): ReadonlyArray<StreamPart<A>> {
    return parts.flatMap((part): ReadonlyArray<StreamPart<A>> => {
      switch (part._tag) {
        case "TextDelta": {
          const delta = this.shownSpace === "" ? part.delta : this.withoutShown(part.delta)
          if (delta === "") return []
          this.text += delta
          return [{ ...part, index: this.grow(part.index, "text", delta), delta }]
        }
        case "ReasoningDelta":
          return [{ ...part, index: this.grow(part.index, "reasoning", part.delta) }]
        case "ToolCallDelta":
        case "ToolCallPart":
          this.isText = false
          return [{ ...part, index: this.place(part.index) }]
        case "BlockEnd":
          return this.end(part.index, part.part)
        case "Finish":
          return [...this.endBroken(), part]
        case "ObjectDelta":
        case "Seam":
          return [part]
      }
    })
  }

  private withoutShown(delta: string): string {
    const { shownSpace } = this
    let same = 0
    while (same < delta.length && same < shownSpace.length && delta[same] === shownSpace[same]) same++
    this.shownSpace = same === delta.length ? shownSpace.slice(same) : ""
    return delta.slice(same)
  }

  /** The conversation with the text so far as the assistant's. It ends without space, which some wires refuse. */
  request(): Request<A, R> {
    const said = this.text.trimEnd()
    return said === "" ? this.asked : {
      ...this.asked,
      prompt: [...Prompt.toMessages(this.asked.prompt), Prompt.assistant(said)]
    }
  }

  /** What had begun ends as it is, but for the text that goes on. */
  seam(from: Service, to: Service, error: LLMError.LLMError): ReadonlyArray<BlockEnd | Seam> {
    this.seamAt = this.text.length
    this.shownSpace = this.text.slice(this.text.trimEnd().length)
    this.from = `${from.provider}/${from.model}`
    this.placeOf = new Map()
    this.broken = Array.from(this.open).filter(([, { type }]) => type === "text").at(-1)?.[0]
    for (const [place, { text, type }] of this.open) {
      if (place !== this.broken) this.complete.set(place, { type, text })
    }
    return [...this.inOrder(), {
      _tag: "Seam",
      from: { provider: from.provider, model: from.model },
      to: { provider: to.provider, model: to.model },
      error: LLMError.tagOf(error),
      at: this.seamAt
    }]
  }

  /** The failure with all of the text. */
  failure(error: LLMError.LLMError): LLMError.LLMError {
    return this.seamAt === 0 || error._tag !== "ProviderError" ? error : LLMError.withPartial(error, this.text)
  }

  /** The answer to the whole call: what both said. */
  whole(response: Response<A>): Effect.Effect<Response<A>, LLMError.LLMError, R> {
    if (this.from === undefined) return Effect.succeed(response)
    const { text } = this
    const warning = {
      code: "continued" as const,
      message:
        `${response.provider}/${response.model} went on where ${this.from} broke off, at character ${this.seamAt}`
    }
    return Effect.map(
      decodeText(this.asked.output, text, {
        provider: response.provider,
        model: response.model,
        usage: response.usage,
        cost: Option.getOrUndefined(response.cost)
      }),
      (content) => ({
        ...response,
        content,
        text,
        message: { ...response.message, content: this.ended },
        warnings: [...response.warnings, warning]
      })
    )
  }

  private place(index: number): number {
    const known = this.placeOf.get(index)
    if (known !== undefined) return known
    const place = this.from === undefined ? index : this.places
    this.places = Math.max(this.places, place + 1)
    this.placeOf.set(index, place)
    return place
  }

  private grow(index: number, type: OpenBlock["type"], delta: string): number {
    if (type === "text" && this.broken !== undefined && !this.placeOf.has(index)) {
      this.placeOf.set(index, this.broken)
      this.broken = undefined
    }
    const place = this.place(index)
    const block = this.open.get(place)
    if (block === undefined) this.open.set(place, { type, text: delta })
    else block.text += delta
    return place
  }

  private end(index: number, part: Prompt.AssistantPart): ReadonlyArray<BlockEnd> {
    const place = this.place(index)
    const said = this.open.get(place)
    // A text of two members has nothing that either of them keeps with it.
    const isWhole = part.type !== "text" || said === undefined || said.text === part.text
    this.complete.set(place, isWhole ? part : { type: "text", text: said.text })
    return this.inOrder()
  }

  /** A text that nobody went on with after all. */
  private endBroken(): ReadonlyArray<BlockEnd> {
    const block = this.broken === undefined ? undefined : this.open.get(this.broken)
    if (this.broken === undefined || block === undefined) return []
    this.complete.set(this.broken, { type: block.type, text: block.text })
    return this.inOrder()
  }

  private inOrder(): ReadonlyArray<BlockEnd> {
    const ends: Array<BlockEnd> = []
    for (;;) {
      const index = this.ended.length
      const part = this.complete.get(index)
      if (part === undefined) return ends
      this.complete.delete(index)
      this.open.delete(index)
      this.ended.push(part)
      ends.push({ _tag: "BlockEnd", index, part })
    }
  }
}
