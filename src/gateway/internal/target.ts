/**
 * From a request's method, path and headers to the provider it is for. Nothing here chooses an address: it chooses among
 * those that the operator has pinned, and the path that goes there cannot leave it.
 */
import type { WireName } from "../../internal/wires/wireName.ts"
import type { Upstream } from "./upstreams.ts"

/** How a client's library reads errors. */
export type Dialect = "openai" | "anthropic" | "gemini" | "cohere" | "bedrock"

export interface Target {
  readonly upstream: Upstream
  /** Path and query at the provider. */
  readonly path: string
  readonly query: string
  readonly dialect: Dialect
  /** The protocol of the answer; undefined where it has nothing to read, or nothing we know. */
  readonly wire: WireName | undefined
  /** The body is JSON whose fields `model` and `stream` count. */
  readonly readsBody: boolean
  /** The model, where the path names it. */
  readonly model: string | undefined
  /** The answer is a stream, where the path says so. */
  readonly streams: boolean
  /** The request says by its path or a header which provider it is for. */
  readonly isNamed: boolean
}

export type Found =
  | { readonly _tag: "Target"; readonly target: Target }
  | { readonly _tag: "Refused"; readonly status: 400 | 404; readonly dialect: Dialect; readonly message: string }

interface Asked {
  readonly method: string
  /** The request's target as it came. */
  readonly url: string
  /** `X-Majordomo-Provider`. */
  readonly provider: string | undefined
  /** The client speaks Anthropic's API, as its headers say. */
  readonly isAnthropic: boolean
}

const refused = (status: 400 | 404, dialect: Dialect, message: string): Found => ({
  _tag: "Refused",
  status,
  dialect,
  message
})

// Printable ASCII without the characters that parsers of addresses disagree about.
const plainTarget = /^\/[\x21\x24-\x3b\x3d\x3f-\x5b\x5d\x5f\x61-\x7a\x7c\x7e]*$/
const unsafePath = /\/\/|\/\.{1,2}(\/|$)|%(2e|5c|00|0d|0a)/i
const encodedSlash = /%2f/i

/** The dialect of a path, before anything else is known. */
export const dialectOf = (path: string): Dialect =>
  /\/messages(\/|$)/.test(path)
    ? "anthropic"
    : /:[a-zA-Z]+$/.test(path) || /^(\/[^/]+)?\/v1(beta|alpha)\//.test(path)
    ? path.includes("/openai/") ? "openai" : "gemini"
    : /^(\/cohere)?\/v2\//.test(path)
    ? "cohere"
    : /\/model\/[^/]+\/(converse|invoke)/.test(path)
    ? "bedrock"
    : "openai"

export const find = (asked: Asked, upstreams: ReadonlyMap<string, Upstream>): Found => {
  if (!plainTarget.test(asked.url)) {
    return refused(400, "openai", "the request's target is no plain path such as /v1/chat/completions")
  }
  const at = asked.url.indexOf("?")
  const whole = at < 0 ? asked.url : asked.url.slice(0, at)
  const query = at < 0 ? "" : asked.url.slice(at)
  const dialect = dialectOf(whole)
  if (unsafePath.test(whole) || (encodedSlash.test(whole) && !/\/model\//.test(whole))) {
    return refused(400, dialect, "the path has an empty, relative or encoded segment; write it plainly")
  }
  const [, first = ""] = whole.split("/", 2)
  const given = asked.provider?.trim().toLowerCase()
  // The gateway's own name: who answers is a matter of the model's.
  const named = given === "majordomo" ? undefined : given
  const byPath = upstreams.get(first)
  const rest = byPath === undefined ? whole : whole.slice(first.length + 1)
  if (named !== undefined && !upstreams.has(named)) {
    const names = [...upstreams.keys()].sort().join(", ")
    return refused(400, dialect, `X-Majordomo-Provider names no provider of this gateway; it has ${names}`)
  }
  const name = named ?? byPath?.name ?? detected(rest, asked.isAnthropic)
  const upstream = name === undefined ? undefined : upstreams.get(name)
  if (upstream === undefined || rest === "" || rest === "/") {
    return refused(
      404,
      dialect,
      "there is nothing at this path; call a provider's API as at its own address, /v1/chat/completions or /v1/messages, "
        + "or under its name, /groq/v1/chat/completions"
    )
  }
  const isNamed = named !== undefined || byPath !== undefined
  return { _tag: "Target", target: targetOf(asked.method, upstream, rest, query, isNamed) }
}

const openAI =
  /^\/(v1\/|(chat\/completions|completions|embeddings|responses|images|audio|moderations|files|batches|models|uploads|fine_tuning|vector_stores|assistants|threads|realtime)(\/|$))/

const detected = (path: string, isAnthropic: boolean): string | undefined => {
  if (/^\/(v1\/)?messages(\/|$)/.test(path)) return "anthropic"
  if (path.startsWith("/v1beta/openai/")) return "gemini-openai"
  if (/^\/v1(beta|alpha)\//.test(path) || /^\/(v1\/)?(models|tunedModels)\/[^/]+:[a-zA-Z]+$/.test(path)) return "gemini"
  if (/^\/v2\//.test(path)) return "cohere"
  if (/^\/model\//.test(path)) return "bedrock"
  if (isAnthropic && /^\/v1\//.test(path)) return "anthropic"
  return openAI.test(path) ? "openai" : undefined
}

const begins = (path: string, prefix: string): boolean => path === prefix || path.startsWith(`${prefix}/`)

const pathAt = ({ native, prefix }: Upstream, path: string): string => {
  if (prefix !== "" && begins(path, prefix)) return path
  if (native.some((own) => begins(path, own))) return path
  return begins(path, "/v1") ? prefix + path.slice("/v1".length) : prefix + path
}

const targetOf = (method: string, upstream: Upstream, rest: string, query: string, isNamed: boolean): Target => {
  const path = pathAt(upstream, rest)
  const isPost = method === "POST"
  const { family } = upstream
  const gemini = family === "gemini" ? /\/(?:models|tunedModels)\/(.+):([a-zA-Z]+)$/.exec(path) : null
  if (gemini !== null) {
    const [, model = "", action = ""] = gemini
    const reads = isPost && (action === "generateContent" || action === "streamGenerateContent")
    return {
      upstream,
      path,
      query,
      isNamed,
      dialect: "gemini",
      wire: reads ? "generate-content" : undefined,
      readsBody: false,
      model: decoded(model),
      streams: action === "streamGenerateContent"
    }
  }
  const bedrock = family === "bedrock" ? /\/model\/([^/]+)\/([a-z-]+)$/.exec(path) : null
  if (bedrock !== null) {
    const [, model = "", action = ""] = bedrock
    return {
      upstream,
      path,
      query,
      isNamed,
      dialect: "bedrock",
      wire: isPost && action.startsWith("converse") ? "converse" : undefined,
      readsBody: false,
      model: decoded(model),
      streams: action.endsWith("stream")
    }
  }
  const wire = isPost ? wireOf(upstream, path) : undefined
  return {
    upstream,
    path,
    query,
    isNamed,
    dialect: wire === "messages" ? "anthropic" : wire === "chat-completions" ? "openai" : family,
    wire,
    readsBody: wire !== undefined,
    model: undefined,
    streams: false
  }
}

const wireOf = ({ family }: Upstream, path: string): WireName | undefined => {
  // Older completions and embeddings count their tokens as Chat Completions does.
  if (/\/(completions|embeddings)$/.test(path)) return family === "gemini" ? undefined : "chat-completions"
  if (path.endsWith("/responses")) return "responses"
  if (path.endsWith("/messages") && !path.includes("/threads/")) return "messages"
  return family === "cohere" && path.endsWith("/v2/chat") ? "cohere" : undefined
}

const decoded = (segment: string): string => {
  try {
    return decodeURIComponent(segment)
  } catch {
    return segment
  }
}
