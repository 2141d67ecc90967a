/** JSON of a conversation without the bytes of its media, which nobody reads there. */
import { isObject } from "./values.ts"

export const withoutMedia = (value: unknown): string =>
  JSON.stringify(value, (_, part: unknown) => {
    if (!isObject(part)) return part
    if (part["type"] === "bytes" && part["bytes"] instanceof Uint8Array) {
      return { type: "bytes", size: part["bytes"].length }
    }
    return part["type"] === "base64" && typeof part["base64"] === "string"
      ? { type: "base64", size: part["base64"].length }
      : part
  })
