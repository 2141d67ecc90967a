/** Headers on their way through: what belongs to one connection stays there, and what is the gateway's own is taken out. */
import type { IncomingMessage } from "node:http"
import { toHeaderCase } from "../../Metadata.ts"
import * as token from "./token.ts"

/** Of one connection. Source: RFC 9110, 7.6.1. */
const hopByHop: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade"
])

/** What the next request has of its own, and what tells a provider about the client's network. */
const notForwarded: ReadonlySet<string> = new Set([
  "host",
  "expect",
  "accept-encoding",
  "content-length",
  "forwarded",
  "via",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-port",
  "x-forwarded-proto",
  "x-real-ip",
  "cookie",
  "origin",
  "referer"
])

const trace: ReadonlySet<string> = new Set(["traceparent", "tracestate", "baggage"])

/** Headers in which a client may send its key. */
export const credentialHeaders = ["authorization", "x-api-key", "x-goog-api-key", "api-key"] as const

const own = "x-majordomo-" as const

/** Headers of the gateway that are no labels. */
const reserved: ReadonlySet<string> = new Set([
  "key",
  "provider",
  "provider-alias",
  "model",
  "client",
  "trace-id",
  "span-path",
  "span-name",
  "bedrock-region",
  "degraded"
])

type Values = string | ReadonlyArray<string> | undefined

const named = (connection: Values): ReadonlySet<string> | undefined => {
  // What nearly every connection says names nothing that is not of it anyhow.
  if (connection === undefined || connection === "keep-alive" || connection === "close") return undefined
  const text = typeof connection === "string" ? connection : connection.join(",")
  return new Set(text.toLowerCase().split(",").map((name) => name.trim()))
}

/** The value of one of the gateway's own headers, named in lower case. */
export const ownHeader = (request: IncomingMessage, name: `${typeof own}${string}`): string | undefined => {
  const value = request.headers[name]
  return typeof value === "string" && value.trim() !== "" ? value.trim() : undefined
}

const titles = new Map<string, string>()

/** A label's name in header case; those that come again and again are at hand. */
const titleOf = (label: string): string => {
  const known = titles.get(label)
  if (known !== undefined) return known
  const title = toHeaderCase(label)
  if (titles.size < 1000) titles.set(label, title)
  return title
}

/** The labels of a request, in header case. */
export const labelsOf = (request: IncomingMessage): Record<string, string> => {
  const labels: Record<string, string> = {}
  for (const name in request.headers) {
    if (!name.startsWith(own)) continue
    const label = name.slice(own.length)
    const value = request.headers[name]
    if (label === "" || reserved.has(label) || value === undefined) continue
    labels[titleOf(label)] = typeof value === "string" ? value : value.join(", ")
  }
  return labels
}

/** What is to be known of a header by its name. */
interface Kind {
  /** In lower case. */
  readonly name: string
  /** It ends here, whatever else there is to say. */
  readonly ends: boolean
  readonly isTrace: boolean
  readonly isCredential: boolean
  /** Of a signature for AWS. */
  readonly isAmazon: boolean
}

const kinds = new Map<string, Kind>()

/** Of a name as it was written; the same names come again and again. */
const kindOf = (written: string): Kind => {
  const known = kinds.get(written)
  if (known !== undefined) return known
  const name = written.toLowerCase()
  const kind: Kind = {
    name,
    ends: hopByHop.has(name) || notForwarded.has(name) || name.startsWith(own),
    isTrace: trace.has(name),
    isCredential: (credentialHeaders as ReadonlyArray<string>).includes(name),
    isAmazon: name.startsWith("x-amz-")
  }
  if (kinds.size < 1000) kinds.set(written, kind)
  return kind
}

/** The headers of a client's request that go on, as names and values in turn, as they were written. */
export const outgoing = (
  request: IncomingMessage,
  options: {
    readonly withoutCredentials: boolean
    readonly traces: boolean
    readonly acceptEncoding: boolean
  }
): Array<string> => {
  const { rawHeaders } = request
  const connection = named(request.headers.connection)
  const headers: Array<string> = []
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const written = rawHeaders[i] ?? ""
    const value = rawHeaders[i + 1] ?? ""
    const { ends, isAmazon, isCredential, isTrace, name } = kindOf(written)
    if (ends && !(options.acceptEncoding && name === "accept-encoding")) continue
    if (connection?.has(name) === true || (isTrace && !options.traces)) continue
    if (isCredential && (options.withoutCredentials || token.isOurs(unwrapped(value)))) continue
    if (isAmazon && options.withoutCredentials) continue
    headers.push(written, value)
  }
  return headers
}

/** A key without the scheme before it. */
export const unwrapped = (value: string): string => {
  const space = value.indexOf(" ")
  return space < 0 ? value : value.slice(space + 1).trim()
}

/** The headers of an answer that go on to the client. */
export const returned = (
  headers: Readonly<Record<string, Values>>,
  withoutLength: boolean
): Record<string, string | Array<string>> => {
  const connection = named(headers["connection"])
  const kept: Record<string, string | Array<string>> = {}
  for (const name in headers) {
    const value = headers[name]
    if (value === undefined || hopByHop.has(name) || connection?.has(name) === true) continue
    if (withoutLength && name === "content-length") continue
    kept[name] = typeof value === "string" ? value : [...value]
  }
  return kept
}
