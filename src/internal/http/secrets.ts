/** Secrets in text: the forms in which a provider may quote them, and taking them out. */

export const redacted = "<redacted>"

/** Names of headers that say that their values are secrets, beside those that are known. */
export const secretHeaderName: RegExp =
  /(^|[-_])(key|token|secret|password|signature|credential|apikey)s?$|authorization|cookie/i
const queryName =
  /^(key|sig|auth|pwd|pass|code)$|(^|[-_.])(api[-_]?key|access[-_]?key|token|secret|passwd|password|signature|credential)s?$/i

/** Whether a header's value is a secret, as far as its name says. */
export const isSecretHeader = (name: string): boolean => {
  const known = judged.get(name)
  if (known !== undefined) return known
  const isSecret = secretHeaderName.test(name)
  if (judged.size < maxJudged) judged.set(name, isSecret)
  return isSecret
}

/** The same names come again and again. */
const judged = new Map<string, boolean>()
const maxJudged = 1000

/** Whether a parameter of a URL is a secret, as far as its name says. */
export const isSecretQuery = (name: string): boolean => queryName.test(name)

/** The same however it is written. */
const isPlain = /^[\w.~-]*$/

/** Every form of these words that would give a secret away, the longest first. */
export const formsOf = (words: Iterable<string>): ReadonlyArray<string> => {
  const found = new Set<string>()
  for (const word of words) {
    // Shorter words would shred ordinary text, and are no keys.
    if (word.length < 6 || /^(bearer|basic)$/i.test(word)) continue
    found.add(word)
    if (isPlain.test(word)) continue
    found.add(encodeURIComponent(word))
    found.add(JSON.stringify(word).slice(1, -1))
  }
  return [...found].sort((a, b) => b.length - a.length)
}

/** The words of a header's value, a scheme before the key included. */
export const wordsOf = (header: string): ReadonlyArray<string> => header.split(/[\s;,]+/)

export const scrub = (text: string, secrets: ReadonlyArray<string>): string =>
  secrets.reduce(
    (clean, secret) => clean.length < secret.length ? clean : clean.replaceAll(secret, redacted),
    text
  )
