/**
 * Sealing of the providers' keys at rest: AES-256-GCM under `MAJORDOMO_ENCRYPTION_KEY`. What a seal is for (provider and
 * id) is bound to it, so that a row copied over another does not open.
 */
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import { createCipheriv, createDecipheriv, createHash, randomBytes } from "node:crypto"

export interface Keyring {
  readonly seal: (secret: Redacted.Redacted, purpose: string) => string
  /** Left: why it does not open. */
  readonly open: (sealed: string, purpose: string) => Either.Either<Redacted.Redacted, string>
  /** Whether it is sealed under the first key, which seals. */
  readonly isCurrent: (sealed: string) => boolean
}

interface Key {
  readonly id: string
  readonly bytes: Buffer
}

const version = "v1"
const algorithm = "aes-256-gcm"
const tagLength = 16

/** Several keys, with commas between: the first seals, all of them open. Left: what is wrong with them. */
export const parse = (text: Redacted.Redacted): Either.Either<Keyring, string> => {
  const keys: Array<Key> = []
  for (const part of Redacted.value(text).split(",")) {
    const bytes = bytesOf(part.trim())
    if (bytes === undefined) {
      return Either.left("it is 32 bytes in hex or base64, several with commas between: openssl rand -hex 32 makes one")
    }
    keys.push({ id: createHash("sha256").update(bytes).digest("hex").slice(0, 8), bytes })
  }
  const [first] = keys
  if (first === undefined) return Either.left("it is empty")
  return Either.right({
    seal: (secret, purpose) => {
      const iv = randomBytes(12)
      const cipher = createCipheriv(algorithm, first.bytes, iv).setAAD(Buffer.from(purpose))
      const sealed = Buffer.concat([cipher.update(Redacted.value(secret), "utf8"), cipher.final(), cipher.getAuthTag()])
      return [version, first.id, iv.toString("base64url"), sealed.toString("base64url")].join(".")
    },
    open: (text, purpose) => {
      const [given, id, iv = "", sealed = ""] = text.split(".")
      const key = keys.find((known) => known.id === id)
      if (given !== version) return Either.left("it was sealed by a later version")
      if (key === undefined) return Either.left(`it was sealed under another encryption key (${String(id)})`)
      try {
        const bytes = Buffer.from(sealed, "base64url")
        const decipher = createDecipheriv(algorithm, key.bytes, Buffer.from(iv, "base64url"), {
          authTagLength: tagLength
        })
        decipher.setAAD(Buffer.from(purpose)).setAuthTag(bytes.subarray(bytes.length - tagLength))
        const opened = Buffer.concat([decipher.update(bytes.subarray(0, bytes.length - tagLength)), decipher.final()])
        return Either.right(Redacted.make(opened.toString("utf8")))
      } catch {
        return Either.left("it has been changed since it was sealed, or belongs to another provider")
      }
    },
    isCurrent: (text) => text.split(".")[1] === first.id
  })
}

const bytesOf = (text: string): Buffer | undefined => {
  const bytes = /^[0-9a-f]{64}$/i.test(text) ? Buffer.from(text, "hex") : Buffer.from(text, "base64")
  return bytes.length === 32 ? bytes : undefined
}
