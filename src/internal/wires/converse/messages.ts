/** A conversation as Converse takes it: turns, and what is in them. */
import type { FilePart, ImagePart, JsonObject, Message, TextPart, ToolResultPart } from "../../../Prompt.ts"
import type { Call } from "../../call/driver.ts"
import type { Loose } from "../../json/values.ts"
import * as capabilities from "../../models/capabilities.ts"
import { isOwn, metadataOf } from "../metadata.ts"
import * as parts from "../parts.ts"

/** Name of the wire in metadata. */
export const name = "converse"

export const cachePoint = (ttl: "5m" | "1h"): Loose => ({
  cachePoint: { type: "default", ...(ttl === "1h" ? { ttl } : {}) }
})

/** Turns must alternate: tool results are the user's, and neighbours of one role are joined. */
export const lowerMessages = (call: Call): ReadonlyArray<Loose> => {
  const turns: Array<{ readonly role: "user" | "assistant"; readonly content: Array<Loose> }> = []
  let files = 0
  const nameOf = (filename: string | undefined) => documentName(filename, ++files)
  for (const message of call.messages) {
    if (message.role === "system") continue
    const role = message.role === "assistant" ? "assistant" : "user"
    const content = lowerContent(message, call, nameOf)
    if (content.length === 0) continue
    const last = turns[turns.length - 1]
    if (last?.role === role) last.content.push(...content)
    else turns.push({ role, content: [...content] })
  }
  return turns
}

type NameOf = (filename: string | undefined) => string

/** Names of documents must be unique and plain. */
const documentName: (filename: string | undefined, number: number) => string = (filename, number) => {
  const plain = (filename ?? "").replace(/\.[a-zA-Z0-9]+$/, "").replace(/[^a-zA-Z0-9 ()[\]-]+/g, "-")
    .replace(/ {2,}/g, " ").trim()
  return `${plain === "" ? "document" : plain.slice(0, 180)} ${number}`
}

const lowerContent = (
  message: Exclude<Message, { role: "system" }>,
  call: Call,
  nameOf: NameOf
): ReadonlyArray<Loose> => {
  if (typeof message.content === "string") return lowerText(message.content)
  return message.content.flatMap((part): ReadonlyArray<Loose> => {
    const cached = "cache" in part && part.cache !== undefined ? [cachePoint(part.cache)] : []
    switch (part.type) {
      case "text":
        return [...lowerCited(part), ...cached]
      case "image":
      case "file":
        return [lowerMedia(part, call, nameOf), ...cached]
      case "reasoning":
        return lowerReasoningContent(part.text, metadataOf(part, name), call)
      case "tool-call":
        return [
          { toolUse: { toolUseId: toolId(part.id), name: part.name, input: parts.writtenArguments(part) } },
          ...cached
        ]
      case "tool-result":
        return [lowerToolResult(part, call, nameOf), ...cached]
      case "provider":
        return isOwn(part, name, call.provider) ? [part.value] : []
    }
  })
}

// Blank text is rejected.
const lowerText = (text: string): ReadonlyArray<Loose> => text.trim() === "" ? [] : [{ text }]

/** What an answer of this wire has cited goes back as it came. */
const lowerCited = (part: TextPart): ReadonlyArray<Loose> => {
  const citations = metadataOf(part, name)?.["citations"]
  return Array.isArray(citations) && part.text.trim() !== ""
    ? [{ citationsContent: { content: [{ text: part.text }], citations } }]
    : lowerText(part.text)
}

// Ids that other providers made may have characters this wire rejects.
const toolId = (id: string): string => id.replace(/[^a-zA-Z0-9_-]/g, "_").slice(-64)

const lowerToolResult = (part: ToolResultPart, call: Call, nameOf: NameOf): Loose => {
  const text = parts.resultText(part)
  return {
    toolResult: {
      toolUseId: toolId(part.id),
      content: [
        { text: text === "" ? "(no output)" : text },
        ...(part.media ?? []).map((item) => lowerMedia(item, call, nameOf))
      ],
      ...(part.isError === true ? { status: "error" } : {})
    }
  }
}

/** Only a Claude reads its thoughts again, and only with their signature. */
const lowerReasoningContent = (text: string, own: JsonObject | undefined, call: Call): ReadonlyArray<Loose> => {
  if (own === undefined || capabilities.claudeName(call.model) === undefined) return []
  const { redacted, signature } = own
  if (redacted !== undefined) return [{ reasoningContent: { redactedContent: redacted } }]
  return signature === undefined ? [] : [{ reasoningContent: { reasoningText: { text, signature } } }]
}

const imageFormats = ["png", "jpeg", "gif", "webp"]
const videoFormats: Readonly<Record<string, string>> = {
  "video/mp4": "mp4",
  "video/quicktime": "mov",
  "video/x-matroska": "mkv",
  "video/webm": "webm",
  "video/x-flv": "flv",
  "video/mpeg": "mpeg",
  "video/x-ms-wmv": "wmv",
  "video/3gpp": "three_gp"
}
const documentFormats: Readonly<Record<string, string>> = {
  "application/pdf": "pdf",
  "text/csv": "csv",
  "application/msword": "doc",
  "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
  "application/vnd.ms-excel": "xls",
  "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
  "text/html": "html",
  "text/plain": "txt",
  "text/markdown": "md"
}

const lowerMedia = (part: ImagePart | FilePart, call: Call, nameOf: NameOf): Loose => {
  const mediaType = parts.sentTypeOf(part, call)
  const source = lowerSource(part.media, mediaType, call)
  if (mediaType.startsWith("image/")) {
    const format = mediaType.slice("image/".length).replace("jpg", "jpeg")
    return imageFormats.includes(format)
      ? { image: { format, source } }
      : call.unsupported(`a picture of type ${mediaType}`)
  }
  const video = videoFormats[mediaType]
  if (video !== undefined) return { video: { format: video, source } }
  const document = documentFormats[mediaType] ?? (mediaType.startsWith("text/") ? "txt" : undefined)
  if (document === undefined) return call.unsupported(`a file of type ${mediaType}`)
  const filename = part.type === "file" ? part.filename : undefined
  return { document: { format: document, name: nameOf(filename), source } }
}

const lowerSource = (media: Parameters<typeof parts.toUrl>[0], mediaType: string, call: Call): Loose => {
  if (media.type !== "url") return { bytes: parts.toBase64(media) }
  return media.url.startsWith("s3://")
    ? { s3Location: { uri: media.url } }
    : call.unsupported(`media by URL other than s3: (${mediaType})`)
}
