/** Media, tool calls and tool results as wires carry them. */
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import { type Media, type SystemMessage, textsOf, type ToolCallPart, type ToolResultPart } from "../../Prompt.ts"
import * as base64 from "../bytes/base64.ts"
import { asObject, isObject, type Loose, parse } from "../json/values.ts"

/** A picture stays in its conversation for many calls: it is encoded for the first one. */
const encoded = new WeakMap<Media, string>()

/** Base64 of media that is not an address. */
export const toBase64 = (media: Exclude<Media, { type: "url" }>): string => {
  if (media.type === "base64") return media.base64
  let text = encoded.get(media)
  if (text === undefined) encoded.set(media, text = base64.encode(media.bytes))
  return text
}

/** An address, or the content as a `data:` URL. */
export const toUrl = (media: Media, mediaType: string): string =>
  media.type === "url" ? media.url : `data:${mediaType};base64,${toBase64(media)}`

/** The content of a text file. */
export const toText = (media: Exclude<Media, { type: "url" }>): string =>
  media.type === "bytes"
    ? new TextDecoder().decode(media.bytes)
    : Either.getOrElse(Encoding.decodeBase64String(media.base64), () => media.base64)

/** A system message as one text. */
export const systemText = (message: SystemMessage): string => textsOf(message).map((part) => part.text).join("\n")

/** A tool's answer as text: strings as they are, anything else as JSON. */
export const resultText = (part: ToolResultPart): string =>
  typeof part.result === "string" ? part.result : JSON.stringify(part.result)

/** Chat Completions takes ids of 40 characters; other providers make longer ones. */
export const shortId = (id: string): string => id.length <= 40 ? id : id.slice(-40)

/** Arguments as the model wrote them, where that is known: what the program sees may have been unwrapped. */
export const writtenArguments = (part: ToolCallPart): Loose => {
  const written = part.rawArguments === undefined ? undefined : parse(part.rawArguments)
  return asObject(isObject(written) ? written : part.arguments)
}
