/** What a request may take, before it is sent: from the size of its body and the answer's limit, where it names one. */
import * as scanning from "../scan.ts"

/** Bytes of a token, roughly, in English. */
const tokenLength = 4
/** What a picture, a sound or a document may take, whose bytes say nothing of it. */
const mediaTokens = 1500
const mediaBytes = 4096
const quote = 0x22
const space = 0x20

const names: ReadonlySet<string> = new Set([
  "max_tokens",
  "max_completion_tokens",
  "max_output_tokens",
  "n",
  "generationConfig",
  "inferenceConfig"
])

export interface Tokens {
  readonly input: number
  readonly output: number
}

/** Base64 is a long text without a blank: it is found without looking at each byte. */
const withoutMedia = (body: Buffer): number => {
  if (body.length < mediaBytes) return body.length / tokenLength
  let bytes = body.length
  let media = 0
  let blank = -1
  for (let from = body.indexOf(quote); from >= 0;) {
    const to = body.indexOf(quote, from + 1)
    if (to < 0) break
    if (to - from > mediaBytes) {
      if (blank < from) blank = body.indexOf(space, from)
      if (blank < 0 || blank > to) {
        bytes -= to - from
        media++
      }
    }
    from = to
  }
  return bytes / tokenLength + media * mediaTokens
}

const numberIn = (value: unknown): number | undefined =>
  typeof value === "number" && Number.isSafeInteger(value) && value > 0 ? value : undefined

const parsed = (body: Buffer, span: scanning.Span | undefined): unknown => {
  if (span === undefined || span.end - span.start > mediaBytes) return undefined
  try {
    return JSON.parse(body.toString("utf8", span.start, span.end))
  } catch {
    return undefined
  }
}

const field = (value: unknown, name: string): unknown =>
  typeof value === "object" && value !== null && Object.hasOwn(value, name) ? Reflect.get(value, name) : undefined

const most = 10_000_000

export const tokensOf = (body: Buffer | undefined, bytesIn: number | undefined): Tokens => {
  if (body === undefined) return { input: Math.ceil((bytesIn ?? 0) / tokenLength), output: 0 }
  const input = Math.ceil(withoutMedia(body))
  const scanned = scanning.scan(body, names)
  if (scanned._tag !== "Object") return { input, output: 0 }
  const { fields } = scanned.value
  const of = (name: string) => numberIn(parsed(body, fields.get(name)))
  const nested = (name: string, inner: string) => numberIn(field(parsed(body, fields.get(name)), inner))
  const output = of("max_completion_tokens") ?? of("max_output_tokens") ?? of("max_tokens") ??
    nested("generationConfig", "maxOutputTokens") ?? nested("inferenceConfig", "maxTokens") ?? 0
  return { input, output: Math.min(most, output * (of("n") ?? 1)) }
}
