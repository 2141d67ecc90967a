/** Streams of Chat Completions tell their usage only when asked: the request is made to ask. */
import type { Scanned } from "./scan.ts"

export interface Asking {
  readonly body: Buffer
  /** The client had not asked: what tells the usage is for the gateway alone. */
  readonly isOurs: boolean
}

/** The body of a streaming request, changed in no other byte. */
export const asking = (body: Buffer, { fields, isEmpty, start }: Scanned): Asking => {
  const span = fields.get("stream_options")
  if (span === undefined) {
    const field = Buffer.from(`"stream_options":{"include_usage":true}${isEmpty ? "" : ","}`)
    return { body: Buffer.concat([body.subarray(0, start), field, body.subarray(start)]), isOurs: true }
  }
  const options = read(body.toString("utf8", span.start, span.end))
  // Whatever it is, the provider will say what is wrong with it.
  if (options === undefined || options["include_usage"] === true) return { body, isOurs: false }
  const asked = Buffer.from(JSON.stringify({ ...options, include_usage: true }))
  return { body: Buffer.concat([body.subarray(0, span.start), asked, body.subarray(span.end)]), isOurs: true }
}

const read = (text: string): Record<string, unknown> | undefined => {
  try {
    const value: unknown = JSON.parse(text)
    return value === null ? {} : typeof value === "object" && !Array.isArray(value) ? { ...value } : undefined
  } catch {
    return undefined
  }
}
