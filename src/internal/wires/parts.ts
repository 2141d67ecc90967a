/** Media, tool calls and tool results as wires carry them. */
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import {
  type FilePart,
  type ImagePart,
  type Media,
  type SystemMessage,
  textsOf,
  type ToolCallPart,
  type ToolResultPart
} from "../../Prompt.ts"
import * as base64 from "../bytes/base64.ts"
import { ofMedia } from "../bytes/mediaTypes.ts"
import type { Call } from "../call/driver.ts"
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

/** What the caller says it is, or what it turns out to be. A file's type is always said. */
export const mediaTypeOf = (part: ImagePart | FilePart): string | undefined => part.mediaType ?? ofMedia(part.media)

/** The type of content that is sent; one that nobody can tell is refused, not guessed. */
export const sentTypeOf = (part: ImagePart | FilePart, call: Call): string =>
  mediaTypeOf(part) ?? call.invalid(
    "InvalidPrompt",
    "the type of a picture cannot be told from its content; say its mediaType",
    "mediaType"
  )

/** An address, or the content as a `data:` URL. */
export const toUrl = (media: Media, mediaType: string): string =>
  media.type === "url" ? media.url : `data:${mediaType};base64,${toBase64(media)}`

/** The same for a picture. */
export const pictureUrl = (part: ImagePart | FilePart, call: Call): string =>
  part.media.type === "url" ? part.media.url : toUrl(part.media, sentTypeOf(part, call))

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
