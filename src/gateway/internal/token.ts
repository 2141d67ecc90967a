/** Keys and tokens that the gateway gives out: a prefix, 256 random bits, a checksum that tells garbage from a key. */
import * as crypto from "node:crypto"
import { crc32 } from "../../internal/bytes/crc32.ts"

/** Of a key that calls models, and of a token that administers the gateway. */
export type Prefix = "mdm_sk_" | "mdm_at_"

const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
const randomLength = 43
const checksumLength = 6

const base62 = (value: bigint, length: number): string => {
  let text = ""
  for (let rest = value; text.length < length; rest /= 62n) text = (digits[Number(rest % 62n)] ?? "0") + text
  return text
}

const checksum = (text: string): string => base62(BigInt(crc32(Buffer.from(text))), checksumLength)

export const make = (prefix: Prefix): string => {
  const random = BigInt(`0x${crypto.randomBytes(32).toString("hex")}`)
  const text = prefix + base62(random, randomLength)
  return text + checksum(text)
}

/** Whether it looks like one of ours at all. */
export const isOurs = (text: string): boolean => text.startsWith("mdm_")

/** Whether it may be a key that was given out: anything else is refused without a lookup. */
export const isWellFormed = (text: string, prefix: Prefix): boolean => {
  if (text.length !== prefix.length + randomLength + checksumLength || !text.startsWith(prefix)) return false
  const at = text.length - checksumLength
  return text.slice(at) === checksum(text.slice(0, at))
}

/** What is stored: the SHA-256 of the whole text, in hex. 256 random bits need no salt. */
export const hashOf = (text: string): string =>
  // Newer versions of Node have a shorter way, at a third of the time.
  typeof crypto.hash === "function"
    ? crypto.hash("sha256", text, "hex")
    : crypto.createHash("sha256").update(text).digest("hex")

/** What may be shown of it. */
export const shownOf = (text: string): string => text.slice(0, 12)
