import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import * as signing from "../../../src/providers/internal/signing.ts"

// The keys, times and signatures of Amazon's own test suite for signature version 4.
const credentials = {
  accessKeyId: "AKIDEXAMPLE",
  secretAccessKey: Redacted.make("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
}
const at = Date.parse("2015-08-30T12:36:00Z")

const authorization = (method: string, path: string) =>
  Effect.gen(function*() {
    const sign = yield* signing.load("bedrock", { service: "service", region: "us-east-1" })
    const url = new URL(`https://example.amazonaws.com${path}`)
    return yield* sign({ method, url, headers: {}, body: new Uint8Array() }, credentials, at)
  })

const expected = (signature: string) => ({
  authorization: "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, " +
    `SignedHeaders=host;x-amz-date, Signature=${signature}`,
  "x-amz-date": "20150830T123600Z"
})

describe("signing", () => {
  it.effect("gives the signatures of the test suite: get-vanilla, post-vanilla, get-vanilla-query-order-key-case", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(
        yield* authorization("GET", "/"),
        expected("5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31")
      )
      assert.deepStrictEqual(
        yield* authorization("POST", "/"),
        expected("5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b")
      )
      assert.deepStrictEqual(
        yield* authorization("GET", "/?Param2=value2&Param1=value1"),
        expected("b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500")
      )
    }))
})
