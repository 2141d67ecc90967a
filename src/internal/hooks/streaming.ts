/** Redaction of the parts of a stream: what comes out never shows the beginning of a match. */
import type { ContentPart, ToolCall } from "../../Response.ts"
import type { Streamed } from "./answer.ts"
import { applyEdits, type Matches, Redactor, type Settings, type Syntax } from "./redactor.ts"
import { PartialRedactor, redactCall } from "./values.ts"

/** Where parts go that may be seen. */
interface Shown {
  readonly push: (part: ContentPart) => unknown
}

type Kind = "text" | "reasoning" | "call"

/** Parts of another kind show what was held back, so that the order stays. */
export class StreamRedactor implements Streamed {
  readonly text: Redactor
  readonly reasoning: Redactor
  private readonly calls = new Map<string, { readonly name: string; readonly redactor: Redactor }>()
  private readonly partial: PartialRedactor
  private readonly settings: Settings
  private readonly matches: Matches
  private kind: Kind | undefined = undefined

  constructor(settings: Settings, syntax: Syntax, matches: Matches) {
    this.settings = settings
    this.matches = matches
    this.text = new Redactor(settings, syntax, matches)
    this.reasoning = new Redactor(settings, "plain", matches)
    this.partial = new PartialRedactor({ ...settings, lenient: true })
  }

  readonly call = (id: string): Redactor | undefined => this.calls.get(id)?.redactor

  /** Adds what can be shown. */
  push(part: ContentPart, shown: Shown): void {
    switch (part._tag) {
      case "TextDelta":
        this.turn("text", shown)
        return this.delta("text", this.text.push(part.delta), shown)
      case "ReasoningDelta":
        this.turn("reasoning", shown)
        return this.delta("reasoning", this.reasoning.push(part.delta), shown)
      case "ToolCallDelta": {
        this.turn("call", shown)
        const known = this.calls.get(part.id)
        const { redactor } = known ?? { redactor: new Redactor(this.settings, "arguments", this.matches) }
        if (known === undefined) this.calls.set(part.id, { name: part.name, redactor })
        const delta = redactor.push(part.delta)
        // The first one announces the call.
        if (delta !== "" || known === undefined) shown.push({ ...part, delta })
        return
      }
      case "ToolCallPart": {
        this.turn("call", shown)
        const call = this.wholeCall(part.call, shown)
        if (this.matches.blocked === undefined) shown.push({ ...part, call })
        return
      }
      case "ObjectDelta":
        shown.push({ ...part, partial: this.partial.push(part.partial) })
    }
  }

  /** Adds all that was held back. */
  end(shown: Shown): void {
    this.turn(undefined, shown)
    const partial = this.partial.end()
    if (partial !== undefined) shown.push({ _tag: "ObjectDelta", partial })
  }

  private wholeCall(call: ToolCall, shown: Shown): ToolCall {
    const known = this.calls.get(call.id)
    if (known !== undefined) this.callDelta(call.id, known.name, known.redactor.flush(), shown)
    const { rawArguments } = call
    if (rawArguments === undefined) return redactCall(this.settings, call, undefined, this.matches)
    let redactor = known?.redactor
    if (redactor?.length !== rawArguments.length) {
      redactor = new Redactor(this.settings, "arguments", this.matches)
      redactor.push(rawArguments)
      redactor.flush()
      this.calls.set(call.id, { name: call.name, redactor })
    }
    return redactCall(this.settings, call, applyEdits(rawArguments, redactor.edits), this.matches)
  }

  private turn(kind: Kind | undefined, shown: Shown): void {
    const before = this.kind
    if (before === kind) return
    this.kind = kind
    if (before === "text" || before === "reasoning") return this.delta(before, this[before].flush(), shown)
    for (const [id, { name, redactor }] of this.calls) this.callDelta(id, name, redactor.flush(), shown)
  }

  private delta(kind: "text" | "reasoning", delta: string, shown: Shown): void {
    if (delta !== "") shown.push({ _tag: kind === "text" ? "TextDelta" : "ReasoningDelta", delta })
  }

  private callDelta(id: string, name: string, delta: string, shown: Shown): void {
    if (delta !== "") shown.push({ _tag: "ToolCallDelta", id, name, delta })
  }
}
