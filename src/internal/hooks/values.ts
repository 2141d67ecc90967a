/** Redaction of what is there as a whole: JSON values, prompts, and failures. Untouched things stay the same objects. */
import type { Options } from "../../LLM.ts"
import type { LLMError } from "../../LLMError.ts"
import * as Prompt from "../../Prompt.ts"
import { copyWith } from "../call/copyError.ts"
import { asJsonObject } from "../json/values.ts"
import { type Matches, Redactor, redactText, type Settings } from "./redactor.ts"

/** Strings, keys and numbers of a JSON value; a number that matches becomes a string. */
export const redactValue = <A extends Prompt.JsonValue>(settings: Settings, value: A, matches?: Matches): A =>
  // Strings stay strings and objects objects; a number that matched fits no type and is caught by decoding.
  walk(value, (text) => redactText(settings, text, "plain", matches)) as A

const walk = (value: Prompt.JsonValue, redact: (text: string) => string): Prompt.JsonValue => {
  if (typeof value === "string") return redact(value)
  if (typeof value === "number") {
    const text = String(value)
    const redacted = redact(text)
    return redacted === text ? value : redacted
  }
  if (typeof value !== "object" || value === null) return value
  if (isArray(value)) {
    const items = value.map((item) => walk(item, redact))
    return items.some((item, i) => item !== value[i]) ? items : value
  }
  let changed = false
  const fields = Object.entries(value).map(([key, field]): readonly [string, Prompt.JsonValue] => {
    const entry = [redact(key), walk(field, redact)] as const
    if (entry[0] !== key || entry[1] !== field) changed = true
    return entry
  })
  return changed ? Object.fromEntries(fields) : value
}

const isArray = (value: Prompt.JsonValue): value is ReadonlyArray<Prompt.JsonValue> => Array.isArray(value)

/**
 * Partial values of a stream. The last string may still grow: of it, only what is certain is shown, so that nothing that
 * was shown goes away again.
 */
export class PartialRedactor {
  private readonly settings: Settings
  /** What is complete is shared between snapshots. */
  private readonly known = new WeakMap<object, Prompt.JsonValue>()
  private last: { readonly value: Prompt.JsonValue; readonly shown: Prompt.JsonValue } | undefined = undefined

  constructor(settings: Settings) {
    this.settings = settings
  }

  push(value: Prompt.JsonValue): Prompt.JsonValue {
    const shown = this.redact(value)
    this.last = { value, shown }
    return shown
  }

  /** The last value with what was held back of it, if anything was. */
  end(): Prompt.JsonValue | undefined {
    if (this.last === undefined) return undefined
    const { shown, value } = this.last
    const whole = redactValue(this.settings, value)
    return JSON.stringify(whole) === JSON.stringify(shown) ? undefined : whole
  }

  private redact(value: Prompt.JsonValue): Prompt.JsonValue {
    if (typeof value === "string") return new Redactor(this.settings, "plain").push(value)
    if (typeof value !== "object" || value === null) return this.complete(value)
    if (isArray(value)) return value.map((item, i) => i === value.length - 1 ? this.redact(item) : this.complete(item))
    const fields = Object.entries(value)
    return Object.fromEntries(fields.map(([key, field], i) => [
      redactText(this.settings, key, "plain"),
      i === fields.length - 1 ? this.redact(field) : this.complete(field)
    ]))
  }

  private complete(value: Prompt.JsonValue): Prompt.JsonValue {
    const isObject = typeof value === "object" && value !== null
    const known = isObject ? this.known.get(value) : undefined
    if (known !== undefined) return known
    const redacted = redactValue(this.settings, value)
    if (isObject) this.known.set(value, redacted)
    return redacted
  }
}

// ── prompts ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Every text of a request: system, messages, tool calls and their results. Media is not looked into. */
export const redactRequest = <A extends Options>(settings: Settings, request: A, matches: Matches): A => {
  const text = (value: string) => redactText(settings, value, "plain", matches)
  const prompt = typeof request.prompt === "string"
    ? text(request.prompt)
    : request.prompt.map((message) => redactMessage(settings, message, matches))
  return { ...request, prompt, ...(request.system === undefined ? {} : { system: text(request.system) }) }
}

const redactMessage = (settings: Settings, message: Prompt.Message, matches: Matches): Prompt.Message => {
  const text = (value: string) => redactText(settings, value, "plain", matches)
  const textPart = (part: Prompt.TextPart) => altered(part, { text: text(part.text) })
  switch (message.role) {
    case "system":
      return typeof message.content === "string"
        ? Prompt.system(text(message.content))
        : { ...message, content: message.content.map(textPart) }
    case "user":
      return typeof message.content === "string"
        ? Prompt.user(text(message.content))
        : Prompt.user(message.content.map((part) => part.type === "text" ? textPart(part) : part))
    case "assistant":
      return typeof message.content === "string"
        ? Prompt.assistant(text(message.content))
        : Prompt.assistant(message.content.flatMap((part): ReadonlyArray<Prompt.AssistantPart> => {
          switch (part.type) {
            case "text":
              return [textPart(part)]
            case "reasoning":
              return [altered(part, { text: text(part.text) })]
            case "tool-call":
              return [redactCall(settings, part, redactArguments(settings, part, matches), matches)]
            case "provider":
              return redactValue(settings, part.value, matches) === part.value ? [part] : []
          }
        }))
    case "tool":
      return Prompt.tool(
        message.content.map((part) => ({ ...part, result: redactValue(settings, part.result, matches) }))
      )
  }
}

/** What only a provider understands: changed, it is nothing that the provider would take back. */
export const redactOwn = (settings: Settings, part: Prompt.ProviderPart): Prompt.ProviderPart => {
  const value = redactValue(settings, part.value)
  return value === part.value ? part : { ...part, wire: "redacted", value }
}

/** What stands beside a text: it speaks of the text as it was. */
interface Beside {
  readonly providerMetadata?: Prompt.ProviderMetadata | undefined
  readonly citations?: ReadonlyArray<Prompt.Citation> | undefined
}

/**
 * A part with other fields. What the provider keeps with a part vouches for what it said: it goes when that changes, or
 * when it has itself something to hide.
 */
export const altered = <P extends Beside>(part: P, fields: Partial<P>, settings?: Settings): P => {
  const isSame = Object.entries(fields).every(([name, value]) => part[name as keyof P] === value)
  const isClean = settings === undefined || [part.providerMetadata ?? {}, ...part.citations ?? []].every((beside) => {
    const value = asJsonObject(beside)
    return redactValue(settings, value) === value
  })
  if (isSame && isClean) return part
  const { citations: _cited, providerMetadata: _dropped, ...rest } = { ...part, ...fields }
  // The same part without a field that may be absent.
  return rest as P
}

const redactArguments = (settings: Settings, call: Prompt.ToolCallPart, matches: Matches): string | undefined =>
  call.rawArguments === undefined ? undefined : redactText(settings, call.rawArguments, "arguments", matches)

/** A call whose arguments, as text, have become `rawArguments`; what is in them was counted there. */
export const redactCall = (
  settings: Settings,
  call: Prompt.ToolCallPart,
  rawArguments: string | undefined,
  matches: Matches
): Prompt.ToolCallPart => {
  const counted = { ...settings, lenient: true }
  return altered(call, {
    // Arguments of a custom tool are the text itself.
    arguments: rawArguments === undefined
      ? redactValue(settings, call.arguments, matches)
      : call.arguments === call.rawArguments
      ? rawArguments
      : redactValue(counted, call.arguments),
    ...(rawArguments === undefined ? {} : { rawArguments })
  }, counted)
}

// ── failures ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** The texts of an answer that a failure carries; what blocks is redacted too. */
export const redactError = <E extends LLMError>(settings: Settings, error: E): E => {
  const lenient = { ...settings, lenient: true }
  const changes: Record<string, unknown> = {}
  const whole = { ...lenient, window: Infinity }
  for (const [name, value] of Object.entries(error)) {
    if (name === "partial" && typeof value === "string") {
      // The end of a broken text may be half of what is to be hidden.
      const shown = new Redactor(lenient, "answer").push(value)
      if (shown !== value) changes[name] = shown
    } else if (texts.has(name) && typeof value === "string") {
      const redacted = redactText(whole, redactText(whole, value, "answer"), "plain")
      if (redacted !== value) changes[name] = redacted
    } else if (name === "issues" && error._tag === "ResponseParsingError") {
      const issues = error.issues.map(({ message, path }) => ({
        path: path.map((step) => redactValue(whole, step)),
        message: redactText(whole, message, "plain")
      }))
      if (JSON.stringify(issues) !== JSON.stringify(error.issues)) changes[name] = issues
    }
  }
  if (Object.keys(changes).length === 0) return error
  // All of these may quote the text.
  return copyWith(error, {
    ...changes,
    stack: error.stack === undefined ? undefined : redactText(whole, error.stack, "plain"),
    ...("parseIssue" in error ? { parseIssue: undefined } : {}),
    ...("cause" in error ? { cause: undefined } : {})
  })
}

const texts: ReadonlySet<string> = new Set(["text", "reasoning", "candidate", "description", "body"])
