import { assert, describe, it } from "@effect/vitest"
import * as endpoint from "../../../src/providers/internal/endpoint.ts"

const address = (base: string, prefix: string, path: string) => {
  const parsed = endpoint.parseBase(base, prefix)
  return parsed._tag === "Ok" ? endpoint.join(parsed.url, path) : parsed.message
}

describe("endpoint", () => {
  it("gives a base without a path the provider's prefix, with or without a slash", () => {
    assert.strictEqual(address("https://gw.example", "/v1", "/messages"), "https://gw.example/v1/messages")
    assert.strictEqual(address("https://gw.example/", "/v1", "/messages"), "https://gw.example/v1/messages")
  })

  it("uses a base with a path as it is, a trailing slash changes nothing", () => {
    assert.strictEqual(address("http://h:1/a/b", "/v1", "/chat"), "http://h:1/a/b/chat")
    assert.strictEqual(address("http://h:1/a/b//", "/v1", "/chat"), "http://h:1/a/b/chat")
  })

  it("keeps the queries of base and path", () => {
    assert.strictEqual(
      address("https://h/openai?api-version=1", "/v1", "/x:stream?alt=sse"),
      "https://h/openai/x:stream?api-version=1&alt=sse"
    )
  })

  it.each(["gateway.example", "ftp://h", "https://user:pass@h"])("refuses %s without repeating credentials", (base) => {
    const parsed = endpoint.parseBase(base, "/v1")
    assert.strictEqual(parsed._tag, "Invalid")
    if (parsed._tag === "Invalid") assert.notInclude(parsed.message, "pass@")
  })
})
