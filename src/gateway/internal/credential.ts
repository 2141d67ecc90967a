/** Who asks, and with whose key at the provider: what a request says of both. */
import type { IncomingMessage } from "node:http"
import { formsOf, isSecretHeader, wordsOf } from "../../internal/http/secrets.ts"
import { credentialHeaders, ownHeader, unwrapped } from "./headers.ts"
import * as token from "./token.ts"
import type { Credential, Upstream } from "./upstreams.ts"

export interface Presented {
  /** The gateway's key, wherever it stands. */
  readonly key: string | undefined
  /** The client has a key of the provider with it. */
  readonly hasOwn: boolean
  /** The client has signed for AWS: for this address, which is not the one that counts. */
  readonly isSigned: boolean
  /** The query without a key of the gateway in it. */
  readonly query: string
  /** Keys of providers that the request carries. */
  readonly credentials: ReadonlyArray<string>
}

/** Reads the keys of a request. */
export const read = (request: IncomingMessage, query: string): Presented => {
  let key = ownHeader(request, "x-majordomo-key")
  if (key !== undefined) key = unwrapped(key)
  let isSigned = false
  const credentials: Array<string> = []
  for (const name of credentialHeaders) {
    const value = request.headers[name]
    if (typeof value !== "string" || value === "") continue
    const word = unwrapped(value)
    if (token.isOurs(word)) key ??= word
    else if (value.startsWith("AWS4-HMAC-SHA256")) isSigned = true
    else if (word !== "") credentials.push(word)
  }
  if (!query.includes("key=")) return { key, hasOwn: credentials.length > 0, isSigned, query, credentials }
  const parameters = new URLSearchParams(query)
  const given = parameters.get("key")
  if (given === null || given === "") return { key, hasOwn: credentials.length > 0, isSigned, query, credentials }
  if (!token.isOurs(given)) {
    return { key, hasOwn: true, isSigned, query, credentials: [...credentials, given] }
  }
  parameters.delete("key")
  const rest = parameters.toString()
  return {
    key: key ?? given,
    hasOwn: credentials.length > 0,
    isSigned,
    query: rest === "" ? "" : `?${rest}`,
    credentials
  }
}

/** How the vendors' keys begin. Source: the vendors' pages, 2026-11. */
const shapes: ReadonlyArray<readonly [prefix: string, provider: string]> = [
  ["sk-ant-", "anthropic"],
  ["sk-or-", "openrouter"],
  ["sk-proj-", "openai"],
  ["sk-svcacct-", "openai"],
  ["gsk_", "groq"],
  ["AIza", "gemini"],
  ["xai-", "xai"],
  ["pplx-", "perplexity"],
  ["csk-", "cerebras"],
  ["fw_", "fireworks"],
  ["ABSK", "bedrock"]
]

/** Whose key it is, as it looks, when it is not one for this provider. Providers of the operator's own take any. */
export const belongsElsewhere = (
  { credentials }: Presented,
  upstream: Upstream
): string | undefined => {
  if (upstream.isCustom) return undefined
  for (const credential of credentials) {
    const shape = shapes.find(([prefix]) => credential.startsWith(prefix))
    if (shape !== undefined && !upstream.provider.startsWith(shape[1])) return shape[1]
  }
  return undefined
}

/** The header in which a provider takes its key. */
export const headerOf = (credential: Credential, secret: string): readonly [string, string] =>
  credential === "bearer" ? ["authorization", `Bearer ${secret}`] : [credential, secret]

/** Every form in which the secrets of a request could come back in a text. */
export const secretsOf = (request: IncomingMessage, { credentials, key }: Presented): ReadonlyArray<string> => {
  const words = [...credentials]
  if (key !== undefined) words.push(key)
  for (const name in request.headers) {
    const value = request.headers[name]
    if (!isSecretHeader(name) || value === undefined) continue
    words.push(...wordsOf(typeof value === "string" ? value : value.join(" ")))
  }
  return formsOf(words)
}
