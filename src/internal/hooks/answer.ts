/** Redaction of an answer: every field that has text agrees with every other afterwards. */
import * as Option from "effect/Option"
import type { JsonValue } from "../../Prompt.ts"
import type * as Prompt from "../../Prompt.ts"
import type { Response } from "../../Response.ts"
import type { Decoded } from "../call/decodedFrom.ts"
import { applyEdits, type Edit, type Matches, Redactor, type Settings, type Syntax } from "./redactor.ts"
import { altered, redactCall, redactOwn, redactValue } from "./values.ts"

/** What redacted a text while it was streamed, if it was. */
export interface Streamed {
  readonly text?: Redactor | undefined
  readonly reasoning?: Redactor | undefined
  readonly call: (id: string) => Redactor | undefined
}

export interface Scrubbed<A> {
  readonly response: Response<A>
  readonly value: JsonValue | undefined
  /** `value` is no longer what `content` was decoded from. */
  readonly isStale: boolean
}

export const scrub = <A>(
  settings: Settings,
  response: Response<Decoded<A>>,
  syntax: Syntax,
  matches: Matches,
  streamed?: Streamed | undefined
): Scrubbed<A> => {
  /** The edits of a text: those made while it was streamed when that was the very text. */
  const editsOf = (text: string, syntax: Syntax, done: Redactor | undefined): ReadonlyArray<Edit> => {
    if (done !== undefined && done.length === text.length) return done.edits
    const redactor = new Redactor(settings, syntax, matches)
    redactor.push(text)
    redactor.flush()
    return redactor.edits
  }
  const { content: { content, value }, message, text } = response
  const reasoning = Option.getOrElse(response.reasoning, () => "")
  const textEdits = editsOf(text, syntax, streamed?.text)
  const reasoningEdits = editsOf(reasoning, "plain", streamed?.reasoning)
  const call = (part: Prompt.ToolCallPart): Prompt.ToolCallPart => {
    const raw = part.rawArguments
    return redactCall(
      settings,
      part,
      raw === undefined ? undefined : applyEdits(raw, editsOf(raw, "arguments", streamed?.call(part.id))),
      matches
    )
  }
  // The same texts again in another form: what is in them was counted above.
  const again = { ...settings, lenient: true }
  const toolCalls = new Map(response.toolCalls.map((part) => [part.id, call(part)]))
  const redactedValue = value === undefined
    ? undefined
    : syntax === "plain" && typeof value === "string"
    ? value === text ? applyEdits(text, textEdits) : redactValue(again, value)
    : redactValue(again, value)

  const parts = typeof message.content === "string" ? undefined : message.content
  const cursor = { text: 0, reasoning: 0 }
  const redactPart = (part: Prompt.AssistantPart): Prompt.AssistantPart => {
    if (part.type === "tool-call") return toolCalls.get(part.id) ?? call(part)
    if (part.type === "provider") return redactOwn(again, part)
    const from = cursor[part.type]
    const to = cursor[part.type] = from + part.text.length
    const [whole, edits] = part.type === "text" ? [text, textEdits] : [reasoning, reasoningEdits]
    const redacted = whole.slice(from, to) === part.text
      ? applyEdits(whole, edits, from, to)
      : redactValue(again, part.text)
    return altered(part, { text: redacted }, again)
  }

  return {
    response: {
      ...response,
      content,
      text: applyEdits(text, textEdits),
      reasoning: Option.map(response.reasoning, () => applyEdits(reasoning, reasoningEdits)),
      toolCalls: response.toolCalls.map((part) => toolCalls.get(part.id) ?? part),
      message: {
        ...message,
        content: parts === undefined ? applyEdits(text, textEdits) : parts.map(redactPart)
      }
    },
    value: redactedValue,
    isStale: redactedValue !== value
  }
}
