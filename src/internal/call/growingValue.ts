/** A structured answer as a value that grows with its text. */
import type { ContentPart } from "../../Response.ts"
import { PartialJson } from "../json/partialJson.ts"
import { ReasoningFilter } from "../json/reasoning.ts"
import type { Codec } from "../schema/codec.ts"

export class GrowingValue {
  private readonly json = new PartialJson()
  private readonly answer = new ReasoningFilter()
  private readonly codec: Codec | undefined

  constructor(codec: Codec | undefined) {
    this.codec = codec
  }

  /** The parts, and behind them the value that their text has made, where it grew. */
  after(parts: ReadonlyArray<ContentPart>): ReadonlyArray<ContentPart> {
    if (parts.length === 0) return parts
    for (const part of parts) if (part._tag === "TextDelta") this.json.push(this.answer.push(part.delta))
    const snapshot = this.json.snapshot()
    if (snapshot === undefined) return parts
    const partial = this.codec?.partial === undefined ? snapshot : this.codec.partial(snapshot)
    return partial === undefined ? parts : [...parts, { _tag: "ObjectDelta", partial }]
  }
}
