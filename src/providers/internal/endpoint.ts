/** Addresses: a base URL the user gives, and the provider's own prefix. */
import { isSecretQuery } from "../../internal/http/secrets.ts"

export type Base =
  | { readonly _tag: "Ok"; readonly url: URL }
  | { readonly _tag: "Invalid"; readonly message: string }

/**
 * A base without a path gets the provider's prefix; one with a path is used as it is; a trailing slash changes nothing.
 * So one `https://gateway.example.com` serves every provider. A query stays.
 */
export const parseBase = (baseUrl: string, prefix: string): Base => {
  let url: URL
  try {
    url = new URL(baseUrl)
  } catch {
    return { _tag: "Invalid", message: "baseUrl is not an absolute URL such as https://gateway.example.com" }
  }
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    return { _tag: "Invalid", message: "baseUrl must begin with http:// or https://" }
  }
  if (url.username !== "" || url.password !== "") {
    return { _tag: "Invalid", message: "baseUrl must not hold credentials; use defaultHeaders" }
  }
  for (const name of url.searchParams.keys()) {
    if (isSecretQuery(name)) {
      return { _tag: "Invalid", message: `baseUrl must not hold a secret (${name}); use apiKey or defaultHeaders` }
    }
  }
  url.hash = ""
  url.pathname = url.pathname.replace(/\/+$/, "") || prefix
  return { _tag: "Ok", url }
}

/** The base with a path (and query) appended. */
export const join = (base: URL, path: string): string => {
  const url = new URL(base)
  const [pathname = "", query] = path.split("?")
  url.pathname = url.pathname.replace(/\/+$/, "") + pathname
  for (const [key, value] of new URLSearchParams(query)) url.searchParams.set(key, value)
  return url.toString()
}
