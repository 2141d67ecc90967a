/** What of an answer's text a client is shown while it comes: of a value, no more than the value that was asked for. */
import { isPlainObject } from "../../internal/schema/codec.ts"
import { RestoredText } from "../../internal/schema/restoredText.ts"
import type { Request } from "../../LLM.ts"
import type { ContentPart } from "../../Response.ts"

export class Shown {
  private readonly value: RestoredText | undefined
  /** A value that is no object is asked for inside of one, which the client has not asked for. */
  private readonly waits: boolean
  private readonly hasTools: boolean
  /** What was shown, by the place of its block. */
  private readonly texts = new Map<number, string>()

  constructor({ output: { format }, tools = [] }: Request<string>) {
    this.hasTools = tools.length > 0
    this.waits = format.type === "schema" && !isPlainObject(format.schema)
    this.value = format.type === "text" || this.waits
      ? undefined
      : new RestoredText(format.type === "schema" ? format.schema : {}, { takesLists: format.type === "json" })
  }

  /** Nothing of the value was shown: it goes out when it is whole. */
  get isHeld(): boolean {
    return this.waits || (this.value?.isForeign === true && !this.hasTools)
  }

  parts(part: ContentPart): ReadonlyArray<ContentPart> {
    if (part._tag === "TextDelta") return this.delta(part)
    return part._tag === "BlockEnd" && part.part.type === "text" ? this.end(part) : [part]
  }

  private delta(part: Extract<ContentPart, { _tag: "TextDelta" }>): ReadonlyArray<ContentPart> {
    const { value, waits } = this
    if (value === undefined) return waits ? [] : [part]
    const text = value.push(part.delta)
    // Who has tools may be told about them before a value comes.
    const delta = value.isForeign && this.hasTools ? part.delta : text
    if (delta === "") return []
    this.texts.set(part.index, (this.texts.get(part.index) ?? "") + delta)
    return [delta === part.delta ? part : { ...part, delta }]
  }

  private end(part: Extract<ContentPart, { _tag: "BlockEnd" }>): ReadonlyArray<ContentPart> {
    const { value, waits } = this
    if (value === undefined) return waits ? [] : [part]
    const text = this.texts.get(part.index)
    if (part.part.type !== "text" || text === part.part.text) return [part]
    // Places of what is cited were in the text as it came.
    const { citations: _, ...kept } = part.part
    return text === undefined ? [] : [{ ...part, part: { ...kept, text } }]
  }
}
