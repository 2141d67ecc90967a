/** What media is, by its first bytes, then by the ending of its address or name. Nothing where neither says. */
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import type { Media } from "../../Prompt.ts"

type Signature = readonly [mediaType: string, offset: number, bytes: string | ReadonlyArray<number>]

// Source: mimesniff.spec.whatwg.org and the formats' own specifications, 2026-11. The first that fits counts.
const signatures: ReadonlyArray<Signature> = [
  ["image/png", 0, [0x89, 0x50, 0x4e, 0x47]],
  ["image/jpeg", 0, [0xff, 0xd8, 0xff]],
  ["image/gif", 0, "GIF8"],
  ["image/webp", 8, "WEBP"],
  ["audio/wav", 8, "WAVE"],
  ["audio/mpeg", 0, "ID3"],
  ["audio/mpeg", 0, [0xff, 0xfb]],
  ["audio/mpeg", 0, [0xff, 0xfa]],
  ["audio/mpeg", 0, [0xff, 0xf3]],
  ["audio/mpeg", 0, [0xff, 0xf2]],
  ["audio/ogg", 0, "OggS"],
  ["audio/flac", 0, "fLaC"],
  ["application/pdf", 0, "%PDF-"],
  ["image/avif", 4, "ftypavif"],
  ["image/heic", 4, "ftypheic"],
  ["image/heic", 4, "ftypheix"],
  ["audio/mp4", 4, "ftypM4A"],
  ["video/quicktime", 4, "ftypqt"],
  ["video/mp4", 4, "ftyp"],
  ["video/webm", 0, [0x1a, 0x45, 0xdf, 0xa3]]
]

const endings: Readonly<Record<string, string>> = {
  png: "image/png",
  jpg: "image/jpeg",
  jpeg: "image/jpeg",
  gif: "image/gif",
  webp: "image/webp",
  avif: "image/avif",
  heic: "image/heic",
  bmp: "image/bmp",
  wav: "audio/wav",
  mp3: "audio/mpeg",
  ogg: "audio/ogg",
  flac: "audio/flac",
  m4a: "audio/mp4",
  mp4: "video/mp4",
  mov: "video/quicktime",
  webm: "video/webm",
  pdf: "application/pdf",
  json: "application/json",
  txt: "text/plain",
  md: "text/markdown",
  csv: "text/csv",
  html: "text/html",
  htm: "text/html",
  doc: "application/msword",
  docx: "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
  xls: "application/vnd.ms-excel",
  xlsx: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
}

/** The media type of the content, or what its address ends in. */
export const ofMedia = (media: Media): string | undefined => {
  switch (media.type) {
    case "bytes":
      return ofBytes(media.bytes)
    case "base64":
      // 16 characters are 12 bytes; the padding of a shorter text stays.
      return Either.match(Encoding.decodeBase64(media.base64.slice(0, 16)), {
        onLeft: () => undefined,
        onRight: ofBytes
      })
    case "url":
      return ofName(URL.canParse(media.url) ? new URL(media.url).pathname : media.url)
  }
}

const ofBytes = (bytes: Uint8Array): string | undefined =>
  signatures.find(([, offset, start]) => {
    for (let i = 0; i < start.length; i++) {
      if (bytes[offset + i] !== (typeof start === "string" ? start.charCodeAt(i) : start[i])) return false
    }
    return true
  })?.[0]

/** What a file of this name is. */
export const ofName = (name: string | undefined): string | undefined => {
  const dot = name?.lastIndexOf(".") ?? -1
  const ending = name === undefined || dot < 0 ? "" : name.slice(dot + 1).toLowerCase()
  return Object.hasOwn(endings, ending) ? endings[ending] : undefined
}
