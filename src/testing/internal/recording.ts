/** A request and its answer as they are kept in a file: readable, and without secrets. */
import * as Headers from "@effect/platform/Headers"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { sha256 } from "../../internal/bytes/sha256.ts"
import { secretHeaders } from "../../internal/http/client.ts"
import { formsOf, isSecretHeader, isSecretQuery, redacted, scrub, wordsOf } from "../../internal/http/secrets.ts"
import { parse } from "../../internal/json/values.ts"
import { canonicalJson } from "../../Output.ts"
import { JsonValue } from "../../Prompt.ts"

const Fields = Schema.Record({ key: Schema.String, value: Schema.String })

/** A piece of the body as it came: text where it is UTF-8, else base64. */
const Piece = Schema.Union(Schema.Struct({ text: Schema.String }), Schema.Struct({ base64: Schema.String }))

export const Recording = Schema.Struct({
  version: Schema.Literal(1),
  request: Schema.Struct({
    method: Schema.String,
    url: Schema.String,
    headers: Fields,
    body: Schema.optional(JsonValue)
  }),
  response: Schema.Struct({ status: Schema.Number, headers: Fields, chunks: Schema.Array(Piece) })
})

export type Recording = typeof Recording.Type

export const Text = Schema.parseJson(Recording, { space: 2 })

/** A request's key in a file name, what of it is stored, and how its secrets are taken out of the answer. */
export interface Described {
  /** The path's last words and a hash of method, path and body. */
  readonly key: string
  readonly request: Recording["request"]
  readonly secrets: ReadonlyArray<string>
}

export const describe = (
  request: HttpClientRequest.HttpClientRequest,
  url: URL,
  more: ReadonlyArray<string>
): Effect.Effect<Described> => {
  const secrets = secretsOf(request.headers, url, more)
  const body = bodyOf(request, secrets)
  const path = scrub(url.pathname, secrets)
  return Effect.map(
    hash([request.method, path, body === undefined ? "" : canonicalJson(body)].join("\n")),
    (digest) => ({
      key: [...path.split("/").slice(-2), digest].map((word) => word.replace(/[^a-zA-Z0-9.-]+/g, "_").slice(-40))
        .filter((word) => word !== "").join("-"),
      secrets,
      request: {
        method: request.method,
        url: redactUrl(url, secrets),
        headers: publicHeaders(request.headers, secrets, isSecretRequestHeader(more)),
        ...(body === undefined ? {} : { body })
      }
    })
  )
}

/** JSON as JSON, other text as text; a body that cannot be read twice has none. */
const bodyOf = (
  request: HttpClientRequest.HttpClientRequest,
  secrets: ReadonlyArray<string>
): JsonValue | undefined => {
  const { body } = request
  const raw = body._tag === "Uint8Array" || body._tag === "Raw" ? body.body : undefined
  const text = raw instanceof Uint8Array ? new TextDecoder().decode(raw) : typeof raw === "string" ? raw : undefined
  if (text === undefined) return undefined
  const clean = scrub(text, secrets)
  return parse(clean) ?? clean
}

const hash = (text: string): Effect.Effect<string> => Effect.promise(() => sha256(text, 8))

// ── secrets ─────────────────────────────────────────────────────────────────────────────────────────────────────────

const isSecretRequestHeader = (more: ReadonlyArray<string>) => (name: string): boolean =>
  secretHeaders.includes(name) || more.includes(name) || isSecretHeader(name)

const isSecretResponseHeader = (name: string): boolean => secretHeaders.includes(name)

const secretsOf = (headers: Headers.Headers, url: URL, more: ReadonlyArray<string>): ReadonlyArray<string> => {
  const isSecret = isSecretRequestHeader(more)
  const values = [
    ...Object.entries(headers).filter(([name]) => isSecret(name)).flatMap(([, value]) => wordsOf(value)),
    ...[...url.searchParams].filter(([name]) => isSecretQuery(name)).map(([, value]) => value),
    url.username,
    url.password
  ]
  return formsOf(values.flatMap((value) => [value, value.slice(value.indexOf("=") + 1)]))
}

const redactUrl = (url: URL, secrets: ReadonlyArray<string>): string => {
  const clean = new URL(url)
  clean.username = ""
  clean.password = ""
  for (const name of url.searchParams.keys()) {
    if (isSecretQuery(name)) clean.searchParams.set(name, "redacted")
  }
  return scrub(clean.toString(), secrets)
}

const publicHeaders = (
  headers: Headers.Headers,
  secrets: ReadonlyArray<string>,
  isSecret: (name: string) => boolean
): Record<string, string> =>
  Object.fromEntries(
    Object.entries(headers).filter(([name]) => !isSecret(name)).map(([name, value]) => [name, scrub(value, secrets)])
  )

// ── answers ─────────────────────────────────────────────────────────────────────────────────────────────────────────

export const toRecording = (
  { request, secrets }: Described,
  response: {
    readonly status: number
    readonly headers: Headers.Headers
    readonly chunks: ReadonlyArray<Uint8Array>
  }
): Recording => ({
  version: 1,
  request,
  response: {
    status: response.status,
    headers: publicHeaders(response.headers, secrets, isSecretResponseHeader),
    chunks: scrubChunks(response.chunks, secrets).map(toPiece)
  }
})

const toPiece = (bytes: Uint8Array): typeof Piece.Type => {
  try {
    return { text: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes) }
  } catch {
    return { base64: globalThis.btoa(toBinary(bytes)) }
  }
}

export const toBytes = (piece: typeof Piece.Type): Uint8Array =>
  "text" in piece ? new TextEncoder().encode(piece.text) : fromBinary(globalThis.atob(piece.base64))

export const toHeaders = (fields: typeof Fields.Type): Headers.Headers => Headers.fromInput(fields)

/** Secrets are looked for in the body as a whole: a chunk may end in the middle of one. */
const scrubChunks = (chunks: ReadonlyArray<Uint8Array>, secrets: ReadonlyArray<string>): ReadonlyArray<Uint8Array> => {
  const texts = chunks.map(toBinary)
  const body = texts.join("")
  const marks = secrets.map((secret) => toBinary(new TextEncoder().encode(secret)))
  if (!marks.some((mark) => body.includes(mark))) return chunks
  let start = 0
  let at = 0
  return texts.map((text) => {
    const end = start + text.length
    start = end
    let clean = ""
    while (at < end) {
      const mark = marks.find((mark) => body.startsWith(mark, at))
      clean += mark === undefined ? body[at] : redacted
      at += mark?.length ?? 1
    }
    return fromBinary(clean)
  })
}

// One character a byte.
const toBinary = (bytes: Uint8Array): string => {
  let text = ""
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192))
  return text
}

const fromBinary = (text: string): Uint8Array => Uint8Array.from(text, (character) => character.charCodeAt(0))
