/** Redaction of the parts of a stream: what comes out never shows the beginning of a match. */
import type { AssistantPart } from "../../Prompt.ts"
import type { BlockEnd, ContentPart, ToolCall } from "../../Response.ts"
import type { Streamed } from "./answer.ts"
import { applyEdits, type Matches, Redactor, type Settings, type Syntax } from "./redactor.ts"
import { altered, PartialRedactor, redactCall, redactOwn } from "./values.ts"

/** Where parts go that may be seen. */
interface Shown {
  readonly push: (part: ContentPart) => unknown
}

/** The texts of one kind, one after the other, and which block each stretch belongs to. */
class Track {
  readonly redactor: Redactor
  readonly blocks: Array<{ readonly index: number; readonly from: number; to: number }> = []
  private readonly tag: "TextDelta" | "ReasoningDelta"
  private raw = ""
  /** The first block that is not shown in full. */
  private current = 0

  constructor(redactor: Redactor, tag: "TextDelta" | "ReasoningDelta") {
    this.redactor = redactor
    this.tag = tag
  }

  push(index: number, delta: string, shown: Shown): void {
    const last = this.blocks.at(-1)
    const from = this.raw.length
    this.raw += delta
    if (last?.index === index) last.to = this.raw.length
    else this.blocks.push({ index, from, to: this.raw.length })
    const before = this.redactor.decided
    this.show(before, this.redactor.push(delta), shown)
  }

  flush(shown: Shown): void {
    const before = this.redactor.decided
    this.show(before, this.redactor.flush(), shown)
  }

  /** Nothing of the block is held back. */
  isShown(index: number): boolean {
    return this.blocks.every((block) => block.index !== index || this.redactor.decided >= block.to)
  }

  /** What has become of the text of a block. */
  textOf(index: number): string {
    let text = ""
    for (const block of this.blocks) {
      if (block.index === index) text += applyEdits(this.raw, this.redactor.edits, block.from, block.to)
    }
    return text
  }

  /** What was decided just now, block by block. */
  private show(before: number, output: string, shown: Shown): void {
    const { decided, edits } = this.redactor
    for (let block = this.blocks[this.current]; block !== undefined; block = this.blocks[++this.current]) {
      const from = Math.max(before, block.from)
      const to = Math.min(decided, block.to)
      const isAll = from === before && to === decided
      const delta = isAll ? output : from < to ? applyEdits(this.raw, edits, from, to) : ""
      if (delta !== "") shown.push({ _tag: this.tag, index: block.index, delta })
      // The last block may still grow.
      if (decided < block.to || this.current === this.blocks.length - 1) return
    }
  }
}

/** Parts of another kind show what was held back, so that the order stays. */
export class StreamRedactor implements Streamed {
  private readonly tracks: { readonly text: Track; readonly reasoning: Track }
  private readonly calls = new Map<
    string,
    { readonly index: number; readonly name: string; readonly redactor: Redactor }
  >()
  private readonly wholeCalls = new Map<number, ToolCall>()
  private readonly ends: Array<BlockEnd> = []
  private readonly partial: PartialRedactor
  private readonly settings: Settings
  private readonly matches: Matches
  private kind: "text" | "reasoning" | "call" | undefined = undefined

  constructor(settings: Settings, syntax: Syntax, matches: Matches) {
    this.settings = settings
    this.matches = matches
    this.tracks = {
      text: new Track(new Redactor(settings, syntax, matches), "TextDelta"),
      reasoning: new Track(new Redactor(settings, "plain", matches), "ReasoningDelta")
    }
    this.partial = new PartialRedactor({ ...settings, lenient: true })
  }

  get text(): Redactor {
    return this.tracks.text.redactor
  }

  get reasoning(): Redactor {
    return this.tracks.reasoning.redactor
  }

  readonly call = (id: string): Redactor | undefined => this.calls.get(id)?.redactor

  /** Adds what can be shown. */
  push(part: ContentPart, shown: Shown): void {
    switch (part._tag) {
      case "TextDelta":
        this.turn("text", shown)
        this.tracks.text.push(part.index, part.delta, shown)
        return this.showEnds(shown)
      case "ReasoningDelta":
        this.turn("reasoning", shown)
        this.tracks.reasoning.push(part.index, part.delta, shown)
        return this.showEnds(shown)
      case "ToolCallDelta": {
        this.turn("call", shown)
        const known = this.calls.get(part.id)
        const { redactor } = known ?? { redactor: new Redactor(this.settings, "arguments", this.matches) }
        if (known === undefined) this.calls.set(part.id, { index: part.index, name: part.name, redactor })
        const delta = redactor.push(part.delta)
        // The first one announces the call.
        if (delta !== "" || known === undefined) shown.push({ ...part, delta })
        return
      }
      case "ToolCallPart": {
        this.turn("call", shown)
        const call = this.wholeCall(part.index, part.call, shown)
        this.wholeCalls.set(part.index, call)
        if (this.matches.blocked === undefined) shown.push({ ...part, call })
        return
      }
      case "BlockEnd":
        this.ends.push(part)
        return this.showEnds(shown)
      case "ObjectDelta":
        shown.push({ ...part, partial: this.partial.push(part.partial) })
    }
  }

  /** Adds all that was held back. */
  end(shown: Shown): void {
    this.turn(undefined, shown)
    this.showEnds(shown)
    const partial = this.partial.end()
    if (partial !== undefined) shown.push({ _tag: "ObjectDelta", partial })
  }

  /** Blocks whose text is out. */
  private showEnds(shown: Shown): void {
    if (this.matches.blocked !== undefined) return
    for (let end = this.ends[0]; end !== undefined; end = this.ends[0]) {
      const { index, part } = end
      if ((part.type === "text" || part.type === "reasoning") && !this.tracks[part.type].isShown(index)) return
      this.ends.shift()
      shown.push({ ...end, part: this.redacted(index, part) })
    }
  }

  private redacted(index: number, part: AssistantPart): AssistantPart {
    const again = { ...this.settings, lenient: true }
    switch (part.type) {
      case "text":
      case "reasoning":
        return altered(part, { text: this.tracks[part.type].textOf(index) }, again)
      case "tool-call":
        return this.wholeCalls.get(index) ?? redactCall(again, part, undefined, this.matches)
      case "provider":
        return redactOwn(again, part)
    }
  }

  private wholeCall(index: number, call: ToolCall, shown: Shown): ToolCall {
    const known = this.calls.get(call.id)
    if (known !== undefined) this.callDelta(call.id, known, shown)
    const { rawArguments } = call
    if (rawArguments === undefined) return redactCall(this.settings, call, undefined, this.matches)
    let redactor = known?.redactor
    if (redactor?.length !== rawArguments.length) {
      redactor = new Redactor(this.settings, "arguments", this.matches)
      redactor.push(rawArguments)
      redactor.flush()
      this.calls.set(call.id, { index, name: call.name, redactor })
    }
    return redactCall(this.settings, call, applyEdits(rawArguments, redactor.edits), this.matches)
  }

  private turn(kind: "text" | "reasoning" | "call" | undefined, shown: Shown): void {
    const before = this.kind
    if (before === kind) return
    this.kind = kind
    if (before === "text" || before === "reasoning") {
      this.tracks[before].flush(shown)
      return this.showEnds(shown)
    }
    for (const [id, call] of this.calls) this.callDelta(id, call, shown)
  }

  private callDelta(
    id: string,
    { index, name, redactor }: { readonly index: number; readonly name: string; readonly redactor: Redactor },
    shown: Shown
  ): void {
    const delta = redactor.flush()
    if (delta !== "") shown.push({ _tag: "ToolCallDelta", index, id, name, delta })
  }
}
