/** Base64 of media, by the runtime's own encoder where there is one: Node, Bun and Deno have `Buffer`. */
import * as Encoding from "effect/Encoding"

interface NativeBuffer {
  readonly from: (
    bytes: ArrayBufferLike,
    offset: number,
    length: number
  ) => { readonly toString: (encoding: "base64") => string }
}

// The global is not there in browsers; where it is, this is of it what is used.
const native = (globalThis as { readonly Buffer?: NativeBuffer }).Buffer

export const encode = (bytes: Uint8Array): string =>
  native === undefined
    ? Encoding.encodeBase64(bytes)
    : native.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64")
