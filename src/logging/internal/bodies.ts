/** What was asked and answered, as JSON to be stored. */
import * as Encoding from "effect/Encoding"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { secretHeaders } from "../../internal/http/client.ts"
import * as headers from "../../internal/http/headers.ts"
import { isSecretHeader, redacted } from "../../internal/http/secrets.ts"
import type { CallEnd } from "../../LLM.ts"
import type { Metadata } from "../../Metadata.ts"
import type { Response } from "../../Response.ts"
import type { Bodies } from "../BodyStore.ts"

export interface Parts {
  readonly requestId: string
  readonly labels: Metadata
  readonly end: CallEnd
  readonly scrub: (text: string) => string
  readonly maxBytes: number
}

export const make = (parts: Parts): Bodies => {
  const { end, maxBytes, scrub } = parts
  const answer = Option.match(end.response, { onNone: () => failureOf(end), onSome: answerOf })
  return {
    requestId: parts.requestId,
    request: capped(scrub(stringify(askedOf(parts))), maxBytes),
    response: answer === undefined ? undefined : capped(scrub(stringify(answer)), maxBytes)
  }
}

const askedOf = ({ end: { request }, labels }: Parts) => {
  const { extraHeaders, output, tools, ...rest } = request
  return {
    ...rest,
    metadata: labels,
    tools: tools?.map(({ description, name, parameters }) => ({ name, description, parameters })),
    extraHeaders: extraHeaders === undefined ? undefined : printable(headers.lowerCased(extraHeaders)),
    output: output.format
  }
}

const printable = (sent: headers.HeaderMap): headers.HeaderMap =>
  Object.fromEntries(
    Object.entries(sent).map((
      [name, value]
    ) => [name, secretHeaders.includes(name) || isSecretHeader(name) ? redacted : value])
  )

const answerOf = (response: Response<unknown>) => ({
  id: Option.getOrUndefined(response.id),
  requestId: response.requestId,
  provider: response.provider,
  model: response.model,
  message: response.message,
  text: response.text,
  finishReason: response.finishReason,
  rawFinishReason: Option.getOrUndefined(response.rawFinishReason),
  usage: response.usage,
  cost: Option.getOrUndefined(Option.map(response.cost, ({ exact: _, ...cost }) => cost)),
  warnings: response.warnings
})

/** What came of an answer that is none. */
const failureOf = (end: CallEnd) => {
  const error = Option.getOrUndefined(end.error)
  if (error === undefined) return Option.getOrUndefined(Option.map(end.partialText, (partial) => ({ partial })))
  return {
    error: error._tag,
    message: error.message,
    body: "body" in error ? error.body : undefined,
    text: "text" in error ? error.text : "partial" in error ? error.partial : undefined
  }
}

// Bytes as arrays of numbers would be ten times as long; a bigint has no JSON.
const stringify = (value: unknown): string =>
  JSON.stringify(value, (_, field: unknown) =>
    field instanceof Uint8Array
      ? { base64: Encoding.encodeBase64(field) }
      : typeof field === "bigint"
      ? field.toString()
      : Redacted.isRedacted(field)
      ? redacted
      : field)

/** A body that is too long is cut, and says so. */
export const capped = (text: string, maxBytes: number): string =>
  text.length <= maxBytes ? text
    : JSON.stringify({ truncated: true, length: text.length, start: text.slice(0, maxBytes) })

const nodesLooked = 2000

/** About how many bytes a value holds, without writing it out. */
export const weigh = (value: unknown): number => {
  const open: Array<unknown> = [value]
  let bytes = 0
  for (let looked = 0; open.length > 0 && looked < nodesLooked; looked++) {
    const next = open.pop()
    if (typeof next === "string") bytes += next.length
    else if (next instanceof Uint8Array) bytes += next.length
    else if (typeof next === "object" && next !== null) { for (const field of Object.values(next)) open.push(field) }
  }
  return bytes
}
