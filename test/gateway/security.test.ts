import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, FastCheck as fc, Redacted } from "effect"
import { readdirSync, readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import { isInternal } from "../../src/gateway/internal/dispatchers.ts"
import * as targets from "../../src/gateway/internal/target.ts"
import * as upstreams from "../../src/gateway/internal/upstreams.ts"
import { runs } from "../runs.ts"
import { chatAnswer, question, rowsOf, run, type Running, send, sendRaw, upstream } from "./running.ts"

const json = { "content-type": "application/json" }

/** Everything that a gateway has written to disk. */
const written = (directory: string): string =>
  readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), "latin1"))
    .join("\n")

const answering = upstream((_, response) => {
  response.writeHead(200, json)
  response.end(chatAnswer)
})

describe("where bytes go", () => {
  it.scopedLive("no target, host or header changes it, and what tries is refused before anything is sent", () =>
    Effect.gen(function*() {
      const provider = yield* answering
      const elsewhere = yield* answering
      const gateway = yield* run({ providers: { openai: { baseUrl: provider.url } } })
      const { host } = new URL(elsewhere.url)
      const lines = [
        `POST ${elsewhere.url}/v1/chat/completions HTTP/1.1`,
        `POST //${host}/v1/chat/completions HTTP/1.1`,
        `POST /v1//chat/completions HTTP/1.1`,
        `POST /v1/../v1/chat/completions HTTP/1.1`,
        `POST /v1/%2e%2e/chat/completions HTTP/1.1`,
        `POST /openai%2fv1/chat/completions HTTP/1.1`,
        `POST /v1/chat%5ccompletions HTTP/1.1`,
        `POST /openai/@${host}/v1/chat/completions HTTP/1.1`,
        `POST \\\\${host}\\v1 HTTP/1.1`,
        `POST /v1/chat/completions#@${host} HTTP/1.1`
      ]
      const body = question()
      for (const line of lines) {
        const answer = yield* sendRaw(
          gateway.url,
          `${line}\r\nhost: ${host}\r\nx-majordomo-key: ${gateway.key}\r\nauthorization: Bearer sk-client\r\n`
            + `x-forwarded-host: ${host}\r\nconnection: close\r\ncontent-length: ${body.length}\r\n\r\n${body}`
        )
        const status = answer.slice(9, 12)
        // What is only odd goes to the pinned address with its odd path.
        assert.include(["400", "404", "200"], status, line)
        if (status === "200") assert.include(line, "/openai/@")
      }
      assert.strictEqual(elsewhere.requests.length, 0)
      for (const { headers } of provider.requests) assert.strictEqual(headers.host, new URL(provider.url).host)
    }))

  it.scopedLive("a redirect is the client's business", () =>
    Effect.gen(function*() {
      const elsewhere = yield* answering
      const provider = yield* upstream((_, response) => {
        response.writeHead(307, { location: `${elsewhere.url}/v1/chat/completions` })
        response.end()
      })
      const gateway = yield* run({ providers: { openai: { baseUrl: provider.url } } })
      const answer = yield* send(`${gateway.url}/v1/chat/completions`, {
        headers: { ...json, authorization: "Bearer sk-client", "x-majordomo-key": gateway.key },
        body: question()
      })
      assert.strictEqual(answer.status, 307)
      assert.strictEqual(elsewhere.requests.length, 0)
    }))

  it.scopedLive("two lengths, bad chunks and broken lines never reach a provider", () =>
    Effect.gen(function*() {
      const provider = yield* answering
      const gateway = yield* run({ providers: { openai: { baseUrl: provider.url } } })
      const start = `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nx-majordomo-key: ${gateway.key}\r\n`
        + "authorization: Bearer sk-client\r\n"
      const bodies = [
        "content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "content-length: 4\r\ncontent-length: 5\r\n\r\n{\"a\"",
        "transfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        "transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "x: a\rb\r\ncontent-length: 2\r\n\r\n{}",
        "x y: a\r\ncontent-length: 2\r\n\r\n{}"
      ]
      for (const rest of bodies) {
        const answer = yield* Effect.timeoutOption(sendRaw(gateway.url, start + rest), "5 seconds")
        assert.isTrue(answer._tag === "Some" && /^HTTP\/1\.1 400/.test(answer.value), rest)
      }
      assert.strictEqual(provider.requests.length, 0)
      const long = yield* sendRaw(gateway.url, `${start}x-long: ${"a".repeat(100_000)}\r\n\r\n`)
      assert.match(long, /^HTTP\/1\.1 431/)
    }))

  it.effect("hosts that everybody runs are reached only where the operator says", () =>
    Effect.gen(function*() {
      const all = yield* upstreams.make({})
      assert.isFalse(all.has("ollama"))
      assert.isFalse(all.has("majordomo"))
      assert.isFalse(all.has("azure"))
      const named = yield* upstreams.make({ providers: { ollama: { baseUrl: "http://10.0.0.7:11434" } } })
      assert.strictEqual(named.get("ollama")?.origin, "http://10.0.0.7:11434")
      for (const address of ["127.0.0.1", "10.2.3.4", "169.254.169.254", "::1", "fd00::1", "::ffff:10.0.0.1"]) {
        assert.isTrue(isInternal(address), address)
      }
      for (const address of ["104.18.7.192", "2606:4700::6812:7c0"]) assert.isFalse(isInternal(address), address)
    }))

  it.effect.prop(
    "whatever a request says, it is refused or goes to an origin of the configuration, at a plain path",
    [
      fc.array(
        fc.oneof(
          fc.constantFrom(
            "v1",
            "openai",
            "..",
            ".",
            "",
            "%2e%2e",
            "%2f",
            "models",
            "x:generateContent",
            "@evil",
            "groq"
          ),
          fc.string({ maxLength: 5 })
        ),
        { maxLength: 6 }
      ),
      fc.constantFrom(undefined, "openai", "gemini-openai", "evil.example", "groq", "http://evil"),
      fc.boolean()
    ],
    ([segments, provider, isAnthropic]) =>
      Effect.gen(function*() {
        const all = yield* upstreams.make({})
        const found = targets.find({ method: "POST", url: `/${segments.join("/")}`, provider, isAnthropic }, all)
        if (found._tag === "Refused") return
        const { path, query, upstream } = found.target
        const url = new URL(path + query, upstream.origin)
        assert.strictEqual(url.origin, upstream.origin)
        assert.strictEqual(all.get(upstream.name)?.origin, upstream.origin)
        // What the provider's own parser makes of it is what was looked at.
        assert.strictEqual(url.pathname, path)
      }),
    { fastCheck: { numRuns: runs(300, 20_000) } }
  )

  it.effect("each path goes to its provider, at that provider's own path", () =>
    Effect.gen(function*() {
      const all = yield* upstreams.make({})
      const at = (url: string, provider?: string, isAnthropic = false) => {
        const found = targets.find({ method: "POST", url, provider, isAnthropic }, all)
        return found._tag === "Refused" ? String(found.status) :
          `${found.target.upstream.name} ${found.target.path} ${found.target.wire ?? "-"}`
      }
      assert.deepStrictEqual([
        at("/v1/chat/completions"),
        at("/chat/completions"),
        at("/v1/responses"),
        at("/v1/responses/resp_1"),
        at("/v1/messages"),
        at("/messages"),
        at("/v1/messages/count_tokens"),
        at("/anthropic/v1/messages"),
        at("/v1/models", undefined, true),
        at("/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse"),
        at("/v1/models/gemini-2.5-pro:generateContent"),
        at("/v1/chat/completions", "gemini-openai"),
        at("/chat/completions", "gemini-openai"),
        at("/v1beta/openai/chat/completions"),
        at("/v2/chat"),
        at("/v1/rerank", "cohere"),
        at("/model/us.amazon.nova-lite-v1%3A0/converse-stream"),
        at("/groq/v1/chat/completions"),
        at("/groq/openai/v1/chat/completions"),
        at("/v1/chat/completions", "Groq"),
        at("/deepseek/v1/chat/completions"),
        at("/v1/embeddings"),
        at("/nothing"),
        at("/openai"),
        at("/v1/models", "acme")
      ], [
        "openai /v1/chat/completions chat-completions",
        "openai /v1/chat/completions chat-completions",
        "openai /v1/responses responses",
        "openai /v1/responses/resp_1 -",
        "anthropic /v1/messages messages",
        "anthropic /v1/messages messages",
        "anthropic /v1/messages/count_tokens -",
        "anthropic /v1/messages messages",
        "anthropic /v1/models -",
        "gemini /v1beta/models/gemini-2.5-pro:streamGenerateContent generate-content",
        "gemini /v1/models/gemini-2.5-pro:generateContent generate-content",
        "gemini-openai /v1beta/openai/chat/completions chat-completions",
        "gemini-openai /v1beta/openai/chat/completions chat-completions",
        "gemini-openai /v1beta/openai/chat/completions chat-completions",
        "cohere /v2/chat cohere",
        "cohere /v1/rerank -",
        "bedrock /model/us.amazon.nova-lite-v1%3A0/converse-stream converse",
        "groq /openai/v1/chat/completions chat-completions",
        "groq /openai/v1/chat/completions chat-completions",
        "groq /openai/v1/chat/completions chat-completions",
        "deepseek /chat/completions chat-completions",
        "openai /v1/embeddings chat-completions",
        "404",
        "404",
        "400"
      ])
    }))
})

describe("whose key goes where", () => {
  const ask = (gateway: Running, headers: Record<string, string>, path = "/v1/chat/completions") =>
    send(`${gateway.url}${path}`, { headers: { ...json, ...headers }, body: question() })

  it.scopedLive("the client's own goes on; where it brings none, the one that is kept; the gateway's never", () =>
    Effect.gen(function*() {
      const provider = yield* answering
      const gateway = yield* run({
        providers: {
          openai: { baseUrl: provider.url },
          groq: { baseUrl: provider.url, key: Redacted.make("gsk_configured") }
        }
      })
      yield* gateway.providerKeys.set("openai", Redacted.make("sk-stored-one"))
      yield* gateway.providerKeys.set("openai", Redacted.make("sk-stored-two"), "two")
      const key = gateway.key
      yield* ask(gateway, { "x-majordomo-key": key, authorization: "Bearer sk-own" })
      yield* ask(gateway, { authorization: `Bearer ${key}` })
      yield* ask(gateway, { "x-api-key": key })
      yield* ask(gateway, {}, `/v1/chat/completions?key=${key}&beta=1`)
      yield* ask(gateway, {
        "x-majordomo-key": key,
        "x-majordomo-provider-alias": "two",
        authorization: "Bearer sk-own"
      })
      yield* ask(gateway, { authorization: `Bearer ${key}`, "x-majordomo-provider": "groq" })
      assert.deepStrictEqual(provider.requests.map(({ headers }) => headers.authorization), [
        "Bearer sk-own",
        "Bearer sk-stored-one",
        "Bearer sk-stored-one",
        "Bearer sk-stored-one",
        "Bearer sk-stored-two",
        "Bearer gsk_configured"
      ])
      assert.strictEqual(provider.requests[3]?.url, "/v1/chat/completions?beta=1")
      const sent = JSON.stringify(provider.requests.map(({ rawHeaders, url }) => [rawHeaders, url]))
      assert.notInclude(sent, "mdm_")
      const rows = yield* rowsOf(gateway, 6)
      assert.deepStrictEqual(rows.map(({ apiKeyAlias }) => apiKeyAlias), [
        undefined,
        "default",
        "default",
        "default",
        "two",
        "configuration"
      ])
    }))

  it.scopedLive("a key of another provider is refused and never sent", () =>
    Effect.gen(function*() {
      const provider = yield* answering
      const gateway = yield* run({ providers: { openai: { baseUrl: provider.url } } })
      const answer = yield* ask(gateway, { "x-majordomo-key": gateway.key, authorization: "Bearer sk-ant-api03-x" })
      assert.strictEqual(answer.status, 400)
      assert.include(answer.body.toString(), "looks like a key of anthropic")
      assert.strictEqual(provider.requests.length, 0)
    }))

  it.scopedLive("a canary in any header, query or body is in no row, spool, log line, metric or error", () =>
    Effect.gen(function*() {
      const provider = yield* upstream((request, response, body) => {
        response.writeHead(500, json)
        response.end(
          JSON.stringify({ error: { message: `no: ${request.rawHeaders.join(" ")} ${request.url} ${body}` } })
        )
      })
      const lines: Array<string> = []
      const gateway = yield* run({
        providers: { openai: { baseUrl: provider.url } },
        accessLog: (line) => lines.push(line)
      })
      yield* gateway.providerKeys.set("openai", Redacted.make("canary-stored-key"))
      const canary = "canary-0123456789"
      const headers: ReadonlyArray<Record<string, string>> = [
        { authorization: `Bearer ${canary}` },
        { "x-api-key": canary },
        { "x-goog-api-key": canary },
        { "api-key": canary },
        { cookie: `session=${canary}`, authorization: "Bearer sk-x-123456" },
        { "x-my-secret": canary, "x-majordomo-user-id": canary, "user-agent": canary },
        { "x-amz-security-token": canary },
        {}
      ]
      for (const more of headers) {
        yield* send(`${gateway.url}/v1/chat/completions?key=${canary}`, {
          headers: { ...json, "x-majordomo-key": gateway.key, ...more },
          body: question({ user: canary })
        })
      }
      yield* ask(gateway, { "x-majordomo-key": `mdm_sk_${canary}` })
      const rows = yield* rowsOf(gateway, headers.length + 1)
      assert.strictEqual(rows.length, headers.length + 1)
      const told = JSON.stringify(rows) + lines.join("\n") + written(gateway.directory)
      assert.notInclude(told, canary)
      assert.notInclude(told, "canary-stored-key")
      assert.notInclude(told, gateway.key)
    }))

  it.scopedLive("what a client signed for AWS is signed anew with the gateway's own keys", () =>
    Effect.gen(function*() {
      const provider = yield* upstream((_, response) => {
        response.writeHead(200, json)
        response.end(JSON.stringify({
          output: { message: { role: "assistant", content: [{ text: "Hi" }] } },
          stopReason: "end_turn",
          usage: { inputTokens: 7, outputTokens: 2, totalTokens: 9 }
        }))
      })
      const gateway = yield* Effect.withConfigProvider(
        run({ providers: { bedrock: { baseUrl: provider.url, region: "eu-west-1" } } }),
        ConfigProvider.fromMap(
          new Map([["AWS_ACCESS_KEY_ID", "AKIAGATEWAY"], ["AWS_SECRET_ACCESS_KEY", "canary-secret-of-aws"]])
        )
      )
      const path = "/model/us.amazon.nova-2-lite-v1%3A0/converse"
      const answer = yield* send(gateway.url + path, {
        headers: {
          ...json,
          "x-majordomo-key": gateway.key,
          authorization: "AWS4-HMAC-SHA256 Credential=AKIACLIENT/20261128/us-east-1/bedrock/aws4_request, Signature=00",
          "x-amz-date": "20261128T000000Z",
          "x-amz-security-token": "canary-token-of-the-client"
        },
        body: JSON.stringify({ messages: [{ role: "user", content: [{ text: "Hello" }] }] })
      })
      assert.strictEqual(answer.status, 200)
      const [request] = provider.requests
      assert.strictEqual(request?.url, path)
      assert.match(
        request?.headers.authorization ?? "",
        /Credential=AKIAGATEWAY\/\d{8}\/eu-west-1\/bedrock\/aws4_request/
      )
      assert.isUndefined(request?.headers["x-amz-security-token"])
      assert.notInclude(JSON.stringify(request?.rawHeaders), "CLIENT")
      const [row] = yield* rowsOf(gateway, 1)
      assert.deepStrictEqual([row?.provider, row?.model, row?.inputTokens], [
        "bedrock",
        "us.amazon.nova-2-lite-v1:0",
        7
      ])
      assert.notInclude(JSON.stringify(row) + written(gateway.directory), "canary")
    }))

  it.scopedLive("files are the user's own", () =>
    Effect.gen(function*() {
      const gateway = yield* run()
      const modes = readdirSync(gateway.directory, { recursive: true, withFileTypes: true }).map((entry) => {
        const mode = statSync(join(entry.parentPath, entry.name)).mode & 0o777
        return [entry.name, entry.isDirectory() ? mode === 0o700 : mode === 0o600] as const
      })
      assert.deepStrictEqual(modes.filter(([, isRight]) => !isRight), [])
    }))
})

describe("what is refused", () => {
  it.scopedLive("is refused in the client's protocol, says what to do, and leaves a row", () =>
    Effect.gen(function*() {
      const provider = yield* answering
      const gateway = yield* run({
        providers: { openai: { baseUrl: provider.url }, anthropic: { baseUrl: provider.url } },
        maxBodyBytes: 1000
      })
      const { secret } = yield* gateway.apiKeys.create({ name: "narrow", providers: ["openai"], models: ["gpt-4.1*"] })
      const narrow = { "x-majordomo-key": Redacted.value(secret), authorization: "Bearer sk-client" }
      const wide = { "x-majordomo-key": gateway.key, authorization: "Bearer sk-client" }
      const ask = (headers: Record<string, string>, body: string, path = "/v1/chat/completions") =>
        Effect.map(
          send(`${gateway.url}${path}`, { headers: { ...json, ...headers }, body }),
          ({ body, status }) => [status, JSON.parse(body.toString())] as const
        )
      const [none, noneBody] = yield* ask({}, question())
      assert.strictEqual(none, 401)
      assert.include(noneBody.error.message, "X-Majordomo-Key")
      const [, anthropicBody] = yield* ask({}, question(), "/v1/messages")
      assert.strictEqual(anthropicBody.error.type, "authentication_error")
      const [, geminiBody] = yield* ask({}, "{}", "/v1beta/models/gemini-2.5-pro:generateContent")
      assert.strictEqual(geminiBody.error.status, "UNAUTHENTICATED")
      assert.strictEqual((yield* ask(narrow, question({ model: "gpt-4.1-mini" })))[0], 200)
      const [model, modelBody] = yield* ask(narrow, question({ model: "gpt-5" }))
      assert.strictEqual(model, 403)
      assert.include(modelBody.error.message, "gpt-4.1*")
      assert.strictEqual((yield* ask(narrow, question(), "/v1/messages"))[0], 403)
      assert.strictEqual((yield* ask(wide, "{\"model\":"))[0], 400)
      assert.strictEqual((yield* ask(wide, "[1]"))[0], 400)
      assert.strictEqual((yield* ask(wide, "{\"model\":\"gpt-4.1\",\"model\":\"gpt-5\"}"))[0], 400)
      assert.strictEqual((yield* ask(narrow, "{\"mod\\u0065l\":\"gpt-5\",\"model\":\"gpt-4.1\"}"))[0], 400)
      assert.strictEqual((yield* ask(wide, question({ user: "x".repeat(2000) })))[0], 413)
      assert.strictEqual(provider.requests.length, 1)
      const rows = yield* rowsOf(gateway, 11)
      assert.strictEqual(rows.length, 11)
      assert.strictEqual(rows.filter(({ status }) => status === "error").length, 10)
    }))
})
