/** SHA-256 in hex, wherever there is Web Crypto. Fails in a browser outside a secure context. */
import * as Encoding from "effect/Encoding"

const encoder = new TextEncoder()

/** The first `bytes` of the digest. Default: all 32. */
export const sha256 = async (text: string, bytes = 32): Promise<string> =>
  Encoding.encodeHex(new Uint8Array(await globalThis.crypto.subtle.digest("SHA-256", encoder.encode(text)), 0, bytes))
