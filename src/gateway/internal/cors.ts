/** Which web pages may call the gateway: none that the operator has not named. */
import type { IncomingMessage, ServerResponse } from "node:http"

export interface Cors {
  /** For every answer to a page that may see it. */
  readonly headersOf: (request: IncomingMessage) => Readonly<Record<string, string>>
  readonly isPreflight: (request: IncomingMessage) => boolean
  readonly answer: (request: IncomingMessage, response: ServerResponse) => void
}

const none: Readonly<Record<string, string>> = {}

export const of = (origins: ReadonlyArray<string>): Cors => {
  const allowed = new Set(origins)
  const headersOf = (request: IncomingMessage): Readonly<Record<string, string>> => {
    const { origin } = request.headers
    if (allowed.size === 0 || origin === undefined || !(allowed.has(origin) || allowed.has("*"))) return none
    return { "access-control-allow-origin": origin, "access-control-expose-headers": "*", vary: "origin" }
  }
  return {
    headersOf,
    isPreflight: (request) =>
      allowed.size > 0 && request.method === "OPTIONS" &&
      request.headers["access-control-request-method"] !== undefined,
    answer: (request, response) => {
      response.writeHead(204, {
        ...headersOf(request),
        "access-control-allow-methods": "GET, POST, PUT, PATCH, DELETE",
        "access-control-allow-headers": request.headers["access-control-request-headers"] ?? "",
        "access-control-max-age": "600"
      })
      response.end()
    }
  }
}
